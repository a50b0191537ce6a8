//! The merge judged against its definition: random sets of observations, and random true histories of a disk.

mod diff;
mod disk;
pub(crate) mod generate;
mod hearsay;
mod histories;
mod marks;
#[cfg(feature = "mutants")]
pub(crate) mod mutants;
mod paths;
mod reference;
pub(crate) mod sets;
mod storages;
mod times;
mod trust;

pub(crate) use reference::Reference;

/// How many random cases a property tries: `base`, times `FUSTOR_CASES` for a soak.
pub(crate) fn runs(base: u32) -> proptest::test_runner::Config {
    let factor =
        std::env::var("FUSTOR_CASES").ok().and_then(|text| text.parse::<u32>().ok()).unwrap_or(1);
    proptest::test_runner::Config {
        cases: base.saturating_mul(factor),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..proptest::test_runner::Config::default()
    }
}
