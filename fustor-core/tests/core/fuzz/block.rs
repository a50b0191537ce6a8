//! Blocks: as they come, and made of rows and then damaged in a few places, so that the columns are reached.

use bolero::check;
use fustor_core::{
    AgentId, Block, Claim, DirId, Epoch, Facts, Key, Kind, Marks, Origin, Owner, Row, Seq, Stamp,
    StorageId, StorageTime, Tier, is_name,
};

use super::INPUTS;
use super::take::Take;

const KINDS: [Kind; 8] = [
    Kind::Dir,
    Kind::File,
    Kind::Symlink,
    Kind::Fifo,
    Kind::Socket,
    Kind::BlockDevice,
    Kind::CharDevice,
    Kind::Unknown,
];
/// More rows than this give nothing that fewer do not.
const ROWS_MAX: usize = 24;

/// Looks at everything that a block offers: each way to ask gives the same.
fn exercise(block: &Block) {
    let rows: Vec<Row<'_>> = block.rows().collect();
    assert_eq!((rows.len(), rows.is_empty()), (block.len(), block.is_empty()));
    assert!(rows.is_sorted_by(|a, b| a.name < b.name), "names in order, none twice");
    let (reader, mut end) = (block.reader(), 0);
    for (i, row) in rows.iter().enumerate() {
        assert!(is_name(row.name));
        assert_eq!(block.row(i), *row);
        assert_eq!((block.name(i), block.facts(i)), (row.name, row.facts));
        assert_eq!((block.key(i), block.marks(i), block.child(i)), (row.key, row.marks, row.child));
        assert_eq!((block.find(row.name), block.row_at(end)), (Ok(i), i));
        assert_eq!((reader.size(i), reader.mtime(i)), (row.facts.size, row.facts.mtime));
        end += row.name.len();
        assert_eq!(block.name_end(i), end);
    }
    assert_eq!(block.names().len(), end);
    assert_eq!(block.dir_count(), rows.iter().filter(|row| row.facts.kind.is_dir()).count());
    assert!(block.own_name().is_empty() || is_name(block.own_name()));
    let again = Block::encode(block.own_name(), &rows);
    assert!(again.rows().eq(block.rows()), "rows come back as they went in");
    assert!(again.same_facts(block));
}

/// Edits give blocks.
fn edit(block: &Block) {
    exercise(&block.renamed(b"n"));
    exercise(&block.adopt(b"n", Key::NONE, StorageId(1), &mut |_| DirId(1)));
    for i in [0, block.len().saturating_sub(1)] {
        if i >= block.len() {
            continue;
        }
        exercise(&block.remove(i));
        let mut patched = block.clone();
        let row = Row { key: Key::NONE, marks: Marks::NONE, ..block.row(i) };
        if patched.patch(i, &row) {
            assert_eq!(patched.row(i), row);
            exercise(&patched);
        }
    }
    let name = [b"\x7f-new", &[b'x'; 100][..]].concat();
    if let Err(at) = block.find(&name) {
        let row = plain_row(&name);
        if let Some(more) = block.insert(at, &row) {
            assert_eq!(more.row(at), row);
            exercise(&more);
        }
    }
}

fn plain_row(name: &[u8]) -> Row<'_> {
    Row {
        name,
        facts: Facts { kind: Kind::File, ..Facts::PLACEHOLDER },
        key: Key::NONE,
        marks: Marks::NONE,
        storage: StorageId(0),
        child: DirId::NONE,
    }
}

#[test]
fn any_bytes_are_a_block_or_an_error() {
    check!().with_iterations(INPUTS).for_each(|bytes: &[u8]| {
        if let Ok(block) = Block::parse(bytes) {
            exercise(&block);
            edit(&block);
        }
    });
}

fn facts(take: &mut Take<'_>) -> Facts {
    let kind = take.one_of(&KINDS);
    let mut signed = || StorageTime(take.number().cast_signed());
    let (mtime, ctime) = (signed(), signed());
    let mut small = || take.number() as u32;
    let owner = Owner { mode: small(), uid: small(), gid: small() };
    let nlink = small();
    Facts { kind, size: take.number(), mtime, ctime, inode: take.number(), nlink, owner }
}

fn key(take: &mut Take<'_>) -> Key {
    let origin = Origin {
        agent: AgentId(take.byte().into()),
        epoch: Epoch(take.byte().into()),
        seq: Seq(take.byte().into()),
    };
    let tier = take.one_of(&[Tier::Atomic, Tier::Scan, Tier::Partial]);
    let claim = take.one_of(&[Claim::Present, Claim::Absent]);
    Key::new(Stamp(take.number().cast_signed()), tier, claim, origin)
}

/// Up to [`ROWS_MAX`] rows with names in order.
fn rows(take: &mut Take<'_>) -> Vec<(Vec<u8>, Facts, Key, Marks)> {
    let count = take.below(ROWS_MAX);
    let mut rows: Vec<_> = (0..count)
        .map(|_| (take.bytes().to_vec(), facts(take), key(take), Marks::NONE))
        .filter(|(name, ..)| is_name(name))
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows.dedup_by(|a, b| a.0 == b.0);
    rows
}

#[test]
fn any_rows_come_back_and_damage_is_refused_or_harmless() {
    check!().with_iterations(INPUTS / 4).with_max_len(1024).for_each(|bytes: &[u8]| {
        let mut take = Take::new(bytes);
        let owned = rows(&mut take);
        let child = |kind: Kind| if kind.is_dir() { DirId(7) } else { DirId::NONE };
        let rows: Vec<Row<'_>> = owned
            .iter()
            .map(|(name, facts, key, marks)| Row {
                name,
                facts: *facts,
                key: *key,
                marks: *marks,
                storage: StorageId(0),
                child: child(facts.kind),
            })
            .collect();
        let block = Block::encode(b"own", &rows);
        assert!(block.rows().eq(rows.iter().copied()));
        exercise(&block);
        edit(&block);
        let mut damaged = block.as_bytes().to_vec();
        assert_eq!(Block::parse(&damaged).as_ref(), Ok(&block));
        while !take.is_empty() {
            let at = (take.below(256) << 8 | take.below(256)) % damaged.len();
            damaged[at] = take.byte();
        }
        if let Ok(block) = Block::parse(&damaged) {
            exercise(&block);
            edit(&block);
        }
    });
}
