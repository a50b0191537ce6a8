//! What fusion thinks of a row: whether it may be incomplete, and whether only scans know of it.

use crate::entry::{Facts, Kind, Marks, Row};
use crate::id::DirId;
use crate::key::{Key, Tier};
use crate::rules::Rule;
use crate::time::Stamp;

use super::Arbiter;
use super::legacy::only_says_more;
use super::reach::Old;
use super::suspect::Suspicion;
use super::upsert::Evidence;

impl Arbiter {
    /// The marks of a row after this evidence; keeps the table of suspects in step.
    pub(super) fn mark(
        &mut self,
        dir: DirId,
        evidence: &Evidence<'_, '_>,
        old: Option<&Old>,
        was_listed: bool,
    ) -> Marks {
        let first = was_listed || !self.holds(Rule::FirstListingIsTheBase);
        let blind = if self.holds(Rule::RealtimeEndsBlindness) || evidence.key.tier() == Tier::Scan
        {
            is_blind(evidence, old, first)
        } else {
            old.is_some_and(|old| old.marks.has(Marks::BLIND))
        };
        let suspect = if evidence.facts.kind == Kind::File {
            self.is_suspect(dir, evidence, old)
        } else {
            self.suspects.clear(dir, evidence.name);
            false
        };
        let marks = if blind { Marks::BLIND } else { Marks::NONE };
        if suspect { marks.with(Marks::SUSPECT) } else { marks }
    }

    fn is_suspect(&mut self, dir: DirId, evidence: &Evidence<'_, '_>, old: Option<&Old>) -> bool {
        let Evidence { name, key, facts } = *evidence;
        let old = old.filter(|old| old.facts.kind == Kind::File);
        let was = old
            .filter(|old| old.marks.has(Marks::SUSPECT))
            .and_then(|_| self.suspects.get(dir, name));
        let moved = old.is_none_or(|old| {
            (old.facts.size != facts.size || old.facts.mtime != facts.mtime)
                && !only_says_more(&old.facts, facts)
        });
        let moved = moved || !self.holds(Rule::AttributesDoubtNothing);
        match (key.tier(), was) {
            (Tier::Atomic, Some(_)) if !self.holds(Rule::ClosingEndsDoubt) => true,
            (Tier::Atomic, _) => {
                self.suspects.clear(dir, name);
                false
            }
            (Tier::Partial, _) if moved => self.suspect(dir, name, key.stamp()),
            (Tier::Scan, None) if moved && self.is_hot(key, facts) => {
                self.suspect(dir, name, key.stamp())
            }
            (Tier::Partial | Tier::Scan, None) => false,
            (Tier::Partial | Tier::Scan, Some(was)) => {
                self.is_still_suspect(dir, evidence, old, was)
            }
        }
    }

    /// Rest is proved by two observations with equal size, mtime and ctime that lie the threshold apart.
    fn is_still_suspect(
        &mut self,
        dir: DirId,
        evidence: &Evidence<'_, '_>,
        old: Option<&Old>,
        was: Suspicion,
    ) -> bool {
        let Evidence { name, key, facts } = *evidence;
        let rests = old.is_some_and(|old| {
            (old.facts.size, old.facts.mtime, old.facts.ctime)
                == (facts.size, facts.mtime, facts.ctime)
        });
        if !rests && self.holds(Rule::RestIsProved) {
            return self.suspect(dir, name, key.stamp());
        }
        if key.stamp().since(was.since) >= self.config.hot_threshold_ns {
            self.suspects.clear(dir, name);
            return false;
        }
        true
    }

    /// Makes a file suspect, or its directory when there are too many already. Whether the file itself is marked.
    fn suspect(&mut self, dir: DirId, name: &[u8], since: Stamp) -> bool {
        let due = since.plus(self.config.hot_threshold_ns);
        let room = self.suspects.len() < self.config.max_suspects
            || self.suspects.get(dir, name).is_some();
        if !room && !self.holds(Rule::DoubtFindsRoom) {
            return false;
        }
        let name = if room { name } else { b"" };
        self.suspects.set(dir, name, Suspicion { since, due });
        room
    }

    /// Whether a file's mtime is so young, or in the future, that somebody may still write.
    pub(super) fn is_hot(&self, key: Key, facts: &Facts) -> bool {
        let known = self.clock.skew().filter(|_| self.holds(Rule::FreshFilesAreDoubted));
        let Some(skew) = known else { return false };
        let storage_now = key.stamp().0.saturating_sub(skew.behind_ns);
        let age = storage_now.saturating_sub(facts.mtime.0);
        age < self.config.hot_threshold_ns.saturating_add(skew.uncertainty_ns)
    }

    /// Brings a directory's own mark in step with the table: set when a file of it found no room there, cleared when a
    /// listing proved rest.
    pub(super) fn mark_doubt(&mut self, dir: DirId, at: Stamp) {
        let doubted = self.suspects.get(dir, b"").is_some();
        if dir == DirId::ROOT {
            let marks = self.writer.tree().root_row().marks;
            self.writer.root_mut().marks =
                if doubted { marks.with(Marks::SUSPECT) } else { marks.without(Marks::SUSPECT) };
            return;
        }
        let parent = self.writer.meta(dir).parent;
        let name = self.writer.entries(dir).own_name().to_vec();
        let Some(row) = self.writer.entries(parent).find(&name) else { return };
        if row.marks.has(Marks::SUSPECT) == doubted {
            return;
        }
        let marks = if doubted {
            row.marks.with(Marks::SUSPECT)
        } else {
            row.marks.without(Marks::SUSPECT)
        };
        let old = Old::of(&row);
        self.replace_marks(parent, &name, &old, marks, at);
    }

    /// Writes other marks to a row.
    pub(super) fn replace_marks(
        &mut self,
        dir: DirId,
        name: &[u8],
        old: &Old,
        marks: Marks,
        at: Stamp,
    ) {
        let row = Row { marks, ..old.named(name) };
        let mut delta = crate::tree::Delta { at, ..Default::default() };
        delta.take_row(&old.named(name));
        delta.add_row(&row);
        self.writer.entries_mut(dir).put(&row);
        self.writer.shift(dir, &delta, Key::NONE);
    }
}

/// Created or changed after the first complete listing of its directory, and only a scan says so. A directory's own
/// times change with its contents, which are marked themselves.
fn is_blind(evidence: &Evidence<'_, '_>, old: Option<&Old>, was_listed: bool) -> bool {
    if evidence.key.tier() != Tier::Scan {
        return false;
    }
    let facts = evidence.facts;
    let changed = old.is_none_or(|old| {
        if facts.kind.is_dir() && old.facts.kind.is_dir() {
            !old.marks.has(Marks::PLACEHOLDER)
                && (old.facts.inode, old.facts.owner) != (facts.inode, facts.owner)
                && !old.facts.is_hearsay()
        } else {
            old.facts != *facts && !only_says_more(&old.facts, facts)
        }
    });
    let was_blind = old.is_some_and(|old| old.marks.has(Marks::BLIND));
    was_blind || changed && was_listed
}
