//! A machine: its clock, and what it remembers of the storage when its mount answers from a cache.

use std::collections::BTreeMap;

use fustor_core::{BootTime, Facts, ViewPath};

use crate::dice::Dice;
use crate::disk::{Disk, Name, ROOT};
use crate::plan::{HostPlan, Ns};

/// Whether a cache may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    Ordinary,
    Forced,
}

pub(crate) struct Host {
    plan: HostPlan,
    window_ns: Ns,
    dice: Dice,
    facts: BTreeMap<u64, (Facts, Ns)>,
    entries: BTreeMap<u64, (BTreeMap<Name, u64>, Ns)>,
}

impl Host {
    pub(crate) fn new(plan: &HostPlan, window_ns: Ns, dice: Dice) -> Self {
        let (facts, entries) = (BTreeMap::new(), BTreeMap::new());
        Self { plan: plan.clone(), window_ns, dice, facts, entries }
    }

    /// Its clock at a true time.
    pub(crate) fn boot(&self, now: Ns) -> BootTime {
        BootTime(self.plan.boot_ns + now + now / 1_000_000 * self.plan.drift_ppm)
    }

    /// The true time at which its clock shows this, or a moment later.
    pub(crate) fn true_time(&self, at: BootTime) -> Ns {
        let since = at.0.saturating_sub(self.plan.boot_ns);
        since - since / 1_000_000 * self.plan.drift_ppm + 1 + since / 1_000_000_000
    }

    pub(crate) fn step_ns(&mut self) -> Ns {
        let least = self.plan.step_ns;
        least + self.dice.below(3 * least)
    }

    /// What its own programs have changed, it knows.
    pub(crate) fn forget(&mut self, inodes: &[u64]) {
        for inode in inodes {
            self.facts.remove(inode);
            self.entries.remove(inode);
        }
    }

    /// Until when something that was fetched now may be told.
    fn keep_until(&mut self, now: Ns) -> Ns {
        now + self.dice.below(self.window_ns)
    }
}

/// What a program on a machine can see.
pub(crate) struct Eyes<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) host: &'a mut Host,
    pub(crate) now: Ns,
}

impl Eyes<'_> {
    pub(crate) fn boot(&self) -> BootTime {
        self.host.boot(self.now)
    }

    /// `fstat`.
    pub(crate) fn facts(&mut self, inode: u64, fresh: Freshness) -> Facts {
        let exact = self.disk.get(inode).facts;
        if self.host.window_ns == 0 {
            return exact;
        }
        if let Some((facts, until)) = self.host.facts.get(&inode)
            && fresh == Freshness::Ordinary
            && self.now < *until
        {
            return *facts;
        }
        let until = self.host.keep_until(self.now);
        let before = self.host.facts.insert(inode, (exact, until));
        // A directory that is seen to have changed is read anew.
        if before.is_none_or(|(before, _)| before.mtime != exact.mtime) {
            self.host.entries.remove(&inode);
        }
        exact
    }

    fn entries(&mut self, dir: u64, fresh: Freshness) -> &BTreeMap<Name, u64> {
        if self.host.window_ns == 0 {
            return &self.disk.get(dir).children;
        }
        let known = self.host.entries.get(&dir).is_some_and(|(_, until)| self.now < *until);
        if !known || fresh == Freshness::Forced {
            let until = self.host.keep_until(self.now);
            self.host.entries.insert(dir, (self.disk.get(dir).children.clone(), until));
        }
        &self.host.entries[&dir].0
    }

    /// `lstat` of a name: inode and facts.
    pub(crate) fn look_at(&mut self, dir: u64, name: &[u8], fresh: Freshness) -> Option<Facts> {
        let inode = *self.entries(dir, fresh).get(name)?;
        let gone = |disk: &Disk| disk.get(dir).children.get(name) != Some(&inode);
        let remembered = self.host.facts.get(&inode).is_some_and(|(_, until)| self.now < *until);
        if self.host.window_ns > 0 && (!remembered || fresh == Freshness::Forced) && gone(self.disk)
        {
            // The server does not know the inode there any more: the name is looked up anew.
            let inode = *self.entries(dir, Freshness::Forced).get(name)?;
            return Some(self.facts(inode, Freshness::Forced));
        }
        Some(self.facts(inode, fresh))
    }

    /// Where a path leads, if to a directory.
    pub(crate) fn walk(&mut self, path: &ViewPath) -> Option<u64> {
        let mut at = ROOT;
        for name in path.names() {
            at = *self.entries(at, Freshness::Ordinary).get(name)?;
            if !self.disk.is_dir(at) {
                return None;
            }
        }
        Some(at)
    }

    /// A directory in an open one.
    pub(crate) fn child_dir(&mut self, dir: u64, name: &[u8]) -> Option<u64> {
        let inode = *self.entries(dir, Freshness::Ordinary).get(name)?;
        Some(inode).filter(|inode| self.disk.is_dir(*inode))
    }

    /// Opens a directory, which is when some mounts ask their server.
    pub(crate) fn open_dir(&mut self, inode: u64) -> Facts {
        let asks = self.host.window_ns > 0 && self.host.dice.percent(50);
        let fresh = if asks { Freshness::Forced } else { Freshness::Ordinary };
        self.facts(inode, fresh)
    }

    pub(crate) fn lstat(&mut self, path: &ViewPath, fresh: Freshness) -> Option<Facts> {
        let Some((parent, name)) = path.split() else { return Some(self.facts(ROOT, fresh)) };
        let dir = self.walk(&parent)?;
        self.look_at(dir, name, fresh)
    }

    /// Whether a path leads to this directory.
    pub(crate) fn leads_to(&mut self, path: &ViewPath, inode: u64) -> bool {
        self.walk(path) == Some(inode)
    }

    /// The next names of a directory after one, in the order of the directory.
    pub(crate) fn names_after(&mut self, dir: u64, after: Option<&Name>, most: usize) -> Vec<Name> {
        let place = |name: &Name| (order(name), name.clone());
        let from = after.map(place);
        let mut names: Vec<_> = self.entries(dir, Freshness::Ordinary).keys().map(place).collect();
        names.retain(|at| from.as_ref().is_none_or(|from| at > from));
        names.sort();
        names.truncate(most);
        names.into_iter().map(|(_, name)| name).collect()
    }
}

/// Directories are not read in the order of names.
fn order(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
