//! The fusion library: the host of views and its HTTP interface.

pub mod host;
pub mod http;
pub mod process;
