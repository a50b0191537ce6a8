//! What the measurements share: seeded trees in the shapes of the field, a view fed with them, and a clock of CPU time.

mod cpu;
mod feed;
mod names;
mod plan;
mod rng;
mod shape;
pub mod wire;

pub use cpu::{CpuTime, quick};
pub use feed::{BATCH_ROWS, Feed};
pub use plan::{Plan, Times, entries};
pub use rng::{Rng, mix};
pub use shape::{Dir, Shape};
