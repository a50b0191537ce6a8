//! The HTTP interface: routes, parameters, errors and the way answers leave.

mod answer;
pub(crate) mod error;
mod find;
mod health;
mod legacy;
mod metrics;
mod ops;
pub(crate) mod params;
mod router;
mod settled;
mod state;
mod stream;
mod views;

pub use router::{router, serve};
pub use state::{App, Describe, ViewState};
