//! The storage's clock, estimated from the ctime of changes that the kernel has just reported.
//!
//! A change that is observed at once has a ctime near the storage's now, whatever mtime somebody set. The estimate is
//! the median inside the densest window of one second over the newest samples, so that unpacked archives, files from
//! the future and a slow agent cannot move it.

use std::collections::VecDeque;

use crate::time::{SECOND, Stamp, StorageTime};

/// Samples kept.
const SAMPLES_MAX: usize = 10_000;
/// Fewer samples than this are no estimate.
const SAMPLES_MIN: usize = 10;
/// Width of the window whose median counts.
const WINDOW_NS: i64 = SECOND;
/// The estimate moves at most this far at each recomputation.
const SLEW_NS: i64 = SECOND;

/// How far the storage's clock is behind fusion's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skew {
    /// Fusion's time minus the storage's, in nanoseconds.
    pub behind_ns: i64,
    /// Half-width of the error.
    pub uncertainty_ns: i64,
}

/// Samples and the estimate made of them.
#[derive(Clone, Debug, Default)]
pub struct StorageClock {
    samples: VecDeque<i64>,
    unseen: usize,
    skew: Option<Skew>,
}

impl StorageClock {
    /// Takes in a finished change that the kernel reported. A ctime of 0 or less says nothing.
    pub fn sample(&mut self, observed: Stamp, ctime: StorageTime) {
        if ctime.0 <= 0 {
            return;
        }
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(observed.0.saturating_sub(ctime.0));
        self.unseen += 1;
        // Sorting costs n log n: spread over n / 4 samples it is a hundred nanoseconds each.
        if self.samples.len() >= SAMPLES_MIN && self.unseen > self.samples.len() / 4 {
            self.unseen = 0;
            self.estimate();
        }
    }

    /// The estimate; `None` while unsure.
    #[must_use]
    pub fn skew(&self) -> Option<Skew> {
        self.skew
    }

    fn estimate(&mut self) {
        let mut sorted: Vec<i64> = self.samples.iter().copied().collect();
        sorted.sort_unstable();
        let (first, len) = densest(&sorted);
        if len * 2 < sorted.len() {
            self.skew = None;
            return;
        }
        let inside = &sorted[first..first + len];
        let median = inside[(len - 1) / 2];
        let spread = (inside[len - 1] - inside[0]) / 2;
        let behind_ns = match self.skew {
            None => median,
            Some(old) => old.behind_ns + (median - old.behind_ns).clamp(-SLEW_NS, SLEW_NS),
        };
        self.skew = Some(Skew {
            behind_ns,
            uncertainty_ns: spread.saturating_add((median - behind_ns).abs()),
        });
    }
}

/// The start and length of the window of [`WINDOW_NS`] that holds most of the ascending samples; ties to the smaller.
fn densest(sorted: &[i64]) -> (usize, usize) {
    let (mut best, mut most, mut end) = (0, 0, 0);
    for first in 0..sorted.len() {
        while end < sorted.len() && sorted[end].saturating_sub(sorted[first]) < WINDOW_NS {
            end += 1;
        }
        if end - first > most {
            (best, most) = (first, end - first);
        }
    }
    (best, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 2_000 * SECOND;

    fn clock(skews_s: &[f64]) -> StorageClock {
        let mut clock = StorageClock::default();
        for skew in skews_s {
            clock.sample(Stamp(NOW), StorageTime(NOW - (skew * SECOND as f64) as i64));
        }
        clock
    }

    fn behind_s(clock: &StorageClock) -> Option<f64> {
        clock.skew().map(|skew| skew.behind_ns as f64 / SECOND as f64)
    }

    #[test]
    fn fewer_than_ten_samples_are_unsure() {
        assert_eq!(clock(&[100.0; 9]).skew(), None);
        assert_eq!(behind_s(&clock(&[100.0; 10])), Some(100.0));
    }

    #[test]
    fn archives_and_files_from_the_future_do_not_move_it() {
        let mut skews = vec![10.0; 20];
        skews.extend([-97_999.0, 1_000_000.0, 5_000.0]);
        assert_eq!(behind_s(&clock(&skews)), Some(10.0));
    }

    #[test]
    fn scattered_samples_are_unsure() {
        let skews: Vec<f64> = (0..40).map(|i| f64::from(i) * 10.0).collect();
        assert_eq!(clock(&skews).skew(), None);
    }

    #[test]
    fn equal_bins_go_to_the_smaller_and_fractions_of_a_second_count() {
        let mut skews = vec![50.25; 10];
        skews.extend([200.5; 10]);
        assert_eq!(behind_s(&clock(&skews)), Some(50.25));
        assert_eq!(behind_s(&clock(&[-0.5; 12])), Some(-0.5));
        assert_eq!(behind_s(&clock(&[0.5; 12])), Some(0.5));
    }

    #[test]
    fn a_ctime_of_zero_is_no_sample_and_old_samples_leave() {
        let mut clock = clock(&[7.0; 10]);
        clock.sample(Stamp(NOW), StorageTime(0));
        assert_eq!(clock.samples.len(), 10);
        for _ in 0..SAMPLES_MAX {
            clock.sample(Stamp(NOW), StorageTime(NOW - 9 * SECOND));
        }
        assert_eq!(clock.samples.len(), SAMPLES_MAX);
        assert_eq!(behind_s(&clock), Some(9.0));
    }
}
