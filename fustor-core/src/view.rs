//! A view: a deterministic state machine over commands. The same commands give the same state and the same answers.

use im::OrdMap;

use crate::event::{
    Applied, Batch, Command, CyclePhase, Event, Fidelity, Refusal, RootIdentity, Verdict,
};
use crate::id::{Revision, StorageId};
use crate::key::{Key, Tier};
use crate::merge::{Arbiter, Hearing, ViewConfig};
use crate::snapshot::Snapshot;
use crate::time::{BootTime, Now, Stamp};
use crate::tree::CheckError;

/// What a view knows of one storage beside its tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Storage {
    pub(crate) root: Option<RootIdentity>,
    /// An agent is attached.
    pub(crate) attached: bool,
    /// Every host that writes is watched.
    pub(crate) writers_watched: bool,
    /// The root went away, or is not the one that was known.
    pub(crate) root_lost: bool,
    pub(crate) root_changed: bool,
    /// Since when no agent is attached.
    pub(crate) stale_since: Option<Stamp>,
}

/// The scans of the whole tree so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cycles {
    /// How many ended.
    pub completed: u64,
    /// When the last one began that read everything: audits of 0.8 do not. On a mount that answers from a cache, that
    /// much earlier.
    pub last_begin: Option<Stamp>,
    /// When the last one ended.
    pub last_end: Option<Stamp>,
    /// When the one began that is running.
    pub running_since: Option<Stamp>,
}

/// One writer's view. Readers take a [`Snapshot`].
///
/// ```
/// use fustor_core::{Command, Mono, Now, Stamp, View, ViewConfig, ViewPath};
/// let mut view = View::new(ViewConfig::default(), 1);
/// view.apply(Now { mono: Mono(0), wall: Stamp(0) }, Command::Tick);
/// assert!(view.snapshot().tree().lookup(&ViewPath::root()).is_some());
/// ```
pub struct View {
    arbiter: Arbiter,
    storages: OrdMap<StorageId, Storage>,
    cycles: Cycles,
    revision: Revision,
    /// How far the newest applied observation was behind its application.
    lag_ns: Option<i64>,
}

impl View {
    /// An empty view: an unlisted root. `incarnation` tells its revisions from those of an earlier life.
    #[must_use]
    pub fn new(config: ViewConfig, incarnation: u64) -> Self {
        Self {
            arbiter: Arbiter::new(config),
            storages: OrdMap::new(),
            cycles: Cycles::default(),
            revision: Revision { incarnation, n: 0 },
            lag_ns: None,
        }
    }

    /// Applies one command. Total: bad observations are refused one by one and counted.
    pub fn apply(&mut self, now: Now, command: Command) -> Applied {
        let mut applied = Applied::default();
        self.revision.n += 1;
        self.arbiter.writer.begin(self.revision.n);
        self.arbiter.expire(now.wall);
        match command {
            Command::Batch(batch) => self.apply_batch(now, batch, &mut applied),
            Command::Tick => self.tick(now, &mut applied),
            Command::Reset => self.reset(),
            Command::Attach { storage, root, writers_watched } => {
                applied.verdicts.count(self.attach(storage, root, writers_watched));
            }
            Command::Detach { storage } => self.detach(storage, now.wall),
            Command::AcceptRemovals { path } => {
                let storage = self.first_storage();
                let mut hearing = Hearing::of_storage(now, storage, &mut applied);
                let verdict = self.arbiter.accept_removals(&mut hearing, &path);
                hearing.count(verdict);
            }
        }
        self.arbiter.close_gaps();
        applied.next_deadline = self.arbiter.next_deadline(now.wall);
        applied
    }

    fn apply_batch(&mut self, now: Now, mut batch: Batch, applied: &mut Applied) {
        let mut events = std::mem::take(&mut batch.events);
        group_by_path(&mut events);
        let refused = self.storages.get(&batch.storage).is_some_and(|storage| storage.root_changed);
        let mut hearing = Hearing::new(now, &batch, applied);
        self.arbiter.note_agent(&hearing, &events);
        for event in events {
            if refused {
                hearing.count(Verdict::Refused(Refusal::RootChanged));
                continue;
            }
            let event = match batch.fidelity {
                Fidelity::Exact => Some(event),
                Fidelity::Legacy => self.arbiter.reword(&mut hearing, event),
            };
            if let Some(event) = event {
                self.judge(&mut hearing, batch.storage, event);
            }
        }
        self.arbiter.place_gaps(&mut hearing);
    }

    fn judge(&mut self, hearing: &mut Hearing<'_>, storage: StorageId, event: Event) {
        let arbiter = &mut self.arbiter;
        let verdict = match event {
            Event::Upsert { path, stamp, tier, facts } => {
                self.lag_ns = Some(hearing.now().wall.since(hearing.stamp(stamp)));
                arbiter.upsert(hearing, &path, hearing.present(stamp, tier), &facts)
            }
            Event::Delete { path, stamp } => arbiter.delete(hearing, &path, hearing.absent(stamp)),
            Event::Rename { old, new, stamp, facts } => {
                // What is renamed takes its gaps along, also those whose scope has come within this batch.
                arbiter.place_gaps(hearing);
                arbiter.rename(hearing, &old, &new, hearing.present(stamp, Tier::Atomic), &facts)
            }
            Event::Listing(listing) => {
                if listing.dir.is_root() && self.is_other_root(storage, listing.facts.inode) {
                    self.storage_mut(storage).root_lost = true;
                    Verdict::Refused(Refusal::RootChanged)
                } else {
                    self.arbiter.listing(hearing, &listing)
                }
            }
            Event::Gap { scope, stamp, reason } => {
                arbiter.gap(hearing, &scope, hearing.stamp(stamp), reason)
            }
            Event::Uncovered { dir, stamp, reason } => {
                arbiter.leave_uncovered(hearing, &dir, hearing.present(stamp, Tier::Scan), reason)
            }
            Event::Covered { dir } => arbiter.cover(&dir),
            Event::Cycle { phase, stamp } => self.cycle(hearing, phase, stamp),
            Event::Remark(remark) => arbiter.remark(hearing, &remark),
            Event::RootLost { .. } => {
                self.storage_mut(storage).root_lost = true;
                Verdict::Applied
            }
        };
        hearing.count(verdict);
    }

    fn is_other_root(&self, storage: StorageId, inode: u64) -> bool {
        let root = self.storages.get(&storage).and_then(|storage| storage.root.as_ref());
        root.is_some_and(|root| root.inode != inode)
    }

    fn cycle(&mut self, hearing: &mut Hearing<'_>, phase: CyclePhase, stamp: BootTime) -> Verdict {
        let stamp = hearing.stamp(stamp);
        match phase {
            CyclePhase::Begin => {
                self.arbiter.begin_round();
                self.cycles.running_since = Some(stamp);
            }
            CyclePhase::End => {
                let Some(begin) = self.cycles.running_since.take() else { return Verdict::Stale };
                let read_since = self.arbiter.end_round(hearing, begin);
                self.cycles.completed += 1;
                self.cycles.last_begin = read_since.or(self.cycles.last_begin);
                self.cycles.last_end = Some(stamp);
            }
        }
        Verdict::Applied
    }

    fn tick(&mut self, now: Now, applied: &mut Applied) {
        let storage = self.first_storage();
        let mut hearing = Hearing::of_storage(now, storage, applied);
        self.arbiter.expire_moves(now.wall);
        self.arbiter.recheck_suspects(&mut hearing);
        if self.cycles.running_since.is_none() && self.arbiter.has_debts() {
            self.arbiter.call_in_debts(&mut hearing);
        }
    }

    fn reset(&mut self) {
        let config = self.arbiter.config().clone();
        self.arbiter = Arbiter::new(config);
        self.arbiter.writer.begin(self.revision.n);
        self.cycles = Cycles::default();
        self.lag_ns = None;
    }

    fn attach(
        &mut self,
        id: StorageId,
        root: Option<RootIdentity>,
        writers_watched: bool,
    ) -> Verdict {
        let storage = self.storage_mut(id);
        let known = storage.root.take();
        storage.root_changed = match (&known, &root) {
            (Some(known), Some(root)) => known != root,
            (None, _) | (_, None) => false,
        };
        if storage.root_changed {
            storage.root = known;
            return Verdict::Refused(Refusal::RootChanged);
        }
        // An agent that does not know its root cannot tell that a lost one is back.
        let root_lost = storage.root_lost && root.is_none();
        let root = root.or(known);
        *storage =
            Storage { root, attached: true, writers_watched, root_lost, ..Storage::default() };
        Verdict::Applied
    }

    fn detach(&mut self, id: StorageId, now: Stamp) {
        let storage = self.storage_mut(id);
        storage.attached = false;
        storage.stale_since = storage.stale_since.or(Some(now));
    }

    fn storage_mut(&mut self, id: StorageId) -> &mut Storage {
        self.storages.entry(id).or_default()
    }

    fn first_storage(&self) -> StorageId {
        self.storages.get_min().map_or(StorageId(0), |(id, _)| *id)
    }

    /// The state as it is now; O(1).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            revision: self.revision,
            tree: self.arbiter.writer.tree().clone(),
            suspects: self.arbiter.suspects().clone(),
            blind: self.arbiter.blind().clone(),
            hearsay: self.arbiter.hearsay().clone(),
            gaps: self.arbiter.gaps().clone(),
            uncovered: self.arbiter.uncovered().clone(),
            skew: self.arbiter.clock().skew(),
            storages: self.storages.clone(),
            cycles: self.cycles,
            truncated: self.arbiter.truncated(),
            lag_ns: self.lag_ns,
        }
    }

    /// Frees up to `max_dirs` directories that were cut off. True when more remain.
    pub fn release(&mut self, max_dirs: usize) -> bool {
        self.arbiter.release(max_dirs)
    }

    /// Verifies every invariant of the tree and of the tables beside it.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), CheckError> {
        self.arbiter.writer.tree().check()?;
        self.arbiter.check_tables()
    }
}

/// Brings neighbouring upserts into the order of their paths, so that those of one directory share the way to it. The
/// tree does not depend on the order of evidence; deletions, renames, listings and gaps keep their places.
fn group_by_path(events: &mut [Event]) {
    let both =
        |a: &Event, b: &Event| matches!((a, b), (Event::Upsert { .. }, Event::Upsert { .. }));
    for run in events.chunk_by_mut(both) {
        run.sort_by(|a, b| match (a, b) {
            (Event::Upsert { path: a, .. }, Event::Upsert { path: b, .. }) => a.cmp(b),
            (_, _) => std::cmp::Ordering::Equal,
        });
    }
}

const _: () =
    assert!(size_of::<Key>() == 16, "keys are stored per directory and per palette entry");
