//! What it costs to write and to read what travels, per row and core.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use fustor_benches::wire::{batches, frames, head, pages};
use fustor_benches::{CpuTime, Feed, Plan, Rng, Shape, Times};
use fustor_core::wire::legacy::{decode_events, encode_events};
use fustor_core::wire::native::{Limits, decode, encode};
use fustor_core::{ClockMap, Event};

/// Files of the tree whose listings travel.
const FILES: u64 = 100_000;
/// Realtime events that travel.
const UPSERTS: usize = 10_000;

/// Whole scans in both languages, then single events.
pub(crate) fn wire(c: &mut Criterion<CpuTime>) {
    for shape in [Shape::Mixed, Shape::Uuid] {
        scan(c, &Plan::new(shape, FILES, Times::Fresh));
    }
    let plan = Plan::new(Shape::Mixed, FILES, Times::Fresh);
    let upserts = Feed::new().upserts(&plan, &mut Rng::new(7), UPSERTS, 1);
    measure(c, "upserts", UPSERTS as u64, &[upserts], "message");
}

fn scan(c: &mut Criterion<CpuTime>, plan: &Plan) {
    measure(c, plan.shape().name(), plan.rows(), &batches(plan), "snapshot");
}

fn measure(
    c: &mut Criterion<CpuTime>,
    name: &str,
    rows: u64,
    batches: &[Vec<Event>],
    source_type: &str,
) {
    let mut group = c.benchmark_group("wire");
    group.throughput(Throughput::Elements(rows));
    let id = |what: &str| BenchmarkId::new(what, name);
    let (limits, clock) = (Limits::default(), ClockMap::default());
    let native = frames(batches);
    group.bench_function(id("native_encode"), |b| {
        b.iter(|| {
            batches.iter().map(|events| encode(&head(1), black_box(events)).len()).sum::<usize>()
        });
    });
    group.bench_function(id("native_decode"), |b| {
        b.iter(|| native.iter().filter(|frame| decode(black_box(frame), &limits).is_ok()).count());
    });
    let json = pages(batches);
    group.bench_function(id("json_encode"), |b| {
        let write = |events| encode_events("session", events, clock, source_type, false).len();
        b.iter(|| batches.iter().map(|events| write(black_box(events))).sum::<usize>());
    });
    group.bench_function(id("json_decode"), |b| {
        let fine = |page: &&Vec<u8>| decode_events(black_box(page), &limits).is_ok();
        b.iter(|| json.iter().filter(fine).count());
    });
    group.finish();
}
