//! Everything known of one entry.

use crate::entry::Marks;
use crate::id::{DirId, Revision};
use crate::path::ViewPath;
use crate::query::entry::{Entry, NotFound};
use crate::query::trust::trust;
use crate::snapshot::{Snapshot, Trust};
use crate::time::{Now, Stamp};
use crate::tree::Totals;

/// One entry with all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    /// The entry.
    pub entry: Entry,
    /// Until when it counts as possibly incomplete.
    pub suspect_until: Option<Stamp>,
    /// Of a directory: what is below it.
    pub totals: Option<Totals>,
    /// Of a directory: when its newest complete listing began.
    pub listed_at: Option<Stamp>,
    /// The revision that this was read from.
    pub revision: Revision,
    /// How far it can be trusted.
    pub trust: Trust,
}

/// Everything known of the entry at a path.
///
/// # Errors
/// [`NotFound`] when nothing is known there.
pub fn metadata(snapshot: &Snapshot, now: Now, path: &ViewPath) -> Result<Metadata, NotFound> {
    let row = snapshot.tree().lookup(path).ok_or_else(|| NotFound(path.clone()))?;
    let meta = (row.child != DirId::NONE).then(|| snapshot.tree().meta(row.child));
    let suspect_until = if row.marks.has(Marks::SUSPECT) { deadline(snapshot, path) } else { None };
    Ok(Metadata {
        entry: Entry::of(path.as_bytes(), &row),
        suspect_until,
        totals: meta.map(|meta| meta.totals),
        listed_at: meta.map(|meta| meta.verified).filter(|at| *at > Stamp::MIN),
        revision: snapshot.revision(),
        trust: trust(snapshot, now, path),
    })
}

fn deadline(snapshot: &Snapshot, path: &ViewPath) -> Option<Stamp> {
    let (parent, name) = path.split()?;
    let dir = snapshot.tree().dir(&parent)?;
    snapshot.suspect_until(dir, name)
}
