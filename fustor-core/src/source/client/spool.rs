//! What waits to be sealed in one lane: in the order of arrival, the latest word on a path instead of all of them.
//!
//! A rename keeps its place and nothing is coalesced across it, and so does a deletion below which something waits. A
//! deletion stays beside what is created at its path later: it also buries whatever was below.

use std::collections::{BTreeMap, VecDeque};

use crate::event::Event;
use crate::key::Tier;
use crate::path::ViewPath;

/// What one observation takes besides its path and its blocks.
const EVENT_BYTES: usize = size_of::<Event>() + 32;

/// One thing that waits.
#[derive(Debug)]
enum Item {
    Event(Event),
    /// Behind all that this order has found.
    Done(u64),
}

/// What several observations may be about. The number keeps gaps and coverage of a directory apart from its facts.
type Subject = (u8, ViewPath);

/// Where the latest word on a subject stands, and a deletion before it that still counts.
#[derive(Clone, Copy, Debug)]
struct Latest {
    at: u64,
    deletion: Option<u64>,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Spool {
    /// `None`: a later one has taken its place.
    items: VecDeque<Option<Item>>,
    /// The number of the first item.
    first: u64,
    latest: BTreeMap<Subject, Latest>,
    live: usize,
    bytes: usize,
    gaps: usize,
}

/// What was taken out together.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) events: Vec<Event>,
    pub(super) done: Vec<u64>,
    pub(super) bytes: usize,
}

impl Spool {
    pub(super) const fn len(&self) -> usize {
        self.live
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds one without looking for an earlier one.
    pub(super) fn append(&mut self, event: Event) {
        self.bytes += weight(&event);
        self.live += 1;
        self.gaps += usize::from(is_gap(&event));
        self.items.push_back(Some(Item::Event(event)));
    }

    /// Something is no longer among the items.
    fn without(&mut self, event: &Event) {
        self.bytes -= weight(event);
        self.live -= 1;
        self.gaps -= usize::from(is_gap(event));
    }

    pub(super) fn append_done(&mut self, id: u64) {
        self.items.push_back(Some(Item::Done(id)));
    }

    /// Adds one instead of an earlier one of the same subject; gives it back when that would exceed `limit` bytes.
    pub(super) fn add(&mut self, mut event: Event, limit: usize) -> Result<(), Event> {
        let Some(subject) = subject(&event) else {
            if self.bytes.saturating_add(weight(&event)) > limit {
                return Err(event);
            }
            self.latest.clear();
            self.append(event);
            return Ok(());
        };
        if matches!(event, Event::Delete { .. }) && self.holds_below(&subject.1) {
            self.latest.clear();
        }
        let before = self.latest.get(&subject).copied();
        let freed = before.map_or(0, |before| self.freed_by(&event, before));
        if (self.bytes + weight(&event)).saturating_sub(freed) > limit {
            return Err(event);
        }
        let deletion = before.and_then(|before| self.supersede(&mut event, before));
        let at = self.first + self.items.len() as u64;
        self.latest.insert(subject, Latest { at, deletion });
        self.append(event);
        Ok(())
    }

    /// Whether anything below a path may be coalesced.
    fn holds_below(&self, path: &ViewPath) -> bool {
        // The least name there can be.
        let first = (ENTRY, path.join(&[1]));
        let next = self.latest.range(first..).next();
        next.is_some_and(|((kind, at), _)| *kind == ENTRY && path.contains(at))
    }

    fn freed_by(&self, event: &Event, before: Latest) -> usize {
        let weight_at = |at: u64| match self.at(at) {
            Some(Item::Event(event)) => weight(event),
            Some(Item::Done(_)) | None => 0,
        };
        match (event, self.at(before.at)) {
            (Event::Delete { .. }, _) => {
                weight_at(before.at) + before.deletion.map_or(0, weight_at)
            }
            (_, Some(Item::Event(Event::Delete { .. }))) => 0,
            (_, _) => weight_at(before.at),
        }
    }

    /// Drops what `event` makes superfluous. Returns the deletion that still counts.
    fn supersede(&mut self, event: &mut Event, before: Latest) -> Option<u64> {
        let is_deleted = matches!(self.at(before.at), Some(Item::Event(Event::Delete { .. })));
        if matches!(event, Event::Delete { .. }) {
            before.deletion.into_iter().chain([before.at]).for_each(|at| drop(self.remove(at)));
            return None;
        }
        if is_deleted {
            return Some(before.at);
        }
        if let Some(Event::Upsert { tier: Tier::Atomic, facts: known, .. }) = self.remove(before.at)
            && let Event::Upsert { tier, facts, .. } = event
            && (known.size, known.mtime, known.inode) == (facts.size, facts.mtime, facts.inode)
        {
            // The file was finished, and what came later did not touch its contents.
            *tier = Tier::Atomic;
        }
        before.deletion
    }

    fn at(&self, at: u64) -> Option<&Item> {
        let index = usize::try_from(at.checked_sub(self.first)?).ok()?;
        self.items.get(index)?.as_ref()
    }

    fn remove(&mut self, at: u64) -> Option<Event> {
        let index = usize::try_from(at.checked_sub(self.first)?).ok()?;
        match self.items.get_mut(index)?.take()? {
            Item::Event(event) => {
                self.without(&event);
                Some(event)
            }
            Item::Done(_) => None,
        }
    }

    /// The first ones, up to both limits but at least one.
    pub(super) fn take(&mut self, bytes: usize, events: usize) -> Taken {
        let mut taken = Taken::default();
        while let Some(front) = self.items.front() {
            if let Some(Item::Event(event)) = front {
                let full = taken.bytes + weight(event) > bytes || taken.events.len() >= events;
                if full && !taken.events.is_empty() {
                    break;
                }
            }
            let item = self.items.pop_front().flatten();
            self.first += 1;
            match item {
                Some(Item::Event(event)) => {
                    self.forget(&event);
                    self.without(&event);
                    taken.bytes += weight(&event);
                    taken.events.push(event);
                }
                Some(Item::Done(id)) => taken.done.push(id),
                None => {}
            }
        }
        taken
    }

    fn forget(&mut self, event: &Event) {
        let at = self.first - 1;
        let Some(subject) = subject(event) else { return };
        if let Some(latest) = self.latest.get_mut(&subject) {
            if latest.at == at {
                self.latest.remove(&subject);
            } else if latest.deletion == Some(at) {
                latest.deletion = None;
            }
        }
    }

    /// Takes out the begin and end of scans. True: there was an end.
    pub(super) fn drop_cycles(&mut self) -> bool {
        let is_cycle =
            |item: &&mut Option<Item>| matches!(item, Some(Item::Event(Event::Cycle { .. })));
        let cycles: Vec<_> = self.items.iter_mut().filter(is_cycle).map(Option::take).collect();
        let mut ended = false;
        for item in cycles {
            let Some(Item::Event(event)) = item else { continue };
            ended |= matches!(event, Event::Cycle { phase, .. } if phase.is_end());
            self.without(&event);
        }
        ended
    }

    /// Gaps that wait.
    pub(super) const fn gaps(&self) -> usize {
        self.gaps
    }

    /// Takes out all gaps.
    pub(super) fn drop_gaps(&mut self) {
        let gaps = self.latest.range((GAP, ViewPath::root())..(COVER, ViewPath::root()));
        let places: Vec<_> = gaps.map(|(subject, latest)| (subject.clone(), latest.at)).collect();
        for (subject, at) in places {
            self.latest.remove(&subject);
            drop(self.remove(at));
        }
    }
}

const ENTRY: u8 = 0;
const GAP: u8 = 1;
const COVER: u8 = 2;

const fn is_gap(event: &Event) -> bool {
    matches!(event, Event::Gap { .. })
}

/// `None`: nothing may be coalesced with it or across it.
fn subject(event: &Event) -> Option<Subject> {
    match event {
        Event::Upsert { path, .. } | Event::Delete { path, .. } => Some((ENTRY, path.clone())),
        Event::Gap { scope, .. } => Some((GAP, scope.clone())),
        Event::Uncovered { dir, .. } | Event::Covered { dir } => Some((COVER, dir.clone())),
        Event::Rename { .. }
        | Event::Listing(_)
        | Event::Cycle { .. }
        | Event::RootLost { .. }
        | Event::Remark(_) => None,
    }
}

/// About how many bytes an observation takes, here and on the wire.
pub(super) fn weight(event: &Event) -> usize {
    let own = match event {
        Event::Upsert { path, .. } | Event::Delete { path, .. } => path.as_bytes().len(),
        Event::Rename { old, new, .. } => old.as_bytes().len() + new.as_bytes().len(),
        Event::Listing(listing) => {
            let blocks = listing.blocks.iter().map(|block| block.as_bytes().len()).sum::<usize>();
            listing.dir.as_bytes().len() + blocks
        }
        Event::Gap { scope, .. } => scope.as_bytes().len(),
        Event::Uncovered { dir, .. } | Event::Covered { dir } => dir.as_bytes().len(),
        Event::Cycle { .. } | Event::RootLost { .. } | Event::Remark(_) => 0,
    };
    EVENT_BYTES + own
}

/// The directories in which something is missed when an observation is lost, each with all below it.
pub(super) fn concerned(event: &Event) -> Vec<ViewPath> {
    let above = |path: &ViewPath| path.split().map_or_else(ViewPath::root, |(parent, _)| parent);
    match event {
        Event::Upsert { path, .. } | Event::Delete { path, .. } => vec![above(path)],
        Event::Rename { old, new, .. } => vec![above(old), above(new)],
        Event::Listing(listing) => vec![listing.dir.clone()],
        Event::Gap { scope, .. } => vec![scope.clone()],
        Event::Uncovered { dir, .. } | Event::Covered { dir } => vec![dir.clone()],
        Event::Cycle { .. } | Event::RootLost { .. } | Event::Remark(_) => Vec::new(),
    }
}
