//! Orders and scans on demand.

use fustor_core::session::{Ack, Beat, Ending, JobStatus, Pulse, Task};
use fustor_core::{Directive, JobId, SessionId};

use super::fixture::{House, STORAGE, at, legacy, native, path};

fn recheck(text: &str) -> Directive {
    Directive::Recheck { storage: STORAGE, path: path(text) }
}

fn beat_with(house: &mut House, seconds: f64, session: u128, acked: Vec<Ack>) -> Pulse {
    let beat = Beat { acked, ..Beat::default() };
    house.roster.beat(at(seconds), SessionId(session), beat).expect("alive")
}

fn status(house: &House, job: JobId) -> JobStatus {
    house.roster.job(job).expect("remembered").status.clone()
}

#[test]
fn wishes_of_a_view_go_to_the_leader_until_it_acknowledges() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    house.roster.direct(at(0.0), vec![recheck("/x"), recheck("/x")]);
    assert!(house.roster.has_news(SessionId(1)) && !house.roster.has_news(SessionId(2)));
    assert_eq!(house.beat(1.0, 2).orders, []);
    let orders = house.beat(1.0, 1).orders;
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].task, Task::Do(recheck("/x")));
    assert_eq!(house.beat(2.0, 1).orders, []);
    assert_eq!(house.beat(4.0, 1).orders, orders, "delivered again");
    let id = orders[0].id;
    assert_eq!(beat_with(&mut house, 9.0, 1, vec![id.into(), 77.into()]).orders, []);
    assert_eq!(house.roster.backlog(), 0);
}

#[test]
fn wishes_move_to_the_next_leader_when_the_holder_dies() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    house.roster.direct(at(0.0), vec![recheck("/x")]);
    let orders = house.beat(1.0, 1).orders;
    house.beats(1..4, &[2]);
    assert_eq!(house.beat(4.5, 2).orders, orders, "three seconds after its last heartbeat");
    assert_eq!(house.beat(4.6, 1).orders, []);
}

#[test]
fn wishes_wait_for_a_native_agent() {
    let mut house = House::new();
    house.create(0.0, legacy(1, 'p'));
    house.roster.direct(at(0.0), vec![recheck("/x")]);
    assert_eq!(house.beat(1.0, 1).orders, []);
    house.create(1.0, native(2, 'a'));
    assert_eq!(house.beat(1.0, 2).orders.len(), 1, "it follows and is the only one that can");
}

#[test]
fn wishes_about_other_storages_are_not_taken() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    let other = Directive::Recheck { storage: fustor_core::StorageId(9), path: path("/x") };
    house.roster.direct(at(0.0), vec![other]);
    assert_eq!(house.roster.backlog(), 0);
}

#[test]
fn a_rename_is_told_to_the_others() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    house.create(0.0, legacy(3, 'p'));
    house.roster.moved(at(0.0), SessionId(1), &path("/old"), &path("/new"));
    assert_eq!(house.beat(1.0, 1).orders, []);
    let told = house.beat(1.0, 2).orders;
    assert_eq!(told[0].task, Task::Moved { old: path("/old"), new: path("/new") });
    house.beat(1.0, 3);
    assert_eq!(house.roster.backlog(), 1);
}

#[test]
fn a_scan_is_joined_and_completed_by_acknowledgement() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    let job = house.roster.scan(at(0.0), &path("/d"), true).expect("an agent is there");
    assert_eq!(house.roster.scan(at(0.1), &path("/d"), true), Some(job));
    assert_eq!(house.beat(1.0, 2).orders, [], "one agent scans");
    let orders = house.beat(1.0, 1).orders;
    let list = Directive::List { storage: STORAGE, path: path("/d"), recursive: true };
    assert_eq!(orders[0].task, Task::Do(list));
    assert_eq!(status(&house, job), JobStatus::Running);
    beat_with(&mut house, 2.0, 1, vec![orders[0].id.into()]);
    assert_eq!(status(&house, job), JobStatus::Completed);
}

#[test]
fn a_scan_that_fails_goes_to_the_next_agent_and_fails_with_the_last() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    house.create(0.0, native(2, 'b'));
    let job = house.roster.scan(at(0.0), &path("/d"), true).expect("an agent is there");
    let failed = |id| vec![Ack { id, ending: Ending::Failed("no such directory".to_owned()) }];
    let first = house.beat(0.5, 1).orders[0].id;
    beat_with(&mut house, 1.0, 1, failed(first));
    assert_eq!(status(&house, job), JobStatus::Running);
    let second = house.beat(1.0, 2).orders[0].id;
    beat_with(&mut house, 2.0, 2, failed(second));
    let reason = "no such directory".to_owned();
    assert_eq!(status(&house, job), JobStatus::Failed { reason });
}

#[test]
fn a_scan_in_part_says_why() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    let job = house.roster.scan(at(0.0), &path("/d"), true).expect("an agent is there");
    let id = house.beat(0.5, 1).orders[0].id;
    let ending = Ending::Partial("é".repeat(1000));
    beat_with(&mut house, 1.0, 1, vec![Ack { id, ending }]);
    assert_eq!(status(&house, job), JobStatus::Partial { reason: "é".repeat(512) });
}

#[test]
fn a_scan_survives_the_session_that_had_it() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    let job = house.roster.scan(at(0.0), &path("/d"), true).expect("an agent is there");
    house.beat(0.5, 1);
    house.tick(31.0);
    assert_eq!(house.roster.scan(at(31.0), &path("/e"), true), None, "nobody is there");
    house.create(32.0, legacy(2, 'p'));
    let scans = house.beat(33.0, 2).scans;
    assert_eq!(scans.len(), 1);
    assert_eq!((scans[0].job, scans[0].recursive), (job, true));
    assert_eq!(house.beat(34.0, 2).scans, [], "a command is delivered once");
    assert!(house.roster.complete_legacy_job(at(35.0), SessionId(2), job));
    assert!(!house.roster.complete_legacy_job(at(35.0), SessionId(2), job));
    assert_eq!(status(&house, job), JobStatus::Completed);
}

#[test]
fn native_agents_scan_before_those_of_0_8() {
    let mut house = House::new();
    house.create(0.0, legacy(1, 'p'));
    house.create(0.0, native(2, 'a'));
    house.roster.scan(at(0.0), &path("/d"), false).expect("an agent is there");
    assert!(house.roster.has_news(SessionId(2)) && !house.roster.has_news(SessionId(1)));
}

#[test]
fn a_scan_ends_after_an_hour() {
    let mut house = House::new();
    house.create(0.0, native(1, 'a'));
    let job = house.roster.scan(at(0.0), &path("/d"), true).expect("an agent is there");
    house.tick(3600.0);
    assert!(matches!(status(&house, job), JobStatus::Partial { .. }));
    assert_eq!(house.roster.backlog(), 0);
    house.tick(7200.0);
    assert_eq!(house.roster.jobs().count(), 0);
}

#[test]
fn commands_of_0_8_are_delivered_once_and_the_oldest_first() {
    let mut house = House::new();
    house.create(0.0, legacy(1, 'p'));
    for (second, text) in [(1.0, "/c"), (2.0, "/a"), (3.0, "/b")] {
        house.roster.scan(at(second), &path(text), true).expect("an agent is there");
    }
    let scans = house.beat(4.0, 1).scans;
    let paths: Vec<String> = scans.iter().map(|scan| scan.path.to_string()).collect();
    assert_eq!(paths, ["/c", "/a", "/b"]);
    assert_eq!(house.beat(5.0, 1).scans, []);
}

#[test]
fn nobody_completes_a_job_that_is_not_known() {
    let mut house = House::new();
    house.create(0.0, legacy(1, 'p'));
    let job = house.roster.scan(at(0.0), &path("/d"), true).expect("an agent is there");
    assert!(!house.roster.complete_legacy_job(at(1.0), SessionId(1), JobId(job.0 ^ 1)));
    assert!(!house.roster.complete_legacy_job(at(1.0), SessionId(9), job), "no such session");
    assert_eq!(status(&house, job), JobStatus::Running);
}

/// The tests above, to see which of them notice a broken rule.
#[cfg(feature = "mutants")]
pub(super) const WRITTEN: &[(&str, fn())] = &[
    (
        "wishes_of_a_view_go_to_the_leader_until_it_acknowledges",
        wishes_of_a_view_go_to_the_leader_until_it_acknowledges,
    ),
    (
        "wishes_move_to_the_next_leader_when_the_holder_dies",
        wishes_move_to_the_next_leader_when_the_holder_dies,
    ),
    ("wishes_wait_for_a_native_agent", wishes_wait_for_a_native_agent),
    ("wishes_about_other_storages_are_not_taken", wishes_about_other_storages_are_not_taken),
    ("a_rename_is_told_to_the_others", a_rename_is_told_to_the_others),
    (
        "a_scan_is_joined_and_completed_by_acknowledgement",
        a_scan_is_joined_and_completed_by_acknowledgement,
    ),
    (
        "a_scan_that_fails_goes_to_the_next_agent_and_fails_with_the_last",
        a_scan_that_fails_goes_to_the_next_agent_and_fails_with_the_last,
    ),
    ("a_scan_in_part_says_why", a_scan_in_part_says_why),
    ("a_scan_survives_the_session_that_had_it", a_scan_survives_the_session_that_had_it),
    ("native_agents_scan_before_those_of_0_8", native_agents_scan_before_those_of_0_8),
    ("a_scan_ends_after_an_hour", a_scan_ends_after_an_hour),
    (
        "commands_of_0_8_are_delivered_once_and_the_oldest_first",
        commands_of_0_8_are_delivered_once_and_the_oldest_first,
    ),
    ("nobody_completes_a_job_that_is_not_known", nobody_completes_a_job_that_is_not_known),
];
