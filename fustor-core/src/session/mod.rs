//! Sessions of agents with one storage: who lives, who leads, which batches are new, and what agents are to do.
//!
//! `docs/sessions.md` states the rules. A state machine without I/O: everything is driven by the `now` of its callers.

mod door;

pub use door::{
    Ack, Admission, AdmitError, Beat, Coverage, CreateError, CreateSession, Created, Duties,
    Ending, Exchange, Grant, Head, LEGACY_TIMEOUT_ANSWER_NS, LaneSeqs, NativePeer, Order, Peer,
    Progress, Pulse, Resume, Role, RosterConfig, ScanCommand, SessionError, Sync, TIMEOUT_MAX_NS,
    Task,
};
