//! A run through the rows of one block: from one row that passes, or directory, to the next.

use crate::block::{BlockReader, View};
use crate::entry::Row;
use crate::id::DirId;
use crate::query::find::Filter;

/// A position in a block, with what was found ahead of it.
pub(super) struct Run<'b> {
    block: BlockReader<'b>,
    /// The block with all columns, once a whole row was wanted.
    view: Option<View<'b>>,
    at: usize,
    /// The next row that passes, once it was looked for.
    hit: Option<usize>,
    /// The next directory to descend into, or the number of rows.
    dir: usize,
    /// How many directories stand before `dir`.
    rank: usize,
    /// Nothing below this directory is wanted.
    deepest: bool,
}

/// A row that passes, or a directory, or both.
pub(super) struct Stop {
    row: usize,
    rank: usize,
    pub(super) passes: bool,
    pub(super) dir: Option<DirId>,
}

impl<'b> Run<'b> {
    /// Stands before row `at`; `hit` and `rank` are what a run before it [`found`](Self::found).
    pub(super) fn new(
        block: BlockReader<'b>,
        at: usize,
        deepest: bool,
        hit: Option<usize>,
        rank: Option<usize>,
    ) -> Self {
        let hit = hit.filter(|hit| *hit >= at);
        let (dir, rank) = if deepest {
            (block.len(), 0)
        } else {
            (block.next_dir(at), rank.unwrap_or_else(|| block.rank(at)))
        };
        Self { block, view: None, at, hit, dir, rank, deepest }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn is_over(&self) -> bool {
        self.at >= self.block.len()
    }

    /// The next row that passes, if it is known, and how many directories stand before the position.
    pub(super) const fn found(&self) -> (Option<usize>, Option<usize>) {
        (self.hit, Some(self.rank))
    }

    /// Moves past the next row that passes or is a directory to descend into; `None`: past the last row.
    pub(super) fn advance(&mut self, filter: &Filter, path: &[u8]) -> Option<Stop> {
        let hit = match self.hit {
            Some(hit) if hit >= self.at => hit,
            Some(_) | None => filter.next(&self.block, path, self.at),
        };
        self.hit = Some(hit);
        let (row, rank) = (hit.min(self.dir), self.rank);
        if row >= self.block.len() {
            self.at = self.block.len();
            return None;
        }
        self.at = row + 1;
        let mut dir = None;
        if row == self.dir {
            dir = Some(self.block.child_at_rank(rank));
            self.dir = self.block.next_dir(self.at);
            self.rank += 1;
        }
        Some(Stop { row, rank, passes: row == hit, dir })
    }

    pub(super) fn name(&self, stop: &Stop) -> &'b [u8] {
        self.block.name(stop.row)
    }

    /// Everything known of the row.
    pub(super) fn row(&mut self, stop: &Stop) -> Row<'b> {
        let view = self.view.get_or_insert_with(|| View::from(self.block));
        if self.deepest {
            // Directories were not counted on the way.
            return view.row(stop.row);
        }
        view.row_with(stop.row, view.name_start(stop.row), stop.rank)
    }
}
