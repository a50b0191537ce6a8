//! The agent's clock: monotonic and going on during suspend.

use fustor_core::{BootTime, SECOND, StorageTime};
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds in one millisecond.
pub(crate) const MS: i64 = 1_000_000;

/// `CLOCK_BOOTTIME` now. Read it *before* the observation that it stamps.
pub(crate) fn now() -> BootTime {
    let at = clock_gettime(ClockId::Boottime);
    BootTime(at.tv_sec.saturating_mul(SECOND).saturating_add(at.tv_nsec))
}

/// The wall clock now: what a storage that is in time writes into what changes.
pub(crate) fn wall() -> StorageTime {
    let at = clock_gettime(ClockId::Realtime);
    StorageTime(at.tv_sec.saturating_mul(SECOND).saturating_add(at.tv_nsec))
}
