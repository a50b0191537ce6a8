//! What tests with processes stand on: programs, a tree, a fusion and agents, and what a view should show. Each binary of
//! such tests has this as a module of its own.
#![allow(dead_code, reason = "no binary uses all of it")]

pub(crate) mod bytes;
pub(crate) mod http;
pub(crate) mod peers;
pub(crate) mod picture;
pub(crate) mod process;
pub(crate) mod site;
