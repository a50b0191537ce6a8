//! One entry of an answer, and the refusals that several questions share.

use thiserror::Error;

use crate::entry::{Facts, Marks, Row};
use crate::id::{DirId, StorageId};
use crate::key::Key;
use crate::path::ViewPath;

/// One entry of a page, detached from the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The whole path.
    pub path: Box<[u8]>,
    /// Length of the last name of `path`; 0 for the root.
    pub name_len: u8,
    /// What `lstat` said.
    pub facts: Facts,
    /// The key of the observation that said so.
    pub key: Key,
    /// What fusion thinks of it.
    pub marks: Marks,
    /// The storage that owns it.
    pub storage: StorageId,
}

impl Entry {
    /// The row at this path.
    #[must_use]
    pub fn of(path: &[u8], row: &Row<'_>) -> Self {
        let name_len = row.name.len().min(path.len()) as u8;
        Self {
            path: Box::from(path),
            name_len,
            facts: row.facts,
            key: row.key,
            marks: row.marks,
            storage: row.storage,
        }
    }

    /// The last name of the path.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.path[self.path.len() - usize::from(self.name_len)..]
    }

    /// The entry as a row, without a directory id.
    #[must_use]
    pub fn row(&self) -> Row<'_> {
        Row {
            name: self.name(),
            facts: self.facts,
            key: self.key,
            marks: self.marks,
            storage: self.storage,
            child: DirId::NONE,
        }
    }
}

/// Nothing is known at this path.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no entry at {0}")]
pub struct NotFound(pub ViewPath);

/// The answer would have more entries than the view allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the answer has {current_count} entries or more, at most {limit} are allowed")]
pub struct LimitExceeded {
    /// Entries of the answer, as far as they were counted.
    pub current_count: u64,
    /// The limit.
    pub limit: u64,
}
