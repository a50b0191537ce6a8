//! What questions cost, from the snapshot to the bytes of the answer.

use std::hint::black_box;
use std::ops::ControlFlow;

use criterion::{BenchmarkId, Criterion, Throughput};
use fustor_benches::{CpuTime, Feed, Plan, Rng, Shape, Times, entries};
use fustor_core::query::{
    FindArgs, Finder, Limit, ListArgs, Progress, SettledArgs, TreeArgs, find, list, settled,
    subtree_stats, tree,
};
use fustor_core::wire::json::{EntryWriter, ToJson};
use fustor_core::{Now, Snapshot, StorageTime, ViewPath};

/// Rows between two looks at the request's deadline.
const SLICE: usize = 16_384;

pub(crate) fn queries(c: &mut Criterion<CpuTime>) {
    let plan = Plan::new(Shape::Mixed, entries(), Times::Fresh);
    let feed = Feed::new().loaded(&plan);
    let (snapshot, now) = (feed.view.snapshot(), feed.now());
    scans(c, &plan, &snapshot);
    streams(c, &plan, &snapshot, now);
    points(c, &plan, &snapshot, now);
}

/// Filters that look at every row of the tree, and find next to nothing.
fn scans(c: &mut Criterion<CpuTime>, plan: &Plan, snapshot: &Snapshot) {
    let all = FindArgs::below(ViewPath::root());
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let cases = [
        ("substring", FindArgs { contains: text("frame_000123"), ..all.clone() }),
        ("substring_absent", FindArgs { contains: text("zzz-nothing"), ..all.clone() }),
        ("substring_one_byte", FindArgs { contains: text("~"), ..all.clone() }),
        ("glob", FindArgs { name: text("ckpt_*_0004200?.pt"), ..all.clone() }),
        ("regex", FindArgs { regex: Some(r"^part-0+42-[0-9a-f]{8}\.gz$".into()), ..all.clone() }),
        ("size", FindArgs { min_size: Some(1 << 60), ..all.clone() }),
        ("mtime", FindArgs { newer: Some(StorageTime(i64::MAX / 2)), ..all.clone() }),
    ];
    let mut group = c.benchmark_group("query/scan");
    group.throughput(Throughput::Elements(plan.rows()));
    for (name, args) in cases {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| drain(snapshot, &args));
        });
    }
    group.finish();
}

/// Runs a search to its end; gives the number of bytes of its answer as lines.
fn drain(snapshot: &Snapshot, args: &FindArgs) -> usize {
    let mut finder = Finder::new(snapshot, args).expect("the question is well formed");
    let (mut writer, mut out, mut bytes) = (EntryWriter::default(), Vec::new(), 0);
    loop {
        let progress = finder.step(SLICE, &mut |path, row| {
            writer.line(&mut out, path, row);
            ControlFlow::Continue(())
        });
        bytes += out.len();
        out.clear();
        match progress {
            Progress::More => {}
            Progress::Done => return black_box(bytes),
        }
    }
}

/// The whole tree as JSON.
fn streams(c: &mut Criterion<CpuTime>, plan: &Plan, snapshot: &Snapshot, now: Now) {
    let mut group = c.benchmark_group("query/stream");
    group.throughput(Throughput::Elements(plan.rows()));
    for (name, only_path) in [("tree", false), ("tree_only_path", true)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let args = TreeArgs {
                    path: ViewPath::root(),
                    recursive: true,
                    max_depth: None,
                    only_path,
                    limit: None,
                    job: Some(fustor_core::query::TreeJob::default()),
                };
                let stream = tree(snapshot, now, &args).expect("the root is there");
                stream.map(|chunk| black_box(chunk).len()).sum::<usize>()
            });
        });
    }
    let lines = FindArgs::below(ViewPath::root());
    group.bench_function("find_lines", |b| b.iter(|| drain(snapshot, &lines)));
    group.finish();
}

/// Questions about one place.
fn points(c: &mut Criterion<CpuTime>, plan: &Plan, snapshot: &Snapshot, now: Now) {
    let mut rng = Rng::new(3);
    let dirs: Vec<ViewPath> =
        (0..20_000).map(|_| plan.dir_path(plan.random_file(&mut rng).0)).collect();
    let mut next = 0;
    let mut dir = || {
        next = (next + 1) % dirs.len();
        dirs[next].clone()
    };
    let mut group = c.benchmark_group("query/point");
    group.bench_function("list_250", |b| {
        let limit = Limit::new(250).expect("within bounds");
        b.iter(|| {
            list(snapshot, now, &ListArgs { path: dir(), limit, cursor: None })
                .map(|page| page.to_json())
        });
    });
    group.bench_function("find_100", |b| {
        let limit = Limit::new(100).expect("within bounds");
        let args =
            |path| FindArgs { limit, contains: Some(b"0".to_vec()), ..FindArgs::below(path) };
        b.iter(|| find(snapshot, now, &args(dir())).map(|page| page.to_json()));
    });
    group.bench_function("subtree_stats", |b| {
        b.iter(|| subtree_stats(snapshot, now, &dir()).map(|stats| stats.to_json()));
    });
    group.bench_function("settled", |b| {
        b.iter(|| {
            settled(snapshot, now, &SettledArgs { path: dir(), quiet_sec: 30 })
                .map(|it| it.to_json())
        });
    });
    group.finish();
}
