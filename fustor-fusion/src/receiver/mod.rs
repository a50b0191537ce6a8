//! What agents speak to: sessions, events and the signals of 0.8, on ports of their own.

mod auth;
mod body;
mod consistency;
mod events;
mod inlet;
mod legacy;
mod native;
mod outcome;
mod router;
mod session;

pub use auth::Access;
pub(crate) use auth::{authenticate, forbidden};
pub(crate) use consistency::look_again;
pub use inlet::Inlet;
pub(crate) use router::{agents_beside_views, beside_views};
pub use router::{management_routes, receiver_routes, router};
