//! Suspects, blind spots and blind deletions against a plain model: one agent, in order, over files of one directory.
//! Some changes happen where nobody watches, times pass, and mtimes are set at will.

use std::collections::{BTreeMap, BTreeSet};

use fustor_core::{
    Batch, BootTime, Command, DirId, Event, Facts, Kind, Listing, Marks, Mono, Now, SECOND,
    Snapshot, Stamp, StorageTime, Tier, View, ViewConfig, ViewPath,
};
use proptest::prelude::*;

use super::disk::Disk;
use super::generate::Dice;
use super::runs;
use crate::script::{BASE, blocks, write};

/// How far the storage's clock lies behind.
const BEHIND: i64 = 7 * SECOND;
const HOT: i64 = 30 * SECOND;

/// What is known of a file.
#[derive(Clone, Copy, Debug)]
struct Known {
    facts: Facts,
    /// Since when it is suspect.
    suspect: Option<Stamp>,
    blind: bool,
}

/// What the view should think.
#[derive(Debug, Default)]
struct Model {
    known: BTreeMap<String, Known>,
    listed: bool,
    gone: BTreeSet<String>,
}

impl Model {
    fn see(&mut self, at: Stamp, tier: Tier, name: &str, facts: Facts, was_listed: bool) {
        let old = self.known.get(name).copied();
        let moved =
            old.is_none_or(|old| (old.facts.size, old.facts.mtime) != (facts.size, facts.mtime));
        let rests = old.is_some_and(|old| {
            (old.facts.size, old.facts.mtime, old.facts.ctime)
                == (facts.size, facts.mtime, facts.ctime)
        });
        // A file is hot while its mtime is not the threshold behind the storage's present, or is in the future.
        let hot = at.0 - BEHIND - facts.mtime.0 < HOT;
        let suspect = match (tier, old.and_then(|old| old.suspect)) {
            (Tier::Atomic, _) => None,
            (Tier::Partial, _) if moved => Some(at),
            (Tier::Scan, None) => Some(at).filter(|_| moved && hot),
            (Tier::Partial, None) => None,
            (Tier::Partial | Tier::Scan, Some(since)) if rests => {
                Some(since).filter(|since| at.since(*since) < HOT)
            }
            (Tier::Partial | Tier::Scan, Some(_)) => Some(at),
        };
        let changed = old.is_none_or(|old| old.facts != facts);
        let was_blind = old.is_some_and(|old| old.blind);
        let blind = tier == Tier::Scan && (was_blind || changed && was_listed);
        if old.is_none() {
            self.gone.remove(name);
        }
        self.known.insert(name.to_owned(), Known { facts, suspect, blind });
    }

    fn list(&mut self, at: Stamp, rows: &BTreeMap<String, Facts>) {
        let lost: Vec<String> =
            self.known.keys().filter(|name| !rows.contains_key(*name)).cloned().collect();
        for name in lost {
            self.known.remove(&name);
            if self.listed {
                self.gone.insert(name);
            }
        }
        for (name, facts) in rows {
            self.see(at, Tier::Scan, name, *facts, self.listed);
        }
        self.listed = true;
    }

    fn delete(&mut self, name: &str) {
        self.known.remove(name);
        self.gone.remove(name);
    }
}

/// A storage, a view and what the view should think.
struct Scene {
    view: View,
    model: Model,
    truth: BTreeMap<String, Facts>,
    sealer: Disk,
    at: Stamp,
    log: String,
}

fn dir() -> ViewPath {
    ViewPath::root().join(b"d")
}

impl Scene {
    fn new(config: ViewConfig) -> Self {
        let mut scene = Self {
            view: View::new(config, 1),
            model: Model::default(),
            truth: BTreeMap::new(),
            sealer: Disk::new(),
            at: Stamp(BASE),
            log: String::new(),
        };
        // Ten files elsewhere, just closed: their ctimes are the storage's present, their mtimes are anything.
        for n in 0..12_i64 {
            scene.at = scene.at.plus(SECOND);
            let facts = scene.facts(n.unsigned_abs(), StorageTime(BASE - n * 10_000 * SECOND));
            let path = ViewPath::root().join(format!("c{n}").as_bytes());
            scene.tell(Event::Upsert { path, stamp: scene.stamp(), tier: Tier::Atomic, facts });
        }
        scene
    }

    const fn stamp(&self) -> BootTime {
        BootTime(self.at.0)
    }

    fn facts(&self, size: u64, mtime: StorageTime) -> Facts {
        let ctime = StorageTime(self.at.0 - BEHIND);
        Facts { kind: Kind::File, size, mtime, ctime, inode: 9, nlink: 1, ..Facts::default() }
    }

    fn tell(&mut self, event: Event) {
        let batch: Batch = self.sealer.seal(vec![event]);
        self.log += &write(&batch);
        self.view.apply(Now { mono: Mono(0), wall: self.at }, Command::Batch(batch));
    }

    fn see(&mut self, tier: Tier, name: &str) {
        let Some(facts) = self.truth.get(name).copied() else { return };
        let path = dir().join(name.as_bytes());
        self.tell(Event::Upsert { path, stamp: self.stamp(), tier, facts });
        self.model.see(self.at, tier, name, facts, self.model.listed);
    }

    fn list(&mut self) {
        let rows: Vec<_> =
            self.truth.iter().map(|(name, facts)| (name.clone().into_bytes(), *facts)).collect();
        let own = Facts { kind: Kind::Dir, inode: 8, nlink: 2, ..Facts::default() };
        let blocks = blocks(&dir(), &rows);
        let (stamp, complete) = (self.stamp(), true);
        self.tell(Event::Listing(Listing { dir: dir(), stamp, complete, facts: own, blocks }));
        let rows = self.truth.clone();
        self.model.list(self.at, &rows);
    }

    /// A file is written, or only touched.
    fn change(&mut self, dice: &mut Dice, name: &str) {
        let known = self.truth.get(name).copied();
        let mtime = match dice.below(4) {
            // As of now, restored, or from the future.
            0 | 1 => StorageTime(self.at.0 - BEHIND),
            2 => StorageTime(BASE - 100_000 * SECOND - dice.below(5) as i64 * SECOND),
            _ => StorageTime(self.at.0 + 1000 * SECOND),
        };
        let facts = match known {
            // Its mode, which moves nothing but the ctime.
            Some(known) if dice.chance(30) => {
                Facts { ctime: StorageTime(self.at.0 - BEHIND), ..known }
            }
            Some(known) => self.facts(known.size + 1, mtime),
            None => self.facts(dice.below(3) as u64, mtime),
        };
        self.truth.insert(name.to_owned(), facts);
    }

    fn step(&mut self, dice: &mut Dice) {
        self.at = self.at.plus((1 + dice.below(20) as i64) * SECOND);
        let name = ["x", "y", "z"][dice.below(3)];
        match dice.below(10) {
            0..3 => {
                self.change(dice, name);
                self.see(Tier::Partial, name);
            }
            3 => {
                self.change(dice, name);
                self.see(Tier::Atomic, name);
            }
            4 => self.change(dice, name),
            5 => drop(self.truth.remove(name)),
            6 if self.truth.remove(name).is_some() => {
                let path = dir().join(name.as_bytes());
                self.tell(Event::Delete { path, stamp: self.stamp() });
                self.model.delete(name);
            }
            6 | 7 => self.see(Tier::Scan, name),
            8 => self.list(),
            _ => {
                let now = Now { mono: Mono(0), wall: self.at };
                self.view.apply(now, Command::Tick);
            }
        }
    }

    fn compare(&self) -> Result<(), String> {
        let snapshot = self.view.snapshot();
        let names = |is: &dyn Fn(&Known) -> bool| -> BTreeSet<String> {
            self.model
                .known
                .iter()
                .filter(|(_, known)| is(known))
                .map(|(name, _)| name.clone())
                .collect()
        };
        let seen = [
            marked(&snapshot, Marks::SUSPECT),
            listed_suspects(&snapshot),
            marked(&snapshot, Marks::BLIND),
            snapshot.blind_deletions().map(|gone| last(&gone.path)).collect(),
        ];
        let suspects = names(&|known| known.suspect.is_some());
        let expected =
            [suspects.clone(), suspects, names(&|known| known.blind), self.model.gone.clone()];
        if seen == expected {
            return Ok(());
        }
        Err(format!("marked, suspect, blind, gone: {seen:?}, not {expected:?}\n{}", self.log))
    }
}

fn last(path: &ViewPath) -> String {
    String::from_utf8_lossy(path.name()).into_owned()
}

fn marked(snapshot: &Snapshot, mark: Marks) -> BTreeSet<String> {
    let Some(dir) = snapshot.tree().dir(&dir()) else { return BTreeSet::new() };
    let entries = snapshot.tree().entries(dir);
    let rows = entries.rows().filter(|row| row.marks.has(mark));
    rows.map(|row| String::from_utf8_lossy(row.name).into_owned()).collect()
}

fn listed_suspects(snapshot: &Snapshot) -> BTreeSet<String> {
    let within = snapshot.suspects().filter(|suspect| suspect.dir != DirId::ROOT);
    within.map(|suspect| String::from_utf8_lossy(suspect.name).into_owned()).collect()
}

/// How a view that judges by `config` differs from the model.
pub(crate) fn departs(seed: u64, config: &ViewConfig) -> Result<(), String> {
    let mut dice = Dice(seed);
    let mut scene = Scene::new(config.clone());
    for _ in 0..60 {
        scene.step(&mut dice);
        scene.view.check().map_err(|error| format!("check: {error:?}\n{}", scene.log))?;
        scene.compare()?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(runs(400))]

    #[test]
    fn what_may_be_incomplete_or_unseen_is_marked(seed in any::<u64>()) {
        departs(seed, &ViewConfig::default()).map_err(TestCaseError::fail)?;
    }
}
