//! Reading the cells of a valid block: columns located once, then one load, mask and addition a cell.

use super::layout::{
    Column, FIELDS, Field, KEY, Layout, OWNER, PLAIN_CTIME, columns_of, load, load_u32,
};
use super::reader::BlockReader;
use crate::entry::{Facts, Kind, Marks, Owner, Row};
use crate::id::{DirId, StorageId};
use crate::key::Key;
use crate::time::{Stamp, StorageTime};

/// A block with all of its columns located: one load, mask and addition a cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    reader: BlockReader<'a>,
    columns: [Column; FIELDS],
}

impl<'a> From<BlockReader<'a>> for View<'a> {
    #[inline]
    fn from(reader: BlockReader<'a>) -> Self {
        Self { reader, columns: columns_of(reader.bytes, &reader.head) }
    }
}

impl<'a> std::ops::Deref for View<'a> {
    type Target = BlockReader<'a>;

    #[inline]
    fn deref(&self) -> &BlockReader<'a> {
        &self.reader
    }
}

impl<'a> View<'a> {
    #[inline]
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self::from(BlockReader::of(bytes))
    }

    pub(super) const fn layout(&self) -> Layout {
        Layout::new(self.reader.head, self.columns)
    }

    #[inline]
    pub(super) const fn column(&self, field: Field) -> Column {
        self.columns[field as usize]
    }

    #[inline]
    pub(super) fn cell(&self, field: Field, i: usize) -> u64 {
        self.column(field).cell(self.bytes, i)
    }

    /// The cells of everything that `lstat` said, all columns in one piece.
    pub(super) fn fact_columns(&self) -> &'a [u8] {
        &self.bytes[self.head.columns_at..self.column(Field::Key).at]
    }

    /// The cells of the name ends.
    pub(super) fn end_column(&self) -> &'a [u8] {
        &self.bytes[self.head.ends.at..self.head.names_at]
    }

    #[inline]
    pub(super) fn kind(&self, i: usize) -> Kind {
        kind_of(self.cell(Field::Kind, i))
    }

    #[inline]
    pub(super) fn marks(&self, i: usize) -> Marks {
        marks_of(self.cell(Field::Marks, i))
    }

    #[inline]
    pub(super) fn key(&self, i: usize) -> Key {
        self.key_entry(self.cell(Field::Key, i) as usize)
    }

    #[inline]
    pub(super) fn key_entry(&self, entry: usize) -> Key {
        let at = self.head.keys_at + entry * KEY;
        Key::from_parts(Stamp(load(self.bytes, at) as i64), load(self.bytes, at + 8))
    }

    #[inline]
    pub(super) fn owner_entry(&self, entry: usize) -> Owner {
        let at = self.head.owners_at + entry * OWNER;
        let (mode_uid, gid) = (load(self.bytes, at), load_u32(self.bytes, at + 8));
        Owner { mode: mode_uid as u32, uid: (mode_uid >> 32) as u32, gid }
    }

    #[inline]
    pub(super) fn facts(&self, i: usize) -> Facts {
        let mtime = self.in_nanoseconds(self.cell(Field::Mtime, i));
        let stored = self.cell(Field::Ctime, i) as i64;
        let ctime = if self.head.has(PLAIN_CTIME) { stored } else { stored.wrapping_add(mtime) };
        Facts {
            kind: self.kind(i),
            size: self.cell(Field::Size, i),
            mtime: StorageTime(mtime),
            ctime: StorageTime(ctime),
            inode: self.cell(Field::Inode, i),
            nlink: self.cell(Field::Nlink, i) as u32,
            owner: self.owner_entry(self.cell(Field::Owner, i) as usize),
        }
    }

    /// Row `i`, whose name starts at `start` and before which `rank` directories stand.
    #[inline]
    pub(crate) fn row_with(&self, i: usize, start: usize, rank: usize) -> Row<'a> {
        let facts = self.facts(i);
        Row {
            name: self.text(start, self.name_end(i)),
            facts,
            key: self.key(i),
            marks: self.marks(i),
            storage: StorageId(self.cell(Field::Storage, i) as u16),
            child: if facts.kind.is_dir() { self.child_at_rank(rank) } else { DirId::NONE },
        }
    }

    pub(super) fn row(&self, i: usize) -> Row<'a> {
        let rank = if self.kind(i).is_dir() { self.rank(i) } else { 0 };
        self.row_with(i, self.name_start(i), rank)
    }

    pub(super) fn rows_from(self, first: usize) -> Rows<'a> {
        let first = first.min(self.head.rows);
        Rows { next: first, start: self.name_start(first), rank: self.rank(first), view: self }
    }
}

#[inline]
pub(super) const fn kind_of(cell: u64) -> Kind {
    // Validation refuses other numbers; this keeps the read free of a panic.
    match Kind::from_u8((cell & 7) as u8) {
        Some(kind) => kind,
        None => Kind::Unknown,
    }
}

#[inline]
pub(super) fn marks_of(cell: u64) -> Marks {
    Marks::from_bits(cell as u8).unwrap_or(Marks::NONE)
}

/// The rows from some row on; keeps the rank and the start of the next name instead of looking them up.
pub(super) struct Rows<'a> {
    view: View<'a>,
    next: usize,
    start: usize,
    rank: usize,
}

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    #[inline]
    fn next(&mut self) -> Option<Row<'a>> {
        if self.next == self.view.head.rows {
            return None;
        }
        let row = self.view.row_with(self.next, self.start, self.rank);
        self.next += 1;
        self.start += row.name.len();
        self.rank += usize::from(row.facts.kind.is_dir());
        Some(row)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.view.head.rows - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Rows<'_> {}
