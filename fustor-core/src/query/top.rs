//! The biggest or busiest children of a directory, from the aggregates.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::entry::Row;
use crate::id::{DirId, Revision};
use crate::path::ViewPath;
use crate::query::args::{ArgError, Limit};
use crate::query::entry::Entry;
use crate::query::list::{ListError, prefix};
use crate::snapshot::{Snapshot, Trust};
use crate::time::Now;
use crate::tree::Tree;

/// What makes a child great.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopBy {
    /// Bytes below it, or its own.
    Size,
    /// Entries below it that are not directories; 1 for such an entry itself.
    Files,
    /// When anything below it last changed; the time of observation for what is not a directory.
    Change,
}

impl TopBy {
    /// Reads the name of a measure.
    ///
    /// # Errors
    /// [`ArgError::By`] when there is no such measure.
    pub fn parse(text: &str) -> Result<Self, ArgError> {
        match text {
            "size" => Ok(Self::Size),
            "files" => Ok(Self::Files),
            "change" => Ok(Self::Change),
            other => Err(ArgError::By(other.to_owned())),
        }
    }

    fn measure(self, tree: &Tree, row: &Row<'_>) -> i128 {
        let totals = (row.child != DirId::NONE).then(|| &tree.meta(row.child).totals);
        match self {
            Self::Size => i128::from(totals.map_or(row.facts.size, |totals| totals.bytes)),
            Self::Files => i128::from(totals.map_or(1, |totals| totals.files)),
            Self::Change => {
                i128::from(totals.map_or(row.key.stamp(), |totals| totals.last_change).0)
            }
        }
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopArgs {
    /// The directory.
    pub path: ViewPath,
    /// What makes a child great.
    pub by: TopBy,
    /// How many are wanted.
    pub limit: Limit,
}

/// The greatest children of a directory.
#[derive(Clone, Debug, PartialEq)]
pub struct TopPage {
    /// The directory.
    pub path: ViewPath,
    /// The measure.
    pub by: TopBy,
    /// The children with their measures, the greatest first, equal ones by name.
    pub entries: Vec<(i128, Entry)>,
    /// The revision that this was read from.
    pub revision: Revision,
    /// How far it can be trusted.
    pub trust: Trust,
}

/// A measure and a name; the least one of a heap is its top, and of equal measures the later name is less.
type Ranked<'a> = Reverse<(i128, Reverse<&'a [u8]>)>;

/// The greatest children of a directory: O(children), whatever lies below them.
///
/// # Errors
/// [`ListError::NotFound`] and [`ListError::NotADirectory`].
pub fn top(snapshot: &Snapshot, now: Now, args: &TopArgs) -> Result<TopPage, ListError> {
    let tree = snapshot.tree();
    let row = tree.lookup(&args.path).ok_or_else(|| ListError::NotFound(args.path.clone()))?;
    if row.child == DirId::NONE {
        return Err(ListError::NotADirectory(args.path.clone()));
    }
    let entries = tree.entries(row.child);
    let mut best: BinaryHeap<Ranked<'_>> = BinaryHeap::new();
    for child in entries.rows() {
        best.push(Reverse((args.by.measure(tree, &child), Reverse(child.name))));
        if best.len() > args.limit.get() {
            let _smallest = best.pop();
        }
    }
    let at = |name: &[u8]| [prefix(&args.path), b"/", name].concat();
    let ranked =
        best.into_sorted_vec().into_iter().filter_map(|Reverse((measure, Reverse(name)))| {
            let row = entries.find(name)?;
            Some((measure, Entry::of(&at(name), &row)))
        });
    Ok(TopPage {
        path: args.path.clone(),
        by: args.by,
        entries: ranked.collect(),
        revision: snapshot.revision(),
        trust: snapshot.trust(now, row.child),
    })
}
