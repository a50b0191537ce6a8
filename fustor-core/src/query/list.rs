//! The entries of one directory, one page at a time.

use thiserror::Error;

use crate::id::Revision;
use crate::path::ViewPath;
use crate::query::args::ListArgs;
use crate::query::cursor::{Cursor, CursorError};
use crate::query::entry::Entry;
use crate::snapshot::{Snapshot, Trust};
use crate::time::Now;

/// Why a directory was not listed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListError {
    /// Nothing is known at the path.
    #[error("no entry at {0}")]
    NotFound(ViewPath),
    /// It has no entries.
    #[error("{0} is not a directory")]
    NotADirectory(ViewPath),
    /// A cursor that is none of this question.
    #[error(transparent)]
    Cursor(#[from] CursorError),
}

/// One page of a directory.
#[derive(Clone, Debug, PartialEq)]
pub struct ListPage {
    /// The revision that the page was answered from.
    pub revision: Revision,
    /// How far it can be trusted.
    pub trust: Trust,
    /// The directory.
    pub path: ViewPath,
    /// Its entries, by name bytes.
    pub entries: Vec<Entry>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

/// One page of the entries of a directory.
///
/// # Errors
/// [`ListError`].
pub fn list(snapshot: &Snapshot, now: Now, args: &ListArgs) -> Result<ListPage, ListError> {
    let tree = snapshot.tree();
    let row = tree.lookup(&args.path).ok_or_else(|| ListError::NotFound(args.path.clone()))?;
    if !row.facts.kind.is_dir() {
        return Err(ListError::NotADirectory(args.path.clone()));
    }
    let entries = tree.entries(row.child);
    let from = match &args.cursor {
        Some(cursor) => name_of(cursor, args)?,
        None => &[],
    };
    let mut rows = entries.find(from).into_iter().chain(entries.rows_after(from));
    let prefix = prefix(&args.path);
    let at = |name: &[u8]| [prefix, b"/", name].concat();
    let page =
        rows.by_ref().take(args.limit.get()).map(|row| Entry::of(&at(row.name), &row)).collect();
    let next =
        rows.next().map(|row| Cursor::new(snapshot.revision(), args.question(), at(row.name)));
    let trust = snapshot.trust(now, row.child);
    Ok(ListPage {
        revision: snapshot.revision(),
        trust,
        path: args.path.clone(),
        entries: page,
        next,
    })
}

/// The path of a directory as its children's paths begin, without the slash.
pub(crate) fn prefix(path: &ViewPath) -> &[u8] {
    if path.is_root() { b"" } else { path.as_bytes() }
}

fn name_of<'a>(cursor: &'a Cursor, args: &ListArgs) -> Result<&'a [u8], CursorError> {
    let name = cursor.below(args.question(), &args.path)?;
    if name.contains(&b'/') {
        return Err(CursorError::Outside(String::from_utf8_lossy(cursor.path()).into_owned()));
    }
    Ok(name)
}
