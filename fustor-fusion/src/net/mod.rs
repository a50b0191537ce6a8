//! Connections: how many there may be, how long one may be idle, and who is at the other end.

mod connection;
mod door;
mod registry;

pub use connection::Connection;
pub use door::{Door, DoorLimits, Peer, busy, serve};
