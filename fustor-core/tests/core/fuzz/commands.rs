//! Bytes as observations and commands: the tree is what the reference model makes of the observations, and whatever a view
//! is told, its tables agree with each other.

use std::collections::BTreeMap;

use bolero::check;
use fustor_core::{
    AgentId, Batch, BootTime, ClockMap, Command, CyclePhase, Epoch, Event, Facts, Fidelity,
    GapReason, Kind, Listing, Mono, Now, Origin, Owner, Remark, RootIdentity, SECOND, Seq, Stamp,
    StorageId, StorageTime, Sweep, Tier, UncoveredReason, View, ViewConfig, ViewPath,
};

use super::INPUTS;
use super::take::Take;
use crate::model::generate::{LAST, Set, delivery};
use crate::model::sets::{config, defined, differences, replay, script};
use crate::observe::{entries, recount};
use crate::script::{BASE, blocks, inode_of, write};

/// So that collisions are the rule.
const NAMES: [&[u8]; 4] = [b"a", b"b", b"c", b"\xff"];
const STORAGES: [StorageId; 2] = [StorageId(0), StorageId(1)];
/// More than this takes time and finds nothing that fewer do not.
const COMMANDS_MAX: usize = 40;

fn path(take: &mut Take<'_>) -> ViewPath {
    let depth = take.one_of(&[0, 1, 1, 1, 2, 2, 3, 4]);
    (0..depth).fold(ViewPath::root(), |path, _| path.join(take.one_of(&NAMES)))
}

fn stamp(take: &mut Take<'_>, offset_ns: i64) -> BootTime {
    BootTime(BASE + take.below(LAST as usize + 1) as i64 * SECOND - offset_ns)
}

fn facts(take: &mut Take<'_>, path: &ViewPath) -> Facts {
    let choice = take.byte();
    let kinds = [Kind::Dir, Kind::File, Kind::Dir, Kind::File, Kind::Dir, Kind::Symlink];
    let kind = kinds[usize::from(choice) % kinds.len()];
    let time = StorageTime(BASE + (i64::from(choice / 8 % 3) - 100_000) * SECOND);
    let owner = Owner { mode: 0o755, uid: 0, gid: 0 };
    let size = u64::from(choice / 32 % 3);
    Facts { kind, size, mtime: time, ctime: time, inode: inode_of(path), nlink: 1, owner }
}

fn listing(take: &mut Take<'_>, offset_ns: i64) -> Event {
    let dir = path(take);
    let count = take.below(3);
    let mut row = || {
        let name = take.one_of(&NAMES);
        (name.to_vec(), facts(take, &dir.join(name)))
    };
    let rows: BTreeMap<Vec<u8>, Facts> = (0..count).map(|_| row()).collect();
    let own = Facts { kind: Kind::Dir, ..facts(take, &dir) };
    let blocks = blocks(&dir, &rows.into_iter().collect::<Vec<_>>());
    let (stamp, complete) = (stamp(take, offset_ns), take.below(5) > 0);
    Event::Listing(Listing { dir, stamp, complete, facts: own, blocks })
}

/// What the reference model knows: no renames.
fn observation(take: &mut Take<'_>, offset_ns: i64) -> Event {
    match take.below(8) {
        0..=2 => {
            let path = path(take);
            let tier = take.one_of(&[Tier::Atomic, Tier::Scan, Tier::Partial]);
            let facts = facts(take, &path);
            Event::Upsert { path, stamp: stamp(take, offset_ns), tier, facts }
        }
        3 | 4 => Event::Delete { path: path(take), stamp: stamp(take, offset_ns) },
        5 | 6 => listing(take, offset_ns),
        _ => {
            let (scope, stamp) = (path(take), stamp(take, offset_ns));
            Event::Gap { scope, stamp, reason: GapReason::KernelOverflow }
        }
    }
}

fn event(take: &mut Take<'_>) -> Event {
    match take.below(14) {
        0 | 1 => {
            let (old, new) = (path(take), path(take));
            // An inode moves with its entry, mostly.
            let kept = if take.below(4) == 0 { &new } else { &old };
            let facts = facts(take, kept);
            Event::Rename { old, new, stamp: stamp(take, 0), facts }
        }
        2 => {
            let (dir, stamp) = (path(take), stamp(take, 0));
            Event::Uncovered { dir, stamp, reason: UncoveredReason::WatchLimit }
        }
        3 => Event::Covered { dir: path(take) },
        4 => {
            let phase = take.one_of(&[CyclePhase::Begin, CyclePhase::End]);
            Event::Cycle { phase, stamp: stamp(take, 0) }
        }
        5 => Event::RootLost { stamp: stamp(take, 0) },
        6 => Event::Remark(remark(take)),
        _ => observation(take, 0),
    }
}

fn remark(take: &mut Take<'_>) -> Remark {
    match take.below(3) {
        0 => {
            let sweep = take.one_of(&[Sweep::Snapshot, Sweep::Audit]);
            Remark::Read { dir: path(take), sweep }
        }
        1 => {
            let path = path(take);
            let Facts { size, mtime, .. } = facts(take, &path);
            Remark::Checked { path, stamp: stamp(take, 0), size: Some(size), mtime }
        }
        _ => Remark::Missing { path: path(take), stamp: stamp(take, 0) },
    }
}

fn envelope(take: &mut Take<'_>) -> Batch {
    let bits = take.byte();
    let bit = |n: u8| bits >> n & 1;
    let agent = u16::from(bit(0));
    Batch {
        storage: StorageId(0),
        origin: Origin {
            agent: AgentId(agent),
            epoch: Epoch(bit(1).into()),
            seq: Seq(u32::from(bits >> 2 & 3) % 3),
        },
        clock: ClockMap {
            offset_ns: i64::from(agent) * 1000 * SECOND,
            uncertainty_ns: i64::from(bit(4)) * SECOND,
        },
        cache_window_ns: i64::from(bit(5)) * 2 * SECOND,
        fidelity: Fidelity::Exact,
        events: Vec::new(),
    }
}

fn set(take: &mut Take<'_>) -> Set {
    let horizon = take.one_of(&[-1000, -1000, -1000, 0, 1, 2, 3, 5]);
    let envelopes: Vec<Batch> = (0..3).map(|_| envelope(take)).collect();
    let mut observations = Vec::new();
    while !take.is_empty() && observations.len() < COMMANDS_MAX {
        let choice = take.byte();
        let envelope = &envelopes[usize::from(choice) % envelopes.len()];
        let events = vec![observation(take, envelope.clock.offset_ns)];
        observations.push((u64::from(choice), Batch { events, ..envelope.clone() }));
    }
    Set { observations, horizon }
}

#[test]
fn any_observations_give_the_tree_of_the_model() {
    check!().with_iterations(INPUTS / 8).with_max_len(256).for_each(|bytes: &[u8]| {
        let set = set(&mut Take::new(bytes));
        let defined = defined(&set);
        let one_by_one: Vec<Batch> =
            set.observations.iter().map(|(_, batch)| batch.clone()).collect();
        for batches in [one_by_one, delivery(&set, 0), delivery(&set, 1)] {
            let seen = match replay(&config(&set), &batches) {
                Ok((snapshot, _)) => entries(&snapshot),
                Err(error) => panic!("{error}\n{}", script(&batches)),
            };
            assert!(seen == defined, "{}\n{}", differences(&seen, &defined), script(&batches));
        }
    });
}

fn command(take: &mut Take<'_>) -> Command {
    let storage = take.one_of(&STORAGES);
    match take.below(16) {
        0 => Command::Tick,
        1 => Command::AcceptRemovals { path: path(take) },
        2 => {
            let inode = u64::from(take.byte() % 3);
            let root = (inode > 0).then_some(RootIdentity { fs_type: 1, fs_id: 1, inode });
            Command::Attach { storage, root, writers_watched: take.below(2) == 0 }
        }
        3 => Command::Detach { storage },
        4 => Command::AcceptRoot { storage },
        5 => match take.below(8) {
            0 => Command::Reset,
            1 => Command::Storages(vec![STORAGES[0]]),
            2 => Command::Storages(STORAGES.to_vec()),
            _ => Command::Tick,
        },
        _ => {
            let envelope = envelope(take);
            let count = 1 + take.below(3);
            let events = (0..count).map(|_| event(take)).collect();
            let fidelity = take.one_of(&[Fidelity::Exact, Fidelity::Exact, Fidelity::Legacy]);
            let clock = ClockMap { offset_ns: 0, ..envelope.clock };
            Command::Batch(Batch { storage, events, fidelity, clock, ..envelope })
        }
    }
}

/// Its tables are so small that they run over.
fn small(take: &mut Take<'_>) -> ViewConfig {
    ViewConfig {
        max_tombstones: take.one_of(&[1000, 2, 1]),
        max_suspects: take.one_of(&[1000, 1]),
        max_blind_deletions: take.one_of(&[1000, 1]),
        max_nodes: take.one_of(&[0, 0, 4]),
        tombstone_ttl_ns: take.one_of(&[3600, 5]) * SECOND,
        ..ViewConfig::default()
    }
}

#[test]
fn any_commands_leave_a_view_whose_tables_agree() {
    check!().with_iterations(INPUTS / 8).with_max_len(512).for_each(|bytes: &[u8]| {
        let mut take = Take::new(bytes);
        let (mut view, mut log) = (View::new(small(&mut take), 1), String::new());
        let mut wall = BASE + (LAST + 1) * SECOND;
        for _ in 0..COMMANDS_MAX {
            if take.is_empty() {
                break;
            }
            wall += take.one_of(&[0, 0, 1, 40]) * SECOND;
            let now = Now { mono: Mono(wall), wall: Stamp(wall) };
            let command = command(&mut take);
            match &command {
                Command::Batch(batch) => log.push_str(&write(batch)),
                other => log.push_str(&format!("{other:?}\n")),
            }
            let _applied = view.apply(now, command);
            view.check().unwrap_or_else(|error| panic!("check: {error:?}\n{log}"));
            recount(&view.snapshot()).unwrap_or_else(|error| panic!("{error}\n{log}"));
            if take.below(3) == 0 {
                let _more_remains = view.release(1);
                view.check().unwrap_or_else(|error| panic!("released: {error:?}\n{log}"));
            }
        }
    });
}

/// Found by the target above: it counts twice, and is two entries of what is uncovered.
#[test]
fn a_directory_may_be_uncovered_in_several_storages() {
    let mut view = View::new(ViewConfig::default(), 1);
    let now = Now { mono: Mono(0), wall: Stamp(BASE + SECOND) };
    for storage in STORAGES {
        let (dir, stamp) = (ViewPath::root(), BootTime(BASE));
        let events = vec![Event::Uncovered { dir, stamp, reason: UncoveredReason::WatchLimit }];
        let batch = Batch { storage, events, ..envelope(&mut Take::new(&[])) };
        let _applied = view.apply(now, Command::Batch(batch));
        assert_eq!(view.check(), Ok(()));
    }
    assert_eq!(view.snapshot().uncovered().count(), STORAGES.len());
}
