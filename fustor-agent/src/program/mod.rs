//! What both programs need around their work: files, logs, the background and words with the running process.

pub mod command;
pub mod control;
pub mod daemon;
pub mod home;
pub mod log;
pub mod pidfile;
mod suggest;
pub mod yaml;

pub use suggest::{did_you_mean, nearest};
