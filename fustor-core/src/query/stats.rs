//! Counts of a view and of a subtree, read from the aggregates.

use crate::id::{DirId, Revision};
use crate::path::ViewPath;
use crate::query::entry::NotFound;
use crate::query::trust::trust;
use crate::snapshot::{Snapshot, Trust};
use crate::time::{Now, Stamp, StorageTime};

/// What `/stats` of 0.8 says of a view.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// Entries that are not directories.
    pub total_files: u64,
    /// Directories, with the root.
    pub total_directories: u64,
    /// Sum of the sizes of all entries that are not directories.
    pub total_size: u64,
    /// How long the last event took from its observation to the tree, in nanoseconds.
    pub lag_ns: i64,
    /// How far the view lies behind the storage: the lag, or the time since the last agent went, in nanoseconds.
    pub staleness_ns: i64,
    /// Whether anything is known by scans only.
    pub has_blind_spot: bool,
    /// Entries that may be incomplete.
    pub suspect_file_count: u64,
    /// The storage's now, or fusion's while that is not known.
    pub logical_now: i64,
    /// When the last scan of the whole tree ended.
    pub last_audit_finished_at: Option<Stamp>,
    /// Scans of the whole tree so far.
    pub audit_cycle_count: u64,
    /// Whether one is going on.
    pub is_auditing: bool,
    /// Whether rows were refused for want of room.
    pub truncated: bool,
    /// The revision that this was read from.
    pub revision: Revision,
}

/// The counts of the whole view. `lag_ns` is how long the last applied event took from its observation, which the shell
/// measures.
#[must_use]
pub fn stats(snapshot: &Snapshot, now: Now, lag_ns: Option<i64>) -> Stats {
    let totals = &snapshot.tree().meta(DirId::ROOT).totals;
    let cycles = snapshot.cycles();
    let lag_ns = lag_ns.unwrap_or(0).max(0);
    let alone = snapshot.stale_since().map_or(0, |since| now.wall.since(since));
    Stats {
        total_files: totals.files,
        total_directories: totals.dirs + 1,
        total_size: totals.bytes,
        lag_ns,
        staleness_ns: lag_ns.max(alone),
        has_blind_spot: totals.blind > 0 || snapshot.blind_deletions().next().is_some(),
        suspect_file_count: u64::from(totals.suspects),
        logical_now: snapshot.storage_now(now).map_or(now.wall.0, |(storage, _)| storage.0),
        last_audit_finished_at: cycles.last_end,
        audit_cycle_count: cycles.completed,
        is_auditing: cycles.running_since.is_some(),
        truncated: snapshot.truncated(),
        revision: snapshot.revision(),
    }
}

/// The totals of one path and everything below it.
#[derive(Clone, Debug, PartialEq)]
pub struct SubtreeStats {
    /// The path.
    pub path: ViewPath,
    /// Entries that are not directories, at the path or below it.
    pub file_count: u64,
    /// Directories below the path.
    pub dir_count: u64,
    /// Sum of the sizes of the files.
    pub total_size: u64,
    /// Newest mtime of a file; `None` without files.
    pub latest_mtime: Option<StorageTime>,
    /// When anything here last changed; `None` when nothing was seen to.
    pub last_change: Option<Stamp>,
    /// Entries that may be incomplete.
    pub suspect_count: u64,
    /// Entries known by scans only.
    pub blind_spot_count: u64,
    /// Directories that owe a listing because of a gap.
    pub gap_count: u64,
    /// Directories that were never listed completely.
    pub unlisted_count: u64,
    /// Directories that are not watched or cannot be read.
    pub uncovered_count: u64,
    /// The revision that this was read from.
    pub revision: Revision,
    /// How far it can be trusted.
    pub trust: Trust,
}

/// The totals of a path, in O(depth).
///
/// # Errors
/// [`NotFound`] when nothing is known there.
pub fn subtree_stats(
    snapshot: &Snapshot,
    now: Now,
    path: &ViewPath,
) -> Result<SubtreeStats, NotFound> {
    let row = snapshot.tree().lookup(path).ok_or_else(|| NotFound(path.clone()))?;
    let blank = SubtreeStats {
        path: path.clone(),
        file_count: 0,
        dir_count: 0,
        total_size: 0,
        latest_mtime: None,
        last_change: None,
        suspect_count: 0,
        blind_spot_count: 0,
        gap_count: 0,
        unlisted_count: 0,
        uncovered_count: 0,
        revision: snapshot.revision(),
        trust: trust(snapshot, now, path),
    };
    if row.child == DirId::NONE {
        return Ok(SubtreeStats {
            file_count: 1,
            total_size: row.facts.size,
            latest_mtime: Some(row.facts.mtime),
            suspect_count: u64::from(row.marks.has(crate::entry::Marks::SUSPECT)),
            blind_spot_count: u64::from(row.marks.has(crate::entry::Marks::BLIND)),
            ..blank
        });
    }
    let totals = &snapshot.tree().meta(row.child).totals;
    let newest =
        if totals.files == 0 { None } else { Some(snapshot.tree().newest_mtime(row.child)) };
    Ok(SubtreeStats {
        file_count: totals.files,
        dir_count: totals.dirs,
        total_size: totals.bytes,
        latest_mtime: newest,
        last_change: (totals.last_change > Stamp::MIN).then_some(totals.last_change),
        suspect_count: u64::from(totals.suspects),
        blind_spot_count: u64::from(totals.blind),
        gap_count: u64::from(totals.gaps),
        unlisted_count: u64::from(totals.unlisted),
        uncovered_count: u64::from(totals.uncovered),
        ..blank
    })
}
