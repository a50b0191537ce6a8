//! The HTTP interface: routes, parameters, errors and the way answers leave.

mod access;
mod answer;
mod changes;
pub(crate) mod error;
mod events;
mod find;
mod health;
mod jobs;
mod legacy;
mod metrics;
pub(crate) mod openapi;
mod ops;
pub(crate) mod params;
mod pipes;
mod router;
mod sessions;
mod settled;
mod state;
mod stream;
pub(crate) mod table;
mod views;

pub(crate) use pipes::describe as describe_pipe;
pub use router::{counted, router, routes, serve};
pub(crate) use sessions::sessions as describe_sessions;
pub use state::{App, Describe, Service, ViewState};
