//! What agents of 0.8 do not mention any more. Their audits prove no absence: a path that three of them in a row lack is
//! removed, and one that the last of them lacks is asked about.
//!
//! No set of paths is kept. What an audit finds takes the audit's key, so a row whose key is older than the audit was
//! not found by it; a directory that lacks something remembers the last audits that read it, and nothing else does.

use im::{OrdMap, OrdSet};

use crate::block::Block;
use crate::entry::Row;
use crate::event::{Event, Fidelity, Refusal, Sweep, Verdict};
use crate::id::{AgentId, DirId};
use crate::key::{Claim, Key, Tier};
use crate::path::ViewPath;
use crate::rules::Rule;
use crate::time::Stamp;
use crate::tree::Delta;

use super::{Arbiter, BlindDeletion, Hearing};

/// Audits in a row that must lack a path.
const PASSES: usize = 3;
/// Directories that one scan is remembered to have read, eight bytes each; those beyond prove nothing this time.
const READ_MAX: usize = 1 << 22;
/// Directories that lack something; in those beyond, nothing is counted.
const LACKING_MAX: usize = 1 << 16;
/// Agents of 0.8 that are told apart.
const AGENTS_MAX: usize = 1 << 13;

/// What is known from and of agents of 0.8. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hearsay {
    /// Somebody else has reported too.
    exact: bool,
    agents: OrdSet<AgentId>,
    lacking: OrdMap<DirId, Lacking>,
}

/// A directory in which the last audits that read it did not find everything that was told of it.
#[derive(Clone, Debug)]
struct Lacking {
    generation: u32,
    agent: AgentId,
    /// The audits since the oldest of what it lacks, oldest first; fewer than [`PASSES`].
    passes: Vec<Pass>,
}

/// One audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pass {
    begin: Stamp,
    /// What it finds has a key of this stamp or later.
    since: Stamp,
}

/// What the scan that is running has read so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    dirs: Vec<(DirId, u32)>,
    sweep: Option<Sweep>,
}

/// A row that an audit did not find.
struct Absent {
    name: Vec<u8>,
    seen: Stamp,
}

impl Hearsay {
    /// Whether names may be known better than agents of 0.8 tell them.
    pub(super) const fn knows_better(&self) -> bool {
        self.exact
    }

    /// Whether this is an agent of 0.8.
    pub(crate) fn is_from(&self, agent: AgentId) -> bool {
        self.agents.contains(&agent)
    }

    /// Forgets a directory that is gone.
    pub(super) fn forget(&mut self, dir: DirId) {
        if !self.lacking.is_empty() {
            self.lacking.remove(&dir);
        }
    }

    /// The directories that lack something, those of the oldest audits first, each with the stamp before which a row
    /// was not found.
    pub(crate) fn lacking(&self) -> Vec<(DirId, Stamp)> {
        let mut all: Vec<_> = self
            .lacking
            .iter()
            .filter_map(|(dir, lacking)| {
                let (first, last) = lacking.passes.first().zip(lacking.passes.last())?;
                Some((first.begin, *dir, last.since))
            })
            .collect();
        all.sort_unstable();
        all.into_iter().map(|(_, dir, since)| (dir, since)).collect()
    }
}

/// Whether an event tells of entries. What fusion itself declares of an absent agent does not.
const fn has_rows(event: &Event) -> bool {
    match event {
        Event::Upsert { .. } | Event::Rename { .. } | Event::Listing(_) => true,
        Event::Delete { .. }
        | Event::Gap { .. }
        | Event::Uncovered { .. }
        | Event::Covered { .. }
        | Event::Cycle { .. }
        | Event::RootLost { .. }
        | Event::Remark(_) => false,
    }
}

impl Arbiter {
    /// Notes what kind of agent a batch is from.
    pub(crate) fn note_agent(&mut self, hearing: &Hearing<'_>, events: &[Event]) {
        match hearing.fidelity {
            Fidelity::Exact if self.hearsay.exact => {}
            Fidelity::Exact => self.hearsay.exact = events.iter().any(has_rows),
            Fidelity::Legacy if self.hearsay.agents.len() < AGENTS_MAX => {
                self.hearsay.agents.insert(hearing.origin.agent);
            }
            Fidelity::Legacy => {}
        }
    }

    /// A scan of the whole tree begins.
    pub(crate) fn begin_round(&mut self) {
        self.round = Round::default();
    }

    /// The scan that is running has read a directory.
    pub(super) fn note_read(&mut self, dir: &ViewPath, sweep: Sweep) -> Verdict {
        let Some(dir) = self.writer.tree().dir(dir) else { return Verdict::Stale };
        self.round.sweep = Some(sweep);
        if self.round.dirs.len() < READ_MAX {
            self.round.dirs.push((dir, self.writer.meta(dir).generation));
        }
        Verdict::Applied
    }

    /// The scan that began at `begin` ends. Gives since when everything was read, if it was.
    pub(crate) fn end_round(&mut self, hearing: &mut Hearing<'_>, begin: Stamp) -> Option<Stamp> {
        let Round { mut dirs, sweep } = std::mem::take(&mut self.round);
        let since = hearing.known_since(begin);
        if hearing.fidelity == Fidelity::Exact {
            return Some(since);
        }
        let pass = Pass { begin, since };
        let tree = self.writer.tree();
        dirs.retain(|(dir, was)| tree.meta(*dir).generation == *was && tree.is_attached(*dir));
        for (dir, _) in &dirs {
            self.count_as_listed(*dir, begin);
        }
        match sweep? {
            Sweep::Snapshot => Some(pass.since),
            Sweep::Audit => {
                for (dir, generation) in dirs {
                    self.conclude(hearing, dir, generation, pass);
                }
                None
            }
        }
    }

    /// A directory was read as well as agents of 0.8 can: it is waited for no longer, though it proves no absence.
    fn count_as_listed(&mut self, dir: DirId, begin: Stamp) {
        let meta = self.writer.meta_mut(dir);
        let unlisted = -i32::from(meta.awaits_listing());
        meta.verified = meta.verified.max(begin);
        if unlisted != 0 {
            self.writer.shift(dir, &Delta { unlisted, ..Delta::default() }, Key::NONE);
        }
        self.pay(dir, begin);
    }

    /// What an audit means for one directory that it has read.
    fn conclude(&mut self, hearing: &mut Hearing<'_>, dir: DirId, generation: u32, pass: Pass) {
        let agent = hearing.origin.agent;
        let Some(mut absent) = self.absent_in(dir, pass.since, agent) else { return };
        if absent.is_empty() {
            self.hearsay.forget(dir);
            return;
        }
        let before = self.hearsay.lacking.get(&dir);
        let before = before.filter(|known| known.generation == generation && known.agent == agent);
        let mut passes = before.map_or_else(Vec::new, |known| known.passes.clone());
        if passes.last() != Some(&pass) {
            passes.push(pass);
        }
        let enough = if self.holds(Rule::ThreeAuditsMustLack) { PASSES } else { 1 };
        if passes.len() >= enough {
            let first = passes.remove(0);
            let key = self.key_of_absence(hearing, pass);
            absent.retain(|absent| {
                absent.seen >= first.since || !self.give_up(hearing, dir, &absent.name, key)
            });
        }
        if absent.is_empty() {
            self.hearsay.forget(dir);
        } else if self.hearsay.lacking.len() < LACKING_MAX
            || self.hearsay.lacking.contains_key(&dir)
        {
            self.hearsay.lacking.insert(dir, Lacking { generation, agent, passes });
        }
    }

    /// The key with which the last audit says that something is gone. One that began before the horizon speaks from
    /// just after it: it has ended only now, and could never be judged otherwise.
    fn key_of_absence(&self, hearing: &Hearing<'_>, pass: Pass) -> Key {
        let horizon = hearing.now.wall.minus(self.config.tombstone_ttl_ns);
        let stamp = pass.since.max(horizon.plus(1));
        Key::new(stamp, Tier::Scan, Claim::Absent, hearing.origin)
    }

    /// The rows of a directory that only agents of 0.8 have told and an audit did not find; `None` when it found nothing
    /// else there either.
    fn absent_in(&self, dir: DirId, since: Stamp, agent: AgentId) -> Option<Vec<Absent>> {
        let moved = self.moved_above(dir);
        let mut found = false;
        let mut absent = Vec::new();
        for row in self.writer.entries(dir).rows() {
            let own = self.own_key(&row);
            found |= own.stamp() >= since && own.tier() == Tier::Scan && own.agent() == agent;
            let seen = self.presence_of(&row).max(moved).stamp();
            let hearsay = row.facts.is_hearsay() || !self.holds(Rule::OnlyHearsayGoes);
            if seen < since && hearsay {
                absent.push(Absent { name: row.name.to_vec(), seen });
            }
        }
        (found || !self.holds(Rule::AuditsMustFindSomething)).then_some(absent)
    }

    fn own_key(&self, row: &Row<'_>) -> Key {
        if row.child == DirId::NONE {
            row.key
        } else {
            row.key.max(self.writer.meta(row.child).confirmed)
        }
    }

    /// The greatest key of evidence of a row or of anything below it, but for moves of what is above.
    fn presence_of(&self, row: &Row<'_>) -> Key {
        if row.child == DirId::NONE {
            row.key
        } else {
            self.writer.meta(row.child).presence.max(self.moved_at(row.child))
        }
    }

    fn moved_above(&self, dir: DirId) -> Key {
        let mut moved = Key::NONE;
        let mut at = dir;
        while at != DirId::NONE && !self.moves.is_empty() {
            moved = moved.max(self.moved_at(at));
            at = self.writer.meta(at).parent;
        }
        moved
    }

    /// Removes what enough audits lack. Whether it is gone.
    fn give_up(&mut self, hearing: &mut Hearing<'_>, dir: DirId, name: &[u8], key: Key) -> bool {
        let Some(dir) = self.writer.tree().path_of(dir) else { return false };
        let verdict = self.remove_hearsay(hearing, &dir.join(name), key);
        verdict == Verdict::Applied
    }

    /// Removes a path that only agents of 0.8 have told of, if nothing of it is newer than `key`.
    pub(super) fn remove_hearsay(
        &mut self,
        hearing: &mut Hearing<'_>,
        path: &ViewPath,
        key: Key,
    ) -> Verdict {
        let Some((parent, _)) = path.split() else { return Verdict::Refused(Refusal::Root) };
        let tree = self.writer.tree();
        let Some((dir, row)) = tree.dir(&parent).zip(tree.lookup(path)) else {
            return Verdict::Stale;
        };
        if self.presence_of(&row).max(self.moved_above(dir)) > key {
            return Verdict::Stale;
        }
        let hearsay = row.facts.is_hearsay() && self.is_hearsay_below(row.child);
        if !hearsay && self.holds(Rule::OnlyHearsayGoes) {
            // Others have seen it: a listing decides.
            hearing.ask_listing(parent, false);
            return Verdict::Queued;
        }
        let (mut files, mut dirs) = (1, 0);
        if row.child != DirId::NONE {
            let totals = &self.writer.meta(row.child).totals;
            (files, dirs) = (totals.files, totals.dirs + 1);
        }
        let was_read = self.writer.meta(dir).verified > Stamp::MIN;
        let verdict = self.delete(hearing, path, key);
        if verdict == Verdict::Applied && was_read {
            let deletion = BlindDeletion { path: path.clone(), at: key.stamp(), files, dirs };
            self.blind.push(deletion, self.config.max_blind_deletions);
        }
        verdict
    }

    /// Whether only agents of 0.8 have told of what is below a directory.
    fn is_hearsay_below(&self, dir: DirId) -> bool {
        if !self.hearsay.exact || dir == DirId::NONE {
            return true;
        }
        let mut open = vec![dir];
        while let Some(dir) = open.pop() {
            let entries = self.writer.entries(dir);
            if entries.rows().any(|row| !row.facts.is_hearsay()) {
                return false;
            }
            open.extend(entries.blocks().flat_map(Block::children));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Facts, Kind};
    use crate::event::{Batch, Command, CyclePhase, Remark};
    use crate::id::{Epoch, Origin, Seq, StorageId};
    use crate::merge::ViewConfig;
    use crate::query::{Limit, PAGE_MAX, SentinelArgs, sentinel};
    use crate::time::{BootTime, ClockMap, Mono, Now, SECOND};
    use crate::view::View;

    fn at(sec: i64) -> Now {
        Now { mono: Mono(0), wall: Stamp(sec * SECOND) }
    }

    fn hear(view: &mut View, sec: i64, events: Vec<Event>) {
        let origin = Origin { agent: AgentId(2), epoch: Epoch(1), seq: Seq(1) };
        let batch = Batch {
            storage: StorageId(0),
            origin,
            clock: ClockMap::default(),
            cache_window_ns: 0,
            fidelity: Fidelity::Legacy,
            events,
        };
        let _applied = view.apply(at(sec), Command::Batch(batch));
    }

    fn path(text: &str) -> ViewPath {
        ViewPath::parse(text.as_bytes()).expect("a path")
    }

    fn seen(sec: i64, text: &str, kind: Kind) -> Event {
        let facts = Facts { kind, ..Facts::default() };
        let stamp = BootTime(sec * SECOND);
        Event::Upsert { path: path(text), stamp, tier: Tier::Scan, facts }
    }

    fn cycle(sec: i64, phase: CyclePhase) -> Event {
        Event::Cycle { phase, stamp: BootTime(sec * SECOND) }
    }

    fn read(text: &str, sweep: Sweep) -> Event {
        Event::Remark(Remark::Read { dir: path(text), sweep })
    }

    #[test]
    fn directories_beyond_those_that_are_remembered_are_waited_for() {
        let mut view = View::new(ViewConfig::default(), 1);
        let rows = ["/a", "/b"].map(|dir| seen(10, dir, Kind::Dir));
        hear(&mut view, 10, vec![cycle(10, CyclePhase::Begin)]);
        hear(&mut view, 10, rows.to_vec());
        let many = vec![read("/a", Sweep::Snapshot); READ_MAX / 64];
        (0..64).for_each(|_| hear(&mut view, 11, many.clone()));
        hear(&mut view, 12, vec![read("/b", Sweep::Snapshot), cycle(12, CyclePhase::End)]);
        let unlisted = |dir| {
            let snapshot = view.snapshot();
            let id = snapshot.tree().dir(&path(dir)).expect("a directory");
            snapshot.tree().meta(id).totals.unlisted
        };
        assert_eq!((unlisted("/a"), unlisted("/b")), (0, 1));
    }

    #[test]
    fn directories_beyond_those_that_may_lack_something_lose_nothing() {
        let dirs = || (0..=LACKING_MAX).map(|n| format!("/d{n}"));
        let mut view = View::new(ViewConfig::default(), 1);
        let files = |sec| dirs().map(move |dir| seen(sec, &format!("{dir}/f"), Kind::File));
        let others = dirs().map(|dir| seen(10, &format!("{dir}/g"), Kind::File));
        hear(&mut view, 10, files(10).chain(others).collect());
        for sec in [1000, 2000, 3000] {
            hear(&mut view, sec, vec![cycle(sec, CyclePhase::Begin)]);
            hear(&mut view, sec, files(sec).collect());
            hear(&mut view, sec, dirs().map(|dir| read(&dir, Sweep::Audit)).collect());
            hear(&mut view, sec, vec![cycle(sec, CyclePhase::End)]);
            if sec == 1000 {
                let limit = Limit::new(PAGE_MAX).expect("the greatest limit");
                let args = SentinelArgs { limit, offset: LACKING_MAX - 1, storage: None };
                let last = sentinel(&view.snapshot(), at(sec), &args);
                assert_eq!((last.paths.len(), last.next), (1, None));
            }
        }
        let files = view.snapshot().tree().meta(DirId::ROOT).totals.files;
        assert_eq!(files, LACKING_MAX as u64 + 2, "the one beyond has kept both");
    }
}
