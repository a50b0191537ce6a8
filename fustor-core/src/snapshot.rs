//! One published state of a view: immutable, cheap to clone, the only thing that readers see.

use std::fmt;
use std::sync::Arc;

use im::{OrdMap, Vector};

use crate::clock::Skew;
use crate::event::{GapReason, UncoveredReason};
use crate::id::{DirId, Revision, StorageId};
use crate::merge::{BlindDeletion, BlindDeletions, Hearsay, OpenGap, Suspects};
use crate::path::ViewPath;
use crate::time::{Now, Stamp, StorageTime};
use crate::tree::Tree;
use crate::view::{Cycles, Storage};

/// One state of a view. `Clone` counts one reference; `Send` and `Sync`.
#[derive(Clone)]
pub struct Snapshot(Arc<State>);

/// What a snapshot holds: the tree, and beside it what the view knows of its storages and of what may be missing.
pub(crate) struct State {
    pub(crate) revision: Revision,
    pub(crate) tree: Tree,
    pub(crate) suspects: Suspects,
    pub(crate) blind: BlindDeletions,
    pub(crate) hearsay: Hearsay,
    pub(crate) gaps: Vector<OpenGap>,
    /// Scopes of gaps, by path, that wait for their directory to come or to be listed.
    pub(crate) scopes: OrdMap<ViewPath, (Stamp, GapReason)>,
    pub(crate) uncovered: OrdMap<DirId, (UncoveredReason, Stamp)>,
    /// How often everything is verified; 0: nobody has promised to.
    pub(crate) audit_interval_ns: i64,
    pub(crate) skew: Option<Skew>,
    pub(crate) storages: OrdMap<StorageId, Storage>,
    pub(crate) cycles: Cycles,
    pub(crate) truncated: bool,
    pub(crate) lag_ns: Option<i64>,
}

/// A file that may be incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect<'a> {
    /// The directory that holds it.
    pub dir: DirId,
    /// Its name; empty: the directory as a whole.
    pub name: &'a [u8],
    /// When it is looked at again.
    pub until: Stamp,
}

/// How far an answer can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// In one word.
    pub state: TrustState,
    /// What is amiss, if anything.
    pub reasons: Vec<TrustReason>,
}

/// How far an answer can be trusted, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustState {
    /// Complete, watched or verified, and fed by a live agent.
    Trusted,
    /// The first scan is not through.
    Syncing {
        /// Directories that were listed.
        listed: u64,
        /// Directories that are known.
        known: u64,
    },
    /// Nobody feeds it.
    Stale {
        /// Since when.
        since: Stamp,
    },
    /// Something may be missing.
    Degraded,
}

/// What is amiss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrustReason {
    /// A gap is open.
    Gap,
    /// Something is not watched or cannot be read.
    Uncovered,
    /// The last scan of the whole tree that is complete began longer ago than twice the audit interval.
    Overdue,
    /// The view is at its limit of entries.
    Truncated,
    /// The storage's root is gone.
    RootLost,
    /// The storage's root is not the one that was known.
    RootChanged,
    /// No agent has ever reported.
    NeverVerified,
}

impl fmt::Display for TrustReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gap => "gap",
            Self::Uncovered => "uncovered",
            Self::Overdue => "overdue",
            Self::Truncated => "truncated",
            Self::RootLost => "root_lost",
            Self::RootChanged => "root_changed",
            Self::NeverVerified => "never_verified",
        })
    }
}

impl Snapshot {
    pub(crate) fn new(state: State) -> Self {
        Self(Arc::new(state))
    }

    /// Which state this is.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.0.revision
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.0.tree
    }

    pub(crate) fn hearsay(&self) -> &Hearsay {
        &self.0.hearsay
    }

    /// How far an answer about `dir` and what is below it can be trusted.
    #[must_use]
    pub fn trust(&self, now: Now, dir: DirId) -> Trust {
        let totals = &self.0.tree.meta(dir).totals;
        let mut reasons = Vec::new();
        let mut note = |amiss: bool, reason| {
            if amiss {
                reasons.push(reason);
            }
        };
        note(totals.gaps > 0 || self.is_scope_awaited(dir), TrustReason::Gap);
        note(totals.uncovered > 0 || self.is_below_uncovered(dir), TrustReason::Uncovered);
        note(self.is_overdue(now), TrustReason::Overdue);
        note(self.0.truncated, TrustReason::Truncated);
        note(self.0.storages.values().any(|storage| storage.root_lost), TrustReason::RootLost);
        note(
            self.0.storages.values().any(|storage| storage.root_changed),
            TrustReason::RootChanged,
        );
        note(self.0.storages.is_empty(), TrustReason::NeverVerified);
        let state = match self.stale_since() {
            Some(since) => TrustState::Stale { since },
            None if totals.unlisted > 0 => {
                let known = totals.dirs + 1;
                TrustState::Syncing {
                    listed: known.saturating_sub(u64::from(totals.unlisted)),
                    known,
                }
            }
            None if reasons.is_empty() => TrustState::Trusted,
            None => TrustState::Degraded,
        };
        Trust { state, reasons }
    }

    /// Whether something may be missing at a place at or below `dir` that is not in the tree yet.
    fn is_scope_awaited(&self, dir: DirId) -> bool {
        let scopes = &self.0.scopes;
        !scopes.is_empty()
            && self
                .0
                .tree
                .path_of(dir)
                .is_some_and(|path| scopes.keys().any(|scope| path.contains(scope)))
    }

    fn is_overdue(&self, now: Now) -> bool {
        let interval = self.0.audit_interval_ns;
        let begun = self.0.cycles.last_begin;
        interval > 0
            && begun.is_some_and(|begun| now.wall.since(begun) > interval.saturating_mul(2))
    }

    fn is_below_uncovered(&self, dir: DirId) -> bool {
        let mut at = dir;
        while !self.0.uncovered.is_empty() && at != DirId::NONE {
            if self.0.uncovered.contains_key(&at) {
                return true;
            }
            at = self.0.tree.meta(at).parent;
        }
        false
    }

    /// Files that may be incomplete, those first that are looked at first.
    pub fn suspects(&self) -> impl Iterator<Item = Suspect<'_>> {
        let attached = |dir| self.0.tree.is_attached(dir);
        self.0
            .suspects
            .iter()
            .map(|(spot, until)| Suspect { dir: spot.dir, name: &spot.name, until })
            .filter(move |suspect| attached(suspect.dir))
    }

    /// Until when an entry is suspect, if it is.
    #[must_use]
    pub fn suspect_until(&self, dir: DirId, name: &[u8]) -> Option<Stamp> {
        self.0.suspects.get(dir, name).map(|suspicion| suspicion.due)
    }

    /// Removals that only scans have found, oldest first.
    pub fn blind_deletions(&self) -> impl Iterator<Item = &BlindDeletion> {
        self.0.blind.iter()
    }

    /// How many of them there are.
    #[must_use]
    pub fn blind_deletion_count(&self) -> usize {
        self.0.blind.len()
    }

    /// How many of them were forgotten for lack of room.
    #[must_use]
    pub fn blind_deletions_dropped(&self) -> u64 {
        self.0.blind.dropped()
    }

    /// Scopes in which something may be missing.
    pub fn gaps(&self) -> impl Iterator<Item = &OpenGap> {
        self.0.gaps.iter()
    }

    /// Directories that are not watched or cannot be read.
    pub fn uncovered(&self) -> impl Iterator<Item = (DirId, UncoveredReason, Stamp)> {
        self.0
            .uncovered
            .iter()
            .filter(|(dir, _)| self.0.tree.is_attached(**dir))
            .map(|(dir, (reason, at))| (*dir, *reason, *at))
    }

    /// The storage's now and its uncertainty in nanoseconds; `None` while there are too few samples.
    #[must_use]
    pub fn storage_now(&self, now: Now) -> Option<(StorageTime, i64)> {
        self.0.skew.map(|skew| {
            (StorageTime(now.wall.0.saturating_sub(skew.behind_ns)), skew.uncertainty_ns)
        })
    }

    /// The scans of the whole tree so far.
    #[must_use]
    pub fn cycles(&self) -> Cycles {
        self.0.cycles
    }

    /// Whether a live agent feeds every storage of the view.
    #[must_use]
    pub fn attached(&self) -> bool {
        !self.0.storages.is_empty() && self.0.storages.values().all(|storage| storage.attached)
    }

    /// Whether every host that writes to the storages is watched, so that silence proves rest.
    #[must_use]
    pub fn writers_watched(&self) -> bool {
        self.attached()
            && self.0.storages.values().all(|storage| storage.writers_watched && !storage.root_lost)
    }

    /// Since when a storage has had no agent.
    #[must_use]
    pub fn stale_since(&self) -> Option<Stamp> {
        self.0.storages.values().filter_map(|storage| storage.stale_since).min()
    }

    /// Whether entries were refused for lack of room.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.0.truncated
    }

    /// How far the newest applied realtime or scan row was behind its application, in nanoseconds.
    #[must_use]
    pub fn lag_ns(&self) -> Option<i64> {
        self.0.lag_ns
    }
}
