//! Evidence that one entry exists.

use crate::entry::{Facts, Marks, Row};
use crate::event::{Fidelity, Refusal, Verdict};
use crate::id::DirId;
use crate::key::{Key, Tier};
use crate::path::ViewPath;
use crate::rules::Rule;
use crate::time::Stamp;
use crate::tree::Delta;

use super::reach::{Old, Site};
use super::rule::{Known, Ruling, decide};
use super::{Arbiter, Hearing};

/// One piece of evidence of one entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence<'a, 'f> {
    pub(super) name: &'a [u8],
    pub(super) key: Key,
    pub(super) facts: &'f Facts,
}

/// What is to be written after a ruling was carried out on everything but the row itself.
pub(super) struct Enacted<'a> {
    /// The row to put; `None`: it stays as it is.
    pub(super) row: Option<Row<'a>>,
    /// What the row and what hangs on it add to the totals.
    pub(super) delta: Delta,
}

impl Arbiter {
    /// Takes in an `lstat` of one path.
    pub(crate) fn upsert(
        &mut self,
        hearing: &mut Hearing<'_>,
        path: &ViewPath,
        key: Key,
        facts: &Facts,
    ) -> Verdict {
        let Some((parent, name)) = path.split_prefix() else {
            return self.upsert_root(hearing, key, facts);
        };
        if self.is_beyond_horizon(hearing, DirId::NONE, key) {
            hearing.ask_listing(ViewPath::of_prefix(parent), false);
            return Verdict::Queued;
        }
        match self.reach(hearing, parent, key) {
            Ok(site) => self.admit(hearing, &site, &Evidence { name, key, facts }),
            Err(verdict) => verdict,
        }
    }

    /// Takes in evidence of a name in a directory that it has reached.
    pub(super) fn admit(
        &mut self,
        hearing: &mut Hearing<'_>,
        site: &Site,
        evidence: &Evidence<'_, '_>,
    ) -> Verdict {
        let Evidence { name, key, facts } = *evidence;
        let (known, old, place) = self.known_at(site, name);
        let reconciled;
        let (facts, was_listed) = match hearing.fidelity {
            Fidelity::Exact => (facts, !self.writer.meta(site.dir).listed.is_none()),
            Fidelity::Legacy => {
                reconciled = self.reconciled(old.as_ref().map(|old| &old.facts), facts);
                (&reconciled, self.writer.meta(site.dir).verified > Stamp::MIN)
            }
        };
        let evidence = &Evidence { name, key, facts };
        let ruling = self.ruling(&known, old.as_ref(), key, facts);
        if ruling == Ruling::Buried || ruling == Ruling::Stale {
            self.doubt_loser(hearing, site.dir, &known, key, facts);
            if self.holds(Rule::BuriedEvidenceCounts) {
                self.writer.raise_presence(site.dir, key);
            }
            self.follow(hearing, site.dir, &[name], key);
            return if ruling == Ruling::Buried { Verdict::Buried } else { Verdict::Stale };
        }
        if ruling == Ruling::Insert && self.is_full() {
            return Verdict::Refused(Refusal::Full);
        }
        if ruling == Ruling::Insert && hearing.fidelity == Fidelity::Exact {
            self.doubt_insertion(hearing, site.dir, key);
        }
        let enacted = self.enact(hearing, site, evidence, &known, old.as_ref(), ruling, was_listed);
        if let Some(row) = enacted.row {
            self.writer.entries_mut(site.dir).put_near(&row, place);
        }
        if enacted.delta.is_zero() {
            self.writer.raise_presence(site.dir, key);
        } else {
            self.writer.shift(site.dir, &enacted.delta, key);
        }
        if self.suspects.has_doubts() {
            self.mark_doubt(site.dir, key.stamp());
        }
        self.sample_clock(key, facts, old.as_ref());
        Verdict::Applied
    }

    /// What the evidence means, by the rules that hold.
    pub(super) fn ruling(
        &self,
        known: &Known,
        old: Option<&Old>,
        key: Key,
        facts: &Facts,
    ) -> Ruling {
        let newer = old.is_some_and(|old| old.facts.mtime > facts.mtime);
        if newer && !self.holds(Rule::MtimeIsNoOrder) {
            return Ruling::Stale;
        }
        match *known {
            // Whoever comes later has the last word.
            Known::Leaf { own, facts: old }
                if own == key && old != *facts && !self.holds(Rule::EqualKeysGoByFacts) =>
            {
                if facts.kind.is_dir() { Ruling::BecomeDir } else { Ruling::Refresh }
            }
            Known::Leaf { .. } | Known::Dir { .. } | Known::Nothing { .. } => {
                decide(known, key, facts)
            }
        }
    }

    /// Evidence of something new that lies between the proof time and the begin of the newest listing: that lacked it,
    /// but did not disprove it. Had it come before, the listing would have contested it.
    fn doubt_insertion(&mut self, hearing: &mut Hearing<'_>, dir: DirId, key: Key) {
        if key.stamp() < self.writer.meta(dir).verified && self.holds(Rule::DoubtIsAskedAbout) {
            self.contest(hearing, dir, key);
        }
    }

    /// Carries out a ruling on everything but the row itself.
    #[expect(
        clippy::too_many_arguments,
        reason = "one ruling needs all that was known when it was made"
    )]
    pub(super) fn enact<'a>(
        &mut self,
        hearing: &Hearing<'_>,
        site: &Site,
        evidence: &Evidence<'a, '_>,
        known: &Known,
        old: Option<&Old>,
        ruling: Ruling,
        was_listed: bool,
    ) -> Enacted<'a> {
        let Evidence { name, key, facts } = *evidence;
        let mut delta = Delta::default();
        let child = match ruling {
            Ruling::Stale | Ruling::Buried => return Enacted { row: None, delta },
            Ruling::Insert => {
                self.forget_blind_deletion(site.dir, name);
                if facts.kind.is_dir() {
                    delta.unlisted += 1;
                    self.found_dir(site, name, key, Key::NONE)
                } else {
                    self.tombstones.outlive(site.dir, name);
                    DirId::NONE
                }
            }
            Ruling::BecomeDir => {
                let Known::Leaf { own, .. } = *known else {
                    unreachable!("only a leaf becomes a directory")
                };
                delta.unlisted += 1;
                self.suspects.clear(site.dir, name);
                self.found_dir(site, name, key, own)
            }
            Ruling::Refresh => self.refresh_dir(old, key, facts),
            Ruling::BecomeLeaf => {
                let child = old.map_or(DirId::NONE, |old| old.child);
                delta.absorb(&self.cut(child, key));
                DirId::NONE
            }
            Ruling::Undermine { facts_go } => {
                return self.undermine(site, name, key, old, facts_go);
            }
        };
        if let Some(old) = old
            && self.is_repetition(old, ruling, key, facts)
        {
            return Enacted { row: None, delta };
        }
        let marks = self.mark(site.dir, evidence, old, was_listed);
        let row = Row { name, facts: *facts, key, marks, storage: hearing.storage, child };
        if let Some(old) = old {
            delta.take_row(&old.named(name));
        }
        delta.add_row(&row);
        delta.at = change_time(old, facts, key, hearing.window_ns);
        Enacted { row: Some(row), delta }
    }

    /// A directory whose facts repeat keeps its row; only its own table entry takes the key.
    fn is_repetition(&mut self, old: &Old, ruling: Ruling, key: Key, facts: &Facts) -> bool {
        let same = ruling == Ruling::Refresh
            && old.child != DirId::NONE
            && old.facts == *facts
            && old.marks == Marks::NONE;
        if same {
            let meta = self.writer.meta_mut(old.child);
            meta.confirmed = meta.confirmed.max(key);
        }
        same
    }

    fn refresh_dir(&mut self, old: Option<&Old>, key: Key, facts: &Facts) -> DirId {
        let child = old.map_or(DirId::NONE, |old| old.child);
        if facts.kind.is_dir() && child != DirId::NONE && self.writer.meta(child).presence < key {
            self.writer.meta_mut(child).presence = key;
        }
        child
    }

    /// Older evidence says "not a directory": what is older in the directory goes, the directory stays.
    fn undermine<'a>(
        &mut self,
        site: &Site,
        name: &'a [u8],
        key: Key,
        old: Option<&Old>,
        facts_go: bool,
    ) -> Enacted<'a> {
        let mut delta = Delta::default();
        let Some(old) = old.filter(|_| self.holds(Rule::NoDirectoryBuriesBelow)) else {
            return Enacted { row: None, delta };
        };
        self.leave_trail();
        self.raise_floor(old.child, key, site.moved);
        self.prune(old.child, key, site.moved, key.stamp());
        if !facts_go || old.marks.has(Marks::PLACEHOLDER) {
            return Enacted { row: None, delta };
        }
        let bare = self.bared(old).named(name);
        delta.take_row(&old.named(name));
        delta.add_row(&bare);
        delta.at = key.stamp();
        Enacted { row: Some(bare), delta }
    }

    /// The row of a directory that has lost its own facts.
    pub(super) fn bared(&mut self, old: &Old) -> Old {
        self.writer.meta_mut(old.child).confirmed = Key::NONE;
        Old { facts: Facts::PLACEHOLDER, key: Key::NONE, marks: Marks::PLACEHOLDER, ..*old }
    }

    fn sample_clock(&mut self, key: Key, facts: &Facts, old: Option<&Old>) {
        let moved = old.is_none_or(|old| old.facts.ctime != facts.ctime);
        if key.tier() == Tier::Atomic && moved && !facts.kind.is_dir() {
            let ctime = self.holds(Rule::ClockReadsCtime);
            self.clock.sample(key.stamp(), if ctime { facts.ctime } else { facts.mtime });
        }
    }
}

/// When the change that evidence shows took place: the observation's time for the kernel's word, else what the
/// storage says, but not later than it was seen. The key of what was scanned lies before that by the mount's window.
pub(super) fn change_time(old: Option<&Old>, facts: &Facts, key: Key, window_ns: i64) -> Stamp {
    match old {
        Some(old) if old.facts == *facts => Stamp::MIN,
        Some(_) | None if key.tier() == Tier::Scan => {
            Stamp(facts.mtime.0.max(facts.ctime.0)).min(key.stamp().plus(window_ns))
        }
        Some(_) | None => key.stamp(),
    }
}
