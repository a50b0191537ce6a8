//! The whole system in virtual time from one seed: agents, a fusion, a shared file system, a bad network, crashes.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the core is pure; its tests read the environment and use threads"
)]

mod agent;
mod check;
mod dice;
mod disk;
mod fusion;
mod host;
mod messages;
mod plan;
mod shrink;
mod source;
mod trace;
mod world;
mod writers;

use std::sync::atomic::{AtomicU64, Ordering};

use fustor_core::ViewConfig;

use check::Checker;
use plan::Plan;
use trace::Trace;
use world::{Counts, Failure, World};

/// Seeds that every run of the tests tries.
const SEEDS: u64 = 100;
/// What a seed must at least have seen.
const EVENTS_MIN: u64 = 20_000;

/// Runs a plan.
pub(crate) fn run(plan: &Plan, config: ViewConfig, tell: bool) -> (Result<Counts, Failure>, Trace) {
    let mut world = World::new(plan, config);
    world.trace.on = tell;
    let mut checker = Checker::default();
    let outcome = world.run(&mut checker);
    (outcome.map(|()| world.counts), world.trace)
}

/// What is wrong with one seed when a view judges by `config`; what depends on the seed is the plan's.
pub(crate) fn departs(seed: u64, config: ViewConfig) -> Option<String> {
    let plan = Plan::of(seed);
    run(&plan, config, false)
        .0
        .err()
        .map(|failure| format!("{}: {}", failure.checker, failure.what))
}

/// The failure of a seed, made as small as possible and explained.
fn explain(seed: u64, failure: Failure) -> String {
    let plan = Plan::of(seed);
    let config = plan.view.clone();
    let first = format!("{}: {}", failure.checker, failure.what);
    let (plan, failure) = match variable("FUSTOR_SIM_SHRINK", 1) {
        0 => (plan, failure),
        _ => shrink::shrink(&plan, &config, failure),
    };
    let trace = run(&plan, config, true).1;
    let mut text =
        format!("seed {seed}: {first}\nshrunk to {}: {}\n", failure.checker, failure.what);
    text += &format!("{:?} {:?}\n", plan.mount, plan.hosts);
    for mishap in &plan.mishaps {
        text += &format!("{:?}\n", mishap);
    }
    for happening in plan.happenings.iter().rev().take(30).collect::<Vec<_>>().into_iter().rev() {
        text += &format!("{:?}\n", happening);
    }
    text += "the trace:\n";
    let names: Vec<String> = failure.words.clone();
    text += &trace.about(&names, 80).join("\n");
    let last = variable("FUSTOR_SIM_LAST", 0) as usize;
    if last > 0 {
        text += "\nall of it, at the end:\n";
        text += &trace.about(&[], last).join("\n");
    }
    text
}

/// A number from the environment.
fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn the_picture_is_true_whatever_goes_wrong() {
    let first = variable("FUSTOR_SIM_FIRST", 0);
    let next = AtomicU64::new(first);
    let end = first + variable("FUSTOR_SIM_SEEDS", SEEDS);
    let failures = std::sync::Mutex::new(Vec::new());
    let total = std::sync::Mutex::new((0_u64, Counts::default()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || failures.lock().unwrap().len() >= 40 {
                        return;
                    }
                    let plan = Plan::of(seed);
                    match run(&plan, plan.view.clone(), false).0 {
                        Ok(counts) => {
                            let mut total = total.lock().unwrap();
                            total.0 += 1;
                            add(&mut total.1, counts);
                        }
                        Err(failure) => failures.lock().unwrap().push((seed, failure)),
                    }
                }
            });
        }
    });
    let (runs, counts) = total.into_inner().unwrap();
    println!("{runs} seeds: {counts:?}, {} events a seed", counts.events() / runs.max(1));
    let mut failures = failures.into_inner().unwrap();
    failures.sort_by_key(|(seed, _)| *seed);
    for (seed, failure) in &failures {
        let what: String = failure.what.chars().take(300).collect();
        println!("seed {seed}: {} at {}: {what}", failure.checker, failure.at);
    }
    if let Some((seed, failure)) = failures.into_iter().next() {
        panic!("{}", explain(seed, failure));
    }
    assert!(counts.events() / runs.max(1) >= EVENTS_MIN, "{counts:?}");
}

fn add(total: &mut Counts, counts: Counts) {
    total.calls += counts.calls;
    total.observations += counts.observations;
    total.messages += counts.messages;
    total.steps += counts.steps;
    total.faults += counts.faults;
    total.samples += counts.samples;
    total.clean += counts.clean;
    total.compared += counts.compared;
    total.settled += counts.settled;
    total.audits += counts.audits;
}

#[test]
fn a_seed_is_the_same_each_time() {
    let plan = Plan::of(7);
    let tell = || {
        let outcome = run(&plan, plan.view.clone(), false).0;
        outcome.map(|counts| format!("{counts:?}")).unwrap_or_else(|failure| failure.what)
    };
    assert_eq!(tell(), tell());
    assert_eq!(departs(7, plan.view.clone()), departs(7, plan.view.clone()));
}
