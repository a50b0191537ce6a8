//! Sessions of agents with one storage: who lives, who leads, which batches are new, and what agents are to do.
//!
//! `docs/sessions.md` states the rules. A state machine without I/O: everything is driven by the `now` of its callers.

mod admit;
mod agents;
mod create;
mod door;
mod effects;
mod first_scan;
mod jobs;
mod lanes;
mod lease;
mod legacy;
mod member;
mod orders;
mod roster;
mod timing;
mod upkeep;
mod work;

pub use door::{
    Ack, Admission, AdmitError, Beat, Coverage, CreateError, CreateSession, Created, Duties,
    Ending, Exchange, Grant, Head, LEGACY_TIMEOUT_ANSWER_NS, LaneSeqs, NativePeer, Order, Peer,
    Progress, Pulse, Resume, Role, RosterConfig, ScanCommand, SessionError, Sync, TIMEOUT_MAX_NS,
    Task,
};
pub use jobs::{Job, JobStatus};
pub use legacy::{Finding, LegacyClock, LegacyPeer, Translated};
pub use member::Session;
pub use roster::Roster;
