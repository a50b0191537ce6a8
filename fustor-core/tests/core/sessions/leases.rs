//! Who leads, and when somebody else does.

use fustor_core::session::{Beat, Duties, Grant, Role, RosterConfig, Sync};
use fustor_core::{SECOND, SessionId};

use super::fixture::{House, at, legacy, native};

#[test]
fn the_first_session_leads_and_is_not_displaced() {
    let mut house = House::new();
    let first = house.create(0.0, native(1, 'a'));
    assert_eq!(first.role, Role::Leader);
    assert_eq!(first.lease, Some(Grant { epoch: 1, ttl_ns: 3 * SECOND }));
    let second = house.create(0.0, native(2, 'b'));
    assert_eq!((second.role, second.lease), (Role::Follower, None));
    house.beats(1..20, &[1, 2]);
    assert_eq!((house.leader(), house.roster.lease_epoch()), (Some(1), 1));
}

#[test]
fn a_silent_leader_is_replaced_after_its_lease_and_keeps_its_session() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    house.beats(1..3, &[2]);
    assert_eq!(house.leader(), Some(1));
    house.tick(3.0);
    assert_eq!((house.leader(), house.roster.lease_epoch()), (Some(2), 2));
    assert_eq!(house.beat(3.5, 2).lease.map(|lease| lease.epoch), Some(2));
    assert_eq!(house.beat(4.0, 1).role, Role::Follower, "it comes back as a follower");
}

#[test]
fn the_deadline_of_the_lease_is_the_deadline_of_the_roster() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.5, native(2, 'b'));
    house.beat(2.0, 2);
    assert_eq!(house.roster.next_deadline(), Some(at(3.0).mono));
    house.tick(3.0);
    assert_eq!(house.leader(), Some(2));
    assert!(house.roster.next_deadline() > Some(at(3.0).mono));
}

#[test]
fn who_is_silent_too_is_not_promoted() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    house.create(2.5, native(3, 'c'));
    house.tick(3.0);
    assert_eq!(house.leader(), Some(3), "the second has not been heard for three seconds");
}

#[test]
fn a_lease_that_nobody_wanted_lives_on_under_its_number() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.tick(10.0);
    assert_eq!((house.leader(), house.roster.synced()), (None, Sync::NoLeader));
    let pulse = house.beat(11.0, 1);
    assert_eq!(pulse.lease.map(|lease| lease.epoch), Some(1));
    assert_eq!(house.leader(), Some(1));
}

#[test]
fn a_leader_that_leaves_is_replaced_at_once() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    assert!(house.roster.close(at(1.0), SessionId(1)));
    assert_eq!((house.leader(), house.roster.lease_epoch()), (Some(2), 2));
    assert!(!house.roster.close(at(1.0), SessionId(1)));
}

#[test]
fn a_stalled_source_costs_the_lease_when_another_is_well() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    let mut left = Vec::new();
    for second in 1..=8 {
        let pulse = house.beat_source(f64::from(second), 1, second < 2);
        left.push(pulse.lease.map(|lease| lease.ttl_ns / SECOND));
        house.beat_source(f64::from(second), 2, true);
    }
    let three = Some(3);
    assert_eq!(left, [three, three, three, three, Some(2), Some(1), None, None]);
    // It stands still from 2 on, is not renewed from 5 on, and its lease of 4 ran out at 7.
    assert_eq!((house.leader(), house.roster.lease_epoch()), (Some(2), 2));
}

#[test]
fn a_stalled_source_keeps_the_lease_when_no_other_is_well() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    for second in 1..=20 {
        house.beat_source(f64::from(second), 1, false);
        house.beat_source(f64::from(second), 2, second < 2);
    }
    assert_eq!(house.leader(), Some(1));
}

#[test]
fn hanging_up_shortens_the_lease_to_one_and_a_half_seconds() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    house.roster.hung_up(at(0.1), SessionId(2));
    house.roster.hung_up(at(0.5), SessionId(1));
    house.beat(1.5, 2);
    assert_eq!(house.leader(), Some(1));
    house.tick(2.0);
    assert_eq!(house.leader(), Some(2));
}

#[test]
fn a_stall_of_fusion_itself_costs_nobody_anything() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    house.beats(1..3, &[1, 2]);
    house.roster.stalled(at(100.0));
    house.tick(100.0);
    assert_eq!((house.leader(), house.roster.lease_epoch()), (Some(1), 1));
    assert_eq!(house.roster.sessions().count(), 2);
    house.beat(101.0, 2);
    house.tick(103.0);
    assert_eq!(house.leader(), Some(2), "one time to live, not more");
    assert!(house.try_beat(103.0, 1).is_err());
}

#[test]
fn a_lease_that_had_run_out_before_a_stall_is_not_revived() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.tick(5.0);
    house.roster.stalled(at(9.0));
    house.tick(9.0);
    assert_eq!(house.leader(), None);
}

#[test]
fn an_agent_of_0_8_leads_for_six_seconds_after_each_request() {
    let mut house = House::new();
    let created = house.create(0.0, legacy(1, 'p'));
    assert_eq!((created.role, created.lease), (Role::Leader, None));
    assert_eq!(created.timeout_ns, 6 * SECOND);
    house.create(0.0, native(2, 'b'));
    house.roster.touch(at(4.0), SessionId(1)).expect("alive");
    house.beats(5..10, &[2]);
    assert_eq!(house.leader(), Some(1));
    house.tick(10.0);
    assert_eq!(house.leader(), Some(2));
    house.beats(11..29, &[2]);
    assert_eq!(house.beat(29.0, 1).role, Role::Follower, "kept for the configured time");
}

#[test]
fn duties_need_the_number_of_the_lease_and_evidence_does_not() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    let duties = |house: &mut House, session, seq, lease| {
        house.admit_as(0.0, session, seq, 1, lease).expect("evidence is never fenced").duties
    };
    assert_eq!(duties(&mut house, 1, 1, 1), Duties::Allowed);
    assert_eq!(duties(&mut house, 1, 2, 0), Duties::Refused { epoch: 1 });
    assert_eq!(duties(&mut house, 2, 1, 1), Duties::Refused { epoch: 1 });
    house.beat(2.0, 2);
    house.tick(3.0);
    assert_eq!(duties(&mut house, 1, 3, 1), Duties::Refused { epoch: 2 });
}

#[test]
fn a_storage_is_synced_when_its_present_leader_has_ended_a_cycle() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    assert_eq!(house.roster.synced(), Sync::Syncing);
    house.roster.cycle_ended(at(0.0), SessionId(2));
    assert_eq!(house.roster.synced(), Sync::Syncing, "a follower has no cycles");
    house.roster.cycle_ended(at(0.0), SessionId(1));
    assert_eq!(house.roster.synced(), Sync::Complete);
    house.roster.close(at(1.0), SessionId(1));
    assert_eq!(house.roster.synced(), Sync::Syncing);
}

#[test]
fn strange_limits_do_no_harm() {
    for ns in [i64::MIN, 0, i64::MAX] {
        let config = RosterConfig {
            timeout_ns: ns,
            lease_ttl_ns: ns,
            legacy_lease_ttl_ns: ns,
            source_stall_ns: ns,
            concurrent: ns == 0,
            in_flight: 0,
            max_sessions: 3,
            #[cfg(feature = "mutants")]
            broken: None,
        };
        let mut house = House::with(config.clone());
        for (i, second) in [0.0, 1.0, 1.0, 5.0].into_iter().enumerate() {
            // Whatever the answers are, they come.
            drop(house.try_create(second, native(i as u128, 'a')));
            drop(house.try_create(second, legacy(10 + i as u128, 'p')));
            drop(house.roster.beat(at(second), SessionId(0), Beat::default()));
            let _refused = house.admit(second, 0, 1);
            house.roster.stalled(at(second));
            house.roster.reconfigure(config.clone());
            house.tick(second);
        }
    }
}

/// The tests above, to see which of them notice a broken rule.
#[cfg(feature = "mutants")]
pub(super) const WRITTEN: &[(&str, fn())] = &[
    ("the_first_session_leads_and_is_not_displaced", the_first_session_leads_and_is_not_displaced),
    (
        "a_silent_leader_is_replaced_after_its_lease_and_keeps_its_session",
        a_silent_leader_is_replaced_after_its_lease_and_keeps_its_session,
    ),
    (
        "the_deadline_of_the_lease_is_the_deadline_of_the_roster",
        the_deadline_of_the_lease_is_the_deadline_of_the_roster,
    ),
    ("who_is_silent_too_is_not_promoted", who_is_silent_too_is_not_promoted),
    (
        "a_lease_that_nobody_wanted_lives_on_under_its_number",
        a_lease_that_nobody_wanted_lives_on_under_its_number,
    ),
    ("a_leader_that_leaves_is_replaced_at_once", a_leader_that_leaves_is_replaced_at_once),
    (
        "a_stalled_source_costs_the_lease_when_another_is_well",
        a_stalled_source_costs_the_lease_when_another_is_well,
    ),
    (
        "a_stalled_source_keeps_the_lease_when_no_other_is_well",
        a_stalled_source_keeps_the_lease_when_no_other_is_well,
    ),
    (
        "hanging_up_shortens_the_lease_to_one_and_a_half_seconds",
        hanging_up_shortens_the_lease_to_one_and_a_half_seconds,
    ),
    (
        "a_stall_of_fusion_itself_costs_nobody_anything",
        a_stall_of_fusion_itself_costs_nobody_anything,
    ),
    (
        "a_lease_that_had_run_out_before_a_stall_is_not_revived",
        a_lease_that_had_run_out_before_a_stall_is_not_revived,
    ),
    (
        "an_agent_of_0_8_leads_for_six_seconds_after_each_request",
        an_agent_of_0_8_leads_for_six_seconds_after_each_request,
    ),
    (
        "duties_need_the_number_of_the_lease_and_evidence_does_not",
        duties_need_the_number_of_the_lease_and_evidence_does_not,
    ),
    (
        "a_storage_is_synced_when_its_present_leader_has_ended_a_cycle",
        a_storage_is_synced_when_its_present_leader_has_ended_a_cycle,
    ),
];
