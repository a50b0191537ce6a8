//! Bytes of peers: whatever they are, they give a value or an error that says where. A short run with each `cargo test`;
//! the corpora in `__fuzz__` are tried first, and coverage-guided engines start from them.

mod json;
mod native;

/// Inputs of one run besides the corpus.
const INPUTS: usize = 20_000;
