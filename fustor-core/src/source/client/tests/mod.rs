//! What a client does against a small server, in virtual time.

mod server;
mod world;

use proptest::prelude::*;

use super::*;
use crate::event::{CyclePhase, Event, GapReason, Lane};
use crate::time::{BootTime, SECOND};
use server::Fault;
use world::{World, dir, upsert};

fn ms(n: i64) -> i64 {
    n * SECOND / 1000
}

#[test]
fn a_leader_scans_once_and_audits_at_the_interval() {
    let mut world = World::new(1);
    world.server.audit_ns = Some(100 * SECOND);
    world.run_for(50 * SECOND);
    assert_eq!(world.client.status(world.now).scans, (1, 1));
    assert_eq!(world.client.role(world.now), Role::Leader);
    world.run_for(300 * SECOND);
    let (asked, had) = world.client.status(world.now).scans;
    assert!((3..=4).contains(&asked) && had + 1 >= asked, "{asked} {had}");
    world.settle();
}

#[test]
fn audits_read_what_has_changed_until_what_was_told_is_in_doubt() {
    use Reading::{Changes, Everything};
    let mut world = World::new(21);
    world.server.audit_ns = Some(100 * SECOND);
    world.run_for(250 * SECOND);
    assert_eq!(world.readings, [Everything, Changes, Changes]);
    world.readings.clear();
    world.server.forget(world.now);
    world.run_for(150 * SECOND);
    assert_eq!(world.readings, [Everything, Changes], "it knows nothing of what was told before");
    world.readings.clear();
    world.server.poison = Some(dir(3).join(b"f1"));
    world.run_for(100 * SECOND);
    world.server.poison = None;
    world.readings.clear();
    world.run_for(200 * SECOND);
    assert_eq!(world.readings, [Everything, Changes], "not all of what was told was taken");
    world.settle();
}

#[test]
fn a_server_that_knows_no_passes_gets_everything_each_time() {
    let mut world = World::new(22);
    world.server.audit_ns = Some(100 * SECOND);
    world.server.is_plain = true;
    world.run_for(250 * SECOND);
    assert_eq!(world.readings, [Reading::Everything; 3]);
    world.settle();
}

#[test]
fn a_follower_walks_and_does_not_scan_until_it_leads() {
    let mut world = World::new(2);
    world.server.taken_until = BootTime(20 * SECOND);
    world.run_for(15 * SECOND);
    assert_eq!((world.scans, world.walks), (0, 1));
    world.run_for(15 * SECOND);
    assert_eq!((world.scans, world.walks), (1, 1));
    world.settle();
}

#[test]
fn a_blip_shorter_than_the_session_costs_no_scan() {
    for length in [1_i64, 3, 10, 25] {
        let mut world = World::new(length.unsigned_abs());
        world.run_for(30 * SECOND);
        assert_eq!(world.client.status(world.now).scans, (1, 1));
        world.server.fault_until(Fault::Cut, world.now.plus(length * SECOND));
        world.run_for((length + 30) * SECOND);
        let status = world.client.status(world.now);
        assert_eq!((world.scans, status.sessions, status.overflowed), (1, (1, 0), 0), "{length}");
        assert_eq!(world.server.gaps, 0, "{length}");
        world.settle();
    }
}

#[test]
fn a_blip_in_the_middle_of_a_scan_costs_no_second_one() {
    let mut world = World::new(5);
    world.run_for(ms(300));
    assert!(world.is_scanning());
    world.server.fault_until(Fault::Cut, world.now.plus(8 * SECOND));
    world.run_for(30 * SECOND);
    assert_eq!((world.scans, world.client.status(world.now).scans), (1, (1, 1)));
    world.settle();
}

#[test]
fn a_lapsed_lease_is_no_lease_whatever_was_said_last() {
    let mut world = World::new(6);
    world.run_for(10 * SECOND);
    assert_eq!(world.client.role(world.now), Role::Leader);
    world.server.fault_until(Fault::Cut, world.now.plus(20 * SECOND));
    world.run_for(4 * SECOND);
    assert_eq!(world.client.role(world.now), Role::Follower);
}

#[test]
fn a_leader_keeps_its_role_until_its_lease_ends() {
    let mut world = World::new(16);
    world.run_for(10 * SECOND);
    world.server.fault_until(Fault::Cut, world.now.plus(20 * SECOND));
    world.run_for(ms(1500));
    assert_eq!(world.client.role(world.now), Role::Leader, "no answer is no demotion");
    assert_eq!((world.scans, world.client.status(world.now).scans), (1, (1, 1)));
}

#[test]
fn a_leader_that_is_followed_by_another_goes_on_telling() {
    let mut world = World::new(17);
    world.run_for(20 * SECOND);
    world.server.usurp(world.now.plus(60 * SECOND));
    world.run_for(10 * SECOND);
    assert_eq!(world.client.role(world.now), Role::Follower);
    let told = world.client.status(world.now).events;
    world.run_for(20 * SECOND);
    let status = world.client.status(world.now);
    assert!(status.events > told, "changes are told");
    assert!(
        matches!(status.standing, Standing::Joined { heard, .. } if world.now.since(heard) < 2 * SECOND)
    );
    assert_eq!(world.scans, 1, "and nothing is scanned");
}

#[test]
fn closing_in_the_middle_of_a_scan_gives_the_session_back() {
    let mut world = World::new(18);
    world.run_for(ms(200));
    assert!(world.is_scanning());
    world.scan_from = world.now.plus(60 * SECOND);
    world.client.close(world.now.plus(5 * SECOND));
    world.run_for(6 * SECOND);
    assert!(world.client.is_closed());
    assert_eq!((world.server.closed, world.server.cycles), (1, 0));
}

/// A client that asks for its first session and gets this one.
fn joined(config: ClientConfig, dialect: Dialect) -> Client {
    let mut client = Client::new(config, BootTime(0), 1, None);
    let [Action::Create { attempt, .. }] = client.poll(BootTime(0))[..] else {
        panic!("no create")
    };
    client.created(BootTime(0), attempt, granted(dialect));
    client
}

fn granted(dialect: Dialect) -> CreateReply {
    CreateReply::Granted(Grant {
        session: "s".into(),
        dialect,
        role: Role::Leader,
        timeout_ns: 30 * SECOND,
        audit_ns: Some(100 * SECOND),
        lease: Some(LeaseGrant { epoch: 1, ttl_ns: 3 * SECOND }),
        resumed: false,
        from: Seqs { control: 1, realtime: 1, scan: 1 },
        in_flight: 4,
        passes: true,
    })
}

fn attempt_to_beat(actions: &[Action]) -> Option<u64> {
    actions.iter().find_map(|action| match action {
        Action::Beat { attempt, .. } => Some(*attempt),
        _ => None,
    })
}

#[test]
fn where_there_are_no_leases_three_heartbeats_are_sent_in_a_timeout() {
    let mut client = joined(ClientConfig::default(), Dialect::Legacy);
    let beat = attempt_to_beat(&client.poll(BootTime(0))).expect("at once");
    let alive =
        BeatReply::Alive { role: Role::Leader, lease: None, orders: vec![], complete_ns: None };
    client.beaten(BootTime(ms(3)), beat, alive);
    assert_eq!(attempt_to_beat(&client.poll(BootTime(ms(9_999)))), None);
    assert!(attempt_to_beat(&client.poll(BootTime(10 * SECOND))).is_some());
}

#[test]
fn a_session_that_is_gone_is_followed_by_another_at_once() {
    for (seconds, dialect) in [(5, Dialect::Legacy), (6, Dialect::Native)] {
        let mut client = joined(ClientConfig::default(), dialect);
        let beat = attempt_to_beat(&client.poll(BootTime(0))).expect("at once");
        let now = BootTime(seconds * SECOND);
        client.beaten(now, beat, BeatReply::Gone);
        assert_eq!(client.role(now), Role::Follower);
        assert!(matches!(client.poll(now)[..], [Action::Create { .. }]));
    }
}

#[test]
fn an_agent_never_gives_up() {
    let mut client = Client::new(ClientConfig::default(), BootTime(0), 1, None);
    let mut now = BootTime(0);
    for _ in 0..10_000 {
        let [Action::Create { attempt, .. }] = client.poll(now)[..] else { panic!("no attempt") };
        client.created(now, attempt, CreateReply::Failed(Failure::Unreachable));
        let next = client.next_deadline(now).expect("another attempt");
        assert!(next.since(now) <= 30 * SECOND);
        now = next;
    }
    let [Action::Create { attempt, .. }] = client.poll(now)[..] else { panic!("no attempt") };
    client.created(now, attempt, granted(Dialect::Native));
    assert!(client.session().is_some());
}

#[test]
fn who_is_to_tell_changes_only_watches_and_audits_when_that_is_due() {
    let changes_only = ClientConfig { snapshot: false, ..ClientConfig::default() };
    for dialect in [Dialect::Native, Dialect::Legacy] {
        let mut client = joined(changes_only.clone(), dialect);
        let actions = client.poll(BootTime(0));
        assert!(actions.iter().any(|action| matches!(action, Action::Walk)));
        assert!(!actions.iter().any(|action| matches!(action, Action::Scan(_))));
        assert_eq!(client.status(BootTime(0)).scans, (0, 0));
    }
}

#[test]
fn a_server_that_forgot_everything_gets_everything() {
    let mut world = World::new(7);
    world.run_for(30 * SECOND);
    world.server.forget(world.now);
    world.run_for(60 * SECOND);
    assert_eq!(world.scans, 2);
    world.settle();
}

#[test]
fn orders_are_done_once_and_acknowledged_after_what_they_found() {
    let mut world = World::new(8);
    world.run_for(10 * SECOND);
    for n in 0..20 {
        world.server.order(Task::Recheck { path: upsert_path(n) });
    }
    world.server.fault_until(Fault::Deaf, world.now.plus(5 * SECOND));
    world.run_for(40 * SECOND);
    assert_eq!(world.performed.len(), 20);
    assert!(world.server.orders.is_empty());
    assert!(world.server.acked_before_told.is_empty());
}

fn upsert_path(n: u32) -> crate::path::ViewPath {
    dir(n % 3).join(format!("f{}", n % 7).as_bytes())
}

#[test]
fn a_server_that_is_away_gets_gaps_over_what_found_no_room_and_nothing_else() {
    let mut world = World::new(9);
    world.run_for(20 * SECOND);
    world.server.fault_until(Fault::Cut, BootTime::MAX);
    world.writing = false;
    for n in 0..4000_u32 {
        let place = dir(7).join(format!("new{n}").as_bytes());
        world.tell(upsert(&place, u64::from(n), world.now));
    }
    assert!(world.client.status(world.now).overflowed > 0);
    world.check_room();
    world.server.heal();
    world.run_for(60 * SECOND);
    assert_eq!(world.server.gap_scopes(), [dir(7)]);
    world.settle();
}

#[test]
fn ever_more_gaps_become_one_over_everything() {
    let mut client = Client::new(ClientConfig::default(), BootTime(0), 1, None);
    let gap = |n: u32| Event::Gap {
        scope: dir(n),
        stamp: BootTime(n.into()),
        reason: GapReason::KernelOverflow,
    };
    for n in 0..100_000 {
        client.sealed(BootTime(0), Lane::Control, vec![gap(n)], &[]);
    }
    assert!(client.status(BootTime(0)).waiting <= 70_000);
}

#[test]
fn closing_sends_what_waits_and_gives_the_session_back() {
    let mut world = World::new(10);
    world.run_for(20 * SECOND);
    world.client.close(world.now.plus(5 * SECOND));
    world.writing = false;
    world.run_for(6 * SECOND);
    assert!(world.client.is_closed());
    assert_eq!(world.server.closed, 1);
    world.settle();
}

#[test]
fn a_source_that_begins_anew_owes_a_scan_and_goes_on_with_the_session() {
    let mut world = World::new(11);
    world.run_for(20 * SECOND);
    world.client.restart(world.now, 9);
    world.run_for(30 * SECOND);
    assert_eq!(world.scans, 2);
    assert_eq!(world.server.epoch(), Some(9));
    world.settle();
}

#[test]
fn a_batch_that_the_server_will_never_take_does_not_stop_the_lane() {
    let mut world = World::new(12);
    world.server.poison = Some(dir(3).join(b"f1"));
    world.run_for(60 * SECOND);
    world.server.poison = None;
    world.run_for(60 * SECOND);
    world.settle();
}

#[test]
fn a_scan_that_was_told_without_a_lease_is_owed_again() {
    let mut world = World::new(13);
    world.run_for(ms(300));
    assert!(world.is_scanning());
    // Another session takes the lease over while this one scans.
    world.scan_from = world.now.plus(8 * SECOND);
    world.server.usurp(world.now.plus(10 * SECOND));
    world.run_for(60 * SECOND);
    assert_eq!(world.scans, 2);
    assert_eq!(world.client.status(world.now).scans.1, 1);
    assert_eq!(world.server.cycles, 1);
    world.settle();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever fails in whatever order: when it has stopped failing, the server knows what the source has told, or has a
    /// gap over it; every lane was in order, memory stayed bounded and no two sessions led at a time.
    #[test]
    fn nothing_is_lost_without_a_gap(
        seed in any::<u64>(),
        faults in proptest::collection::vec((0_u8..7, 1_i64..40_000, 1_i64..20_000), 0..12),
    ) {
        let mut world = World::new(seed);
        for (kind, length, pause) in faults {
            let until = world.now.plus(ms(length));
            match kind {
                0 => world.server.fault_until(Fault::Cut, until),
                1 => world.server.fault_until(Fault::Deaf, until),
                2 => world.server.fault_until(Fault::Full, until),
                3 => world.server.fault_until(Fault::Broken, until),
                4 => world.server.forget(world.now),
                5 => world.server.usurp(until),
                _ => world.server.order(Task::List { path: dir(1), recursive: false }),
            }
            world.run_for(ms(pause));
        }
        world.server.heal();
        world.run_for(120 * SECOND);
        world.settle();
        prop_assert_eq!(world.client.status(world.now).scans.1 > 0, true);
        prop_assert!(world.server.orders.is_empty());
    }

    /// Coalescing keeps for every path the last word, and all that a rename or deletion must not overtake.
    #[test]
    fn coalescing_does_not_change_the_outcome(
        steps in proptest::collection::vec((0_u8..4, 0_u32..4, 0_u32..4), 0..60),
    ) {
        let mut spool = spool::Spool::default();
        let mut plain = std::collections::BTreeMap::new();
        let mut coalesced = plain.clone();
        for (at, (kind, d, f)) in (1..).zip(steps) {
            let path = dir(d).join(format!("f{f}").as_bytes());
            let stamp = BootTime(at);
            let event = match kind {
                0 | 1 => upsert(&path, at.unsigned_abs(), stamp),
                2 => Event::Delete { path, stamp },
                _ => Event::Delete { path: dir(d), stamp },
            };
            server::apply(&mut plain, &event);
            spool.add(event, usize::MAX).unwrap();
        }
        let mut left = spool.len();
        while !spool.is_empty() {
            let taken = spool.take(usize::MAX, 3);
            left -= taken.events.len();
            taken.events.iter().for_each(|event| server::apply(&mut coalesced, event));
        }
        prop_assert_eq!((left, spool.bytes()), (0, 0));
        let there = |picture: server::Picture| -> Vec<_> {
            picture.into_iter().filter(|(_, (_, size))| size.is_some()).collect()
        };
        prop_assert_eq!(there(plain), there(coalesced));
    }
}

#[test]
fn an_attribute_change_does_not_make_a_finished_file_doubtful() {
    let path = dir(0).join(b"f");
    let Event::Upsert { facts, .. } = upsert(&path, 1, BootTime(1)) else { unreachable!() };
    let told = |tier, stamp| Event::Upsert { path: path.clone(), stamp, tier, facts };
    let mut spool = spool::Spool::default();
    spool.add(told(crate::key::Tier::Atomic, BootTime(1)), usize::MAX).unwrap();
    spool.add(told(crate::key::Tier::Partial, BootTime(2)), usize::MAX).unwrap();
    let taken = spool.take(usize::MAX, usize::MAX);
    assert_eq!(taken.events, [told(crate::key::Tier::Atomic, BootTime(2))]);
}

#[test]
fn the_end_of_a_scan_finds_room_in_a_full_spool() {
    let config = ClientConfig { scan_bytes: 1, ..ClientConfig::default() };
    let mut client = Client::new(config, BootTime(0), 1, None);
    let end = Event::Cycle { phase: CyclePhase::End, stamp: BootTime(0) };
    client.sealed(BootTime(0), Lane::Scan, vec![end], &[]);
    assert_eq!(client.status(BootTime(0)).overflowed, 0);
}
