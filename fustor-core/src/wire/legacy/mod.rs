//! Events of 0.8 in both directions: what its agents send to us, what we send to its fusion. `docs/wire.md` says what
//! is accepted.

mod decode;
mod encode;
mod lenient;
mod row;
pub(super) mod scalar;
#[cfg(test)]
mod tests;

pub use super::limits::Limits;
pub use crate::event::{
    LegacyBatch, LegacyChange, LegacyJob, LegacyKind, LegacyObservation, LegacyRow, RefusedRow,
    RowFault,
};
pub use decode::{LegacyError, decode_events};
pub use encode::{PAGE_ROWS, encode_events, job_complete};
