//! Who may open a session, and who goes on with an old one.

use fustor_core::session::{CreateError, Role, RosterConfig, SessionError};
use fustor_core::{BootTime, SECOND, Seq, SessionId};

use super::fixture::{House, OTHER_ROOT, at, legacy, native, resume, seq, with};

#[test]
fn a_second_instance_on_another_host_is_refused_and_both_hosts_are_named() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    let clone = with(native(2, 'a'), |peer| {
        peer.host = "elsewhere".to_owned();
        peer.source_epoch = 9;
    });
    let error = house.try_create(0.5, clone.clone()).expect_err("it lives");
    let named = CreateError::Duplicate {
        agent: "a".to_owned(),
        host: "elsewhere".to_owned(),
        other: "host-a".to_owned(),
    };
    assert_eq!(error, named);
    assert!(house.try_create(29.0, clone.clone()).is_err(), "the session is valid for 30 s");
    assert!(house.try_create(30.0, clone).is_ok());
}

#[test]
fn a_create_whose_answer_was_lost_gives_the_same_session() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.push(0.1, 1, 1);
    let again = house.create(0.2, native(2, 'a'));
    assert_eq!((again.session, again.resumed), (SessionId(1), true));
    assert_eq!(again.resume_from.realtime, Seq(2));
    assert_eq!(house.roster.sessions().count(), 1);
}

#[test]
fn an_agent_that_was_killed_takes_its_place_when_it_was_silent_for_a_lease() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    let reborn = with(native(2, 'a'), |peer| peer.source_epoch = 2);
    assert!(house.try_create(2.9, reborn.clone()).is_err(), "both may be alive");
    let created = house.create(3.0, reborn);
    assert_eq!((created.session, created.resumed), (SessionId(2), false));
    assert_eq!(created.role, Role::Leader);
    assert_eq!(house.try_beat(3.1, 1), Err(SessionError::Unknown(SessionId(1))));
    let older = with(native(3, 'a'), |peer| peer.source_epoch = 1);
    assert!(house.try_create(9.0, older).is_err(), "an earlier life does not displace a later one");
}

#[test]
fn a_resumed_session_goes_on_with_a_later_life_under_a_new_lease() {
    let mut house = House::new();
    let first = house.create(0.0, native(1, 'a'));
    house.push(0.0, 1, 1);
    let next = with(native(2, 'a'), |peer| {
        peer.source_epoch = 2;
        peer.resume = resume(1, 1, seq(1));
    });
    let created = house.create(0.5, next);
    assert_eq!((created.session, created.resumed), (SessionId(1), false));
    assert_eq!(created.resume_from.realtime, Seq(1), "a new life counts from 1");
    assert_eq!(created.role, Role::Leader);
    assert!(created.lease.map(|lease| lease.epoch) > first.lease.map(|lease| lease.epoch));
    assert!(house.admit(0.6, 1, 2).is_err(), "the life before is over");
    assert!(house.admit_as(0.6, 1, 1, 2, 0).is_ok());
}

#[test]
fn an_expired_session_is_resumed_where_it_stopped() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    for n in 1..=3 {
        house.push(0.0, 1, n);
    }
    assert_eq!(house.try_beat(30.0, 1), Err(SessionError::Expired(SessionId(1))));
    assert_eq!(house.roster.absent().count(), 1);
    let created = house.create(31.0, with(native(2, 'a'), |p| p.resume = resume(1, 1, seq(2))));
    assert_eq!((created.session, created.resumed), (SessionId(2), true));
    assert_eq!(created.resume_from.realtime, Seq(4));
    assert!(!house.admit(31.0, 2, 3).expect("admitted").fresh);
    house.push(31.0, 2, 4);
}

#[test]
fn a_life_that_fusion_does_not_know_goes_on_at_its_own_numbers() {
    let mut house = House::new();
    let created = house.create(0.0, with(native(1, 'a'), |p| p.resume = resume(7, 1, seq(41))));
    assert!(!created.resumed);
    assert_eq!(created.resume_from.realtime, Seq(42));
    house.push(0.0, 1, 42);
}

#[test]
fn one_session_only_when_concurrent_push_is_off() {
    let mut house = House::with(RosterConfig { concurrent: false, ..RosterConfig::default() });
    house.create(0.0, legacy(1, 'p'));
    let locked = CreateError::Locked { holder: SessionId(1) };
    assert_eq!(house.try_create(1.0, legacy(2, 'p')), Err(locked.clone()));
    assert_eq!(house.try_create(29.9, native(3, 'a')), Err(locked));
    assert!(house.try_create(30.0, native(4, 'a')).is_ok(), "the lock dies with its session");
    house.roster.close(at(31.0), SessionId(4));
    assert!(house.try_create(31.0, legacy(5, 'p')).is_ok());
}

#[test]
fn sessions_are_bounded_and_ids_are_used_once() {
    let mut house = House::with(RosterConfig { max_sessions: 2, ..RosterConfig::default() });
    house.create(0.0, legacy(1, 'p'));
    assert_eq!(house.try_create(0.0, legacy(1, 'q')), Err(CreateError::Taken(SessionId(1))));
    house.create(0.0, legacy(2, 'p'));
    assert_eq!(house.try_create(0.0, legacy(3, 'q')), Err(CreateError::Full { limit: 2 }));
    house.roster.close(at(1.0), SessionId(1));
    assert_eq!(house.try_create(1.0, legacy(1, 'q')), Err(CreateError::Taken(SessionId(1))));
    assert!(house.try_create(1.0, legacy(3, 'q')).is_ok());
}

#[test]
fn a_timeout_may_be_longer_than_configured_and_is_bounded() {
    let mut house = House::new();
    let mut ask = |seconds: Option<i64>, name| {
        let mut request = native(name as u128, name);
        request.timeout_ns = seconds.map(|seconds| seconds.saturating_mul(SECOND));
        house.create(0.0, request).timeout_ns / SECOND
    };
    assert_eq!(ask(None, 'a'), 30);
    assert_eq!(ask(Some(5), 'b'), 30);
    assert_eq!(ask(Some(600), 'c'), 600);
    assert_eq!(ask(Some(i64::MAX), 'd'), 3600);
    assert_eq!(ask(Some(i64::MIN), 'e'), 30);
}

#[test]
fn a_session_ends_exactly_at_its_timeout() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.beat(10.0, 1);
    house.tick(39.999);
    assert_eq!(house.roster.sessions().count(), 1);
    assert_eq!(house.roster.next_deadline(), Some(at(40.0).mono));
    house.tick(40.0);
    assert_eq!(house.roster.sessions().count(), 0);
    assert_eq!(house.roster.next_deadline(), None);
    assert_eq!(house.try_beat(40.0, 9), Err(SessionError::Unknown(SessionId(9))));
}

#[test]
fn long_texts_are_cut_between_characters() {
    let mut house = House::new();
    let mut request = with(native(1, 'a'), |peer| peer.host = "é".repeat(10_000));
    request.task = "x".repeat(10_000);
    house.create(0.0, request);
    let session = house.roster.session(SessionId(1)).expect("there");
    assert_eq!(session.task.len(), 1024);
    assert_eq!(session.native().map(|native| native.host.len()), Some(1024));
}

#[test]
fn another_root_is_heard_and_nothing_else() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    let other = house.create(0.0, with(native(2, 'b'), |peer| peer.root = OTHER_ROOT));
    assert!(other.root_changed);
    assert!(house.admit(0.0, 2, 1).is_err());
    house.roster.close(at(1.0), SessionId(1));
    let pulse = house.beat(2.0, 2);
    assert!(pulse.root_changed);
    assert_eq!((pulse.role, house.leader()), (Role::Follower, None), "it never leads");
    let back = with(native(3, 'b'), |peer| {
        peer.clock = BootTime(5);
        peer.resume = resume(2, 1, seq(0));
    });
    assert_eq!(house.create(3.0, back).role, Role::Leader, "the right root is mounted again");
}

#[test]
fn another_root_leads_once_it_is_accepted() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    assert!(!house.roster.accept_root(at(0.5)), "nobody has another");
    assert!(house.create(1.0, with(native(2, 'b'), |peer| peer.root = OTHER_ROOT)).root_changed);
    assert!(house.roster.accept_root(at(2.0)));
    assert!(house.roster.session(SessionId(1)).is_none(), "everybody comes back");
    let new = house.create(3.0, with(native(3, 'b'), |peer| peer.root = OTHER_ROOT));
    assert_eq!((new.root_changed, new.role), (false, Role::Leader));
    assert!(house.create(3.0, native(4, 'a')).root_changed, "the old one is another now");
}

#[test]
fn sessions_of_several_storages_end_by_their_own_timeouts() {
    let patient = RosterConfig { timeout_ns: 60 * SECOND, ..RosterConfig::default() };
    let mut houses = [House::new(), House::with(patient)];
    for (house, alive) in houses.iter_mut().zip([0, 1]) {
        house.create(0.0, native(1, 'a'));
        house.tick(30.0);
        assert_eq!(house.roster.sessions().count(), alive);
    }
}

/// The tests above, to see which of them notice a broken rule.
#[cfg(feature = "mutants")]
pub(super) const WRITTEN: &[(&str, fn())] = &[
    (
        "a_second_instance_on_another_host_is_refused_and_both_hosts_are_named",
        a_second_instance_on_another_host_is_refused_and_both_hosts_are_named,
    ),
    (
        "a_create_whose_answer_was_lost_gives_the_same_session",
        a_create_whose_answer_was_lost_gives_the_same_session,
    ),
    (
        "an_agent_that_was_killed_takes_its_place_when_it_was_silent_for_a_lease",
        an_agent_that_was_killed_takes_its_place_when_it_was_silent_for_a_lease,
    ),
    (
        "a_resumed_session_goes_on_with_a_later_life_under_a_new_lease",
        a_resumed_session_goes_on_with_a_later_life_under_a_new_lease,
    ),
    (
        "an_expired_session_is_resumed_where_it_stopped",
        an_expired_session_is_resumed_where_it_stopped,
    ),
    (
        "a_life_that_fusion_does_not_know_goes_on_at_its_own_numbers",
        a_life_that_fusion_does_not_know_goes_on_at_its_own_numbers,
    ),
    ("one_session_only_when_concurrent_push_is_off", one_session_only_when_concurrent_push_is_off),
    ("sessions_are_bounded_and_ids_are_used_once", sessions_are_bounded_and_ids_are_used_once),
    (
        "a_timeout_may_be_longer_than_configured_and_is_bounded",
        a_timeout_may_be_longer_than_configured_and_is_bounded,
    ),
    ("a_session_ends_exactly_at_its_timeout", a_session_ends_exactly_at_its_timeout),
    ("long_texts_are_cut_between_characters", long_texts_are_cut_between_characters),
    ("another_root_is_heard_and_nothing_else", another_root_is_heard_and_nothing_else),
    ("another_root_leads_once_it_is_accepted", another_root_leads_once_it_is_accepted),
    (
        "sessions_of_several_storages_end_by_their_own_timeouts",
        sessions_of_several_storages_end_by_their_own_timeouts,
    ),
];
