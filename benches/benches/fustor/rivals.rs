//! Ordered maps from full path to facts, for scale: what a standard and a persistent map cost for the same rows,
//! without totals, subtree moves or any evidence for a merge.

use std::collections::BTreeMap;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use fustor_benches::{CpuTime, Plan, Rng, Shape, Times, entries};
use fustor_core::{Facts, ViewPath};
use im::OrdMap;

const BATCH: usize = 1000;

/// What both maps can do.
trait Rival: Default {
    const NAME: &str;
    fn put(&mut self, path: ViewPath, facts: Facts);
    fn has(&self, path: &ViewPath) -> bool;
}

impl Rival for BTreeMap<ViewPath, Facts> {
    const NAME: &str = "btreemap";
    fn put(&mut self, path: ViewPath, facts: Facts) {
        self.insert(path, facts);
    }
    fn has(&self, path: &ViewPath) -> bool {
        self.contains_key(path)
    }
}

impl Rival for OrdMap<ViewPath, Facts> {
    const NAME: &str = "imbl_ordmap";
    fn put(&mut self, path: ViewPath, facts: Facts) {
        self.insert(path, facts);
    }
    fn has(&self, path: &ViewPath) -> bool {
        self.contains_key(path)
    }
}

pub(crate) fn rivals(c: &mut Criterion<CpuTime>) {
    let plan = Plan::new(Shape::Mixed, entries(), Times::Fresh);
    measure::<BTreeMap<ViewPath, Facts>>(c, &plan);
    let map = measure::<OrdMap<ViewPath, Facts>>(c, &plan);
    snapshots(c, &plan, map);
}

fn measure<R: Rival>(c: &mut Criterion<CpuTime>, plan: &Plan) -> R {
    let mut map = fill::<R>(plan);
    let mut rng = Rng::new(3);
    let paths: Vec<ViewPath> = (0..100_000).map(|_| file(plan, &mut rng)).collect();
    let mut group = c.benchmark_group("rivals");
    let mut next = 0;
    group.bench_function(BenchmarkId::new("lookup", R::NAME), |b| {
        b.iter(|| {
            next = (next + 1) % paths.len();
            assert!(map.has(&paths[next]));
        });
    });
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function(BenchmarkId::new("upsert_1000/alone", R::NAME), |b| {
        b.iter_custom(|times| (0..times).map(|_| upserts(&mut map, plan, &mut rng)).sum());
    });
    group.throughput(Throughput::Elements(plan.files()));
    group.bench_function(BenchmarkId::new("drop", R::NAME), |b| {
        b.iter_custom(|times| {
            let once = |_| {
                let map = fill::<R>(plan);
                CpuTime::of(|| drop(map)).1
            };
            (0..times).map(once).sum()
        });
    });
    group.finish();
    map
}

/// With two published states alive, as in `tree/upsert_1000/snapshot_held`.
fn snapshots(c: &mut Criterion<CpuTime>, plan: &Plan, mut map: OrdMap<ViewPath, Facts>) {
    let mut rng = Rng::new(8);
    let mut held = [map.clone(), map.clone()];
    let mut group = c.benchmark_group("rivals");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function(BenchmarkId::new("upsert_1000/snapshot_held", "imbl_ordmap"), |b| {
        b.iter_custom(|times| {
            let mut once = || {
                let spent = upserts(&mut map, plan, &mut rng);
                held.swap(0, 1);
                held[1] = map.clone();
                spent
            };
            (0..times).map(|_| once()).sum()
        });
    });
    group.finish();
}

fn fill<R: Rival>(plan: &Plan) -> R {
    let mut map = R::default();
    for (d, dir) in plan.dirs().iter().enumerate() {
        for j in 0..dir.files {
            map.put(plan.file_path(d, j), plan.file_facts(d, j, 0));
        }
    }
    map
}

fn upserts<R: Rival>(map: &mut R, plan: &Plan, rng: &mut Rng) -> Duration {
    let version = 1 + rng.below(1000) as u32;
    let rows: Vec<(ViewPath, Facts)> = (0..BATCH)
        .map(|_| {
            let (d, j) = plan.random_file(rng);
            let path =
                if rng.chance(80) { plan.file_path(d, j) } else { plan.new_path(d, rng.bits()) };
            (path, plan.file_facts(d, j, version))
        })
        .collect();
    CpuTime::of(|| {
        for (path, facts) in rows {
            map.put(path, facts);
        }
    })
    .1
}

fn file(plan: &Plan, rng: &mut Rng) -> ViewPath {
    let (d, j) = plan.random_file(rng);
    plan.file_path(d, j)
}
