//! The way of evidence from the root down to the directory that holds the name it speaks of.

use crate::entry::{Facts, Marks, Row};
use crate::event::{Fidelity, Refusal, Verdict};
use crate::id::DirId;
use crate::key::{Key, Tier};
use crate::path::ViewPath;
use crate::rules::Rule;
use crate::time::Stamp;
use crate::tree::{Delta, Flags};

use super::rule::Known;
use super::{Arbiter, Hearing};

/// A directory on the way, with what holds for everything in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    pub(super) dir: DirId,
    /// The greatest absence that the directory and its ancestors outlived.
    pub(super) absence: Key,
    /// The greatest key of a move of the directory or an ancestor.
    pub(super) moved: Key,
}

/// The way that evidence took last, so that the next in the same directory need not take it again: without it a chain
/// of n directories costs n² steps. Whatever changes an absence or a place on a way clears it.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    path: Vec<u8>,
    /// The directories on the way, each with the length of its path.
    sites: Vec<(usize, Site)>,
}

impl Trail {
    pub(super) fn clear(&mut self) {
        self.path.clear();
        self.sites.clear();
    }

    /// Goes back to the deepest directory that lies on the way to `path`, and gives it with the length of its path.
    fn rejoin(&mut self, path: &[u8]) -> Option<(usize, Site)> {
        let common = self.path.iter().zip(path).take_while(|(a, b)| a == b).count();
        let on_way = |end: usize| end <= common && (end == path.len() || path[end] == b'/');
        while self.sites.last().is_some_and(|(end, _)| !on_way(*end)) {
            self.sites.pop();
        }
        self.path.truncate(self.sites.last().map_or(0, |(end, _)| *end));
        self.sites.last().copied()
    }

    fn go_on(&mut self, name: &[u8], site: Site) {
        self.path.push(b'/');
        self.path.extend_from_slice(name);
        self.sites.push((self.path.len(), site));
    }
}

/// A row without its name, so that the tree can be edited while it is at hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Old {
    pub(super) facts: Facts,
    pub(super) key: Key,
    pub(super) marks: Marks,
    pub(super) storage: crate::id::StorageId,
    pub(super) child: DirId,
}

impl Old {
    pub(super) fn of(row: &Row<'_>) -> Self {
        Self {
            facts: row.facts,
            key: row.key,
            marks: row.marks,
            storage: row.storage,
            child: row.child,
        }
    }

    pub(super) fn named<'a>(&self, name: &'a [u8]) -> Row<'a> {
        let Self { facts, key, marks, storage, child } = *self;
        Row { name, facts, key, marks, storage, child }
    }
}

impl Arbiter {
    /// Forgets the way that evidence took last: an absence or a place on it is about to change.
    pub(super) fn leave_trail(&mut self) {
        self.writer.settle();
        self.trail.clear();
    }

    pub(super) fn root_site(&self) -> Site {
        Site { dir: DirId::ROOT, absence: self.writer.meta(DirId::ROOT).floor, moved: Key::NONE }
    }

    /// The directory `child` of `site`.
    pub(super) fn enter(&self, site: &Site, child: DirId) -> Site {
        let meta = self.writer.meta(child);
        let above = if self.holds(Rule::AncestorsCover) { site.absence } else { Key::NONE };
        Site {
            dir: child,
            absence: above.max(meta.floor),
            moved: site.moved.max(self.moved_at(child)),
        }
    }

    pub(super) fn moved_at(&self, dir: DirId) -> Key {
        if self.writer.meta(dir).flags.has(Flags::MOVED) && self.holds(Rule::MovedCountsAsSeen) {
            self.moves.get(&dir).copied().unwrap_or(Key::NONE)
        } else {
            Key::NONE
        }
    }

    /// What is known of a name in a directory.
    pub(super) fn known(&self, site: &Site, name: &[u8]) -> (Known, Option<Old>) {
        let (known, old, _) = self.known_at(site, name);
        (known, old)
    }

    /// The same, with the place of the row in its block.
    pub(super) fn known_at(&self, site: &Site, name: &[u8]) -> (Known, Option<Old>, usize) {
        match self.writer.entries(site.dir).look(name) {
            (place, Some(row)) => (self.known_row(site, &row), Some(Old::of(&row)), place),
            (place, None) => {
                (Known::Nothing { absence: self.absence_of_missing(site, name) }, None, place)
            }
        }
    }

    /// The greatest absence of a name that has no row: a directory's listing counts, for if its newest one had this
    /// name, something greater has buried it since.
    pub(super) fn absence_of_missing(&self, site: &Site, name: &[u8]) -> Key {
        let only = |rule, key| if self.holds(rule) { key } else { Key::NONE };
        let listed = only(Rule::ListedIsAnAbsence, self.writer.meta(site.dir).listed);
        let buried = only(Rule::TombstonesRepel, self.tombstones.key(site.dir, name));
        site.absence.max(listed).max(buried)
    }

    pub(super) fn known_row(&self, site: &Site, row: &Row<'_>) -> Known {
        let Row { facts, key, marks, child, .. } = *row;
        if child == DirId::NONE {
            return Known::Leaf { own: key.max(site.moved), facts };
        }
        let meta = self.writer.meta(child);
        let own = if marks.has(Marks::PLACEHOLDER) {
            Key::NONE
        } else {
            key.max(meta.confirmed).max(site.moved)
        };
        let presence = meta.presence.max(site.moved).max(self.moved_at(child));
        Known::Dir { own, facts, floor: site.absence.max(meta.floor), presence }
    }

    /// Walks evidence of presence down to the directory with this prefix, creating placeholders on the way and raising every
    /// ancestor whose absence it exceeds.
    ///
    /// # Errors
    /// The verdict on evidence that does not arrive.
    pub(super) fn reach(
        &mut self,
        hearing: &mut Hearing<'_>,
        prefix: &[u8],
        key: Key,
    ) -> Result<Site, Verdict> {
        let joined = self.trail.rejoin(prefix).filter(|(_, site)| key > site.absence);
        if joined.is_none() {
            self.leave_trail();
        }
        let (from, mut site) = joined.unwrap_or((0, self.root_site()));
        self.writer.carry_at(site.dir);
        let mut names = prefix[from..].split(|b| *b == b'/').filter(|name| !name.is_empty());
        while let Some(name) = names.next() {
            match self.step(hearing, &site, name, key) {
                Ok(next) => {
                    site = next;
                    self.trail.go_on(name, site);
                    self.writer.carry_at(site.dir);
                }
                Err(verdict) => {
                    if self.holds(Rule::BuriedEvidenceCounts) {
                        self.writer.raise_presence(site.dir, key);
                    }
                    let rest: Vec<&[u8]> = std::iter::once(name).chain(names).collect();
                    self.follow(hearing, site.dir, &rest, key);
                    return Err(verdict);
                }
            }
        }
        if self.is_beyond_horizon(hearing, site.dir, key) {
            hearing.ask_listing(ViewPath::of_prefix(prefix), false);
            return Err(Verdict::Queued);
        }
        Ok(site)
    }

    fn step(
        &mut self,
        hearing: &mut Hearing<'_>,
        site: &Site,
        name: &[u8],
        key: Key,
    ) -> Result<Site, Verdict> {
        // Nearly every step: a directory that no absence has reached.
        if let Some(child) = self.writer.entries(site.dir).find_dir(name) {
            let next = self.enter(site, child);
            if key > next.absence {
                return Ok(next);
            }
        }
        let (known, old) = self.known(site, name);
        match (known, old) {
            (Known::Dir { floor, .. }, Some(old)) if key > floor => Ok(self.enter(site, old.child)),
            (Known::Leaf { facts, .. }, Some(_))
                if hearing.fidelity == Fidelity::Legacy && !facts.kind.is_told_by_legacy() =>
            {
                // It came through a symlink, or is no longer one: a listing tells.
                if let Some(dir) = self.writer.tree().path_of(site.dir) {
                    hearing.ask_listing(dir, false);
                }
                Err(Verdict::Queued)
            }
            (Known::Leaf { own, .. }, Some(old)) if key > own => {
                self.infer_dir(hearing, site, name, key, Some(old), own)
            }
            (Known::Nothing { absence }, _) if key > absence => {
                self.infer_dir(hearing, site, name, key, None, Key::NONE)
            }
            (Known::Dir { .. } | Known::Leaf { .. } | Known::Nothing { .. }, _) => {
                Err(Verdict::Buried)
            }
        }
    }

    /// Puts a placeholder directory where there is nothing, or something older that is no directory.
    fn infer_dir(
        &mut self,
        hearing: &Hearing<'_>,
        site: &Site,
        name: &[u8],
        key: Key,
        old: Option<Old>,
        leaf: Key,
    ) -> Result<Site, Verdict> {
        if old.is_none() && self.is_full() {
            return Err(Verdict::Refused(Refusal::Full));
        }
        let child = self.found_dir(site, name, key, leaf);
        let row = Old {
            facts: Facts::PLACEHOLDER,
            key: Key::NONE,
            marks: Marks::PLACEHOLDER,
            storage: hearing.storage,
            child,
        };
        // A scan that reaches a directory before its parent's listing has seen no change.
        let at = if key.tier() == Tier::Scan { Stamp::MIN } else { key.stamp() };
        let mut delta = Delta { unlisted: 1, at, ..Delta::default() };
        if let Some(old) = old {
            delta.take_row(&old.named(name));
            self.suspects.clear(site.dir, name);
        }
        delta.add_row(&row.named(name));
        self.writer.entries_mut(site.dir).put(&row.named(name));
        self.writer.shift(site.dir, &delta, key);
        Ok(self.enter(site, child))
    }

    /// Makes the directory of that name, seen at `key`, above the absences that it overcame; `leaf` is the key of older
    /// evidence that it was no directory.
    pub(super) fn found_dir(&mut self, site: &Site, name: &[u8], key: Key, leaf: Key) -> DirId {
        let listed = if leaf.is_none() { self.writer.meta(site.dir).listed } else { Key::NONE };
        let floor = leaf.max(listed).max(self.tombstones.key(site.dir, name));
        let floor = if self.holds(Rule::RebornHaveAFloor) { floor } else { Key::NONE };
        let child = self.claim_id(site.dir, name);
        let meta = self.writer.meta_mut(child);
        meta.floor = floor;
        meta.presence = key;
        self.tombstones.outlive(site.dir, name);
        child
    }

    /// A directory outlives an absence. If it does so only because it was moved later, with one above it, its presence says
    /// so from now on: the absence is remembered longer than the move.
    pub(super) fn raise_floor(&mut self, dir: DirId, absence: Key, moved: Key) {
        let moved = moved.max(self.moved_at(dir));
        let meta = self.writer.meta_mut(dir);
        meta.floor = meta.floor.max(absence);
        if meta.presence <= meta.floor {
            self.writer.raise_presence(dir, moved);
        }
    }

    pub(super) fn is_full(&mut self) -> bool {
        let max = self.config.max_nodes;
        let full = max > 0 && self.writer.node_count() + self.elsewhere + 1 >= max;
        self.truncated |= full;
        full
    }

    /// Whether evidence is too old to be judged in this directory.
    pub(super) fn is_beyond_horizon(&self, hearing: &Hearing<'_>, dir: DirId, key: Key) -> bool {
        if !self.holds(Rule::HorizonQueues) {
            return false;
        }
        let own = if self.horizons.is_empty() { None } else { self.horizons.get(&dir).copied() };
        key.stamp()
            <= hearing.now.wall.minus(self.config.tombstone_ttl_ns).max(own.unwrap_or(Stamp::MIN))
    }
}
