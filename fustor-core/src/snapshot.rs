//! One published state of a view: immutable, cheap to clone, the only thing that readers see.

use std::fmt;
use std::sync::Arc;

use im::{OrdMap, OrdSet, Vector};

use crate::block::Block;
use crate::clock::Skew;
use crate::entry::Row;
use crate::event::{GapReason, UncoveredReason};
use crate::id::{DirId, Revision, StorageId};
use crate::merge::{BlindDeletion, BlindDeletions, Hearsay, OpenGap, Suspects};
use crate::path::ViewPath;
use crate::time::{Now, Stamp, StorageTime};
use crate::tree::{Part, Seam, Tree};
use crate::view::{Cycles, Storage};

/// One state of a view. `Clone` counts one reference; `Send` and `Sync`.
#[derive(Clone)]
pub struct Snapshot(Arc<State>);

/// What a snapshot holds: the tree, and beside it what the view knows of its storages and of what may be missing.
pub(crate) struct State {
    pub(crate) revision: Revision,
    pub(crate) tree: Tree,
    /// One for each storage, in their order; at least one.
    pub(crate) holdings: Vec<Holding>,
    /// How the trees of several storages were put together.
    pub(crate) seam: Option<Seam>,
    /// How often everything is verified; 0: nobody has promised to.
    pub(crate) audit_interval_ns: i64,
}

/// What is known of one storage beside its tree. Directories are those of its own tree.
pub(crate) struct Holding {
    pub(crate) id: StorageId,
    /// Its own tree: the one of the view, if it is the only storage.
    pub(crate) tree: Tree,
    pub(crate) suspects: Suspects,
    pub(crate) blind: BlindDeletions,
    pub(crate) hearsay: Hearsay,
    pub(crate) gaps: Vector<OpenGap>,
    /// Scopes of gaps, by path, that wait for their directory to come or to be listed.
    pub(crate) scopes: OrdMap<ViewPath, (Stamp, GapReason)>,
    pub(crate) uncovered: OrdMap<DirId, (UncoveredReason, Stamp)>,
    /// Directories of which the removal guard holds a listing.
    pub(crate) held: OrdSet<DirId>,
    pub(crate) skew: Option<Skew>,
    pub(crate) storage: Storage,
    pub(crate) cycles: Cycles,
    pub(crate) truncated: bool,
    pub(crate) lag_ns: Option<i64>,
    /// How old what its agents read may be.
    pub(crate) window_ns: i64,
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

/// A path that several storages have, of which one alone is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathConflict {
    /// The path.
    pub path: ViewPath,
    /// Whose entry is shown.
    pub owner: StorageId,
    /// Whose entries are not.
    pub others: Vec<StorageId>,
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

impl Holding {
    /// The oldest listing of a directory of its tree and of those below, if each was listed and they are at most `most`.
    fn listed_since(&self, dir: DirId, most: usize) -> Option<Stamp> {
        let dirs = usize::try_from(self.tree.meta(dir).totals.dirs).unwrap_or(usize::MAX);
        if dirs >= most {
            return None;
        }
        let mut oldest = Stamp(i64::MAX);
        let mut open = vec![dir];
        while let Some(dir) = open.pop() {
            let meta = self.tree.meta(dir);
            if meta.awaits_listing() || meta.verified == Stamp::MIN {
                return None;
            }
            oldest = oldest.min(meta.verified);
            if meta.totals.dirs > 0 {
                open.extend(self.tree.entries(dir).blocks().flat_map(Block::children));
            }
        }
        Some(oldest.minus(self.window_ns))
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

    /// The directory that shows a storage's directory.
    fn shown(&self, member: usize, dir: DirId) -> DirId {
        let member = u16::try_from(member).unwrap_or(u16::MAX);
        self.0.seam.as_ref().map_or(dir, |seam| seam.layout.shown(Part { member, dir }))
    }

    /// The storages whose directories a directory shows, each with its own.
    fn origins(&self, dir: DirId) -> impl Iterator<Item = (&Holding, DirId)> {
        let seam = self.0.seam.as_ref();
        let parts = seam.into_iter().flat_map(move |seam| seam.layout.parts(dir));
        let parts = parts.map(|part| (usize::from(part.member), part.dir));
        let own = seam.is_none().then_some((0, dir));
        let holdings = &self.0.holdings;
        parts.chain(own).filter_map(|(at, dir)| Some((holdings.get(at)?, dir)))
    }

    /// Whether the entry of this name that is shown is that of a storage.
    fn shows(&self, holding: &Holding, dir: DirId, name: &[u8]) -> bool {
        self.0.seam.is_none()
            || name.is_empty()
            || self.0.tree.entries(dir).find(name).is_some_and(|row| row.storage == holding.id)
    }

    /// The directories in which agents of 0.8 miss something, each with the stamp before which it was seen last; those of
    /// one storage, or all.
    pub(crate) fn lacking(&self, of: Option<StorageId>) -> impl Iterator<Item = (DirId, Stamp)> {
        let holdings = self.0.holdings.iter().enumerate();
        let holdings = holdings.filter(move |(_, own)| of.is_none_or(|storage| own.id == storage));
        holdings.flat_map(move |(at, own)| {
            let lacking = own.hearsay.lacking().into_iter();
            lacking.map(move |(dir, since)| (self.shown(at, dir), since))
        })
    }

    /// Whether an agent of 0.8 spoke last of an entry.
    pub(crate) fn is_told_by_legacy(&self, row: &Row<'_>) -> bool {
        let mut holdings = self.0.holdings.iter();
        let own = holdings.find(|holding| self.0.seam.is_none() || holding.id == row.storage);
        own.is_some_and(|holding| holding.hearsay.is_from(row.key.agent()))
    }

    /// How far an answer about `dir` and what is below it can be trusted.
    #[must_use]
    pub fn trust(&self, now: Now, dir: DirId) -> Trust {
        let totals = &self.0.tree.meta(dir).totals;
        let any = |is: &dyn Fn(&Holding) -> bool| self.origins(dir).any(|(holding, _)| is(holding));
        let mut reasons = Vec::new();
        let mut note = |amiss: bool, reason| {
            if amiss {
                reasons.push(reason);
            }
        };
        let gap = totals.gaps > 0 || self.is_below_gap(dir) || self.is_scope_awaited(dir);
        note(gap, TrustReason::Gap);
        note(totals.uncovered > 0 || self.is_below_uncovered(dir), TrustReason::Uncovered);
        note(any(&|holding| self.is_overdue(now, holding)), TrustReason::Overdue);
        note(self.truncated(), TrustReason::Truncated);
        note(any(&|holding| holding.storage.root_lost), TrustReason::RootLost);
        note(any(&|holding| holding.storage.root_changed), TrustReason::RootChanged);
        note(any(&|holding| !holding.storage.is_known), TrustReason::NeverVerified);
        let stale = self.origins(dir).filter_map(|(holding, _)| holding.storage.stale_since).min();
        let state = match stale {
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
        self.origins(dir).any(|(holding, _)| {
            !holding.scopes.is_empty()
                && self
                    .0
                    .tree
                    .path_of(dir)
                    .is_some_and(|path| holding.scopes.keys().any(|scope| path.contains(scope)))
        })
    }

    fn is_overdue(&self, now: Now, holding: &Holding) -> bool {
        let interval = self.0.audit_interval_ns;
        let begun = holding.cycles.last_begin;
        interval > 0
            && begun.is_some_and(|begun| now.wall.since(begun) > interval.saturating_mul(2))
    }

    /// Whether something holds for a directory or one above it, in the tree of a storage that has it.
    fn is_below(&self, dir: DirId, is: &dyn Fn(&Holding, DirId) -> bool) -> bool {
        self.origins(dir).any(|(holding, own)| {
            let mut at = own;
            while at != DirId::NONE && !is(holding, at) {
                at = holding.tree.meta(at).parent;
            }
            at != DirId::NONE
        })
    }

    fn is_below_uncovered(&self, dir: DirId) -> bool {
        self.0.holdings.iter().any(|holding| !holding.uncovered.is_empty())
            && self.is_below(dir, &|holding, at| holding.uncovered.contains_key(&at))
    }

    /// Whether a directory above owes a listing that will pass its debt down to here.
    fn is_below_gap(&self, dir: DirId) -> bool {
        self.0.tree.meta(DirId::ROOT).totals.gaps > 0
            && self.is_below(dir, &|holding, at| holding.tree.meta(at).owes_listing())
    }

    /// Files that may be incomplete, storage by storage, those first that are looked at first.
    pub fn suspects(&self) -> impl Iterator<Item = Suspect<'_>> {
        let tree = &self.0.tree;
        self.0.holdings.iter().enumerate().flat_map(move |(at, holding)| {
            let shown = holding.suspects.iter().map(move |(spot, until)| Suspect {
                dir: self.shown(at, spot.dir),
                name: &spot.name,
                until,
            });
            shown.filter(move |suspect| {
                tree.is_attached(suspect.dir) && self.shows(holding, suspect.dir, suspect.name)
            })
        })
    }

    /// Until when an entry is suspect, if it is.
    #[must_use]
    pub fn suspect_until(&self, dir: DirId, name: &[u8]) -> Option<Stamp> {
        self.origins(dir)
            .filter(|(holding, _)| self.shows(holding, dir, name))
            .find_map(|(holding, own)| holding.suspects.get(own, name))
            .map(|suspicion| suspicion.due)
    }

    /// Removals that only scans have found, storage by storage, oldest first.
    pub fn blind_deletions(&self) -> impl Iterator<Item = &BlindDeletion> {
        self.0.holdings.iter().flat_map(|holding| holding.blind.iter())
    }

    /// How many of them there are.
    #[must_use]
    pub fn blind_deletion_count(&self) -> usize {
        self.0.holdings.iter().map(|holding| holding.blind.len()).sum()
    }

    /// How many of them were forgotten for lack of room.
    #[must_use]
    pub fn blind_deletions_dropped(&self) -> u64 {
        self.0.holdings.iter().map(|holding| holding.blind.dropped()).sum()
    }

    /// Scopes in which something may be missing.
    pub fn gaps(&self) -> impl Iterator<Item = OpenGap> {
        self.0.holdings.iter().enumerate().flat_map(move |(at, holding)| {
            let shown = move |gap: &OpenGap| OpenGap { scope: self.shown(at, gap.scope), ..*gap };
            holding.gaps.iter().map(shown)
        })
    }

    /// Directories that are not watched or cannot be read.
    pub fn uncovered(&self) -> impl Iterator<Item = (DirId, UncoveredReason, Stamp)> {
        let holdings = self.0.holdings.iter().enumerate();
        let all = holdings.flat_map(move |(at, holding)| {
            holding.uncovered.iter().map(move |(dir, known)| (self.shown(at, *dir), *known))
        });
        all.filter(|(dir, _)| self.0.tree.is_attached(*dir))
            .map(|(dir, (reason, at))| (dir, reason, at))
    }

    /// Directories of which a listing waits for agreement, since it would remove most of what is below.
    pub fn removals_held(&self) -> impl Iterator<Item = DirId> {
        let holdings = self.0.holdings.iter().enumerate();
        let held = holdings.flat_map(|(at, own)| own.held.iter().map(move |dir| (at, *dir)));
        held.map(|(at, dir)| self.shown(at, dir)).filter(|dir| self.0.tree.is_attached(*dir))
    }

    /// Paths that several storages have and one alone is shown of.
    pub fn conflicts(&self) -> impl Iterator<Item = PathConflict> {
        let conflicts = self.0.seam.iter().flat_map(|seam| &seam.conflicts);
        conflicts.filter_map(|((dir, name), conflict)| {
            let path = self.0.tree.path_of(*dir)?.join(name);
            let others = conflict.others.to_vec();
            Some(PathConflict { path, owner: conflict.owner, others })
        })
    }

    /// How many such paths there are.
    #[must_use]
    pub fn conflict_count(&self) -> usize {
        self.0.seam.as_ref().map_or(0, |seam| seam.conflicts.len())
    }

    /// How often such a path was taken over by another storage.
    #[must_use]
    pub fn takeovers(&self) -> u64 {
        self.0.seam.as_ref().map_or(0, |seam| seam.takeovers)
    }

    /// The storage's now and its uncertainty in nanoseconds; `None` while there are too few samples. Of several
    /// storages, the one that is farthest ahead.
    #[must_use]
    pub fn storage_now(&self, now: Now) -> Option<(StorageTime, i64)> {
        let skews = self.0.holdings.iter().map(|holding| holding.skew);
        let known: Option<Vec<Skew>> = skews.collect();
        known?.into_iter().min_by_key(|skew| skew.behind_ns).map(|skew| {
            (StorageTime(now.wall.0.saturating_sub(skew.behind_ns)), skew.uncertainty_ns)
        })
    }

    /// The scans of the whole tree so far; of several storages, those that each of them has had.
    #[must_use]
    pub fn cycles(&self) -> Cycles {
        let mut all = self.0.holdings.iter().map(|holding| holding.cycles);
        let first = all.next().unwrap_or_default();
        all.fold(first, |a, b| Cycles {
            completed: a.completed.min(b.completed),
            // `None` is less than any time: one storage was never scanned.
            last_begin: a.last_begin.min(b.last_begin),
            read_since: a.read_since.min(b.read_since),
            last_end: a.last_end.min(b.last_end),
            running_since: a.running_since.into_iter().chain(b.running_since).min(),
        })
    }

    /// The storages of the view.
    pub fn storages(&self) -> impl Iterator<Item = StorageId> {
        self.0.holdings.iter().map(|holding| holding.id)
    }

    /// Whether a live agent feeds every storage of the view.
    #[must_use]
    pub fn attached(&self) -> bool {
        self.0.holdings.iter().all(|holding| holding.storage.attached)
    }

    /// Whether every host that writes to what is below `dir` is watched by a live agent, so that silence proves rest.
    #[must_use]
    pub fn writers_watched_below(&self, dir: DirId) -> bool {
        self.origins(dir).all(|(Holding { storage, .. }, _)| {
            storage.attached && storage.writers_watched && !storage.root_lost
        })
    }

    /// Whether every host that writes to the storages is watched, so that silence proves rest.
    #[must_use]
    pub fn writers_watched(&self) -> bool {
        self.writers_watched_below(DirId::ROOT)
    }

    /// Since when all that is below `dir` was listed, so that what a file held before is known, whoever wrote it; `None`
    /// when that never was so.
    #[must_use]
    pub fn read_since(&self, dir: DirId) -> Option<Stamp> {
        self.origins(dir).map(|(holding, _)| holding.cycles.read_since).min().flatten()
    }

    /// The same of a few directories, which may have been listed since: `None` when there are more than `most` or one was
    /// never listed.
    pub(crate) fn listed_since(&self, dir: DirId, most: usize) -> Option<Stamp> {
        let listed = self.origins(dir).map(|(holding, own)| holding.listed_since(own, most));
        listed.min().flatten()
    }

    /// How old what was read below `dir` may have been: the window of a mount that answers from a cache.
    pub(crate) fn window_below(&self, dir: DirId) -> i64 {
        self.origins(dir).map(|(holding, _)| holding.window_ns).max().unwrap_or_default()
    }

    /// Since when a storage has had no agent.
    #[must_use]
    pub fn stale_since(&self) -> Option<Stamp> {
        self.0.holdings.iter().filter_map(|holding| holding.storage.stale_since).min()
    }

    /// Whether entries were refused for lack of room.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.0.holdings.iter().any(|holding| holding.truncated)
    }

    /// How far the newest applied realtime or scan row was behind its application, in nanoseconds; of several storages,
    /// the worst.
    #[must_use]
    pub fn lag_ns(&self) -> Option<i64> {
        self.0.holdings.iter().filter_map(|holding| holding.lag_ns).max()
    }
}
