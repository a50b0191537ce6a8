//! Sealed batches of native agents as one binary frame. `docs/wire.md` describes the bytes.

mod crc;
mod decode;
mod encode;
mod error;
mod frame;
#[cfg(test)]
mod tests;

use crate::event::Event;

pub use super::limits::Limits;
pub use crate::event::BatchHead;
pub use decode::{decode, decode_head};
pub use encode::encode;
pub use error::{DecodeError, DecodeFault, EventFault, RefusedEvent};

/// What a request with such a body says of its type.
pub const CONTENT_TYPE: &str = "application/vnd.fustor.events.v2";

/// What a frame holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Its head.
    pub head: BatchHead,
    /// The events that make sense, in order.
    pub events: Vec<Event>,
    /// The first events that make no sense.
    pub refused: Vec<RefusedEvent>,
    /// How many events make no sense.
    pub refused_count: u64,
}

/// How many rows an event has for [`Limits::rows`].
#[must_use]
pub fn rows(event: &Event) -> usize {
    match event {
        Event::Listing(listing) => listing.blocks.iter().map(crate::Block::len).sum(),
        Event::Upsert { .. }
        | Event::Delete { .. }
        | Event::Rename { .. }
        | Event::Gap { .. }
        | Event::Uncovered { .. }
        | Event::Covered { .. }
        | Event::Cycle { .. }
        | Event::RootLost { .. }
        | Event::Remark(_) => 1,
    }
}
