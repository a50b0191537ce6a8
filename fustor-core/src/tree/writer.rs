//! Edits of the newest tree. Every edit keeps rows, parents and totals in step; what is detached is freed later, in
//! slices.

use crate::id::DirId;
use crate::key::Key;

use super::entries::Entries;
use super::meta::{Delta, Flags, Meta};
use super::{PersistentVec, RootRow, Tree};

/// The newest tree, and what only its writer needs.
#[derive(Clone)]
pub(crate) struct Writer {
    tree: Tree,
    /// The revision that the edits belong to.
    version: u64,
    /// Ids whose slots are free.
    vacant: Vec<DirId>,
    /// Directories that were cut off and not yet freed, with all that is below them.
    detached: Vec<DirId>,
    /// Directories from some one down, each the parent of the next, with what has changed in them and below and is not
    /// yet told to the ones above. Empty between commands.
    carried: Vec<Carried>,
    /// Entries that came with what is carried: so many are missing in the totals of the root.
    carried_nodes: i64,
}

/// What the directories above one do not know yet.
#[derive(Clone)]
struct Carried {
    dir: DirId,
    delta: Delta,
    seen: Key,
}

impl Writer {
    /// A tree of one unlisted root.
    pub(crate) fn new() -> Self {
        let (entries, metas) = (PersistentVec::default(), PersistentVec::default());
        let tree = Tree { entries, metas, root: RootRow::PLACEHOLDER, lineage: 0 };
        let mut writer = Self {
            tree,
            version: 0,
            vacant: Vec::new(),
            detached: Vec::new(),
            carried: Vec::new(),
            carried_nodes: 0,
        };
        let id = writer.allocate(DirId::NONE, b"");
        debug_assert_eq!(id, DirId::ROOT);
        writer.meta_mut(id).totals.unlisted = 1;
        writer
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Begins the edits of the next revision.
    pub(crate) fn begin(&mut self, version: u64) {
        self.version = version;
    }

    /// From here on ids mean something else than in the states before.
    pub(crate) fn begin_lineage(&mut self, version: u64) {
        self.tree.lineage = version;
    }

    pub(crate) fn meta(&self, dir: DirId) -> &Meta {
        self.tree.meta(dir)
    }

    pub(crate) fn meta_mut(&mut self, dir: DirId) -> &mut Meta {
        self.tree.metas.get_mut(dir.0 as usize).expect("every id has a row of keys and totals")
    }

    pub(crate) fn entries(&self, dir: DirId) -> &Entries {
        self.tree.entries(dir)
    }

    pub(crate) fn root_mut(&mut self) -> &mut RootRow {
        &mut self.tree.root
    }

    /// A new directory without rows that no row points at yet. It awaits its first listing.
    ///
    /// Ids are 32 bits wide: four thousand million directories at one time is beyond any limit of memory.
    pub(crate) fn allocate(&mut self, parent: DirId, name: &[u8]) -> DirId {
        let empty = Entries::empty(name);
        if let Some(id) = self.vacant.pop() {
            let generation = self.meta(id).generation.wrapping_add(1);
            *self.meta_mut(id) = Meta::new(parent, generation);
            *self.entries_mut(id) = empty;
            self.prime(id);
            return id;
        }
        let id = DirId(u32::try_from(self.tree.metas.len()).unwrap_or(u32::MAX));
        assert!(id != DirId::NONE, "directory ids are used up");
        self.tree.metas.push(Meta::new(parent, 0));
        self.tree.entries.push(empty);
        self.prime(id);
        id
    }

    fn prime(&mut self, id: DirId) {
        let version = self.version;
        let meta = self.meta_mut(id);
        meta.version = version;
        meta.totals.unlisted = 1;
    }

    pub(crate) fn entries_mut(&mut self, dir: DirId) -> &mut Entries {
        self.tree.entries.get_mut(dir.0 as usize).expect("every id has a slot of rows")
    }

    /// Adds `delta` to a directory and all its ancestors, and raises their presence to `seen`; above the directory at
    /// which changes are carried they learn of it later.
    pub(crate) fn shift(&mut self, dir: DirId, delta: &Delta, seen: Key) {
        let version = self.version;
        let mut at = dir;
        while at != DirId::NONE {
            let meta = self.meta_mut(at);
            meta.add(delta);
            meta.version = version;
            meta.presence = meta.presence.max(seen);
            let above = meta.parent;
            if let Some(carried) = self.carried.last_mut().filter(|carried| carried.dir == at) {
                carried.delta.follow_with(delta);
                carried.seen = carried.seen.max(seen);
                self.carried_nodes += delta.files + delta.dirs;
                return;
            }
            at = above;
        }
    }

    /// Raises the presence of a directory and all its ancestors. Stops at the first that has it: presence never
    /// falls towards the root, but for what is carried.
    pub(crate) fn raise_presence(&mut self, dir: DirId, seen: Key) {
        let mut at = dir;
        while at != DirId::NONE && self.meta(at).presence < seen {
            let meta = self.meta_mut(at);
            meta.presence = seen;
            let above = meta.parent;
            if let Some(carried) = self.carried.last_mut().filter(|carried| carried.dir == at) {
                carried.seen = carried.seen.max(seen);
                return;
            }
            at = above;
        }
    }

    /// Changes in `dir` and below are carried there from now on: a scan that goes down a chain would otherwise tell
    /// each of n directories to all above it. `dir` lies below the last such directory, or is one of them, or all that
    /// was carried is told first.
    pub(crate) fn carry_at(&mut self, dir: DirId) {
        let parent = self.meta(dir).parent;
        while let Some(last) = self.carried.last().map(|carried| carried.dir) {
            if last == dir {
                return;
            }
            if last == parent {
                break;
            }
            self.tell();
        }
        self.carried.push(Carried { dir, delta: Delta::default(), seen: Key::NONE });
    }

    /// Tells all that is carried to the directories above.
    pub(crate) fn settle(&mut self) {
        while !self.carried.is_empty() {
            self.tell();
        }
        debug_assert_eq!(self.carried_nodes, 0, "everything was told");
    }

    /// Tells what the last directory carries to the one above it, or to all above it if that carries nothing.
    fn tell(&mut self) {
        let Some(Carried { dir, delta, seen }) = self.carried.pop() else { return };
        let above = self.meta(dir).parent;
        self.carried_nodes -= delta.files + delta.dirs;
        if delta.is_zero() {
            self.raise_presence(above, seen);
        } else {
            self.shift(above, &delta, seen);
        }
    }

    /// Entries of the tree without the root, what is carried included.
    pub(crate) fn node_count(&self) -> u64 {
        let totals = &self.meta(DirId::ROOT).totals;
        // The root's own changes are told to nobody.
        let told = self.carried.first().filter(|carried| carried.dir == DirId::ROOT);
        let root = told.map_or(0, |carried| carried.delta.files + carried.delta.dirs);
        (totals.files + totals.dirs).saturating_add_signed(self.carried_nodes - root)
    }

    /// Cuts a directory off: its row is the caller's business. Gives what its ancestors lose with it, the row excepted.
    pub(crate) fn detach(&mut self, dir: DirId) -> Delta {
        let mut delta = Delta::default();
        delta.take_subtree(&self.meta(dir).totals);
        self.meta_mut(dir).parent = DirId::NONE;
        self.detached.push(dir);
        delta
    }

    /// Frees up to `max_dirs` detached directories, telling `freed` of each. True when more remain.
    pub(crate) fn release(&mut self, max_dirs: usize, freed: &mut dyn FnMut(DirId)) -> bool {
        for _ in 0..max_dirs {
            let Some(dir) = self.detached.pop() else { return false };
            let entries = std::mem::take(self.entries_mut(dir));
            for block in entries.blocks() {
                for child in block.children() {
                    // A child may have been kept apart as a ghost.
                    if self.meta(child).parent == dir && !self.meta(child).flags.has(Flags::GHOST) {
                        // Its parent's id may be given out again before the child is freed.
                        self.meta_mut(child).parent = DirId::NONE;
                        self.detached.push(child);
                    }
                }
            }
            let generation = self.meta(dir).generation;
            *self.meta_mut(dir) = Meta::new(DirId::NONE, generation);
            self.vacant.push(dir);
            freed(dir);
        }
        !self.detached.is_empty()
    }

    /// Frees a ghost that holds nothing any more.
    pub(crate) fn free_ghost(&mut self, dir: DirId) {
        *self.entries_mut(dir) = Entries::Vacant;
        let generation = self.meta(dir).generation;
        *self.meta_mut(dir) = Meta::new(DirId::NONE, generation);
        self.vacant.push(dir);
    }

    /// Turns a directory into a ghost: no rows, no totals, the same id. Its children are the caller's business.
    pub(crate) fn make_ghost(&mut self, dir: DirId, parent: DirId, name: &[u8]) {
        let generation = self.meta(dir).generation;
        let mut meta = Meta::new(parent, generation);
        meta.flags.set(Flags::GHOST, true);
        *self.meta_mut(dir) = meta;
        *self.entries_mut(dir) = Entries::empty(name);
    }

    /// Gives a ghost back its place as a directory without rows that awaits its first listing.
    pub(crate) fn revive(&mut self, dir: DirId) {
        self.meta_mut(dir).flags.set(Flags::GHOST, false);
        self.prime(dir);
    }
}
