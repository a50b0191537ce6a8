//! The directory block: the rows of one directory in one immutable byte string, the same on the agent, on the wire,
//! in the tree and in a checkpoint.

use std::sync::Arc;

use crate::entry::{Facts, Kind, Marks, Row};
use crate::id::{DirId, StorageId};
use crate::key::Key;

/// At most this many rows go into one block; a larger directory is a sequence of blocks.
pub const CHUNK_ROWS: usize = 512;

/// The rows of one directory, ascending by name. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block(Arc<[u8]>);

/// Why bytes are not a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Shorter than its own header says.
    #[error("block ends at byte {at}")]
    Truncated {
        /// Where a field was expected.
        at: usize,
    },
}

impl Block {
    /// Validates bytes from a peer or a disk: header, lengths, order, names, ids. Everything afterwards trusts them.
    ///
    /// # Errors
    /// [`BlockError`] naming what is wrong and where.
    pub fn parse(_bytes: &[u8]) -> Result<Self, BlockError> {
        unimplemented!()
    }

    /// Encodes rows, ascending by name, in the one canonical form: equal rows give equal bytes.
    #[must_use]
    pub fn encode(_own_name: &[u8], _rows: &[Row<'_>]) -> Self {
        unimplemented!()
    }

    /// The encoded bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        unimplemented!()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of rows that are directories.
    #[must_use]
    pub fn dir_count(&self) -> usize {
        unimplemented!()
    }

    /// The directory's own name; empty for the root.
    #[must_use]
    pub fn own_name(&self) -> &[u8] {
        unimplemented!()
    }

    /// The name of row `i`.
    #[must_use]
    pub fn name(&self, _i: usize) -> &[u8] {
        unimplemented!()
    }

    /// All names, concatenated in row order without separators, for substring search.
    #[must_use]
    pub fn names(&self) -> &[u8] {
        unimplemented!()
    }

    /// The row whose name holds byte `at` of [`Self::names`].
    #[must_use]
    pub fn row_at(&self, _at: usize) -> usize {
        unimplemented!()
    }

    /// Where in [`Self::names`] the name of row `i` ends.
    #[must_use]
    pub fn name_end(&self, _i: usize) -> usize {
        unimplemented!()
    }

    /// The row with this name, or where it would be inserted.
    ///
    /// # Errors
    /// The index at which a row of that name would stand.
    pub fn find(&self, _name: &[u8]) -> Result<usize, usize> {
        unimplemented!()
    }

    /// Everything known of row `i`.
    #[must_use]
    pub fn row(&self, _i: usize) -> Row<'_> {
        unimplemented!()
    }

    /// The rows in order; cheaper than [`Self::row`] for each.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).map(|i| self.row(i))
    }

    /// The facts of row `i`.
    #[must_use]
    pub fn facts(&self, i: usize) -> Facts {
        self.row(i).facts
    }

    /// The kind of row `i`.
    #[must_use]
    pub fn kind(&self, _i: usize) -> Kind {
        unimplemented!()
    }

    /// The size of row `i` in bytes.
    #[must_use]
    pub fn size(&self, _i: usize) -> u64 {
        unimplemented!()
    }

    /// The key of row `i`.
    #[must_use]
    pub fn key(&self, _i: usize) -> Key {
        unimplemented!()
    }

    /// The marks of row `i`.
    #[must_use]
    pub fn marks(&self, _i: usize) -> Marks {
        unimplemented!()
    }

    /// The directory id of row `i`; [`DirId::NONE`] when it is not a directory.
    #[must_use]
    pub fn child(&self, _i: usize) -> DirId {
        unimplemented!()
    }

    /// The ids of all directories among the rows, in row order.
    pub fn children(&self) -> impl Iterator<Item = DirId> {
        (0..self.len()).map(|i| self.child(i)).filter(|id| *id != DirId::NONE)
    }

    /// The key that all rows share, if they do; `None` also for an empty block.
    #[must_use]
    pub fn shared_key(&self) -> Option<Key> {
        unimplemented!()
    }

    /// Overwrites row `i` in place when its new values fit the columns; copies the bytes only if they are shared.
    /// `row.name` and whether it is a directory must be those of row `i`. False: nothing changed, encode anew.
    pub fn patch(&mut self, _i: usize, _row: &Row<'_>) -> bool {
        unimplemented!()
    }

    /// This block with one more row at its place, if its values fit the columns and it is not a directory.
    #[must_use]
    pub fn insert(&self, _i: usize, _row: &Row<'_>) -> Option<Self> {
        unimplemented!()
    }

    /// This block without row `i`.
    #[must_use]
    pub fn remove(&self, _i: usize) -> Self {
        unimplemented!()
    }

    /// This block under another own name.
    #[must_use]
    pub fn renamed(&self, _own_name: &[u8]) -> Self {
        unimplemented!()
    }

    /// Whether names and facts (not fusion's columns) of all rows are equal, compared column by column.
    #[must_use]
    pub fn same_facts(&self, _other: &Self) -> bool {
        unimplemented!()
    }

    /// Adopts a block that an agent built: all rows get this key, storage, no marks and the directory ids that `child`
    /// gives, in row order of the directories. Equal to encoding those rows.
    #[must_use]
    pub fn adopt(
        &self,
        _own_name: &[u8],
        _key: Key,
        _storage: StorageId,
        _child: &mut dyn FnMut(&[u8]) -> DirId,
    ) -> Self {
        unimplemented!()
    }
}
