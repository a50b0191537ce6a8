//! One storage of a view: its tree, its agent, its scans. Evidence of a storage judges only what is here.

use crate::event::{Applied, Batch, CyclePhase, Event, Fidelity, Refusal, RootIdentity, Verdict};
use crate::id::StorageId;
use crate::key::Tier;
use crate::merge::{Arbiter, Hearing, ViewConfig};
use crate::path::ViewPath;
use crate::snapshot::Holding;
use crate::time::{BootTime, Now, Stamp};

use super::{Cycles, Storage};

/// One storage of a view.
#[derive(Clone)]
pub(super) struct Member {
    /// `None` while nobody has spoken of the view's storage.
    pub(super) id: Option<StorageId>,
    pub(super) arbiter: Arbiter,
    storage: Storage,
    cycles: Cycles,
    /// How far the newest applied observation was behind its application.
    lag_ns: Option<i64>,
}

impl Member {
    pub(super) fn new(id: Option<StorageId>, config: ViewConfig) -> Self {
        Self {
            id,
            arbiter: Arbiter::new(config),
            storage: Storage::default(),
            cycles: Cycles::default(),
            lag_ns: None,
        }
    }

    fn storage_id(&self) -> StorageId {
        self.id.unwrap_or_default()
    }

    pub(super) fn apply_batch(&mut self, now: Now, mut batch: Batch, applied: &mut Applied) {
        let mut events = std::mem::take(&mut batch.events);
        group_by_path(&mut events);
        let mut hearing = Hearing::new(now, &batch, applied);
        self.arbiter.note_agent(&hearing, &events);
        self.arbiter.note_window(batch.cache_window_ns);
        for event in events {
            if self.storage.root_changed {
                hearing.count(Verdict::Refused(Refusal::RootChanged));
                continue;
            }
            let event = match batch.fidelity {
                Fidelity::Exact => Some(event),
                Fidelity::Legacy => self.arbiter.reword(&mut hearing, event),
            };
            if let Some(event) = event {
                self.judge(&mut hearing, event);
            }
        }
        self.arbiter.writer.settle();
        self.arbiter.place_gaps(&mut hearing);
        self.arbiter.writer.settle();
    }

    fn judge(&mut self, hearing: &mut Hearing<'_>, event: Event) {
        let arbiter = &mut self.arbiter;
        if !matches!(event, Event::Upsert { .. } | Event::Listing(_)) {
            // Only these two take the way on which changes are carried.
            arbiter.writer.settle();
        }
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
                if listing.dir.is_root() && self.is_other_root(listing.facts.inode) {
                    self.lose_root();
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
                self.lose_root();
                Verdict::Applied
            }
        };
        hearing.count(verdict);
    }

    fn lose_root(&mut self) {
        self.storage.is_known = true;
        self.storage.root_lost = true;
    }

    fn is_other_root(&self, inode: u64) -> bool {
        self.storage.root.as_ref().is_some_and(|root| root.inode != inode)
    }

    fn cycle(&mut self, hearing: &mut Hearing<'_>, phase: CyclePhase, stamp: BootTime) -> Verdict {
        let stamp = hearing.stamp(stamp);
        let read_since = match phase {
            CyclePhase::Begin => {
                self.arbiter.begin_round();
                self.cycles.running_since = Some(stamp);
                return Verdict::Applied;
            }
            CyclePhase::End => Stamp(i64::MAX),
            CyclePhase::PassEnd { read_since } => hearing.known_since(hearing.stamp(read_since)),
        };
        let Some(begin) = self.cycles.running_since.take() else { return Verdict::Stale };
        let looked_since = self.arbiter.end_round(hearing, begin);
        self.cycles.completed += 1;
        self.cycles.last_begin = looked_since.or(self.cycles.last_begin);
        // Told by an agent that knows all that was read in its life; never later than the scan itself.
        let read_since = looked_since.map(|looked| looked.min(read_since));
        self.cycles.read_since = read_since.or(self.cycles.read_since);
        self.cycles.last_end = Some(stamp);
        Verdict::Applied
    }

    pub(super) fn tick(&mut self, now: Now, applied: &mut Applied) {
        let mut hearing = Hearing::of_storage(now, self.storage_id(), applied);
        self.arbiter.note_tick(now.wall);
        self.arbiter.expire_moves(now.wall);
        self.arbiter.recheck_suspects(&mut hearing);
        self.arbiter.settle_contests(&mut hearing);
        if self.cycles.running_since.is_none() && self.arbiter.has_debts() {
            self.arbiter.call_in_debts(&mut hearing);
        }
    }

    /// Forgets all that was observed; who is attached stays.
    pub(super) fn reset(&mut self, version: u64) {
        let config = self.arbiter.config().clone();
        self.arbiter = Arbiter::new(config);
        self.arbiter.writer.begin(version);
        self.arbiter.writer.begin_lineage(version);
        self.cycles = Cycles::default();
        self.lag_ns = None;
    }

    pub(super) fn attach(&mut self, root: Option<RootIdentity>, writers_watched: bool) -> Verdict {
        let storage = &mut self.storage;
        storage.is_known = true;
        let known = storage.root.take();
        storage.root_changed = match (&known, &root) {
            (Some(known), Some(root)) => known != root,
            (None, _) | (_, None) => false,
        };
        if storage.root_changed {
            storage.root = known;
            storage.refused = root.map(|root| (root, writers_watched));
            return Verdict::Refused(Refusal::RootChanged);
        }
        // An agent that does not know its root cannot tell that a lost one is back.
        let root_lost = storage.root_lost && root.is_none();
        let root = root.or(known);
        *storage = Storage {
            is_known: true,
            root,
            attached: true,
            writers_watched,
            root_lost,
            ..Storage::default()
        };
        Verdict::Applied
    }

    /// What is at the root now is the storage; what was there before is judged by its listings.
    pub(super) fn accept_root(&mut self) -> Verdict {
        let refused = self.storage.refused.take();
        self.storage.root = None;
        self.storage.root_changed = false;
        self.storage.root_lost = false;
        match refused {
            Some((root, writers_watched)) => self.attach(Some(root), writers_watched),
            None => Verdict::Applied,
        }
    }

    pub(super) fn detach(&mut self, now: Stamp) {
        self.storage.is_known = true;
        self.storage.attached = false;
        self.storage.stale_since = self.storage.stale_since.or(Some(now));
    }

    pub(super) fn accept_removals(
        &mut self,
        now: Now,
        path: &ViewPath,
        applied: &mut Applied,
    ) -> Verdict {
        let mut hearing = Hearing::of_storage(now, self.storage_id(), applied);
        self.arbiter.accept_removals(&mut hearing, path)
    }

    /// What readers see of it beside its tree.
    pub(super) fn holding(&self) -> Holding {
        let arbiter = &self.arbiter;
        Holding {
            id: self.storage_id(),
            tree: arbiter.writer.tree().clone(),
            suspects: arbiter.suspects().clone(),
            blind: arbiter.blind().clone(),
            hearsay: arbiter.hearsay().clone(),
            gaps: arbiter.gaps().clone(),
            scopes: arbiter.scopes().clone(),
            uncovered: arbiter.uncovered().clone(),
            skew: arbiter.clock().skew(),
            storage: self.storage.clone(),
            cycles: self.cycles,
            held: arbiter.held(),
            truncated: arbiter.truncated(),
            lag_ns: self.lag_ns,
            window_ns: arbiter.window_ns(),
        }
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
