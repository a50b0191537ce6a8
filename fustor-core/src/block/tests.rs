//! Tests of the block: against the rows it was made of, against a model under edits, and on broken bytes.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::layout::Layout;
use super::*;
use crate::entry::Owner;
use crate::path::is_name;
use crate::time::{SECOND, Stamp, StorageTime};

/// A row that owns its name.
#[derive(Clone, Debug, PartialEq)]
struct Owned {
    name: Vec<u8>,
    facts: Facts,
    key: Key,
    marks: Marks,
    storage: StorageId,
    child: DirId,
}

impl Owned {
    fn row(&self) -> Row<'_> {
        let Self { name, facts, key, marks, storage, child } = self;
        let (facts, key, marks, storage, child) = (*facts, *key, *marks, *storage, *child);
        Row { name, facts, key, marks, storage, child }
    }

    /// The row as an agent sends it.
    fn unkeyed(&self) -> Self {
        let child = if self.facts.kind.is_dir() { DirId(0) } else { DirId::NONE };
        let (key, marks, storage) = (Key::NONE, Marks::NONE, StorageId(0));
        Self { key, marks, storage, child, ..self.clone() }
    }
}

fn encode(rows: &[Owned]) -> Block {
    let rows: Vec<Row<'_>> = rows.iter().map(Owned::row).collect();
    Block::encode(b"own", &rows)
}

fn decode(block: &Block) -> Vec<Owned> {
    let owned = |row: Row<'_>| Owned {
        name: row.name.to_vec(),
        facts: row.facts,
        key: row.key,
        marks: row.marks,
        storage: row.storage,
        child: row.child,
    };
    block.rows().map(owned).collect()
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let short = vec(prop_oneof![b'a'..=b'd', any::<u8>()], 1..6);
    let long = vec(any::<u8>(), 1..=255);
    prop_oneof![4 => short, 1 => long].prop_filter("a name", |name| is_name(name))
}

fn unsigned() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 0..300_u64,
        1 => any::<u64>(),
        1 => Just(0),
        1 => Just(u64::MAX),
        1 => 1 << 40..(1 << 40) + 70_000_u64,
    ]
}

fn time() -> impl Strategy<Value = StorageTime> {
    let now = 1_700_000_000_i64;
    prop_oneof![
        3 => (now..now + 1000).prop_map(|s| s * SECOND),
        2 => now * SECOND..(now + 5) * SECOND,
        1 => any::<i64>(),
        1 => Just(i64::MIN),
        1 => Just(i64::MAX),
        1 => -5..5_i64,
    ]
    .prop_map(StorageTime)
}

fn owner() -> impl Strategy<Value = Owner> {
    let few = Just(Owner { mode: 0o644, uid: 1000, gid: 1000 });
    let any = any::<[u32; 3]>().prop_map(|[mode, uid, gid]| Owner { mode, uid, gid });
    prop_oneof![4 => few, 1 => any]
}

fn facts() -> impl Strategy<Value = Facts> {
    let kind = prop_oneof![3 => Just(1), 1 => 0..8_u8].prop_map(|n| Kind::from_u8(n).unwrap());
    let nlink = prop_oneof![4 => Just(1), 1 => any::<u32>()];
    (kind, unsigned(), time(), time(), unsigned(), nlink, owner()).prop_map(
        |(kind, size, mtime, ctime, inode, nlink, owner)| Facts {
            kind,
            size,
            mtime,
            ctime,
            inode,
            nlink,
            owner,
        },
    )
}

fn key() -> impl Strategy<Value = Key> {
    let any = (any::<i64>(), any::<u64>()).prop_map(|(s, t)| Key::from_parts(Stamp(s), t));
    prop_oneof![3 => (0..3_i64).prop_map(|s| Key::from_parts(Stamp(s), 9)), 1 => Just(Key::NONE), 1 => any]
}

fn body() -> impl Strategy<Value = Owned> {
    let storage = prop_oneof![4 => Just(0), 1 => any::<u16>()];
    let marks = prop_oneof![4 => Just(0), 1 => 0..8_u8];
    (facts(), key(), marks, storage, 0..u32::MAX).prop_map(|(facts, key, marks, storage, id)| {
        let child = if facts.kind.is_dir() { DirId(id) } else { DirId::NONE };
        let marks = Marks::from_bits(marks).unwrap();
        Owned { name: Vec::new(), facts, key, marks, storage: StorageId(storage), child }
    })
}

fn rows(most: usize) -> impl Strategy<Value = Vec<Owned>> {
    // A map to one body makes all columns constant, which is a case of its own.
    let mixed = btree_map(name(), body(), 0..most);
    let uniform = (btree_map(name(), Just(()), 0..most), body())
        .prop_map(|(names, body)| names.into_keys().map(|n| (n, body.clone())).collect());
    prop_oneof![3 => mixed, 1 => uniform].prop_map(|map: std::collections::BTreeMap<_, _>| {
        map.into_iter().map(|(name, body)| Owned { name, ..body }).collect()
    })
}

/// What differs, by merging decoded rows.
fn differing_rows(old: &[Owned], new: &[Owned]) -> Vec<Differing> {
    let find = |rows: &[Owned], name: &[u8]| rows.iter().position(|row| row.name == name);
    let mut names: Vec<&[u8]> = old.iter().chain(new).map(|row| &row.name[..]).collect();
    names.sort_unstable();
    names.dedup();
    let differ = |name: &[u8]| match (find(old, name), find(new, name)) {
        (Some(i), Some(j)) => (old[i] != new[j]).then_some(Differing::Both(i, j)),
        (Some(i), None) => Some(Differing::Old(i)),
        (None, j) => j.map(Differing::New),
    };
    names.into_iter().filter_map(differ).collect()
}

fn assert_compared(old: &[Owned], new: &[Owned]) {
    let (a, b) = (encode(old), encode(new));
    let mut seen = Vec::new();
    differing(&a.reader().into(), &b.reader().into(), &mut |row| seen.push(row));
    assert_eq!(seen, differing_rows(old, new));
}

/// Looks at everything that a block offers.
fn exercise(block: &Block) {
    let rows = decode(block);
    assert_eq!(rows.len(), block.len());
    let mut end = 0;
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(block.row(i), row.row());
        assert_eq!(block.name(i), row.name);
        assert_eq!(block.facts(i), row.facts);
        assert_eq!((block.kind(i), block.size(i)), (row.facts.kind, row.facts.size));
        assert_eq!((block.key(i), block.marks(i)), (row.key, row.marks));
        assert_eq!(block.child(i), row.child);
        assert_eq!(block.find(&row.name), Ok(i));
        assert_eq!(block.row_at(end), i);
        end += row.name.len();
        assert_eq!((block.name_end(i), block.row_at(end - 1)), (end, i));
    }
    assert_eq!(block.names().len(), end);
    assert_eq!(block.row_at(end), rows.len());
    let dirs = || rows.iter().filter(|row| row.facts.kind.is_dir());
    assert_eq!(block.dir_count(), dirs().count());
    assert!(block.children().eq(dirs().map(|row| row.child)));
    let shared = rows.first().map(|row| row.key).filter(|k| rows.iter().all(|r| r.key == *k));
    assert_eq!(block.shared_key(), shared);
    for first in [0, rows.len() / 2, rows.len(), rows.len() + 1] {
        let tail = &rows[first.min(rows.len())..];
        assert!(block.rows_from(first).eq(tail.iter().map(Owned::row)));
    }
    assert!(is_name(block.own_name()) || block.own_name().is_empty());
    exercise_reader(&block.reader(), &rows);
}

fn exercise_reader(reader: &BlockReader<'_>, rows: &[Owned]) {
    let (sizes, times) = (reader.size_bounds(), reader.mtime_bounds());
    let mut rank = 0;
    for (i, row) in rows.iter().enumerate() {
        let facts = row.facts;
        assert_eq!((reader.size(i), reader.mtime(i)), (facts.size, facts.mtime));
        assert!((sizes.0..=sizes.1).contains(&facts.size), "{sizes:?}");
        assert!((times.0..=times.1).contains(&facts.mtime), "{times:?}");
        assert_eq!((reader.name(i), reader.rank(i)), (&row.name[..], rank));
        rank += usize::from(facts.kind.is_dir());
        let ahead = rows[i..].iter().position(|row| row.facts.kind.is_dir());
        assert_eq!(reader.next_dir(i), ahead.map_or(rows.len(), |ahead| i + ahead));
    }
    assert_eq!(reader.next_dir(rows.len()), rows.len());
}

#[derive(Clone, Debug)]
enum Edit {
    Set(Owned),
    Remove(usize),
    Rename(Vec<u8>),
}

fn edit() -> impl Strategy<Value = Edit> {
    let set = (name(), body()).prop_map(|(name, body)| Edit::Set(Owned { name, ..body }));
    prop_oneof![
        6 => set,
        2 => any::<prop::sample::Index>().prop_map(|i| Edit::Remove(i.index(1000))),
        1 => name().prop_map(Edit::Rename),
    ]
}

/// Changes `rows[i]` slightly, so that it often fits the columns.
fn nearby() -> impl Strategy<Value = (prop::sample::Index, u64, Key, Marks)> {
    let marks = (0..8_u8).prop_map(|bits| Marks::from_bits(bits).unwrap());
    (any::<prop::sample::Index>(), 0..300_u64, key(), marks)
}

proptest! {
    #[test]
    fn a_comparison_finds_what_a_merge_of_the_rows_finds(
        old in rows(40), other in rows(40), steps in vec((any::<prop::sample::Index>(), body(), 0..3_u8), 0..6),
    ) {
        assert_compared(&old, &other);
        let mut new = old.clone();
        for (at, body, step) in steps {
            if new.is_empty() {
                break;
            }
            let i = at.index(new.len());
            let name = new[i].name.clone();
            match step {
                0 => new[i] = Owned { name, ..body },
                1 => drop(new.remove(i)),
                _ => {
                    let name = [&name[..name.len().min(200)], b"+"].concat();
                    if let Err(place) = new.binary_search_by(|row| row.name.cmp(&name)) {
                        new.insert(place, Owned { name, ..body });
                    }
                }
            }
        }
        assert_compared(&old, &new);
        assert_compared(&new, &old);
    }

    #[test]
    fn rows_come_back_as_they_went_in(rows in rows(40)) {
        let block = encode(&rows);
        prop_assert_eq!(&decode(&block), &rows);
        prop_assert_eq!(block.own_name(), b"own");
        exercise(&block);
        prop_assert_eq!(Block::parse(block.as_bytes()), Ok(block));
    }

    #[test]
    fn a_name_that_is_absent_is_found_where_it_belongs(rows in rows(40), name in name()) {
        let at = rows.binary_search_by(|row| row.name.as_slice().cmp(&name));
        prop_assert_eq!(encode(&rows).find(&name), at);
    }

    #[test]
    fn edits_do_what_they_do_to_a_list(rows in rows(20), edits in vec(edit(), 0..40)) {
        let (mut model, mut block) = (rows.clone(), encode(&rows));
        let mut own = b"own".to_vec();
        for edit in edits {
            match edit {
                Edit::Set(row) => set(&mut block, &mut model, &row),
                Edit::Remove(i) if !model.is_empty() => {
                    block = block.remove(i % model.len());
                    model.remove(i % model.len());
                }
                Edit::Remove(_) => {}
                Edit::Rename(name) => {
                    block = block.renamed(&name);
                    own = name;
                }
            }
            prop_assert_eq!(&decode(&block), &model);
            prop_assert_eq!(Block::parse(block.as_bytes()), Ok(block.clone()));
            prop_assert_eq!(block.own_name(), &own);
            prop_assert!(block.same_facts(&encode(&model)));
        }
        exercise(&block);
    }

    #[test]
    fn patches_that_fit_change_one_row_and_no_snapshot(
        rows in rows(30),
        patches in vec(nearby(), 1..40),
    ) {
        prop_assume!(!rows.is_empty());
        let (mut model, mut block) = (rows.clone(), encode(&rows));
        for (at, size, key, marks) in patches {
            let i = at.index(model.len());
            let mut row = Owned { key, marks, ..model[i].clone() };
            row.facts.size = size;
            let (snapshot, before) = (block.clone(), model.clone());
            if block.patch(i, &row.row()) {
                model[i] = row;
            }
            prop_assert_eq!(&decode(&block), &model);
            prop_assert_eq!(&decode(&snapshot), &before);
            prop_assert_eq!(Block::parse(block.as_bytes()), Ok(block.clone()));
        }
    }

    #[test]
    fn adopting_equals_encoding(rows in rows(40), key in key(), storage: u16, own in name()) {
        let listed: Vec<Owned> = rows.iter().map(Owned::unkeyed).collect();
        let storage = StorageId(storage);
        let adopted = rows.iter().map(|row| Owned { key, storage, marks: Marks::NONE, ..row.clone() });
        let adopted: Vec<Owned> = adopted.collect();
        let from_scratch: Vec<Row<'_>> = adopted.iter().map(Owned::row).collect();
        let expected = Block::encode(&own, &from_scratch);
        let mut asked = Vec::new();
        let mut child = |name: &[u8]| {
            asked.push(name.to_vec());
            rows.iter().find(|row| row.name == name).unwrap().child
        };
        prop_assert_eq!(&encode(&listed).adopt(&own, key, storage, &mut child), &expected);
        let dirs = rows.iter().filter(|row| row.facts.kind.is_dir());
        prop_assert!(asked.iter().eq(dirs.map(|row| &row.name)));
        // A block that has keys, marks and storages of its own takes the other path.
        let mut child = |name: &[u8]| rows.iter().find(|row| row.name == name).unwrap().child;
        prop_assert_eq!(&encode(&rows).adopt(&own, key, storage, &mut child), &expected);
        prop_assert!(expected.same_facts(&encode(&rows)));
    }

    #[test]
    fn facts_are_the_same_only_if_all_are(rows in rows(20), i: prop::sample::Index, other in facts()) {
        prop_assume!(!rows.is_empty());
        let mut changed = rows.clone();
        let i = i.index(rows.len());
        changed[i].facts = other;
        let same = rows[i].facts == other;
        prop_assert_eq!(encode(&rows).same_facts(&encode(&changed)), same);
        let fewer = encode(&rows[1..]);
        prop_assert!(!encode(&rows).same_facts(&fewer) && !fewer.same_facts(&encode(&rows)));
    }

    #[test]
    fn broken_bytes_are_refused_or_harmless(
        rows in rows(12),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        header in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encode(&rows).as_bytes().to_vec();
        for (at, byte) in changes {
            let range = if header { layout::HEADER } else { bytes.len() };
            bytes[at.index(range)] = byte;
        }
        if let Ok(block) = Block::parse(&bytes) {
            exercise(&block);
            exercise(&block.renamed(b"n"));
            exercise(&block.adopt(b"n", Key::NONE, StorageId(1), &mut |_| DirId(1)));
            if !block.is_empty() {
                exercise(&block.remove(0));
            }
        }
        prop_assert!(Block::parse(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn what_an_agent_built_travels_packed(rows in rows(40), own in name(), share in any::<bool>()) {
        let rows: Vec<Owned> = rows.iter().map(Owned::unkeyed).collect();
        let rows: Vec<Row<'_>> = rows.iter().map(Owned::row).collect();
        let block = Block::encode(&own, &rows);
        let packed = packed(&block, share);
        let unpack = |allow: bool| Block::unpack(&own, &packed, &mut Vec::new(), &mut |n| allow || n == 0);
        prop_assert_eq!(unpack(share), Ok(block));
        for cut in 0..packed.len() {
            prop_assert!(Block::unpack(&own, &packed[..cut], &mut Vec::new(), &mut |_| true).is_err());
        }
    }

    #[test]
    fn broken_packed_bytes_are_refused_or_harmless(
        rows in rows(12),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = packed(&encode(&rows), true);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(block) = Block::unpack(b"own", &bytes, &mut Vec::new(), &mut |_| true) {
            exercise(&block);
        }
    }

    #[test]
    fn random_bytes_are_refused_or_harmless(mut bytes in vec(0..3_u8, 0..120)) {
        if let Some(version) = bytes.first_mut() {
            *version = layout::VERSION;
        }
        if let Ok(block) = Block::parse(&bytes) {
            exercise(&block);
        }
    }

    #[test]
    fn a_builder_sorts_and_keeps_the_last_of_a_name(
        entries in vec((name(), facts()), 0..60),
        prefix in prop_oneof![Just(Vec::new()), name().prop_filter("short", |n| n.len() < 9)],
    ) {
        let mut builder = BlockBuilder::default();
        let mut model = std::collections::BTreeMap::new();
        for (name, facts) in &entries {
            let name: Vec<u8> = prefix.iter().chain(name).copied().take(255).collect();
            builder.push(&name, facts);
            model.insert(name, *facts);
        }
        let blank = Owned {
            name: Vec::new(),
            facts: Facts::default(),
            key: Key::NONE,
            marks: Marks::NONE,
            storage: StorageId(0),
            child: DirId::NONE,
        };
        let rows = model.into_iter().map(|(name, facts)| Owned { name, facts, ..blank.clone() });
        let rows: Vec<Owned> = rows.map(|row| row.unkeyed()).collect();
        prop_assert_eq!(builder.finish(b"own"), vec![encode(&rows)]);
        prop_assert!(builder.is_empty());
    }
}

/// What the tree does: patch or splice where possible, encode anew otherwise.
fn set(block: &mut Block, model: &mut Vec<Owned>, row: &Owned) {
    match block.find(&row.name) {
        Ok(i) => {
            model[i] = row.clone();
            if !block.patch(i, &row.row()) {
                let fresh: Vec<Row<'_>> = model.iter().map(Owned::row).collect();
                *block = Block::encode(block.own_name(), &fresh);
            }
        }
        Err(i) => {
            model.insert(i, row.clone());
            let fresh: Vec<Row<'_>> = model.iter().map(Owned::row).collect();
            *block = block
                .insert(i, &row.row())
                .unwrap_or_else(|| Block::encode(block.own_name(), &fresh));
        }
    }
}

fn file(name: impl Into<Vec<u8>>, size: u64) -> Owned {
    Owned {
        name: name.into(),
        facts: Facts { size, nlink: 1, ..Facts::default() },
        key: Key::NONE,
        marks: Marks::NONE,
        storage: StorageId(0),
        child: DirId::NONE,
    }
}

fn packed(block: &Block, share: bool) -> Vec<u8> {
    let mut out = Vec::new();
    block.pack(&mut out, &mut |_| share);
    out
}

/// `count` files with names of 255 bytes.
fn long_names(count: usize) -> Vec<Owned> {
    let name = |i: usize| format!("{i:03}{}", "n".repeat(252));
    (0..count).map(|i| file(name(i), i as u64)).collect()
}

#[test]
fn more_than_64_kib_of_names_take_wide_ends() {
    let narrow = encode(&long_names(257));
    assert_eq!(narrow.names().len(), usize::from(u16::MAX));
    assert_eq!(narrow.as_bytes()[layout::FLAGS_AT] & layout::WIDE_ENDS, 0);
    let rows = long_names(512);
    let wide = encode(&rows);
    assert_eq!(wide.as_bytes()[layout::FLAGS_AT] & layout::WIDE_ENDS, layout::WIDE_ENDS);
    assert_eq!(decode(&wide), rows);
    exercise(&wide);
    exercise(&wide.remove(7));
    let mut allow = |_| true;
    let bare = wide.adopt(b"own", Key::NONE, StorageId(0), &mut |_| DirId(0));
    assert_eq!(Block::unpack(b"own", &packed(&wide, true), &mut Vec::new(), &mut allow), Ok(bare));
    let shorter = wide.remove(511);
    assert_eq!(shorter.insert(511, &rows[511].row()), Some(wide));
    assert_eq!(narrow.insert(257, &file("z", 1).row()), None, "the names would not fit");
}

#[test]
fn a_full_block_takes_no_more_rows() {
    let rows: Vec<Owned> = (0..CHUNK_ROWS).map(|i| file(format!("{i:03}"), 1)).collect();
    let block = encode(&rows);
    assert_eq!(Block::parse(block.as_bytes()).as_ref(), Ok(&block));
    assert_eq!(block.insert(CHUNK_ROWS, &file("z", 1).row()), None);
    let mut bytes = block.as_bytes().to_vec();
    bytes[layout::ROWS_AT..][..4].copy_from_slice(&513_u32.to_le_bytes());
    assert_eq!(Block::parse(&bytes), Err(BlockError::Rows(513)));
}

#[test]
fn new_keys_are_appended_until_the_index_is_full() {
    let mut rows: Vec<Owned> = (0..300).map(|i| file(format!("{i:03}"), 1)).collect();
    let key = |i: i64| Key::from_parts(Stamp(i), 1);
    rows[0].key = key(0);
    let mut block = encode(&rows);
    let mut patched = 0;
    for (i, row) in rows.iter_mut().enumerate().skip(1) {
        row.key = key(i as i64);
        if !block.patch(i, &row.row()) {
            break;
        }
        patched = i;
    }
    assert_eq!(patched, 254, "two keys to begin with and 254 more");
    assert_eq!((block.key(254), block.key(255)), (key(254), Key::NONE));
    // A row whose key nobody else has may change it for ever.
    for round in 1000..3000 {
        let row = Owned { key: key(round), ..rows[9].clone() };
        assert!(block.patch(9, &row.row()));
    }
    let inserted = block.insert(300, &Owned { key: key(3), ..file("x", 1) }.row());
    exercise(&inserted.unwrap());
    assert_eq!(block.insert(300, &Owned { key: key(-3), ..file("x", 1) }.row()), None);
}

#[test]
fn a_new_key_takes_a_place_that_was_set_aside() {
    let mut rows: Vec<Owned> = (0..64).map(|i| file(format!("{i:03}"), 1)).collect();
    let mut block = encode(&rows);
    let mut copies = 0;
    for (i, row) in rows.iter_mut().enumerate().take(17) {
        row.key = Key::from_parts(Stamp(i as i64), 1);
        let before = block.as_bytes().as_ptr();
        assert!(block.patch(i, &row.row()));
        copies += usize::from(block.as_bytes().as_ptr() != before);
        assert_eq!(Block::parse(block.as_bytes()).as_ref(), Ok(&block));
    }
    assert_eq!((copies, decode(&block)), (3, rows), "one copy for eight keys");
    let layout = Layout::of(block.as_bytes());
    let mut bytes = block.as_bytes().to_vec();
    bytes[layout.column(Field::Key).at] = layout.keys as u8 - 1;
    let value = layout.keys as u64 - 1;
    let cell = BlockError::Cell { column: "key".into(), row: 0, value };
    assert_eq!(Block::parse(&bytes), Err(cell), "nobody may use what is set aside");
}

#[test]
fn patches_are_refused_when_values_exceed_their_columns() {
    let block = encode(&[file("a", 10), file("b", 200)]);
    let check = |facts: Facts, fits: bool| {
        let mut patched = block.clone();
        let row = Owned { facts, ..file("a", 0) };
        assert_eq!(patched.patch(0, &row.row()), fits, "{facts:?}");
        assert_eq!(patched.facts(0), if fits { facts } else { block.facts(0) });
    };
    let facts = block.facts(0);
    check(Facts { size: 255, ..facts }, true);
    check(Facts { size: 256, ..facts }, false);
    check(Facts { mtime: StorageTime(1), ..facts }, false);
    check(Facts { kind: Kind::Dir, ..facts }, false);
    check(Facts { kind: Kind::Symlink, ..facts }, false);
}

#[test]
fn times_take_the_narrower_of_two_forms() {
    let at = |mtime: i64, ctime: i64| {
        let mut row = file("x", 0);
        (row.facts.mtime, row.facts.ctime) = (StorageTime(mtime), StorageTime(ctime));
        row
    };
    let now = 1_700_000_000 * SECOND;
    let flags = |first: Owned, second: Owned| {
        let second = Owned { name: b"y".to_vec(), ..second };
        let block = encode(&[first, second]);
        exercise(&block);
        block.as_bytes()[layout::FLAGS_AT]
    };
    // Restored files: old whole seconds, inodes all changed within the same moment.
    let restored = flags(at(5 * SECOND, now + 1), at(999_999 * SECOND, now + 2));
    assert_eq!(restored, layout::WHOLE_SECONDS | layout::PLAIN_CTIME);
    assert_eq!(flags(at(now + 1, now + 1), at(now / 2 + 1, now / 2 + 1)), 0);
}

#[test]
fn a_large_directory_becomes_blocks_of_384_rows() {
    let mut builder = BlockBuilder::default();
    for i in (0..1000).rev() {
        builder.push(format!("file {i:04}").as_bytes(), &Facts { size: i, ..Facts::default() });
    }
    assert_eq!(builder.len(), 1000);
    let blocks = builder.finish(b"large");
    assert_eq!(blocks.iter().map(Block::len).collect::<Vec<_>>(), [384, 384, 232]);
    let sizes = blocks.iter().flat_map(|block| block.rows().map(|row| row.facts.size));
    assert!(sizes.eq(0..1000));
    assert!(blocks.iter().all(|block| block.own_name() == b"large"));
    builder.push(b"forgotten", &Facts::default());
    builder.clear();
    assert_eq!(builder.finish(b""), [Block::encode(b"", &[])]);
}

fn small() -> Block {
    let owner = Owner { mode: 0o755, uid: 1000, gid: 100 };
    let facts = |kind, size, mtime: i64| Facts {
        kind,
        size,
        mtime: StorageTime(mtime),
        ctime: StorageTime(mtime + 5),
        inode: 0x0102_0000 + size,
        nlink: 1,
        owner,
    };
    let key = Key::from_parts(Stamp(3), 0x6000_0000_0000_0001);
    let row = |name: &str, facts, marks, child| Owned {
        name: name.into(),
        facts,
        key,
        marks,
        storage: StorageId(2),
        child,
    };
    encode(&[
        row("d", facts(Kind::Dir, 0x100, 7 * SECOND), Marks::NONE, DirId(9)),
        row("ef", facts(Kind::File, 0x234, 9 * SECOND), Marks::SUSPECT, DirId::NONE),
    ])
}

#[test]
fn the_format_is_frozen() {
    let fields = [
        "01 02 0300 02000000 01000000 0100 0100",
        "02 01 10 42 10 01 00 00 01 10",
        "05 00010201 01 02",
        "6f776e 09000000",
        "0300000000000000 0100000000000060",
        "ed010000 e8030000 64000000",
        "00013402 0709 00003401 0001 0001",
        "0100 0300 646566 0000000000000000",
    ];
    let expected = fields.concat().replace(' ', "");
    let bytes: String = small().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(bytes, expected);
}

#[test]
fn each_defect_is_named() {
    let bytes = small().as_bytes().to_vec();
    let check = |at: usize, byte: u8, expected: BlockError| {
        let mut broken = bytes.clone();
        broken[at] = byte;
        assert_eq!(Block::parse(&broken), Err(expected), "byte {at} = {byte}");
    };
    let column = |field: Field| field.to_string();
    let shape = |field: Field| layout::SHAPES_AT + field as usize;
    let at = Layout::of(&bytes);
    let cell = |field: Field, i: usize| {
        let column = at.column(field);
        column.at + i * usize::from(column.width)
    };
    check(0, 2, BlockError::Version(2));
    check(layout::FLAGS_AT, 8, BlockError::Flags(8));
    check(layout::ROWS_AT + 1, 2, BlockError::Rows(514));
    check(layout::DIRS_AT, 3, BlockError::Dirs { said: 3, found: 0 });
    check(shape(Field::Size), 9, BlockError::Shape { column: column(Field::Size), shape: 9 });
    check(shape(Field::Kind), 2, BlockError::Shape { column: column(Field::Kind), shape: 2 });
    check(shape(Field::Key), 16, BlockError::Shape { column: column(Field::Key), shape: 16 });
    check(at.own_at, b'/', BlockError::OwnName { len: 3 });
    let (found, value) = (0, 8);
    check(cell(Field::Kind, 0), 1, BlockError::Dirs { said: 1, found });
    check(cell(Field::Kind, 1), 8, BlockError::Cell { column: column(Field::Kind), row: 1, value });
    check(
        cell(Field::Marks, 0),
        8,
        BlockError::Cell { column: column(Field::Marks), row: 0, value },
    );
    check(at.names_at, b'z', BlockError::Order { row: 1 });
    check(at.names_at + 1, 0, BlockError::Name { row: 1 });
    check(at.ends.at, 0, BlockError::Name { row: 0 });
    check(at.ends.at, 9, BlockError::NameEnd { row: 0, end: 9 });
    check(at.ends.at + 2, 4, BlockError::Truncated { at: bytes.len() });
    check(at.ends.at + 2, 2, BlockError::Trailing { at: bytes.len() - 1 });
    check(bytes.len() - 1, 1, BlockError::Tail { at: bytes.len() - 8 });
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(Block::parse(&longer), Err(BlockError::Trailing { at: bytes.len() }));
    let mut orphan = bytes.clone();
    orphan[at.children_at..at.children_at + 4].fill(0xff);
    assert_eq!(Block::parse(&orphan), Err(BlockError::Child { rank: 0 }));
}

#[test]
fn palettes_and_their_indexes_are_checked() {
    let keyed = |i: i64| Owned { key: Key::from_parts(Stamp(i), 0), ..file(i.to_string(), 1) };
    let bytes = encode(&[keyed(0), keyed(1)]).as_bytes().to_vec();
    let layout = Layout::of(&bytes);
    let mut wild = bytes.clone();
    wild[layout.column(Field::Key).at + 1] = 2;
    let cell = BlockError::Cell { column: "key".into(), row: 1, value: 2 };
    assert_eq!(Block::parse(&wild), Err(cell));
    let mut empty = Block::encode(b"", &[]).as_bytes().to_vec();
    empty.splice(layout::HEADER..layout::HEADER, [0; layout::OWNER]);
    empty[layout::OWNERS_AT] = 1;
    let palette = BlockError::Palette { column: "owner".into(), entries: 1 };
    assert_eq!(Block::parse(&empty), Err(palette));
}

#[test]
fn a_second_key_and_a_directory_are_spliced_in() {
    let dir = |name: &str, id| {
        let plain = file(name, 0);
        Owned { facts: Facts { kind: Kind::Dir, ..plain.facts }, child: DirId(id), ..plain }
    };
    let newer = Key::from_parts(Stamp(5), 1);
    let mut rows = vec![dir("a", 7), file("b", 0), dir("d", 9)];
    let mut block = encode(&rows);
    assert_eq!(block.shared_key(), Some(Key::NONE));
    rows[1].key = newer;
    assert!(block.patch(1, &rows[1].row()), "the index of keys gets its first byte");
    rows.insert(2, Owned { key: newer, ..dir("c", 8) });
    let longer = block.insert(2, &rows[2].row()).expect("a mixed block takes a directory");
    assert_eq!(decode(&longer), rows);
    assert_eq!(longer.children().collect::<Vec<_>>(), [DirId(7), DirId(8), DirId(9)]);
    assert_eq!(Block::parse(longer.as_bytes()).as_ref(), Ok(&longer));
    exercise(&longer);
}

#[test]
fn a_hint_changes_no_answer() {
    let (key, marks, storage) = (Key::NONE, Marks::NONE, StorageId(0));
    let facts = Facts::default();
    let row = |name| Row { name, facts, key, marks, storage, child: DirId::NONE };
    let rows = [&b"b"[..], b"d", b"f"].map(row);
    for rows in [&rows[..], &rows[..1], &[]] {
        let block = Block::encode(b"", rows);
        for name in [&b"a"[..], b"b", b"c", b"d", b"e", b"f", b"g"] {
            for hint in 0..5 {
                assert_eq!(block.reader().find_near(name, hint), block.find(name), "{hint}");
            }
        }
    }
}
