//! Batches: exactly once, a bounded number under way, mapped clocks.

use fustor_core::session::{AdmitError, Beat, Exchange, RosterConfig, SessionError};
use fustor_core::{BootTime, Epoch, Lane, SECOND, Seq, SessionId, Stamp};

use super::fixture::{House, at, legacy, native, resume, seq, with};

#[test]
fn a_batch_is_applied_once_and_acknowledged_again() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    let admission = house.admit(0.0, 1, 1).expect("admitted");
    assert!(admission.fresh);
    assert_eq!((admission.origin.epoch, admission.origin.seq), (Epoch(1), Seq(1)));
    assert_eq!(house.admit(0.0, 1, 1), Err(AdmitError::Pending { seq: Seq(1) }));
    house.applied(0.1, 1, 1);
    assert!(!house.admit(0.1, 1, 1).expect("admitted").fresh);
}

#[test]
fn what_the_view_refused_may_come_again() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    assert!(house.admit(0.0, 1, 1).is_ok());
    house.roster.abandoned(SessionId(1), Lane::Realtime, Seq(1));
    assert!(house.admit(0.1, 1, 1).expect("admitted").fresh);
}

#[test]
fn four_batches_of_a_session_may_be_under_way() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    for n in 1..=4 {
        assert!(house.admit(0.0, 1, n).is_ok());
    }
    let full = AdmitError::InFlight { limit: 4, holder: SessionId(1) };
    assert_eq!(house.admit(0.0, 1, 5), Err(full));
    assert_eq!(house.admit(0.0, 1, 2), Err(AdmitError::Pending { seq: Seq(2) }));
    assert!(house.admit(0.0, 2, 1).is_ok(), "each session has its own four");
    house.applied(0.1, 1, 3);
    assert!(house.admit(0.1, 1, 5).is_ok());
    assert!(!house.admit(0.1, 1, 3).expect("known ones need no room").fresh);
}

#[test]
fn one_batch_only_when_concurrent_push_is_off() {
    let mut house = House::with(RosterConfig { concurrent: false, ..RosterConfig::default() });
    house.create(0.0, native(1, 'a'));
    assert!(house.admit(0.0, 1, 1).is_ok());
    let full = AdmitError::InFlight { limit: 1, holder: SessionId(1) };
    assert_eq!(house.admit(0.0, 1, 2), Err(full));
}

#[test]
fn unknown_expired_and_foreign_batches_are_refused() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, legacy(2, 'p'));
    let unknown = AdmitError::Session(SessionError::Unknown(SessionId(9)));
    assert_eq!(house.admit(0.0, 9, 1), Err(unknown));
    assert_eq!(house.admit(0.0, 2, 1), Err(AdmitError::OtherKind));
    let realtime = Lane::Realtime;
    let wrong = house.roster.admit_legacy(at(0.0), SessionId(1), realtime);
    assert_eq!(wrong, Err(AdmitError::OtherKind));
    assert_eq!(house.admit(0.0, 1, 0), Err(AdmitError::Unnumbered));
    let stale = AdmitError::StaleSource { sent: 7, current: 1 };
    assert_eq!(house.admit_as(0.0, 1, 1, 7, 0), Err(stale));
    house.tick(30.0);
    let expired = AdmitError::Session(SessionError::Expired(SessionId(1)));
    assert_eq!(house.admit(30.0, 1, 1), Err(expired));
}

#[test]
fn pushing_keeps_a_session_and_not_a_lease() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    for n in 1..=10_u32 {
        house.push(f64::from(n) * 10.0, 1, n);
    }
    assert_eq!(house.roster.sessions().count(), 1);
    assert_eq!(house.leader(), None);
}

#[test]
fn agents_of_0_8_are_numbered_by_fusion_and_live_by_pushing() {
    let mut house = House::new();
    house.create(0.0, legacy(1, 'p'));
    for n in 1..=100_u32 {
        let now = at(f64::from(n) * 5.0);
        let admission = house.roster.admit_legacy(now, SessionId(1), Lane::Scan).expect("admitted");
        assert!(admission.fresh);
        assert_eq!(admission.origin.seq, Seq(n));
        house.roster.applied(now, SessionId(1), Lane::Scan, Seq(n));
    }
    assert_eq!(house.leader(), Some(1), "a long snapshot without a heartbeat");
    let next = house.create(501.0, legacy(2, 'p'));
    assert_eq!(next.session, SessionId(2), "both sessions are accepted");
    let admission = house.roster.admit_legacy(at(501.0), SessionId(2), Lane::Scan);
    assert_eq!(admission.expect("admitted").origin.epoch, Epoch(2));
}

#[test]
fn a_batch_that_is_applied_after_its_session_ended_counts() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    assert!(house.admit(0.0, 1, 1).is_ok());
    house.tick(30.0);
    house.applied(30.5, 1, 1);
    let created = house.create(31.0, with(native(2, 'a'), |p| p.resume = resume(1, 1, seq(0))));
    assert_eq!(created.resume_from.realtime, Seq(2));
    assert!(house.admit(31.0, 2, 2).is_ok());
    house.tick(62.0);
    house.create(63.0, native(3, 'a'));
    house.applied(63.5, 2, 2);
    assert!(!house.admit(64.0, 3, 2).expect("admitted").fresh, "applied for the heir");
}

#[test]
fn the_clock_of_an_agent_is_mapped_by_its_exchanges() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    let clock = |seconds: f64| BootTime((seconds * SECOND as f64) as i64);
    let first = house.admit(0.0, 1, 1).expect("admitted").clock;
    assert_eq!(first.stamp(clock(0.0)), at(0.0).wall);
    assert!(first.uncertainty_ns >= SECOND);
    let mut exchange = None;
    for second in 1..=5 {
        // 20 ms there, 20 ms back.
        let sent = f64::from(second);
        let beat = Beat { clock: Some(clock(sent)), exchange, ..Beat::default() };
        let pulse = house.roster.beat(at(sent + 0.02), SessionId(1), beat).expect("alive");
        let (t2, t3) = (pulse.received, pulse.received);
        exchange = Some(Exchange { t1: clock(sent), t2, t3, t4: clock(sent + 0.04) });
    }
    let map = house.admit(6.0, 1, 2).expect("admitted").clock;
    assert!(map.uncertainty_ns < SECOND / 10, "{map:?}");
    assert!(map.stamp(clock(6.0)).since(at(6.0).wall).abs() <= map.uncertainty_ns);
}

#[test]
fn a_clock_survives_its_session_within_one_life() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    let before = house.admit(0.0, 1, 1).expect("admitted").clock;
    house.tick(30.0);
    let late = with(native(2, 'a'), |peer| peer.clock = BootTime(0));
    house.create(60.0, late);
    let after = house.admit(60.0, 2, 2).expect("admitted").clock;
    assert_eq!(before.offset_ns, after.offset_ns);
    assert!(after.stamp(BootTime(0)) < Stamp::MAX);
}

/// The tests above, to see which of them notice a broken rule.
#[cfg(feature = "mutants")]
pub(super) const WRITTEN: &[(&str, fn())] = &[
    (
        "a_batch_is_applied_once_and_acknowledged_again",
        a_batch_is_applied_once_and_acknowledged_again,
    ),
    ("what_the_view_refused_may_come_again", what_the_view_refused_may_come_again),
    ("four_batches_of_a_session_may_be_under_way", four_batches_of_a_session_may_be_under_way),
    ("one_batch_only_when_concurrent_push_is_off", one_batch_only_when_concurrent_push_is_off),
    (
        "unknown_expired_and_foreign_batches_are_refused",
        unknown_expired_and_foreign_batches_are_refused,
    ),
    ("pushing_keeps_a_session_and_not_a_lease", pushing_keeps_a_session_and_not_a_lease),
    (
        "agents_of_0_8_are_numbered_by_fusion_and_live_by_pushing",
        agents_of_0_8_are_numbered_by_fusion_and_live_by_pushing,
    ),
    (
        "a_batch_that_is_applied_after_its_session_ended_counts",
        a_batch_that_is_applied_after_its_session_ended_counts,
    ),
    (
        "the_clock_of_an_agent_is_mapped_by_its_exchanges",
        the_clock_of_an_agent_is_mapped_by_its_exchanges,
    ),
    ("a_clock_survives_its_session_within_one_life", a_clock_survives_its_session_within_one_life),
];
