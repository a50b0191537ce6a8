//! The host of one view: the thread that writes it, the snapshots that it publishes and the queue that feeds it.

mod clock;
mod counters;
mod directives;
mod history;
mod inbox;
mod pins;
mod reaper;
mod view_host;
mod writer;

pub use clock::Clock;
pub use counters::Counters;
pub use directives::Directives;
pub use history::{Follower, History};
pub use inbox::{Busy, Closed};
pub use pins::Pins;
pub use view_host::{HISTORY_BYTES, HostConfig, Receipt, ViewHost};
