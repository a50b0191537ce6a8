//! What can be wrong with a frame, and with one event of it.

use thiserror::Error;

use crate::block::BlockError;
use crate::path::PathError;

/// A frame that is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("byte {offset}: {fault}")]
pub struct DecodeError {
    /// Where in the frame.
    pub offset: usize,
    /// What is wrong.
    pub fault: DecodeFault,
}

/// Why a frame is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeFault {
    /// It does not begin like one.
    #[error("not a batch of events")]
    Magic,
    /// Another version of the format.
    #[error("batch version {0} is not known")]
    Version(u8),
    /// It ends before it is complete.
    #[error("the batch ends here, {said} bytes were announced")]
    Truncated {
        /// How long it should be.
        said: u64,
    },
    /// It goes on after its end.
    #[error("the batch goes on after its end")]
    Trailing,
    /// Its bytes are not those that were sealed.
    #[error("checksum {said:08x} does not match {found:08x}")]
    Checksum {
        /// What the frame says.
        said: u32,
        /// What its bytes give.
        found: u32,
    },
    /// No such lane.
    #[error("lane {0} is not known")]
    Lane(u8),
    /// Bytes that must be zero are not.
    #[error("reserved bytes are not zero")]
    Reserved,
    /// More bytes than the receiver takes.
    #[error("{bytes} bytes, at most {limit} are taken")]
    TooLarge {
        /// How many there are.
        bytes: u64,
        /// How many are taken.
        limit: usize,
    },
    /// More events than the receiver takes.
    #[error("{events} events, at most {limit} are taken")]
    TooManyEvents {
        /// How many there are.
        events: usize,
        /// How many are taken.
        limit: usize,
    },
    /// More rows than the receiver takes.
    #[error("more than {limit} rows")]
    TooManyRows {
        /// How many are taken.
        limit: usize,
    },
    /// An event whose length goes beyond the frame, or is no number.
    #[error("an event goes beyond the end of the batch")]
    EventLength,
    /// Another number of events than announced.
    #[error("{said} events were announced and {found} found")]
    Events {
        /// How many were announced.
        said: usize,
        /// How many there are.
        found: usize,
    },
}

impl DecodeFault {
    /// Whether the sender may try again with less (HTTP 413).
    #[must_use]
    pub const fn is_size(&self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. } | Self::TooManyEvents { .. } | Self::TooManyRows { .. }
        )
    }
}

/// An event that is left out while its neighbours are kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("event {index} at byte {offset}: {fault}")]
pub struct RefusedEvent {
    /// Its number in the batch.
    pub index: usize,
    /// Where in the frame.
    pub offset: usize,
    /// What is wrong with it.
    pub fault: EventFault,
}

/// What is wrong with one event.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EventFault {
    /// It ends before it is complete.
    #[error("the event ends too early")]
    Truncated,
    /// Bytes follow its last field.
    #[error("the event goes on after its last field")]
    Trailing,
    /// No such event, tier, reason or phase.
    #[error("tag {0:#04x} is not known")]
    Tag(u8),
    /// A number beyond what its field holds.
    #[error("{0} is out of range")]
    Number(&'static str),
    /// A path shares more with the one before than there is, or more than the frame has earned.
    #[error("a path shares {0} bytes, more than it may")]
    Shared(u64),
    /// No path of a view.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A block that is none.
    #[error(transparent)]
    Block(#[from] BlockError),
}
