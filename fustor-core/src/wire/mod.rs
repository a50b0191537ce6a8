//! What travels: encodings of answers, of events and of what sessions say. No sockets here.

pub mod json;
pub mod legacy;
mod limits;
pub mod native;
pub mod protocol;

pub use limits::Limits;
