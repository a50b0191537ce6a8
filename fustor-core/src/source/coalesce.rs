//! What the kernel reported and the host has not been told: one mark a path, the latest report wins, in bounded room.
//!
//! Reports are not observations: each mark is looked at when it is taken, so that a burst of writes costs one `lstat`.
//! A place is a directory and a name, not a path: when a directory moves, what waits below it moves with it.
//! Renames keep their order and are taken before all marks, because whatever moved counts as observed at the rename.

use std::collections::{BTreeMap, BTreeSet};

use super::watchset::WatchId;
use crate::path::ViewPath;
use crate::time::BootTime;

/// Directories that overflowed by themselves; with more of them everything did.
const OVERFLOWS_MAX: usize = 1024;

/// An entry: a directory of the watcher's table and a name in it. The root is itself with an empty name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The directory that it is in.
    pub dir: WatchId,
    /// Its name there.
    pub name: Box<[u8]>,
}

impl Place {
    /// The entry `name` of `dir`.
    #[must_use]
    pub fn new(dir: WatchId, name: &[u8]) -> Self {
        Self { dir, name: name.into() }
    }
}

/// What the kernel said of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// Mode, owner, times or number of links; for a directory also its entries.
    Attributes,
    /// Written, and perhaps still open.
    Written,
    /// Created, or moved here from where nobody looks.
    Made,
    /// Closed after writing.
    Closed,
    /// Removed, or moved to where nobody looks.
    Gone,
}

impl Change {
    /// Whether more is likely to follow soon.
    #[must_use]
    pub const fn is_partial(self) -> bool {
        matches!(self, Self::Attributes | Self::Written)
    }

    /// The one that counts when `self` came after `before`.
    const fn after(self, before: Self) -> Self {
        match (before, self) {
            // The contents are what they were.
            (Self::Written | Self::Made | Self::Closed, Self::Attributes) => before,
            // Created, and nobody has said that it is finished.
            (Self::Made, Self::Written) => Self::Made,
            (
                Self::Attributes | Self::Written | Self::Made | Self::Closed | Self::Gone,
                Self::Attributes | Self::Written | Self::Made | Self::Closed | Self::Gone,
            ) => self,
        }
    }
}

/// One place that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What counts of all that was said.
    pub change: Change,
    /// When the last of it was read from the kernel.
    pub seen: BootTime,
    /// Whether it was created since the host was last told, so that the host does not know it.
    pub fresh: bool,
    /// Whether whoever wrote it has closed it, and nobody has written since.
    pub closed: bool,
}

/// What must be told in order. Nothing is coalesced across a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A directory has been created that something was moved into.
    Known {
        /// When the kernel's report was read.
        stamp: BootTime,
        /// Its path then.
        path: ViewPath,
        /// Where it is now; `None`: gone.
        object: Option<Place>,
    },
    /// An entry has another name.
    Rename {
        /// When the kernel's report was read: what a scan saw under the new name before may be lost with whatever had
        /// that name, what it sees later may not.
        stamp: BootTime,
        /// Its path before.
        old: ViewPath,
        /// Its path after.
        new: ViewPath,
        /// Where it was.
        from: Place,
        /// Where it was moved to.
        to: Place,
        /// Where it is now; `None`: gone.
        object: Option<Place>,
    },
}

impl Step {
    const fn object_mut(&mut self) -> &mut Option<Place> {
        match self {
            Self::Known { object, .. } | Self::Rename { object, .. } => object,
        }
    }

    /// Where the entry is now, if it is still there.
    #[must_use]
    pub const fn object(&self) -> Option<&Place> {
        match self {
            Self::Known { object, .. } | Self::Rename { object, .. } => object.as_ref(),
        }
    }
}

/// What a rename became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renamed {
    /// A step: the host knows the entry.
    Moved,
    /// Two marks: the host has never heard of the entry, so there is nothing to move.
    Fresh,
}

/// What did not find room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Entries of these directories.
    Dirs(BTreeSet<WatchId>),
    /// Anything.
    Everything,
}

/// The waiting marks and steps of one watcher.
#[derive(Debug)]
pub struct Coalescer {
    capacity: usize,
    partial_interval_ns: i64,
    ready: BTreeMap<Place, Mark>,
    /// Partial changes reported less than an interval ago: the last one is told when the interval is over.
    waiting: BTreeMap<Place, (BootTime, Mark)>,
    due: BTreeSet<(BootTime, Place)>,
    /// When partial changes of a place were last told.
    told: BTreeMap<Place, BootTime>,
    told_room: usize,
    steps: Vec<Step>,
    /// The steps whose object is at a place.
    whereabouts: BTreeMap<Place, Vec<usize>>,
    overflow: Option<Overflow>,
}

impl Coalescer {
    /// Room for `capacity` places, and as many steps. A place that changes partially all the time is told once each
    /// `partial_interval_ns`.
    #[must_use]
    pub const fn new(capacity: usize, partial_interval_ns: i64) -> Self {
        Self {
            capacity,
            partial_interval_ns,
            ready: BTreeMap::new(),
            waiting: BTreeMap::new(),
            due: BTreeSet::new(),
            told: BTreeMap::new(),
            told_room: 1024,
            steps: Vec::new(),
            whereabouts: BTreeMap::new(),
            overflow: None,
        }
    }

    /// How many places and steps wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ready.len() + self.waiting.len() + self.steps.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kernel said something of a place at `now`.
    pub fn touch(&mut self, now: BootTime, place: Place, change: Change) {
        if change == Change::Gone
            && let Some(steps) = self.whereabouts.remove(&place)
        {
            for step in steps {
                *self.steps[step].object_mut() = None;
            }
        }
        let before = self.unmark(&place);
        let mark = Mark {
            change: before.map_or(change, |mark| change.after(mark.change)),
            seen: now,
            fresh: change == Change::Made || before.is_some_and(|mark| mark.fresh),
            closed: match change {
                Change::Closed => true,
                Change::Attributes => before.is_some_and(|mark| mark.closed),
                Change::Written | Change::Made | Change::Gone => false,
            },
        };
        if before.is_none() && self.ready.len() + self.waiting.len() >= self.capacity {
            self.overflow_in(place.dir);
            return;
        }
        self.mark(place, mark);
    }

    /// What was taken is not there: it is removed, or moved by a report that is yet to be read. That it was finished, or
    /// never told, counts under its new name too.
    pub fn miss(&mut self, now: BootTime, place: &Place, mark: Mark) {
        self.touch(now, place.clone(), Change::Gone);
        if let Some(gone) = self.ready.get_mut(place) {
            (gone.fresh, gone.closed) = (mark.fresh, mark.closed);
        }
    }

    /// Puts back what could not be looked at, not to be taken before `due`.
    pub fn postpone(&mut self, due: BootTime, place: Place, mark: Mark) {
        if !self.ready.contains_key(&place) && !self.waiting.contains_key(&place) {
            self.due.insert((due, place.clone()));
            self.waiting.insert(place, (due, mark));
        }
    }

    /// An entry was moved. `old` and `new` are its paths before and after. `now` must rise from one rename to the next.
    pub fn rename(
        &mut self,
        now: BootTime,
        (from, old): (Place, ViewPath),
        (to, new): (Place, ViewPath),
    ) -> Renamed {
        let before = self.unmark(&from);
        let _: Option<Mark> = self.unmark(&to);
        self.lose(&to);
        self.relocate(&from, &to);
        if let Some(mark) = before.filter(|mark| mark.fresh) {
            self.touch(now, from, Change::Gone);
            self.touch(now, to.clone(), Change::Made);
            match mark.change {
                Change::Gone if mark.closed => self.touch(now, to, Change::Closed),
                Change::Gone => {}
                change => self.touch(now, to, change),
            }
            return Renamed::Fresh;
        }
        // The rename tells its facts; a writer that has not closed it yet goes on under the new name, and that it was
        // closed has not been told.
        let change = match before {
            Some(mark) if mark.closed => Some(Change::Closed),
            Some(mark) if mark.change == Change::Written => Some(Change::Written),
            Some(_) | None => None,
        };
        if let Some((change, mark)) = change.zip(before) {
            self.mark(to.clone(), Mark { seen: now, change, ..mark });
        }
        let object = Some(to.clone());
        self.step(Step::Rename { stamp: now, old, new, from, to, object });
        Renamed::Moved
    }

    /// Something is about to be moved below this place: if the host does not know it, it is told first.
    pub fn know(&mut self, now: BootTime, place: &Place, path: impl FnOnce() -> Option<ViewPath>) {
        let is_fresh = |mark: &Mark| mark.fresh && mark.change != Change::Gone;
        if !self.mark_of(place).as_ref().is_some_and(is_fresh) {
            return;
        }
        if let Some(path) = path() {
            let _: Option<Mark> = self.unmark(place);
            self.step(Step::Known { stamp: now, path, object: Some(place.clone()) });
        }
    }

    /// Forgets all entries of a directory that is no longer in the table.
    pub fn forget(&mut self, dir: WatchId) {
        let all = Place { dir, name: Box::default() }..Place {
            dir: WatchId(dir.0 + 1),
            name: Box::default(),
        };
        let ready: Vec<_> = self.ready.range(all.clone()).map(|(place, _)| place.clone()).collect();
        let waiting = self.waiting.range(all.clone()).map(|(place, _)| place.clone());
        for place in ready.into_iter().chain(waiting.collect::<Vec<_>>()) {
            let _: Option<Mark> = self.unmark(&place);
        }
        let moved: Vec<_> = self.whereabouts.range(all.clone()).map(|(p, _)| p.clone()).collect();
        for place in moved {
            self.lose(&place);
        }
        let told: Vec<_> = self.told.range(all).map(|(place, _)| place.clone()).collect();
        for place in told {
            self.told.remove(&place);
        }
    }

    /// The steps, in order. To be told before any mark that is taken later.
    pub fn take_steps(&mut self) -> Vec<Step> {
        self.whereabouts.clear();
        std::mem::take(&mut self.steps)
    }

    /// At most `limit` marks that are due, by directory and name. `drained` is when the kernel's queue was last known
    /// to be empty: a removal seen later waits, since what is read next may be about the same place.
    pub fn take(&mut self, now: BootTime, drained: BootTime, limit: usize) -> Vec<(Place, Mark)> {
        self.ripen(now);
        let is_ripe = |mark: &Mark| mark.change != Change::Gone || mark.seen <= drained;
        let ripe = self.ready.iter().filter(|(_, mark)| is_ripe(mark)).take(limit);
        let taken: Vec<_> = ripe.map(|(place, mark)| (place.clone(), *mark)).collect();
        for (place, mark) in &taken {
            self.ready.remove(place);
            if mark.change.is_partial() && self.make_room_told(now) {
                self.told.insert(place.clone(), now);
            } else {
                self.told.remove(place);
            }
        }
        taken
    }

    /// When the next mark becomes due; `None`: nothing waits for a time.
    #[must_use]
    pub fn next_due(&self) -> Option<BootTime> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Whether something can be taken now.
    #[must_use]
    pub fn has_ready(&self, now: BootTime) -> bool {
        !self.ready.is_empty()
            || !self.steps.is_empty()
            || self.next_due().is_some_and(|due| due <= now)
    }

    /// What did not find room since the last call.
    pub const fn take_overflow(&mut self) -> Option<Overflow> {
        self.overflow.take()
    }

    fn mark_of(&self, place: &Place) -> Option<Mark> {
        self.ready.get(place).copied().or_else(|| self.waiting.get(place).map(|(_, mark)| *mark))
    }

    fn unmark(&mut self, place: &Place) -> Option<Mark> {
        if let Some((due, mark)) = self.waiting.remove(place) {
            self.due.remove(&(due, place.clone()));
            return Some(mark);
        }
        self.ready.remove(place)
    }

    fn mark(&mut self, place: Place, mark: Mark) {
        let told = self.told.get(&place).filter(|_| mark.change.is_partial() && !mark.fresh);
        match told.map(|told| told.plus(self.partial_interval_ns)) {
            Some(due) if due > mark.seen => {
                self.due.insert((due, place.clone()));
                self.waiting.insert(place, (due, mark));
            }
            Some(_) | None => {
                self.ready.insert(place, mark);
            }
        }
    }

    fn ripen(&mut self, now: BootTime) {
        while self.due.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, place)) = self.due.pop_first() else { return };
            if let Some((_, mark)) = self.waiting.remove(&place) {
                self.ready.insert(place, mark);
            }
        }
    }

    fn step(&mut self, step: Step) {
        if self.steps.len() >= self.capacity {
            drop(self.take_steps());
            self.overflow = Some(Overflow::Everything);
            return;
        }
        if let Some(object) = step.object() {
            self.whereabouts.entry(object.clone()).or_default().push(self.steps.len());
        }
        self.steps.push(step);
    }

    /// What was moved to `from` earlier is at `to` now.
    fn relocate(&mut self, from: &Place, to: &Place) {
        let Some(steps) = self.whereabouts.remove(from) else { return };
        for step in &steps {
            *self.steps[*step].object_mut() = Some(to.clone());
        }
        self.whereabouts.insert(to.clone(), steps);
    }

    /// What was moved to this place is gone.
    fn lose(&mut self, place: &Place) {
        for step in self.whereabouts.remove(place).unwrap_or_default() {
            *self.steps[step].object_mut() = None;
        }
    }

    fn overflow_in(&mut self, dir: WatchId) {
        let dirs = match self.overflow.take() {
            Some(Overflow::Everything) => None,
            Some(Overflow::Dirs(dirs)) => Some(dirs),
            None => Some(BTreeSet::new()),
        };
        self.overflow = Some(match dirs {
            Some(mut dirs) if dirs.len() < OVERFLOWS_MAX => {
                dirs.insert(dir);
                Overflow::Dirs(dirs)
            }
            Some(_) | None => Overflow::Everything,
        });
    }

    /// Forgets what was told long ago. False: there is still no room, and the next change is told at once.
    fn make_room_told(&mut self, now: BootTime) -> bool {
        if self.told.len() < self.told_room {
            return true;
        }
        let interval = self.partial_interval_ns;
        self.told.retain(|_, told| told.plus(interval) > now);
        self.told_room = (self.told.len() * 2).clamp(1024, self.capacity.max(1024));
        self.told.len() < self.told_room
    }
}

#[cfg(test)]
mod tests;
