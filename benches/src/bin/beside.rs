//! The measurements of a prototype of the bare table, in the order, number and kinds of access in which it makes them, so
//! that both can be run one after the other: CPU time, one JSON line a quantity.
//!
//! Criterion repeats an upsert some thousand times before it measures, by when the tree is another one.

use std::hint::black_box;
use std::time::Duration;

use fustor_benches::{BATCH_ROWS, CpuTime, Feed, Plan, Rng, Shape, Times, entries};
use fustor_core::{DirId, Tree, ViewPath};

/// Batches of upserts for each figure, and rows in each.
const BATCHES: u32 = 200;
const ROWS: usize = 1000;
/// Looks at a tree for each figure.
const LOOKS: u32 = 20_000;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let plan = Plan::new(Shape::Mixed, entries(), Times::Fresh);
    let mut feed = Feed::new();
    report("load_row", load(&mut feed, &plan), plan.rows());
    let snapshot = feed.view.snapshot();
    read(snapshot.tree(), &plan);
    drop(snapshot);
    write(&mut feed, &plan);
    paths(feed.view.snapshot().tree(), &plan);
}

/// One directory after the other, as they were numbered.
fn paths(tree: &Tree, plan: &Plan) {
    let directories = u32::try_from(plan.dirs().len()).expect("fewer directories than ids");
    let path = |look: u32| tree.path_of(DirId(look % directories));
    let (found, spent) =
        CpuTime::of(|| (0..LOOKS).filter(|look| black_box(path(*look)).is_some()).count());
    assert_eq!(found, LOOKS as usize, "every directory hangs on the root");
    report("path_of", spent, u64::from(LOOKS));
}

/// The listings are made outside of the clock.
fn load(feed: &mut Feed, plan: &Plan) -> Duration {
    let (mut from, mut spent) = (0, Duration::ZERO);
    while from < plan.dirs().len() {
        let events = feed.listings(plan, from, BATCH_ROWS, 0);
        from += events.len();
        spent += CpuTime::of(|| feed.send(events)).1;
    }
    spent
}

fn read(tree: &Tree, plan: &Plan) {
    let mut rng = Rng::new(7);
    let files: Vec<(usize, u32)> = (0..10 * LOOKS).map(|_| plan.random_file(&mut rng)).collect();
    let paths: Vec<ViewPath> = files.iter().map(|(d, j)| plan.file_path(*d, *j)).collect();
    let (found, spent) =
        CpuTime::of(|| paths.iter().filter(|path| tree.lookup(path).is_some()).count());
    assert_eq!(found, paths.len(), "every file is there");
    report("lookup", spent, paths.len() as u64);
}

fn write(feed: &mut Feed, plan: &Plan) {
    let mut rng = Rng::new(7);
    let rows = u64::from(BATCHES) * ROWS as u64;
    let mut alone = Duration::ZERO;
    for _ in 0..BATCHES {
        alone += upserts(feed, plan, &mut rng, 1);
    }
    report("upsert_alone", alone, rows);
    // Two older states are alive at any time; letting go of the oldest is counted apart.
    let mut held = [feed.view.snapshot(), feed.view.snapshot()];
    let (mut beside, mut let_go) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..BATCHES {
        beside += upserts(feed, plan, &mut rng, 2);
        held.swap(0, 1);
        let oldest = std::mem::replace(&mut held[1], feed.view.snapshot());
        let_go += CpuTime::of(|| drop(oldest)).1;
    }
    report("upsert_snapshot_held", beside, rows);
    report("let_go", let_go, rows);
}

fn upserts(feed: &mut Feed, plan: &Plan, rng: &mut Rng, version: u32) -> Duration {
    let events = feed.upserts(plan, rng, ROWS, version);
    let (applied, spent) = CpuTime::of(|| feed.send(events));
    assert!(applied.verdicts.applied > ROWS as u64 * 9 / 10, "{:?}", applied.verdicts);
    spent
}

#[expect(clippy::print_stdout, reason = "the report is the result")]
fn report(what: &str, spent: Duration, times: u64) {
    println!(r#"{{"what":"{what}","ns":{:.0}}}"#, spent.as_nanos() as f64 / times as f64);
}
