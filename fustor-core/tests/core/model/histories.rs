//! True histories of a disk, with renames: told in order they need no listing, told in any other way they are repaired
//! by the listings that they queue.

use std::collections::BTreeMap;
use std::fmt;

use fustor_core::{
    Applied, Batch, Command, DirId, Directive, Event, Facts, Mono, Now, SECOND, Snapshot, Stamp,
    View, ViewConfig, ViewPath,
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

fn now() -> Now {
    Now { mono: Mono(0), wall: Stamp(BASE + 1000 * SECOND) }
}

/// A view with the log of what it was told.
struct Told {
    view: View,
    log: String,
}

impl Told {
    /// A view that knows the empty disk.
    fn new(disk: &mut Disk) -> Self {
        Self::with(disk, ViewConfig::default())
    }

    fn with(disk: &mut Disk, config: ViewConfig) -> Self {
        let mut told = Self { view: View::new(config, 1), log: String::new() };
        let first = disk.all_listings();
        told.tell(&disk.seal(first));
        told
    }

    fn tell(&mut self, batch: &Batch) -> Applied {
        self.log.push_str(&write(batch));
        let applied = self.view.apply(now(), Command::Batch(batch.clone()));
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
                owed = self.view.apply(now(), Command::Tick).directives;
            }
            let Some(directive) = owed.pop() else { return Ok(()) };
            self.log.push_str(&format!("# asked: {directive:?}\n"));
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
        let (mut disk, mut dice) = (Disk::new(), Dice(history.seed));
        let mut told = Told::new(&mut disk);
        let mut owed = Vec::new();
        for batch in &disorder(&mut disk, &mut dice, history.steps, 0) {
            owed.extend(told.tell(batch).directives);
        }
        told.settle(&mut disk, owed)?;
        told.matches(&disk, "after what was queued")?;
    }

    #[test]
    fn tables_that_are_too_small_cost_listings_only(history in histories(16)) {
        let (mut disk, mut dice) = (Disk::new(), Dice(history.seed));
        let config = ViewConfig { max_tombstones: 2, max_suspects: 1, ..ViewConfig::default() };
        let mut told = Told::with(&mut disk, config);
        let mut owed = Vec::new();
        for batch in &disorder(&mut disk, &mut dice, history.steps, 10) {
            owed.extend(told.tell(batch).directives);
        }
        told.settle(&mut disk, owed)?;
        told.matches(&disk, "after what was queued")?;
    }

    #[test]
    fn losses_are_repaired_when_they_are_declared(history in histories(16)) {
        let (mut disk, mut dice) = (Disk::new(), Dice(history.seed));
        let mut told = Told::new(&mut disk);
        let mut owed = Vec::new();
        for batch in &disorder(&mut disk, &mut dice, history.steps, 25) {
            owed.extend(told.tell(batch).directives);
        }
        told.settle(&mut disk, owed)?;
        told.matches(&disk, "after what was queued")?;
        let all = disk.all_listings();
        let owed = told.tell(&disk.seal(all)).directives;
        told.settle(&mut disk, owed)?;
        told.matches(&disk, "after complete listings of everything")?;
    }
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
