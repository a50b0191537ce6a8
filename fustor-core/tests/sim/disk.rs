//! The shared file system: inodes, names, and what the kernel of the host that acts would report.
//!
//! It is the only oracle: nothing here knows of agents or views.

use std::collections::{BTreeMap, BTreeSet};

use fustor_core::{Facts, Kind, Owner, StorageTime, ViewPath};

pub(crate) type Name = Box<[u8]>;

pub(crate) const ROOT: u64 = 1;

/// One system call of a writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Open { fd: u32, path: ViewPath, create: bool, truncate: bool },
    Write { fd: u32, bytes: u64 },
    Close { fd: u32 },
    Mkdir(ViewPath),
    Rmdir(ViewPath),
    Unlink(ViewPath),
    Rename(ViewPath, ViewPath),
    Link(ViewPath, ViewPath),
    Symlink(ViewPath),
    Chmod(ViewPath, u32),
    Utimes(ViewPath, StorageTime),
    Truncate(ViewPath, u64),
}

/// What inotify says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Create,
    Modify,
    Attrib,
    CloseWrite,
    Delete,
    MovedFrom,
    MovedTo,
    DeleteSelf,
    MoveSelf,
    Ignored,
    Overflow,
}

/// A report to whoever watches this directory on the host that acted.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) inode: u64,
    pub(crate) name: Option<Name>,
    pub(crate) what: What,
    pub(crate) is_dir: bool,
    pub(crate) cookie: u32,
}

/// A path that a call concerned.
#[derive(Clone, Debug)]
pub(crate) struct Touch {
    pub(crate) path: ViewPath,
    /// Whether all that is below it came or went with it.
    pub(crate) whole: bool,
    /// Another name of an inode: no kernel reports it there.
    pub(crate) aside: bool,
    /// The directory whose watch tells.
    pub(crate) dir: u64,
    /// The name in it; empty: the directory itself.
    pub(crate) name: Name,
}

/// What a call did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effect {
    pub(crate) reports: Vec<Report>,
    pub(crate) touches: Vec<Touch>,
    /// Inodes whose attributes or entries are other ones now.
    pub(crate) changed: Vec<u64>,
    /// A directory that was made or moved, and where to.
    pub(crate) came: Option<(u64, u64)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) facts: Facts,
    pub(crate) children: BTreeMap<Name, u64>,
    /// Where it has names.
    pub(crate) names: BTreeSet<(u64, Name)>,
}

#[derive(Clone, Debug)]
struct Open {
    inode: u64,
    dir: u64,
    name: Name,
}

#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// Also those without a name: somebody may have them open.
    pub(crate) nodes: BTreeMap<u64, Node>,
    open: BTreeMap<u32, Open>,
    next: u64,
    cookie: u32,
}

impl Disk {
    pub(crate) fn new(now: StorageTime) -> Self {
        let mut disk =
            Self { nodes: BTreeMap::new(), open: BTreeMap::new(), next: ROOT, cookie: 0 };
        disk.node(now, Kind::Dir);
        disk
    }

    fn node(&mut self, now: StorageTime, kind: Kind) -> u64 {
        let inode = self.next;
        self.next += 1;
        let size = if kind.is_dir() { 4096 } else { 0 };
        let nlink = if kind.is_dir() { 2 } else { 1 };
        let owner = Owner { mode: 0o755, uid: 0, gid: 0 };
        let facts = Facts { kind, size, mtime: now, ctime: now, inode, nlink, owner };
        let node = Node { facts, children: BTreeMap::new(), names: BTreeSet::new() };
        self.nodes.insert(inode, node);
        inode
    }

    pub(crate) fn get(&self, inode: u64) -> &Node {
        &self.nodes[&inode]
    }

    fn facts_mut(&mut self, inode: u64) -> &mut Facts {
        &mut self.nodes.get_mut(&inode).expect("inodes stay").facts
    }

    pub(crate) fn is_dir(&self, inode: u64) -> bool {
        self.get(inode).facts.kind.is_dir()
    }

    pub(crate) fn resolve(&self, path: &ViewPath) -> Option<u64> {
        path.names().try_fold(ROOT, |at, name| self.get(at).children.get(name).copied())
    }

    fn parent_of(&self, path: &ViewPath) -> Option<(u64, Name)> {
        let (parent, name) = path.split()?;
        let parent = self.resolve(&parent).filter(|dir| self.is_dir(*dir))?;
        Some((parent, name.into()))
    }

    /// The path of a directory; `None`: it has no name any more.
    pub(crate) fn path_of(&self, inode: u64) -> Option<ViewPath> {
        let (mut names, mut at) = (Vec::new(), inode);
        while at != ROOT {
            let (dir, name) = self.get(at).names.first()?;
            names.push(name.clone());
            at = *dir;
        }
        Some(names.iter().rev().fold(ViewPath::root(), |path, name| path.join(name)))
    }

    /// Everything there is, by path.
    pub(crate) fn entries(&self) -> BTreeMap<ViewPath, Facts> {
        let mut all = BTreeMap::new();
        let mut open = vec![(ViewPath::root(), ROOT)];
        while let Some((path, inode)) = open.pop() {
            let node = self.get(inode);
            open.extend(node.children.iter().map(|(name, child)| (path.join(name), *child)));
            all.insert(path, node.facts);
        }
        all
    }

    /// The places that a path leads through, as far as they are there, and the directory that it leads to.
    pub(crate) fn places(&self, path: &ViewPath) -> Vec<(u64, Name)> {
        let (mut places, mut at) = (Vec::new(), ROOT);
        for name in path.names() {
            places.push((at, name.into()));
            match self.get(at).children.get(name) {
                Some(inode) => at = *inode,
                None => return places,
            }
        }
        places.push((at, Name::default()));
        places
    }

    /// A directory and all directories below it.
    pub(crate) fn dirs_below(&self, top: u64) -> Vec<u64> {
        let mut all = vec![top];
        let mut next = 0;
        while let Some(dir) = all.get(next).copied() {
            next += 1;
            all.extend(self.get(dir).children.values().filter(|child| self.is_dir(**child)));
        }
        all
    }

    /// Does it; `None`: the system would have refused.
    pub(crate) fn apply(&mut self, now: StorageTime, call: &Call) -> Option<Effect> {
        let mut effect = Effect::default();
        let done = match call {
            Call::Open { fd, path, create, truncate } => {
                self.open(now, *fd, path, *create, *truncate, &mut effect)
            }
            Call::Write { fd, bytes } => self.write(now, *fd, *bytes, &mut effect),
            Call::Close { fd } => self.close(*fd, &mut effect),
            Call::Mkdir(path) => self.make(now, path, Kind::Dir, &mut effect).map(drop),
            Call::Symlink(path) => self.make(now, path, Kind::Symlink, &mut effect).map(drop),
            Call::Rmdir(path) => self.rmdir(now, path, &mut effect),
            Call::Unlink(path) => self.unlink(now, path, &mut effect),
            Call::Rename(old, new) => self.rename(now, old, new, &mut effect),
            Call::Link(old, new) => self.link(now, old, new, &mut effect),
            Call::Chmod(path, mode) => {
                self.attributes(now, path, |f| f.owner.mode = *mode, &mut effect)
            }
            Call::Utimes(path, mtime) => {
                self.attributes(now, path, |f| f.mtime = *mtime, &mut effect)
            }
            Call::Truncate(path, size) => self.truncate(now, path, *size, &mut effect),
        };
        done.map(|()| effect)
    }

    fn make(
        &mut self,
        now: StorageTime,
        path: &ViewPath,
        kind: Kind,
        effect: &mut Effect,
    ) -> Option<u64> {
        let (dir, name) = self.parent_of(path)?;
        if self.get(dir).children.contains_key(&name) || path.depth() > 9 {
            return None;
        }
        let inode = self.node(now, kind);
        self.enter(now, dir, &name, inode, effect);
        self.report(dir, &name, What::Create, inode, 0, effect);
        self.touch(inode, (dir, &name), false, effect);
        effect.came = kind.is_dir().then_some((dir, inode));
        Some(inode)
    }

    fn enter(&mut self, now: StorageTime, dir: u64, name: &Name, inode: u64, effect: &mut Effect) {
        self.nodes.get_mut(&dir).expect("inodes stay").children.insert(name.clone(), inode);
        self.nodes.get_mut(&inode).expect("inodes stay").names.insert((dir, name.clone()));
        self.turn(now, dir, i32::from(self.is_dir(inode)), effect);
    }

    fn leave(&mut self, now: StorageTime, dir: u64, name: &Name, effect: &mut Effect) -> u64 {
        let node = self.nodes.get_mut(&dir).expect("inodes stay");
        let inode = node.children.remove(name).expect("it was resolved");
        self.nodes.get_mut(&inode).expect("inodes stay").names.remove(&(dir, name.clone()));
        self.turn(now, dir, -i32::from(self.is_dir(inode)), effect);
        inode
    }

    /// The entries of a directory have changed.
    fn turn(&mut self, now: StorageTime, dir: u64, dirs: i32, effect: &mut Effect) {
        let facts = self.facts_mut(dir);
        (facts.mtime, facts.ctime) = (now, now);
        facts.nlink = facts.nlink.saturating_add_signed(dirs);
        effect.changed.push(dir);
        self.touch_dir(dir, effect);
    }

    fn touch_dir(&self, dir: u64, effect: &mut Effect) {
        if let Some(path) = self.path_of(dir) {
            let name = Name::default();
            effect.touches.push(Touch { path, whole: false, aside: false, dir, name });
        }
    }

    /// Under its name, and under all others that the inode has.
    fn touch(&self, inode: u64, (dir, name): (u64, &Name), whole: bool, effect: &mut Effect) {
        effect.changed.push(inode);
        if let Some(path) = self.path_of(dir) {
            let (path, name) = (path.join(name), name.clone());
            effect.touches.push(Touch { path, whole, aside: false, dir, name });
        }
        for (other, alias) in &self.get(inode).names {
            if (*other, alias) != (dir, name)
                && let Some(path) = self.path_of(*other)
            {
                let (path, name) = (path.join(alias), alias.clone());
                effect.touches.push(Touch { path, whole, aside: true, dir: *other, name });
            }
        }
    }

    fn report(
        &self,
        dir: u64,
        name: &Name,
        what: What,
        inode: u64,
        cookie: u32,
        effect: &mut Effect,
    ) {
        let (name, is_dir) = (Some(name.clone()), self.is_dir(inode));
        effect.reports.push(Report { inode: dir, name, what, is_dir, cookie });
    }

    fn report_own(&self, inode: u64, what: What, effect: &mut Effect) {
        if self.is_dir(inode) {
            effect.reports.push(Report { inode, name: None, what, is_dir: true, cookie: 0 });
        }
    }

    fn open(
        &mut self,
        now: StorageTime,
        fd: u32,
        path: &ViewPath,
        create: bool,
        truncate: bool,
        effect: &mut Effect,
    ) -> Option<()> {
        let (dir, name) = self.parent_of(path)?;
        let inode = match self.get(dir).children.get(&name).copied() {
            Some(inode) if self.get(inode).facts.kind != Kind::File => return None,
            Some(inode) => inode,
            None if create => self.make(now, path, Kind::File, effect)?,
            None => return None,
        };
        if truncate && self.get(inode).facts.size > 0 {
            let facts = self.facts_mut(inode);
            (facts.size, facts.mtime, facts.ctime) = (0, now, now);
            self.report(dir, &name, What::Modify, inode, 0, effect);
            self.touch(inode, (dir, &name), false, effect);
        }
        self.open.insert(fd, Open { inode, dir, name });
        Some(())
    }

    fn write(&mut self, now: StorageTime, fd: u32, bytes: u64, effect: &mut Effect) -> Option<()> {
        let Open { inode, dir, name } = self.open.get(&fd)?.clone();
        let facts = self.facts_mut(inode);
        facts.size += bytes;
        (facts.mtime, facts.ctime) = (now, now);
        if self.through(&name, dir, inode, What::Modify, effect) {
            self.touch(inode, (dir, &name), false, effect);
        } else if let Some((dir, name)) = self.get(inode).names.first().cloned() {
            let from = effect.touches.len();
            self.touch(inode, (dir, &name), false, effect);
            effect.touches[from..].iter_mut().for_each(|touch| touch.aside = true);
        }
        Some(())
    }

    /// What happens through an open file is reported where it is, unless it was removed.
    fn through(&self, name: &Name, dir: u64, inode: u64, what: What, effect: &mut Effect) -> bool {
        let there = self.get(dir).children.get(name) == Some(&inode);
        if there {
            self.report(dir, name, what, inode, 0, effect);
        }
        there
    }

    fn close(&mut self, fd: u32, effect: &mut Effect) -> Option<()> {
        let Open { inode, dir, name } = self.open.remove(&fd)?;
        self.through(&name, dir, inode, What::CloseWrite, effect);
        Some(())
    }

    fn unlink(&mut self, now: StorageTime, path: &ViewPath, effect: &mut Effect) -> Option<()> {
        let (dir, name) = self.parent_of(path)?;
        let inode = *self.get(dir).children.get(&name)?;
        if self.is_dir(inode) {
            return None;
        }
        self.leave(now, dir, &name, effect);
        let facts = self.facts_mut(inode);
        facts.ctime = now;
        facts.nlink -= 1;
        self.report(dir, &name, What::Delete, inode, 0, effect);
        self.touch(inode, (dir, &name), false, effect);
        Some(())
    }

    fn rmdir(&mut self, now: StorageTime, path: &ViewPath, effect: &mut Effect) -> Option<()> {
        let (dir, name) = self.parent_of(path)?;
        let inode = *self.get(dir).children.get(&name)?;
        if !self.is_dir(inode) || !self.get(inode).children.is_empty() {
            return None;
        }
        self.leave(now, dir, &name, effect);
        self.report(dir, &name, What::Delete, inode, 0, effect);
        self.bury(now, inode, effect);
        self.touch(inode, (dir, &name), true, effect);
        Some(())
    }

    /// A directory has lost its name for good.
    fn bury(&mut self, now: StorageTime, inode: u64, effect: &mut Effect) {
        let facts = self.facts_mut(inode);
        (facts.ctime, facts.nlink) = (now, 0);
        effect.changed.push(inode);
        self.report_own(inode, What::DeleteSelf, effect);
        self.report_own(inode, What::Ignored, effect);
    }

    fn is_below(&self, inode: u64, top: u64) -> bool {
        let mut at = inode;
        while at != ROOT {
            if at == top {
                return true;
            }
            let Some((dir, _)) = self.get(at).names.first() else { return false };
            at = *dir;
        }
        at == top
    }

    fn rename(
        &mut self,
        now: StorageTime,
        old: &ViewPath,
        new: &ViewPath,
        effect: &mut Effect,
    ) -> Option<()> {
        let ((from, name), (to, new_name)) = (self.parent_of(old)?, self.parent_of(new)?);
        let inode = *self.get(from).children.get(&name)?;
        let target = self.get(to).children.get(&new_name).copied();
        let is_dir = self.is_dir(inode);
        if target == Some(inode) || is_dir && (self.is_below(to, inode) || new.depth() > 7) {
            return None;
        }
        if let Some(target) = target
            && (self.is_dir(target) != is_dir || !self.get(target).children.is_empty())
        {
            return None;
        }
        // All that the old place loses.
        self.touch(inode, (from, &name), is_dir, effect);
        if let Some(target) = target {
            self.leave(now, to, &new_name, effect);
            if is_dir {
                self.bury(now, target, effect);
            } else {
                let facts = self.facts_mut(target);
                facts.ctime = now;
                facts.nlink -= 1;
            }
            self.touch(target, (to, &new_name), is_dir, effect);
        }
        self.leave(now, from, &name, effect);
        self.enter(now, to, &new_name, inode, effect);
        self.facts_mut(inode).ctime = now;
        for open in self.open.values_mut().filter(|open| open.inode == inode) {
            if (open.dir, &open.name) == (from, &name) {
                (open.dir, open.name) = (to, new_name.clone());
            }
        }
        self.cookie += 1;
        let cookie = self.cookie;
        self.report(from, &name, What::MovedFrom, inode, cookie, effect);
        self.report(to, &new_name, What::MovedTo, inode, cookie, effect);
        self.report_own(inode, What::MoveSelf, effect);
        effect.came = is_dir.then_some((to, inode));
        self.touch(inode, (to, &new_name), is_dir, effect);
        Some(())
    }

    fn link(
        &mut self,
        now: StorageTime,
        old: &ViewPath,
        new: &ViewPath,
        effect: &mut Effect,
    ) -> Option<()> {
        let inode = self.resolve(old).filter(|inode| !self.is_dir(*inode))?;
        let (dir, name) = self.parent_of(new)?;
        if self.get(dir).children.contains_key(&name) {
            return None;
        }
        self.enter(now, dir, &name, inode, effect);
        let facts = self.facts_mut(inode);
        facts.ctime = now;
        facts.nlink += 1;
        self.report(dir, &name, What::Create, inode, 0, effect);
        self.touch(inode, (dir, &name), false, effect);
        Some(())
    }

    fn attributes(
        &mut self,
        now: StorageTime,
        path: &ViewPath,
        change: impl FnOnce(&mut Facts),
        effect: &mut Effect,
    ) -> Option<()> {
        let inode = self.resolve(path)?;
        let facts = self.facts_mut(inode);
        change(facts);
        facts.ctime = now;
        self.report_own(inode, What::Attrib, effect);
        match self.parent_of(path) {
            Some((dir, name)) => {
                self.report(dir, &name, What::Attrib, inode, 0, effect);
                self.touch(inode, (dir, &name), false, effect);
            }
            None => {
                effect.changed.push(inode);
                self.touch_dir(inode, effect);
            }
        }
        Some(())
    }

    fn truncate(
        &mut self,
        now: StorageTime,
        path: &ViewPath,
        size: u64,
        effect: &mut Effect,
    ) -> Option<()> {
        let (dir, name) = self.parent_of(path)?;
        let inode = *self.get(dir).children.get(&name)?;
        if self.get(inode).facts.kind != Kind::File {
            return None;
        }
        let facts = self.facts_mut(inode);
        (facts.size, facts.mtime, facts.ctime) = (size, now, now);
        self.report(dir, &name, What::Modify, inode, 0, effect);
        self.touch(inode, (dir, &name), false, effect);
        Some(())
    }
}
