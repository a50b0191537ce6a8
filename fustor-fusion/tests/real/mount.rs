//! File systems that a test mounts, and that are gone when it ends, however it ends.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bed::peers::python;
use crate::bed::process::{Process, wait_for};

/// A directory seen once more, by a process: like a client of a network file system it hears only of what is done
/// through itself, and remembers attributes for a while.
pub(crate) struct Bind {
    at: PathBuf,
    process: Process,
}

impl Bind {
    /// Shows `backing` at `at`, which is made if need be.
    pub(crate) fn new(backing: &Path, at: PathBuf) -> Self {
        let mut command = Command::new("bindfs");
        command.arg("-f").arg(backing).arg(&at);
        let process = start(command, &at);
        wait_for("a mount", || is_mounted(&at).then_some(()));
        Self { at, process }
    }

    /// Shows `backing` at `at` and fails where the file `faults` says so.
    pub(crate) fn faulty(backing: &Path, at: PathBuf, faults: &Path) -> Self {
        let mut command = python("python");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/faulty.py");
        command.arg(script).args([backing, &at, faults]);
        let process = start(command, &at);
        wait_for("a mount", || is_mounted(&at).then_some(()));
        Self { at, process }
    }

    pub(crate) fn can_mount() -> bool {
        let dir = tempfile::tempdir().expect("a directory");
        let at = dir.path().join("mounted");
        fs::create_dir(&at).expect("a directory");
        let shown = Command::new("bindfs").arg(dir.path()).arg(&at).output();
        let mounted = shown.is_ok_and(|ended| ended.status.success()) && is_mounted(&at);
        unmount(&at);
        mounted
    }

    pub(crate) fn root(&self) -> &Path {
        &self.at
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.at.join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.at(path), text).expect("a file is written");
    }

    /// Lets no call return until [`Self::thaw`].
    pub(crate) fn freeze(&self) {
        self.process.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.process.signal("-CONT");
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        // Else whoever looks at it waits for ever.
        self.thaw();
        unmount(&self.at);
    }
}

/// A file system in memory with little room.
pub(crate) struct Tmpfs(PathBuf);

impl Tmpfs {
    pub(crate) fn new(at: PathBuf, size: &str) -> Self {
        assert!(Self::mount(&at, size), "{} cannot be mounted", at.display());
        Self(at)
    }

    fn mount(at: &Path, size: &str) -> bool {
        fs::create_dir_all(at).expect("a directory");
        let size = format!("size={size}");
        let words = ["-t", "tmpfs", "-o", &size, "none"].map(OsStr::new);
        let mounted = Command::new("mount").args(words).arg(at).output();
        mounted.is_ok_and(|ended| ended.status.success())
    }

    pub(crate) fn can_mount() -> bool {
        let dir = tempfile::tempdir().expect("a directory");
        let at = dir.path().join("mounted");
        let mounted = Self::mount(&at, "1m");
        if mounted {
            drop(Self(at));
        }
        mounted
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // There is nobody to tell; what is left goes with the machine.
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

fn start(command: Command, at: &Path) -> Process {
    fs::create_dir_all(at).expect("a directory");
    let name = at.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Process::start(&name, command, at.with_extension("out"))
}

/// Takes it away at once, whoever still uses it.
fn unmount(at: &Path) {
    drop(Command::new("fusermount3").arg("-uzq").arg(at).output());
}

fn is_mounted(at: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("Linux tells");
    mounts.lines().any(|line| line.split(' ').nth(1) == at.to_str())
}
