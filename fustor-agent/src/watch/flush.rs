//! Looking at what was reported, and telling the host what is there.

use std::ffi::CString;
use std::io;
use std::sync::Arc;

use fustor_core::{
    Event, Facts, Kind, Lane, Mark, PathChange as Change, Place, Step, Tier, UncoveredReason,
    ViewPath, WatchId,
};

use super::watcher::Watcher;
use crate::clock::{self, MS};
use crate::disk::{Freshness, Walk, is_absent, look_at, look_through};
use crate::outbox::Offered;
use crate::scan::{Job, Scope};

/// At most so many marks in one group.
const GROUP: usize = 1024;
/// A directory that is not where the table has it: the report of its move is awaited this often, twice as long each
/// time from one millisecond on, before it is dropped and looked for.
const ASTRAY_MAX: u8 = 6;

/// The directory whose entries are being looked at.
struct Dir<'a> {
    /// How to get from one to the next: those that were made one in the other are told in this order.
    walk: Walk<'a>,
    id: Option<WatchId>,
    /// `None`: its path does not lead to it at present.
    path: Option<ViewPath>,
}

impl Watcher {
    /// Tells what is due, as far as the host has room.
    pub(super) fn flush(&mut self) {
        while self.sink.has_room(Lane::Realtime) {
            let mut events = Vec::new();
            for step in self.coalescer.take_steps() {
                self.tell_step(step, &mut events);
            }
            let marks = self.coalescer.take(clock::now(), self.drained, GROUP);
            if events.is_empty() && marks.is_empty() {
                return;
            }
            let root = Arc::clone(&self.root);
            let mut dir = Dir { walk: Walk::new(&root), id: None, path: None };
            for (place, mark) in marks {
                self.tell(place, mark, &mut dir, &mut events);
            }
            match self.sink.offer(Lane::Realtime, events) {
                Offered::Taken => {}
                // This is the only thread that fills the lane, and there was room.
                Offered::Full(_) | Offered::Closed => return self.scanner.halt(),
            }
        }
    }

    fn tell_step(&mut self, step: Step, events: &mut Vec<Event>) {
        let facts = step.object().and_then(|object| self.facts_at(object));
        match (step, facts) {
            (Step::Known { stamp, path, .. }, Some(facts)) => {
                events.push(Event::Upsert { path, stamp, tier: Tier::Atomic, facts });
            }
            (Step::Known { .. }, None) => {}
            (Step::Rename { stamp, old, new, object, .. }, Some(facts)) => {
                if let Some(object) = object.filter(|_| facts.kind == Kind::Dir) {
                    self.verify(&object, &facts);
                }
                events.push(Event::Rename { old, new, stamp, facts });
            }
            // Moved on or removed since: both names are looked at again when the rest has been read.
            (Step::Rename { from, to, .. }, None) => {
                self.coalescer.touch(clock::now(), from, Change::Gone);
                self.coalescer.touch(clock::now(), to, Change::Gone);
            }
        }
    }

    /// A scan may have found another directory under the old name before the report of the move was read, and the table
    /// has moved that one. Then neither is where the table has it.
    fn verify(&self, place: &Place, facts: &Facts) {
        let mut shared = self.watches.lock();
        let Some(id) = shared.table.child(place.dir, &place.name) else { return };
        if shared.table.watch(id).is_none() || shared.table.inode(id) == facts.inode {
            return;
        }
        let path = shared.table.path(id, b"");
        let parent = shared.table.watch(place.dir);
        shared.remove(id);
        drop(shared);
        if let Some(path) = path {
            self.scanner.list_soon(Job::new(path, Scope::Below).below(parent));
        }
    }

    fn facts_at(&self, place: &Place) -> Option<Facts> {
        let path = self.watches.lock().table.path(place.dir, &place.name)?;
        self.root.lstat(&path, Freshness::Ordinary).ok().flatten().map(|look| look.facts)
    }

    fn tell(&mut self, place: Place, mark: Mark, dir: &mut Dir<'_>, events: &mut Vec<Event>) {
        if place.name.is_empty() {
            return self.tell_root(events);
        }
        if dir.id != Some(place.dir) {
            self.enter(place.dir, dir);
        }
        let Some(above) = &dir.path else {
            return self.await_move(place, mark);
        };
        let Ok(name) = CString::new(&*place.name) else { return };
        let stamp = clock::now();
        match look_at(dir.walk.here(), &name, Freshness::Ordinary) {
            Ok(look) if self.scanner.setup.filter.hides(above, &place.name, look.facts.kind) => {
                let path = above.join(&place.name);
                if look.facts.kind == Kind::Dir {
                    let reason = UncoveredReason::Excluded;
                    let dir = path.clone();
                    events.push(Event::Upsert {
                        path,
                        stamp,
                        tier: Tier::Atomic,
                        facts: look.facts,
                    });
                    events.push(Event::Uncovered { dir, stamp, reason });
                } else if mark.change == Change::Gone {
                    events.push(self.deleted(path));
                }
            }
            Ok(look) => {
                let tier = tier(mark.change, &look.facts);
                let path = above.join(&place.name);
                events.push(Event::Upsert { path, stamp, tier, facts: look.facts });
            }
            Err(error) if !is_absent(&error) => {
                tracing::debug!(%above, %error, "an entry cannot be looked at");
                // The listing reports what is wrong.
                self.scanner.list_soon(Job::new(above.clone(), Scope::One));
            }
            Err(_) if mark.change == Change::Gone => {
                events.push(self.deleted(above.join(&place.name)));
            }
            // Gone since it was reported. The kernel's next reports come first.
            Err(_) => self.coalescer.miss(stamp, &place, mark),
        }
    }

    fn deleted(&self, path: ViewPath) -> Event {
        Event::Delete { path, stamp: self.drained.max(self.ordered.plus(1)) }
    }

    fn tell_root(&self, events: &mut Vec<Event>) {
        let stamp = clock::now();
        if let Ok(Some(look)) = self.root.lstat(&ViewPath::root(), Freshness::Ordinary) {
            let (path, facts) = (ViewPath::root(), look.facts);
            events.push(Event::Upsert { path, stamp, tier: Tier::Atomic, facts });
        }
    }

    fn enter(&mut self, id: WatchId, dir: &mut Dir<'_>) {
        dir.id = Some(id);
        dir.path = self.open(id, &mut dir.walk).unwrap_or_else(|error| {
            tracing::debug!(%error, "a watched directory cannot be opened");
            None
        });
        if dir.path.is_some() {
            self.astray.remove(&id);
        }
    }

    /// A watch follows a directory, and its path may lead to another one by now. `None`: it does.
    fn open(&self, id: WatchId, walk: &mut Walk<'_>) -> io::Result<Option<ViewPath>> {
        let shared = self.watches.lock();
        let (path, inode) = (shared.table.path(id, b""), shared.table.inode(id));
        drop(shared);
        let Some(path) = path else { return Ok(None) };
        let is_it = look_through(walk.go(&path, None)?)?.facts.inode == inode;
        Ok(is_it.then_some(path))
    }

    /// The directory was moved or removed, and the report is yet to be read.
    fn await_move(&mut self, place: Place, mark: Mark) {
        let now = clock::now();
        let (tries, due) = self.astray.entry(place.dir).or_insert((0, now));
        // Counted once per round: marks of one directory wait together, whatever others wait for.
        if *due <= now && *tries < ASTRAY_MAX {
            *due = now.plus(MS << *tries);
            *tries += 1;
        }
        if *due > now {
            return self.coalescer.postpone(*due, place, mark);
        }
        self.astray.remove(&place.dir);
        let mut shared = self.watches.lock();
        let above = shared.table.place(place.dir).map(|(parent, _)| parent);
        let above = above
            .and_then(|parent| Some((shared.table.path(parent, b"")?, shared.table.watch(parent))));
        shared.remove(place.dir);
        drop(shared);
        match above {
            Some((path, watch)) => {
                self.scanner.list_soon(Job::new(path, Scope::Below).watched(watch));
            }
            None => self.root_doubted = true,
        }
    }
}

/// How final a report is. A directory, symlink or special file is never half-written, and a name added to a file that
/// has others already (a hard link) brings no contents with it.
fn tier(change: Change, facts: &Facts) -> Tier {
    match change {
        _ if facts.kind != Kind::File => Tier::Atomic,
        Change::Closed => Tier::Atomic,
        Change::Made if facts.nlink > 1 => Tier::Atomic,
        Change::Made | Change::Written | Change::Attributes | Change::Gone => Tier::Partial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_half_written_is_partial() {
        let file = Facts { nlink: 1, ..Facts::default() };
        let link = Facts { nlink: 2, ..file };
        let fifo = Facts { kind: Kind::Fifo, ..file };
        assert_eq!(tier(Change::Made, &file), Tier::Partial);
        assert_eq!(tier(Change::Made, &link), Tier::Atomic);
        assert_eq!(tier(Change::Made, &fifo), Tier::Atomic);
        assert_eq!(tier(Change::Closed, &file), Tier::Atomic);
        assert_eq!(tier(Change::Written, &link), Tier::Partial);
        assert_eq!(tier(Change::Attributes, &fifo), Tier::Atomic);
    }
}
