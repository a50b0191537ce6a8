//! The agent's clock: monotonic and going on during suspend.

use fustor_core::BootTime;
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds in one millisecond.
pub(crate) const MS: i64 = 1_000_000;

/// `CLOCK_BOOTTIME` now. Read it *before* the observation that it stamps.
pub(crate) fn now() -> BootTime {
    let at = clock_gettime(ClockId::Boottime);
    BootTime(at.tv_sec.saturating_mul(fustor_core::SECOND).saturating_add(at.tv_nsec))
}
