//! Numbers that tell the revisions of one view of this process from those of another.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers below are for views that are given one by hand.
const FIRST: u64 = 1 << 32;

/// An incarnation that no other view of this process has been given.
#[must_use]
pub fn incarnation() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(FIRST);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
