//! What programs do with a storage: whole patterns of calls, planned on a disk that nobody watches.

use std::collections::{BTreeMap, VecDeque};

use fustor_core::{SECOND, StorageTime, ViewPath};

use crate::dice::Dice;
use crate::disk::{Call, Disk};
use crate::plan::{EPOCH, Happening, MS, Ns, Plan};

/// Beyond so many entries more is removed than made.
const CROWD: usize = 260;
/// The names that are used again and again.
const NAMES: [&str; 12] = ["a", "b", "c", "d", "data", "e", "f", "log", "tmp", "x", "y", "z"];

/// The storage's clock at a true time.
pub(crate) fn storage_time(plan: &Plan, at: Ns) -> StorageTime {
    let ns = EPOCH + at + plan.storage_ahead_ns;
    StorageTime(ns - ns.rem_euclid(plan.storage_grain_ns))
}

/// All calls of a plan, by time.
pub(crate) fn write(plan: &Plan) -> Vec<Happening> {
    let mut scribe = Scribe {
        plan,
        dice: Dice::new(plan.seed, 2),
        disk: Disk::new(storage_time(plan, -3600 * SECOND)),
        queue: BTreeMap::new(),
        planned: 0,
        fds: 0,
        done: Vec::new(),
    };
    scribe.found();
    scribe.storm();
    scribe.done
}

struct Scribe<'a> {
    plan: &'a Plan,
    dice: Dice,
    disk: Disk,
    queue: BTreeMap<(Ns, u64), (usize, Call)>,
    planned: u64,
    fds: u32,
    done: Vec<Happening>,
}

/// A program that runs on a host: calls one after the other.
struct Run {
    host: usize,
    at: Ns,
    /// What it takes from one call to the next, at most.
    pace: Ns,
}

impl Scribe<'_> {
    /// What is there before anybody looks.
    fn found(&mut self) {
        for n in 0..self.dice.between(20, 70) {
            let mut run = Run { host: 0, at: -1000 * SECOND + n * SECOND, pace: MS };
            match self.dice.below(3) {
                0 => self.chain(&mut run),
                1 => self.whole_file(&mut run),
                _ => self.unpack(&mut run),
            }
            self.catch_up(run.at + SECOND);
        }
        self.catch_up(0);
    }

    fn storm(&mut self) {
        let mut at = 0;
        let mut pace = 0;
        let mut change = 0;
        while at < self.plan.storm_ns {
            if at >= change {
                // Times of rest among times of work.
                pace = [1200, 500, 120, 40, 25][self.dice.index(5)] * MS;
                change = at + self.dice.between(2, 9) * SECOND;
            }
            at += 1 + self.dice.below(2 * pace);
            self.catch_up(at);
            let host = self.dice.index(self.plan.hosts.len());
            let pace = [MS / 20, MS / 2, 5 * MS, 100 * MS][self.dice.index(4)];
            self.act(Run { host, at, pace });
        }
        self.catch_up(self.plan.storm_ns);
    }

    /// Does all that is planned before a time.
    fn catch_up(&mut self, until: Ns) {
        while let Some(entry) = self.queue.first_entry() {
            let (at, _) = *entry.key();
            if at >= until {
                return;
            }
            let (host, call) = entry.remove();
            if self.disk.apply(storage_time(self.plan, at), &call).is_some() {
                self.done.push(Happening { at, host, call });
            }
        }
    }

    fn plan(&mut self, run: &mut Run, call: Call) {
        self.planned += 1;
        run.at += 1 + self.dice.below(run.pace);
        self.queue.insert((run.at, self.planned), (run.host, call));
    }

    fn act(&mut self, mut run: Run) {
        let crowded = self.disk.entries().len() > CROWD;
        match self.dice.below(if crowded { 16 } else { 28 }) {
            0..2 => self.remove_tree(&mut run),
            2..4 => self.remove_file(&mut run),
            4..6 => self.move_any(&mut run),
            6 => self.storm_of_temporaries(&mut run),
            7 | 8 => self.replace(&mut run),
            9 | 10 => self.append(&mut run),
            11 => self.truncate(&mut run),
            12 => self.attributes(&mut run),
            13 => self.swap(&mut run),
            14 => self.remove_dir_and_make_again(&mut run),
            15 => self.future(&mut run),
            16..20 => self.whole_file(&mut run),
            20..22 => self.chain(&mut run),
            22..24 => self.unpack(&mut run),
            24 => self.link(&mut run),
            25 => self.symlink(&mut run),
            26 => self.slow_file(&mut run),
            _ => self.rename_right_after(&mut run),
        }
    }

    fn name(&mut self) -> String {
        let stem = NAMES[self.dice.index(NAMES.len())];
        if self.dice.percent(60) {
            stem.to_owned()
        } else {
            format!("{stem}{}", self.dice.below(9))
        }
    }

    fn any(&mut self, wanted: impl Fn(fustor_core::Kind) -> bool) -> Option<ViewPath> {
        let all = self.disk.entries();
        let all: Vec<_> =
            all.iter().filter(|(path, facts)| !path.is_root() && wanted(facts.kind)).collect();
        if all.is_empty() {
            return None;
        }
        Some(all[self.dice.index(all.len())].0.clone())
    }

    fn file(&mut self) -> Option<ViewPath> {
        self.any(|kind| kind == fustor_core::Kind::File)
    }

    fn dir(&mut self) -> ViewPath {
        if self.dice.percent(10) {
            return ViewPath::root();
        }
        self.any(fustor_core::Kind::is_dir).unwrap_or_else(ViewPath::root)
    }

    fn place(&mut self) -> ViewPath {
        let (dir, name) = (self.dir(), self.name());
        dir.join(name.as_bytes())
    }

    fn open(&mut self, run: &mut Run, path: &ViewPath, create: bool, truncate: bool) -> u32 {
        self.fds += 1;
        let (fd, path) = (self.fds, path.clone());
        self.plan(run, Call::Open { fd, path, create, truncate });
        fd
    }

    fn fill(&mut self, run: &mut Run, path: &ViewPath) {
        let fd = self.open(run, path, true, true);
        for _ in 0..self.dice.below(4) {
            let bytes = 1 + self.dice.below(5000).unsigned_abs();
            self.plan(run, Call::Write { fd, bytes });
        }
        self.plan(run, Call::Close { fd });
    }

    fn whole_file(&mut self, run: &mut Run) {
        let path = self.place();
        self.fill(run, &path);
    }

    fn slow_file(&mut self, run: &mut Run) {
        let path = self.place();
        run.pace = self.dice.between(200, 3000) * MS;
        self.fill(run, &path);
    }

    /// `mkdir -p`, and something in it at once.
    fn chain(&mut self, run: &mut Run) {
        let mut path = self.dir();
        for _ in 0..1 + self.dice.below(4) {
            path = path.join(self.name().as_bytes());
            self.plan(run, Call::Mkdir(path.clone()));
            if self.dice.percent(40) {
                let file = path.join(self.name().as_bytes());
                self.fill(run, &file);
            }
        }
    }

    /// As tar and rsync do: times of long ago, of directories too.
    fn unpack(&mut self, run: &mut Run) {
        let top = self.place();
        let old = StorageTime(EPOCH - self.dice.between(1, 100_000) * 1000 * SECOND);
        self.plan(run, Call::Mkdir(top.clone()));
        for n in 0..1 + self.dice.below(6) {
            let path = top.join(format!("m{n}").as_bytes());
            if self.dice.percent(25) {
                self.plan(run, Call::Mkdir(path.clone()));
                let inner = path.join(b"i");
                self.fill(run, &inner);
            } else {
                self.fill(run, &path);
            }
            self.plan(run, Call::Utimes(path, old));
        }
        self.plan(run, Call::Utimes(top, old));
    }

    fn replace(&mut self, run: &mut Run) {
        let Some(path) = self.file() else { return };
        let Some((dir, name)) = path.split() else { return };
        let temporary = dir.join(&[b".", name, b".tmp"].concat());
        self.fill(run, &temporary);
        self.plan(run, Call::Rename(temporary, path));
    }

    fn storm_of_temporaries(&mut self, run: &mut Run) {
        let dir = self.dir();
        for n in 0..5 + self.dice.below(20) {
            let path = dir.join(format!("t{}", n % 5).as_bytes());
            self.fill(run, &path);
            if self.dice.percent(20) {
                let other = dir.join(format!("u{}", n % 3).as_bytes());
                self.plan(run, Call::Rename(path.clone(), other));
            }
            self.plan(run, Call::Unlink(path));
        }
    }

    fn remove_file(&mut self, run: &mut Run) {
        if let Some(path) = self.any(|kind| !kind.is_dir()) {
            self.plan(run, Call::Unlink(path));
        }
    }

    /// `rm -r`.
    fn remove_tree(&mut self, run: &mut Run) {
        let top = self.dir();
        if !top.is_root() {
            self.rm(run, &top);
        }
    }

    fn rm(&mut self, run: &mut Run, top: &ViewPath) {
        let below = self.disk.entries();
        for (path, facts) in below.iter().rev().filter(|(path, _)| top.contains(path)) {
            let path = path.clone();
            let call = if facts.kind.is_dir() { Call::Rmdir(path) } else { Call::Unlink(path) };
            self.plan(run, call);
        }
    }

    fn remove_dir_and_make_again(&mut self, run: &mut Run) {
        let top = self.dir();
        if top.is_root() {
            return;
        }
        self.rm(run, &top);
        self.plan(run, Call::Mkdir(top.clone()));
        let file = top.join(self.name().as_bytes());
        self.fill(run, &file);
    }

    fn move_any(&mut self, run: &mut Run) {
        let Some(old) = self.any(|_| true) else { return };
        let new = self.place();
        self.plan(run, Call::Rename(old.clone(), new.clone()));
        if self.dice.percent(30) {
            let next = self.place();
            self.plan(run, Call::Rename(new, next));
        } else if self.dice.percent(30) {
            self.plan(run, Call::Rename(new, old));
        }
    }

    /// Two directories change places.
    fn swap(&mut self, run: &mut Run) {
        let (a, b) = (self.dir(), self.dir());
        if a.is_root() || b.is_root() || a.contains(&b) || b.contains(&a) {
            return;
        }
        let aside = ViewPath::root().join(b"swap");
        self.plan(run, Call::Rename(a.clone(), aside.clone()));
        self.plan(run, Call::Rename(b.clone(), a));
        self.plan(run, Call::Rename(aside, b));
    }

    /// What was made a moment ago moves before anybody can have looked at it.
    fn rename_right_after(&mut self, run: &mut Run) {
        let (first, last) = (self.place(), self.place());
        if self.dice.percent(50) {
            self.plan(run, Call::Mkdir(first.clone()));
            let inner = first.join(b"in");
            self.fill(run, &inner);
        } else {
            self.fill(run, &first);
        }
        self.plan(run, Call::Rename(first, last));
    }

    fn append(&mut self, run: &mut Run) {
        let Some(path) = self.file() else { return };
        let fd = self.open(run, &path, false, false);
        for _ in 0..1 + self.dice.below(6) {
            let bytes = 1 + self.dice.below(900).unsigned_abs();
            self.plan(run, Call::Write { fd, bytes });
        }
        self.plan(run, Call::Close { fd });
    }

    fn truncate(&mut self, run: &mut Run) {
        if let Some(path) = self.file() {
            let size = self.dice.below(100).unsigned_abs();
            self.plan(run, Call::Truncate(path, size));
        }
    }

    fn attributes(&mut self, run: &mut Run) {
        if let Some(path) = self.any(|kind| kind != fustor_core::Kind::Symlink) {
            let mode = 0o600 + u32::try_from(self.dice.below(8)).unwrap_or_default();
            self.plan(run, Call::Chmod(path, mode));
        }
    }

    fn future(&mut self, run: &mut Run) {
        if let Some(path) = self.file() {
            let ahead = self.dice.between(1, 100_000) * SECOND;
            self.plan(run, Call::Utimes(path, StorageTime(EPOCH + run.at + ahead)));
        }
    }

    fn link(&mut self, run: &mut Run) {
        if let Some(path) = self.file() {
            let new = self.place();
            self.plan(run, Call::Link(path, new));
        }
    }

    fn symlink(&mut self, run: &mut Run) {
        let path = self.place();
        self.plan(run, Call::Symlink(path));
    }
}

/// The calls that are due, in order.
pub(crate) fn queue(plan: &Plan) -> VecDeque<Happening> {
    plan.happenings.iter().cloned().collect()
}
