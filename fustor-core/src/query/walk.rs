//! A walk over the rows of a subtree in path order that can stop anywhere and go on later: it owns what it stands on.

use crate::block::Block;
use crate::id::DirId;
use crate::tree::{Entries, Tree};

/// A position among the rows of one directory. Holds the blocks by reference count, so it outlives the borrow of the
/// tree; a directory of ten million entries costs 20 000 references.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowCursor {
    /// The block of the next row; never an empty one.
    block: Option<Block>,
    at: usize,
    /// The blocks after it, the next one last.
    rest: Vec<Block>,
}

impl RowCursor {
    /// Before the first row.
    pub(crate) fn open(entries: &Entries) -> Self {
        let mut blocks = entries.blocks().filter(|block| !block.is_empty());
        let block = blocks.next().cloned();
        let mut rest: Vec<Block> = blocks.cloned().collect();
        rest.reverse();
        Self { block, at: 0, rest }
    }

    /// Before the first row whose name is not less than `name`. True: it has that name.
    pub(crate) fn seek(&mut self, name: &[u8]) -> bool {
        while let Some(block) = &self.block {
            match block.find(name) {
                Ok(i) => {
                    self.at = i;
                    return true;
                }
                Err(i) if i < block.len() => {
                    self.at = i;
                    return false;
                }
                Err(_) => self.drop_block(),
            }
        }
        false
    }

    /// The block of the next row and that row's index in it.
    pub(crate) fn peek(&self) -> Option<(&Block, usize)> {
        self.block.as_ref().map(|block| (block, self.at))
    }

    /// Moves to row `i` of the current block, or past it.
    pub(crate) fn go_to(&mut self, i: usize) {
        self.at = i;
        if self.block.as_ref().is_some_and(|block| i >= block.len()) {
            self.drop_block();
        }
    }

    fn drop_block(&mut self) {
        self.block = self.rest.pop();
        self.at = 0;
    }
}

/// Visits the directories of a subtree, `dir` first, until `visit` says to stop or not to descend.
pub(crate) fn directories(tree: &Tree, dir: DirId, visit: &mut dyn FnMut(DirId, usize) -> Descent) {
    let mut waiting = vec![(dir, 0)];
    while let Some((dir, depth)) = waiting.pop() {
        match visit(dir, depth) {
            Descent::Into => {
                let children = tree.entries(dir).blocks().flat_map(Block::children);
                waiting.extend(children.map(|child| (child, depth + 1)));
            }
            Descent::Skip => {}
            Descent::Stop => return,
        }
    }
}

/// Where a visit of directories goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Descent {
    /// To its subdirectories.
    Into,
    /// Past them.
    Skip,
    /// Nowhere.
    Stop,
}
