//! What the views are told: attachments, losses, absences.

use fustor_core::session::CreateSession;
use fustor_core::{GapReason, Lane, Seq, SessionId};

use super::fixture::{House, OTHER_ROOT, Told, at, legacy, native, resume, seq, with};

const WATCHED: Told = Told::Attach { known: true, watched: true };
const ABSENT: GapReason = GapReason::AgentAbsent;

fn reborn(session: u128, name: char, source_epoch: u64) -> CreateSession {
    with(native(session, name), |peer| peer.source_epoch = source_epoch)
}

#[test]
fn a_view_is_attached_by_the_first_session_and_detached_by_the_last() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    assert_eq!(house.told(), [WATCHED]);
    house.create(0.0, legacy(2, 'p'));
    assert_eq!(house.told(), []);
    house.roster.close(at(1.0), SessionId(1));
    assert_eq!(house.told(), [Told::Attach { known: false, watched: false }]);
    house.roster.close(at(1.0), SessionId(2));
    assert_eq!(house.told(), [Told::Detach]);
}

#[test]
fn a_hole_that_stays_open_for_two_seconds_is_a_gap_and_may_still_be_filled() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.told();
    house.push(1.0, 1, 2);
    assert_eq!(house.roster.next_deadline(), Some(at(3.0).mono));
    house.tick(2.9);
    assert_eq!(house.told(), []);
    house.beat(3.0, 1);
    assert_eq!(house.told(), [Told::Gap('a', GapReason::AgentOverflow)]);
    house.beat(9.0, 1);
    assert_eq!(house.told(), [], "once");
    house.push(9.0, 1, 1);
}

#[test]
fn overtaking_is_no_loss() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.told();
    for n in [3, 1, 2, 4] {
        house.push(1.0, 1, n);
    }
    house.tick(20.0);
    assert_eq!(house.told(), []);
}

#[test]
fn a_hole_at_the_end_of_a_session_is_a_gap() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.push(1.0, 1, 2);
    house.told();
    house.roster.close(at(1.5), SessionId(1));
    assert_eq!(house.told(), [Told::Gap('a', ABSENT), Told::Detach]);
}

#[test]
fn a_batch_that_is_abandoned_and_never_comes_again_is_a_gap() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.told();
    assert!(house.admit(1.0, 1, 1).is_ok());
    house.push(1.0, 1, 2);
    house.roster.abandoned(SessionId(1), Lane::Realtime, Seq(1));
    house.tick(2.5);
    assert_eq!(house.told(), []);
    house.tick(3.0);
    assert_eq!(house.told(), [Told::Gap('a', GapReason::AgentOverflow)]);
}

#[test]
fn a_blip_that_is_shorter_than_the_session_is_nothing() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    house.told();
    house.beats(1..29, &[1]);
    house.beat(29.0, 2);
    house.push(29.0, 2, 1);
    assert_eq!(house.told(), []);
}

#[test]
fn a_follower_that_is_lost_is_a_gap_and_none_when_it_goes_on() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    house.told();
    house.beats(1..31, &[1]);
    assert_eq!(house.told(), [Told::Gap('b', ABSENT)]);
    house.create(31.0, with(native(3, 'b'), |peer| peer.resume = resume(2, 1, seq(0))));
    assert_eq!(house.told(), [WATCHED], "its spool has everything");
}

#[test]
fn an_agent_that_is_back_with_another_life_is_a_gap() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    house.roster.close(at(1.0), SessionId(2));
    assert_eq!(house.told(), [WATCHED], "it left nothing behind");
    house.create(2.0, reborn(3, 'b', 2));
    assert_eq!(house.told(), [WATCHED, Told::Gap('b', ABSENT)]);
    house.create(5.5, reborn(4, 'b', 3));
    let told = house.told();
    assert!(told.contains(&Told::Gap('b', ABSENT)), "{told:?}");
    house.create(6.0, native(5, 'c'));
    assert_eq!(house.told(), [WATCHED], "a new agent has missed nothing");
}

#[test]
fn the_last_one_to_go_owes_its_gap_to_who_comes_next() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.tick(30.0);
    assert_eq!(house.told(), [WATCHED, Told::Detach]);
    house.create(31.0, native(2, 'b'));
    assert_eq!(house.told(), [WATCHED, Told::Gap('b', ABSENT)]);
}

#[test]
fn the_last_one_to_go_owes_nothing_when_it_goes_on_itself() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.tick(30.0);
    house.told();
    house.create(31.0, native(2, 'a'));
    assert_eq!(house.told(), [WATCHED]);
    house.create(32.0, native(3, 'b'));
    assert_eq!(house.told(), [WATCHED]);
}

#[test]
fn what_the_agent_believes_to_be_acknowledged_and_is_not_is_a_gap() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.told();
    house.create(1.0, with(native(2, 'a'), |peer| peer.resume = resume(1, 1, seq(5))));
    assert_eq!(house.told(), [WATCHED, Told::Gap('a', ABSENT)]);
    house.push(1.0, 1, 6);
    house.tick(31.0);
    house.told();
    house.create(32.0, with(native(3, 'a'), |peer| peer.resume = resume(1, 1, seq(9))));
    assert_eq!(house.told(), [WATCHED, Told::Gap('a', ABSENT)]);
}

#[test]
fn agents_of_0_8_open_gaps_only_where_somebody_can_repair_them() {
    let mut house = House::new();
    house.create(0.0, legacy(1, 'p'));
    house.create(0.0, legacy(2, 'q'));
    house.told();
    house.roster.touch(at(29.0), SessionId(1)).expect("alive");
    house.tick(30.0);
    house.create(31.0, legacy(3, 'q'));
    assert_eq!(house.told(), [], "listings never come: the gap would stay for ever");
    house.create(32.0, native(4, 'a'));
    house.told();
    house.roster.close(at(33.0), SessionId(3));
    house.create(34.0, legacy(5, 'q'));
    assert_eq!(house.told(), [Told::Gap('q', ABSENT)]);
}

#[test]
fn another_root_is_reported_when_nobody_has_the_right_one() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.told();
    house.create(0.0, with(native(2, 'b'), |peer| peer.root = OTHER_ROOT));
    assert_eq!(house.told(), []);
    house.beats(1..29, &[2]);
    house.beat(30.0, 2);
    assert_eq!(house.told(), [Told::Detach, Told::OtherRoot]);
    house.create(31.0, native(3, 'a'));
    assert_eq!(house.told(), [WATCHED]);
}

#[test]
fn a_root_that_changes_under_a_session_detaches_it() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.told();
    let moved = with(reborn(2, 'a', 2), |peer| {
        peer.root = OTHER_ROOT;
        peer.resume = resume(1, 1, seq(0));
    });
    assert!(house.create(1.0, moved).root_changed);
    assert_eq!(house.told(), [Told::Detach, Told::OtherRoot]);
    house.create(2.0, reborn(3, 'a', 2));
    assert_eq!(house.told(), [WATCHED, Told::Gap('a', ABSENT)]);
}

/// The tests above, to see which of them notice a broken rule.
#[cfg(feature = "mutants")]
pub(super) const WRITTEN: &[(&str, fn())] = &[
    (
        "a_view_is_attached_by_the_first_session_and_detached_by_the_last",
        a_view_is_attached_by_the_first_session_and_detached_by_the_last,
    ),
    (
        "a_hole_that_stays_open_for_two_seconds_is_a_gap_and_may_still_be_filled",
        a_hole_that_stays_open_for_two_seconds_is_a_gap_and_may_still_be_filled,
    ),
    ("overtaking_is_no_loss", overtaking_is_no_loss),
    ("a_hole_at_the_end_of_a_session_is_a_gap", a_hole_at_the_end_of_a_session_is_a_gap),
    (
        "a_batch_that_is_abandoned_and_never_comes_again_is_a_gap",
        a_batch_that_is_abandoned_and_never_comes_again_is_a_gap,
    ),
    (
        "a_blip_that_is_shorter_than_the_session_is_nothing",
        a_blip_that_is_shorter_than_the_session_is_nothing,
    ),
    (
        "a_follower_that_is_lost_is_a_gap_and_none_when_it_goes_on",
        a_follower_that_is_lost_is_a_gap_and_none_when_it_goes_on,
    ),
    (
        "an_agent_that_is_back_with_another_life_is_a_gap",
        an_agent_that_is_back_with_another_life_is_a_gap,
    ),
    (
        "the_last_one_to_go_owes_its_gap_to_who_comes_next",
        the_last_one_to_go_owes_its_gap_to_who_comes_next,
    ),
    (
        "the_last_one_to_go_owes_nothing_when_it_goes_on_itself",
        the_last_one_to_go_owes_nothing_when_it_goes_on_itself,
    ),
    (
        "what_the_agent_believes_to_be_acknowledged_and_is_not_is_a_gap",
        what_the_agent_believes_to_be_acknowledged_and_is_not_is_a_gap,
    ),
    (
        "agents_of_0_8_open_gaps_only_where_somebody_can_repair_them",
        agents_of_0_8_open_gaps_only_where_somebody_can_repair_them,
    ),
    (
        "another_root_is_reported_when_nobody_has_the_right_one",
        another_root_is_reported_when_nobody_has_the_right_one,
    ),
    (
        "a_root_that_changes_under_a_session_detaches_it",
        a_root_that_changes_under_a_session_detaches_it,
    ),
];
