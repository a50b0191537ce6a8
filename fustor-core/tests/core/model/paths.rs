//! One directory reached on two ways: adopted whole from a complete listing, or put together row by row.

use fustor_core::{
    Batch, Command, DirId, Event, Facts, Kind, Listing, Mono, Now, SECOND, Stamp, Tier, View,
    ViewConfig, ViewPath,
};
use proptest::prelude::*;

use super::runs;
use crate::observe::{bytes, recount};
use crate::script::{BASE, Reader, blocks, inode_of};

type Rows = Vec<(Vec<u8>, Facts)>;

fn rows(most: usize) -> impl Strategy<Value = Rows> {
    let name = prop_oneof!["[a-c]{1,3}", "[a-z_0-9][a-z_.0-9]{0,40}"];
    let row = (0..8_u8, 0..2000_u64, 0..90_000_i64, any::<bool>());
    prop::collection::btree_map(name, row, 1..most).prop_map(|rows| {
        let facts = |(name, (kind, size, mtime, fine)): (String, _)| {
            let kind = [Kind::Dir, Kind::Symlink].get(usize::from(kind)).copied();
            let mtime = BASE - 100_000 * SECOND + mtime * SECOND + i64::from(fine);
            let mut facts = Facts { kind: kind.unwrap_or(Kind::File), size, ..Facts::default() };
            facts.mtime.0 = mtime;
            facts.ctime.0 = mtime + 7;
            facts.inode = inode_of(&ViewPath::root().join(name.as_bytes()));
            facts.nlink = 1;
            (name.into_bytes(), facts)
        };
        rows.into_iter().map(facts).collect()
    })
}

fn envelope() -> Batch {
    let mut reader = Reader::new();
    match reader.line("0 cycle begin") {
        Ok(Some((_, Command::Batch(batch)))) => Batch { events: Vec::new(), ..batch },
        other => panic!("{other:?}"),
    }
}

/// The bytes of the directory `/d` after these events, one batch each.
fn built(events: Vec<Event>) -> Vec<Vec<u8>> {
    let mut view = View::new(ViewConfig::default(), 1);
    let now = Now { mono: Mono(0), wall: Stamp(BASE + SECOND) };
    for event in events {
        let applied = view.apply(now, Command::Batch(Batch { events: vec![event], ..envelope() }));
        assert_eq!(applied.verdicts.refused, 0);
    }
    view.check().expect("the view is sound");
    recount(&view.snapshot()).expect("the totals are right");
    let snapshot = view.snapshot();
    assert_ne!(snapshot.tree().dir(&dir()), Some(DirId::ROOT));
    bytes(&snapshot).into_iter().find(|(path, _)| *path == dir()).expect("/d is there").1
}

fn dir() -> ViewPath {
    ViewPath::root().join(b"d")
}

fn listing(rows: &Rows, complete: bool) -> Event {
    let facts = Facts { kind: Kind::Dir, inode: 5, ..Facts::default() };
    let blocks = blocks(&dir(), rows);
    let stamp = fustor_core::BootTime(BASE);
    Event::Listing(Listing { dir: dir(), stamp, complete, facts, blocks })
}

fn upsert(name: &[u8], facts: Facts) -> Event {
    let stamp = fustor_core::BootTime(BASE);
    Event::Upsert { path: dir().join(name), stamp, tier: Tier::Scan, facts }
}

proptest! {
    #![proptest_config(runs(60))]

    #[test]
    fn adopted_and_assembled_directories_have_equal_bytes(rows in rows(120), cut in any::<usize>()) {
        let whole = built(vec![listing(&rows, true)]);
        let mut events = vec![listing(&Vec::new(), false)];
        events.extend(rows.iter().map(|(name, facts)| upsert(name, *facts)));
        prop_assert_eq!(&whole, &built(events));

        let (left, right) = rows.split_at(cut % rows.len());
        let parts = [left.to_vec(), right.to_vec()].map(|rows| listing(&rows, false));
        prop_assert_eq!(&whole, &built(parts.to_vec()));
    }

    #[test]
    fn a_listing_that_changes_nothing_leaves_equal_bytes(rows in rows(40)) {
        let once = built(vec![listing(&rows, true)]);
        let twice = built(vec![listing(&rows, true), listing(&rows, true)]);
        prop_assert_eq!(once, twice);
    }
}
