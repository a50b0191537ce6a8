//! How an agent's clock maps to fusion's: four-time exchanges, of which the quickest counts, followed slowly.
//!
//! An exchange tells the offset up to half of what it was under way. The map keeps its offset while the best exchange
//! allows it, so that it is constant on a quiet network, and otherwise moves towards it more slowly than time passes:
//! of two observations that are sent one after the other, the later one never gets the smaller stamp.

use std::collections::VecDeque;

use crate::time::{BootTime, ClockMap, SECOND, Stamp};

use super::door::Exchange;

/// Exchanges kept.
const SAMPLES_MAX: usize = 16;
/// Beats whose exchange may still be completed.
const OPEN_MAX: usize = 8;
/// A slower exchange than this says too little.
const DELAY_MAX_NS: i64 = 10 * SECOND;
/// The error before the first exchange: one request under way.
const FIRST_UNCERTAINTY_NS: i64 = SECOND;
/// Two clocks part by at most one in this many: 100 parts per million.
const DRIFT: i64 = 10_000;
/// Small errors are corrected by one in this many nanoseconds that pass: 500 parts per million.
const SLEW: i64 = 2_000;
/// Errors beyond this are corrected by half of the time that passes.
const FAST_BEYOND_NS: i64 = 128_000_000;

/// What one exchange told.
#[derive(Clone, Copy, Debug)]
struct Sample {
    offset_ns: i64,
    half_width_ns: i64,
    at: Stamp,
}

impl Sample {
    /// The error of the offset by now.
    fn error_ns(self, now: Stamp) -> i64 {
        self.half_width_ns.saturating_add(now.since(self.at).max(0) / DRIFT)
    }
}

/// The clock of one life of a source.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    offset_ns: i64,
    /// When the offset was last moved.
    moved: Stamp,
    begun: Stamp,
    samples: VecDeque<Sample>,
    /// When beats were sent and when they came.
    open: VecDeque<(BootTime, Stamp)>,
    /// No request comes before it was sent, so the offset is not greater than this.
    most_ns: i64,
    /// Whether anything was stamped with it.
    used: bool,
}

impl Timing {
    /// A clock of which one reading is known, that was under way for an unknown time.
    pub(super) fn new(now: Stamp, clock: BootTime) -> Self {
        let offset_ns = now.0.saturating_sub(clock.0);
        Self {
            offset_ns,
            most_ns: offset_ns,
            used: false,
            moved: now,
            begun: now,
            samples: VecDeque::new(),
            open: VecDeque::new(),
        }
    }

    /// A request that was sent at `sent` has come. The one that began this clock may have waited for long, with a fusion
    /// that stood still: what comes quicker tells.
    pub(super) fn hear(&mut self, now: Stamp, sent: BootTime) {
        self.most_ns = self.most_ns.min(now.0.saturating_sub(sent.0));
        if !self.used {
            self.offset_ns = self.offset_ns.min(self.most_ns);
        }
    }

    /// A beat that was sent at `sent` has come.
    pub(super) fn beat(&mut self, now: Stamp, sent: BootTime) {
        self.hear(now, sent);
        if self.open.len() == OPEN_MAX {
            self.open.pop_front();
        }
        self.open.push_back((sent, now));
    }

    /// Takes in a completed exchange of one of the last beats. What cannot be true is ignored.
    pub(super) fn exchange(&mut self, now: Stamp, times: Exchange) {
        let Exchange { t1, t2, t3, t4 } = times;
        let Some(open) = self.open.iter().position(|beat| *beat == (t1, t2)) else { return };
        let delay = t4.since(t1).saturating_sub(t3.since(t2));
        if t3 < t2 || t3 > now || !(0..=DELAY_MAX_NS).contains(&delay) {
            return;
        }
        self.open.remove(open);
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        let (there, back) = (t2.0.saturating_sub(t1.0), t3.0.saturating_sub(t4.0));
        let offset_ns = i64::midpoint(there, back);
        self.samples.push_back(Sample { offset_ns, half_width_ns: delay / 2, at: now });
    }

    /// The map as of now.
    pub(super) fn map(&mut self, now: Stamp) -> ClockMap {
        self.used = true;
        let passed = now.since(self.moved).max(0);
        self.moved = self.moved.max(now);
        let best = self.samples.iter().min_by_key(|sample| sample.error_ns(now));
        let Some(best) = best else {
            let drift = now.since(self.begun).max(0) / DRIFT;
            let late = self.offset_ns.saturating_sub(self.most_ns);
            let uncertainty_ns = FIRST_UNCERTAINTY_NS.saturating_add(drift).saturating_add(late);
            return ClockMap { offset_ns: self.offset_ns, uncertainty_ns };
        };
        let error = best.error_ns(now);
        let wrong = best.offset_ns.saturating_sub(self.offset_ns);
        if wrong.saturating_abs() > error {
            let fast = wrong.saturating_abs() > FAST_BEYOND_NS;
            let step = passed / if fast { 2 } else { SLEW };
            self.offset_ns = self.offset_ns.saturating_add(wrong.clamp(-step, step));
        }
        let left = best.offset_ns.saturating_sub(self.offset_ns).saturating_abs();
        ClockMap { offset_ns: self.offset_ns, uncertainty_ns: error.saturating_add(left) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    /// Fusion's time when the agent's clock stood at 0.
    const TRUE_OFFSET: i64 = 1_700_000_000 * SECOND;

    /// One exchange that begins at the agent's time `t1`, with the given ways there and back.
    fn exchange(timing: &mut Timing, t1: i64, there: i64, back: i64) -> Stamp {
        let received = Stamp(TRUE_OFFSET + t1 + there);
        timing.beat(received, BootTime(t1));
        let answered = received.plus(MS);
        let t4 = BootTime(t1 + there + MS + back);
        let now = Stamp(TRUE_OFFSET + t4.0 + SECOND / 2);
        let times = Exchange { t1: BootTime(t1), t2: received, t3: answered, t4 };
        timing.exchange(now, times);
        now
    }

    fn timing(first_delay: i64) -> Timing {
        Timing::new(Stamp(TRUE_OFFSET + first_delay), BootTime(0))
    }

    #[test]
    fn before_the_first_exchange_the_error_is_large() {
        let map = timing(20 * MS).map(Stamp(TRUE_OFFSET + SECOND));
        assert_eq!(map.offset_ns, TRUE_OFFSET + 20 * MS);
        assert!(map.uncertainty_ns >= SECOND);
    }

    #[test]
    fn the_quickest_exchange_counts_and_the_error_holds_the_truth() {
        let mut timing = timing(0);
        let mut now = Stamp(0);
        for (i, delay) in [300, 40, 1, 90, 500, 70].into_iter().enumerate() {
            now = exchange(&mut timing, i as i64 * SECOND, delay * MS, MS);
            let map = timing.map(now);
            let wrong = (map.offset_ns - TRUE_OFFSET).abs();
            assert!(wrong <= map.uncertainty_ns, "{wrong} {map:?}");
        }
        assert!(timing.map(now).uncertainty_ns <= 3 * MS);
    }

    #[test]
    fn a_quiet_network_keeps_the_offset() {
        let mut timing = timing(MS);
        let mut offsets = Vec::new();
        for i in 0..100 {
            let now = exchange(&mut timing, i * SECOND, MS + i % 3 * 100_000, MS);
            offsets.push(timing.map(now).offset_ns);
        }
        offsets.dedup();
        assert_eq!(offsets.len(), 1);
    }

    #[test]
    fn time_never_runs_backwards_and_the_error_is_worked_off() {
        for first_delay in [5 * SECOND, 100 * MS, -5 * SECOND] {
            let mut timing = timing(first_delay);
            let mut last = Stamp::MIN;
            let mut map = ClockMap::default();
            for i in 0..1000 {
                let now = exchange(&mut timing, i * SECOND, MS, MS);
                map = timing.map(now);
                let stamp = map.stamp(BootTime(i * SECOND));
                assert!(stamp > last, "at {i}");
                last = stamp;
            }
            assert!((map.offset_ns - TRUE_OFFSET).abs() <= 5 * MS, "{first_delay}: {map:?}");
        }
    }

    #[test]
    fn a_first_request_that_waited_is_corrected_by_a_quicker_one() {
        let waited = 19 * SECOND;
        let mut timing = timing(waited);
        timing.hear(Stamp(TRUE_OFFSET + waited + MS), BootTime(waited));
        assert_eq!(timing.map(Stamp(TRUE_OFFSET + waited)).offset_ns, TRUE_OFFSET + MS);
        timing.hear(Stamp(TRUE_OFFSET + waited), BootTime(waited));
        let map = timing.map(Stamp(TRUE_OFFSET + waited));
        assert_eq!(map.offset_ns, TRUE_OFFSET + MS, "what was stamped is not overtaken");
        assert!(map.uncertainty_ns >= SECOND + MS);
    }

    #[test]
    fn what_cannot_be_true_is_ignored() {
        let mut timing = timing(0);
        let now = Stamp(TRUE_OFFSET + 10 * SECOND);
        let sent = BootTime(9 * SECOND);
        timing.beat(now, sent);
        let good = Exchange { t1: sent, t2: now, t3: now, t4: BootTime(9 * SECOND + MS) };
        let wrong = [
            Exchange { t1: BootTime(0), ..good },
            Exchange { t2: Stamp::MAX, ..good },
            Exchange { t3: now.minus(1), ..good },
            Exchange { t3: Stamp::MAX, ..good },
            Exchange { t4: BootTime(0), ..good },
            Exchange { t4: BootTime::MAX, ..good },
            Exchange { t4: BootTime::MIN, ..good },
        ];
        for times in wrong {
            timing.exchange(now, times);
            assert!(timing.samples.is_empty(), "{times:?}");
        }
        timing.exchange(now, good);
        timing.exchange(now, good);
        assert_eq!(timing.samples.len(), 1, "each exchange counts once");
    }

    #[test]
    fn any_numbers_are_survived() {
        for clock in [i64::MIN, i64::MAX, 0] {
            let mut timing = Timing::new(Stamp::MAX, BootTime(clock));
            timing.beat(Stamp::MIN, BootTime(clock));
            let times = Exchange {
                t1: BootTime(clock),
                t2: Stamp::MIN,
                t3: Stamp::MIN,
                t4: BootTime(clock),
            };
            timing.exchange(Stamp::MAX, times);
            timing.map(Stamp::MIN);
            timing.map(Stamp::MAX);
        }
    }
}
