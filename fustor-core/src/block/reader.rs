//! A look at a block that reads counts and offsets first, and single columns when they are needed.

use super::layout::{CHILD, Field, Head, MASK, TAIL, WHOLE_SECONDS, load_u32};
use super::read::{View, kind_of, marks_of};
use crate::entry::{Facts, Kind, Marks, Row};
use crate::id::DirId;
use crate::time::{SECOND, StorageTime};

/// A block with its header read, for looks at several of its rows. Cheap to make and to copy.
///
/// Methods that take a row's number are for rows that exist: they do not check it, and may panic.
///
/// ```
/// use fustor_core::{Block, BlockReader};
/// let block = Block::encode(b"directory", &[]);
/// let reader: BlockReader<'_> = block.reader();
/// assert_eq!((reader.len(), reader.children().count()), (0, 0));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BlockReader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) head: Head,
}

impl<'a> BlockReader<'a> {
    #[inline]
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, head: Head::of(bytes) }
    }

    /// Number of rows.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.head.rows
    }

    /// Whether there are no rows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.head.rows == 0
    }

    /// Number of rows that are directories.
    #[must_use]
    #[inline]
    pub const fn dir_count(&self) -> usize {
        self.head.dirs
    }

    /// The directory's own name; empty for the root.
    #[must_use]
    pub fn own_name(&self) -> &'a [u8] {
        &self.bytes[self.head.own_at..self.head.children_at]
    }

    /// Where in [`Self::names`] the name of row `i` ends.
    #[must_use]
    #[inline]
    pub fn name_end(&self, i: usize) -> usize {
        self.head.ends.cell(self.bytes, i) as usize
    }

    /// Where in [`Self::names`] the name of row `i` begins.
    #[must_use]
    #[inline]
    pub fn name_start(&self, i: usize) -> usize {
        if i == 0 { 0 } else { self.name_end(i - 1) }
    }

    /// The bytes of the names from `start` to `end`, both counted from the first name.
    #[inline]
    pub(super) fn text(&self, start: usize, end: usize) -> &'a [u8] {
        &self.bytes[self.head.names_at + start..self.head.names_at + end]
    }

    /// The name of row `i`.
    #[must_use]
    #[inline]
    pub fn name(&self, i: usize) -> &'a [u8] {
        self.text(self.name_start(i), self.name_end(i))
    }

    /// All names, concatenated in row order without separators, for substring search.
    #[must_use]
    #[inline]
    pub fn names(&self) -> &'a [u8] {
        // The names come last: this needs no look at where the last of them ends.
        &self.bytes[self.head.names_at..self.bytes.len() - TAIL]
    }

    /// The row with this name, or where it would be inserted.
    ///
    /// # Errors
    /// The index at which a row of that name would stand.
    pub fn find(&self, name: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.head.rows);
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

    /// The same, where `hint` is probably the answer: then without a search.
    pub(crate) fn find_near(&self, name: &[u8], hint: usize) -> Result<usize, usize> {
        let before = |i: usize| i == 0 || self.name(i - 1) < name;
        match (hint < self.head.rows).then(|| self.name(hint).cmp(name)) {
            Some(std::cmp::Ordering::Equal) => Ok(hint),
            Some(std::cmp::Ordering::Greater) if before(hint) => Err(hint),
            None if hint == self.head.rows && before(hint) => Err(hint),
            Some(_) | None => self.find(name),
        }
    }

    /// The row whose name holds byte `at` of [`Self::names`]; [`Self::len`] when `at` lies beyond them.
    #[must_use]
    pub fn row_at(&self, at: usize) -> usize {
        let (mut low, mut high) = (0, self.head.rows);
        while low < high {
            let middle = low.midpoint(high);
            if self.name_end(middle) <= at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    #[inline]
    fn one(&self, field: Field, i: usize) -> u64 {
        self.head.column(self.bytes, field).cell(self.bytes, i)
    }

    /// The kind of row `i`.
    #[must_use]
    #[inline]
    pub fn kind(&self, i: usize) -> Kind {
        kind_of(self.one(Field::Kind, i))
    }

    /// The size of row `i` in bytes.
    #[must_use]
    #[inline]
    pub fn size(&self, i: usize) -> u64 {
        self.one(Field::Size, i)
    }

    /// The modification time of row `i`.
    #[must_use]
    #[inline]
    pub fn mtime(&self, i: usize) -> StorageTime {
        StorageTime(self.in_nanoseconds(self.one(Field::Mtime, i)))
    }

    #[inline]
    pub(super) fn in_nanoseconds(&self, stored: u64) -> i64 {
        let stored = stored as i64;
        if self.head.has(WHOLE_SECONDS) { stored.wrapping_mul(SECOND) } else { stored }
    }

    /// The marks of row `i`.
    #[must_use]
    #[inline]
    pub fn marks(&self, i: usize) -> Marks {
        marks_of(self.one(Field::Marks, i))
    }

    /// Bounds of the sizes of all rows, from the shape of the column: no row lies outside.
    #[must_use]
    pub fn size_bounds(&self) -> (u64, u64) {
        let column = self.head.column(self.bytes, Field::Size);
        let most = column.base.checked_add(MASK[usize::from(column.width)]);
        most.map_or((0, u64::MAX), |most| (column.base, most))
    }

    /// Bounds of the modification times of all rows, from the shape of the column: no row lies outside.
    #[must_use]
    pub fn mtime_bounds(&self) -> (StorageTime, StorageTime) {
        let column = self.head.column(self.bytes, Field::Mtime);
        let unit = if self.head.has(WHOLE_SECONDS) { SECOND } else { 1 };
        let least = column.base as i64;
        let most = least.checked_add_unsigned(MASK[usize::from(column.width)]);
        let bounds = least.checked_mul(unit).zip(most.and_then(|most| most.checked_mul(unit)));
        let (least, most) = bounds.unwrap_or((i64::MIN, i64::MAX));
        (StorageTime(least), StorageTime(most))
    }

    /// The facts of row `i`.
    #[must_use]
    pub fn facts(&self, i: usize) -> Facts {
        View::from(*self).facts(i)
    }

    /// Everything known of row `i`.
    #[must_use]
    pub fn row(&self, i: usize) -> Row<'a> {
        View::from(*self).row(i)
    }

    /// The rows from row `first` on, in order; cheaper than [`Self::row`] for each.
    pub fn rows_from(&self, first: usize) -> impl ExactSizeIterator<Item = Row<'a>> + use<'a> {
        View::from(*self).rows_from(first)
    }

    /// The directory id of row `i`; [`DirId::NONE`] when it is not a directory.
    #[must_use]
    pub fn child(&self, i: usize) -> DirId {
        if self.kind(i).is_dir() { self.child_at_rank(self.rank(i)) } else { DirId::NONE }
    }

    /// The ids of all directories among the rows, in row order.
    pub fn children(&self) -> impl Iterator<Item = DirId> + use<'a> {
        let reader = *self;
        (0..self.head.dirs).map(move |rank| reader.child_at_rank(rank))
    }

    /// One byte of kind for each row, where directories and other entries are mixed: the column then has no base.
    #[inline]
    fn mixed_kinds(&self) -> &'a [u8] {
        self.head.column(self.bytes, Field::Kind).bytes(self.bytes, self.head.rows)
    }

    /// How many of the rows before `i` are directories.
    pub(crate) fn rank(&self, i: usize) -> usize {
        let Head { rows, dirs, .. } = self.head;
        if dirs == 0 || dirs == rows {
            return if dirs == 0 { 0 } else { i };
        }
        let kinds = &self.mixed_kinds()[..i];
        kinds.iter().filter(|kind| **kind == Kind::Dir as u8).count()
    }

    /// The id of the directory before which `rank` directories stand.
    #[inline]
    pub(crate) fn child_at_rank(&self, rank: usize) -> DirId {
        DirId(load_u32(self.bytes, self.head.children_at + rank * CHILD))
    }

    /// The first directory at or after row `from`, or the number of rows.
    pub(crate) fn next_dir(&self, from: usize) -> usize {
        let Head { rows, dirs, .. } = self.head;
        if dirs == 0 || dirs == rows || from >= rows {
            return if dirs == 0 { rows } else { from.min(rows) };
        }
        let ahead = memchr::memchr(Kind::Dir as u8, &self.mixed_kinds()[from..]);
        ahead.map_or(rows, |ahead| from + ahead)
    }
}
