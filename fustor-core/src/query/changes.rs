//! What differs between two snapshots of one view.

use crate::entry::Row;
use crate::id::{DirId, Revision};
use crate::path::ViewPath;
use crate::query::args::Limit;
use crate::query::list::prefix;
use crate::snapshot::Snapshot;
use crate::tree::{Change, Tree};

/// What happened to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// It is new, or other than it was.
    Upsert,
    /// It is gone, with all below it.
    Remove,
    /// A directory has this path now, with all below it; it had another.
    Rename {
        /// The path it had.
        from: ViewPath,
    },
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// What happened.
    pub op: Op,
    /// To which path.
    pub path: Box<[u8]>,
}

/// What differs between two snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The older revision.
    pub from: Revision,
    /// The newer one.
    pub to: Revision,
    /// The differences, as many as were wanted.
    pub changes: Vec<Changed>,
    /// Differences that there was no room for.
    pub omitted: u64,
}

/// What differs between two snapshots of one view. Renames come before what changed below them. That an entry was
/// seen again as it was is no difference.
#[must_use]
pub fn changes(older: &Snapshot, newer: &Snapshot, limit: Limit) -> Changes {
    let (old, new) = (older.tree(), newer.tree());
    let mut answer =
        Changes { from: older.revision(), to: newer.revision(), changes: Vec::new(), omitted: 0 };
    old.diff(new, &mut |change| {
        let Some(changed) = changed(old, new, change) else { return };
        if answer.changes.len() < limit.get() {
            answer.changes.push(changed);
        } else {
            answer.omitted += 1;
        }
    });
    answer.changes.sort_by_key(|changed| !matches!(changed.op, Op::Rename { .. }));
    answer
}

/// `None`: it is nothing to tell, or the directory is not attached on its side, so nobody knows it by a path.
fn changed(old: &Tree, new: &Tree, change: Change<'_>) -> Option<Changed> {
    match change {
        // Only the key is newer.
        Change::Upsert { row, was: Some(was), .. } if Row { key: was.key, ..row } == was => None,
        Change::Upsert { dir, row, .. } => {
            Some(Changed { op: Op::Upsert, path: path(new, dir, row.name)? })
        }
        Change::Remove { dir, row } => {
            Some(Changed { op: Op::Remove, path: path(old, dir, row.name)? })
        }
        Change::Rename { id } => {
            let path = Box::from(new.path_of(id)?.as_bytes());
            Some(Changed { op: Op::Rename { from: old.path_of(id)? }, path })
        }
    }
}

fn path(tree: &Tree, dir: DirId, name: &[u8]) -> Option<Box<[u8]>> {
    if name.is_empty() {
        return Some(Box::from(&b"/"[..]));
    }
    let dir = tree.path_of(dir)?;
    Some([prefix(&dir), b"/", name].concat().into_boxed_slice())
}
