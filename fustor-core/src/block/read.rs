//! Reading the cells of a valid block: a header decoded once, then one load, mask and addition a cell.

use super::layout::{CHILD, Field, KEY, Layout, OWNER, PLAIN_CTIME, WHOLE_SECONDS, load, load_u32};
use crate::entry::{Facts, Kind, Marks, Owner, Row};
use crate::id::{DirId, StorageId};
use crate::key::Key;
use crate::time::{SECOND, Stamp, StorageTime};

/// A block with its header decoded.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) layout: Layout,
}

impl<'a> View<'a> {
    #[inline]
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, layout: Layout::of(bytes) }
    }

    #[inline]
    pub(super) fn cell(&self, field: Field, i: usize) -> u64 {
        self.layout.column(field).cell(self.bytes, i)
    }

    pub(super) fn own_name(&self) -> &'a [u8] {
        &self.bytes[self.layout.own_at..self.layout.children_at]
    }

    #[inline]
    pub(super) fn end(&self, i: usize) -> usize {
        self.layout.ends.cell(self.bytes, i) as usize
    }

    #[inline]
    pub(super) fn start(&self, i: usize) -> usize {
        if i == 0 { 0 } else { self.end(i - 1) }
    }

    /// The bytes of the names from `start` to `end`, both counted from the first name.
    #[inline]
    pub(super) fn text(&self, start: usize, end: usize) -> &'a [u8] {
        &self.bytes[self.layout.names_at + start..self.layout.names_at + end]
    }

    #[inline]
    pub(super) fn name(&self, i: usize) -> &'a [u8] {
        self.text(self.start(i), self.end(i))
    }

    pub(super) fn names(&self) -> &'a [u8] {
        self.text(0, self.start(self.layout.rows))
    }

    /// The cells of everything that `lstat` said, all columns in one piece.
    pub(super) fn fact_columns(&self) -> &'a [u8] {
        &self.bytes[self.layout.columns_at..self.layout.column(Field::Key).at]
    }

    /// The cells of the name ends.
    pub(super) fn end_column(&self) -> &'a [u8] {
        &self.bytes[self.layout.ends.at..self.layout.names_at]
    }

    pub(super) fn find(&self, name: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.layout.rows);
        while low < high {
            let middle = low.midpoint(high);
            match self.name(middle).cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// The first row whose name ends after byte `at` of all names.
    pub(super) fn row_at(&self, at: usize) -> usize {
        let (mut low, mut high) = (0, self.layout.rows);
        while low < high {
            let middle = low.midpoint(high);
            if self.end(middle) <= at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    #[inline]
    pub(super) fn kind(&self, i: usize) -> Kind {
        kind_of(self.cell(Field::Kind, i))
    }

    #[inline]
    pub(super) fn marks(&self, i: usize) -> Marks {
        Marks::from_bits(self.cell(Field::Marks, i) as u8).unwrap_or(Marks::NONE)
    }

    #[inline]
    pub(super) fn key(&self, i: usize) -> Key {
        self.key_entry(self.cell(Field::Key, i) as usize)
    }

    #[inline]
    pub(super) fn key_entry(&self, entry: usize) -> Key {
        let at = self.layout.keys_at + entry * KEY;
        Key::from_parts(Stamp(load(self.bytes, at) as i64), load(self.bytes, at + 8))
    }

    #[inline]
    pub(super) fn owner_entry(&self, entry: usize) -> Owner {
        let at = self.layout.owners_at + entry * OWNER;
        let (mode_uid, gid) = (load(self.bytes, at), load_u32(self.bytes, at + 8));
        Owner { mode: mode_uid as u32, uid: (mode_uid >> 32) as u32, gid }
    }

    #[inline]
    pub(super) fn mtime(&self, i: usize) -> i64 {
        let stored = self.cell(Field::Mtime, i) as i64;
        if self.layout.has(WHOLE_SECONDS) { stored.wrapping_mul(SECOND) } else { stored }
    }

    #[inline]
    pub(super) fn facts(&self, i: usize) -> Facts {
        let mtime = self.mtime(i);
        let stored = self.cell(Field::Ctime, i) as i64;
        let ctime = if self.layout.has(PLAIN_CTIME) { stored } else { stored.wrapping_add(mtime) };
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

    /// How many of the rows before `i` are directories. A mixed block stores one byte of kind a row, with no base.
    pub(super) fn rank(&self, i: usize) -> usize {
        let Layout { rows, dirs, .. } = self.layout;
        if dirs == 0 || dirs == rows {
            return if dirs == 0 { 0 } else { i };
        }
        let kinds = self.layout.column(Field::Kind).bytes(self.bytes, i);
        kinds.iter().filter(|kind| **kind == Kind::Dir as u8).count()
    }

    #[inline]
    pub(super) fn child_at_rank(&self, rank: usize) -> DirId {
        DirId(load_u32(self.bytes, self.layout.children_at + rank * CHILD))
    }

    /// Row `i`, whose name starts at `start` and before which `rank` directories stand.
    #[inline]
    fn row_with(&self, i: usize, start: usize, rank: usize) -> Row<'a> {
        let facts = self.facts(i);
        Row {
            name: self.text(start, self.end(i)),
            facts,
            key: self.key(i),
            marks: self.marks(i),
            storage: StorageId(self.cell(Field::Storage, i) as u16),
            child: if facts.kind.is_dir() { self.child_at_rank(rank) } else { DirId::NONE },
        }
    }

    pub(super) fn row(&self, i: usize) -> Row<'a> {
        let rank = if self.kind(i).is_dir() { self.rank(i) } else { 0 };
        self.row_with(i, self.start(i), rank)
    }

    pub(super) fn rows_from(self, first: usize) -> Rows<'a> {
        let first = first.min(self.layout.rows);
        Rows { next: first, start: self.start(first), rank: self.rank(first), view: self }
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
        if self.next == self.view.layout.rows {
            return None;
        }
        let row = self.view.row_with(self.next, self.start, self.rank);
        self.next += 1;
        self.start += row.name.len();
        self.rank += usize::from(row.facts.kind.is_dir());
        Some(row)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.view.layout.rows - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Rows<'_> {}
