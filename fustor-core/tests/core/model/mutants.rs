//! Whether the tests would notice: each rule is switched off, and something must fail.
//!
//! A property takes a seed and a rule and says whether it failed. One more is a line in [`PROPERTIES`].

use std::panic::{AssertUnwindSafe, catch_unwind};

use fustor_core::{Rule, ViewConfig};
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::generate::{Set, sets, sets_without_symlinks};
use super::{hearsay, histories, marks, sets as definition, storages, times, trust};
use crate::{cases, sessions};

/// Within so many seeds a broken rule must be found.
const SEEDS: u64 = 200;

/// Rules that nothing notices, because what they forbid is forbidden a second time: no listing above a rename is newer than
/// what it says of either side, what moved has the rename as its floor, and a directory that was shown goes before a file.
const SECONDED: &[Rule] =
    &[Rule::MovesOnlyBelowOlderAbsences, Rule::MovedCountsAsSeen, Rule::FilesTakeNoDirectory];

/// A random test: whether it fails for this seed when this rule is switched off.
struct Property {
    name: &'static str,
    fails: fn(u64, Option<Rule>) -> bool,
}

const PROPERTIES: &[Property] = &[
    Property { name: "sets", fails: fails_on_set },
    Property { name: "times", fails: fails_on_time },
    Property { name: "histories", fails: fails_on_history },
    Property { name: "doubts", fails: fails_on_doubt },
    Property { name: "marks", fails: fails_on_marks },
    Property { name: "trust", fails: fails_on_trust },
    Property { name: "storages", fails: fails_on_storages },
    Property { name: "0.8", fails: fails_on_legacy },
    Property { name: "audits of 0.8", fails: fails_on_hearsay },
    Property { name: "sessions", fails: sessions::fails },
];

/// A panic is a finding too: an invariant was checked.
pub(crate) fn fails(run: impl FnOnce() -> Result<(), String>) -> bool {
    !matches!(catch_unwind(AssertUnwindSafe(run)), Ok(Ok(())))
}

fn drawn<S: Strategy>(seed: u64, strategy: S) -> S::Value {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    strategy.new_tree(&mut runner).expect("no filter rejects").current()
}

fn set(seed: u64) -> Set {
    drawn(seed, sets(40))
}

fn all_but(broken: Option<Rule>) -> ViewConfig {
    ViewConfig { broken, ..ViewConfig::default() }
}

fn fails_on_set(seed: u64, broken: Option<Rule>) -> bool {
    let set = set(seed);
    let config = ViewConfig { broken, ..definition::config(&set) };
    (0..4).any(|order| fails(|| definition::departs(&set, &config, order)))
}

fn fails_on_time(seed: u64, broken: Option<Rule>) -> bool {
    fails(|| times::departs(&set(seed), seed, &all_but(broken)))
}

fn fails_on_history(seed: u64, broken: Option<Rule>) -> bool {
    // Small tables for every other one: what goes for lack of room is a rule too.
    let max_tombstones = if seed.is_multiple_of(2) { 2 } else { 1_000_000 };
    fails(|| histories::departs(seed, &ViewConfig { max_tombstones, ..all_but(broken) }))
}

fn fails_on_doubt(seed: u64, broken: Option<Rule>) -> bool {
    fails(|| histories::doubt(seed, 1 + (seed % 16) as usize, &all_but(broken)))
}

fn fails_on_marks(seed: u64, broken: Option<Rule>) -> bool {
    fails(|| marks::departs(seed, &all_but(broken)))
}

fn fails_on_trust(seed: u64, broken: Option<Rule>) -> bool {
    fails(|| trust::departs(seed, &all_but(broken)))
}

fn fails_on_storages(seed: u64, broken: Option<Rule>) -> bool {
    fails(|| storages::departs(&set(seed), seed, &all_but(broken)))
}

fn fails_on_legacy(seed: u64, broken: Option<Rule>) -> bool {
    let set = drawn(seed, sets_without_symlinks(20));
    let config = ViewConfig { broken, ..definition::config(&set) };
    fails(|| definition::departs_by_hearsay(&set, &config))
}

fn fails_on_hearsay(seed: u64, broken: Option<Rule>) -> bool {
    fails(|| hearsay::departs(seed, &all_but(broken)))
}

/// The random test that found a broken rule first, with the seeds that it took, and the written case that fails.
struct Found {
    random: Option<(&'static str, u64)>,
    written: Option<String>,
}

/// Rules of sessions have a simulation of their own; it knows no others.
fn is_of_sessions(rule: Rule) -> bool {
    rule >= Rule::OneLeaseAtATime
}

fn search(rule: Rule) -> Found {
    let first = |property: &Property| {
        // What fails with every rule in force has found nothing.
        let finds =
            |seed: &u64| (property.fails)(*seed, Some(rule)) && !(property.fails)(*seed, None);
        let seed = (0..SEEDS).find(finds)?;
        Some((property.name, seed + 1))
    };
    let of_sessions = |property: &&Property| (property.name == "sessions") == is_of_sessions(rule);
    let written = match is_of_sessions(rule) {
        true => sessions::first_failing(rule).map(str::to_owned),
        false => cases::first_failing(&|config| config.broken = Some(rule)),
    };
    Found { random: PROPERTIES.iter().filter(of_sessions).find_map(first), written }
}

/// Prints the table of `docs/testing.md`.
#[test]
#[expect(clippy::print_stdout, reason = "the table is the result")]
fn every_broken_rule_is_noticed() {
    std::panic::set_hook(Box::new(|_| ()));
    assert_eq!(cases::first_failing(&|_| ()), None, "nothing is switched off");
    println!("| rule | found by | after seeds | written case |\n|---|---|---|---|");
    let mut missed = Vec::new();
    for rule in Rule::ALL {
        let Found { random, written } = search(*rule);
        if random.is_none() && written.is_none() && !SECONDED.contains(rule) {
            missed.push(*rule);
        }
        let written = written.unwrap_or_else(|| "none".to_owned());
        match random {
            Some((name, seeds)) => println!("| {rule:?} | {name} | {seeds} | {written} |"),
            None => println!("| {rule:?} | | | {written} |"),
        }
    }
    drop(std::panic::take_hook());
    assert!(missed.is_empty(), "nobody notices {missed:?}");
}
