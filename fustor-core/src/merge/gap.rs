//! What may have been missed: debts of listings, directories that nobody covers, and late evidence of what has moved.
//!
//! A gap over a subtree makes its top owe a listing. A listing that began after the gap pays the debt of its directory
//! and passes it on to the directories in it, so that a gap over any subtree costs O(1) to open, moves with the
//! directories, and is closed exactly when each of them was listed.

use crate::block::Block;
use crate::event::{GapReason, UncoveredReason, Verdict};
use crate::id::DirId;
use crate::key::Key;
use crate::path::ViewPath;
use crate::rules::Rule;
use crate::time::Stamp;
use crate::tree::{Delta, Flags};

use super::contest::loses_by_window;
use super::spot::Spot;
use super::tombstone::Move;
use super::{Arbiter, Hearing};

/// Scopes remembered by their path; beyond it the oldest gap opens over the nearest directory above.
const SCOPES_MAX: usize = 64;
/// Open gaps kept apart; beyond it they are one gap over the root.
const GAPS_MAX: usize = 1024;
/// Newer renames that are searched when a gap arrives late; beyond it the gap opens over the root.
const MOVES_MAX: usize = 4096;

/// A scope in which something may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenGap {
    /// The top of the subtree.
    pub scope: DirId,
    /// Only listings that began after this repair it.
    pub since: Stamp,
    /// Why.
    pub reason: GapReason,
}

/// Where the scope of a gap is.
enum Place {
    /// This directory, which was not listed since.
    Open(DirId),
    /// No directory of that path is known; this is the nearest one above.
    Awaited(DirId),
    /// This directory, which was listed since, or cannot be; those below it may not have been.
    Listed(DirId),
    /// Whatever was there is known to be gone since.
    Gone,
}

impl Arbiter {
    /// Takes in a gap that an agent declares.
    pub(crate) fn gap(
        &mut self,
        hearing: &mut Hearing<'_>,
        scope: &ViewPath,
        since: Stamp,
        reason: GapReason,
    ) -> Verdict {
        self.remember_scope(hearing, scope, since, reason);
        let verdict = match self.place(scope, since) {
            Place::Gone => Verdict::Stale,
            Place::Awaited(_) => Verdict::Queued,
            Place::Open(_) | Place::Listed(_) => Verdict::Applied,
        };
        self.place_gaps(hearing);
        self.ask_for_places(hearing);
        self.open_gap_where_it_went(hearing, scope, since, reason);
        verdict
    }

    /// Keeps a scope by its path until a listing repairs it: the directory may enter the tree, or be replaced by
    /// another, with evidence from before the gap that arrives after it.
    fn remember_scope(
        &mut self,
        hearing: &mut Hearing<'_>,
        scope: &ViewPath,
        since: Stamp,
        reason: GapReason,
    ) {
        let known = self.scopes.get(scope).map_or(Stamp::MIN, |(known, _)| *known);
        if known == Stamp::MIN && self.scopes.len() >= SCOPES_MAX {
            let oldest = self.scopes.iter().min_by_key(|(_, (since, _))| *since);
            if let Some((path, (since, reason))) =
                oldest.map(|(path, scope)| (path.clone(), *scope))
            {
                self.scopes.remove(&path);
                match self.place(&path, since) {
                    Place::Open(dir) | Place::Awaited(dir) | Place::Listed(dir) => {
                        self.open_gap(hearing, dir, since, reason);
                    }
                    Place::Gone => {}
                }
            }
        }
        self.scopes.insert(scope.clone(), (since.max(known), reason));
    }

    fn place(&self, scope: &ViewPath, since: Stamp) -> Place {
        let tree = self.writer.tree();
        let mut dir = DirId::ROOT;
        for name in scope.names() {
            match tree.entries(dir).find(name) {
                Some(row) if row.child != DirId::NONE => dir = row.child,
                Some(_) | None => {
                    let buried = self.tombstones.key(dir, name).max(tree.meta(dir).listed);
                    return if buried.stamp() > since { Place::Gone } else { Place::Awaited(dir) };
                }
            }
        }
        let meta = tree.meta(dir);
        if meta.verified > since || meta.flags.has(Flags::UNREADABLE) {
            Place::Listed(dir)
        } else {
            Place::Open(dir)
        }
    }

    /// Opens the gaps whose scope has become a directory, or another one, and forgets those that are repaired.
    pub(crate) fn place_gaps(&mut self, hearing: &mut Hearing<'_>) {
        for (scope, (since, reason)) in self.scopes.clone() {
            match self.place(&scope, since) {
                Place::Gone => {
                    self.scopes.remove(&scope);
                }
                Place::Listed(dir) => {
                    self.scopes.remove(&scope);
                    self.open_gap(hearing, dir, since, reason);
                }
                Place::Awaited(_) if self.holds(Rule::GapsAwaitTheirPlace) => {}
                Place::Awaited(_) => {
                    self.scopes.remove(&scope);
                }
                Place::Open(dir) => {
                    if self.writer.meta(dir).owed < since {
                        self.open_gap(hearing, dir, since, reason);
                    }
                }
            }
        }
    }

    /// Asks what there is at the scopes of gaps that are no directories in the tree.
    pub(crate) fn ask_for_places(&self, hearing: &mut Hearing<'_>) {
        for (scope, (since, _)) in &self.scopes {
            if let Place::Awaited(above) = self.place(scope, *since)
                && let Some(path) = self.writer.tree().path_of(above)
            {
                hearing.ask_listing(path, false);
            }
        }
    }

    /// Opens a gap over a directory and asks for its repair.
    pub(super) fn open_gap(
        &mut self,
        hearing: &mut Hearing<'_>,
        scope: DirId,
        since: Stamp,
        reason: GapReason,
    ) {
        self.writer.settle();
        self.owe(scope, since);
        if self.writer.meta(scope).totals.gaps == 0 {
            return;
        }
        let gap = OpenGap { scope, since, reason };
        match self.gaps.iter().position(|open| open.scope == scope) {
            Some(i) => {
                self.gaps.set(i, gap);
            }
            None if self.gaps.len() >= GAPS_MAX => {
                self.gaps.clear();
                self.owe(DirId::ROOT, since);
                self.gaps.push_back(OpenGap { scope: DirId::ROOT, since, reason });
            }
            None => self.gaps.push_back(gap),
        }
        if let Some(path) = self.writer.tree().path_of(scope) {
            hearing.ask_listing(path, true);
        }
    }

    /// Everything at or below `top` that was not listed after `after` owes a listing.
    pub(super) fn owe(&mut self, top: DirId, after: Stamp) {
        let mut open = vec![top];
        while let Some(dir) = open.pop() {
            let meta = self.writer.meta(dir);
            if meta.verified > after || meta.flags.has(Flags::UNREADABLE) {
                open.extend(self.writer.entries(dir).blocks().flat_map(Block::children));
                continue;
            }
            let newly = !meta.owes_listing();
            let owed = meta.owed.max(after);
            self.writer.meta_mut(dir).owed = owed;
            if newly {
                self.writer.shift(dir, &Delta { gaps: 1, ..Delta::default() }, Key::NONE);
            }
        }
    }

    /// A complete listing of `dir` began at `stamp`: its debt, if it is older, passes to the directories in it.
    pub(super) fn pay(&mut self, dir: DirId, stamp: Stamp) {
        let meta = self.writer.meta(dir);
        let too_early = stamp <= meta.owed && self.holds(Rule::OnlyLaterListingsPay);
        if !meta.owes_listing() || too_early {
            return;
        }
        let owed = meta.owed;
        self.writer.meta_mut(dir).owed = Stamp::MIN;
        self.writer.shift(dir, &Delta { gaps: -1, ..Delta::default() }, Key::NONE);
        let children: Vec<DirId> =
            self.writer.entries(dir).blocks().flat_map(Block::children).collect();
        let passes_down = self.holds(Rule::DebtsPassDown);
        for child in children.into_iter().filter(|_| passes_down) {
            self.owe(child, owed);
        }
    }

    /// The greatest debt of a directory or an ancestor: what leaves the scope takes it along.
    pub(super) fn inherited_debt(&self, dir: DirId) -> Stamp {
        let mut owed = Stamp::MIN;
        let mut at = dir;
        while at != DirId::NONE {
            owed = owed.max(self.writer.meta(at).owed);
            at = self.writer.meta(at).parent;
        }
        owed
    }

    /// Evidence of key `key` speaks of `names` below `dir`, from which something may have been renamed since: whatever
    /// it says belongs to the new place, which is to be listed: at once, or when a reading can no longer be older than the
    /// move only for the cache that may have answered.
    pub(super) fn follow(
        &mut self,
        hearing: &mut Hearing<'_>,
        dir: DirId,
        names: &[&[u8]],
        key: Key,
    ) {
        if !self.holds(Rule::EvidenceFollowsMoves) {
            return;
        }
        let mut at = dir;
        let mut gone = None;
        for name in names {
            let earliest = self
                .tombstones
                .get(at, name)
                .and_then(|tombstone| tombstone.first_move_after(key))
                .filter(|went| self.writer.meta(went.id).generation == went.generation);
            match (earliest, gone) {
                (Some(went), _) => {
                    let moved = went.key;
                    at = went.id;
                    gone = Some(at);
                    if loses_by_window(hearing, key, moved) {
                        self.contest(hearing, at, moved);
                    } else {
                        self.open_gap_if_attached(hearing, at, key.stamp());
                    }
                }
                (None, None) => return,
                (None, Some(_)) => {
                    let child =
                        self.writer.entries(at).find(name).map_or(DirId::NONE, |row| row.child);
                    if child == DirId::NONE {
                        return;
                    }
                    at = child;
                }
            }
        }
    }

    fn open_gap_if_attached(&mut self, hearing: &mut Hearing<'_>, dir: DirId, since: Stamp) {
        if self.writer.tree().is_attached(dir) {
            self.open_gap(hearing, dir, since, GapReason::StaleRename);
        }
    }

    /// A gap that arrives late also opens where later renames took parts of its scope.
    fn open_gap_where_it_went(
        &mut self,
        hearing: &mut Hearing<'_>,
        scope: &ViewPath,
        since: Stamp,
        reason: GapReason,
    ) {
        if !self.holds(Rule::GapsFollowMoves) {
            return;
        }
        let after = Key::from_parts(since, u64::MAX);
        if self.tombstones.newer_than(after).nth(MOVES_MAX).is_some() {
            self.open_gap(hearing, DirId::ROOT, since, reason);
            return;
        }
        let tree = self.writer.tree();
        let moved_away = |spot: &Spot| {
            let tombstone = self
                .tombstones
                .get(spot.dir, &spot.name)
                .filter(|tombstone| !tombstone.moves.is_empty())?;
            let path = tree.path_of(spot.dir)?.join(&spot.name);
            scope.contains(&path).then(|| tombstone.moves.clone())
        };
        let went: Vec<Move> = self
            .tombstones
            .newer_than(after)
            .filter_map(|(_, spot)| moved_away(spot))
            .flatten()
            .collect();
        for went in went.into_iter().filter(|went| went.key.stamp() > since) {
            if self.writer.meta(went.id).generation == went.generation
                && self.writer.tree().is_attached(went.id)
            {
                self.open_gap(hearing, went.id, since, reason);
            }
        }
    }

    /// Takes in that a directory is not watched or cannot be read.
    pub(crate) fn leave_uncovered(
        &mut self,
        hearing: &mut Hearing<'_>,
        path: &ViewPath,
        key: Key,
        reason: UncoveredReason,
    ) -> Verdict {
        let dir = match self.reach(hearing, path.as_prefix(), key) {
            Ok(site) => site.dir,
            Err(verdict) => return verdict,
        };
        self.writer.raise_presence(dir, key);
        if reason != UncoveredReason::WatchLimit && self.writer.meta(dir).verified < key.stamp() {
            self.stop_waiting_for(dir);
        }
        let before = self.uncovered.insert(dir, (reason, key.stamp()));
        let before = before.map_or(0, |(reason, _)| weight(reason));
        self.shift_uncovered(dir, weight(reason) - before);
        Verdict::Applied
    }

    fn stop_waiting_for(&mut self, dir: DirId) {
        let meta = self.writer.meta(dir);
        let unlisted = -i32::from(meta.awaits_listing());
        let gaps = -i32::from(meta.owes_listing());
        let meta = self.writer.meta_mut(dir);
        meta.flags.set(Flags::UNREADABLE, true);
        meta.owed = Stamp::MIN;
        self.writer.shift(dir, &Delta { unlisted, gaps, ..Delta::default() }, Key::NONE);
    }

    /// Takes in that a directory is watched again.
    pub(crate) fn cover(&mut self, path: &ViewPath) -> Verdict {
        let Some(dir) = self.writer.tree().dir(path) else { return Verdict::Stale };
        match self.uncovered.get(&dir) {
            Some((UncoveredReason::WatchLimit, _)) => {
                self.forget_uncovered(dir);
                Verdict::Applied
            }
            Some(_) | None => Verdict::Stale,
        }
    }

    pub(super) fn forget_uncovered(&mut self, dir: DirId) {
        if let Some((reason, _)) = self.uncovered.remove(&dir) {
            self.shift_uncovered(dir, -weight(reason));
        }
    }

    fn shift_uncovered(&mut self, dir: DirId, uncovered: i32) {
        if uncovered != 0 {
            self.writer.shift(dir, &Delta { uncovered, ..Delta::default() }, Key::NONE);
        }
    }

    /// Drops the gaps that are closed.
    pub(crate) fn close_gaps(&mut self) {
        if self.gaps.is_empty() {
            return;
        }
        let (tree, gaps) = (self.writer.tree(), &mut self.gaps);
        gaps.retain(|gap| tree.meta(gap.scope).totals.gaps > 0 && tree.is_attached(gap.scope));
    }
}

/// What a directory adds to the totals of those above it: one that is excluded makes no answer about them doubtful.
pub(super) const fn weight(reason: UncoveredReason) -> i32 {
    match reason {
        UncoveredReason::Excluded => 0,
        UncoveredReason::WatchLimit
        | UncoveredReason::Unreadable
        | UncoveredReason::Failing
        | UncoveredReason::OtherFileSystem
        | UncoveredReason::Hanging
        | UncoveredReason::TooDeep
        | UncoveredReason::Loop
        | UncoveredReason::Restless => 1,
    }
}
