//! What was last told of each directory, so that an audit can pass over those that have not changed.
//!
//! A directory is remembered by its name, its place, a print of what `statx` said of it when it was listed completely, and
//! when that was. Nothing of its files is kept. What is forgotten, or was never told, is listed again: to lose an entry
//! costs time and never an observation.

use std::hash::{Hash, Hasher};

use fustor_core::{BootTime, SECOND, ViewPath};
use rustc_hash::{FxHashSet, FxHasher};

use crate::disk::Print;
use crate::index::Index;

/// Directories that are remembered: some 350 MB. Those beyond are listed by each audit, and so is what they lie in.
const REMEMBERED_MAX: usize = 1 << 22;
/// Bytes of names. Offsets have 32 bits.
const NAMES_MAX: usize = 1 << 31;

const NONE: u32 = u32::MAX;
/// The parent of a node that is free.
const FREE: u32 = u32::MAX - 1;
const ROOT: u32 = 0;
/// Never, as the second in which a directory was read.
const NEVER: u32 = 0;

/// One directory: 32 bytes, its name, and 5 to 11 bytes in the index.
#[derive(Debug)]
struct Node {
    /// What it looked like when it was told. `None`: it has to be listed, whatever it looks like.
    print: Option<Print>,
    parent: u32,
    first_child: u32,
    next: u32,
    name_at: u32,
    /// When its last complete listing began, in seconds of the boot clock.
    read: u32,
    name_len: u8,
}

/// Where a directory stands, as long as nothing is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    id: u32,
    version: u64,
}

/// What is remembered of one directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: u32,
    /// What it looked like; `None`: it is to be listed.
    pub(crate) print: Option<Print>,
    pub(crate) has_children: bool,
}

/// The directories that were told.
#[derive(Debug)]
pub(crate) struct Register {
    nodes: Vec<Node>,
    free: Vec<u32>,
    names: Vec<u8>,
    /// Bytes of names that nobody has any more.
    dead: usize,
    by_name: Index,
    /// How often something was forgotten: as long as this stays, so does what a number means.
    version: u64,
    /// Those of this turn and before are to be read again.
    turn: Option<(u32, u32)>,
    /// What passes so far were too short for: directories times nanoseconds.
    credit: u128,
    most: usize,
}

impl Default for Register {
    fn default() -> Self {
        Self::within(REMEMBERED_MAX)
    }
}

impl Register {
    pub(crate) fn within(most: usize) -> Self {
        Self {
            nodes: vec![Node::new(NONE, 0, 0)],
            free: Vec::new(),
            names: Vec::new(),
            dead: 0,
            by_name: Index::default(),
            version: 0,
            turn: None,
            credit: 0,
            most: most.max(1),
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        let version = self.version + 1;
        *self = Self { version, ..Self::within(self.most) };
    }

    /// How many directories are remembered, the root included.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// What it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.free.capacity() * size_of::<u32>()
            + self.names.capacity()
            + self.by_name.bytes()
    }

    /// Begins a pass: chooses those whose turn it is to be read again though they have not changed, so that all are
    /// within `within_ns` when a pass begins each `every_ns`.
    pub(crate) fn begin_turn(&mut self, now: BootTime, every_ns: i64, within_ns: i64) {
        let mut told: Vec<(u32, u32)> = self.told().collect();
        let late = seconds(now.plus(every_ns).minus(within_ns));
        let within = u128::from(within_ns.max(1).unsigned_abs());
        let credit = self.credit + told.len() as u128 * u128::from(every_ns.max(0).unsigned_abs());
        self.credit = credit % within;
        let share = usize::try_from(credit / within).unwrap_or(usize::MAX).min(told.len());
        let oldest = share.checked_sub(1).map(|at| *told.select_nth_unstable(at).1);
        self.turn = oldest.max(Some((late, u32::MAX)));
    }

    fn told(&self) -> impl Iterator<Item = (u32, u32)> {
        let told = (0..).zip(&self.nodes).filter(|(_, node)| node.read != NEVER);
        told.map(|(id, node)| (node.read, id))
    }

    /// When the reading began that is the oldest of all that count.
    pub(crate) fn oldest(&self) -> Option<BootTime> {
        self.told().map(|(read, _)| BootTime(i64::from(read) * SECOND)).min()
    }

    /// What is remembered of a directory; `above`: its parent.
    pub(crate) fn known(&self, path: &ViewPath, above: Option<Spot>) -> Option<Known> {
        self.find(path, above).map(|id| self.of(id))
    }

    fn of(&self, id: u32) -> Known {
        let node = &self.nodes[id as usize];
        let print = node.print.filter(|_| self.turn.is_none_or(|turn| (node.read, id) > turn));
        Known { id, print, has_children: node.first_child != NONE }
    }

    /// The directories in one.
    pub(crate) fn children(&self, id: u32) -> Vec<u32> {
        self.siblings(id).collect()
    }

    /// What is remembered of one of them, if it is still there, with its name.
    pub(crate) fn child(&self, parent: u32, id: u32) -> Option<(Known, &[u8])> {
        let node = self.nodes.get(id as usize).filter(|node| node.parent == parent)?;
        Some((self.of(id), self.name(node)))
    }

    /// The place of a directory, which is remembered from now on if there is room.
    pub(crate) fn enter(&mut self, path: &ViewPath, above: Option<Spot>) -> Option<Spot> {
        let known = match self.find(path, above) {
            Some(id) => Some(id),
            None => {
                let names = path.names();
                let start = above.filter(|above| above.version == self.version);
                match (start, path.split()) {
                    (Some(above), Some((_, name))) => self.add(above.id, name),
                    (_, _) => self.add_way(names),
                }
            }
        };
        known.map(|id| Spot { id, version: self.version })
    }

    fn add_way<'a>(&mut self, mut names: impl Iterator<Item = &'a [u8]>) -> Option<u32> {
        names.try_fold(ROOT, |at, name| self.child_named(at, name).or_else(|| self.add(at, name)))
    }

    /// A directory was listed completely: what it looked like, unless it is to be listed again whatever it looks like, and
    /// the directories in it.
    pub(crate) fn tell<'a>(
        &mut self,
        path: &ViewPath,
        spot: Option<Spot>,
        print: Option<Print>,
        read: BootTime,
        children: impl Iterator<Item = &'a [u8]>,
    ) {
        let own = spot.filter(|spot| spot.version == self.version).map(|spot| spot.id);
        let Some(id) = own.or_else(|| self.enter(path, None).map(|spot| spot.id)) else { return };
        let all = self.have(id, children);
        let node = &mut self.nodes[id as usize];
        // What lies in it and is not remembered would not be looked at.
        node.print = print.filter(|_| all);
        node.read = seconds(read).max(NEVER + 1);
    }

    /// Makes these the directories in one. False: there is no room for all.
    fn have<'a>(&mut self, id: u32, names: impl Iterator<Item = &'a [u8]>) -> bool {
        let mut all = true;
        if self.nodes[id as usize].first_child == NONE {
            for name in names {
                all &= self.add(id, name).is_some();
            }
            return all;
        }
        let names: FxHashSet<&[u8]> = names.collect();
        let gone = |child: &u32| !names.contains(self.name(&self.nodes[*child as usize]));
        let gone: FxHashSet<u32> = self.siblings(id).filter(gone).collect();
        if !gone.is_empty() {
            self.forget(id, &gone);
        }
        for name in names {
            all &= self.child_named(id, name).or_else(|| self.add(id, name)).is_some();
        }
        all
    }

    /// A directory is to be listed again, and counts as not read.
    pub(crate) fn void(&mut self, path: &ViewPath) {
        if let Some(id) = self.find(path, None) {
            self.nodes[id as usize].print = None;
            self.nodes[id as usize].read = NEVER;
        }
    }

    fn find(&self, path: &ViewPath, above: Option<Spot>) -> Option<u32> {
        let Some((_, name)) = path.split() else { return Some(ROOT) };
        match above.filter(|above| above.version == self.version) {
            Some(above) => self.child_named(above.id, name),
            None => path.names().try_fold(ROOT, |at, name| self.child_named(at, name)),
        }
    }

    fn child_named(&self, parent: u32, name: &[u8]) -> Option<u32> {
        let is_it = |n: u32| {
            let node = &self.nodes[n as usize];
            node.parent == parent && self.name(node) == name
        };
        self.by_name.find(hash(parent, name), is_it)
    }

    fn siblings(&self, parent: u32) -> impl Iterator<Item = u32> {
        let some = |n: u32| (n != NONE).then_some(n);
        let first = some(self.nodes[parent as usize].first_child);
        std::iter::successors(first, move |n| some(self.nodes[*n as usize].next))
    }

    fn name(&self, node: &Node) -> &[u8] {
        let at = node.name_at as usize;
        &self.names[at..at + usize::from(node.name_len)]
    }

    /// Adds a directory that the parent does not have.
    fn add(&mut self, parent: u32, name: &[u8]) -> Option<u32> {
        let len = u8::try_from(name.len()).ok()?;
        if self.len() >= self.most || self.names.len() + name.len() > NAMES_MAX {
            return None;
        }
        let at = u32::try_from(self.names.len()).ok()?;
        grow(&mut self.names, name.len());
        self.names.extend_from_slice(name);
        let node = Node::new(parent, at, len);
        let id = match self.free.pop() {
            Some(id) => {
                self.nodes[id as usize] = node;
                id
            }
            None => {
                grow(&mut self.nodes, 1);
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).ok()?
            }
        };
        let next = std::mem::replace(&mut self.nodes[parent as usize].first_child, id);
        self.nodes[id as usize].next = next;
        let (nodes, names) = (&self.nodes, &self.names);
        self.by_name.insert(hash(parent, name), id, |n| hash_of(&nodes[n as usize], names));
        Some(id)
    }

    /// Forgets directories in one, with all below them.
    fn forget(&mut self, parent: u32, gone: &FxHashSet<u32>) {
        self.version += 1;
        let kept: Vec<u32> = self.siblings(parent).filter(|id| !gone.contains(id)).collect();
        let mut open: Vec<u32> = gone.iter().copied().collect();
        while let Some(id) = open.pop() {
            open.extend(self.siblings(id));
            let (nodes, names) = (&self.nodes, &self.names);
            let own = hash_of(&nodes[id as usize], names);
            self.by_name.remove(own, id, |n| hash_of(&nodes[n as usize], names));
            self.dead += usize::from(self.nodes[id as usize].name_len);
            self.nodes[id as usize] = Node::new(FREE, 0, 0);
            self.free.push(id);
        }
        let mut next = NONE;
        for id in kept.into_iter().rev() {
            self.nodes[id as usize].next = next;
            next = id;
        }
        self.nodes[parent as usize].first_child = next;
        if self.dead > self.names.len() / 2 {
            self.gather_names();
        }
    }

    /// Puts the names that somebody has together.
    fn gather_names(&mut self) {
        let mut names = Vec::with_capacity(self.names.len() - self.dead);
        for node in self.nodes.iter_mut().filter(|node| node.parent != FREE) {
            let at = node.name_at as usize;
            // No more than there were.
            node.name_at = names.len() as u32;
            names.extend_from_slice(&self.names[at..at + usize::from(node.name_len)]);
        }
        (self.names, self.dead) = (names, 0);
    }
}

impl Node {
    const fn new(parent: u32, name_at: u32, name_len: u8) -> Self {
        let (first_child, next) = (NONE, NONE);
        Self { print: None, parent, first_child, next, name_at, read: NEVER, name_len }
    }
}

/// Makes room by an eighth, not by doubling: most of what is remembered is remembered by the first scan.
fn grow<T>(vec: &mut Vec<T>, more: usize) {
    if vec.capacity() - vec.len() < more {
        vec.reserve_exact(more.max(vec.len() / 8).max(64));
    }
}

fn hash_of(node: &Node, names: &[u8]) -> u64 {
    let at = node.name_at as usize;
    hash(node.parent, &names[at..at + usize::from(node.name_len)])
}

fn hash(parent: u32, name: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    parent.hash(&mut hasher);
    name.hash(&mut hasher);
    hasher.finish()
}

/// Whole seconds of the boot clock, never later than the moment itself.
fn seconds(at: BootTime) -> u32 {
    u32::try_from(at.0.div_euclid(SECOND).clamp(0, i64::from(u32::MAX))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
