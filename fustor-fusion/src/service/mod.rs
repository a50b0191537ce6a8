//! A configured process: its views, pipes and ports, started together and stopped together.

mod addresses;
mod reload;
mod run;
mod steward;

pub use addresses::Addresses;
pub use reload::{Reloaded, compare};
pub use run::{Options, ServiceError, run};
