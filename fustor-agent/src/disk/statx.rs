//! `statx` as facts.

use std::ffi::CStr;
use std::io;
use std::os::fd::BorrowedFd;

use fustor_core::{Facts, Kind, Owner, SECOND, StorageTime};
use rustix::fs::{AtFlags, FileType, Statx, StatxAttributes, StatxFlags, StatxTimestamp, statx};

/// Only what a row holds: a network file system may then leave out the rest.
pub(super) const MASK: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::MODE)
    .union(StatxFlags::NLINK)
    .union(StatxFlags::UID)
    .union(StatxFlags::GID)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::CTIME)
    .union(StatxFlags::INO)
    .union(StatxFlags::SIZE);

/// Whether a network file system may answer from its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// As `stat` does.
    Ordinary,
    /// The server is asked.
    Forced,
}

/// What one `statx` said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) facts: Facts,
    /// Device number, meaningful within this process only.
    pub(crate) device: (u32, u32),
    /// Whether something is mounted here. Bind mounts of the same device are recognised by this only.
    pub(crate) mount_root: bool,
}

impl Look {
    /// Whether both are the same directory, whatever its times.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.device == other.device && self.facts.inode == other.facts.inode
    }

    /// Whether nothing was added, removed or renamed between the two.
    pub(crate) fn stood_still(&self, later: &Self) -> bool {
        self.facts.mtime == later.facts.mtime && self.facts.ctime == later.facts.ctime
    }
}

impl From<&Statx> for Look {
    fn from(st: &Statx) -> Self {
        Self {
            facts: Facts {
                kind: kind(FileType::from_raw_mode(st.stx_mode.into())),
                size: st.stx_size,
                mtime: time(st.stx_mtime),
                ctime: time(st.stx_ctime),
                inode: st.stx_ino,
                nlink: st.stx_nlink,
                owner: Owner {
                    mode: u32::from(st.stx_mode) & 0o7777,
                    uid: st.stx_uid,
                    gid: st.stx_gid,
                },
            },
            device: (st.stx_dev_major, st.stx_dev_minor),
            mount_root: st.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
        }
    }
}

/// `lstat` of a name in an open directory.
#[inline]
pub(crate) fn look_at(dir: BorrowedFd<'_>, name: &CStr, fresh: Freshness) -> io::Result<Look> {
    let sync = match fresh {
        Freshness::Ordinary => AtFlags::empty(),
        Freshness::Forced => AtFlags::STATX_FORCE_SYNC,
    };
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | sync;
    Ok(Look::from(&statx(dir, name, flags, MASK)?))
}

/// `fstat`, also of a descriptor that is only a place to look from.
pub(crate) fn look_through(fd: BorrowedFd<'_>) -> io::Result<Look> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT;
    Ok(Look::from(&statx(fd, c"", flags, MASK)?))
}

fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::Directory => Kind::Dir,
        FileType::RegularFile => Kind::File,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::Unknown => Kind::Unknown,
    }
}

fn time(at: StatxTimestamp) -> StorageTime {
    StorageTime(at.tv_sec.saturating_mul(SECOND).saturating_add(at.tv_nsec.into()))
}
