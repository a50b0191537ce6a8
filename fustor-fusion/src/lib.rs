//! The fusion library: the host of views, its HTTP interface and the standalone mode.

pub mod args;
pub mod command;
pub mod config;
pub mod host;
pub mod http;
pub mod net;
pub mod pipe;
pub mod process;
pub mod receiver;
pub mod service;
pub mod standalone;
