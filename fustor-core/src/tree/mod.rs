//! The persistent tree: a table from directory id to rows, and a table from directory id to keys and totals.
//!
//! Cloning a [`Tree`] is O(1); a clone is a snapshot that never changes. [`writer::Writer`] edits the newest one.

mod check;
mod diff;
mod entries;
mod meta;
mod pvec;
mod union;
mod writer;

use crate::entry::{Facts, Marks, Row};
use crate::id::{DirId, StorageId};
use crate::key::Key;
use crate::path::ViewPath;
use crate::time::StorageTime;

pub use check::CheckError;
pub use diff::Change;
pub use entries::Entries;
pub use meta::{Meta, Totals};

pub(crate) use entries::EntriesBuilder;
pub(crate) use meta::{Delta, Flags};
use pvec::PersistentVec;
pub(crate) use union::{Part, Seam, Union};
pub(crate) use writer::Writer;

/// One immutable state of a tree.
#[derive(Clone)]
pub struct Tree {
    entries: PersistentVec<Entries>,
    metas: PersistentVec<Meta>,
    root: RootRow,
    /// Since which revision ids have meant what they mean: they can be compared within one lineage only.
    lineage: u64,
}

/// The root's own row, which no directory holds.
#[derive(Clone, Copy)]
pub(crate) struct RootRow {
    pub(crate) facts: Facts,
    pub(crate) key: Key,
    pub(crate) marks: Marks,
    pub(crate) storage: StorageId,
}

impl RootRow {
    pub(crate) const PLACEHOLDER: Self = Self {
        facts: Facts::PLACEHOLDER,
        key: Key::NONE,
        marks: Marks::PLACEHOLDER,
        storage: StorageId(0),
    };
}

impl Tree {
    /// What is known of the root itself; its name is empty.
    #[must_use]
    pub fn root_row(&self) -> Row<'_> {
        let RootRow { facts, key, marks, storage } = self.root;
        Row { name: b"", facts, key, marks, storage, child: DirId::ROOT }
    }

    /// What is known of the entry at `path`; `None` when it is not in the tree.
    #[must_use]
    pub fn lookup(&self, path: &ViewPath) -> Option<Row<'_>> {
        let mut names = path.names();
        let Some(name) = names.next_back() else { return Some(self.root_row()) };
        self.entries(self.descend(names)?).find(name)
    }

    /// The directory at `path`; `None` when it is absent or not a directory.
    #[must_use]
    pub fn dir(&self, path: &ViewPath) -> Option<DirId> {
        self.descend(path.names())
    }

    /// The directory that these names lead to from the root.
    fn descend<'a>(&self, mut names: impl Iterator<Item = &'a [u8]>) -> Option<DirId> {
        names.try_fold(DirId::ROOT, |dir, name| self.entries(dir).find_dir(name))
    }

    /// The rows of a directory.
    #[must_use]
    pub fn entries(&self, dir: DirId) -> &Entries {
        self.entries.get(dir.0 as usize).unwrap_or(&Entries::Vacant)
    }

    /// Keys and totals of a directory.
    #[must_use]
    pub fn meta(&self, dir: DirId) -> &Meta {
        self.metas.get(dir.0 as usize).expect("every id has a row of keys and totals")
    }

    /// How many ids there are, free ones included.
    #[must_use]
    pub fn id_count(&self) -> usize {
        self.metas.len()
    }

    /// The exact newest mtime of an entry below `dir` that is not a directory. Walks only directories whose newest
    /// entry was removed since their total was last exact.
    #[must_use]
    pub fn newest_mtime(&self, dir: DirId) -> StorageTime {
        let mut newest = StorageTime::MIN;
        let mut open = vec![dir];
        while let Some(dir) = open.pop() {
            let meta = self.meta(dir);
            if !meta.flags.has(Flags::STALE_MTIME) {
                newest = newest.max(meta.totals.newest_mtime);
                continue;
            }
            for row in self.entries(dir).rows() {
                if row.child == DirId::NONE {
                    newest = newest.max(row.facts.mtime);
                } else if self.meta(row.child).totals.newest_mtime > newest {
                    open.push(row.child);
                }
            }
        }
        newest
    }

    /// The path of a directory; `None` when it is no longer attached to the root.
    #[must_use]
    pub fn path_of(&self, dir: DirId) -> Option<ViewPath> {
        let mut upward = Vec::with_capacity(16);
        let mut at = dir;
        while at != DirId::ROOT {
            let meta = (at != DirId::NONE).then(|| self.meta(at))?;
            if meta.flags.has(Flags::GHOST) {
                return None;
            }
            upward.push(self.entries(at).own_name());
            at = meta.parent;
        }
        ViewPath::of_names_upward(&upward)
    }

    /// Whether a directory hangs on the root.
    #[must_use]
    pub fn is_attached(&self, dir: DirId) -> bool {
        let mut at = dir;
        while at != DirId::ROOT {
            if at == DirId::NONE || self.meta(at).flags.has(Flags::GHOST) {
                return false;
            }
            at = self.meta(at).parent;
        }
        true
    }
}
