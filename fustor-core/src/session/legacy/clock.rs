//! When an agent of 0.8 saw what it reports. Its events carry an index, its wall clock plus its idea of drift, of which
//! only the differences mean anything, and even those jump.

use crate::event::LegacyKind;
use crate::time::{SECOND, Stamp};

/// An index that falls by more than this is on another scale than those before it. Threads overtake one another by less.
const JUMP_NS: i64 = 2 * SECOND;
/// The smallest delay ages by one part in this many, so that a clock that runs slow by as much does not fall behind.
const AGING: i64 = 5000;
/// The kinds of events, each with an order of its own.
const KINDS: usize = 4;

/// Maps the indices of one session to fusion's time: index plus the smallest delay that was seen, and not later than the
/// request came.
#[derive(Clone, Debug, Default)]
pub struct LegacyClock {
    delay: Option<Delay>,
    /// Counts the scales that the index was on.
    scale: u32,
    lanes: [Lane; KINDS],
    /// The newest stamp of a realtime event.
    newest: Option<Stamp>,
}

/// The smallest difference between arrival and index, and when it was seen.
#[derive(Clone, Copy, Debug)]
struct Delay {
    ns: i64,
    at: Stamp,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    index_ns: Option<i64>,
    scale: u32,
}

impl LegacyClock {
    /// Takes in the index of an event that came at `arrival`; to be told of all events of a request before one of them
    /// is stamped, so that the quickest of them counts for all.
    pub fn hear(&mut self, arrival: Stamp, kind: LegacyKind, index_ms: i64) {
        let Some(index_ns) = nanoseconds(index_ms) else { return };
        let delay = Delay { ns: arrival.0.saturating_sub(index_ns), at: arrival };
        let lane = &mut self.lanes[lane(kind)];
        let fell = lane.index_ns.is_some_and(|last| last.saturating_sub(index_ns) > JUMP_NS);
        if fell && lane.scale == self.scale {
            // Nobody has noticed this jump yet.
            self.scale = self.scale.wrapping_add(1);
            self.delay = None;
        }
        *lane = Lane { index_ns: Some(index_ns), scale: self.scale };
        let aged = self.delay.map(|known| known.ns.saturating_add(aging(known, arrival)));
        if aged.is_none_or(|aged| delay.ns <= aged) {
            self.delay = Some(delay);
        }
    }

    /// When an event was seen that came at `arrival`; without an index, then.
    #[must_use]
    pub fn stamp(&self, arrival: Stamp, index_ms: i64) -> Stamp {
        match (nanoseconds(index_ms), self.delay) {
            (Some(index_ns), Some(delay)) => {
                let ns = delay.ns.saturating_add(aging(delay, arrival));
                Stamp(index_ns.saturating_add(ns)).min(arrival)
            }
            (None, _) | (_, None) => arrival,
        }
    }

    /// The same for the next realtime event of the session: later than all before it. They come in the order in which
    /// they happened, and an index in milliseconds does not tell a deletion from the creation before it.
    pub fn next(&mut self, arrival: Stamp, index_ms: i64) -> Stamp {
        let stamp = self.stamp(arrival, index_ms);
        let stamp = self.newest.map_or(stamp, |newest| stamp.max(newest.plus(1)));
        self.newest = Some(stamp);
        stamp
    }
}

fn aging(delay: Delay, now: Stamp) -> i64 {
    now.since(delay.at).max(0) / AGING
}

const fn lane(kind: LegacyKind) -> usize {
    match kind {
        LegacyKind::Realtime => 0,
        LegacyKind::Snapshot => 1,
        LegacyKind::Audit => 2,
        LegacyKind::OnDemand => 3,
    }
}

/// The index in nanoseconds, if there is one: −1 stands for none, and no clock shows 1970.
fn nanoseconds(index_ms: i64) -> Option<i64> {
    (index_ms > 0).then(|| index_ms.saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_700_000_000;
    const R: LegacyKind = LegacyKind::Realtime;

    fn s(seconds: f64) -> Stamp {
        Stamp(T * SECOND + (seconds * 1e9).round() as i64)
    }

    /// The index of an agent whose clock shows so many seconds.
    fn ms(seconds: f64) -> i64 {
        T * 1000 + (seconds * 1e3).round() as i64
    }

    fn heard(events: &[(f64, LegacyKind, f64)]) -> LegacyClock {
        let mut clock = LegacyClock::default();
        for (arrival, kind, index) in events {
            clock.hear(s(*arrival), *kind, ms(*index));
        }
        clock
    }

    fn near(stamp: Stamp, seconds: f64) -> bool {
        stamp.since(s(seconds)).abs() < SECOND / 100
    }

    #[test]
    fn the_smallest_delay_of_the_session_counts() {
        let clock = heard(&[(10.0, R, 9.0), (20.0, R, 19.8), (30.0, R, 25.0)]);
        assert!(near(clock.stamp(s(30.0), ms(25.0)), 25.2));
        assert!(near(clock.stamp(s(25.0), ms(25.0)), 25.0), "never after the arrival");
        assert!(near(clock.stamp(s(30.0), -1), 30.0), "no index");
        assert!(near(LegacyClock::default().stamp(s(5.0), ms(1.0)), 5.0), "no delay known");
    }

    #[test]
    fn an_index_far_in_the_past_or_future_is_as_good_as_any() {
        for drift in [-40_000_000.0, 0.0, 9_000.0] {
            let clock = heard(&[(10.0, R, 9.9 + drift), (20.0, R, 17.0 + drift)]);
            assert!(near(clock.stamp(s(20.0), ms(17.0 + drift)), 17.1), "{drift}");
        }
    }

    #[test]
    fn a_jump_back_is_noticed_by_the_order_and_once_for_all_kinds() {
        let audit = LegacyKind::Audit;
        let mut clock = heard(&[(10.0, R, 10.0), (11.0, audit, 11.0), (20.0, R, -80.0)]);
        assert!(near(clock.stamp(s(20.0), ms(-80.0)), 20.0));
        // The audit's first event on the new scale was three seconds on its way: that is no jump of its own.
        clock.hear(s(24.0), audit, ms(-79.0));
        assert!(near(clock.stamp(s(24.0), ms(-79.0)), 21.0));
    }

    #[test]
    fn a_backlog_is_no_jump() {
        let clock = heard(&[(10.0, R, 10.0), (600.0, R, 11.0), (601.0, R, 12.0)]);
        assert!(near(clock.stamp(s(601.0), ms(12.0)), 12.1201));
    }

    #[test]
    fn one_mad_index_does_not_spoil_those_after_it() {
        let mut clock = heard(&[(10.0, R, 10.0)]);
        clock.hear(s(11.0), R, i64::MAX);
        clock.hear(s(12.0), R, ms(12.0));
        assert!(near(clock.stamp(s(13.0), ms(12.0)), 12.0));
        clock.hear(s(13.0), R, i64::MIN);
        assert!(near(clock.stamp(s(14.0), ms(13.5)), 13.5));
    }

    #[test]
    fn a_clock_that_runs_slow_does_not_fall_behind() {
        let mut clock = LegacyClock::default();
        for hour in 0..24 * 7 {
            let now = f64::from(hour) * 3600.0;
            clock.hear(s(now + 0.05), R, ms(now * (1.0 - 1e-4)));
        }
        let now = 24.0 * 7.0 * 3600.0;
        // After an hour of silence the smallest delay has aged by more than the clock fell behind.
        assert!(near(clock.stamp(s(now + 1.0), ms(now * (1.0 - 1e-4))), now + 0.05 - 0.36 + 0.72));
    }

    #[test]
    fn realtime_events_keep_their_order() {
        let mut clock = heard(&[(10.2, R, 10.0)]);
        let created = clock.next(s(10.2), ms(10.0));
        let deleted = clock.next(s(10.2), ms(10.0));
        // The next request was quicker: what it says is later all the same.
        clock.hear(s(10.15), R, ms(10.1));
        let again = clock.next(s(10.25), ms(10.1));
        assert!(created < deleted && deleted < again && again <= s(10.25));
    }
}
