//! The entries that may be incomplete, earliest deadline first.

use crate::id::{DirId, Revision};
use crate::query::args::Limit;
use crate::query::list::prefix;
use crate::snapshot::Snapshot;
use crate::time::{Now, Stamp};

/// Which page is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SuspectArgs {
    /// Entries of the page.
    pub limit: Limit,
    /// How many to pass over; at most the view's `max_suspects` are ever there.
    pub offset: usize,
}

/// One page of suspects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuspectList {
    /// Path and deadline.
    pub suspects: Vec<(Box<[u8]>, Stamp)>,
    /// The offset of the next page, if there is one.
    pub next: Option<usize>,
    /// The revision that this was read from.
    pub revision: Revision,
}

/// One page of the entries that may be incomplete.
#[must_use]
pub fn suspects(snapshot: &Snapshot, _now: Now, args: &SuspectArgs) -> SuspectList {
    let tree = snapshot.tree();
    let mut known: Option<(DirId, Option<Vec<u8>>)> = None;
    let mut page = Vec::new();
    let mut rest = snapshot.suspects().skip(args.offset);
    for suspect in rest.by_ref().take(args.limit.get()) {
        // Suspects come in bursts of one directory.
        if known.as_ref().is_none_or(|(dir, _)| *dir != suspect.dir) {
            known =
                Some((suspect.dir, tree.path_of(suspect.dir).map(|path| prefix(&path).to_vec())));
        }
        if let Some((_, Some(dir))) = &known {
            // Without a name the directory as a whole is meant.
            let path = match (dir.is_empty(), suspect.name) {
                (false, b"") => dir.clone(),
                (_, name) => [dir, &b"/"[..], name].concat(),
            };
            page.push((path.into_boxed_slice(), suspect.until));
        }
    }
    let next = rest.next().map(|_| args.offset + args.limit.get());
    SuspectList { suspects: page, next, revision: snapshot.revision() }
}
