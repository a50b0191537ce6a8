//! Which rows differ between two states of a block: names are aligned by what both have at either end, cells are
//! compared column by column, and no row is decoded.

use std::cmp::Ordering;
use std::ops::Range;

use super::layout::{Column, FIELDS, Field, KEY, OWNER};
use super::{CHUNK_ROWS, View};

/// A row that differs, by its number in the block that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Differing {
    /// Only the older block has a row of that name.
    Old(usize),
    /// Only the newer block has one.
    New(usize),
    /// Both have, with other values.
    Both(usize, usize),
}

/// Visits each row that differs, ascending by name.
pub(crate) fn differing(old: &View<'_>, new: &View<'_>, visit: &mut dyn FnMut(Differing)) {
    let (a, b) = (old.len(), new.len());
    let head = common_rows(old, new);
    let tail = common_tail(old, new, head);
    aligned(old, new, 0, 0..head, visit);
    let (mut i, mut j) = (head, head);
    while i < a - tail || j < b - tail {
        let order = match (i < a - tail, j < b - tail) {
            (true, true) => old.name(i).cmp(new.name(j)),
            (true, false) => Ordering::Less,
            (false, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => visit(Differing::Old(i)),
            Ordering::Greater => visit(Differing::New(j)),
            Ordering::Equal => aligned(old, new, i, j..j + 1, visit),
        }
        i += usize::from(order.is_le());
        j += usize::from(order.is_ge());
    }
    aligned(old, new, a - tail, b - tail..b, visit);
}

/// How many rows from the first on have equal names.
fn common_rows(old: &View<'_>, new: &View<'_>) -> usize {
    let (a, b) = (old.names(), new.names());
    let same = common_prefix(a, b);
    let rows = old.len().min(new.len());
    (0..rows)
        .find(|i| old.name_end(*i) != new.name_end(*i) || old.name_end(*i) > same)
        .unwrap_or(rows)
}

/// How many rows from the last back have equal names; rows before `head` are taken already.
fn common_tail(old: &View<'_>, new: &View<'_>, head: usize) -> usize {
    let (a, b) = (old.len(), new.len());
    let most = a.min(b) - head;
    (0..most).find(|n| old.name(a - 1 - n) != new.name(b - 1 - n)).unwrap_or(most)
}

/// How many bytes two strings have in common from the first on.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 64;
    let steps = a.chunks_exact(STEP).zip(b.chunks_exact(STEP)).take_while(|(a, b)| a == b).count();
    let rest = a[steps * STEP..].iter().zip(&b[steps * STEP..]).take_while(|(a, b)| a == b);
    steps * STEP + rest.count()
}

/// Visits the rows that differ where names are equal row by row: those of `range` in the newer block, and those from
/// `first` on in the older one.
fn aligned(
    old: &View<'_>,
    new: &View<'_>,
    first: usize,
    range: Range<usize>,
    visit: &mut dyn FnMut(Differing),
) {
    if range.is_empty() {
        return;
    }
    let mut rows = Rows { first, start: range.start, len: range.len(), dirty: [0; WORDS] };
    if old.flags() == new.flags() {
        for field in Field::ALL {
            rows.compare(old, new, field);
        }
        rows.compare_children(old, new);
    } else {
        // Times are stored in other units.
        rows.mark_where(|i, j| old.row(i) != new.row(j));
    }
    rows.each_dirty(|i, j| visit(Differing::Both(i, j)));
}

const WORDS: usize = CHUNK_ROWS / 64;

/// A run of rows of equal names, with one bit for each that differs.
struct Rows {
    first: usize,
    start: usize,
    len: usize,
    dirty: [u64; WORDS],
}

impl Rows {
    fn compare(&mut self, old: &View<'_>, new: &View<'_>, field: Field) {
        let (a, b) = (old.column(field), new.column(field));
        match field {
            Field::Key if old.palette(field) != new.palette(field) => {
                self.mark_where(|i, j| old.key(i) != new.key(j));
            }
            Field::Owner if old.palette(field) != new.palette(field) => {
                self.mark_where(|i, j| {
                    old.owner_entry(old.cell(field, i) as usize)
                        != new.owner_entry(new.cell(field, j) as usize)
                });
            }
            Field::Size
            | Field::Mtime
            | Field::Ctime
            | Field::Inode
            | Field::Nlink
            | Field::Kind
            | Field::Owner
            | Field::Key
            | Field::Marks
            | Field::Storage => self.compare_cells((old.bytes(), a), (new.bytes(), b)),
        }
    }

    fn compare_cells(&mut self, (old, a): (&[u8], Column), (new, b): (&[u8], Column)) {
        let same_frame = (a.base, a.width) == (b.base, b.width);
        if same_frame && a.rows(old, self.first, self.len) == b.rows(new, self.start, self.len) {
            return;
        }
        self.mark_where(|i, j| a.cell(old, i) != b.cell(new, j));
    }

    fn compare_children(&mut self, old: &View<'_>, new: &View<'_>) {
        if old.dir_count() == 0 || new.dir_count() == 0 {
            return;
        }
        let (mut a, mut b) = (old.rank(self.first), new.rank(self.start));
        for n in 0..self.len {
            let (was, is) = (old.kind(self.first + n).is_dir(), new.kind(self.start + n).is_dir());
            if was && is && old.child_at_rank(a) != new.child_at_rank(b) {
                self.mark(n);
            }
            a += usize::from(was);
            b += usize::from(is);
        }
    }

    fn mark(&mut self, n: usize) {
        self.dirty[n / 64] |= 1 << (n % 64);
    }

    fn mark_where(&mut self, differ: impl Fn(usize, usize) -> bool) {
        for n in 0..self.len {
            if differ(self.first + n, self.start + n) {
                self.mark(n);
            }
        }
    }

    fn each_dirty(&self, mut visit: impl FnMut(usize, usize)) {
        for (word, bits) in self.dirty.iter().enumerate() {
            let mut left = *bits;
            while left != 0 {
                let n = word * 64 + left.trailing_zeros() as usize;
                visit(self.first + n, self.start + n);
                left &= left - 1;
            }
        }
    }
}

impl View<'_> {
    /// The palette of a column whose cells are numbers of palette entries.
    fn palette(&self, field: Field) -> &[u8] {
        let head = self.head();
        match field {
            Field::Key => &self.bytes()[head.keys_at..head.keys_at + head.keys * KEY],
            Field::Owner => &self.bytes()[head.owners_at..head.owners_at + head.owners * OWNER],
            Field::Size
            | Field::Mtime
            | Field::Ctime
            | Field::Inode
            | Field::Nlink
            | Field::Kind
            | Field::Marks
            | Field::Storage => &[],
        }
    }
}

const _: () = assert!(Field::ALL.len() == FIELDS && CHUNK_ROWS.is_multiple_of(64));
