//! One inotify instance: watches of inodes, and a queue that overflows.

use std::collections::{BTreeMap, VecDeque};

use crate::disk::{Name, Report, What};

/// A report in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub(crate) watch: i32,
    pub(crate) name: Option<Name>,
    pub(crate) what: What,
    pub(crate) is_dir: bool,
    pub(crate) cookie: u32,
}

#[derive(Debug)]
pub(crate) struct Kernel {
    watches: BTreeMap<u64, i32>,
    inodes: BTreeMap<i32, u64>,
    next: i32,
    queue: VecDeque<Queued>,
    capacity: usize,
}

impl Kernel {
    pub(crate) fn new(capacity: usize) -> Self {
        let (watches, inodes) = (BTreeMap::new(), BTreeMap::new());
        Self { watches, inodes, next: 1, queue: VecDeque::new(), capacity }
    }

    /// The watch of an inode: one each.
    pub(crate) fn add(&mut self, inode: u64) -> i32 {
        if let Some(watch) = self.watches.get(&inode) {
            return *watch;
        }
        let watch = self.next;
        self.next += 1;
        self.watches.insert(inode, watch);
        self.inodes.insert(watch, inode);
        watch
    }

    pub(crate) fn remove(&mut self, watch: i32) {
        if let Some(inode) = self.inodes.remove(&watch) {
            self.watches.remove(&inode);
            let what = What::Ignored;
            self.push(Queued { watch, name: None, what, is_dir: false, cookie: 0 });
        }
    }

    pub(crate) fn watch_of(&self, inode: u64) -> Option<i32> {
        self.watches.get(&inode).copied()
    }

    /// Something happened on this machine.
    pub(crate) fn hear(&mut self, report: &Report) {
        let Some(watch) = self.watches.get(&report.inode).copied() else { return };
        let Report { name, what, is_dir, cookie, .. } = report.clone();
        self.push(Queued { watch, name, what, is_dir, cookie });
        if what == What::Ignored {
            self.watches.remove(&report.inode);
            self.inodes.remove(&watch);
        }
    }

    fn push(&mut self, queued: Queued) {
        let last = self.queue.back().map(|last| last.what);
        if self.queue.len() < self.capacity {
            self.queue.push_back(queued);
        } else if last != Some(What::Overflow) {
            let (watch, what) = (-1, What::Overflow);
            self.queue.push_back(Queued { watch, name: None, what, is_dir: false, cookie: 0 });
        }
    }

    /// Loses all that waits.
    pub(crate) fn overflow(&mut self) {
        self.queue.clear();
        let (watch, what) = (-1, What::Overflow);
        self.queue.push_back(Queued { watch, name: None, what, is_dir: false, cookie: 0 });
    }

    pub(crate) fn read(&mut self, most: usize) -> Vec<Queued> {
        let most = most.min(self.queue.len());
        self.queue.drain(..most).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
