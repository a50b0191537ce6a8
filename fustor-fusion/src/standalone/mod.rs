//! The standalone mode: agent and fusion in one process, one view for each directory.

mod feed;
mod naming;
mod progress;
mod watch;

pub use feed::{Feed, FeedConfig, FeedError};
pub use naming::name_views;
pub use watch::{WatchConfig, WatchError, watch};
