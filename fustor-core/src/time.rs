//! Instants of four clocks that cannot be mixed: an agent's, fusion's wall and monotonic ones, and the storage's.
//!
//! All are nanoseconds in an `i64`. Arithmetic saturates: a peer may send any number, and a clamped instant is
//! ordered correctly while a wrapped one is not.

/// Nanoseconds in one second.
pub const SECOND: i64 = 1_000_000_000;

macro_rules! instant {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl $name {
            /// The earliest instant; stands for "never".
            pub const MIN: Self = Self(i64::MIN);
            /// The latest instant.
            pub const MAX: Self = Self(i64::MAX);

            /// The instant `ns` nanoseconds later, or the latest one.
            #[must_use]
            pub const fn plus(self, ns: i64) -> Self {
                Self(self.0.saturating_add(ns))
            }

            /// The instant `ns` nanoseconds earlier, or the earliest one.
            #[must_use]
            pub const fn minus(self, ns: i64) -> Self {
                Self(self.0.saturating_sub(ns))
            }

            /// Nanoseconds from `earlier` to here; negative when `earlier` is later.
            #[must_use]
            pub const fn since(self, earlier: Self) -> i64 {
                self.0.saturating_sub(earlier.0)
            }
        }
    };
}

instant! {
    /// An agent's clock that goes on during suspend (`CLOCK_BOOTTIME`), read before the observation it stamps.
    BootTime
}
instant! {
    /// An observation's time on fusion's wall clock: a [`BootTime`] mapped by the [`ClockMap`] of its batch.
    /// Nanoseconds since the Unix epoch. This is the only time that orders observations.
    Stamp
}
instant! {
    /// A time that a storage wrote into a file's metadata (mtime, ctime). A fact, never an order.
    StorageTime
}
instant! {
    /// Fusion's monotonic clock, for deadlines of requests and publications.
    Mono
}

/// What "now" is for one command or query: read once by the shell, passed everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time, for deadlines.
    pub mono: Mono,
    /// Wall time; never runs backwards (the shell hands out `max(wall, last + 1)`).
    pub wall: Stamp,
}

/// How an agent's clock maps to fusion's, fixed when a batch is admitted so that replay is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockMap {
    /// Added to a [`BootTime`] to give a [`Stamp`], in nanoseconds.
    pub offset_ns: i64,
    /// Half-width of the error of `offset_ns`. Widens the removal margin; never orders events.
    pub uncertainty_ns: i64,
}

impl ClockMap {
    /// The fusion time of an agent's reading.
    #[must_use]
    pub const fn stamp(self, at: BootTime) -> Stamp {
        Stamp(at.0.saturating_add(self.offset_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Stamp::MAX.plus(1), Stamp::MAX);
        assert_eq!(Stamp::MIN.minus(1), Stamp::MIN);
        let map = ClockMap { offset_ns: i64::MAX, uncertainty_ns: 0 };
        assert_eq!(map.stamp(BootTime(5)), Stamp::MAX);
    }
}
