//! What it costs to write and to read what travels, per row and core.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use fustor_benches::wire::{batches, frames, head, pages};
use fustor_benches::{CpuTime, Feed, Plan, Rng, Shape, Times};
use fustor_core::session::{Admission, Duties, LegacyPeer};
use fustor_core::wire::legacy::{decode_events, encode_events};
use fustor_core::wire::native::{Limits, decode, encode};
use fustor_core::{ClockMap, DirId, Event, Origin, StorageId};

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

/// From the bytes of a whole scan to a picture that readers see, in both languages.
pub(crate) fn ingest(c: &mut Criterion<CpuTime>) {
    let plan = Plan::new(Shape::Mixed, FILES, Times::Fresh);
    let batches = batches(&plan);
    let (native, json) = (frames(&batches), pages(&batches));
    let mut group = c.benchmark_group("wire/ingest");
    group.throughput(Throughput::Elements(plan.rows()));
    group.bench_function("native", |b| {
        b.iter_custom(|times| (0..times).map(|_| ingest_native(&native, plan.files())).sum());
    });
    group.bench_function("json", |b| {
        b.iter_custom(|times| (0..times).map(|_| ingest_json(&json, plan.files())).sum());
    });
    group.finish();
}

fn ingest_native(frames: &[Vec<u8>], files: u64) -> Duration {
    let (mut feed, limits) = (Feed::new(), Limits::default());
    let ((), spent) = CpuTime::of(|| {
        for frame in frames {
            let decoded = decode(frame, &limits).expect("sealed by this program");
            feed.send(decoded.events);
            black_box(feed.view.snapshot());
        }
    });
    assert_eq!(feed.view.snapshot().tree().meta(DirId::ROOT).totals.files, files);
    spent
}

fn ingest_json(pages: &[Vec<u8>], files: u64) -> Duration {
    let (mut feed, limits) = (Feed::new(), Limits::default());
    let mut peer = LegacyPeer::new(0);
    let admission = Admission {
        fresh: true,
        origin: Origin::default(),
        clock: ClockMap::default(),
        storage: StorageId(0),
        duties: Duties::Allowed,
    };
    let ((), spent) = CpuTime::of(|| {
        for page in pages {
            let told = decode_events(page, &limits).expect("written by this program");
            let translated = peer.translate(feed.now(), &admission, told);
            feed.tell(translated.batch);
            black_box(feed.view.snapshot());
        }
    });
    assert_eq!(feed.view.snapshot().tree().meta(DirId::ROOT).totals.files, files);
    spent
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
