//! Every invariant of a tree, recounted from its rows. For tests and for an operator who doubts.

use rustc_hash::FxHashMap;
use thiserror::Error;

use crate::entry::Marks;
use crate::id::DirId;
use crate::path::is_name;
use crate::time::StorageTime;

use super::meta::{Delta, Flags};
use super::{Entries, Meta, Tree};

/// What is wrong with a tree.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckError {
    /// Rows of a directory are not strictly ascending or not names.
    #[error("directory {0}: row {1:?} is out of order or no name")]
    Order(DirId, String),
    /// A directory's row and its table entry disagree on parent or name.
    #[error("directory {0}: parent or own name differ from its row in directory {1}")]
    Place(DirId, DirId),
    /// Totals differ from a recount.
    #[error("directory {dir}: totals {kept} but a recount gives {counted}")]
    Totals {
        /// The directory.
        dir: DirId,
        /// What the table says.
        kept: String,
        /// What its rows say.
        counted: String,
    },
    /// A directory's presence is less than that of something below it, or than its floor.
    #[error("directory {0}: presence is less than evidence below it or than its floor")]
    Presence(DirId),
    /// The newest mtime is less than that of an entry below, or claims to be exact and is not.
    #[error("directory {0}: newest mtime {1} but the rows say {2}")]
    NewestMtime(DirId, i64, i64),
    /// A row that is no directory has a child, or the other way round.
    #[error("directory {0}: row {1:?} has a child id that does not fit its kind")]
    Child(DirId, String),
    /// A side table names what is not there.
    #[error("{0}")]
    Table(String),
}

impl Tree {
    /// Recounts the whole tree.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn check(&self) -> Result<(), CheckError> {
        self.check_of(1)
    }

    /// The same of a tree that shows several storages, each of which may have a directory uncovered.
    pub(crate) fn check_of(&self, storages: u32) -> Result<(), CheckError> {
        let mut order = vec![DirId::ROOT];
        let mut next = 0;
        while next < order.len() {
            self.check_rows(order[next], &mut order)?;
            next += 1;
        }
        let mut counted: FxHashMap<DirId, (Meta, StorageTime)> = FxHashMap::default();
        for dir in order.into_iter().rev() {
            let sums = self.recount(dir, &counted, storages);
            self.check_totals(dir, &sums)?;
            counted.insert(dir, sums);
        }
        Ok(())
    }

    fn check_rows(&self, dir: DirId, order: &mut Vec<DirId>) -> Result<(), CheckError> {
        let entries = self.entries(dir);
        let mut last: Option<Vec<u8>> = None;
        let mut len = 0;
        for row in entries.rows() {
            let shown = || String::from_utf8_lossy(row.name).into_owned();
            if !is_name(row.name) || last.as_deref().is_some_and(|last| last >= row.name) {
                return Err(CheckError::Order(dir, shown()));
            }
            if entries.find(row.name) != Some(row) {
                return Err(CheckError::Order(dir, shown()));
            }
            if row.facts.kind.is_dir() != (row.child != DirId::NONE) {
                return Err(CheckError::Child(dir, shown()));
            }
            if row.child != DirId::NONE {
                self.check_place(row.child, dir, row.name, row.marks)?;
                order.push(row.child);
            }
            last = Some(row.name.to_vec());
            len += 1;
        }
        if len == entries.len() {
            Ok(())
        } else {
            Err(CheckError::Order(dir, format!("{len} rows")))
        }
    }

    fn check_place(
        &self,
        child: DirId,
        dir: DirId,
        name: &[u8],
        marks: Marks,
    ) -> Result<(), CheckError> {
        let meta = self.meta(child);
        let placed = meta.parent == dir
            && self.entries(child).own_name() == name
            && !meta.flags.has(Flags::GHOST)
            && !matches!(self.entries(child), Entries::Vacant);
        if !placed {
            return Err(CheckError::Place(child, dir));
        }
        let seen = meta.presence <= self.meta(dir).presence && meta.presence > meta.floor;
        if seen || marks.has(Marks::PLACEHOLDER) && meta.presence.is_none() {
            Ok(())
        } else {
            Err(CheckError::Presence(child))
        }
    }

    fn recount(
        &self,
        dir: DirId,
        below: &FxHashMap<DirId, (Meta, StorageTime)>,
        storages: u32,
    ) -> (Meta, StorageTime) {
        let mut delta = Delta::default();
        let mut newest = StorageTime::MIN;
        for row in self.entries(dir).rows() {
            delta.add_row(&row);
            match below.get(&row.child) {
                Some((meta, newest_below)) => {
                    delta.add_subtree(meta);
                    newest = newest.max(*newest_below);
                }
                None => newest = newest.max(row.facts.mtime),
            }
        }
        let meta = self.meta(dir);
        delta.unlisted += i32::from(meta.awaits_listing());
        delta.gaps += i32::from(meta.owes_listing());
        let mut fresh = Meta::new(DirId::NONE, 0);
        fresh.add(&delta);
        // Membership in the table of uncovered directories is the arbiter's to check.
        let own_uncovered =
            meta.totals.uncovered.saturating_sub(fresh.totals.uncovered).min(storages);
        fresh.totals.uncovered += own_uncovered;
        (fresh, newest)
    }

    fn check_totals(
        &self,
        dir: DirId,
        (fresh, newest): &(Meta, StorageTime),
    ) -> Result<(), CheckError> {
        let meta = self.meta(dir);
        let mut kept = meta.totals;
        let exact = self.newest_mtime(dir);
        if exact != *newest || kept.newest_mtime < *newest {
            return Err(CheckError::NewestMtime(dir, exact.0, newest.0));
        }
        let mut counted = fresh.totals;
        kept.newest_mtime = StorageTime::MIN;
        counted.newest_mtime = StorageTime::MIN;
        kept.last_change = counted.last_change;
        if kept == counted {
            Ok(())
        } else {
            Err(CheckError::Totals {
                dir,
                kept: format!("{kept:?}"),
                counted: format!("{counted:?}"),
            })
        }
    }
}
