//! The agent's half that needs no disk: which directories to watch, and what waits to be reported.

pub mod client;
mod coalesce;
mod watchset;

pub use coalesce::{Change, Coalescer, Mark, Overflow, Place, Renamed, Step};
pub use watchset::{Admission, Heat, WatchId, WatchSet};
