//! What differs between two states of one view, and where a reader of differences is.

mod difference;
mod log;
mod position;

pub use difference::{DIFFERENCE_MAX, Difference};
pub use log::{ChangeLog, Forgotten, Stretch};
pub use position::Position;

use crate::id::Revision;
use crate::path::ViewPath;

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
        from: Box<[u8]>,
    },
    /// More than is told one by one: whatever was read before may be out of date.
    Resync,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// What happened.
    pub op: Op,
    /// To which path.
    pub path: Box<[u8]>,
}

impl Changed {
    /// Whether it concerns something at or below `path`, or what `path` itself is in.
    #[must_use]
    pub fn concerns(&self, path: &ViewPath) -> bool {
        let path = path.as_bytes();
        match &self.op {
            Op::Upsert => is_within(&self.path, path),
            Op::Remove => is_within(&self.path, path) || is_within(path, &self.path),
            Op::Rename { from } => {
                let touches = |one: &[u8]| is_within(one, path) || is_within(path, one);
                touches(&self.path) || touches(from)
            }
            Op::Resync => true,
        }
    }
}

/// Whether `path` is `dir` or below it. The root is written as one slash, or as nothing.
fn is_within(path: &[u8], dir: &[u8]) -> bool {
    let dir = dir.strip_suffix(b"/").unwrap_or(dir);
    path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Some of what changed, in the order in which it was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The revision after which the answer begins: the one asked for, or one before it.
    pub from: Revision,
    /// The revision that the reader knows once it has read this and what `next` leads to.
    pub to: Revision,
    /// The differences. Within one step renames come before what changed below them.
    pub changes: Vec<Changed>,
    /// Where there is more.
    pub next: Option<Position>,
}

impl Changes {
    /// What to ask for next.
    #[must_use]
    pub fn resume(&self) -> Position {
        self.next.unwrap_or_else(|| Position::after(self.to))
    }
}
