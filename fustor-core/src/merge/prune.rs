//! What happens below a directory that outlives an absence: everything older than the absence goes.

use crate::entry::{Marks, Row};
use crate::id::DirId;
use crate::key::Key;
use crate::time::Stamp;
use crate::tree::{Delta, EntriesBuilder};

use super::Arbiter;
use super::reach::Old;

/// What becomes of a row below an absence.
enum Fate {
    Stays,
    Goes,
    /// It goes, but something below it is newer: a placeholder stays.
    StaysBare,
    /// It stays, and what is below it is to be judged too.
    StaysOpen,
}

impl Arbiter {
    /// Removes what is not greater than `absence` below `top`, where `moved` is the greatest key of a move above it.
    /// Only branches with later evidence are walked.
    pub(super) fn prune(&mut self, top: DirId, absence: Key, moved: Key, at: Stamp) {
        let mut open = vec![(top, moved)];
        while let Some((dir, moved)) = open.pop() {
            let moved = moved.max(self.moved_at(dir));
            if moved <= absence {
                self.prune_rows(dir, absence, at, &mut |child| open.push((child, moved)));
            }
        }
    }

    fn prune_rows(&mut self, dir: DirId, absence: Key, at: Stamp, go_on: &mut dyn FnMut(DirId)) {
        let entries = self.writer.entries(dir).clone();
        let mut kept = EntriesBuilder::new(entries.own_name(), entries.len());
        let mut delta = Delta::default();
        for row in entries.rows() {
            match self.fate(&row, absence) {
                Fate::Stays => kept.push(row),
                Fate::StaysOpen => {
                    go_on(row.child);
                    kept.push(row);
                }
                Fate::StaysBare => {
                    go_on(row.child);
                    let bare = self.bared(&Old::of(&row)).named(row.name);
                    delta.take_row(&row);
                    delta.add_row(&bare);
                    kept.push(bare);
                }
                Fate::Goes => {
                    delta.take_row(&row);
                    self.suspects.clear(dir, row.name);
                    if row.child != DirId::NONE {
                        delta.absorb(&self.cut(row.child, absence));
                    }
                }
            }
        }
        if !delta.is_zero() {
            delta.at = at;
            *self.writer.entries_mut(dir) = kept.finish();
            self.writer.shift(dir, &delta, Key::NONE);
        }
    }

    fn fate(&self, row: &Row<'_>, absence: Key) -> Fate {
        if row.child == DirId::NONE {
            return if row.key <= absence { Fate::Goes } else { Fate::Stays };
        }
        let meta = self.writer.meta(row.child);
        let moved = self.moved_at(row.child);
        if meta.presence.max(moved) <= absence {
            Fate::Goes
        } else if moved > absence || meta.floor > absence {
            Fate::Stays
        } else if row.marks.has(Marks::PLACEHOLDER) || row.key.max(meta.confirmed) > absence {
            Fate::StaysOpen
        } else {
            Fate::StaysBare
        }
    }
}
