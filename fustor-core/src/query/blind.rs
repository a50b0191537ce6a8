//! What came, changed or went without an event: known by scans only.

use std::ops::ControlFlow;

use crate::entry::Marks;
use crate::id::{DirId, Revision};
use crate::path::ViewPath;
use crate::query::args::Limit;
use crate::query::entry::Entry;
use crate::query::find::{Filter, Finder, Progress, SLICE_ROWS};
use crate::snapshot::Snapshot;
use crate::time::Now;

/// How much is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlindArgs {
    /// At most so many additions, and as many deletions.
    pub limit: Limit,
}

/// The blind spots of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlindSpots {
    /// Additions and changes altogether.
    pub additions_count: u64,
    /// The first of them, in path order.
    pub additions: Vec<Entry>,
    /// Deletions altogether, with those that were dropped from the log.
    pub deletion_count: u64,
    /// Paths of the first of them.
    pub deletions: Vec<ViewPath>,
    /// Whether there is more than is listed.
    pub truncated: bool,
    /// The revision that this was read from.
    pub revision: Revision,
}

/// The blind spots of a view; only directories that hold some below them are walked.
#[must_use]
pub fn blind_spots(snapshot: &Snapshot, _now: Now, args: &BlindArgs) -> BlindSpots {
    let limit = args.limit.get();
    let additions = additions(snapshot, limit);
    let additions_count = u64::from(snapshot.tree().meta(DirId::ROOT).totals.blind);
    let kept = snapshot.blind_deletion_count() as u64;
    let deletion_count = kept + snapshot.blind_deletions_dropped();
    let deletions: Vec<ViewPath> =
        snapshot.blind_deletions().take(limit).map(|deletion| deletion.path.clone()).collect();
    let truncated =
        (additions.len() as u64) < additions_count || (deletions.len() as u64) < deletion_count;
    BlindSpots {
        additions_count,
        additions,
        deletion_count,
        deletions,
        truncated,
        revision: snapshot.revision(),
    }
}

fn additions(snapshot: &Snapshot, limit: usize) -> Vec<Entry> {
    let mut found = Vec::new();
    if snapshot.tree().meta(DirId::ROOT).totals.blind == 0 {
        return found;
    }
    let mut finder =
        Finder::over(snapshot, Filter::marked(Marks::BLIND), &ViewPath::root(), DirId::ROOT);
    loop {
        let progress = finder.step(SLICE_ROWS, &mut |path, row| {
            found.push(Entry::of(path, row));
            if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if progress == Progress::Done || found.len() >= limit {
            return found;
        }
    }
}
