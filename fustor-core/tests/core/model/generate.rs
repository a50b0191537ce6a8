//! Random sets of observations over few names and few stamps, so that ties and collisions are the rule.

use std::collections::BTreeMap;
use std::fmt;

use fustor_core::{
    AgentId, Batch, BootTime, ClockMap, Epoch, Event, Facts, Fidelity, GapReason, Kind, Listing,
    Origin, Owner, Remark, SECOND, Seq, StorageId, StorageTime, Tier, ViewPath,
};
use proptest::prelude::*;

use crate::script::{BASE, blocks, inode_of, write};

/// Observations, the horizon they are judged by, and what picks the orders of delivery.
#[derive(Clone)]
pub(crate) struct Set {
    /// One event each, and a seed for its places in the orders of delivery.
    pub(crate) observations: Vec<(u64, Batch)>,
    /// Seconds after the base; observations at or before it are not in the set.
    pub(crate) horizon: i64,
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "horizon {}", self.horizon)?;
        self.observations.iter().try_for_each(|(_, batch)| f.write_str(&write(batch)))
    }
}

/// The last stamp that occurs, in seconds after the base.
pub(crate) const LAST: i64 = 9;

pub(crate) fn sets(most: usize) -> impl Strategy<Value = Set> {
    let horizon = prop_oneof![4 => Just(-1000), 1 => 0..6_i64];
    let envelopes = prop::collection::vec(envelopes(), 1..4);
    let seed = any::<u64>().no_shrink();
    let events = prop::collection::vec((seed, any::<prop::sample::Index>(), events()), 1..most);
    (envelopes, events, horizon).prop_map(|(envelopes, events, horizon)| {
        let put = |(seed, index, event): (u64, prop::sample::Index, Event)| {
            let envelope = index.get(&envelopes);
            let events = vec![shifted(event, -envelope.clock.offset_ns)];
            (seed, Batch { events, ..envelope.clone() })
        };
        Set { observations: events.into_iter().map(put).collect(), horizon }
    })
}

/// The same, of files and directories only.
pub(crate) fn sets_without_symlinks(most: usize) -> impl Strategy<Value = Set> {
    let has_symlink = |set: &Set| {
        let rows = set.observations.iter().flat_map(|(_, batch)| &batch.events);
        let mut listed = rows.filter_map(|event| match event {
            Event::Listing(listing) => {
                Some(listing.blocks.iter().flat_map(fustor_core::Block::rows))
            }
            _ => None,
        });
        listed.any(|mut rows| rows.any(|row| row.facts.kind == Kind::Symlink))
    };
    sets(most).prop_filter("lists a symlink", move |set| !has_symlink(set))
}

fn envelopes() -> impl Strategy<Value = Batch> {
    (0..2_u16, 0..2_u16, 0..3_u32, 0..2_i64, 0..2_i64).prop_map(
        |(agent, epoch, seq, window, unsure)| Batch {
            storage: StorageId(0),
            origin: Origin { agent: AgentId(agent), epoch: Epoch(epoch), seq: Seq(seq) },
            clock: ClockMap {
                offset_ns: i64::from(agent) * 1000 * SECOND,
                uncertainty_ns: unsure * SECOND,
            },
            cache_window_ns: window * 2 * SECOND,
            fidelity: Fidelity::Exact,
            events: Vec::new(),
        },
    )
}

fn shifted(mut event: Event, ns: i64) -> Event {
    match &mut event {
        Event::Upsert { stamp, .. }
        | Event::Delete { stamp, .. }
        | Event::Rename { stamp, .. }
        | Event::Listing(Listing { stamp, .. })
        | Event::Gap { stamp, .. }
        | Event::Uncovered { stamp, .. }
        | Event::Cycle { stamp, .. }
        | Event::RootLost { stamp } => *stamp = stamp.plus(ns),
        Event::Remark(Remark::Checked { stamp, .. } | Remark::Missing { stamp, .. }) => {
            *stamp = stamp.plus(ns);
        }
        Event::Covered { .. } | Event::Remark(Remark::Read { .. }) => {}
    }
    event
}

fn events() -> impl Strategy<Value = Event> {
    let tier = prop_oneof![Just(Tier::Atomic), Just(Tier::Scan), Just(Tier::Partial)];
    let upsert = (paths(), stamps(), tier, looks()).prop_map(|(path, stamp, tier, look)| {
        let facts = look.at(&path);
        Event::Upsert { path, stamp, tier, facts }
    });
    let delete = (paths(), stamps()).prop_map(|(path, stamp)| Event::Delete { path, stamp });
    let gap = (paths(), stamps()).prop_map(|(scope, stamp)| Event::Gap {
        scope,
        stamp,
        reason: GapReason::KernelOverflow,
    });
    prop_oneof![8 => upsert, 4 => delete, 8 => listings(), 1 => gap]
}

fn listings() -> impl Strategy<Value = Event> {
    let rows = prop::collection::btree_map(names(), looks(), 0..3);
    (paths(), stamps(), prop::bool::weighted(0.8), looks(), rows).prop_map(
        |(dir, stamp, complete, look, rows)| {
            let facts = Look { kind: Kind::Dir, ..look }.at(&dir);
            let rows: BTreeMap<_, _> = rows;
            let rows = rows.into_iter().map(|(name, look)| {
                let facts = look.at(&dir.join(name.as_bytes()));
                (name.as_bytes().to_vec(), facts)
            });
            let blocks = blocks(&dir, &rows.collect::<Vec<_>>());
            Event::Listing(Listing { dir, stamp, complete, facts, blocks })
        },
    )
}

fn stamps() -> impl Strategy<Value = BootTime> {
    (0..=LAST).prop_map(|second| BootTime(BASE + second * SECOND))
}

fn names() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("a"), 3 => Just("b"), 1 => Just("c")]
}

/// Mostly one to three names; now and then the root.
fn paths() -> impl Strategy<Value = ViewPath> {
    let depth =
        prop_oneof![1 => Just(0_usize), 4 => Just(1), 5 => Just(2), 3 => Just(3), 1 => Just(4)];
    (depth, prop::collection::vec(names(), 4)).prop_map(|(depth, names)| {
        let join = |path: ViewPath, name: &&str| path.join(name.as_bytes());
        names[..depth].iter().fold(ViewPath::root(), join)
    })
}

/// Facts but for the inode, which a path keeps.
#[derive(Clone, Copy, Debug)]
struct Look {
    kind: Kind,
    size: u64,
    mtime: i64,
}

impl Look {
    fn at(self, path: &ViewPath) -> Facts {
        let time = StorageTime(BASE + (self.mtime - 100_000) * SECOND);
        let owner = Owner { mode: 0o755, uid: 0, gid: 0 };
        let Self { kind, size, .. } = self;
        Facts { kind, size, mtime: time, ctime: time, inode: inode_of(path), nlink: 1, owner }
    }
}

fn looks() -> impl Strategy<Value = Look> {
    let kind = prop_oneof![5 => Just(Kind::Dir), 4 => Just(Kind::File), 1 => Just(Kind::Symlink)];
    (kind, 0..3_u64, 0..3_i64).prop_map(|(kind, size, mtime)| Look { kind, size, mtime })
}

/// A small repeatable source of choices (splitmix64): deliveries and histories come from one number.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap_or(0)
    }

    /// True in `percent` of a hundred throws.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// The same observations in another order, some of them twice, batched at random.
///
/// The place of each comes from its own seed, so that a failing set keeps its order while it is shrunk.
pub(crate) fn delivery(set: &Set, salt: u64) -> Vec<Batch> {
    let mut all = Vec::new();
    for (seed, batch) in &set.observations {
        let mut dice = Dice(seed ^ salt);
        let copies = 1 + usize::from(dice.chance(20));
        all.extend((0..copies).map(|_| (dice.next(), dice.chance(40), batch)));
    }
    all.sort_by_key(|(place, ..)| *place);
    let same = |batch: &Batch| Batch { events: Vec::new(), ..batch.clone() };
    let mut batches: Vec<Batch> = Vec::new();
    for (_, join, next) in all {
        match batches.last_mut() {
            Some(last) if join && same(last) == same(next) => {
                last.events.extend(next.events.clone());
            }
            Some(_) | None => batches.push(next.clone()),
        }
    }
    batches
}
