//! Several storages in one view: each is judged as if it were alone, and the view is the union of what each has.
//!
//! The oracle is one view for each storage, told nothing but its own observations. What it cannot see are errors that
//! both kinds of view make; the other models look for those.

use std::collections::BTreeMap;

use fustor_core::{
    Batch, BootTime, Change, Command, DirId, Event, Facts, Mono, Now, SECOND, Snapshot, Stamp,
    StorageId, Tier, View, ViewConfig, ViewPath,
};
use proptest::prelude::*;

use super::diff::{patched, reachable, rows};
use super::disk::Disk;
use super::generate::{Dice, LAST, Set, delivery, sets};
use super::runs;
use crate::observe::{directories, entries, recount};
use crate::script::{BASE, write};

fn now() -> Now {
    Now { mono: Mono(0), wall: Stamp(BASE + (LAST + 1) * SECOND) }
}

/// A view of several storages beside one for each of them.
struct Pair {
    together: View,
    alone: Vec<View>,
    snapshots: Vec<Snapshot>,
}

impl Pair {
    fn new(config: &ViewConfig, storages: u16) -> Self {
        let ids: Vec<StorageId> = (0..storages).map(StorageId).collect();
        let alone = ids.iter().map(|_| View::new(config.clone(), 1)).collect();
        let mut together = View::new(config.clone(), 1);
        together.apply(now(), Command::Storages(ids));
        let snapshots = vec![together.snapshot()];
        Self { together, alone, snapshots }
    }

    fn apply(&mut self, now: Now, batch: &Batch, releases: bool) -> Result<(), String> {
        let own = &mut self.alone[usize::from(batch.storage.0)];
        let (own_before, before) = (own.snapshot(), self.together.snapshot());
        own.apply(now, Command::Batch(batch.clone()));
        let own_now = own.snapshot();
        self.together.apply(now, Command::Batch(batch.clone()));
        self.check(batch)?;
        // What is renamed comes with keys of its own.
        if !batch.events.iter().any(|event| matches!(event, Event::Rename { .. })) {
            self.changes_hands(&before, &own_before, &own_now, batch.storage)
                .map_err(|error| format!("{error}\nafter\n{}", write(batch)))?;
        }
        if releases {
            let _more = self.together.release(2);
            let _more = self.alone[usize::from(batch.storage.0)].release(2);
            self.check(batch)?;
        }
        self.snapshots.push(self.together.snapshot());
        Ok(())
    }

    /// Where a file was shown before, and its owner has it as before: it stays the owner's unless the storage that was
    /// told something has news of the path that are later than what the owner has, and then it does not.
    fn changes_hands(
        &self,
        before: &Snapshot,
        own_before: &Snapshot,
        own_now: &Snapshot,
        teller: StorageId,
    ) -> Result<(), String> {
        let now = self.together.snapshot();
        for entry in entries(before).iter().filter(|entry| !entry.path.is_root()) {
            let path = &entry.path;
            let Some(was) = before.tree().lookup(path).filter(|row| row.storage != teller) else {
                continue;
            };
            let Some(is) = now.tree().lookup(path) else { continue };
            let owner = self.alone[usize::from(was.storage.0)].snapshot();
            let Some(held) = owner.tree().lookup(path) else { continue };
            if held.child != DirId::NONE {
                if is.child == DirId::NONE {
                    return Err(format!("a file has taken the directory {path}"));
                }
                continue;
            }
            let up = |path: &ViewPath| path.split().map(|(up, _)| up);
            let mut above = std::iter::successors(up(path), up);
            // Or it has left and come back within the batch.
            let is_left = |dir: ViewPath| {
                let id = own_before.tree().dir(&dir);
                id.is_some() && own_now.tree().dir(&dir) != id
            };
            let has_left = above.any(is_left);
            // Where it was one of several, what the others have is decided anew.
            if was.child != DirId::NONE || has_left {
                continue;
            }
            let stays = is.storage == was.storage;
            let Some(told) = own_now.tree().lookup(path).filter(|_| stays || is.storage == teller)
            else {
                if !stays {
                    return Err(format!("{path} went to {}, of which nobody told", is.storage));
                }
                continue;
            };
            let known = own_before.tree().lookup(path);
            let news = known.is_none_or(|known| known.facts != told.facts)
                || told.key.tier() != Tier::Scan
                    && known.is_some_and(|known| known.key != told.key);
            let first_by_scan = known.is_none() && told.key.tier() == Tier::Scan;
            let later = told.key > held.key;
            let taken = is.storage == teller;
            if taken && !(news && later) {
                return Err(format!("{path} was taken over by nothing new"));
            }
            if !taken && news && later && !first_by_scan {
                return Err(format!("{path} was not taken over by later news"));
            }
        }
        Ok(())
    }

    fn check(&self, batch: &Batch) -> Result<(), String> {
        let told = |error: String| format!("{error}\nafter\n{}", write(batch));
        self.together.check().map_err(|error| told(format!("{error:?}")))?;
        recount(&self.together.snapshot()).map_err(told)?;
        let alone: Vec<Snapshot> = self.alone.iter().map(View::snapshot).collect();
        compare(&self.together.snapshot(), &alone).map_err(told)
    }
}

/// What each storage has under a name.
struct Found {
    storage: StorageId,
    facts: Facts,
    child: DirId,
}

/// Walks the union beside the single trees.
fn compare(union: &Snapshot, alone: &[Snapshot]) -> Result<(), String> {
    let parts: Vec<(usize, DirId)> = (0..alone.len()).map(|at| (at, DirId::ROOT)).collect();
    let mut open = vec![(ViewPath::root(), DirId::ROOT, parts)];
    let mut conflicts = 0;
    while let Some((path, dir, parts)) = open.pop() {
        let mut names: BTreeMap<Vec<u8>, Vec<Found>> = BTreeMap::new();
        for (at, part) in &parts {
            for row in alone[*at].tree().entries(*part).rows() {
                let found =
                    Found { storage: StorageId(*at as u16), facts: row.facts, child: row.child };
                names.entry(row.name.to_vec()).or_default().push(found);
            }
        }
        let shown = union.tree().entries(dir);
        if shown.len() != names.len() {
            let has: Vec<_> =
                shown.rows().map(|row| String::from_utf8_lossy(row.name).into_owned()).collect();
            return Err(format!("{path} shows {has:?}, the storages have {} names", names.len()));
        }
        for (name, found) in names {
            let here = path.join(&name);
            let row = shown.find(&name).ok_or_else(|| format!("{here} is not shown"))?;
            let is_dir = row.child != DirId::NONE;
            let owner = found
                .iter()
                .find(|found| found.storage == row.storage)
                .ok_or_else(|| format!("{here} belongs to {}, which lacks it", row.storage))?;
            if owner.facts != row.facts || is_dir != (owner.child != DirId::NONE) {
                return Err(format!(
                    "{here}: {:?} is shown, the owner has {:?}",
                    row.facts, owner.facts
                ));
            }
            let dirs: Vec<_> = found.iter().filter(|found| found.child != DirId::NONE).collect();
            let hidden = if is_dir { found.len() - dirs.len() } else { found.len() - 1 };
            conflicts += usize::from(hidden > 0);
            if is_dir {
                let parts = dirs.iter().map(|found| (usize::from(found.storage.0), found.child));
                open.push((here, row.child, parts.collect()));
            }
        }
    }
    if union.conflict_count() != conflicts || union.conflicts().count() != conflicts {
        return Err(format!(
            "{} conflicts are listed, {conflicts} are there",
            union.conflict_count()
        ));
    }
    side_tables(union, alone)
}

/// Each suspect and each uncovered directory of a storage is one of the view, where it is shown.
fn side_tables(union: &Snapshot, alone: &[Snapshot]) -> Result<(), String> {
    let places = |snapshot: &Snapshot| {
        let tree = snapshot.tree();
        let mut all: Vec<_> = snapshot
            .suspects()
            .filter_map(|suspect| Some(tree.path_of(suspect.dir)?.join(suspect.name)))
            .collect();
        all.sort();
        all
    };
    let shown = |path: &ViewPath, at: usize| {
        union.tree().lookup(path).is_some_and(|row| row.storage == StorageId(at as u16))
    };
    let mut expected: Vec<ViewPath> = Vec::new();
    for (at, snapshot) in alone.iter().enumerate() {
        expected.extend(places(snapshot).into_iter().filter(|path| shown(path, at)));
    }
    expected.sort();
    if places(union) != expected {
        return Err(format!("suspects {:?}, but the storages have {expected:?}", places(union)));
    }
    for (dir, _) in directories(union) {
        let awaits = union.tree().meta(dir).awaits_listing();
        let path = union.tree().path_of(dir).ok_or("a directory without a path")?;
        let any = alone.iter().any(|snapshot| {
            snapshot.tree().dir(&path).is_some_and(|dir| snapshot.tree().meta(dir).awaits_listing())
        });
        // What is hidden is waited for too, in its own storage only.
        if awaits && !any {
            return Err(format!("{path} awaits a listing that no storage awaits"));
        }
    }
    Ok(())
}

/// The same set, its observations dealt out to storages.
fn dealt(set: &Set, storages: u16, salt: u64) -> Vec<Batch> {
    let mut set = set.clone();
    for (seed, batch) in &mut set.observations {
        batch.storage = StorageId((Dice(*seed ^ salt).below(usize::from(storages))) as u16);
    }
    delivery(&set, salt)
}

/// How a view of two or three storages that judges by `config` differs from views of one.
#[cfg(feature = "mutants")]
pub(super) fn departs(set: &Set, seed: u64, config: &ViewConfig) -> Result<(), String> {
    let storages = 2 + (seed % 2) as u16;
    let tombstone_ttl_ns = (LAST + 1 - set.horizon) * SECOND;
    let mut pair = Pair::new(&ViewConfig { tombstone_ttl_ns, ..config.clone() }, storages);
    dealt(set, storages, seed).iter().try_for_each(|batch| pair.apply(now(), batch, false))
}

proptest! {
    #![proptest_config(runs(1500))]

    #[test]
    fn a_view_of_several_storages_is_the_union_of_each(
        set in sets(40), storages in 2..4_u16, salt in any::<u64>(), releases in any::<bool>()
    ) {
        let config = ViewConfig { tombstone_ttl_ns: (LAST + 1 - set.horizon) * SECOND, ..ViewConfig::default() };
        let batches = dealt(&set, storages, salt);
        let mut pair = Pair::new(&config, storages);
        for batch in &batches {
            if let Err(error) = pair.apply(now(), batch, releases) {
                let script: String = batches.iter().map(write).collect();
                return Err(TestCaseError::fail(format!("{error}\nof\n{script}")));
            }
        }
        let last = pair.together.snapshot();
        for older in &pair.snapshots {
            prop_assert_eq!(patched(older, &last), reachable(&rows(&last)));
        }
    }

    #[test]
    fn renames_in_one_storage_leave_the_others_alone(steps in 1..50_usize, storages in 2..4_u16, seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let mut pair = Pair::new(&ViewConfig::default(), storages);
        let mut disks: Vec<Disk> = (0..storages).map(|_| Disk::new()).collect();
        for step in 0..steps {
            let at = dice.below(disks.len());
            let disk = &mut disks[at];
            let events = if dice.chance(15) { disk.all_listings() } else { disk.happen(&mut dice) };
            let batch = Batch { storage: StorageId(at as u16), ..disk.seal(events) };
            let wall = Stamp(BASE + 1000 * SECOND);
            if let Err(error) = pair.apply(Now { mono: Mono(0), wall }, &batch, step % 3 == 0) {
                return Err(TestCaseError::fail(error));
            }
        }
    }
}

fn upsert(second: i64, tier: Tier, path: &str, facts: Facts) -> Event {
    let path = ViewPath::parse(path.as_bytes()).expect("a path");
    Event::Upsert { path, stamp: BootTime(BASE + second * SECOND), tier, facts }
}

/// Without meeting shared directories and conflicts the properties above would say little.
#[test]
fn random_storages_share_and_contest() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut shared, mut contested, mut taken) = (0, 0, 0);
    for salt in 0..300 {
        let set = sets(40).new_tree(&mut runner).expect("no filter rejects").current();
        let mut pair = Pair::new(&ViewConfig::default(), 2);
        for batch in dealt(&set, 2, salt) {
            pair.apply(now(), &batch, false).expect("it holds");
        }
        let union = pair.together.snapshot();
        let both = |path: &ViewPath| {
            pair.alone.iter().all(|view| view.snapshot().tree().dir(path).is_some())
        };
        shared +=
            directories(&union).iter().filter(|(_, path)| !path.is_root() && both(path)).count();
        contested += union.conflict_count();
        taken += union.takeovers();
    }
    assert!(shared > 100 && contested > 100 && taken > 10, "{shared} {contested} {taken}");
}

fn file_of(storage: u16, path: &str) -> Command {
    let facts = Facts { inode: 7, nlink: 1, ..Facts::default() };
    let batch = Disk::new().seal(vec![upsert(1, Tier::Atomic, path, facts)]);
    Command::Batch(Batch { storage: StorageId(storage), ..batch })
}

fn paths(snapshot: &Snapshot) -> Vec<String> {
    entries(snapshot).iter().map(|entry| entry.path.to_string()).collect()
}

#[test]
fn storages_come_and_go() {
    let mut view = View::new(ViewConfig::default(), 1);
    view.apply(now(), file_of(3, "/d/three"));
    let alone = view.snapshot();
    view.apply(now(), Command::Storages(vec![StorageId(5), StorageId(3)]));
    view.apply(now(), file_of(5, "/d/five"));
    let both = view.snapshot();
    assert_eq!(paths(&both), ["/", "/d", "/d/five", "/d/three"]);
    view.apply(now(), Command::Storages(vec![StorageId(5)]));
    view.check().expect("it holds");
    let other = view.snapshot();
    assert_eq!(paths(&other), ["/", "/d", "/d/five"]);
    for (older, newer, removed, added) in
        [(&alone, &both, vec!["d"], 3), (&both, &other, vec!["d"], 2), (&both, &both, vec![], 0)]
    {
        let (mut gone, mut new) = (Vec::<String>::new(), 0);
        older.tree().diff(newer.tree(), &mut |change| match change {
            Change::Remove { row, .. } => gone.push(String::from_utf8_lossy(row.name).into_owned()),
            Change::Upsert { dir, .. } => new += usize::from(dir != DirId::NONE),
            Change::Rename { id } => panic!("directory {id} was not renamed"),
        });
        assert_eq!((gone.iter().map(String::as_str).collect(), new), (removed, added));
    }
    view.apply(now(), Command::Storages(Vec::new()));
    assert_eq!(view.snapshot().storages().collect::<Vec<_>>(), [StorageId(5)]);
}

#[test]
fn a_declared_storage_that_nobody_reports_is_awaited() {
    let mut view = View::new(ViewConfig::default(), 1);
    view.apply(now(), Command::Storages(vec![StorageId(0), StorageId(1)]));
    let root = DirId::ROOT;
    assert_eq!(view.snapshot().tree().meta(root).totals.unlisted, 1);
    let listing = Disk::new().all_listings();
    let batch = Disk::new().seal(listing);
    view.apply(now(), Command::Batch(Batch { storage: StorageId(0), ..batch.clone() }));
    assert_eq!(view.snapshot().tree().meta(root).totals.unlisted, 1);
    view.apply(now(), Command::Batch(Batch { storage: StorageId(1), ..batch }));
    assert_eq!(view.snapshot().tree().meta(root).totals.unlisted, 0);
}

#[test]
fn one_storage_costs_nothing_beside_its_tree() {
    let mut view = View::new(ViewConfig::default(), 1);
    view.apply(now(), file_of(9, "/d/f"));
    assert_eq!(view.snapshot().tree().id_count(), 2);
    assert_eq!(view.snapshot().storages().collect::<Vec<_>>(), [StorageId(9)]);
}
