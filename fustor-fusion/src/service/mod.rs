//! A configured process: its views, pipes and ports, started together and stopped together.

mod ports;
mod reload;
mod run;
mod steward;

pub use ports::Addresses;
pub use reload::{Reloaded, compare};
pub use run::{Options, ServiceError, run};
