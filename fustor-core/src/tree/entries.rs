//! The rows of one directory: one block, or for a huge directory a sequence of blocks under a persistent index.

use std::ops::Bound;
use std::sync::Arc;

use im::OrdMap;

use crate::block::{Block, CHUNK_ROWS};
use crate::entry::Row;
use crate::id::DirId;

/// Rows in each block when a directory outgrows one: three quarters full, so that the next insertions fit.
const FILL_ROWS: usize = CHUNK_ROWS * 3 / 4;

/// The rows of one directory, ascending by name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub enum Entries {
    /// The id is free.
    #[default]
    Vacant,
    /// At most [`CHUNK_ROWS`] rows.
    One(Block),
    /// More rows than fit into one block, or a directory that once had as many.
    Many(Arc<Chunks>),
}

/// The blocks of a huge directory by their lower fence: a name that is not greater than the block's first name and
/// greater than every name of the block before. The first fence is empty.
#[derive(Clone, Debug)]
pub struct Chunks {
    own_name: Arc<[u8]>,
    len: usize,
    blocks: OrdMap<Arc<[u8]>, Block>,
}

impl Entries {
    /// A directory without rows.
    pub(crate) fn empty(own_name: &[u8]) -> Self {
        Self::One(Block::encode(own_name, &[]))
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Vacant => 0,
            Self::One(block) => block.len(),
            Self::Many(chunks) => chunks.len,
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The directory's own name; empty for the root.
    #[must_use]
    pub fn own_name(&self) -> &[u8] {
        match self {
            Self::Vacant => b"",
            Self::One(block) => block.own_name(),
            Self::Many(chunks) => &chunks.own_name,
        }
    }

    /// The row with this name.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<Row<'_>> {
        self.look(name).1
    }

    /// The row with this name, and where in its block it stands or would stand, for [`Self::put_near`].
    pub(crate) fn look(&self, name: &[u8]) -> (usize, Option<Row<'_>>) {
        let Some(block) = self.block_for(name) else { return (0, None) };
        let reader = block.reader();
        match reader.find(name) {
            Ok(i) => (i, Some(reader.row(i))),
            Err(i) => (i, None),
        }
    }

    /// The directory of this name; `None` when there is no entry of the name, or none that is a directory.
    #[must_use]
    pub fn find_dir(&self, name: &[u8]) -> Option<DirId> {
        let block = self.block_for(name)?.reader();
        let child = block.child(block.find(name).ok()?);
        (child != DirId::NONE).then_some(child)
    }

    /// The blocks in name order.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        let (one, many) = match self {
            Self::Vacant => (None, None),
            Self::One(block) => (Some(block), None),
            Self::Many(chunks) => (None, Some(chunks.blocks.values())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The rows in name order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.blocks().flat_map(Block::rows)
    }

    /// The rows whose names are strictly greater than `name`, in order.
    pub fn rows_after<'a>(&'a self, name: &[u8]) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let first = self.block_for(name);
        let skip = first.map_or(0, |block| block.find(name).map_or_else(|i| i, |i| i + 1));
        let rest = match self {
            Self::Many(chunks) => {
                Some(chunks.blocks.range::<_, [u8]>((Bound::Excluded(name), Bound::Unbounded)))
            }
            Self::Vacant | Self::One(_) => None,
        };
        let rest = rest.into_iter().flatten().map(|(_, block)| block).flat_map(Block::rows);
        first
            .into_iter()
            .flat_map(move |block| (skip..block.len()).map(|i| block.row(i)))
            .chain(rest)
    }

    /// Whether both are the same value by address, so that nothing below can differ.
    #[must_use]
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Vacant, Self::Vacant) => true,
            (Self::One(a), Self::One(b)) => std::ptr::eq(a.as_bytes(), b.as_bytes()),
            (Self::Many(a), Self::Many(b)) => Arc::ptr_eq(a, b),
            (Self::Vacant | Self::One(_) | Self::Many(_), _) => false,
        }
    }

    /// The block in which a row of this name stands or would stand.
    fn block_for(&self, name: &[u8]) -> Option<&Block> {
        match self {
            Self::Vacant => None,
            Self::One(block) => Some(block),
            Self::Many(chunks) => chunks.blocks.get_prev(name).map(|(_, block)| block),
        }
    }

    /// Inserts the row or replaces the one of its name.
    pub(crate) fn put(&mut self, row: &Row<'_>) {
        self.put_near(row, 0);
    }

    /// The same; `hint` is where in its block the row probably stands or goes.
    pub(crate) fn put_near(&mut self, row: &Row<'_>, hint: usize) {
        match self {
            Self::Vacant => {}
            Self::One(block) => {
                if let Some(halves) = put_in_block(block, row, hint) {
                    *self = Self::Many(Arc::new(Chunks::of(block.own_name(), halves)));
                }
            }
            Self::Many(chunks) => Arc::make_mut(chunks).put(row, hint),
        }
    }

    /// Removes the row of this name, if there is one.
    pub(crate) fn remove(&mut self, name: &[u8]) {
        match self {
            Self::Vacant => {}
            Self::One(block) => {
                if let Ok(i) = block.find(name) {
                    *block = block.remove(i);
                }
            }
            Self::Many(chunks) => Arc::make_mut(chunks).remove(name),
        }
    }

    /// Gives the directory another own name.
    pub(crate) fn rename(&mut self, own_name: &[u8]) {
        match self {
            Self::Vacant => {}
            Self::One(block) => *block = block.renamed(own_name),
            Self::Many(chunks) => Arc::make_mut(chunks).own_name = Arc::from(own_name),
        }
    }

    /// The same rows with other directory ids: `child` gives the new one for each. Blocks without directories are
    /// shared.
    pub(crate) fn with_children(&self, child: &mut dyn FnMut(DirId) -> DirId) -> Self {
        match self {
            Self::Vacant => Self::Vacant,
            Self::One(block) => Self::One(block.with_children(child)),
            Self::Many(chunks) => {
                let Chunks { own_name, len, blocks } = &**chunks;
                let blocks = blocks
                    .iter()
                    .map(|(fence, block)| (Arc::clone(fence), block.with_children(child)))
                    .collect();
                Self::Many(Arc::new(Chunks { own_name: Arc::clone(own_name), len: *len, blocks }))
            }
        }
    }

    /// A directory of these blocks, ascending and disjoint.
    pub(crate) fn of_blocks(own_name: &[u8], blocks: Vec<Block>) -> Self {
        match <[Block; 1]>::try_from(blocks) {
            Ok([block]) => Self::One(block),
            Err(blocks) if blocks.is_empty() => Self::empty(own_name),
            Err(blocks) => Self::Many(Arc::new(Chunks::of(own_name, blocks))),
        }
    }
}

impl Chunks {
    fn of(own_name: &[u8], blocks: Vec<Block>) -> Self {
        let len = blocks.iter().map(Block::len).sum();
        let fenced =
            blocks.into_iter().enumerate().map(|(k, block)| (fence(k, &block), block)).collect();
        Self { own_name: Arc::from(own_name), len, blocks: fenced }
    }

    fn put(&mut self, row: &Row<'_>, hint: usize) {
        let Some((fence, block)) = self.blocks.get_prev_mut(row.name) else { return };
        let before = block.len();
        let fence = Arc::clone(fence);
        match put_in_block(block, row, hint) {
            None => self.len = self.len - before + block.len(),
            Some(halves) => {
                self.len = self.len - before + halves.iter().map(Block::len).sum::<usize>();
                for (k, half) in halves.into_iter().enumerate() {
                    let fence = if k == 0 { Arc::clone(&fence) } else { Arc::from(half.name(0)) };
                    self.blocks.insert(fence, half);
                }
            }
        }
    }

    fn remove(&mut self, name: &[u8]) {
        let Some((fence, block)) = self.blocks.get_prev_mut(name) else { return };
        let Ok(i) = block.find(name) else { return };
        *block = block.remove(i);
        self.len -= 1;
        if block.is_empty() && !fence.is_empty() {
            let fence = Arc::clone(fence);
            self.blocks.remove(&fence);
        }
    }
}

fn fence(k: usize, block: &Block) -> Arc<[u8]> {
    if k == 0 { Arc::from(&b""[..]) } else { Arc::from(block.name(0)) }
}

/// Puts one row into a block; gives the parts when it no longer fits into one.
fn put_in_block(block: &mut Block, row: &Row<'_>, hint: usize) -> Option<Vec<Block>> {
    let place = block.reader().find_near(row.name, hint);
    match place {
        Ok(i) => {
            if block.patch(i, row) {
                return None;
            }
        }
        Err(i) if block.len() < CHUNK_ROWS => {
            if let Some(longer) = block.insert(i, row) {
                *block = longer;
                return None;
            }
        }
        Err(_) => {}
    }
    let mut rows: Vec<Row<'_>> = block.rows().collect();
    match place {
        Ok(i) => rows[i] = *row,
        Err(i) => rows.insert(i, *row),
    }
    if rows.len() <= CHUNK_ROWS {
        let encoded = Block::encode(block.own_name(), &rows);
        *block = encoded;
        return None;
    }
    let half = rows.len() / 2;
    Some(vec![
        Block::encode(block.own_name(), &rows[..half]),
        Block::encode(block.own_name(), &rows[half..]),
    ])
}

/// Collects rows that come in ascending order into blocks, holding at most one block's rows at a time.
pub(crate) struct EntriesBuilder<'a> {
    own_name: &'a [u8],
    full: Vec<Block>,
    rows: Vec<Row<'a>>,
}

impl<'a> EntriesBuilder<'a> {
    pub(crate) fn new(own_name: &'a [u8], expected: usize) -> Self {
        Self { own_name, full: Vec::new(), rows: Vec::with_capacity(expected.min(CHUNK_ROWS + 1)) }
    }

    pub(crate) fn push(&mut self, row: Row<'a>) {
        self.rows.push(row);
        if self.rows.len() > CHUNK_ROWS {
            self.full.push(Block::encode(self.own_name, &self.rows[..FILL_ROWS]));
            self.rows.drain(..FILL_ROWS);
        }
    }

    pub(crate) fn finish(mut self) -> Entries {
        if !self.rows.is_empty() || self.full.is_empty() {
            self.full.push(Block::encode(self.own_name, &self.rows));
        }
        Entries::of_blocks(self.own_name, self.full)
    }
}
