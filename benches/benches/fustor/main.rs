//! All measurements in one program: it is linked once, with the optimisations of a release.

use criterion::{criterion_group, criterion_main};
use fustor_benches::quick;

mod block;
mod merge;
mod query;
mod rivals;
mod tree;
mod wire;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion_main!(benches);
criterion_group! {
    name = benches;
    config = quick();
    targets =
        block::blocks,
        tree::load,
        tree::upsert,
        tree::rescan,
        tree::subtree,
        tree::read,
        tree::compare,
        tree::drop_all,
        merge::verdicts,
        merge::delete,
        query::queries,
        rivals::rivals,
        wire::wire,
        wire::ingest
}
