//! Bytes of peers and clients: whatever they are, they give a value or an error that says where. A short run with each `cargo test`;
//! the corpora in `__fuzz__` are tried first, and coverage-guided engines start from them.

mod block;
mod commands;
mod json;
mod native;
mod path;
mod query;
mod take;

/// Inputs of one run besides the corpus.
const INPUTS: usize = 20_000;
