//! One published state of a view: immutable, cheap to clone, the only thing that readers see.

use std::fmt;

use im::{OrdMap, Vector};

use crate::clock::Skew;
use crate::event::UncoveredReason;
use crate::id::{DirId, Revision, StorageId};
use crate::merge::{BlindDeletion, BlindDeletions, Hearsay, OpenGap, Suspects};
use crate::time::{Now, Stamp, StorageTime};
use crate::tree::Tree;
use crate::view::{Cycles, Storage};

/// One state of a view. `Clone` is O(1); `Send` and `Sync`.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) revision: Revision,
    pub(crate) tree: Tree,
    pub(crate) suspects: Suspects,
    pub(crate) blind: BlindDeletions,
    pub(crate) hearsay: Hearsay,
    pub(crate) gaps: Vector<OpenGap>,
    pub(crate) uncovered: OrdMap<DirId, (UncoveredReason, Stamp)>,
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
            Self::Truncated => "truncated",
            Self::RootLost => "root_lost",
            Self::RootChanged => "root_changed",
            Self::NeverVerified => "never_verified",
        })
    }
}

impl Snapshot {
    /// Which state this is.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// How far an answer about `dir` and what is below it can be trusted.
    #[must_use]
    pub fn trust(&self, _now: Now, dir: DirId) -> Trust {
        let totals = &self.tree.meta(dir).totals;
        let mut reasons = Vec::new();
        let mut note = |amiss: bool, reason| {
            if amiss {
                reasons.push(reason);
            }
        };
        note(totals.gaps > 0, TrustReason::Gap);
        note(totals.uncovered > 0 || self.is_below_uncovered(dir), TrustReason::Uncovered);
        note(self.truncated, TrustReason::Truncated);
        note(self.storages.values().any(|storage| storage.root_lost), TrustReason::RootLost);
        note(self.storages.values().any(|storage| storage.root_changed), TrustReason::RootChanged);
        note(self.storages.is_empty(), TrustReason::NeverVerified);
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

    fn is_below_uncovered(&self, dir: DirId) -> bool {
        let mut at = dir;
        while !self.uncovered.is_empty() && at != DirId::NONE {
            if self.uncovered.contains_key(&at) {
                return true;
            }
            at = self.tree.meta(at).parent;
        }
        false
    }

    /// Files that may be incomplete, those first that are looked at first.
    pub fn suspects(&self) -> impl Iterator<Item = Suspect<'_>> {
        let attached = |dir| self.tree.is_attached(dir);
        self.suspects
            .iter()
            .map(|(spot, until)| Suspect { dir: spot.dir, name: &spot.name, until })
            .filter(move |suspect| attached(suspect.dir))
    }

    /// Until when an entry is suspect, if it is.
    #[must_use]
    pub fn suspect_until(&self, dir: DirId, name: &[u8]) -> Option<Stamp> {
        self.suspects.get(dir, name).map(|suspicion| suspicion.due)
    }

    /// Removals that only scans have found, oldest first.
    pub fn blind_deletions(&self) -> impl Iterator<Item = &BlindDeletion> {
        self.blind.iter()
    }

    /// How many of them there are.
    #[must_use]
    pub fn blind_deletion_count(&self) -> usize {
        self.blind.len()
    }

    /// How many of them were forgotten for lack of room.
    #[must_use]
    pub fn blind_deletions_dropped(&self) -> u64 {
        self.blind.dropped()
    }

    /// Scopes in which something may be missing.
    pub fn gaps(&self) -> impl Iterator<Item = &OpenGap> {
        self.gaps.iter()
    }

    /// Directories that are not watched or cannot be read.
    pub fn uncovered(&self) -> impl Iterator<Item = (DirId, UncoveredReason, Stamp)> {
        self.uncovered
            .iter()
            .filter(|(dir, _)| self.tree.is_attached(**dir))
            .map(|(dir, (reason, at))| (*dir, *reason, *at))
    }

    /// The storage's now and its uncertainty in nanoseconds; `None` while there are too few samples.
    #[must_use]
    pub fn storage_now(&self, now: Now) -> Option<(StorageTime, i64)> {
        self.skew.map(|skew| {
            (StorageTime(now.wall.0.saturating_sub(skew.behind_ns)), skew.uncertainty_ns)
        })
    }

    /// The scans of the whole tree so far.
    #[must_use]
    pub fn cycles(&self) -> Cycles {
        self.cycles
    }

    /// Whether a live agent feeds every storage of the view.
    #[must_use]
    pub fn attached(&self) -> bool {
        !self.storages.is_empty() && self.storages.values().all(|storage| storage.attached)
    }

    /// Whether every host that writes to the storages is watched, so that silence proves rest.
    #[must_use]
    pub fn writers_watched(&self) -> bool {
        self.attached()
            && self.storages.values().all(|storage| storage.writers_watched && !storage.root_lost)
    }

    /// Since when a storage has had no agent.
    #[must_use]
    pub fn stale_since(&self) -> Option<Stamp> {
        self.storages.values().filter_map(|storage| storage.stale_since).min()
    }

    /// Whether entries were refused for lack of room.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// How far the newest applied realtime or scan row was behind its application, in nanoseconds.
    #[must_use]
    pub fn lag_ns(&self) -> Option<i64> {
        self.lag_ns
    }
}
