//! True histories of a disk, with renames: told in order they need no listing, told in any other way they are repaired
//! by the listings that they queue.

use std::collections::BTreeMap;
use std::fmt;

use fustor_core::{
    Applied, Batch, ClockMap, Command, DirId, Directive, Event, Facts, Mono, Now, SECOND, Snapshot,
    Stamp, View, ViewConfig, ViewPath,
};
use proptest::prelude::*;

use super::disk::Disk;
use super::generate::Dice;
use super::runs;
use crate::observe::{entries, recount};
use crate::script::{BASE, write};

/// A history is one number: its length and the seed of all choices.
#[derive(Clone, Copy, Debug)]
struct History {
    steps: usize,
    seed: u64,
}

fn histories(most: usize) -> impl Strategy<Value = History> {
    (1..most, any::<u64>()).prop_map(|(steps, seed)| History { steps, seed })
}

/// When everything arrives where time does not matter.
const LATE: Stamp = Stamp(BASE + 1000 * SECOND);

/// A view with the log of what it was told.
struct Told {
    view: View,
    /// What time it is.
    wall: Stamp,
    /// How little the agent knows of its clock, and how old what its mount answers may be.
    doubt: (i64, i64),
    log: String,
}

impl Told {
    /// A view that knows the empty disk.
    fn new(disk: &mut Disk) -> Self {
        Self::with(disk, ViewConfig::default())
    }

    fn with(disk: &mut Disk, config: ViewConfig) -> Self {
        Self::in_doubt(disk, config, (0, 0))
    }

    fn in_doubt(disk: &mut Disk, config: ViewConfig, doubt: (i64, i64)) -> Self {
        let mut told = Self { view: View::new(config, 1), wall: LATE, doubt, log: String::new() };
        let first = disk.all_listings();
        told.tell(&disk.seal(first));
        told
    }

    fn now(&self) -> Now {
        Now { mono: Mono(0), wall: self.wall }
    }

    fn tell(&mut self, batch: &Batch) -> Applied {
        let (uncertainty_ns, cache_window_ns) = self.doubt;
        let clock = ClockMap { uncertainty_ns, ..batch.clock };
        let batch = Batch { clock, cache_window_ns, ..batch.clone() };
        self.log.push_str(&write(&batch));
        let applied = self.view.apply(self.now(), Command::Batch(batch));
        self.view.check().unwrap_or_else(|error| panic!("check: {error:?}\n{}", self.log));
        let _more_remains = self.view.release(1);
        if let Err(error) = recount(&self.view.snapshot()) {
            panic!("{error}\n{}", self.log);
        }
        applied
    }

    /// Answers directives until there are none and a tick asks for nothing more.
    fn settle(&mut self, disk: &mut Disk, mut owed: Vec<Directive>) -> Result<(), TestCaseError> {
        for _ in 0..200 {
            if owed.is_empty() {
                owed = self.view.apply(self.now(), Command::Tick).directives;
            }
            let Some(directive) = owed.pop() else { return Ok(()) };
            self.log.push_str(&format!("# asked: {directive:?}\n"));
            let answer = disk.serve(&directive);
            owed.extend(self.tell(&disk.seal(answer)).directives);
        }
        Err(TestCaseError::fail(format!("directives never end: {owed:?}\n{}", self.log)))
    }

    /// Answers directives, and what they bring about, without waiting for more.
    fn answer(&mut self, disk: &mut Disk, mut owed: Vec<Directive>) -> Result<(), TestCaseError> {
        for _ in 0..200 {
            let Some(directive) = owed.pop() else { return Ok(()) };
            let answer = disk.serve(&directive);
            owed.extend(self.tell(&disk.seal(answer)).directives);
        }
        Err(TestCaseError::fail(format!("directives never end: {owed:?}\n{}", self.log)))
    }

    fn matches(&self, disk: &Disk, when: &str) -> Result<(), TestCaseError> {
        let seen: BTreeMap<ViewPath, Option<Facts>> =
            entries(&self.view.snapshot()).into_iter().map(|e| (e.path, e.facts)).collect();
        let truth: BTreeMap<_, _> =
            disk.entries().into_iter().map(|(path, facts)| (path, Some(facts))).collect();
        if seen == truth {
            return Ok(());
        }
        let lacks: Vec<_> = truth.iter().filter(|(path, f)| seen.get(path) != Some(f)).collect();
        let excess: Vec<_> = seen.iter().filter(|(path, f)| truth.get(path) != Some(f)).collect();
        let text = Differences { lacks, excess };
        Err(TestCaseError::fail(format!("{when}: {text}\n{}", self.log)))
    }
}

struct Differences<'a> {
    lacks: Vec<(&'a ViewPath, &'a Option<Facts>)>,
    excess: Vec<(&'a ViewPath, &'a Option<Facts>)>,
}

impl fmt::Display for Differences<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lacks.iter().try_for_each(|entry| write!(f, "\n  the disk has {entry:?}"))?;
        self.excess.iter().try_for_each(|entry| write!(f, "\n  the view has {entry:?}"))
    }
}

/// The version of each directory's row of totals.
fn versions(snapshot: &Snapshot) -> BTreeMap<DirId, u64> {
    let dirs = crate::observe::directories(snapshot);
    dirs.into_iter().map(|(dir, _)| (dir, snapshot.tree().meta(dir).version)).collect()
}

/// A rename touches the directories above its two ends and the one that moved, whatever hangs below it.
fn touches_few(before: &Snapshot, after: &Snapshot, old: &ViewPath, new: &ViewPath) -> bool {
    let before = versions(before);
    let changed = versions(after).iter().filter(|(dir, v)| before.get(dir) != Some(v)).count();
    changed <= old.depth() + new.depth() + 1
}

proptest! {
    #![proptest_config(runs(400))]

    #[test]
    fn a_history_told_in_order_needs_no_listing(history in histories(60)) {
        let (mut disk, mut dice) = (Disk::new(), Dice(history.seed));
        let mut told = Told::new(&mut disk);
        for _ in 0..history.steps {
            let mut events = disk.happen(&mut dice);
            if dice.chance(10) {
                events.extend(disk.some_listing(&mut dice));
            }
            for event in events {
                let before = told.view.snapshot();
                let applied = told.tell(&disk.seal(vec![event.clone()]));
                if let Event::Rename { old, new, .. } = &event {
                    let few = touches_few(&before, &told.view.snapshot(), old, new);
                    prop_assert!(few, "{old} to {new} touched many\n{}", told.log);
                    prop_assert!(applied.directives.is_empty(), "{applied:?}\n{}", told.log);
                }
            }
            told.matches(&disk, "in order")?;
        }
    }
}

proptest! {
    #![proptest_config(runs(1500))]

    #[test]
    fn a_history_told_in_disorder_is_repaired_by_what_it_queues(history in histories(16)) {
        play(history, ViewConfig::default(), 0)?;
    }

    #[test]
    fn tables_that_are_too_small_cost_listings_only(history in histories(16)) {
        let config = ViewConfig { max_tombstones: 2, max_suspects: 1, ..ViewConfig::default() };
        play(history, config, 10)?;
    }

    #[test]
    fn losses_are_repaired_when_they_are_declared(history in histories(16)) {
        let (mut told, mut disk) = play(history, ViewConfig::default(), 25)?;
        let all = disk.all_listings();
        let owed = told.tell(&disk.seal(all)).directives;
        told.settle(&mut disk, owed)?;
        told.matches(&disk, "after complete listings of everything")?;
    }
}

/// Tells a history in disorder, `lost` percent of it as gaps, and answers what the view asks until it asks no more.
fn play(history: History, config: ViewConfig, lost: usize) -> Result<(Told, Disk), TestCaseError> {
    let (mut disk, mut dice) = (Disk::new(), Dice(history.seed));
    let mut told = Told::with(&mut disk, config);
    let mut owed = Vec::new();
    for batch in &disorder(&mut disk, &mut dice, history.steps, lost) {
        owed.extend(told.tell(batch).directives);
    }
    told.settle(&mut disk, owed)?;
    told.matches(&disk, "after what was queued")?;
    Ok((told, disk))
}

/// The same for one number, with complete listings of everything at the end; what is wrong then.
#[cfg(feature = "mutants")]
pub(super) fn departs(seed: u64, config: &ViewConfig) -> Result<(), String> {
    let history = History { steps: 8 + (seed % 40) as usize, seed };
    let lost = [0, 10, 25][(seed % 3) as usize];
    let error = |error: TestCaseError| error.to_string();
    let (mut told, mut disk) = play(history, config.clone(), lost).map_err(error)?;
    let all = disk.all_listings();
    let owed = told.tell(&disk.seal(all)).directives;
    told.settle(&mut disk, owed).map_err(error)?;
    told.matches(&disk, "after complete listings of everything").map_err(error)
}

proptest! {
    #![proptest_config(runs(600))]

    #[test]
    fn an_agent_that_is_unsure_of_its_clock_is_asked_until_it_can_tell(history in histories(16)) {
        doubt(history.seed, history.steps, &ViewConfig::default()).map_err(TestCaseError::fail)?;
    }
}

/// Tells a history in order while time passes, some of it as gaps, by an agent whose listings prove only what was before
/// them by some seconds. What is wrong when it has been asked until nothing is open any more.
pub(super) fn doubt(seed: u64, steps: usize, config: &ViewConfig) -> Result<(), String> {
    let error = |error: TestCaseError| error.to_string();
    let (mut disk, mut dice) = (Disk::new(), Dice(seed));
    let doubt = [(4 * SECOND, 0), (0, 6 * SECOND), (SECOND, 2 * SECOND)][dice.below(3)];
    let mut told = Told::in_doubt(&mut disk, config.clone(), doubt);
    for _ in 0..steps {
        disk.clock += dice.below(3) as i64 * SECOND;
        let mut events = disk.happen(&mut dice);
        if dice.chance(30) {
            events = disk.lost(&events, &mut dice);
        }
        if dice.chance(20) {
            events.extend(disk.some_listing(&mut dice));
        }
        told.wall = Stamp(disk.clock);
        let owed = told.tell(&disk.seal(events)).directives;
        if dice.chance(70) {
            told.answer(&mut disk, owed).map_err(error)?;
        }
    }
    // Longer than any of its doubts; what was asked meanwhile and not answered is asked again.
    for _ in 0..8 {
        disk.clock += 3 * SECOND;
        told.wall = Stamp(disk.clock);
        let owed = told.view.apply(told.now(), Command::Tick).directives;
        told.answer(&mut disk, owed).map_err(error)?;
    }
    told.matches(&disk, "when every doubt was settled").map_err(error)
}

/// The batches of a history, shuffled, some doubled, `lost` percent of them replaced by gaps.
fn disorder(disk: &mut Disk, dice: &mut Dice, steps: usize, lost: usize) -> Vec<Batch> {
    let mut batches = Vec::new();
    for _ in 0..steps {
        let mut events = disk.happen(dice);
        if dice.chance(lost) {
            events = disk.lost(&events, dice);
        }
        if dice.chance(20) {
            events.extend(disk.some_listing(dice));
        }
        for event in events {
            let batch = disk.seal(vec![event]);
            if dice.chance(10) {
                batches.push(batch.clone());
            }
            batches.push(batch);
        }
    }
    // Some histories are only a little out of order, as those of several agents are.
    let reach = if dice.chance(50) { batches.len() } else { 3 };
    batches.chunks_mut(reach.max(1)).for_each(|chunk| dice.shuffle(chunk));
    batches
}
