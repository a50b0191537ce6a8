//! What a view says of its trust and of its rest, against a plain model: agents that come and go, gaps, listings, scans,
//! files that are written, and time.

use std::collections::BTreeMap;

use fustor_core::query::{SettledArgs, settled};
use fustor_core::{
    BootTime, Command, CyclePhase, Event, Facts, GapReason, Kind, Listing, Mono, Now, RootIdentity,
    SECOND, Stamp, StorageId, StorageTime, Tier, TrustReason, TrustState, View, ViewConfig,
    ViewPath,
};
use proptest::prelude::*;

use super::disk::Disk;
use super::generate::Dice;
use super::runs;
use crate::script::{BASE, blocks, write};

const AUDIT: i64 = 100 * SECOND;
const DIRS: [&str; 4] = ["/", "/a", "/a/b", "/c"];
const FILE: &str = "/a/b/f";
/// The inode of the root.
const ROOT: u64 = 1;

fn path(text: &str) -> ViewPath {
    ViewPath::parse(text.as_bytes()).expect("a path of a test")
}

fn identity(inode: u64) -> RootIdentity {
    RootIdentity { fs_type: 1, fs_id: 2, inode }
}

/// What the view should say.
#[derive(Debug, Default)]
struct Model {
    /// When each directory was listed last; one that is not here was never seen.
    listed: BTreeMap<&'static str, Option<Stamp>>,
    /// Since when each owes a listing.
    owed: BTreeMap<&'static str, Stamp>,
    attached: bool,
    known: bool,
    watched: bool,
    other_root: bool,
    stale: Option<Stamp>,
    running: Option<Stamp>,
    scanned: Option<Stamp>,
    suspect: bool,
}

fn is_within(dir: &str, top: &str) -> bool {
    path(top).contains(&path(dir))
}

impl Model {
    fn within<'a>(&'a self, top: &'a str) -> impl Iterator<Item = &'static str> + 'a {
        self.listed.keys().copied().filter(move |dir| is_within(dir, top))
    }

    fn has_gap(&self, dir: &str) -> bool {
        self.owed.keys().any(|owing| is_within(owing, dir) || is_within(dir, owing))
    }

    /// A gap makes the topmost directories that were not listed since owe a listing; theirs is passed on when they pay.
    fn owe(&mut self, top: &'static str, since: Stamp) {
        if self.listed.get(top).copied().flatten().is_some_and(|at| at > since) {
            let children: Vec<&'static str> = self.children(top);
            children.into_iter().for_each(|child| self.owe(child, since));
        } else {
            let owed = self.owed.entry(top).or_insert(since);
            *owed = since.max(*owed);
        }
    }

    fn children(&self, dir: &str) -> Vec<&'static str> {
        let child = |at: &&'static str| path(at).split().is_some_and(|(up, _)| up == path(dir));
        self.listed.keys().copied().filter(child).collect()
    }

    fn list(&mut self, dir: &'static str, at: Stamp) {
        let found =
            DIRS.iter().filter(|child| path(child).split().is_some_and(|(up, _)| up == path(dir)));
        for child in found {
            self.listed.entry(child).or_default();
        }
        self.listed.insert(dir, Some(at));
        if let Some(since) = self.owed.remove(dir) {
            if since < at {
                self.children(dir).into_iter().for_each(|child| self.owe(child, since));
            } else {
                self.owed.insert(dir, since);
            }
        }
    }

    fn state(&self, now: Stamp, dir: &str) -> &'static str {
        let overdue = self.scanned.is_some_and(|begun| now.since(begun) > 2 * AUDIT);
        match self.stale {
            Some(_) => "stale",
            None if self.within(dir).any(|dir| self.listed[dir].is_none()) => "syncing",
            None if self.has_gap(dir) || overdue || self.other_root || !self.known => "degraded",
            None => "trusted",
        }
    }

    /// As of when rest would be known.
    fn as_of(&self, now: Stamp, dir: &str) -> Option<Stamp> {
        if self.attached && self.watched {
            return Some(now);
        }
        let below = self.listed.iter().filter(|(other, _)| is_within(other, dir));
        self.scanned.max(below.map(|(_, listed)| *listed).min().flatten())
    }
}

struct Scene {
    view: View,
    model: Model,
    sealer: Disk,
    at: Stamp,
    log: String,
}

impl Scene {
    const fn now(&self) -> Now {
        Now { mono: Mono(0), wall: self.at }
    }

    const fn stamp(&self) -> BootTime {
        BootTime(self.at.0)
    }

    fn command(&mut self, command: Command) {
        self.log += &format!("{} {command:?}\n", (self.at.0 - BASE) / SECOND);
        self.view.apply(self.now(), command);
    }

    fn tell(&mut self, event: Event) {
        let batch = self.sealer.seal(vec![event]);
        self.log += &write(&batch);
        self.view.apply(self.now(), Command::Batch(batch));
    }

    fn list(&mut self, dir: &'static str) {
        let old = StorageTime(BASE - 100_000 * SECOND);
        let own =
            Facts { kind: Kind::Dir, inode: ROOT, mtime: old, ctime: old, ..Facts::default() };
        let inode =
            |at: &str| DIRS.iter().position(|known| *known == at).map_or(9, |n| n as u64 + 1);
        let rows =
            DIRS.iter().filter(|child| path(child).split().is_some_and(|(up, _)| up == path(dir)));
        let rows: Vec<_> = rows
            .map(|child| (path(child).name().to_vec(), Facts { inode: inode(child), ..own }))
            .collect();
        let blocks = blocks(&path(dir), &rows);
        let facts = Facts { inode: inode(dir), ..own };
        // Rows only where the file is, so that what is seen of it stays.
        let complete = true;
        let rows = dir != "/a/b" || !self.model.suspect;
        if rows {
            let listing = Listing { dir: path(dir), stamp: self.stamp(), complete, facts, blocks };
            self.tell(Event::Listing(listing));
            self.model.list(dir, self.at);
        }
    }

    fn attach(&mut self, dice: &mut Dice) {
        let watched = dice.chance(50);
        let inode = if dice.chance(20) { 77 } else { ROOT };
        let (storage, root) = (StorageId(0), Some(identity(inode)));
        self.command(Command::Attach { storage, root, writers_watched: watched });
        let model = &mut self.model;
        model.known = true;
        model.other_root = inode != ROOT;
        if inode == ROOT {
            (model.attached, model.watched, model.stale) = (true, watched, None);
        }
    }

    fn step(&mut self, dice: &mut Dice) {
        self.at = self.at.plus((1 + dice.below(40) as i64) * SECOND);
        let dir = DIRS[dice.below(4)];
        let known = self.model.listed.contains_key(dir);
        let believed = !self.model.other_root;
        match dice.below(10) {
            0..4 if known && believed => self.list(dir),
            4 if known && believed => {
                let (stamp, reason) = (self.stamp(), GapReason::KernelOverflow);
                self.tell(Event::Gap { scope: path(dir), stamp, reason });
                self.model.owe(dir, self.at);
            }
            5 => self.attach(dice),
            6 if dice.chance(50) => {
                self.command(Command::Detach { storage: StorageId(0) });
                let stale = self.model.stale.or(Some(self.at));
                (self.model.attached, self.model.known, self.model.stale) = (false, true, stale);
            }
            7 if believed => {
                let phase =
                    if self.model.running.is_some() { CyclePhase::End } else { CyclePhase::Begin };
                self.tell(Event::Cycle { phase, stamp: self.stamp() });
                match self.model.running.take() {
                    Some(begun) => self.model.scanned = Some(begun),
                    None => self.model.running = Some(self.at),
                }
            }
            8 if believed && self.model.listed.contains_key("/a/b") => {
                let tier = if self.model.suspect { Tier::Atomic } else { Tier::Partial };
                self.model.suspect = !self.model.suspect;
                let facts = Facts { size: self.at.0.unsigned_abs(), ..Facts::default() };
                self.tell(Event::Upsert { path: path(FILE), stamp: self.stamp(), tier, facts });
            }
            _ => {}
        }
    }

    fn compare(&self) -> Result<(), String> {
        let snapshot = self.view.snapshot();
        for dir in self.model.listed.keys() {
            let told = |text: String| format!("{dir}: {text}\n{:?}\n{}", self.model, self.log);
            let id =
                snapshot.tree().dir(&path(dir)).ok_or_else(|| told("is not there".to_owned()))?;
            let trust = snapshot.trust(self.now(), id);
            let state = match trust.state {
                TrustState::Trusted => "trusted",
                TrustState::Syncing { .. } => "syncing",
                TrustState::Stale { .. } => "stale",
                TrustState::Degraded => "degraded",
            };
            let expected = self.model.state(self.at, dir);
            let gap = trust.reasons.contains(&TrustReason::Gap);
            if state != expected || gap != self.model.has_gap(dir) {
                return Err(told(format!("{trust:?}, not {expected}")));
            }
            let args = SettledArgs { path: path(dir), quiet_sec: 0 };
            let rest =
                settled(&snapshot, self.now(), &args).map_err(|error| told(format!("{error}")))?;
            if rest.as_of != self.model.as_of(self.at, dir) {
                return Err(told(format!("{rest:?}, not {:?}", self.model.as_of(self.at, dir))));
            }
            if self.model.suspect && is_within("/a/b", dir) && rest.settled {
                return Err(told(format!("{rest:?} with a suspect")));
            }
        }
        Ok(())
    }
}

/// How a view that judges by `config` differs from the model.
pub(crate) fn departs(seed: u64, config: &ViewConfig) -> Result<(), String> {
    let mut dice = Dice(seed);
    let config = ViewConfig { audit_interval_ns: AUDIT, ..config.clone() };
    let mut scene = Scene {
        view: View::new(config, 1),
        model: Model { listed: BTreeMap::from([("/", None)]), ..Model::default() },
        sealer: Disk::new(),
        at: Stamp(BASE),
        log: String::new(),
    };
    let (storage, root) = (StorageId(0), Some(identity(ROOT)));
    scene.command(Command::Attach { storage, root, writers_watched: true });
    (scene.model.attached, scene.model.known, scene.model.watched) = (true, true, true);
    for _ in 0..60 {
        scene.step(&mut dice);
        scene.compare()?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(runs(300))]

    #[test]
    fn trust_and_rest_are_what_they_say(seed in any::<u64>()) {
        departs(seed, &ViewConfig::default()).map_err(TestCaseError::fail)?;
    }
}
