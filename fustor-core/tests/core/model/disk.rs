//! A disk in memory with inodes, and an agent that tells the truth about it.

use std::collections::{BTreeMap, BTreeSet};

use fustor_core::{
    Batch, BootTime, Directive, Event, Facts, GapReason, Kind, Listing, Owner, StorageTime, Tier,
    ViewPath,
};

use super::generate::Dice;
use crate::script::{BASE, Reader, blocks};

/// One millisecond of history between two events.
const STEP: i64 = 1_000_000;

#[derive(Clone)]
struct Node {
    facts: Facts,
    children: BTreeMap<Vec<u8>, u64>,
}

/// What is on the disk, and the clock of the agent that watches it.
#[derive(Clone)]
pub(crate) struct Disk {
    nodes: BTreeMap<u64, Node>,
    next_inode: u64,
    pub(crate) clock: i64,
    seq: u32,
}

const ROOT: u64 = 1;
const NAMES: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];

impl Disk {
    pub(crate) fn new() -> Self {
        let mut disk = Self { nodes: BTreeMap::new(), next_inode: ROOT, clock: BASE, seq: 0 };
        disk.node(Kind::Dir);
        disk
    }

    fn node(&mut self, kind: Kind) -> u64 {
        let inode = self.next_inode;
        self.next_inode += 1;
        let time = StorageTime(self.clock - 100_000_000_000_000);
        let owner = Owner { mode: 0o755, uid: 0, gid: 0 };
        let facts = Facts { kind, size: 0, mtime: time, ctime: time, inode, nlink: 1, owner };
        self.nodes.insert(inode, Node { facts, children: BTreeMap::new() });
        inode
    }

    fn tick(&mut self) -> BootTime {
        self.clock += STEP;
        BootTime(self.clock)
    }

    fn resolve(&self, path: &ViewPath) -> Option<u64> {
        path.names().try_fold(ROOT, |at, name| self.nodes[&at].children.get(name).copied())
    }

    fn is_dir(&self, path: &ViewPath) -> bool {
        self.resolve(path).is_some_and(|inode| self.nodes[&inode].facts.kind.is_dir())
    }

    /// Everything there is, by path.
    pub(crate) fn entries(&self) -> BTreeMap<ViewPath, Facts> {
        let mut all = BTreeMap::new();
        let mut open = vec![(ViewPath::root(), ROOT)];
        while let Some((path, inode)) = open.pop() {
            let node = &self.nodes[&inode];
            open.extend(node.children.iter().map(|(name, child)| (path.join(name), *child)));
            all.insert(path, node.facts);
        }
        all
    }

    fn dirs(&self) -> Vec<ViewPath> {
        let dirs = self.entries().into_iter().filter(|(_, facts)| facts.kind.is_dir());
        dirs.map(|(path, _)| path).collect()
    }

    /// Something happens, and the kernel reports it.
    pub(crate) fn happen(&mut self, dice: &mut Dice) -> Vec<Event> {
        let all: Vec<_> = self.entries().into_keys().collect();
        let dirs = self.dirs();
        let any = all[dice.below(all.len())].clone();
        // Few names, so that what was deleted or moved is soon there again.
        let names = if dice.chance(70) { 2 } else { NAMES.len() };
        let name = NAMES[dice.below(names)];
        let place = dirs[dice.below(dirs.len())].join(name);
        match dice.below(10) {
            0..3 => self.create(&place, Kind::File),
            3..5 => self.create(&place, Kind::Dir),
            5 => self.write(&any),
            6 => self.remove(&any),
            7..10 => self.rename(&any, &place),
            _ => Vec::new(),
        }
    }

    fn create(&mut self, path: &ViewPath, kind: Kind) -> Vec<Event> {
        let Some((parent, name)) = path.split() else { return Vec::new() };
        if self.resolve(path).is_some() || path.depth() > 5 {
            return Vec::new();
        }
        let parent = self.resolve(&parent).expect("the parent was picked among what exists");
        let inode = self.node(kind);
        self.nodes.get_mut(&parent).expect("resolved").children.insert(name.to_vec(), inode);
        let mut events = vec![self.seen(path, Tier::Atomic)];
        if kind.is_dir() {
            events.extend(self.listing(path));
        }
        events
    }

    fn write(&mut self, path: &ViewPath) -> Vec<Event> {
        let Some(inode) = self.resolve(path).filter(|_| !self.is_dir(path)) else {
            return Vec::new();
        };
        let mut events = Vec::new();
        for tier in [Tier::Partial, Tier::Atomic] {
            let facts = &mut self.nodes.get_mut(&inode).expect("resolved").facts;
            facts.size += 3;
            facts.mtime.0 += STEP;
            facts.ctime.0 += STEP;
            events.push(self.seen(path, tier));
        }
        events
    }

    fn remove(&mut self, path: &ViewPath) -> Vec<Event> {
        let Some((parent, name)) = path.split() else { return Vec::new() };
        let below: Vec<_> = self.entries().into_keys().filter(|p| path.contains(p)).collect();
        let parent = self.resolve(&parent).expect("the entry exists");
        self.nodes.get_mut(&parent).expect("resolved").children.remove(name);
        let gone = |path: ViewPath| Event::Delete { path, stamp: self.tick() };
        below.into_iter().rev().map(gone).collect()
    }

    fn rename(&mut self, old: &ViewPath, new: &ViewPath) -> Vec<Event> {
        let (Some((from, name)), Some((to, new_name))) = (old.split(), new.split()) else {
            return Vec::new();
        };
        if old.contains(new) || new.contains(old) || !self.may_overwrite(old, new) {
            return Vec::new();
        }
        let from = self.resolve(&from).expect("old exists");
        let to = self.resolve(&to).expect("the new parent exists");
        let inode = self.nodes.get_mut(&from).expect("resolved").children.remove(name);
        let inode = inode.expect("old exists");
        self.nodes.get_mut(&to).expect("resolved").children.insert(new_name.to_vec(), inode);
        self.nodes.get_mut(&inode).expect("linked").facts.ctime.0 += STEP;
        let stamp = self.tick();
        let facts = self.nodes[&inode].facts;
        vec![Event::Rename { old: old.clone(), new: new.clone(), stamp, facts }]
    }

    /// As rename(2): a directory may replace an empty directory, a file a file.
    fn may_overwrite(&self, old: &ViewPath, new: &ViewPath) -> bool {
        let Some(target) = self.resolve(new) else { return true };
        self.is_dir(old) == self.is_dir(new) && self.nodes[&target].children.is_empty()
    }

    fn seen(&mut self, path: &ViewPath, tier: Tier) -> Event {
        let stamp = self.tick();
        let inode = self.resolve(path).expect("what is looked at exists");
        Event::Upsert { path: path.clone(), stamp, tier, facts: self.nodes[&inode].facts }
    }

    fn listing(&mut self, dir: &ViewPath) -> Option<Event> {
        let inode = self.resolve(dir).filter(|_| self.is_dir(dir))?;
        let stamp = self.tick();
        let node = &self.nodes[&inode];
        let row = |(name, child): (&Vec<u8>, &u64)| (name.clone(), self.nodes[child].facts);
        let rows: Vec<_> = node.children.iter().map(row).collect();
        let blocks = blocks(dir, &rows);
        let facts = node.facts;
        Some(Event::Listing(Listing { dir: dir.clone(), stamp, complete: true, facts, blocks }))
    }

    /// A complete listing of some directory.
    pub(crate) fn some_listing(&mut self, dice: &mut Dice) -> Option<Event> {
        let dirs = self.dirs();
        self.listing(&dirs[dice.below(dirs.len())])
    }

    /// Complete listings of everything, parents first.
    pub(crate) fn all_listings(&mut self) -> Vec<Event> {
        self.dirs().iter().filter_map(|dir| self.listing(dir)).collect()
    }

    /// What the agent answers to a directive.
    pub(crate) fn serve(&mut self, directive: &Directive) -> Vec<Event> {
        match directive {
            Directive::List { path, recursive, .. } => self.list(path, *recursive),
            Directive::Recheck { path, .. } if self.resolve(path).is_some() => {
                vec![self.seen(path, Tier::Scan)]
            }
            Directive::Recheck { path, .. } => self.list(path, false),
        }
    }

    /// Lists the directory, or the nearest one above that exists.
    fn list(&mut self, path: &ViewPath, recursive: bool) -> Vec<Event> {
        let mut at = path.clone();
        while !self.is_dir(&at) {
            at = at.split().expect("the root is a directory").0;
        }
        let below: Vec<_> = self.dirs().into_iter().filter(|dir| at.contains(dir)).collect();
        let wanted = if recursive && at == *path { below } else { vec![at] };
        wanted.iter().filter_map(|dir| self.listing(dir)).collect()
    }

    /// The gaps that an agent declares when it has lost these events.
    pub(crate) fn lost(&mut self, events: &[Event], dice: &mut Dice) -> Vec<Event> {
        let mut scopes = BTreeSet::new();
        for event in events {
            match event {
                Event::Upsert { path, .. } | Event::Delete { path, .. } => {
                    scopes.extend(path.split().map(|(parent, _)| parent));
                }
                Event::Rename { old, new, .. } => {
                    scopes.extend([old, new].iter().filter_map(|p| Some(p.split()?.0)));
                }
                Event::Listing(_)
                | Event::Gap { .. }
                | Event::Uncovered { .. }
                | Event::Covered { .. }
                | Event::Cycle { .. }
                | Event::RootLost { .. }
                | Event::Remark(_) => {}
            }
        }
        let reason = GapReason::KernelOverflow;
        // An agent that does not know exactly what it lost declares more, so that later renames leave the scope.
        let widened = scopes.iter().map(|scope| match scope.split() {
            Some((above, _)) if !above.is_root() && dice.chance(70) => above,
            Some(_) | None => scope.clone(),
        });
        let scopes: BTreeSet<ViewPath> = widened.collect();
        scopes.into_iter().map(|scope| Event::Gap { scope, stamp: self.tick(), reason }).collect()
    }

    /// Seals events into the agent's next batch.
    pub(crate) fn seal(&mut self, events: Vec<Event>) -> Batch {
        self.seq += 1;
        let mut reader = Reader::new();
        reader.line(&format!("from seq={}", self.seq)).expect("an envelope");
        reader.line("batch").expect("a word");
        match reader.line("end") {
            Ok(Some((_, fustor_core::Command::Batch(batch)))) => Batch { events, ..batch },
            other => panic!("{other:?}"),
        }
    }
}
