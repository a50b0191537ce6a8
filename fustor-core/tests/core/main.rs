//! All tests of the core that use only its public doors: the reference model, the case book and the house rules.

mod cases;
mod model;
mod observe;
mod script;
mod tidy;
