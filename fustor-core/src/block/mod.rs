//! The directory block: the rows of one directory in one immutable byte string, the same on the agent, on the wire,
//! in the tree and in a checkpoint. `docs/block-format.md` describes the bytes.

mod builder;
mod compare;
mod edit;
mod encode;
mod layout;
mod pack;
mod read;
mod reader;
#[cfg(test)]
mod tests;
mod validate;

use std::sync::Arc;

use crate::entry::{Facts, Kind, Marks, Row};
use crate::id::{DirId, StorageId};
use crate::key::Key;
use layout::{Field, load_u32};

pub use builder::BlockBuilder;
pub(crate) use compare::{Differing, differing};
pub(crate) use pack::PACKED_MIN;
pub(crate) use read::View;
pub use reader::BlockReader;
pub use validate::BlockError;

/// At most this many rows go into one block; a larger directory is a sequence of blocks.
pub const CHUNK_ROWS: usize = 512;

/// The rows of one directory, ascending by name. Cheap to clone.
///
/// Methods that take a row's number panic when there is no such row.
///
/// ```
/// use fustor_core::{Block, BlockBuilder, Facts};
/// let mut builder = BlockBuilder::default();
/// builder.push(b"report.txt", &Facts { size: 7, ..Facts::default() });
/// let block = builder.finish(b"directory").remove(0);
/// let row = block.row(block.find(b"report.txt").unwrap());
/// assert_eq!(row.facts.size, 7);
/// assert_eq!(Block::parse(block.as_bytes()), Ok(block.clone()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block(Arc<[u8]>);

impl Block {
    /// Encodes rows, ascending by name, in the one canonical form: equal rows give equal bytes.
    ///
    /// # Panics
    /// When there are more than [`CHUNK_ROWS`] rows.
    #[must_use]
    pub fn encode(own_name: &[u8], rows: &[Row<'_>]) -> Self {
        debug_assert!(rows.is_sorted_by(|a, b| a.name < b.name), "rows out of order");
        encode::Encoder::default().encode(own_name, rows.iter().copied())
    }

    /// The encoded bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        load_u32(&self.0, layout::ROWS_AT) as usize
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of rows that are directories.
    #[must_use]
    pub fn dir_count(&self) -> usize {
        load_u32(&self.0, layout::DIRS_AT) as usize
    }

    /// The directory's own name; empty for the root.
    #[must_use]
    pub fn own_name(&self) -> &[u8] {
        self.reader().own_name()
    }

    /// The name of row `i`.
    #[must_use]
    pub fn name(&self, i: usize) -> &[u8] {
        self.at(i).name(i)
    }

    /// All names, concatenated in row order without separators, for substring search.
    #[must_use]
    pub fn names(&self) -> &[u8] {
        self.reader().names()
    }

    /// The row whose name holds byte `at` of [`Self::names`]; [`Self::len`] when `at` lies beyond them.
    #[must_use]
    pub fn row_at(&self, at: usize) -> usize {
        self.reader().row_at(at)
    }

    /// Where in [`Self::names`] the name of row `i` ends.
    #[must_use]
    pub fn name_end(&self, i: usize) -> usize {
        self.at(i).name_end(i)
    }

    /// The row with this name, or where it would be inserted.
    ///
    /// # Errors
    /// The index at which a row of that name would stand.
    pub fn find(&self, name: &[u8]) -> Result<usize, usize> {
        self.reader().find(name)
    }

    /// Everything known of row `i`.
    #[must_use]
    pub fn row(&self, i: usize) -> Row<'_> {
        self.at(i).row(i)
    }

    /// The rows in order; cheaper than [`Self::row`] for each.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows_from(0)
    }

    /// The rows from row `first` on, in order; none when there are fewer.
    pub fn rows_from(&self, first: usize) -> impl ExactSizeIterator<Item = Row<'_>> {
        self.reader().rows_from(first)
    }

    /// The facts of row `i`.
    #[must_use]
    pub fn facts(&self, i: usize) -> Facts {
        self.at(i).facts(i)
    }

    /// The kind of row `i`.
    #[must_use]
    pub fn kind(&self, i: usize) -> Kind {
        self.at(i).kind(i)
    }

    /// The size of row `i` in bytes.
    #[must_use]
    pub fn size(&self, i: usize) -> u64 {
        self.at(i).size(i)
    }

    /// The key of row `i`.
    #[must_use]
    pub fn key(&self, i: usize) -> Key {
        View::from(self.at(i)).key(i)
    }

    /// The marks of row `i`.
    #[must_use]
    pub fn marks(&self, i: usize) -> Marks {
        self.at(i).marks(i)
    }

    /// The directory id of row `i`; [`DirId::NONE`] when it is not a directory.
    #[must_use]
    pub fn child(&self, i: usize) -> DirId {
        self.at(i).child(i)
    }

    /// The ids of all directories among the rows, in row order.
    pub fn children(&self) -> impl Iterator<Item = DirId> {
        self.reader().children()
    }

    /// The key that all rows share, if they do; `None` also for an empty block.
    #[must_use]
    pub fn shared_key(&self) -> Option<Key> {
        let view = View::of(&self.0);
        let rows = view.len();
        let first = (rows > 0).then(|| view.key(0))?;
        let uniform = view.column(Field::Key).width == 0;
        (uniform || (1..rows).all(|i| view.key(i) == first)).then_some(first)
    }

    /// Overwrites row `i` in place when its new values fit the columns; copies the bytes only if they are shared.
    /// `row.name` must be that of row `i`. False: they do not fit, or it was a directory and is none or the other way
    /// round; nothing changed, encode anew.
    pub fn patch(&mut self, i: usize, row: &Row<'_>) -> bool {
        debug_assert_eq!(self.name(i), row.name, "a patch does not rename");
        assert!(i < self.len(), "row {i} of {}", self.len());
        edit::patch(&mut self.0, i, row)
    }

    /// This block with one more row at its place, if its values fit the columns.
    #[must_use]
    pub fn insert(&self, i: usize, row: &Row<'_>) -> Option<Self> {
        debug_assert_eq!(self.find(row.name), Err(i), "row out of place");
        assert!(i <= self.len(), "row {i} of {}", self.len());
        edit::insert(&self.0, i, row).map(Self)
    }

    /// This block without row `i`.
    #[must_use]
    pub fn remove(&self, i: usize) -> Self {
        assert!(i < self.len(), "row {i} of {}", self.len());
        edit::remove(&self.0, i)
    }

    /// The same rows with other directory ids: `child` gives the new one for each.
    #[must_use]
    pub(crate) fn with_children(&self, child: &mut dyn FnMut(DirId) -> DirId) -> Self {
        if self.dir_count() == 0 { self.clone() } else { edit::with_children(&self.0, child) }
    }

    /// This block under another own name.
    #[must_use]
    pub fn renamed(&self, own_name: &[u8]) -> Self {
        edit::renamed(&self.0, own_name)
    }

    /// Whether names and facts (not fusion's columns) of all rows are equal, compared column by column.
    #[must_use]
    pub fn same_facts(&self, other: &Self) -> bool {
        edit::same_facts(&View::of(&self.0), &View::of(&other.0))
    }

    /// Adopts a block that an agent built: all rows get this key, storage, no marks and the directory ids that `child`
    /// gives, in row order of the directories. Equal to encoding those rows.
    #[must_use]
    pub fn adopt(
        &self,
        own_name: &[u8],
        key: Key,
        storage: StorageId,
        child: &mut dyn FnMut(&[u8]) -> DirId,
    ) -> Self {
        edit::adopt(&self.0, own_name, key, storage, child)
    }

    /// The block with its header read: for looks at several rows, cheaper than the methods of the block.
    #[must_use]
    #[inline]
    pub fn reader(&self) -> BlockReader<'_> {
        BlockReader::of(&self.0)
    }

    /// The reader, for a look at row `i`, which must exist.
    #[inline]
    fn at(&self, i: usize) -> BlockReader<'_> {
        let reader = self.reader();
        assert!(i < reader.len(), "row {i} of {}", reader.len());
        reader
    }
}
