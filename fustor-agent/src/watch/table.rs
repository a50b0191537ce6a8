//! The watched directories as a tree of names: paths are rebuilt from it, and moving one moves all below it.

use std::hash::{Hash, Hasher};

use fustor_core::{Heat, ViewPath, WatchId};
use rustc_hash::FxHasher;

use crate::index::Index;

const NONE: u32 = u32::MAX;
/// What is known but not watched: the parent of something that is.
const UNWATCHED: i32 = -1;
/// The parent of what was removed and whose number is not used again yet: others may still hold it.
const REMOVED: u32 = u32::MAX - 1;
/// The root.
pub(super) const ROOT: WatchId = WatchId(0);

/// One directory: 48 bytes, its name, and 10 to 22 bytes in the two indexes.
#[derive(Debug)]
struct Node {
    name: Box<[u8]>,
    inode: u64,
    parent: u32,
    first_child: u32,
    next: u32,
    previous: u32,
    watch: i32,
    heat: Heat,
}

/// The watched directories, and those that lead to them.
#[derive(Debug)]
pub(super) struct Table {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Removed and told to the watcher, free from the next time on.
    resting: Vec<u32>,
    /// Removed since.
    removed: Vec<WatchId>,
    by_watch: Index,
    by_name: Index,
    /// How often something was moved or removed: as long as this stays, so does every path.
    version: u64,
}

/// A watch that belongs to no directory of the table any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) watch: i32,
    pub(super) id: WatchId,
    pub(super) heat: Heat,
}

impl Table {
    pub(super) fn new(root_inode: u64) -> Self {
        let root = Node {
            name: Box::default(),
            inode: root_inode,
            parent: NONE,
            first_child: NONE,
            next: NONE,
            previous: NONE,
            watch: UNWATCHED,
            heat: Heat::default(),
        };
        Self {
            nodes: vec![root],
            free: Vec::new(),
            resting: Vec::new(),
            removed: Vec::new(),
            by_watch: Index::default(),
            by_name: Index::default(),
            version: 0,
        }
    }

    /// As long as this stays, a path that was right is right.
    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn by_watch(&self, watch: i32) -> Option<WatchId> {
        let found =
            self.by_watch.find(hash_watch(watch), |n| self.nodes[n as usize].watch == watch);
        found.map(WatchId)
    }

    pub(super) fn child(&self, parent: WatchId, name: &[u8]) -> Option<WatchId> {
        let is_it = |n: u32| {
            let node = &self.nodes[n as usize];
            node.parent == parent.0 && *node.name == *name
        };
        self.by_name.find(hash_name(parent.0, name), is_it).map(WatchId)
    }

    pub(super) fn watch(&self, id: WatchId) -> Option<i32> {
        let watch = self.node(id).watch;
        (watch != UNWATCHED).then_some(watch)
    }

    pub(super) fn inode(&self, id: WatchId) -> u64 {
        self.node(id).inode
    }

    pub(super) fn heat(&self, id: WatchId) -> Heat {
        self.node(id).heat
    }

    pub(super) fn set_heat(&mut self, id: WatchId, heat: Heat) {
        self.node_mut(id).heat = heat;
    }

    pub(super) fn is_removed(&self, id: WatchId) -> bool {
        self.node(id).parent == REMOVED
    }

    /// The parent and the name; `None` for the root and for what was removed.
    pub(super) fn place(&self, id: WatchId) -> Option<(WatchId, &[u8])> {
        let node = self.node(id);
        (node.parent < REMOVED).then_some((WatchId(node.parent), &*node.name))
    }

    /// The path of a directory, or of an entry in it. `None`: removed, or longer than a view allows.
    pub(super) fn path(&self, id: WatchId, entry: &[u8]) -> Option<ViewPath> {
        if self.is_removed(id) {
            return None;
        }
        let mut names = vec![entry];
        let mut at = id;
        while let Some((parent, name)) = self.place(at) {
            names.push(name);
            at = parent;
        }
        let len = names.iter().map(|name| name.len() + 1).sum();
        let mut bytes = Vec::with_capacity(len);
        for name in names.iter().rev().filter(|name| !name.is_empty()) {
            bytes.push(b'/');
            bytes.extend_from_slice(name);
        }
        if bytes.is_empty() { Some(ViewPath::root()) } else { ViewPath::parse(&bytes).ok() }
    }

    /// The directory at a path, if it is known.
    pub(super) fn find(&self, path: &ViewPath) -> Option<WatchId> {
        path.names().try_fold(ROOT, |at, name| self.child(at, name))
    }

    /// The directory at a path; what leads to it is added, unwatched, where it is not known.
    pub(super) fn find_or_add(&mut self, path: &ViewPath) -> WatchId {
        path.names()
            .fold(ROOT, |at, name| self.child(at, name).unwrap_or_else(|| self.add(at, name, 0)))
    }

    /// The directory at a path, whose parent is this if it is known and still there.
    pub(super) fn child_or_add(&mut self, parent: Option<WatchId>, path: &ViewPath) -> WatchId {
        match parent.filter(|parent| !self.is_removed(*parent)) {
            Some(parent) => {
                self.child(parent, path.name()).unwrap_or_else(|| self.add(parent, path.name(), 0))
            }
            None => self.find_or_add(path),
        }
    }

    /// Adds a directory, not watched yet, that the parent does not have.
    pub(super) fn add(&mut self, parent: WatchId, name: &[u8], inode: u64) -> WatchId {
        let node = Node {
            name: name.into(),
            inode,
            parent: NONE,
            first_child: NONE,
            next: NONE,
            previous: NONE,
            watch: UNWATCHED,
            heat: Heat::default(),
        };
        let n = match self.free.pop() {
            Some(n) => {
                self.nodes[n as usize] = node;
                n
            }
            None => {
                self.nodes.push(node);
                // A kernel has far fewer watches than that, and what is not watched is added for one that is.
                u32::try_from(self.nodes.len() - 1).unwrap_or(REMOVED - 1)
            }
        };
        self.hang(n, parent);
        WatchId(n)
    }

    pub(super) fn set_watch(&mut self, id: WatchId, watch: i32, inode: u64, heat: Heat) {
        let node = self.node_mut(id);
        (node.watch, node.inode, node.heat) = (watch, inode, heat);
        let nodes = &self.nodes;
        let hash_of = |n: u32| hash_watch(nodes[n as usize].watch);
        self.by_watch.insert(hash_watch(watch), id.0, hash_of);
    }

    /// Forgets the watch of a directory that stays in the table.
    pub(super) fn clear_watch(&mut self, id: WatchId) -> Option<Dropped> {
        let watch = self.watch(id)?;
        let nodes = &self.nodes;
        let hash_of = |n: u32| hash_watch(nodes[n as usize].watch);
        self.by_watch.remove(hash_watch(watch), id.0, hash_of);
        self.node_mut(id).watch = UNWATCHED;
        Some(Dropped { watch, id, heat: self.heat(id) })
    }

    /// Moves a directory with all below it. What was at the new place must be gone. False: either of the two directories went
    /// with that, or the new place lies below the old one, which an older report of it would say; nothing has changed.
    pub(super) fn move_to(&mut self, id: WatchId, parent: WatchId, name: &[u8]) -> bool {
        if self.is_removed(id) || self.is_removed(parent) || self.is_below(parent, id) {
            return false;
        }
        self.version += 1;
        self.unhang(id.0);
        self.node_mut(id).name = name.into();
        self.hang(id.0, parent);
        true
    }

    /// Whether `id` is `ancestor` or lies below it.
    pub(super) fn is_below(&self, id: WatchId, ancestor: WatchId) -> bool {
        let mut at = Some(id);
        while let Some(here) = at {
            if here == ancestor {
                return true;
            }
            at = self.place(here).map(|(parent, _)| parent);
        }
        false
    }

    /// Removes a directory with all below it; adds the watches that it had to `dropped`.
    pub(super) fn remove(&mut self, id: WatchId, dropped: &mut Vec<Dropped>) {
        if id == ROOT || self.is_removed(id) {
            return;
        }
        self.version += 1;
        let mut left = vec![id.0];
        while let Some(n) = left.last().copied() {
            let child = self.nodes[n as usize].first_child;
            if child != NONE {
                left.push(child);
                continue;
            }
            left.pop();
            dropped.extend(self.clear_watch(WatchId(n)));
            self.unhang(n);
            self.nodes[n as usize].name = Box::default();
            self.nodes[n as usize].parent = REMOVED;
            self.removed.push(WatchId(n));
        }
    }

    /// The known directories directly in one.
    pub(super) fn children(&self, id: WatchId) -> impl Iterator<Item = WatchId> {
        let some = |n: u32| (n != NONE).then_some(n);
        let first = some(self.node(id).first_child);
        std::iter::successors(first, move |n| some(self.nodes[*n as usize].next)).map(WatchId)
    }

    /// The numbers of what was removed since the last call. They are used again from the next call on, so that nobody
    /// who still holds one takes a new directory for the old one.
    pub(super) fn take_removed(&mut self) -> Vec<WatchId> {
        let removed = std::mem::take(&mut self.removed);
        self.free.append(&mut self.resting);
        self.resting.extend(removed.iter().map(|id| id.0));
        removed
    }

    /// All that is watched.
    pub(super) fn watched(&self) -> impl Iterator<Item = (Heat, WatchId)> {
        let nodes = (0..).zip(&self.nodes).filter(|(_, node)| node.watch != UNWATCHED);
        nodes.map(|(n, node)| (node.heat, WatchId(n)))
    }

    fn hang(&mut self, n: u32, parent: WatchId) {
        let next = std::mem::replace(&mut self.node_mut(parent).first_child, n);
        if next != NONE {
            self.nodes[next as usize].previous = n;
        }
        let node = &mut self.nodes[n as usize];
        (node.parent, node.next, node.previous) = (parent.0, next, NONE);
        let hash = hash_name(parent.0, &node.name);
        let nodes = &self.nodes;
        self.by_name.insert(hash, n, |n| hash_node(&nodes[n as usize]));
    }

    fn unhang(&mut self, n: u32) {
        let nodes = &self.nodes;
        let hash = hash_node(&nodes[n as usize]);
        self.by_name.remove(hash, n, |n| hash_node(&nodes[n as usize]));
        let Node { parent, next, previous, .. } = self.nodes[n as usize];
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        if previous == NONE {
            self.nodes[parent as usize].first_child = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
    }

    fn node(&self, id: WatchId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    fn node_mut(&mut self, id: WatchId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }
}

fn hash_node(node: &Node) -> u64 {
    hash_name(node.parent, &node.name)
}

fn hash_name(parent: u32, name: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    parent.hash(&mut hasher);
    name.hash(&mut hasher);
    hasher.finish()
}

fn hash_watch(watch: i32) -> u64 {
    let mut hasher = FxHasher::default();
    watch.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(table: &Table, id: WatchId) -> String {
        table.path(id, b"").unwrap().to_string()
    }

    #[test]
    fn moving_a_directory_moves_what_is_below_it() {
        let mut table = Table::new(1);
        let deep = table.find_or_add(&ViewPath::parse(b"/a/b/c").unwrap());
        table.set_watch(deep, 7, 70, Heat(3));
        let a = table.find(&ViewPath::parse(b"/a").unwrap()).unwrap();
        let other = table.add(ROOT, b"other", 2);
        assert!(table.move_to(a, other, b"x"));
        assert_eq!(path(&table, deep), "/other/x/b/c");
        assert_eq!(table.path(deep, b"file").unwrap().as_bytes(), b"/other/x/b/c/file");
        assert_eq!((table.by_watch(7), table.inode(deep)), (Some(deep), 70));
        assert_eq!(table.child(ROOT, b"a"), None);
        assert!(table.is_below(deep, other) && !table.is_below(other, a));
    }

    #[test]
    fn what_is_gone_is_not_moved_and_nothing_comes_to_lie_below_itself() {
        let mut table = Table::new(1);
        let deep = table.find_or_add(&ViewPath::parse(b"/a/b/c").unwrap());
        let a = table.find(&ViewPath::parse(b"/a").unwrap()).unwrap();
        let other = table.add(ROOT, b"other", 2);
        assert!(!table.move_to(a, deep, b"x"), "below itself");
        table.remove(a, &mut Vec::new());
        assert!(!table.move_to(deep, ROOT, b"a"), "it went with what was at its new place");
        assert!(!table.move_to(other, a, b"x"), "its new place is gone");
        assert_eq!(table.child(ROOT, b"other"), Some(other));
        assert_eq!(table.child(ROOT, b"a"), None);
    }

    #[test]
    fn removing_gives_all_watches_back_and_reuses_the_room() {
        let mut table = Table::new(1);
        for n in 0..100 {
            let name = ViewPath::parse(format!("/a/{}/{n}", n % 10).as_bytes()).unwrap();
            let id = table.find_or_add(&name);
            table.set_watch(id, n, 0, Heat(0));
        }
        let rows = table.nodes.len();
        let mut dropped = Vec::new();
        let a = table.child(ROOT, b"a").unwrap();
        table.remove(a, &mut dropped);
        let mut watches: Vec<_> = dropped.iter().map(|dropped| dropped.watch).collect();
        watches.sort_unstable();
        assert_eq!(watches, (0..100).collect::<Vec<_>>());
        assert_eq!((table.by_watch(5), table.find(&ViewPath::parse(b"/a").unwrap())), (None, None));
        table.remove(a, &mut dropped);
        assert_eq!((table.path(a, b"f"), table.place(a), dropped.len()), (None, None, 100));
        assert_eq!(table.take_removed().len(), 111);
        assert!(table.take_removed().is_empty());
        table.find_or_add(&ViewPath::parse(b"/b/c/d").unwrap());
        assert_eq!(table.nodes.len(), rows);
        assert_eq!(table.watched().count(), 0);
    }

    #[test]
    fn a_directory_costs_few_bytes() {
        assert_eq!(size_of::<Node>(), 48);
    }
}
