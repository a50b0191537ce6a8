//! The clock of this process: what "now" is, and how this machine's boot-time clock maps to it.

use fustor_core::{BootTime, ClockMap, Mono, Now, SECOND};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// How often the two clocks are read to find a tight pair.
const READINGS: usize = 16;

/// Tells the wall time by the boot-time clock and an offset that was measured once: a step of the system's wall clock
/// moves neither the order of observations nor their age.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    map: ClockMap,
}

impl Clock {
    /// A clock that agrees with the system's wall clock as of now.
    #[must_use]
    pub fn start() -> Self {
        let mut best = ClockMap { offset_ns: 0, uncertainty_ns: i64::MAX };
        for _ in 0..READINGS {
            let before = read(ClockId::Boottime);
            let wall = read(ClockId::Realtime);
            let half = (read(ClockId::Boottime) - before) / 2;
            if half < best.uncertainty_ns {
                best = ClockMap { offset_ns: wall - before - half, uncertainty_ns: half + 1 };
            }
        }
        Self { map: best }
    }

    /// The mapping from this machine's boot-time clock.
    #[must_use]
    pub const fn map(&self) -> ClockMap {
        self.map
    }

    /// The present moment; never before one that was told earlier.
    #[must_use]
    pub fn now(&self) -> Now {
        let mono = Mono(read(ClockId::Monotonic));
        Now { mono, wall: self.map.stamp(BootTime(read(ClockId::Boottime))) }
    }
}

fn read(id: ClockId) -> i64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(id);
    tv_sec.saturating_mul(SECOND).saturating_add(tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_wall_clock_and_does_not_run_backwards() {
        let clock = Clock::start();
        let readings: Vec<_> = (0..1000).map(|_| clock.now().wall).collect();
        assert!(readings.is_sorted());
        let apart = clock.now().wall.0 - read(ClockId::Realtime);
        assert!(apart.abs() < SECOND, "{apart} ns apart");
    }
}
