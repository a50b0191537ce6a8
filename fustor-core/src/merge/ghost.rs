//! Directories that are not in the tree and yet remembered, because they hold tombstones newer than what removed them.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::block::Block;
use crate::id::DirId;
use crate::key::Key;
use crate::rules::Rule;
use crate::tree::{Delta, Flags};

use super::Arbiter;
use super::spot::{At, Spot};

impl Arbiter {
    /// The id for a directory that enters the tree: that of its ghost, or a new one.
    pub(super) fn claim_id(&mut self, parent: DirId, name: &[u8]) -> DirId {
        let ghost =
            if self.ghosts.is_empty() { None } else { self.ghosts.get(&At(parent, name)).copied() };
        match ghost {
            Some(ghost) => {
                self.ghosts.remove(&At(parent, name));
                self.writer.revive(ghost);
                ghost
            }
            None => self.writer.allocate(parent, name),
        }
    }

    /// The ghost of that name in a directory or a ghost, made if need be.
    pub(super) fn haunt(&mut self, parent: DirId, name: &[u8]) -> DirId {
        if let Some(ghost) = self.ghosts.get(&At(parent, name)) {
            return *ghost;
        }
        let ghost = self.writer.allocate(parent, name);
        self.writer.make_ghost(ghost, parent, name);
        self.ghosts.insert(Spot::new(parent, name), ghost);
        ghost
    }

    /// Whether a directory has ghosts in it.
    pub(super) fn has_ghosts(&self, dir: DirId) -> bool {
        !self.ghosts.is_empty() && self.ghosts_in(dir).next().is_some()
    }

    fn ghosts_in(&self, dir: DirId) -> impl Iterator<Item = (&Spot, DirId)> {
        self.ghosts
            .range((Bound::Included(Spot::first_of(dir)), Bound::Unbounded))
            .take_while(move |(spot, _)| spot.dir == dir)
            .map(|(spot, ghost)| (spot, *ghost))
    }

    /// Cuts a directory out of the tree because of `absence`. Where it or something below holds a newer tombstone, a
    /// ghost stays. Gives what its ancestors lose; the row is the caller's business.
    pub(super) fn cut(&mut self, dir: DirId, absence: Key) -> Delta {
        self.leave_trail();
        let stay = self.branches_with_newer_tombstones(dir, absence);
        if stay.is_empty() || !self.holds(Rule::NewerTombstonesStay) {
            return self.writer.detach(dir);
        }
        let mut delta = Delta::default();
        delta.take_subtree(&self.writer.meta(dir).totals);
        for ghost in &stay {
            let entries = self.writer.entries(*ghost).clone();
            for child in
                entries.blocks().flat_map(Block::children).filter(|child| !stay.contains(child))
            {
                self.writer.detach(child);
            }
        }
        for ghost in stay {
            self.make_ghost(ghost, absence);
        }
        delta
    }

    fn make_ghost(&mut self, dir: DirId, absence: Key) {
        if self.writer.meta(dir).flags.has(Flags::GHOST) {
            return;
        }
        let parent = self.writer.meta(dir).parent;
        let name = self.writer.entries(dir).own_name().to_vec();
        self.writer.make_ghost(dir, parent, &name);
        self.tombstones.forget_covered(dir, absence);
        self.forget_marks_of(dir);
        self.ghosts.insert(Spot::new(parent, &name), dir);
    }

    /// `top` and the directories below it that hold tombstones greater than `absence`, with all between. Looks from
    /// the side that is smaller: the newer tombstones, or the directories.
    fn branches_with_newer_tombstones(&self, top: DirId, absence: Key) -> BTreeSet<DirId> {
        let dirs = self.writer.meta(top).totals.dirs.saturating_add(1);
        let few = usize::try_from(dirs).unwrap_or(usize::MAX);
        let newer: Vec<DirId> = self
            .tombstones
            .newer_than(absence)
            .take(few.saturating_add(1))
            .map(|(_, spot)| spot.dir)
            .collect();
        let mut stay = BTreeSet::new();
        if newer.len() <= few {
            for dir in newer {
                self.keep_branch(top, dir, &mut stay);
            }
            return stay;
        }
        let mut open = vec![top];
        while let Some(dir) = open.pop() {
            if self.tombstones.any_newer_in(dir, absence) {
                self.keep_branch(top, dir, &mut stay);
            }
            open.extend(self.writer.entries(dir).blocks().flat_map(Block::children));
            open.extend(self.ghosts_in(dir).map(|(_, ghost)| ghost));
        }
        stay
    }

    /// Adds `dir` and all between it and `top` if it lies below `top`.
    fn keep_branch(&self, top: DirId, dir: DirId, stay: &mut BTreeSet<DirId>) {
        let mut branch = vec![dir];
        let mut at = dir;
        while at != top {
            at = self.writer.meta(at).parent;
            if at == DirId::NONE {
                return;
            }
            branch.push(at);
        }
        stay.extend(branch);
    }

    /// Lets a ghost go when it holds nothing any more, and then those above it.
    pub(super) fn lay_ghost(&mut self, dir: DirId) {
        let mut at = dir;
        while self.writer.meta(at).flags.has(Flags::GHOST)
            && !self.tombstones.any_in(at)
            && !self.has_ghosts(at)
        {
            let parent = self.writer.meta(at).parent;
            let name = self.writer.entries(at).own_name().to_vec();
            self.ghosts.remove(&At(parent, &name));
            self.horizons.remove(&at);
            self.writer.free_ghost(at);
            at = parent;
        }
    }

    /// Frees up to `max_dirs` detached directories, with all that side tables know of them.
    pub(crate) fn release(&mut self, max_dirs: usize) -> bool {
        let mut freed = Vec::new();
        let more = self.writer.release(max_dirs, &mut |dir| freed.push(dir));
        for dir in freed {
            self.forget_marks_of(dir);
            self.forget_ghosts_of(dir);
        }
        more
    }

    fn forget_marks_of(&mut self, dir: DirId) {
        self.suspects.forget(dir);
        self.moves.remove(&dir);
        self.uncovered.remove(&dir);
        self.held.remove(&dir);
        self.contested.forget(dir);
        self.hearsay.forget(dir);
    }

    /// Frees a ghost whose place is taken by a directory to which its tombstones mean nothing.
    pub(super) fn exorcise(&mut self, ghost: DirId) {
        self.forget_ghosts_of(ghost);
        self.writer.free_ghost(ghost);
    }

    fn forget_ghosts_of(&mut self, dir: DirId) {
        let mut open = vec![dir];
        while let Some(dir) = open.pop() {
            self.tombstones.forget(dir);
            self.horizons.remove(&dir);
            let ghosts: Vec<(Spot, DirId)> =
                self.ghosts_in(dir).map(|(spot, ghost)| (spot.clone(), ghost)).collect();
            for (spot, ghost) in ghosts {
                self.ghosts.remove(&spot);
                self.writer.free_ghost(ghost);
                open.push(ghost);
            }
        }
    }
}
