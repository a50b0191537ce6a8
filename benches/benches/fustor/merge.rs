//! What one observation costs, by what becomes of it. Time per batch of a thousand.

use std::time::Duration;

use criterion::{Criterion, Throughput};
use fustor_benches::{CpuTime, Feed, Plan, Rng, Shape, Times, entries};
use fustor_core::{BootTime, Event, Facts, Kind, Tier, Verdicts};

const BATCH: usize = 1000;

pub(crate) fn verdicts(c: &mut Criterion<CpuTime>) {
    let plan = Plan::new(Shape::Mixed, entries(), Times::Fresh);
    let mut feed = Feed::new().loaded(&plan);
    let mut rng = Rng::new(5);
    let mut group = c.benchmark_group("merge/upsert_1000");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("applied", |b| {
        b.iter_custom(|times| {
            let mut once = || {
                let events = changes(&plan, &mut rng, feed.stamp());
                let spent = expect(&mut feed, events, |verdicts| verdicts.applied);
                while feed.view.release(1000) {}
                spent
            };
            (0..times).map(|_| once()).sum()
        });
    });
    group.bench_function("stale", |b| {
        b.iter_custom(|times| {
            let mut once = || {
                let events = changes(&plan, &mut rng, Feed::early());
                expect(&mut feed, events, |verdicts| verdicts.stale)
            };
            (0..times).map(|_| once()).sum()
        });
    });
    group.bench_function("buried", |b| {
        b.iter_custom(|times| {
            let mut once = || {
                let events = creations(&plan, &mut rng, Feed::early());
                expect(&mut feed, events, |verdicts| verdicts.buried)
            };
            (0..times).map(|_| once()).sum()
        });
    });
    group.finish();
}

/// A thousand deletes of files that were created outside of the clock.
pub(crate) fn delete(c: &mut Criterion<CpuTime>) {
    let plan = Plan::new(Shape::Mixed, entries(), Times::Fresh);
    let mut feed = Feed::new().loaded(&plan);
    let mut rng = Rng::new(9);
    let mut group = c.benchmark_group("merge");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("delete_1000", |b| {
        b.iter_custom(|times| {
            let mut once = || {
                let created = creations(&plan, &mut rng, feed.stamp());
                let paths: Vec<_> = created.iter().filter_map(path_of).collect();
                feed.send(created);
                let stamp = feed.stamp();
                let deletes = paths.into_iter().map(|path| Event::Delete { path, stamp }).collect();
                expect(&mut feed, deletes, |verdicts| verdicts.applied)
            };
            (0..times).map(|_| once()).sum()
        });
    });
    group.finish();
}

fn changes(plan: &Plan, rng: &mut Rng, stamp: BootTime) -> Vec<Event> {
    let change = |_| {
        let (d, j) = plan.random_file(rng);
        let facts = Facts { kind: Kind::File, ..plan.file_facts(d, j, 1 + rng.below(1000) as u32) };
        Event::Upsert { path: plan.file_path(d, j), stamp, tier: Tier::Atomic, facts }
    };
    (0..BATCH).map(change).collect()
}

fn creations(plan: &Plan, rng: &mut Rng, stamp: BootTime) -> Vec<Event> {
    let create = |_| {
        let (d, j) = plan.random_file(rng);
        let facts = Facts { kind: Kind::File, ..plan.file_facts(d, j, 0) };
        Event::Upsert { path: plan.new_path(d, rng.bits()), stamp, tier: Tier::Atomic, facts }
    };
    (0..BATCH).map(create).collect()
}

fn path_of(event: &Event) -> Option<fustor_core::ViewPath> {
    if let Event::Upsert { path, .. } = event { Some(path.clone()) } else { None }
}

/// Sends a batch of which nearly all shall get one verdict (a path drawn twice may get another).
fn expect(feed: &mut Feed, events: Vec<Event>, count: fn(&Verdicts) -> u64) -> Duration {
    let (applied, spent) = CpuTime::of(|| feed.send(events));
    assert!(count(&applied.verdicts) > BATCH as u64 * 9 / 10, "{:?}", applied.verdicts);
    spent
}
