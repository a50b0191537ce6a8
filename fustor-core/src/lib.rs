//! The pure core of Fustor: values in, values out.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod block;
mod clock;
mod entry;
mod event;
mod forest;
mod id;
mod key;
mod merge;
mod path;
pub mod query;
mod rules;
pub mod session;
mod snapshot;
mod source;
mod text;
mod time;
mod tree;
mod view;
pub mod wire;

pub use block::{Block, BlockBuilder, BlockError, BlockReader, CHUNK_ROWS};
pub use clock::{Skew, StorageClock};
pub use entry::{Facts, Kind, Marks, Owner, Row};
pub use event::{
    Applied, Batch, BatchHead, Command, CyclePhase, Directive, Event, Fidelity, GapReason, Lane,
    Listing, Refusal, Remark, RootIdentity, Sweep, UncoveredReason, Verdict, Verdicts,
};
pub use forest::Forest;
pub use id::{AgentId, DirId, Epoch, IdError, JobId, Origin, Revision, Seq, SessionId, StorageId};
pub use key::{Claim, Key, Tier};
pub use merge::{BlindDeletion, OpenGap, ViewConfig};
pub use path::{DEPTH_MAX, NAME_MAX, PATH_MAX, PathError, ViewPath, is_name};
#[cfg(feature = "mutants")]
pub use rules::Rule;
pub use snapshot::{PathConflict, Snapshot, Suspect, Trust, TrustReason, TrustState};
pub use source::client;
pub use source::{
    Admission, Change as PathChange, Coalescer, Heat, Mark, Overflow, Place, Renamed, Step,
    WatchId, WatchSet,
};
pub use time::{BootTime, ClockMap, Mono, Now, SECOND, Stamp, StorageTime};
pub use tree::{Change, CheckError, Entries, Meta, Totals, Tree};
pub use view::{Cycles, View};
