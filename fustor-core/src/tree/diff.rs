//! What differs between two states of a tree: cost proportional to the directories that changed.

use std::cmp::Ordering;
use std::iter::Peekable;

use crate::block::{Block, Differing, View, differing};
use crate::entry::Row;
use crate::id::DirId;

use super::entries::Entries;
use super::{Tree, meta};

/// One difference. Paths come from [`Tree::path_of`] of the tree that the item names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// An entry is new, or has another row. `dir` is a directory of the newer tree.
    Upsert {
        /// The directory that holds it.
        dir: DirId,
        /// The row as it is now.
        row: Row<'a>,
        /// The row as it was under this name in this directory.
        was: Option<Row<'a>>,
    },
    /// An entry is gone, with all that was below it. `dir` is a directory of the older tree.
    Remove {
        /// The directory that held it.
        dir: DirId,
        /// The row as it was.
        row: Row<'a>,
    },
    /// A directory has another name or another parent, with all that is below it.
    Rename {
        /// Its id, the same in both trees.
        id: DirId,
    },
}

impl Tree {
    /// Calls `visit` for each difference between this tree and a newer state of it. A directory that moved is one
    /// `Rename`; its row under the old and new parent is not reported again. Directories below a new or removed one
    /// are reported by their contents or not at all, respectively. Where ids have come to mean something else in between
    /// (a reset, a storage that came or went), everything is removed and new.
    pub fn diff<'a>(&'a self, newer: &'a Self, visit: &mut dyn FnMut(Change<'a>)) {
        let (old_root, new_root) = (self.root_row(), newer.root_row());
        if old_root != new_root {
            visit(Change::Upsert { dir: DirId::NONE, row: new_root, was: Some(old_root) });
        }
        if self.lineage != newer.lineage {
            self.replace_with(newer, visit);
            return;
        }
        self.entries.diff(&newer.entries, &mut |index, old, new| {
            let dir = DirId(u32::try_from(index).unwrap_or(u32::MAX));
            let Some(new) = new.filter(|new| !matches!(new, Entries::Vacant)) else { return };
            // Most neighbours of a changed slot are shared; only for the others is the way to the root worth walking.
            if old.is_some_and(|old| old.same(new)) || !newer.is_attached(dir) {
                return;
            }
            match old.filter(|_| self.is_same_dir(newer, dir)) {
                Some(old) => self.diff_rows(newer, dir, old, new, visit),
                None => new.rows().for_each(|row| {
                    visit(Change::Upsert { dir, row, was: None });
                    self.visit_revealed(newer, row.child, visit);
                }),
            }
        });
    }

    /// Visits all that was there as removed, then all that is there as new.
    fn replace_with<'a>(&'a self, newer: &'a Self, visit: &mut dyn FnMut(Change<'a>)) {
        let dir = DirId::ROOT;
        self.entries(dir).rows().for_each(|row| visit(Change::Remove { dir, row }));
        let mut open = vec![dir];
        while let Some(dir) = open.pop() {
            let entries = newer.entries(dir);
            entries.rows().for_each(|row| visit(Change::Upsert { dir, row, was: None }));
            open.extend(entries.blocks().flat_map(Block::children));
        }
    }

    /// Whether `dir` names the same attached directory in both trees.
    fn is_same_dir(&self, newer: &Self, dir: DirId) -> bool {
        (dir.0 as usize) < self.metas.len()
            && self.meta(dir).generation == newer.meta(dir).generation
            && !matches!(self.entries(dir), Entries::Vacant)
            && self.is_attached(dir)
    }

    fn diff_rows<'a>(
        &'a self,
        newer: &'a Self,
        dir: DirId,
        old: &'a Entries,
        new: &'a Entries,
        visit: &mut dyn FnMut(Change<'a>),
    ) {
        if old.own_name() != new.own_name() || self.meta(dir).parent != newer.meta(dir).parent {
            visit(Change::Rename { id: dir });
        }
        sides(old, new, &mut |side| self.diff_row(newer, dir, side, visit));
    }

    /// The directories whose rows, keys or totals may differ from those in a newer state of the tree, ascending.
    pub(super) fn touched(&self, newer: &Self) -> Vec<DirId> {
        let mut touched = Vec::new();
        let mut note = |index, differs| {
            if differs {
                touched.push(DirId(u32::try_from(index).unwrap_or(u32::MAX)));
            }
        };
        self.metas.diff(&newer.metas, &mut |index, _, new| note(index, new.is_some()));
        self.entries.diff(&newer.entries, &mut |index, old, new| {
            let Some(new) = new else { return };
            note(index, old.is_none_or(|old| !old.same(new)));
        });
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    fn diff_row<'a>(
        &'a self,
        newer: &'a Self,
        dir: DirId,
        side: Side<'a>,
        visit: &mut dyn FnMut(Change<'a>),
    ) {
        let stays = |child, lives: &dyn Fn(DirId) -> bool| child != DirId::NONE && lives(child);
        match side {
            Side::Old(row) if stays(row.child, &|child| self.lives_elsewhere(newer, child)) => {}
            Side::New(row) if stays(row.child, &|child| newer.lived_elsewhere(self, child)) => {}
            Side::Old(row) => visit(Change::Remove { dir, row }),
            Side::New(row) => {
                visit(Change::Upsert { dir, row, was: None });
                self.visit_revealed(newer, row.child, visit);
            }
            Side::Both(was, row) => {
                visit(Change::Upsert { dir, row, was: Some(was) });
                if was.child != row.child {
                    self.visit_revealed(newer, row.child, visit);
                }
            }
        }
    }

    /// Visits what is below a directory that was there and not shown, as far down as the slots have not changed: those
    /// that have are visited by themselves.
    fn visit_revealed<'a>(
        &'a self,
        newer: &'a Self,
        top: DirId,
        visit: &mut dyn FnMut(Change<'a>),
    ) {
        let was_hidden = |dir: DirId| {
            (dir.0 as usize) < self.metas.len()
                && self.meta(dir).generation == newer.meta(dir).generation
                && !matches!(self.entries(dir), Entries::Vacant)
                && self.entries(dir).same(newer.entries(dir))
                && !self.is_attached(dir)
        };
        let mut open = vec![top];
        while let Some(dir) = open.pop() {
            if dir != DirId::NONE && was_hidden(dir) {
                let entries = newer.entries(dir);
                entries.rows().for_each(|row| visit(Change::Upsert { dir, row, was: None }));
                open.extend(entries.blocks().flat_map(Block::children));
            }
        }
    }

    fn lives_elsewhere(&self, newer: &Self, child: DirId) -> bool {
        self.is_same_dir(newer, child) && newer.is_attached(child)
    }

    fn lived_elsewhere(&self, older: &Self, child: DirId) -> bool {
        older.is_same_dir(self, child)
    }
}

/// The names of the rows that differ between two states of a directory, ascending.
pub(super) fn changed_names(old: &Entries, new: &Entries) -> Vec<Box<[u8]>> {
    let mut names = Vec::new();
    sides(old, new, &mut |side| {
        let (Side::Old(row) | Side::New(row) | Side::Both(_, row)) = side;
        names.push(Box::from(row.name));
    });
    names
}

/// Visits each row that differs between two states of a directory, ascending by name.
fn sides<'a>(old: &'a Entries, new: &'a Entries, side: &mut dyn FnMut(Side<'a>)) {
    if let (Entries::One(old), Entries::One(new)) = (old, new) {
        let (old, new) = (View::from(old.reader()), View::from(new.reader()));
        differing(&old, &new, &mut |row| {
            side(match row {
                Differing::Old(i) => Side::Old(old.row(i)),
                Differing::New(i) => Side::New(new.row(i)),
                Differing::Both(i, j) => Side::Both(old.row(i), new.row(j)),
            });
        });
        return;
    }
    let mut was = rows_where_changed(old, new).peekable();
    let mut is = rows_where_changed(new, old).peekable();
    while let Some(row) = next_side(&mut was, &mut is) {
        row.into_iter().for_each(&mut *side);
    }
}

/// The rows of `this`, leaving out blocks that `other` holds too, by address.
fn rows_where_changed<'a>(this: &'a Entries, other: &'a Entries) -> impl Iterator<Item = Row<'a>> {
    let mut shared: Vec<*const u8> =
        other.blocks().map(|block| block.as_bytes().as_ptr()).collect();
    shared.sort_unstable();
    this.blocks()
        .filter(move |block| shared.binary_search(&block.as_bytes().as_ptr()).is_err())
        .flat_map(Block::rows)
}

/// A row that differs.
#[derive(Clone, Copy)]
enum Side<'a> {
    Old(Row<'a>),
    New(Row<'a>),
    /// The row as it was and as it is now.
    Both(Row<'a>, Row<'a>),
}

/// Takes the next name from both sides: its row, if it differs. The outer `None`: both are at their end.
fn next_side<'a>(
    was: &mut Peekable<impl Iterator<Item = Row<'a>>>,
    is: &mut Peekable<impl Iterator<Item = Row<'a>>>,
) -> Option<Option<Side<'a>>> {
    let order = match (was.peek(), is.peek()) {
        (None, None) => return None,
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(a), Some(b)) => a.name.cmp(b.name),
    };
    Some(match order {
        Ordering::Less => was.next().map(Side::Old),
        Ordering::Greater => is.next().map(Side::New),
        Ordering::Equal => {
            was.next().zip(is.next()).filter(|(a, b)| a != b).map(|(a, b)| Side::Both(a, b))
        }
    })
}

const _: () =
    assert!(size_of::<meta::Meta>() <= 192, "a directory's row of keys and totals must stay small");
