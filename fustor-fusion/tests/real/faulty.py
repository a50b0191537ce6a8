"""Shows a directory once more and fails with EIO where a file says so: lines of `readdir PATH` or `getattr PATH`.

    faulty.py BACKING MOUNTPOINT FAULTS
"""

import errno
import os
import sys

import mfusepy

BACKING, MOUNTPOINT, FAULTS = sys.argv[1:]
ATTRIBUTES = ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")
NUMBERS = ("st_dev", "st_gid", "st_ino", "st_mode", "st_nlink", "st_size", "st_uid", "st_blocks")


def fails(what, path):
    with open(FAULTS, encoding="utf-8") as faults:
        if f"{what} {path}" in faults.read().splitlines():
            raise mfusepy.FuseOSError(errno.EIO)


class Faulty(mfusepy.Operations):
    use_ns = True

    def place(self, path):
        return BACKING + path

    def getattr(self, path, fh=None):
        fails("getattr", path)
        stat = os.lstat(self.place(path))
        attributes = {name: getattr(stat, name) for name in NUMBERS}
        attributes.update({name.removesuffix("_ns"): getattr(stat, name) for name in ATTRIBUTES})
        return attributes

    def readdir(self, path, fh):
        fails("readdir", path)
        return [".", "..", *os.listdir(self.place(path))]

    def create(self, path, mode, fi=None):
        return os.open(self.place(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)

    def open(self, path, flags):
        return os.open(self.place(path), flags)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def release(self, path, fh):
        os.close(fh)
        return 0


mfusepy.FUSE(Faulty(), MOUNTPOINT, foreground=True, use_ino=True, attr_timeout=0, entry_timeout=0, nothreads=True)
