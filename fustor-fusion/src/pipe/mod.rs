//! Fusion's side of the pipes: each storage with its sessions and the views it feeds, and who keeps its deadlines.

mod apply;
mod hub;
mod keeper;
mod running;
mod storage;

pub use apply::ApplyError;
pub use hub::{Copying, Hub, HubError};
pub use running::{Pipe, PipeCounts};
pub use storage::{LegacySession, Storage};
