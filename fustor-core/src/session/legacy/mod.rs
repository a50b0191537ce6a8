//! What agents of 0.8 say, in the terms of a view: their clock, their scans, their sentinel.

mod clock;
mod peer;

#[cfg(test)]
mod tests;

pub use clock::LegacyClock;
pub use peer::{Finding, LegacyPeer, Translated};
