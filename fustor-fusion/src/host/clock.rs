//! The clock of a fusion process: what "now" is, and how an agent on the same machine maps to it.

use std::sync::atomic::{AtomicI64, Ordering};

use fustor_core::{BootTime, ClockMap, Mono, Now, SECOND, Stamp};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// How often the two clocks are read to find a tight pair.
const READINGS: usize = 16;

/// Hands out a wall time that never stands still or runs backwards.
///
/// The wall time is the boot-time clock plus an offset that was measured once. A step of the system's wall clock
/// therefore moves neither the order of observations nor the age of one, and a batch of an agent on this machine is
/// stamped in exactly the domain of the queries.
#[derive(Debug)]
pub struct Clock {
    map: ClockMap,
    last: AtomicI64,
}

impl Clock {
    /// A clock that agrees with the system's wall clock as of now.
    #[must_use]
    pub fn start() -> Self {
        Self { map: measure(), last: AtomicI64::new(i64::MIN) }
    }

    /// The mapping from this machine's boot-time clock to the wall time that this clock hands out.
    #[must_use]
    pub const fn map(&self) -> ClockMap {
        self.map
    }

    /// The present moment; later than each one handed out before.
    #[must_use]
    pub fn now(&self) -> Now {
        let mono = read(ClockId::Monotonic);
        let wall = self.map.stamp(BootTime(read(ClockId::Boottime))).0;
        let last = self.last.fetch_max(wall, Ordering::Relaxed);
        if wall > last {
            return Now { mono: Mono(mono), wall: Stamp(wall) };
        }
        let next = self.last.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        Now { mono: Mono(mono), wall: Stamp(next) }
    }
}

fn read(id: ClockId) -> i64 {
    nanos(clock_gettime(id))
}

fn nanos(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(SECOND).saturating_add(time.tv_nsec)
}

fn measure() -> ClockMap {
    let mut best = ClockMap { offset_ns: 0, uncertainty_ns: i64::MAX };
    for _ in 0..READINGS {
        let before = read(ClockId::Boottime);
        let wall = read(ClockId::Realtime);
        let half = (read(ClockId::Boottime) - before) / 2;
        if half < best.uncertainty_ns {
            best = ClockMap { offset_ns: wall - before - half, uncertainty_ns: half + 1 };
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_rises_strictly_also_between_threads() {
        let clock = Clock::start();
        let read = || (0..10_000).map(|_| clock.now().wall).collect::<Vec<_>>();
        let mut all: Vec<Stamp> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(read)).collect();
            threads
                .into_iter()
                .flat_map(|thread| {
                    let stamps = thread.join().expect("no panic");
                    assert!(stamps.is_sorted_by(|a, b| a < b));
                    stamps
                })
                .collect()
        });
        all.sort_unstable();
        assert!(all.is_sorted_by(|a, b| a < b), "two readings are equal");
    }

    #[test]
    fn the_map_agrees_with_the_wall_clock() {
        let clock = Clock::start();
        let apart = clock.now().wall.0 - read(ClockId::Realtime);
        assert!(apart.abs() < SECOND, "{apart} ns apart");
        assert!(clock.map().uncertainty_ns < SECOND);
    }
}
