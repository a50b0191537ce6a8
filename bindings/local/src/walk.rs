//! Walking a snapshot batch by batch: it owns what it stands on, so it may outlive the view and change threads.

use std::ops::ControlFlow;

use fustor_core::Snapshot;
use fustor_core::query::{Entry, FindArgs, FindError, Finder, Progress};

/// Rows that are looked at between two entries at most, before the caller may look up.
const STEP_ROWS: usize = 65_536;

/// The entries below a directory that satisfy conditions, in path order, a directory before what it holds.
#[derive(Clone)]
pub struct Walk {
    finder: Finder,
    over: bool,
}

impl Walk {
    /// Stands before the first entry. Limit and cursor of the conditions count for pages only.
    ///
    /// # Errors
    /// [`FindError`]: the path, a pattern or a contradiction.
    pub fn new(snapshot: &Snapshot, args: &FindArgs) -> Result<Self, FindError> {
        Ok(Self { finder: Finder::new(snapshot, args)?, over: false })
    }

    /// The next entries: at most `max`, and none only when there are no more.
    pub fn next_batch(&mut self, max: usize) -> Vec<Entry> {
        let mut batch = Vec::new();
        while !self.over && batch.is_empty() && max > 0 {
            let progress = self.finder.step(STEP_ROWS, &mut |path, row| {
                batch.push(Entry::of(path, row));
                if batch.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            self.over = progress == Progress::Done;
        }
        batch
    }
}
