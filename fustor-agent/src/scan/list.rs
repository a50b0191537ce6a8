//! Reading one directory: rows, whether they are complete, and which subdirectories come next.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fustor_core::{
    BlockBuilder, BootTime, DEPTH_MAX, Event, Kind, Listing, NAME_MAX, PATH_MAX, StorageTime,
    UncoveredReason, ViewPath,
};
use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use super::Counters;
use super::job::{Job, Kept, Scope};
use super::scanner::Scanner;
use super::shelf::company;
use crate::clock;
use crate::disk::{Freshness, Look, Print, is_absent, look_at, look_through, open_dir_at};
use crate::watch::Attached;

/// One `getdents` call: some 1000 entries, few calls even for large directories.
const BUFFER: usize = 64 * 1024;
/// How often a directory is read that changes meanwhile.
const ATTEMPTS: usize = 3;

/// What came of reading a directory.
pub(super) enum Outcome {
    Read(Box<Read>),
    /// Read, and that its path still leads there is to be proven together with others.
    Unproven(Box<Read>, Look),
    /// It is not there, or is no directory.
    Absent,
    /// Its path no longer leads to what was read.
    Moved {
        watch: Option<i32>,
    },
    /// It is not to be read.
    Refused(UncoveredReason),
    /// It is excluded, or lies in a directory that is; that lies in this one.
    Excluded {
        above: ViewPath,
    },
    /// It cannot be read.
    Failed(io::Error),
    /// The scanner ends.
    Abandoned,
}

/// A directory that was read.
pub(super) struct Read {
    pub(super) listing: Listing,
    pub(super) children: Names,
    /// What below it is not covered.
    pub(super) uncovered: Vec<(ViewPath, UncoveredReason)>,
    /// Directories on another file system.
    pub(super) mounts: Names,
    /// Why the listing is not complete.
    pub(super) trouble: Option<UncoveredReason>,
    /// What it looked like, if as long as it does it need not be listed again.
    pub(super) print: Option<Print>,
    pub(super) kept: Option<Arc<Kept>>,
    pub(super) watch: Option<i32>,
    /// At which version of the table of watches its path was right.
    pub(super) version: Option<u64>,
    /// What watching it brought about: directories that are covered or no longer.
    pub(super) notices: Vec<Event>,
}

/// Names one after the other in one allocation.
#[derive(Debug, Default)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Names {
    fn push(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
}

/// The buffers of one worker.
#[derive(Default)]
pub(super) struct Reader {
    buffer: Vec<u8>,
    builder: BlockBuilder,
    children: Names,
    uncovered: Vec<(ViewPath, UncoveredReason)>,
    mounts: Names,
    /// Whether a file has another name elsewhere: then writes to it are not reported here.
    linked: bool,
    /// Whether only subdirectories matter.
    quiet: bool,
}

/// One reading that is not sealed yet.
#[derive(Clone, Copy)]
struct Draft {
    stamp: BootTime,
    /// The wall clock before its entries were read.
    wall: StorageTime,
    look: Look,
    trouble: Option<UncoveredReason>,
}

/// What watching a directory gave.
struct Place {
    watch: Option<i32>,
    version: Option<u64>,
    notices: Vec<Event>,
}

impl Reader {
    pub(super) fn read(&mut self, scanner: &Scanner, beat: &AtomicU64, job: &Job) -> Outcome {
        if scanner.is_stopping() {
            return Outcome::Abandoned;
        }
        self.quiet = job.is_quiet();
        let path = current_path(scanner, job);
        if !(job.vetted && path == job.path)
            && let Some(above) = scanner.setup.filter.above_excluded(&path)
        {
            return Outcome::Excluded { above };
        }
        let stamp = clock::now();
        match self.open(scanner, job, &path).and_then(|fd| Ok((look_through(fd.as_fd())?, fd))) {
            Ok((look, fd)) => match refusal(scanner, &path, &look) {
                Some(reason) => Outcome::Refused(reason),
                None => self.read_open(scanner, beat, job, &path, fd, stamp, look),
            },
            Err(error) if is_absent(&error) => Outcome::Absent,
            Err(error) => Outcome::Failed(error),
        }
    }

    fn open(&self, scanner: &Scanner, job: &Job, path: &ViewPath) -> io::Result<OwnedFd> {
        if let Some(error) = scanner.setup.fault.as_ref().and_then(|fault| fault(path, b"")) {
            return Err(error);
        }
        match &job.parent {
            None => scanner.setup.root.open_dir(path),
            Some(parent) => {
                let mut name = [0; NAME_MAX + 1];
                name[..job.path.name().len()].copy_from_slice(job.path.name());
                let name = CStr::from_bytes_until_nul(&name).map_err(|_| Errno::INVAL)?;
                open_dir_at(parent.fd.as_fd(), name)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one value")]
    fn read_open(
        &mut self,
        scanner: &Scanner,
        beat: &AtomicU64,
        job: &Job,
        path: &ViewPath,
        mut fd: OwnedFd,
        mut stamp: BootTime,
        mut look: Look,
    ) -> Outcome {
        // Watched before it is read, so that nothing falls in between.
        let mut notices = Vec::new();
        let (watch, path, version) = match &scanner.setup.watches {
            None => (None, path.clone(), None),
            Some(watches) => match watches.attach(job, path, fd.as_fd(), &look, &mut notices) {
                Attached::At { watch, path: current, version } => {
                    // What is read from now on is of this path, and later than a look at the directory from above that
                    // has not seen what happened in it before it was watched.
                    stamp = clock::now();
                    (watch, current, Some(version))
                }
                Attached::Stale => return Outcome::Moved { watch: None },
            },
        };
        let mut attempt = 1;
        let draft = loop {
            let draft = match self.draft(scanner, beat, &path, fd.as_fd(), stamp, look) {
                Ok(draft) => draft,
                Err(error) => return Outcome::Failed(error),
            };
            if draft.trouble != Some(UncoveredReason::Restless) || attempt == ATTEMPTS {
                break draft;
            }
            attempt += 1;
            // Opened anew: that is when a network file system asks its server.
            stamp = clock::now();
            match open_dir_at(fd.as_fd(), c".").and_then(|fd| Ok((look_through(fd.as_fd())?, fd))) {
                Ok(again) => (look, fd) = again,
                Err(error) if is_absent(&error) => return Outcome::Moved { watch },
                Err(error) => return Outcome::Failed(error),
            }
        };
        let place = Place { watch, version, notices };
        if company(&path) > 1 {
            let read = self.seal(scanner, job, path, fd, draft, place);
            return Outcome::Unproven(Box::new(read), draft.look);
        }
        match scanner.setup.root.leads_to(&path, &draft.look) {
            Ok(true) => Outcome::Read(Box::new(self.seal(scanner, job, path, fd, draft, place))),
            Ok(false) => Outcome::Moved { watch },
            Err(error) => Outcome::Failed(error),
        }
    }

    /// Reads all entries once.
    fn draft(
        &mut self,
        scanner: &Scanner,
        beat: &AtomicU64,
        path: &ViewPath,
        fd: BorrowedFd<'_>,
        stamp: BootTime,
        before: Look,
    ) -> io::Result<Draft> {
        self.builder.clear();
        self.children.clear();
        self.uncovered.clear();
        self.mounts.clear();
        self.linked = false;
        let wall = clock::wall();
        let mut trouble = self.entries(scanner, beat, path, fd, &before)?;
        let look = look_through(fd)?;
        if !before.stood_still(&look) {
            Counters::add(&scanner.counters.restless, 1);
            trouble = trouble.or(Some(UncoveredReason::Restless));
        }
        Ok(Draft { stamp, wall, look, trouble })
    }

    fn entries(
        &mut self,
        scanner: &Scanner,
        beat: &AtomicU64,
        path: &ViewPath,
        fd: BorrowedFd<'_>,
        dir: &Look,
    ) -> io::Result<Option<UncoveredReason>> {
        let mut trouble = None;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.reserve(BUFFER);
        let mut entries = RawDir::new(fd, buffer.spare_capacity_mut());
        let mut n = beat.load(Ordering::Relaxed);
        while let Some(entry) = entries.next() {
            n = n.wrapping_add(1);
            beat.store(n, Ordering::Relaxed);
            let entry = match entry {
                Ok(entry) => entry,
                // The directory itself was removed; its parent tells.
                Err(Errno::NOENT) => break,
                Err(error) => {
                    trouble = Some(blame(error));
                    break;
                }
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let may_be_dir = matches!(entry.file_type(), FileType::Directory | FileType::Unknown);
            // Whatever it is, it is no directory.
            let is_hidden =
                |name: &CStr| scanner.setup.filter.hides(path, name.to_bytes(), Kind::File);
            if !may_be_dir && (self.quiet || is_hidden(name)) {
                continue;
            }
            if let Some(reason) = self.entry(scanner, path, fd, dir, name) {
                trouble = Some(reason);
            }
            if n.is_multiple_of(4096) && scanner.is_stopping() {
                break;
            }
        }
        self.buffer = buffer;
        Ok(trouble)
    }

    /// Adds one row. Some: the listing cannot be complete.
    #[inline]
    fn entry(
        &mut self,
        scanner: &Scanner,
        path: &ViewPath,
        fd: BorrowedFd<'_>,
        dir: &Look,
        name: &CStr,
    ) -> Option<UncoveredReason> {
        let bytes = name.to_bytes();
        if bytes.len() > NAME_MAX {
            return Some(UncoveredReason::TooDeep);
        }
        let fault = scanner.setup.fault.as_ref().and_then(|fault| fault(path, bytes));
        let look = match fault.map_or_else(|| look_at(fd, name, Freshness::Ordinary), Err) {
            Ok(look) => look,
            // Removed since the name was read: the directory's mtime tells.
            Err(error) if is_absent(&error) => {
                Counters::add(&scanner.counters.vanished, 1);
                return None;
            }
            Err(error) => {
                Counters::add(&scanner.counters.failing, 1);
                return Some(Errno::from_io_error(&error).map_or(UncoveredReason::Failing, blame));
            }
        };
        let kind = look.facts.kind;
        let hidden = scanner.setup.filter.hides(path, bytes, kind);
        if hidden && !kind.is_dir() {
            return None;
        }
        self.builder.push(bytes, &look.facts);
        if hidden {
            self.uncovered.push((path.join(bytes), UncoveredReason::Excluded));
        } else if kind.is_dir() {
            let mounted = look.mount_root || look.device != dir.device;
            if mounted && scanner.setup.one_file_system {
                self.uncovered.push((path.join(bytes), UncoveredReason::OtherFileSystem));
                self.mounts.push(bytes);
            } else {
                self.children.push(bytes);
            }
        } else if look.facts.nlink > 1 {
            self.linked = true;
        }
        None
    }

    fn seal(
        &mut self,
        scanner: &Scanner,
        job: &Job,
        path: ViewPath,
        fd: OwnedFd,
        draft: Draft,
        place: Place,
    ) -> Read {
        let mut children = std::mem::take(&mut self.children);
        let mut uncovered = std::mem::take(&mut self.uncovered);
        let mounts = std::mem::take(&mut self.mounts);
        let too_deep = !children.is_empty() && is_too_deep(&path);
        if too_deep {
            children.clear();
            uncovered.push((path.clone(), UncoveredReason::TooDeep));
        }
        let rests = !(self.linked || too_deep || draft.look.is_fresh(draft.wall));
        let kept = if children.is_empty() || job.scope == Scope::One {
            None
        } else {
            Kept::within(fd, &scanner.open, scanner.open_max)
        };
        let blocks = self.builder.finish(path.name());
        let complete = draft.trouble.is_none() && !scanner.is_stopping();
        let (stamp, facts) = (draft.stamp, draft.look.facts);
        let listing = Listing { dir: path, stamp, complete, facts, blocks };
        let Place { watch, version, notices } = place;
        let (trouble, print) = (draft.trouble, rests.then(|| draft.look.print()));
        Read { listing, children, uncovered, mounts, trouble, print, kept, watch, version, notices }
    }
}

/// The path of a job as the kernel's reports have it now: the directory or its parent may have moved since.
pub(super) fn current_path(scanner: &Scanner, job: &Job) -> ViewPath {
    let Some(watches) = &scanner.setup.watches else { return job.path.clone() };
    if job.watch.is_none() && job.version.is_some_and(|version| watches.is_version(version)) {
        return job.path.clone();
    }
    let own = || job.watch.and_then(|watch| watches.path_of(watch));
    let parent = || job.parent_watch.and_then(|watch| watches.path_of(watch));
    own().or_else(|| Some(parent()?.join(job.path.split()?.1))).unwrap_or_else(|| job.path.clone())
}

/// Whether what lies in this directory has no path in a view.
fn is_too_deep(path: &ViewPath) -> bool {
    path.as_bytes().len() + 1 + NAME_MAX > PATH_MAX || path.depth() >= DEPTH_MAX
}

fn blame(error: Errno) -> UncoveredReason {
    match error {
        Errno::ACCESS | Errno::PERM => UncoveredReason::Unreadable,
        _ => UncoveredReason::Failing,
    }
}

/// Why a directory that is open is not to be read.
fn refusal(scanner: &Scanner, path: &ViewPath, look: &Look) -> Option<UncoveredReason> {
    let root = &scanner.setup.root;
    if path.is_root() {
        return None;
    }
    if scanner.setup.one_file_system {
        let elsewhere = look.mount_root || look.device != root.look().device;
        return elsewhere.then_some(UncoveredReason::OtherFileSystem);
    }
    (look.mount_root && is_own_ancestor(scanner, path, look)).then_some(UncoveredReason::Loop)
}

/// Whether a mounted directory is one of those that lead to it. Only mounts can make such a loop, so only mount
/// points are compared.
fn is_own_ancestor(scanner: &Scanner, path: &ViewPath, look: &Look) -> bool {
    let parent = |path: &ViewPath| path.split().map(|(parent, _)| parent);
    std::iter::successors(parent(path), parent).any(|parent| {
        // One that cannot be looked at is no reason to skip this one: the depth limit ends what is left.
        scanner.setup.root.leads_to(&parent, look).unwrap_or(false)
    })
}
