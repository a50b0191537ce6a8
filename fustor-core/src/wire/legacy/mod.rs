//! Events of 0.8 in both directions: what its agents send to us, what we send to its fusion. `docs/wire.md` says what
//! is accepted.

pub use crate::event::{
    LegacyBatch, LegacyChange, LegacyJob, LegacyKind, LegacyObservation, LegacyRow, RefusedRow,
    RowFault,
};
