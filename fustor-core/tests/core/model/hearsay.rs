//! Audits of 0.8 against a plain model: a path goes when three in a row of one agent, among those that read its directory
//! and found something else there, lacked it, and nobody else has ever told of it.

use std::collections::{BTreeMap, BTreeSet};

use fustor_core::{
    AgentId, Batch, BootTime, Command, CyclePhase, Event, Facts, Fidelity, Kind, Mono, Now, Origin,
    Remark, SECOND, Stamp, StorageTime, Sweep, Tier, View, ViewConfig, ViewPath,
};
use proptest::prelude::*;

use super::disk::Disk;
use super::generate::Dice;
use super::runs;
use crate::observe::entries;
use crate::script::{BASE, write};

const DIRS: [&str; 2] = ["a", "b"];
const FILES: [&str; 3] = ["f", "g", "h"];
/// The agents of 0.8; the native one has number 1.
const OLD: [u16; 2] = [2, 3];

type Path = (&'static str, &'static str);

/// What the view should hold of a path.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Somebody but 0.8 has told of it.
    sure: bool,
    /// Who missed it, how often in a row.
    missed: (u16, u32),
}

struct Scene {
    view: View,
    known: BTreeMap<Path, Known>,
    truth: BTreeSet<Path>,
    sealer: Disk,
    at: i64,
    log: String,
}

fn path((dir, name): Path) -> ViewPath {
    ViewPath::root().join(dir.as_bytes()).join(name.as_bytes())
}

fn facts(kind: Kind, fidelity: Fidelity) -> Facts {
    let time = StorageTime(BASE - 100_000 * SECOND);
    let facts = Facts { kind, mtime: time, ctime: time, ..Facts::default() };
    match fidelity {
        Fidelity::Exact => Facts { inode: 7, nlink: 1, ..facts },
        Fidelity::Legacy => facts,
    }
}

impl Scene {
    fn stamp(&self) -> BootTime {
        BootTime(BASE + self.at * SECOND)
    }

    fn tell(&mut self, agent: u16, fidelity: Fidelity, events: Vec<Event>) {
        let batch = self.sealer.seal(events);
        let origin = Origin { agent: AgentId(agent), ..batch.origin };
        let batch = Batch { origin, fidelity, ..batch };
        self.log += &write(&batch);
        let wall = Stamp(self.stamp().0);
        self.view.apply(Now { mono: Mono(0), wall }, Command::Batch(batch));
    }

    fn row(&self, at: ViewPath, kind: Kind, tier: Tier, fidelity: Fidelity) -> Event {
        Event::Upsert { path: at, stamp: self.stamp(), tier, facts: facts(kind, fidelity) }
    }

    fn see(&mut self, agent: u16, fidelity: Fidelity, place: Path) {
        let event = self.row(path(place), Kind::File, Tier::Atomic, fidelity);
        self.tell(agent, fidelity, vec![event]);
        let sure =
            fidelity == Fidelity::Exact || self.known.get(&place).is_some_and(|known| known.sure);
        self.known.insert(place, Known { sure, ..Known::default() });
    }

    /// One audit that reads some of the directories.
    fn audit(&mut self, agent: u16, dirs: &[&'static str]) {
        let mut events = vec![Event::Cycle { phase: CyclePhase::Begin, stamp: self.stamp() }];
        for dir in dirs {
            let at = ViewPath::root().join(dir.as_bytes());
            events.push(self.row(at.clone(), Kind::Dir, Tier::Scan, Fidelity::Legacy));
            for place in self.truth.iter().filter(|place| place.0 == *dir) {
                events.push(self.row(path(*place), Kind::File, Tier::Scan, Fidelity::Legacy));
            }
            events.push(Event::Remark(Remark::Read { dir: at, sweep: Sweep::Audit }));
        }
        events.push(Event::Cycle { phase: CyclePhase::End, stamp: self.stamp() });
        self.tell(agent, Fidelity::Legacy, events);
        for dir in dirs {
            self.conclude(agent, dir);
        }
    }

    fn conclude(&mut self, agent: u16, dir: &'static str) {
        let found: Vec<Path> = self.truth.iter().filter(|place| place.0 == dir).copied().collect();
        for place in &found {
            self.known.entry(*place).or_default().missed = (0, 0);
        }
        if found.is_empty() {
            return;
        }
        self.known.retain(|place, known| {
            if place.0 != dir || found.contains(place) || known.sure {
                return true;
            }
            let (who, times) = known.missed;
            known.missed = (agent, if who == agent { times + 1 } else { 1 });
            known.missed.1 < 3
        });
    }

    fn step(&mut self, dice: &mut Dice) {
        self.at += 50;
        let place = (DIRS[dice.below(2)], FILES[dice.below(3)]);
        let agent = OLD[usize::from(dice.chance(10))];
        match dice.below(10) {
            0 => drop(self.truth.insert(place)),
            1 => drop(self.truth.remove(&place)),
            2 if self.truth.insert(place) => self.see(agent, Fidelity::Legacy, place),
            3 if self.truth.contains(&place) => self.see(1, Fidelity::Exact, place),
            4 if self.truth.remove(&place) => {
                let event = Event::Delete { path: path(place), stamp: self.stamp() };
                self.tell(agent, Fidelity::Legacy, vec![event]);
                self.known.remove(&place);
            }
            5 => self.audit(agent, &DIRS[..1]),
            _ => self.audit(agent, &DIRS),
        }
    }

    fn compare(&self) -> Result<(), String> {
        let seen: BTreeSet<ViewPath> = entries(&self.view.snapshot())
            .into_iter()
            .map(|entry| entry.path)
            .filter(|path| path.depth() == 2)
            .collect();
        let expected: BTreeSet<ViewPath> = self.known.keys().map(|place| path(*place)).collect();
        if seen == expected {
            return Ok(());
        }
        Err(format!("{seen:?}, not {expected:?}\n{:?}\n{}", self.known, self.log))
    }
}

/// How a view that judges by `config` differs from the model.
pub(crate) fn departs(seed: u64, config: &ViewConfig) -> Result<(), String> {
    let mut dice = Dice(seed);
    let mut scene = Scene {
        view: View::new(config.clone(), 1),
        known: BTreeMap::new(),
        truth: BTreeSet::new(),
        sealer: Disk::new(),
        at: 0,
        log: String::new(),
    };
    for _ in 0..60 {
        scene.step(&mut dice);
        scene.view.check().map_err(|error| format!("check: {error:?}\n{}", scene.log))?;
        scene.compare()?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(runs(300))]

    #[test]
    fn three_audits_in_a_row_remove_what_only_hearsay_told(seed in any::<u64>()) {
        departs(seed, &ViewConfig::default()).map_err(TestCaseError::fail)?;
    }
}
