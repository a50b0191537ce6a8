//! The kernel's watches and the table of what they watch, shared by scan workers, which add, and the watcher, which
//! listens.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fustor_core::{Admission, BootTime, Event, Heat, UncoveredReason, ViewPath, WatchId, WatchSet};
use rustc_hash::FxHashSet;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use super::table::{Dropped, ROOT, Table};
use crate::clock;
use crate::disk::{Look, Root};
use crate::scan::{Job, Names};

/// `ONLYDIR`: nothing else is ever watched. `EXCL_UNLINK`: what was removed and is still open concerns nobody.
const MASK: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::EXCL_UNLINK);

/// Watches and their table.
pub(crate) struct Watches {
    pub(super) inotify: OwnedFd,
    /// Wakes the watcher.
    bell: OwnedFd,
    root: Arc<Root>,
    /// Of the watcher, for whoever asks.
    pub(super) waiting: AtomicU64,
    drained: AtomicI64,
    /// How many there were when somebody looked.
    counted: AtomicUsize,
    shared: Mutex<Shared>,
}

pub(super) struct Shared {
    pub(super) table: Table,
    pub(super) set: WatchSet,
    /// Watches without a directory that the kernel still holds; removed in slices, since each removal is reported.
    doomed: Vec<i32>,
    /// Directories that were reported as not watched.
    refused: FxHashSet<ViewPath>,
}

/// At most this many refusals are remembered; a directory that is watched later and is not among them stays reported.
const REFUSED_MAX: usize = 100_000;
/// Watches removed at a time: far fewer than the kernel's queue holds reports (16 384).
const DOOMED_AT_A_TIME: usize = 1024;

/// Where a directory is that a scan has opened.
pub(crate) enum Attached {
    /// At this path; watched or not. The path holds as long as the table has this version.
    At { watch: Option<i32>, path: ViewPath, version: u64 },
    /// Not where the scan thought.
    Stale,
}

impl Watches {
    pub(crate) fn new(root: Arc<Root>, max_watches: Option<usize>) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Shared {
            table: Table::new(root.look().facts.inode),
            set: WatchSet::new(max_watches.unwrap_or(usize::MAX)),
            doomed: Vec::new(),
            refused: FxHashSet::default(),
        };
        Ok(Self {
            inotify,
            bell,
            root,
            waiting: AtomicU64::new(0),
            drained: AtomicI64::new(i64::MIN),
            counted: AtomicUsize::new(0),
            shared: Mutex::new(shared),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    pub(crate) fn ring(&self) {
        // Full means that it rings already.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// How many there are, or were a moment ago: the table is locked while the kernel is asked, and a root that hangs does
    /// not answer. Whoever tells how a pipe fares must not wait for that.
    pub(crate) fn len(&self) -> usize {
        if let Ok(shared) = self.shared.try_lock() {
            self.counted.store(shared.set.len(), Ordering::Relaxed);
        }
        self.counted.load(Ordering::Relaxed)
    }

    /// Watches the directory that a scan has opened at `path`, before it is read. What changes for others goes to
    /// `notices`.
    ///
    /// The kernel is asked and the table changed under one lock, so that no report of a watch is read before the table
    /// knows whose it is.
    pub(crate) fn attach(
        &self,
        job: &Job,
        path: &ViewPath,
        fd: BorrowedFd<'_>,
        look: &Look,
        notices: &mut Vec<Event>,
    ) -> Attached {
        let mut shared = self.lock();
        let above = job.parent_watch.map(|watch| shared.table.by_watch(watch));
        let (path, known, parent) = match (path.split(), above) {
            (None, _) => (path.clone(), Some(ROOT), None),
            // Where the parent is now.
            (Some((_, name)), Some(Some(parent))) if job.watch.is_none() => {
                let path = match job.version == Some(shared.table.version()) {
                    true => Some(path.clone()),
                    false => shared.table.path(parent, name),
                };
                let Some(path) = path else { return Attached::Stale };
                (path, shared.table.child(parent, name), Some(parent))
            }
            // The parent has lost its watch: it may have moved, or have given way to a hotter one.
            (Some(_), Some(None)) if !self.root.leads_to(path, look).unwrap_or(false) => {
                return Attached::Stale;
            }
            (Some(_), _) => (path.clone(), shared.table.find(path), None),
        };
        let watch = shared.watch_at(self, (known, parent), &path, fd, look, notices);
        let version = shared.table.version();
        watch.map_or(Attached::Stale, |watch| Attached::At { watch, path, version })
    }

    /// Whether a watched directory has a child of this name that is watched too.
    pub(crate) fn has_child(&self, watch: i32, name: &[u8]) -> bool {
        let shared = self.lock();
        let parent = shared.table.by_watch(watch);
        let child = parent.and_then(|parent| shared.table.child(parent, name));
        child.is_some_and(|child| shared.table.watch(child).is_some())
    }

    /// The directories in one, by their places among `names`, that are not watched though there is room: all that is
    /// known of them is what scans find.
    pub(crate) fn unwatched<'a>(
        &self,
        dir: &ViewPath,
        names: impl Iterator<Item = &'a [u8]>,
    ) -> Vec<usize> {
        let shared = self.lock();
        if shared.set.is_full() {
            return Vec::new();
        }
        let parent = shared.table.find(dir);
        let is_watched = |name: &[u8]| {
            let child = parent.and_then(|parent| shared.table.child(parent, name));
            child.is_some_and(|child| shared.table.watch(child).is_some())
        };
        names.enumerate().filter(|(_, name)| !is_watched(name)).map(|(at, _)| at).collect()
    }

    /// Whether a path that was right at that version of the table is right now.
    pub(crate) fn is_version(&self, version: u64) -> bool {
        self.lock().table.version() == version
    }

    /// Where a watched directory is now, as far as the kernel's reports have been read.
    pub(crate) fn path_of(&self, watch: i32) -> Option<ViewPath> {
        let shared = self.lock();
        shared.table.by_watch(watch).and_then(|id| shared.table.path(id, b""))
    }

    /// Drops a watch whose directory is not where it should be, and those below it. Returns the parent that it had.
    pub(crate) fn forget(&self, watch: i32) -> Option<(ViewPath, Option<i32>)> {
        let mut shared = self.lock();
        let id = shared.table.by_watch(watch)?;
        let (parent, _) = shared.table.place(id)?;
        shared.remove(id);
        let path = shared.table.path(parent, b"")?;
        let watch = shared.table.watch(parent);
        drop(shared);
        self.ring();
        Some((path, watch))
    }

    /// Drops the children of a watched directory that a complete listing lacks: their removal was lost.
    pub(crate) fn reconcile(&self, watch: i32, listed: &Names) {
        let mut shared = self.lock();
        let Some(dir) = shared.table.by_watch(watch) else { return };
        let mut children = shared.table.children(dir).peekable();
        // So at the first scan, which is what must be fast.
        if children.peek().is_none() {
            return;
        }
        let listed: FxHashSet<_> = listed.iter().collect();
        let is_missing = |child: &WatchId| {
            shared.table.place(*child).is_some_and(|(_, name)| !listed.contains(name))
        };
        let missing: Vec<_> = children.filter(is_missing).collect();
        for child in missing {
            let path = shared.table.path(child, b"");
            // Created after the listing, perhaps.
            if path.is_some_and(|path| self.root.handle(&path).is_err()) {
                shared.remove(child);
            }
        }
        drop(shared);
    }

    /// All that the kernel had reported by then is in the table.
    pub(crate) fn drained(&self) -> BootTime {
        BootTime(self.drained.load(Ordering::Acquire))
    }

    pub(super) fn set_drained(&self, at: BootTime) {
        self.drained.store(at.0, Ordering::Release);
    }

    /// Changed paths that wait for the host.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Asks the kernel to drop some of the watches without a directory. True: more remain.
    pub(super) fn bury(&self) -> bool {
        let mut shared = self.lock();
        let left = shared.doomed.len().saturating_sub(DOOMED_AT_A_TIME);
        for watch in shared.doomed.split_off(left) {
            // A scan may have found the same directory elsewhere meanwhile, with the same watch.
            if shared.table.by_watch(watch).is_none() {
                // The kernel has dropped that of a removed directory already.
                let _ = inotify::remove_watch(&self.inotify, watch);
            }
        }
        left > 0
    }

    fn add(&self, fd: BorrowedFd<'_>) -> Result<i32, Errno> {
        // By descriptor, so that it is the directory that was opened, whatever its path leads to now.
        let mut path = *b"/proc/self/fd/0000000000\0";
        let number = rustix::path::DecInt::new(fd.as_raw_fd());
        let digits = number.as_bytes_with_nul();
        path[14..14 + digits.len()].copy_from_slice(digits);
        let path = std::ffi::CStr::from_bytes_until_nul(&path).map_err(|_| Errno::INVAL)?;
        inotify::add_watch(&self.inotify, path, MASK)
    }
}

impl Shared {
    /// Watches a directory at a path. `None`: it is known to be elsewhere.
    fn watch_at(
        &mut self,
        watches: &Watches,
        (known, parent): (Option<WatchId>, Option<WatchId>),
        path: &ViewPath,
        fd: BorrowedFd<'_>,
        look: &Look,
        notices: &mut Vec<Event>,
    ) -> Option<Option<i32>> {
        // The root never gives way.
        let heat = if path.is_root() { Heat(u32::MAX) } else { Heat::of(look.facts.mtime) };
        let is_watched = known.is_some_and(|id| self.table.watch(id).is_some());
        if !is_watched && !self.make_room(watches, heat, notices) {
            self.refuse(path, notices, UncoveredReason::WatchLimit);
            return Some(None);
        }
        let watch = match self.add(watches, heat, fd, notices) {
            Ok(watch) => watch,
            Err(reason) => {
                if let Some(id) = known {
                    self.remove(id);
                }
                self.refuse(path, notices, reason);
                return Some(None);
            }
        };
        match (self.table.by_watch(watch), known) {
            (Some(there), Some(id)) if there == id => {}
            (there, known) => {
                if let Some(there) = there {
                    // The same directory at another path: moved, or this path is from before a move.
                    if !watches.root.leads_to(path, look).unwrap_or(false) {
                        return None;
                    }
                    // The host has not been told of the move, so what is below has to be listed at its new path too:
                    // nothing of it may count as known.
                    self.remove(there);
                }
                // Another directory was there, or none.
                if let Some(id) = known.filter(|id| self.table.watch(*id).is_some()) {
                    self.remove(id);
                }
                let id = self.table.child_or_add(parent, path);
                self.table.set_watch(id, watch, look.facts.inode, heat);
                self.set.add(heat, id);
                self.accept(path, notices);
            }
        }
        Some(Some(watch))
    }

    fn add(
        &mut self,
        watches: &Watches,
        heat: Heat,
        fd: BorrowedFd<'_>,
        notices: &mut Vec<Event>,
    ) -> Result<i32, UncoveredReason> {
        match watches.add(fd) {
            Err(Errno::NOSPC) => {
                tracing::warn!(
                    watches = self.set.len(),
                    "the kernel's limit of watches is reached"
                );
                self.set.stop_here();
                if !self.make_room(watches, heat, notices) {
                    return Err(UncoveredReason::WatchLimit);
                }
                watches.add(fd).map_err(refusal)
            }
            added => added.map_err(refusal),
        }
    }

    /// Makes room for a directory of this heat, at the cost of a colder one. False: there is none.
    fn make_room(&mut self, watches: &Watches, heat: Heat, notices: &mut Vec<Event>) -> bool {
        let table = &self.table;
        match self.set.admit(heat, || table.watched()) {
            Admission::Room => true,
            Admission::Refused => false,
            Admission::InsteadOf(cold) => {
                let path = self.table.path(cold, b"");
                if let Some(dropped) = self.table.clear_watch(cold) {
                    self.set.remove(dropped.heat, dropped.id);
                    // At once: the kernel has no room either.
                    let _ = inotify::remove_watch(&watches.inotify, dropped.watch);
                }
                if let Some(path) = path {
                    self.refuse(&path, notices, UncoveredReason::WatchLimit);
                }
                true
            }
        }
    }

    fn refuse(&mut self, dir: &ViewPath, notices: &mut Vec<Event>, reason: UncoveredReason) {
        if self.refused.len() >= REFUSED_MAX || self.refused.insert(dir.clone()) {
            notices.push(Event::Uncovered { dir: dir.clone(), stamp: clock::now(), reason });
        }
    }

    fn accept(&mut self, dir: &ViewPath, notices: &mut Vec<Event>) {
        if !self.refused.is_empty() && self.refused.remove(dir) {
            notices.push(Event::Covered { dir: dir.clone() });
        }
    }

    /// Removes a directory and all below it from the table.
    pub(super) fn remove(&mut self, id: WatchId) {
        let mut dropped = Vec::new();
        self.table.remove(id, &mut dropped);
        for Dropped { watch, id, heat } in dropped {
            self.set.remove(heat, id);
            self.doomed.push(watch);
        }
    }

    /// A watched directory changed just now.
    pub(super) fn warm(&mut self, id: WatchId, heat: Heat) {
        let before = self.table.heat(id);
        if heat > before {
            self.table.set_heat(id, heat);
            self.set.warm(before, heat, id);
        }
    }
}

/// Why the kernel does not watch a directory.
const fn refusal(error: Errno) -> UncoveredReason {
    match error {
        Errno::NOSPC | Errno::NOMEM => UncoveredReason::WatchLimit,
        Errno::ACCESS | Errno::PERM => UncoveredReason::Unreadable,
        _ => UncoveredReason::Failing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_of_the_kernel_has_a_reason() {
        for (error, reason) in [
            (Errno::NOSPC, UncoveredReason::WatchLimit),
            (Errno::ACCESS, UncoveredReason::Unreadable),
            (Errno::NOENT, UncoveredReason::Failing),
            (Errno::NOTDIR, UncoveredReason::Failing),
            (Errno::INVAL, UncoveredReason::Failing),
        ] {
            assert_eq!(refusal(error), reason, "{error}");
        }
    }
}
