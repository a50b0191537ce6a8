//! Telling a fusion over HTTP what a source sees: one task a pipe, which does what its client asks for.

mod body;
mod http;
mod identity;
mod legacy;
mod native;
mod pipe;
mod request;
mod state;
mod status;

pub use http::{Compression, FusionConfig, FusionError, Speech};
pub use identity::{agent_id, host_name};
pub use pipe::{Pipe, PipeConfig};
pub use state::Memory;
pub use status::PipeStatus;
