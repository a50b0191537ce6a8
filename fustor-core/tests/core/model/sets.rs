//! Invariant "order-free": the tree is a function of the set of observations, whatever their order, doubling and batching.

use fustor_core::{
    Applied, Batch, Command, Event, Facts, Fidelity, Kind, Mono, Now, Owner, SECOND, Snapshot,
    Stamp, View, ViewConfig,
};
use proptest::prelude::*;

use super::generate::{LAST, Set, delivery, sets, sets_without_symlinks};
use super::reference::Reference;
use super::runs;
use crate::observe::{Entry, bytes, entries, recount};
use crate::script::{BASE, leave_out_untold, write};

/// When every batch arrives, in seconds after the base.
const NOW: i64 = LAST + 1;

pub(crate) fn config(set: &Set) -> ViewConfig {
    ViewConfig { tombstone_ttl_ns: (NOW - set.horizon) * SECOND, ..ViewConfig::default() }
}

fn now() -> Now {
    Now { mono: Mono(0), wall: Stamp(BASE + NOW * SECOND) }
}

pub(crate) fn defined(set: &Set) -> Vec<Entry> {
    let mut reference = Reference::new(Stamp(BASE + set.horizon * SECOND));
    set.observations.iter().for_each(|(_, batch)| reference.admit(batch));
    reference.tree()
}

/// Applies batches one by one; every invariant must hold after each.
pub(crate) fn replay(
    config: &ViewConfig,
    batches: &[Batch],
) -> Result<(Snapshot, Vec<Applied>), String> {
    let mut view = View::new(config.clone(), 1);
    let mut applied = Vec::new();
    for batch in batches {
        applied.push(view.apply(now(), Command::Batch(batch.clone())));
        view.check().map_err(|error| format!("check: {error:?}"))?;
        recount(&view.snapshot())?;
        // Ids of what was cut off are given out again, while their side tables may still be there.
        if applied.len() % 2 == 0 {
            let _more_remains = view.release(2);
            view.check().map_err(|error| format!("check after release: {error:?}"))?;
        }
    }
    Ok((view.snapshot(), applied))
}

/// How a view that judges by `config` differs from the definition in one order of delivery.
pub(crate) fn departs(set: &Set, config: &ViewConfig, order: u64) -> Result<(), String> {
    let batches = delivery(set, order);
    let told = |error| format!("{error}\n{}", script(&batches));
    let (snapshot, _) = replay(config, &batches).map_err(told)?;
    compare(&entries(&snapshot), &defined(set)).map_err(told)
}

/// What a view has, and what it should have.
pub(super) fn compare(seen: &[Entry], defined: &[Entry]) -> Result<(), String> {
    if seen == defined { Ok(()) } else { Err(differences(seen, defined)) }
}

pub(crate) fn differences(seen: &[Entry], defined: &[Entry]) -> String {
    let lacks = defined.iter().filter(|entry| !seen.contains(entry));
    let excess = seen.iter().filter(|entry| !defined.contains(entry));
    let text = |entries: Vec<String>| entries.join("\n  ");
    format!(
        "the definition has\n  {}\nthe view has\n  {}",
        text(lacks.map(|entry| format!("{entry:?}")).collect()),
        text(excess.map(|entry| format!("{entry:?}")).collect()),
    )
}

pub(crate) fn script(batches: &[Batch]) -> String {
    batches.iter().map(write).collect()
}

proptest! {
    #![proptest_config(runs(4000))]

    #[test]
    fn order_free(set in sets(14)) {
        for order in 0..4 {
            departs(&set, &config(&set), order).map_err(TestCaseError::fail)?;
        }
    }
}

proptest! {
    #![proptest_config(runs(800))]

    #[test]
    fn order_free_of_many(set in sets(60)) {
        departs(&set, &config(&set), 0).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn replay_is_exact(set in sets(30)) {
        let batches = delivery(&set, 0);
        let (first, applied) = replay(&config(&set), &batches).map_err(TestCaseError::fail)?;
        let (second, again) = replay(&config(&set), &batches).map_err(TestCaseError::fail)?;
        prop_assert_eq!(applied, again);
        prop_assert_eq!(bytes(&first), bytes(&second));
    }
}

/// What an agent of 0.8 would make of single observations; listings stay those of a native one.
fn as_legacy(set: &Set) -> Set {
    let mut set = set.clone();
    for (seed, batch) in &mut set.observations {
        for event in &mut batch.events {
            if let Event::Upsert { facts, .. } = event
                && facts.kind == Kind::Symlink
            {
                facts.kind = Kind::File;
            }
            let single = matches!(event, Event::Upsert { .. } | Event::Delete { .. });
            if single && *seed % 4 != 0 {
                batch.fidelity = Fidelity::Legacy;
                leave_out_untold(event);
            }
        }
    }
    set
}

/// An entry without what 0.8 does not tell.
fn told(entry: &Entry) -> Entry {
    let bare = |facts: Facts| Facts { inode: 0, nlink: 0, owner: Owner::default(), ..facts };
    Entry { facts: entry.facts.map(bare), ..entry.clone() }
}

/// How a view that judges by `config` differs from the definition when much of the set is told by agents of 0.8.
pub(crate) fn departs_by_hearsay(set: &Set, config: &ViewConfig) -> Result<(), String> {
    let set = as_legacy(set);
    let defined: Vec<Entry> = defined(&set).iter().map(told).collect();
    for order in 0..3 {
        let batches = delivery(&set, order);
        let script = |error| format!("{error}\n{}", script(&batches));
        let (snapshot, _) = replay(config, &batches).map_err(script)?;
        let seen: Vec<Entry> = entries(&snapshot).iter().map(told).collect();
        compare(&seen, &defined).map_err(script)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(runs(1500))]

    /// Where symlinks are out of the game, columns that are not told depend on the order, and nothing else does.
    #[test]
    fn order_free_of_legacy(set in sets_without_symlinks(20)) {
        departs_by_hearsay(&set, &config(&set)).map_err(TestCaseError::fail)?;
    }
}

/// Without switching a rule of the definition on, no random set would ever meet it: each must decide something.
#[test]
fn random_sets_meet_every_rule_of_the_definition() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut placeholders, mut empty, mut trees) = (0, 0, 0);
    for _ in 0..300 {
        let set = sets(14).new_tree(&mut runner).expect("no filter rejects").current();
        let tree = defined(&set);
        placeholders += usize::from(tree[1..].iter().any(|entry| entry.facts.is_none()));
        empty += usize::from(tree.len() == 1);
        trees += usize::from(tree.len() > 3);
    }
    assert!(placeholders > 50 && trees > 100 && empty < 100, "{placeholders} {trees} {empty}");
}
