//! The watcher's loop in small steps. Mirrors `fustor-agent/src/watch/{watcher,reports,flush}.rs`.

use std::collections::VecDeque;

use fustor_core::{
    BootTime, Event, Facts, GapReason, Heat, Kind, Lane, Mark, Overflow, PathChange as Change,
    Place, Renamed, Step, Tier, ViewPath, WatchId,
};

use super::Source;
use super::job::{Job, Scope};
use super::kernel::Queued;
use super::table::TOP;
use crate::disk::What;
use crate::host::{Eyes, Freshness};
use crate::plan::MS;

/// So long reports are read before those that came first are told.
const BATCH_NS: i64 = 50 * MS;
/// Reports that one look gives.
const READ_MOST: usize = 64;
const HALF_NS: i64 = 2 * MS;
const FULL_NS: i64 = 2 * MS;
const GROUP: usize = 1024;
const ASTRAY_MAX: u8 = 6;
/// Entries that one step looks at.
const LOOKS: usize = 3;

/// The first half of a rename.
#[derive(Debug)]
pub(super) struct Half {
    cookie: u32,
    from: Place,
    old: Option<ViewPath>,
    seen: BootTime,
}

/// A group that is being looked at.
#[derive(Debug)]
pub(super) struct Flushing {
    steps: VecDeque<Step>,
    marks: VecDeque<(Place, Mark)>,
    marked: bool,
    events: Vec<Event>,
    dir: Option<WatchId>,
    /// Where that is, and what is there.
    here: Option<(ViewPath, u64)>,
}

impl Source {
    /// One step. When the next is wanted, by its own clock; `None`: when there are reports.
    pub(crate) fn watch(&mut self, eyes: &mut Eyes<'_>) -> Option<BootTime> {
        let now = eyes.boot();
        self.rung = false;
        if self.flushing.is_some() {
            self.flush(eyes);
            return Some(now);
        }
        if self.read(eyes) && now.since(*self.reading_since.get_or_insert(now)) <= BATCH_NS {
            return Some(now);
        }
        self.reading_since = None;
        self.close_halves(eyes);
        self.purge();
        self.repair(eyes);
        self.bury();
        if self.halves.is_empty() {
            self.begin_flush(eyes);
        }
        self.tell_control();
        if self.flushing.is_some() {
            return Some(now);
        }
        let held =
            !self.halves.is_empty() || self.coalescer.has_ready(now) || !self.control.is_empty();
        let due = self.coalescer.next_due().map(|due| due.max(now));
        held.then(|| now.plus(FULL_NS)).into_iter().chain(due).min()
    }

    pub(crate) fn has_reports(&self) -> bool {
        self.rung || !self.kernel.is_empty()
    }

    /// True: there is more to read before it is told.
    fn read(&mut self, eyes: &mut Eyes<'_>) -> bool {
        let at = eyes.boot();
        self.heat = Heat(u32::try_from(eyes.now / fustor_core::SECOND).unwrap_or_default());
        let reports = self.kernel.read(READ_MOST);
        if reports.is_empty() {
            self.drained = at;
            return false;
        }
        for report in reports {
            self.observations += 1;
            self.report(eyes, &report, at);
        }
        for job in std::mem::take(&mut self.listings) {
            self.list_soon(eyes, job);
        }
        true
    }

    fn report(&mut self, eyes: &Eyes<'_>, report: &Queued, at: BootTime) {
        if report.what == What::Overflow {
            self.overflowed = true;
            return;
        }
        let Some(dir) = self.table.by_watch(report.watch) else { return };
        match &report.name {
            None => self.own(dir, report.what, at),
            Some(name) => {
                self.warm(dir, self.heat);
                self.entry(eyes, Place::new(dir, name), report, at);
            }
        }
    }

    fn entry(&mut self, eyes: &Eyes<'_>, place: Place, report: &Queued, at: BootTime) {
        match report.what {
            What::MovedFrom => {
                let old = self.table.path(place.dir, &place.name);
                self.halves.push(Half { cookie: report.cookie, from: place, old, seen: at });
            }
            What::Create => self.appeared(place, report.is_dir, at),
            What::Delete => self.vanished(place, at),
            What::MovedTo => {
                match self.halves.iter().position(|half| half.cookie == report.cookie) {
                    Some(half) => {
                        let half = self.halves.swap_remove(half);
                        self.moved(eyes, half, &place, report.is_dir, at);
                    }
                    None => {
                        self.appeared(place.clone(), report.is_dir, at);
                        self.coalescer.touch(at, place, Change::Closed);
                    }
                }
            }
            What::CloseWrite => self.coalescer.touch(at, place, Change::Closed),
            What::Modify => self.coalescer.touch(at, place, Change::Written),
            What::Attrib => self.coalescer.touch(at, place, Change::Attributes),
            What::DeleteSelf | What::MoveSelf | What::Ignored | What::Overflow => {}
        }
    }

    fn appeared(&mut self, place: Place, is_dir: bool, at: BootTime) {
        self.supersede(&place);
        self.entries_changed(place.dir, at);
        if is_dir {
            let known = self.table.child(place.dir, &place.name);
            if known.is_none_or(|id| self.table.watch(id).is_none()) {
                self.list_place(&place, Scope::Arrived);
            }
        }
        self.coalescer.touch(at, place, Change::Made);
    }

    fn vanished(&mut self, place: Place, at: BootTime) {
        self.entries_changed(place.dir, at);
        if let Some(id) = self.table.child(place.dir, &place.name) {
            self.remove_dir(id);
        }
        self.coalescer.touch(at, place, Change::Gone);
    }

    /// Something new has the name from which an entry has left.
    fn supersede(&mut self, place: &Place) {
        if let Some(half) = self.halves.iter().position(|half| half.from == *place) {
            let half = self.halves.swap_remove(half);
            self.vanished(half.from, half.seen);
        }
    }

    fn moved(&mut self, eyes: &Eyes<'_>, half: Half, to: &Place, is_dir: bool, at: BootTime) {
        self.supersede(to);
        let child = self.table.child(half.from.dir, &half.from.name);
        if let Some(other) = self.table.child(to.dir, &to.name).filter(|id| Some(*id) != child) {
            self.remove_dir(other);
        }
        let child = child.filter(|id| self.table.move_to(*id, to.dir, &to.name));
        self.entries_changed(half.from.dir, at);
        self.entries_changed(to.dir, at);
        let paths = half.old.zip(self.table.path(to.dir, &to.name));
        let renamed = match paths {
            None => {
                self.coalescer.touch(at, half.from, Change::Gone);
                self.coalescer.touch(at, to.clone(), Change::Made);
                self.coalescer.touch(at, to.clone(), Change::Closed);
                Renamed::Fresh
            }
            Some((old, new)) => {
                let now = self.next_in_order(eyes);
                self.know_above(to.dir, now);
                let now = self.next_in_order(eyes);
                self.coalescer.rename(now, (half.from, old), (to.clone(), new))
            }
        };
        let watched = child.is_some_and(|id| self.table.watch(id).is_some());
        if is_dir && (renamed == Renamed::Fresh || !watched) {
            self.list_place(to, Scope::Below);
        }
    }

    fn next_in_order(&mut self, eyes: &Eyes<'_>) -> BootTime {
        self.ordered = eyes.boot().max(self.ordered.plus(1));
        self.ordered
    }

    fn know_above(&mut self, dir: WatchId, now: BootTime) {
        let up = |id: &WatchId| self.table.place(*id).map(|(up, _)| up);
        let above: Vec<_> = std::iter::successors(Some(dir), up).collect();
        for id in above.into_iter().rev() {
            if let Some((parent, name)) = self.table.place(id) {
                let place = Place::new(parent, name);
                self.coalescer.know(now, &place, || self.table.path(id, b""));
            }
        }
    }

    /// Of a watched directory itself.
    fn own(&mut self, dir: WatchId, what: What, at: BootTime) {
        if dir == TOP {
            if what == What::Attrib {
                self.coalescer.touch(at, self.own_place(dir), Change::Attributes);
            }
            return;
        }
        let place = self.own_place(dir);
        let is_parent_watched = self.table.watch(place.dir).is_some();
        match what {
            What::DeleteSelf => {
                self.remove_dir(dir);
                self.coalescer.touch(at, place, Change::Gone);
            }
            What::Ignored => self.look_for(dir, &place),
            What::MoveSelf if !is_parent_watched => self.look_for(dir, &place),
            What::Attrib if !is_parent_watched => {
                self.coalescer.touch(at, place, Change::Attributes);
            }
            What::MoveSelf
            | What::Attrib
            | What::Create
            | What::Modify
            | What::CloseWrite
            | What::Delete
            | What::MovedFrom
            | What::MovedTo
            | What::Overflow => {}
        }
    }

    fn look_for(&mut self, dir: WatchId, place: &Place) {
        self.remove_dir(dir);
        let above = self.table.path(place.dir, b"");
        self.listings.extend(above.map(|path| Job::new(path, Scope::Below)));
    }

    fn entries_changed(&mut self, dir: WatchId, at: BootTime) {
        self.coalescer.touch(at, self.own_place(dir), Change::Attributes);
    }

    fn own_place(&self, dir: WatchId) -> Place {
        match self.table.place(dir) {
            Some((parent, name)) => Place::new(parent, name),
            None => Place::new(TOP, b""),
        }
    }

    fn list_place(&mut self, place: &Place, scope: Scope) {
        if let Some(path) = self.table.path(place.dir, &place.name) {
            self.listings.push(Job::new(path, scope).below(self.table.watch(place.dir)));
        }
    }

    fn close_halves(&mut self, eyes: &mut Eyes<'_>) {
        let drained = self.drained;
        let old = |half: &mut Half| drained.since(half.seen) >= HALF_NS;
        for half in self.halves.extract_if(.., old).collect::<Vec<_>>() {
            self.vanished(half.from, half.seen);
        }
        for job in std::mem::take(&mut self.listings) {
            self.list_soon(eyes, job);
        }
    }

    fn purge(&mut self) {
        for id in self.table.take_removed() {
            self.coalescer.forget(id);
            self.astray.remove(&id);
            self.halves.retain(|half| half.from.dir != id);
        }
    }

    fn repair(&mut self, eyes: &mut Eyes<'_>) {
        if std::mem::take(&mut self.overflowed) {
            self.gap(eyes, ViewPath::root(), GapReason::KernelOverflow);
        }
        match self.coalescer.take_overflow() {
            None => {}
            Some(Overflow::Everything) => {
                self.gap(eyes, ViewPath::root(), GapReason::AgentOverflow);
            }
            Some(Overflow::Dirs(dirs)) => {
                for dir in dirs {
                    if let Some(path) = self.table.path(dir, b"") {
                        self.gap(eyes, path, GapReason::AgentOverflow);
                    }
                }
            }
        }
    }

    fn gap(&mut self, eyes: &mut Eyes<'_>, scope: ViewPath, reason: GapReason) {
        self.control.push(Event::Gap { scope: scope.clone(), stamp: eyes.boot(), reason });
        if scope.is_root() {
            self.rescan(eyes);
        } else {
            self.list_soon(eyes, Job::new(scope, Scope::Below));
        }
    }

    fn tell_control(&mut self) {
        if self.outbox.has_room(Lane::Control) {
            let events = std::mem::take(&mut self.control);
            self.outbox.push(Lane::Control, events, Vec::new());
        }
    }

    fn begin_flush(&mut self, eyes: &Eyes<'_>) {
        if !self.outbox.has_room(Lane::Realtime) {
            return;
        }
        let steps: VecDeque<_> = self.coalescer.take_steps().into();
        let idle = steps.is_empty() && !self.coalescer.has_ready(eyes.boot());
        if !idle {
            self.flushing = Some(Flushing {
                steps,
                marks: VecDeque::new(),
                marked: false,
                events: Vec::new(),
                dir: None,
                here: None,
            });
        }
    }

    fn flush(&mut self, eyes: &mut Eyes<'_>) {
        let Some(mut group) = self.flushing.take() else { return };
        for _ in 0..LOOKS {
            if let Some(step) = group.steps.pop_front() {
                self.observations += 1;
                self.tell_step(eyes, step, &mut group.events);
                continue;
            }
            if !group.marked {
                group.marked = true;
                group.marks = self.coalescer.take(eyes.boot(), self.drained, GROUP).into();
            }
            match group.marks.pop_front() {
                Some((place, mark)) => {
                    self.observations += 1;
                    self.tell(eyes, place, mark, &mut group);
                }
                None => {
                    self.outbox.push(Lane::Realtime, group.events, Vec::new());
                    return;
                }
            }
        }
        self.flushing = Some(group);
    }

    fn tell_step(&mut self, eyes: &mut Eyes<'_>, step: Step, events: &mut Vec<Event>) {
        let facts = step.object().and_then(|object| self.facts_at(eyes, object));
        match (step, facts) {
            (Step::Known { stamp, path, .. }, Some(facts)) => {
                events.push(Event::Upsert { path, stamp, tier: Tier::Atomic, facts });
            }
            (Step::Known { .. }, None) => {}
            (Step::Rename { stamp, old, new, object, .. }, Some(facts)) => {
                if let Some(object) = object.filter(|_| facts.kind == Kind::Dir) {
                    self.verify(eyes, &object, &facts);
                }
                events.push(Event::Rename { old, new, stamp, facts });
            }
            (Step::Rename { from, to, .. }, None) => {
                self.coalescer.touch(eyes.boot(), from, Change::Gone);
                self.coalescer.touch(eyes.boot(), to, Change::Gone);
            }
        }
    }

    fn verify(&mut self, eyes: &mut Eyes<'_>, place: &Place, facts: &Facts) {
        let Some(id) = self.table.child(place.dir, &place.name) else { return };
        if self.table.watch(id).is_none() || self.table.inode(id) == facts.inode {
            return;
        }
        let path = self.table.path(id, b"");
        let parent = self.table.watch(place.dir);
        self.remove_dir(id);
        if let Some(path) = path {
            self.list_soon(eyes, Job::new(path, Scope::Below).below(parent));
        }
    }

    fn facts_at(&self, eyes: &mut Eyes<'_>, place: &Place) -> Option<Facts> {
        let path = self.table.path(place.dir, &place.name)?;
        eyes.lstat(&path, Freshness::Ordinary)
    }

    fn tell(&mut self, eyes: &mut Eyes<'_>, place: Place, mark: Mark, group: &mut Flushing) {
        if place.name.is_empty() {
            let stamp = eyes.boot();
            if let Some(facts) = eyes.lstat(&ViewPath::root(), Freshness::Ordinary) {
                let (path, tier) = (ViewPath::root(), Tier::Atomic);
                group.events.push(Event::Upsert { path, stamp, tier, facts });
            }
            return;
        }
        if group.dir != Some(place.dir) {
            group.dir = Some(place.dir);
            group.here = self.enter(eyes, place.dir);
        }
        let Some((above, here)) = &group.here else {
            return self.await_move(eyes, place, mark);
        };
        let stamp = eyes.boot();
        let path = above.join(&place.name);
        match eyes.look_at(*here, &place.name, Freshness::Ordinary) {
            Some(facts) => {
                let tier = tier(mark.change, &facts);
                group.events.push(Event::Upsert { path, stamp, tier, facts });
            }
            None if mark.change == Change::Gone => {
                let stamp = self.drained.max(self.ordered.plus(1));
                group.events.push(Event::Delete { path, stamp });
            }
            None => self.coalescer.miss(stamp, &place, mark),
        }
    }

    fn enter(&mut self, eyes: &mut Eyes<'_>, id: WatchId) -> Option<(ViewPath, u64)> {
        let (path, inode) = (self.table.path(id, b"")?, self.table.inode(id));
        let here = eyes.walk(&path).filter(|there| *there == inode)?;
        self.astray.remove(&id);
        Some((path, here))
    }

    fn await_move(&mut self, eyes: &mut Eyes<'_>, place: Place, mark: Mark) {
        let now = eyes.boot();
        let (tries, due) = self.astray.entry(place.dir).or_insert((0, now));
        if *due <= now && *tries < ASTRAY_MAX {
            *due = now.plus(MS << *tries);
            *tries += 1;
        }
        if *due > now {
            return self.coalescer.postpone(*due, place, mark);
        }
        self.astray.remove(&place.dir);
        let above = self.table.place(place.dir).map(|(parent, _)| parent);
        let above = above
            .and_then(|parent| Some((self.table.path(parent, b"")?, self.table.watch(parent))));
        self.remove_dir(place.dir);
        if let Some((path, watch)) = above {
            self.list_soon(eyes, Job::new(path, Scope::Below).watched(watch));
        }
    }
}

fn tier(change: Change, facts: &Facts) -> Tier {
    match change {
        _ if facts.kind != Kind::File => Tier::Atomic,
        Change::Closed => Tier::Atomic,
        Change::Made if facts.nlink > 1 => Tier::Atomic,
        Change::Made | Change::Written | Change::Attributes | Change::Gone => Tier::Partial,
    }
}
