//! What a receiver takes at once.

/// Bounds of one request with events. Beyond them it is refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body, not compressed.
    pub bytes: usize,
    /// Events of a batch.
    pub events: usize,
    /// Rows of all its events. A native listing has those of its blocks, every other native event has one.
    pub rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, events: 65_536, rows: 1 << 20 }
    }
}
