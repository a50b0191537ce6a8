//! The difference of two snapshots: applied to the older tree it gives the newer one, and it visits only what changed.

use std::collections::BTreeMap;

use fustor_core::{Change, Command, DirId, Mono, Now, SECOND, Snapshot, Stamp, View, ViewConfig};
use proptest::prelude::*;

use super::disk::Disk;
use super::generate::{Dice, LAST, delivery, sets};
use super::runs;
use crate::observe::directories;
use crate::script::BASE;

fn now() -> Now {
    Now { mono: Mono(0), wall: Stamp(BASE + (LAST + 1) * SECOND) }
}

/// Rows by directory id and name, each as text that shows all of it.
pub(super) type Rows = BTreeMap<DirId, BTreeMap<Vec<u8>, (DirId, String)>>;

pub(super) fn rows(snapshot: &Snapshot) -> Rows {
    let tree = snapshot.tree();
    let rows_of = |dir| {
        tree.entries(dir)
            .rows()
            .map(|row| (row.name.to_vec(), (row.child, format!("{row:?}"))))
            .collect()
    };
    directories(snapshot).into_iter().map(|(dir, _)| (dir, rows_of(dir))).collect()
}

/// What can be reached from the root.
pub(super) fn reachable(rows: &Rows) -> Rows {
    let mut open = vec![DirId::ROOT];
    let mut found = Rows::new();
    while let Some(dir) = open.pop() {
        let here = rows.get(&dir).cloned().unwrap_or_default();
        open.extend(here.values().map(|(child, _)| *child).filter(|child| *child != DirId::NONE));
        found.insert(dir, here);
    }
    found
}

/// The newer tree, made of the older one and the differences.
pub(super) fn patched(older: &Snapshot, newer: &Snapshot) -> Rows {
    let (old, new) = (older.tree(), newer.tree());
    let mut rows = rows(older);
    rows.retain(|dir, _| old.meta(*dir).generation == new.meta(*dir).generation);
    let mut changes = Vec::new();
    old.diff(new, &mut |change| changes.push(change));
    let mut moved = Vec::new();
    for change in &changes {
        match change {
            Change::Rename { id } => {
                rows.values_mut().for_each(|rows| rows.retain(|_, (child, _)| child != id));
                moved.push(*id);
            }
            Change::Remove { dir, row } => {
                rows.entry(*dir).or_default().remove(row.name);
            }
            Change::Upsert { .. } => {}
        }
    }
    for change in &changes {
        if let Change::Upsert { dir, row, .. } = change {
            rows.entry(*dir)
                .or_default()
                .insert(row.name.to_vec(), (row.child, format!("{row:?}")));
        }
    }
    for id in moved {
        let parent = new.meta(id).parent;
        let name = new.entries(id).own_name().to_vec();
        let row = new.entries(parent).find(&name).expect("a moved directory has a row");
        rows.entry(parent).or_default().insert(name, (row.child, format!("{row:?}")));
    }
    reachable(&rows)
}

proptest! {
    #![proptest_config(runs(400))]

    #[test]
    fn difference_of_random_sets(set in sets(30), released in any::<bool>()) {
        let batches = delivery(&set, 0);
        let config = ViewConfig { tombstone_ttl_ns: (LAST + 1 - set.horizon) * SECOND, ..ViewConfig::default() };
        let mut view = View::new(config, 1);
        let mut snapshots = vec![view.snapshot()];
        for batch in batches {
            view.apply(now(), Command::Batch(batch));
            if released {
                while view.release(1) {}
            }
            snapshots.push(view.snapshot());
        }
        let last = snapshots.last().expect("there is a first");
        for older in &snapshots {
            prop_assert_eq!(patched(older, last), reachable(&rows(last)));
        }
    }

    #[test]
    fn difference_of_true_histories(steps in 1..60_usize, seed in any::<u64>()) {
        let mut disk = Disk::new();
        let mut dice = Dice(seed);
        let mut view = View::new(ViewConfig::default(), 1);
        let first = disk.all_listings();
        let batch = disk.seal(first);
        view.apply(later(), Command::Batch(batch));
        let older = view.snapshot();
        for _ in 0..steps {
            let events = disk.happen(&mut dice);
            let batch = disk.seal(events);
            view.apply(later(), Command::Batch(batch));
            while view.release(1) {}
        }
        let newer = view.snapshot();
        prop_assert_eq!(patched(&older, &newer), reachable(&rows(&newer)));
    }
}

fn later() -> Now {
    Now { mono: Mono(0), wall: Stamp(BASE + 1000 * SECOND) }
}

#[test]
fn equal_snapshots_do_not_differ() {
    let view = View::new(ViewConfig::default(), 1);
    let (a, b) = (view.snapshot(), view.snapshot());
    a.tree().diff(b.tree(), &mut |change| panic!("{change:?}"));
}
