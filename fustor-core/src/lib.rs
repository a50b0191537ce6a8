//! The pure core of Fustor: values in, values out.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod block;
mod entry;
mod event;
mod id;
mod key;
mod path;
#[cfg(test)]
#[path = "tree/pvec.rs"]
mod pvec;
mod time;

pub use block::{Block, BlockBuilder, BlockError, CHUNK_ROWS};
pub use entry::{Facts, Kind, Marks, Owner, Row};
pub use event::{
    Applied, Batch, Command, CyclePhase, Directive, Event, GapReason, Listing, Refusal,
    RootIdentity, UncoveredReason, Verdict, Verdicts,
};
pub use id::{AgentId, DirId, Epoch, Origin, Revision, Seq, StorageId};
pub use key::{Claim, Key, Tier};
pub use path::{DEPTH_MAX, NAME_MAX, PATH_MAX, PathError, ViewPath, is_name};
pub use time::{BootTime, ClockMap, Mono, Now, SECOND, Stamp, StorageTime};
