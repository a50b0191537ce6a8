//! What agents of 0.8 are asked to look at: files that may be incomplete, and paths that their last audit lacked.

use crate::entry::{Marks, Row};
use crate::id::{DirId, Revision, StorageId};
use crate::path::ViewPath;
use crate::query::args::Limit;
use crate::query::list::prefix;
use crate::snapshot::Snapshot;
use crate::time::{Now, Stamp};

/// Which page is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentinelArgs {
    /// Paths of the page.
    pub limit: Limit,
    /// How many to pass over.
    pub offset: usize,
    /// Only what this storage has told; `None`: all of them.
    pub storage: Option<StorageId>,
}

/// One page of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentinelPage {
    /// The paths, the earliest deadlines first, then what the oldest audits lacked.
    pub paths: Vec<ViewPath>,
    /// The offset of the next page; `None` after the last.
    pub next: Option<usize>,
    /// The revision that this was read from.
    pub revision: Revision,
}

/// One page of what agents of 0.8 should look at: suspects of which such an agent spoke last, and what only such agents
/// have told of and the last audit that read its directory lacked. Names that are not UTF-8 are left out: those agents
/// cannot be asked about them.
#[must_use]
pub fn sentinel(snapshot: &Snapshot, _now: Now, args: &SentinelArgs) -> SentinelPage {
    let mut due = suspects(snapshot, args).chain(absent(snapshot, args)).skip(args.offset);
    let paths = due.by_ref().take(args.limit.get()).collect();
    let next = due.next().map(|_| args.offset + args.limit.get());
    SentinelPage { paths, next, revision: snapshot.revision() }
}

fn suspects(snapshot: &Snapshot, args: &SentinelArgs) -> impl Iterator<Item = ViewPath> {
    let (tree, of) = (snapshot.tree(), args.storage);
    snapshot.suspects().filter_map(move |suspect| {
        let row = tree.entries(suspect.dir).find(suspect.name)?;
        if of.is_some_and(|storage| storage != row.storage) {
            return None;
        }
        snapshot
            .is_told_by_legacy(&row)
            .then(|| path(snapshot, suspect.dir, suspect.name))
            .flatten()
    })
}

fn absent(snapshot: &Snapshot, args: &SentinelArgs) -> impl Iterator<Item = ViewPath> {
    let tree = snapshot.tree();
    let lacks = move |row: &Row<'_>, since: Stamp| {
        let below = (row.child != DirId::NONE).then(|| tree.meta(row.child).presence);
        let seen = row.key.max(below.unwrap_or_default());
        // A suspect is among the others already.
        seen.stamp() < since && row.facts.is_hearsay() && !row.marks.has(Marks::SUSPECT)
    };
    let rows = snapshot.lacking(args.storage).flat_map(move |(dir, since)| {
        tree.entries(dir).rows().filter(move |row| lacks(row, since)).map(move |row| (dir, row))
    });
    rows.filter_map(move |(dir, row)| path(snapshot, dir, row.name))
}

fn path(snapshot: &Snapshot, dir: DirId, name: &[u8]) -> Option<ViewPath> {
    let dir = snapshot.tree().path_of(dir)?;
    let bytes = [prefix(&dir), b"/", name].concat();
    std::str::from_utf8(&bytes).ok()?;
    ViewPath::parse(&bytes).ok()
}
