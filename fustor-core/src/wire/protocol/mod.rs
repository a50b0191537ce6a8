//! The JSON bodies of sessions, for both ends: what 0.8 says, and beside it what native agents add. Unknown keys are
//! ignored, as 0.8 does.

mod body;
mod directive;
mod events;
mod sentinel;
mod session;
#[cfg(test)]
mod tests;

pub use body::{BodyError, Seconds, detail, read, write};
pub use directive::{Ask, NumberedDirective};
pub use events::{EventsReply, RefusedItem, StaleEpoch, VerdictCounts, legacy_count, phase_done};
pub use sentinel::{
    SUSPECT_CHECK, SUSPECT_UPDATE, SentinelFeedback, SentinelTasks, SentinelUpdate,
};
pub use session::{
    AgentIdentity, Client, ClockReply, Coverage, CreateReply, CreateRequest, Exchange,
    HeartbeatReply, HeartbeatRequest, Intake, LaneSeqs, LeaseGrant, PROTOCOL, Progress, ResumeFrom,
    Role, RootId, ScanCommand, SourceIdentity,
};
