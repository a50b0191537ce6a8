//! What one report of the kernel means for the table and for what waits to be told.

use fustor_core::{BootTime, Kind, PathChange as Change, Place, Renamed, ViewPath, WatchId};
use rustix::fs::inotify::{Event as Report, ReadFlags};

use super::table::ROOT;
use super::watcher::{Half, Watcher};
use super::watches::Shared;
use crate::clock;
use crate::scan::{Job, Scope};

impl Watcher {
    /// Takes one report into account. `at` is before the read that gave it.
    pub(super) fn report(&mut self, shared: &mut Shared, report: &Report<'_>, at: BootTime) {
        let flags = report.events();
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.overflowed = true;
            return;
        }
        // Unknown: of a watch that was dropped meanwhile.
        let Some(dir) = shared.table.by_watch(report.wd()) else { return };
        match report.file_name() {
            None => self.own(shared, dir, flags, at),
            Some(name) => {
                shared.warm(dir, self.heat);
                let place = Place::new(dir, name.to_bytes());
                self.entry(shared, place, flags, report.cookie(), at);
            }
        }
    }

    fn entry(
        &mut self,
        shared: &mut Shared,
        place: Place,
        flags: ReadFlags,
        cookie: u32,
        at: BootTime,
    ) {
        let is_dir = flags.contains(ReadFlags::ISDIR);
        let hidden = !is_dir && self.is_excluded(shared, &place, Kind::File);
        if flags.contains(ReadFlags::MOVED_FROM) {
            let old = shared.table.path(place.dir, &place.name);
            self.halves.push(Half { cookie, from: place, old, seen: at, hidden });
        } else if hidden {
            self.unseen(shared, &place, flags, cookie, at);
        } else if flags.contains(ReadFlags::CREATE) {
            self.appeared(shared, place, is_dir, at);
        } else if flags.contains(ReadFlags::DELETE) {
            self.vanished(shared, place, at);
        } else if flags.contains(ReadFlags::MOVED_TO) {
            match self.halves.iter().position(|half| half.cookie == cookie) {
                Some(half) => {
                    let half = self.halves.swap_remove(half);
                    self.moved(shared, half, &place, is_dir, at);
                }
                None => {
                    self.appeared(shared, place.clone(), is_dir, at);
                    // Whoever wrote it had finished elsewhere.
                    self.coalescer.touch(at, place, Change::Closed);
                }
            }
        } else if flags.contains(ReadFlags::CLOSE_WRITE) {
            self.coalescer.touch(at, place, Change::Closed);
        } else if flags.contains(ReadFlags::MODIFY) {
            self.coalescer.touch(at, place, Change::Written);
        } else if flags.contains(ReadFlags::ATTRIB) {
            self.coalescer.touch(at, place, Change::Attributes);
        }
    }

    /// Whether an entry of this kind is none of our business.
    fn is_excluded(&self, shared: &Shared, place: &Place, kind: Kind) -> bool {
        let filter = &self.scanner.setup.filter;
        if filter.is_open() {
            return false;
        }
        let dir = match filter.depends_on_place() {
            true => shared.table.path(place.dir, b""),
            false => Some(ViewPath::root()),
        };
        dir.is_some_and(|dir| filter.hides(&dir, &place.name, kind))
    }

    /// Of an entry that is none of our business: what it did to others counts.
    fn unseen(
        &mut self,
        shared: &mut Shared,
        place: &Place,
        flags: ReadFlags,
        cookie: u32,
        at: BootTime,
    ) {
        let came = ReadFlags::CREATE.union(ReadFlags::MOVED_TO);
        if !flags.intersects(came.union(ReadFlags::DELETE)) {
            return;
        }
        if flags.contains(ReadFlags::MOVED_TO)
            && let Some(half) = self.halves.iter().position(|half| half.cookie == cookie)
        {
            let half = self.halves.swap_remove(half);
            self.left(shared, half);
        }
        if flags.intersects(came) {
            self.supersede(shared, place);
        }
        self.entries_changed(shared, place.dir, at);
    }

    /// Created, or moved in from outside or from a directory that is not watched.
    fn appeared(&mut self, shared: &mut Shared, place: Place, is_dir: bool, at: BootTime) {
        self.supersede(shared, &place);
        self.entries_changed(shared, place.dir, at);
        if is_dir && !self.is_excluded(shared, &place, Kind::Dir) {
            let known = shared.table.child(place.dir, &place.name);
            // Watched already: a scan has found it first, and lists it.
            if known.is_none_or(|id| shared.table.watch(id).is_none()) {
                self.list(shared, &place, Scope::Arrived);
            }
        }
        self.coalescer.touch(at, place, Change::Made);
    }

    fn vanished(&mut self, shared: &mut Shared, place: Place, at: BootTime) {
        self.entries_changed(shared, place.dir, at);
        if let Some(id) = shared.table.child(place.dir, &place.name) {
            shared.remove(id);
        }
        self.coalescer.touch(at, place, Change::Gone);
    }

    /// The second half of a rename did not come.
    pub(super) fn left(&mut self, shared: &mut Shared, half: Half) {
        if half.hidden {
            self.entries_changed(shared, half.from.dir, half.seen);
        } else {
            self.vanished(shared, half.from, half.seen);
        }
    }

    /// Something is at a place that an entry has left: the other half of that rename cannot follow any more, since the
    /// kernel reports both before anybody else may change the directory.
    fn supersede(&mut self, shared: &mut Shared, place: &Place) {
        if let Some(half) = self.halves.iter().position(|half| half.from == *place) {
            let half = self.halves.swap_remove(half);
            self.left(shared, half);
        }
    }

    fn moved(&mut self, shared: &mut Shared, half: Half, to: &Place, is_dir: bool, at: BootTime) {
        self.supersede(shared, to);
        let elsewhere = is_dir && self.scanner.setup.filter.depends_on_place();
        if half.hidden || elsewhere || is_dir && self.is_excluded(shared, to, Kind::Dir) {
            // What of it is to be seen differs between the two places.
            self.left(shared, half);
            self.appeared(shared, to.clone(), is_dir, at);
            if !is_dir {
                self.coalescer.touch(at, to.clone(), Change::Closed);
            }
            return;
        }
        let child = shared.table.child(half.from.dir, &half.from.name);
        // An entry moved onto another one replaces it.
        if let Some(other) = shared.table.child(to.dir, &to.name).filter(|id| Some(*id) != child) {
            shared.remove(other);
        }
        let child = child.filter(|id| shared.table.move_to(*id, to.dir, &to.name));
        self.entries_changed(shared, half.from.dir, at);
        self.entries_changed(shared, to.dir, at);
        let paths = half.old.zip(shared.table.path(to.dir, &to.name));
        let renamed = match paths {
            // One of the paths is longer than a view allows: what can be seen is a removal or an arrival.
            None => {
                self.coalescer.touch(at, half.from, Change::Gone);
                self.coalescer.touch(at, to.clone(), Change::Made);
                self.coalescer.touch(at, to.clone(), Change::Closed);
                Renamed::Fresh
            }
            Some((old, new)) => {
                let now = self.next_in_order();
                self.know_above(shared, to.dir, now);
                let now = self.next_in_order();
                self.coalescer.rename(now, (half.from, old), (to.clone(), new))
            }
        };
        let watched = child.is_some_and(|id| shared.table.watch(id).is_some());
        if is_dir && (renamed == Renamed::Fresh || !watched) {
            self.list(shared, to, Scope::Below);
        }
    }

    /// A stamp for what must be told in order: now, and later than the last one.
    fn next_in_order(&mut self) -> BootTime {
        self.ordered = clock::now().max(self.ordered.plus(1));
        self.ordered
    }

    /// Before something is moved into new directories, the host is told of these.
    fn know_above(&mut self, shared: &Shared, dir: WatchId, now: BootTime) {
        let above: Vec<_> =
            std::iter::successors(Some(dir), |id| shared.table.place(*id).map(|(up, _)| up))
                .collect();
        for id in above.into_iter().rev() {
            if let Some((parent, name)) = shared.table.place(id) {
                let place = Place::new(parent, name);
                self.coalescer.know(now, &place, || shared.table.path(id, b""));
            }
        }
    }

    /// Of a watched directory itself.
    fn own(&mut self, shared: &mut Shared, dir: WatchId, flags: ReadFlags, at: BootTime) {
        let lost = ReadFlags::IGNORED | ReadFlags::UNMOUNT;
        if dir == ROOT {
            self.root_lost |= flags.intersects(lost);
            self.root_doubted |= flags.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF);
            if flags.contains(ReadFlags::ATTRIB) {
                self.coalescer.touch(at, own_place(shared, dir), Change::Attributes);
            }
            return;
        }
        let place = own_place(shared, dir);
        // The parent's watch reports the same with the name, unless there is none.
        let is_parent_watched = shared.table.watch(place.dir).is_some();
        if flags.contains(ReadFlags::DELETE_SELF) {
            shared.remove(dir);
            self.coalescer.touch(at, place, Change::Gone);
        } else if flags.intersects(lost)
            || (flags.contains(ReadFlags::MOVE_SELF) && !is_parent_watched)
        {
            shared.remove(dir);
            self.listings
                .extend(shared.table.path(place.dir, b"").map(|p| Job::new(p, Scope::Below)));
        } else if flags.contains(ReadFlags::ATTRIB) && !is_parent_watched {
            self.coalescer.touch(at, place, Change::Attributes);
        }
    }

    /// A directory's mtime has changed with its entries.
    fn entries_changed(&mut self, shared: &Shared, dir: WatchId, at: BootTime) {
        self.coalescer.touch(at, own_place(shared, dir), Change::Attributes);
    }

    fn list(&mut self, shared: &Shared, place: &Place, scope: Scope) {
        if let Some(path) = shared.table.path(place.dir, &place.name) {
            self.listings.push(Job::new(path, scope).below(shared.table.watch(place.dir)));
        }
    }
}

/// The place of a directory itself.
fn own_place(shared: &Shared, dir: WatchId) -> Place {
    match shared.table.place(dir) {
        Some((parent, name)) => Place::new(parent, name),
        None => Place::new(ROOT, b""),
    }
}
