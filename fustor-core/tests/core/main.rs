//! All tests of the core that use only its public doors: the reference model, the case book and the house rules.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the core is pure; its tests read sources and the environment"
)]

mod cases;
mod fuzz;
mod model;
mod observe;
mod script;
mod sessions;
mod tidy;
