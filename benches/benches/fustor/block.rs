//! What it costs to write, validate, read, adopt and change the rows of one directory.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use fustor_benches::{CpuTime, Plan, Shape, Times};
use fustor_core::{
    Block, BlockBuilder, CHUNK_ROWS, Claim, DirId, Facts, Key, Kind, Origin, Row, Stamp, StorageId,
    Tier,
};

/// A typical directory, the field's benchmark directory, a full block.
pub(crate) fn blocks(c: &mut Criterion<CpuTime>) {
    let mixed = Plan::new(Shape::Mixed, 600_000, Times::Fresh);
    for size in [38, 250] {
        let fits = |d: &usize| mixed.dirs()[*d].files as usize + mixed.children(*d).len() == size;
        let d = (0..mixed.dirs().len()).find(fits).expect("a large mixed tree has all sizes");
        measure(c, &entries_of(&mixed, d));
    }
    measure(c, &entries_of(&Plan::new(Shape::Huge, CHUNK_ROWS as u64, Times::Fresh), 1));
}

fn entries_of(plan: &Plan, d: usize) -> Vec<(Vec<u8>, Facts)> {
    let mut found = Vec::new();
    plan.each_entry(d, 0, &mut |name, facts| found.push((name.to_vec(), *facts)));
    found
}

fn measure(c: &mut Criterion<CpuTime>, found: &[(Vec<u8>, Facts)]) {
    let mut group = c.benchmark_group("block");
    group.throughput(Throughput::Elements(found.len() as u64));
    let id = |what: &str| BenchmarkId::new(what, found.len());

    let mut builder = BlockBuilder::default();
    let mut build = || {
        found.iter().for_each(|(name, facts)| builder.push(name, facts));
        builder.finish(b"a directory")
    };
    let block = build().remove(0);
    group.bench_function(id("build"), |b| b.iter(&mut build));
    let rows: Vec<Row<'_>> = block.rows().collect();
    group.bench_function(id("encode"), |b| {
        b.iter(|| Block::encode(b"a directory", black_box(&rows)));
    });
    group.bench_function(id("parse"), |b| {
        b.iter(|| Block::parse(black_box(block.as_bytes())).is_ok());
    });
    group.bench_function(id("rows"), |b| {
        b.iter(|| black_box(&block).rows().map(|row| row.facts.size).fold(0, u64::wrapping_add));
    });
    let key =
        Key::new(Stamp(1_760_000_000_000_000_000), Tier::Scan, Claim::Present, Origin::default());
    group.bench_function(id("adopt"), |b| {
        let mut next = 0;
        b.iter(|| {
            black_box(&block).adopt(b"a directory", key, StorageId(0), &mut |_| {
                next += 1;
                DirId(next)
            })
        });
    });
    group.finish();
    one_row(c, &block.adopt(b"a directory", key, StorageId(0), &mut |_| DirId(1)));
}

/// Looking one row up, and changing it.
fn one_row(c: &mut Criterion<CpuTime>, block: &Block) {
    let mut group = c.benchmark_group("block");
    let rows: Vec<Row<'_>> = block.rows().collect();
    let id = |what: &str| BenchmarkId::new(what, rows.len());
    group.bench_function(id("find"), |b| {
        let mut next = 0;
        b.iter(|| {
            next = (next + 7) % rows.len();
            black_box(block).find(rows[next].name).is_ok()
        });
    });
    let i = (0..rows.len()).find(|i| !block.kind(*i).is_dir()).expect("a file");
    let (old, other) = (block.row(i), block.row(rows.len() - 1));
    let facts = Facts { size: other.facts.size, kind: Kind::File, ..old.facts };
    let row = Row { facts, ..old };
    // A snapshot shares the block, so that each patch copies it.
    group.bench_function(id("patch_shared"), |b| {
        b.iter_batched(|| block.clone(), |mut block| block.patch(i, &row), BatchSize::SmallInput);
    });
    group.finish();
}
