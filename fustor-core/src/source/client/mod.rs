//! The agent's half of a session as a state machine: what is told it, and what it wants done.
//!
//! It has no clock, no socket and no thread. The shell tells it what the source has sealed, what the server has
//! answered and what time it is, and does what [`Client::poll`] returns. The server's half keeps the same contract:
//!
//! - Every lane is numbered without holes from what the server names, a number is sent again with the same observations
//!   until it is acknowledged, and one lane has at most [`WINDOWS`] numbers under way.
//! - Acknowledged means applied. What is not acknowledged is kept, in bounded room; what does not find room becomes a
//!   gap over the directory that it was about.
//! - Only a lease makes a leader, and it is counted from the sending of the request that brought it.

mod backoff;
mod door;
mod duty;
mod lane;
mod machine;
mod orders;
mod spool;

pub use door::{
    Action, BeatReply, ClientConfig, ClientStatus, CreateReply, Dialect, Failure, Grant, HoldReply,
    LeaseGrant, Order, Phase, Push, PushReply, Reading, Resume, Role, Seqs, Standing, Task, WALKED,
};
pub use lane::WINDOWS;
pub use machine::Client;

#[cfg(test)]
mod tests;
