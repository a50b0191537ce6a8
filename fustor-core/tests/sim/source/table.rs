//! The watched directories as a tree of names. Mirrors `fustor-agent/src/watch/table.rs`.

use std::collections::{BTreeMap, BTreeSet};

use fustor_core::{Heat, ViewPath, WatchId};

use crate::disk::Name;

pub(crate) const TOP: WatchId = WatchId(0);

#[derive(Debug)]
struct Node {
    /// `None`: the root, or removed.
    place: Option<(WatchId, Name)>,
    removed: bool,
    children: BTreeSet<WatchId>,
    watch: Option<i32>,
    inode: u64,
    heat: Heat,
}

/// A watch that a directory has lost.
pub(crate) struct Dropped {
    pub(crate) watch: i32,
    pub(crate) id: WatchId,
    pub(crate) heat: Heat,
}

#[derive(Debug)]
pub(crate) struct Table {
    nodes: Vec<Node>,
    by_watch: BTreeMap<i32, WatchId>,
    by_name: BTreeMap<(WatchId, Name), WatchId>,
    removed: Vec<WatchId>,
    resting: Vec<WatchId>,
    free: Vec<WatchId>,
    version: u64,
}

impl Table {
    pub(crate) fn new(inode: u64) -> Self {
        let root = Node {
            place: None,
            removed: false,
            children: BTreeSet::new(),
            watch: None,
            inode,
            heat: Heat::default(),
        };
        Self {
            nodes: vec![root],
            by_watch: BTreeMap::new(),
            by_name: BTreeMap::new(),
            removed: Vec::new(),
            resting: Vec::new(),
            free: Vec::new(),
            version: 0,
        }
    }

    fn node(&self, id: WatchId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    fn node_mut(&mut self, id: WatchId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn by_watch(&self, watch: i32) -> Option<WatchId> {
        self.by_watch.get(&watch).copied()
    }

    pub(crate) fn child(&self, parent: WatchId, name: &[u8]) -> Option<WatchId> {
        self.by_name.get(&(parent, name.into())).copied()
    }

    pub(crate) fn children(&self, id: WatchId) -> Vec<WatchId> {
        self.node(id).children.iter().copied().collect()
    }

    pub(crate) fn watch(&self, id: WatchId) -> Option<i32> {
        self.node(id).watch
    }

    pub(crate) fn inode(&self, id: WatchId) -> u64 {
        self.node(id).inode
    }

    pub(crate) fn heat(&self, id: WatchId) -> Heat {
        self.node(id).heat
    }

    pub(crate) fn set_heat(&mut self, id: WatchId, heat: Heat) {
        self.node_mut(id).heat = heat;
    }

    pub(crate) fn is_removed(&self, id: WatchId) -> bool {
        self.node(id).removed
    }

    pub(crate) fn place(&self, id: WatchId) -> Option<(WatchId, &Name)> {
        self.node(id).place.as_ref().map(|(parent, name)| (*parent, name))
    }

    pub(crate) fn path(&self, id: WatchId, entry: &[u8]) -> Option<ViewPath> {
        if self.is_removed(id) {
            return None;
        }
        let (mut names, mut at) = (Vec::new(), id);
        while let Some((parent, name)) = self.place(at) {
            names.push(name);
            at = parent;
        }
        let path = names.iter().rev().fold(ViewPath::root(), |path, name| path.join(name));
        Some(if entry.is_empty() { path } else { path.join(entry) })
    }

    pub(crate) fn find(&self, path: &ViewPath) -> Option<WatchId> {
        path.names().try_fold(TOP, |at, name| self.child(at, name))
    }

    fn find_or_add(&mut self, path: &ViewPath) -> WatchId {
        path.names()
            .fold(TOP, |at, name| self.child(at, name).unwrap_or_else(|| self.add(at, name)))
    }

    pub(crate) fn child_or_add(&mut self, parent: Option<WatchId>, path: &ViewPath) -> WatchId {
        match parent.filter(|parent| !self.is_removed(*parent)) {
            Some(parent) => {
                self.child(parent, path.name()).unwrap_or_else(|| self.add(parent, path.name()))
            }
            None => self.find_or_add(path),
        }
    }

    fn add(&mut self, parent: WatchId, name: &[u8]) -> WatchId {
        let node = Node {
            place: None,
            removed: false,
            children: BTreeSet::new(),
            watch: None,
            inode: 0,
            heat: Heat::default(),
        };
        let id = match self.free.pop() {
            Some(id) => {
                *self.node_mut(id) = node;
                id
            }
            None => {
                self.nodes.push(node);
                WatchId(u32::try_from(self.nodes.len() - 1).expect("few directories"))
            }
        };
        self.hang(id, parent, name);
        id
    }

    fn hang(&mut self, id: WatchId, parent: WatchId, name: &[u8]) {
        assert!(!self.is_below(parent, id), "a directory below itself");
        assert!(!self.is_removed(parent) && !self.is_removed(id), "hung where nothing is");
        self.by_name.insert((parent, name.into()), id);
        self.node_mut(parent).children.insert(id);
        self.node_mut(id).place = Some((parent, name.into()));
    }

    fn unhang(&mut self, id: WatchId) {
        if let Some((parent, name)) = self.node_mut(id).place.take() {
            self.by_name.remove(&(parent, name));
            self.node_mut(parent).children.remove(&id);
        }
    }

    pub(crate) fn set_watch(&mut self, id: WatchId, watch: i32, inode: u64, heat: Heat) {
        let node = self.node_mut(id);
        (node.watch, node.inode, node.heat) = (Some(watch), inode, heat);
        self.by_watch.insert(watch, id);
    }

    pub(crate) fn clear_watch(&mut self, id: WatchId) -> Option<Dropped> {
        let watch = self.node_mut(id).watch.take()?;
        self.by_watch.remove(&watch);
        Some(Dropped { watch, id, heat: self.heat(id) })
    }

    pub(crate) fn move_to(&mut self, id: WatchId, parent: WatchId, name: &[u8]) -> bool {
        if self.is_removed(id) || self.is_removed(parent) || self.is_below(parent, id) {
            return false;
        }
        self.version += 1;
        self.unhang(id);
        self.hang(id, parent, name);
        true
    }

    pub(crate) fn is_below(&self, id: WatchId, ancestor: WatchId) -> bool {
        let mut at = Some(id);
        while let Some(here) = at {
            if here == ancestor {
                return true;
            }
            at = self.place(here).map(|(parent, _)| parent);
        }
        false
    }

    pub(crate) fn remove(&mut self, id: WatchId) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        if id == TOP || self.is_removed(id) {
            return dropped;
        }
        self.version += 1;
        let mut left = vec![id];
        while let Some(at) = left.last().copied() {
            if let Some(child) = self.node(at).children.first().copied() {
                left.push(child);
                continue;
            }
            left.pop();
            dropped.extend(self.clear_watch(at));
            self.unhang(at);
            self.node_mut(at).removed = true;
            self.removed.push(at);
        }
        dropped
    }

    /// Removed numbers are used again from the next call on.
    pub(crate) fn take_removed(&mut self) -> Vec<WatchId> {
        let removed = std::mem::take(&mut self.removed);
        self.free.append(&mut self.resting);
        self.resting.clone_from(&removed);
        removed
    }

    pub(crate) fn watched(&self) -> Vec<(Heat, WatchId)> {
        let id = |watch: &WatchId| (self.heat(*watch), *watch);
        self.by_watch.values().map(id).collect()
    }
}
