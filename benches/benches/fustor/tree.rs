//! What it costs to build, change, read, compare and drop a tree, through the doors that the programs use.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use fustor_benches::{BATCH_ROWS, CpuTime, Feed, Plan, Rng, Shape, Times, entries};
use fustor_core::{Applied, Block, BlockReader, DirId, Event, Tree, ViewPath};
use memchr::memmem::Finder;

/// Rows of one batch of changes.
const BATCH: usize = 1000;
/// A removed subtree holds at least this many files, and at most ten times as many.
const SUBTREE: u64 = 5_000;

/// From nothing to everything: one listing per directory. The listings are made outside of the clock.
pub(crate) fn load(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("tree/load");
    for shape in Shape::ALL {
        // The mixed tree stands for all; the others show that no shape is a trap.
        let files = if shape == Shape::Mixed { entries() } else { entries() / 4 };
        let plan = Plan::new(shape, files, Times::Fresh);
        group.throughput(Throughput::Elements(plan.rows()));
        group.bench_function(BenchmarkId::from_parameter(shape.name()), |b| {
            b.iter_custom(|times| (0..times).map(|_| load_once(Feed::new(), &plan).1).sum());
        });
    }
    let plan = Plan::new(Shape::Mixed, entries(), Times::Fresh);
    group.throughput(Throughput::Elements(plan.rows()));
    group.bench_function("mixed_beside_another_storage", |b| {
        let once = |_| load_once(Feed::beside_another(), &plan).1;
        b.iter_custom(|times| (0..times).map(once).sum());
    });
    group.finish();
}

fn load_once(mut feed: Feed, plan: &Plan) -> (Feed, Duration) {
    let before = feed.view.snapshot().tree().meta(DirId::ROOT).totals.files;
    let mut spent = Duration::ZERO;
    let mut from = 0;
    while from < plan.dirs().len() {
        let events = feed.listings(plan, from, BATCH_ROWS, 0);
        from += events.len();
        spent += send(&mut feed, events).1;
    }
    let files = feed.view.snapshot().tree().meta(DirId::ROOT).totals.files;
    assert_eq!(files, before + plan.files());
    (feed, spent)
}

/// Single rows all over the tree, the worst case of a writer.
pub(crate) fn upsert(c: &mut Criterion<CpuTime>) {
    let plan = Plan::new(Shape::Mixed, entries(), Times::Fresh);
    let mut feed = Feed::new().loaded(&plan);
    let mut rng = Rng::new(7);
    let mut group = c.benchmark_group("tree/upsert_1000");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("alone", |b| {
        b.iter_custom(|times| (0..times).map(|_| upserts(&mut feed, &plan, &mut rng)).sum());
    });
    let mut beside = Feed::beside_another().loaded(&plan);
    group.bench_function("beside_another_storage", |b| {
        b.iter_custom(|times| (0..times).map(|_| upserts(&mut beside, &plan, &mut rng)).sum());
    });
    drop(beside);
    // Two published states are alive at any time; letting go of the older one is counted apart.
    let mut held = [feed.view.snapshot(), feed.view.snapshot()];
    group.bench_function("snapshot_held", |b| {
        b.iter_custom(|times| {
            let mut once = || {
                let spent = upserts(&mut feed, &plan, &mut rng);
                held.swap(0, 1);
                held[1] = feed.view.snapshot();
                spent
            };
            (0..times).map(|_| once()).sum()
        });
    });
    group.bench_function("let_go", |b| {
        b.iter_custom(|times| {
            let mut once = || {
                upserts(&mut feed, &plan, &mut rng);
                held.swap(0, 1);
                let old = std::mem::replace(&mut held[1], feed.view.snapshot());
                CpuTime::of(|| drop(old)).1
            };
            (0..times).map(|_| once()).sum()
        });
    });
    group.finish();
}

fn upserts(feed: &mut Feed, plan: &Plan, rng: &mut Rng) -> Duration {
    let version = 1 + rng.below(1000) as u32;
    let events = feed.upserts(plan, rng, BATCH, version);
    let (applied, spent) = send(feed, events);
    // A path drawn twice has one winner.
    assert!(applied.verdicts.applied > BATCH as u64 * 9 / 10, "{:?}", applied.verdicts);
    spent
}

/// Directories in scan order, as an audit sends them; time per thousand rows.
pub(crate) fn rescan(c: &mut Criterion<CpuTime>) {
    let plan = Plan::new(Shape::Mixed, entries(), Times::Fresh);
    let mut feed = Feed::new().loaded(&plan);
    let mut group = c.benchmark_group("tree/rescan_1000");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, changing) in [("unchanged", false), ("changed", true)] {
        let (mut from, mut version) = (0, u32::from(changing));
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let (mut spent, mut rows) = (Duration::ZERO, 0);
                while rows < times * BATCH as u64 {
                    let snapshot = feed.view.snapshot();
                    let events = feed.listings(&plan, from, BATCH, version);
                    rows += events.iter().map(rows_of).sum::<u64>();
                    from += events.len();
                    if from >= plan.dirs().len() {
                        from = 0;
                        version += u32::from(changing);
                    }
                    spent += send(&mut feed, events).1;
                    drop(snapshot);
                }
                spent.mul_f64(times as f64 * BATCH as f64 / rows as f64)
            });
        });
    }
    group.finish();
}

fn rows_of(event: &Event) -> u64 {
    let Event::Listing(listing) = event else { return 0 };
    listing.blocks.iter().map(|block| block.len() as u64).sum()
}

/// A directory with thousands of files below it gets another name, or goes.
pub(crate) fn subtree(c: &mut Criterion<CpuTime>) {
    let plan = Plan::new(Shape::Mixed, entries(), Times::Fresh);
    let mut feed = Feed::new().loaded(&plan);
    let top = a_subtree(&feed, &plan);
    let (here, there) = (plan.dir_path(top), ViewPath::parse(b"/moved elsewhere").expect("a path"));
    let mut group = c.benchmark_group("tree/subtree");
    let mut names = [here.clone(), there];
    group.bench_function("rename", |b| {
        b.iter_custom(|times| {
            let mut once = || {
                let [old, new] = names.clone();
                let rename =
                    Event::Rename { old, new, stamp: feed.stamp(), facts: plan.dir_facts(top) };
                names.swap(0, 1);
                send(&mut feed, vec![rename]).1
            };
            (0..times).map(|_| once()).sum()
        });
    });
    let mut feed = Feed::new().loaded(&plan);
    group.bench_function("remove", |b| {
        b.iter_custom(|times| (0..times).map(|_| remove(&mut feed, &plan, top).0).sum());
    });
    group.bench_function("free_removed", |b| {
        b.iter_custom(|times| (0..times).map(|_| remove(&mut feed, &plan, top).1).sum());
    });
    group.finish();
}

/// The first directory whose subtree has the wanted size.
fn a_subtree(feed: &Feed, plan: &Plan) -> usize {
    let snapshot = feed.view.snapshot();
    let tree = snapshot.tree();
    let wanted = SUBTREE.min(plan.files() / 20);
    let fits = |d: &usize| {
        let dir = tree.dir(&plan.dir_path(*d)).expect("was listed");
        (wanted..wanted * 10).contains(&tree.meta(dir).totals.files)
    };
    (1..plan.dirs().len()).find(fits).expect("a mixed tree has subtrees of all sizes")
}

/// Removes a subtree and frees it, then lists it again outside of the clock.
fn remove(feed: &mut Feed, plan: &Plan, top: usize) -> (Duration, Duration) {
    let delete = Event::Delete { path: plan.dir_path(top), stamp: feed.stamp() };
    let (applied, detach) = send(feed, vec![delete]);
    assert_eq!(applied.verdicts.applied, 1);
    let ((), free) = CpuTime::of(|| while feed.view.release(1000) {});
    let mut stack = vec![plan.dirs()[top].parent, top as u32];
    stack.reverse();
    let mut first = true;
    while let Some(d) = stack.pop() {
        // The parent's listing brings the directory back; its other children are there.
        if !first {
            stack.extend_from_slice(plan.children(d as usize));
        }
        first = false;
        let listing = plan.listing(d as usize, 0, feed.stamp());
        feed.send(vec![Event::Listing(listing)]);
    }
    (detach, free)
}

pub(crate) fn read(c: &mut Criterion<CpuTime>) {
    let plan = Plan::new(Shape::Mixed, entries(), Times::Fresh);
    let feed = Feed::new().loaded(&plan);
    let snapshot = feed.view.snapshot();
    let tree = snapshot.tree();
    let mut rng = Rng::new(3);
    let files: Vec<(usize, u32)> = (0..100_000).map(|_| plan.random_file(&mut rng)).collect();
    let paths: Vec<ViewPath> = files.iter().map(|(d, j)| plan.file_path(*d, *j)).collect();
    let dirs: Vec<ViewPath> = files[..20_000].iter().map(|(d, _)| plan.dir_path(*d)).collect();
    let ids: Vec<DirId> = dirs.iter().map(|path| tree.dir(path).expect("was listed")).collect();
    let mut group = c.benchmark_group("tree/read");
    let mut next = 0;
    group.bench_function("lookup", |b| {
        b.iter(|| {
            next = (next + 1) % paths.len();
            assert!(black_box(tree.lookup(&paths[next])).is_some());
        });
    });
    group.bench_function("path_of", |b| {
        b.iter(|| {
            next = (next + 1) % ids.len();
            black_box(tree.path_of(ids[next]))
        });
    });
    // Names and sizes, as the prototype beside which this stands reads them; `rows` decodes every column.
    group.bench_function("list_250", |b| {
        b.iter(|| {
            next = (next + 1) % dirs.len();
            let dir = tree.dir(&dirs[next]).expect("was listed");
            let mut left = 250;
            let (rows, bytes) = tree.entries(dir).blocks().fold((0, 0), |sum, block| {
                let read = names_and_sizes(&block.reader(), left);
                left -= read.0;
                (sum.0 + read.0, read.1.wrapping_add(sum.1))
            });
            black_box((rows, bytes))
        });
    });
    group.bench_function("list_250_rows", |b| {
        b.iter(|| {
            next = (next + 1) % dirs.len();
            let dir = tree.dir(&dirs[next]).expect("was listed");
            tree.entries(dir).rows().take(250).for_each(|row| _ = black_box(row));
        });
    });
    group.bench_function("newest_mtime", |b| {
        b.iter(|| {
            next = (next + 1) % ids.len();
            black_box(tree.newest_mtime(ids[next]))
        });
    });
    group.bench_function("snapshot", |b| b.iter(|| black_box(feed.view.snapshot())));
    group.throughput(Throughput::Elements(plan.rows()));
    group.bench_function("walk", |b| {
        b.iter(|| assert_eq!(walk(tree), plan.rows()));
    });
    // In the order of the table and without paths, as the prototype searches; `query/scan` has the question itself.
    let needle = Finder::new(b"frame_000123");
    group.bench_function("names_with", |b| {
        b.iter(|| black_box(names_with(tree, &needle)));
    });
    group.bench_function("walk_rows", |b| {
        b.iter(|| assert_eq!(walk_rows(tree), plan.rows()));
    });
    group.finish();
}

/// Reads the name and the size of up to `most` rows; gives their number and a sum of both.
fn names_and_sizes(block: &BlockReader<'_>, most: usize) -> (usize, u64) {
    let rows = block.len().min(most);
    let read = |i| block.size(i).wrapping_add(block.name(i).len() as u64);
    (rows, (0..rows).map(read).fold(0, u64::wrapping_add))
}

/// Reads the name and the size of every row; gives the number of rows.
fn walk(tree: &Tree) -> u64 {
    let (mut rows, mut bytes) = (0, 0_u64);
    let mut stack = vec![DirId::ROOT];
    while let Some(dir) = stack.pop() {
        for block in tree.entries(dir).blocks() {
            let block = block.reader();
            let read = names_and_sizes(&block, usize::MAX);
            rows += read.0 as u64;
            bytes = bytes.wrapping_add(read.1);
            stack.extend(block.children());
        }
    }
    black_box(bytes);
    rows
}

/// How many names hold the needle.
fn names_with(tree: &Tree, needle: &Finder<'_>) -> usize {
    let dirs = (0..tree.id_count() as u32).map(DirId);
    dirs.flat_map(|dir| tree.entries(dir).blocks()).map(|block| hits(block, needle)).sum()
}

fn hits(block: &Block, needle: &Finder<'_>) -> usize {
    let (block, len) = (block.reader(), needle.needle().len());
    let (names, mut at, mut hits) = (block.names(), 0, 0);
    while let Some(found) = needle.find(&names[at..]) {
        let end = block.name_end(block.row_at(at + found));
        hits += usize::from(at + found + len <= end);
        at = end;
    }
    hits
}

/// Decodes every column of every row; gives the number of rows.
fn walk_rows(tree: &Tree) -> u64 {
    let mut rows = 0;
    let mut stack = vec![DirId::ROOT];
    while let Some(dir) = stack.pop() {
        for row in tree.entries(dir).rows() {
            rows += 1;
            stack.extend((row.child != DirId::NONE).then_some(row.child));
            black_box(row);
        }
    }
    rows
}

pub(crate) fn compare(c: &mut Criterion<CpuTime>) {
    let plan = Plan::new(Shape::Mixed, entries(), Times::Fresh);
    let mut feed = Feed::new().loaded(&plan);
    let mut rng = Rng::new(11);
    let old = feed.view.snapshot();
    upserts(&mut feed, &plan, &mut rng);
    let new = feed.view.snapshot();
    let mut group = c.benchmark_group("tree/diff");
    group.bench_function("after_1000_changes", |b| {
        b.iter(|| {
            let mut changes = 0;
            old.tree().diff(new.tree(), &mut |_| changes += 1);
            assert!(changes > BATCH / 2);
        });
    });
    group.bench_function("equal", |b| {
        b.iter(|| old.tree().diff(old.clone().tree(), &mut |_| panic!("nothing changed")));
    });
    group.finish();
}

pub(crate) fn drop_all(c: &mut Criterion<CpuTime>) {
    let plan = Plan::new(Shape::Mixed, entries(), Times::Fresh);
    let mut group = c.benchmark_group("tree");
    group.throughput(Throughput::Elements(plan.rows()));
    group.bench_function("drop", |b| {
        b.iter_custom(|times| {
            let once = |_| {
                let feed = Feed::new().loaded(&plan);
                CpuTime::of(|| drop(feed)).1
            };
            (0..times).map(once).sum()
        });
    });
    group.finish();
}

fn send(feed: &mut Feed, events: Vec<Event>) -> (Applied, Duration) {
    CpuTime::of(|| feed.send(events))
}
