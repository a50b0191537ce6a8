//! Looking at one file system below one root: opening directories and `lstat`, never outside and never writing.

mod statx;
mod walk;

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fustor_core::{RootIdentity, ViewPath};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

pub(crate) use statx::{Freshness, Look, Print, look_at, look_freshly, look_through};
pub(crate) use walk::Walk;

/// One system call takes at most 4096 bytes of path with its NUL.
const STEP_MAX: usize = 4000;
const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The root, held open, so that every path below it is resolved from the same directory.
pub(crate) struct Root {
    fd: OwnedFd,
    path: PathBuf,
    look: Look,
    /// `openat2` is missing before Linux 5.6 and forbidden in some sandboxes.
    has_openat2: AtomicBool,
    /// Names that were walked so far to get from the root to somewhere.
    names_walked: AtomicU64,
}

impl Root {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // A symlink may lead to the root; below it none is followed.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty())?;
        let look = look_through(fd.as_fd())?;
        let path = path.to_path_buf();
        let (has_openat2, names_walked) = (AtomicBool::new(true), AtomicU64::new(0));
        Ok(Self { fd, path, look, has_openat2, names_walked })
    }

    pub(crate) fn look(&self) -> &Look {
        &self.look
    }

    /// The `statfs` type of its file system; 0 when the system does not say.
    pub(crate) fn fs_type(&self) -> u64 {
        rustix::fs::fstatfs(&self.fd).map_or(0, |fs| fs.f_type.cast_unsigned())
    }

    /// What getting from the root to somewhere has cost so far, in names.
    pub(crate) fn names_walked(&self) -> u64 {
        self.names_walked.load(Ordering::Relaxed)
    }

    /// Whether the configured path still leads to the directory that was opened.
    pub(crate) fn stands(&self) -> bool {
        match rustix::fs::statx(CWD, &self.path, AtFlags::NO_AUTOMOUNT, statx::MASK) {
            Ok(st) => Look::from(&st).is_same(&self.look),
            // Not being able to look is no proof that it is gone.
            Err(error) => !matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::STALE),
        }
    }

    /// Opens a directory below the root for reading.
    pub(crate) fn open_dir(&self, path: &ViewPath) -> io::Result<OwnedFd> {
        let parent = match path.split() {
            None => return open_dir_at(self.fd.as_fd(), c"."),
            Some((parent, _)) => self.handle(&parent)?,
        };
        let name = std::ffi::CString::new(path.name())?;
        open_dir_at(parent.as_fd(), &name)
    }

    /// Opens a directory below the root as a place to look from, following no symlink.
    pub(crate) fn handle(&self, path: &ViewPath) -> io::Result<OwnedFd> {
        let flags = DIRECTORY | OFlags::PATH;
        let rest = &path.as_bytes()[1..];
        if rest.is_empty() {
            return Ok(openat(&self.fd, c".", flags, Mode::empty())?);
        }
        self.descend(self.fd.as_fd(), rest)
    }

    /// The same from a directory below the root on, by at least one name.
    fn descend(&self, from: BorrowedFd<'_>, mut rest: &[u8]) -> io::Result<OwnedFd> {
        let mut at: Option<OwnedFd> = None;
        while !rest.is_empty() {
            let (step, after) = split_step(rest);
            at = Some(self.step(at.as_ref().map_or(from, AsFd::as_fd), step)?);
            rest = after;
        }
        at.ok_or_else(|| Errno::INVAL.into())
    }

    fn step(&self, from: BorrowedFd<'_>, step: &[u8]) -> io::Result<OwnedFd> {
        let flags = DIRECTORY | OFlags::PATH;
        let names = 1 + step.iter().filter(|b| **b == b'/').count() as u64;
        self.names_walked.fetch_add(names, Ordering::Relaxed);
        if self.has_openat2.load(Ordering::Relaxed) {
            match openat2(from, step, flags, Mode::empty(), BENEATH) {
                Err(Errno::NOSYS | Errno::PERM) => self.has_openat2.store(false, Ordering::Relaxed),
                opened => return Ok(opened?),
            }
        }
        let mut names = step.split(|b| *b == b'/');
        let first = names.next().unwrap_or_default();
        let mut fd = openat(from, first, flags, Mode::empty())?;
        for name in names {
            fd = openat(&fd, name, flags, Mode::empty())?;
        }
        Ok(fd)
    }

    /// Whether the path leads, without symlinks, to the directory that `look` saw.
    pub(crate) fn leads_to(&self, path: &ViewPath, look: &Look) -> io::Result<bool> {
        match self.handle(path).and_then(|fd| look_through(fd.as_fd())) {
            Ok(there) => Ok(there.is_same(look)),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// `lstat` of a path below the root. `Ok(None)`: it is not there.
    pub(crate) fn lstat(&self, path: &ViewPath, fresh: Freshness) -> io::Result<Option<Look>> {
        let looked = match path.split() {
            None => look_through(self.fd.as_fd()),
            Some((parent, name)) => {
                let name = std::ffi::CString::new(name)?;
                self.handle(&parent).and_then(|fd| look_at(fd.as_fd(), &name, fresh))
            }
        };
        match looked {
            Ok(look) => Ok(Some(look)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Opens a directory by name. Anything else, symlinks included, is an error and is not touched.
pub(crate) fn open_dir_at(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | DIRECTORY;
    // Only the owner and root may leave the access time alone.
    match openat(parent, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => Ok(openat(parent, name, flags, Mode::empty())?),
        opened => Ok(opened?),
    }
}

/// Opens a directory by name as a place to look from. Symlinks are not followed.
pub(crate) fn handle_at(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    Ok(openat(parent, name, DIRECTORY | OFlags::PATH, Mode::empty())?)
}

/// Whether an error says that nothing is at a path (any more).
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// What makes the directory at `path` the same root after a restart or on another host.
///
/// # Errors
/// What the system says when the directory cannot be opened.
pub fn root_identity(path: &Path) -> io::Result<RootIdentity> {
    let root = Root::open(path)?;
    let fs = rustix::fs::fstatfs(&root.fd)?;
    let fs_id = rustix::fs::fstatvfs(&root.fd)?.f_fsid;
    Ok(RootIdentity { fs_type: fs.f_type.cast_unsigned(), fs_id, inode: root.look.facts.inode })
}

/// As many whole names as one system call takes, and the rest.
fn split_step(path: &[u8]) -> (&[u8], &[u8]) {
    if path.len() <= STEP_MAX {
        return (path, &[]);
    }
    // A name has at most 255 bytes, so there is a slash among the first STEP_MAX.
    let at = path[..STEP_MAX].iter().rposition(|b| *b == b'/').unwrap_or(STEP_MAX);
    (&path[..at], path.get(at + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_way_below_the_root_leads_outside_with_or_without_openat2() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(outside.path().join("b/c")).unwrap();
        fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
        symlink(outside.path(), dir.path().join("absolute")).unwrap();
        symlink("a", dir.path().join("relative")).unwrap();
        symlink("..", dir.path().join("a/up")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        for has_openat2 in [true, false] {
            root.has_openat2.store(has_openat2, Ordering::Relaxed);
            let path = |text: &str| ViewPath::parse(text.as_bytes()).unwrap();
            assert!(root.handle(&path("/a/b/c")).is_ok());
            for refused in ["/absolute/b", "/absolute", "/relative/b", "/a/up/a", "/absolute/b/c"] {
                let refused = path(refused);
                for opened in [root.handle(&refused), root.open_dir(&refused)] {
                    assert!(is_absent(&opened.unwrap_err()), "{refused} {has_openat2}");
                }
            }
            let beyond = root.lstat(&path("/absolute/b"), Freshness::Forced).unwrap();
            assert!(beyond.is_none());
            let link = root.lstat(&path("/absolute"), Freshness::Forced).unwrap().unwrap();
            assert_eq!(link.facts.kind, fustor_core::Kind::Symlink);
        }
        assert!(ViewPath::parse(b"/a/../../b").is_err());
    }
}
