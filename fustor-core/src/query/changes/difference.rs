//! What differs between two snapshots of one view, packed: an operation and what its path does not share with the one
//! before.

use crate::entry::Row;
use crate::id::{DirId, Revision};
use crate::query::list::prefix;
use crate::snapshot::Snapshot;
use crate::tree::{Change, Tree};

use super::{Changed, Op};

/// So many differences of one step are told one by one; more are one [`Op::Resync`].
pub const DIFFERENCE_MAX: usize = 65_536;

const UPSERT: u8 = 0;
const REMOVE: u8 = 1;
const RENAME: u8 = 2;
const RESYNC: u8 = 3;

/// One step from a revision to a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub(super) after: Revision,
    pub(super) upto: Revision,
    pub(super) count: u32,
    pub(super) packed: Box<[u8]>,
}

impl Difference {
    /// What differs between two snapshots of one view. That an entry was seen again as it was is no difference.
    #[must_use]
    pub fn between(older: &Snapshot, newer: &Snapshot) -> Self {
        let (old, new) = (older.tree(), newer.tree());
        let mut known = (Names::default(), Names::default());
        let mut changes = Vec::new();
        let mut count = 0;
        old.diff(new, &mut |change| {
            if count > DIFFERENCE_MAX {
                return;
            }
            if let Some(changed) = changed((old, &mut known.0), (new, &mut known.1), change) {
                count += 1;
                changes.push(changed);
            }
        });
        let (after, upto) = (older.revision(), newer.revision());
        if count > DIFFERENCE_MAX {
            return Self::resync(after, upto);
        }
        changes.sort_by_key(|changed| !matches!(changed.op, Op::Rename { .. }));
        Self::pack(after, upto, &changes)
    }

    /// More than is told one by one.
    #[must_use]
    pub fn resync(after: Revision, upto: Revision) -> Self {
        Self::pack(after, upto, &[Changed { op: Op::Resync, path: Box::from(&b"/"[..]) }])
    }

    /// How much is told.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Whether nothing differs.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn is_resync(&self) -> bool {
        self.count == 1 && self.packed.first() == Some(&RESYNC)
    }

    /// About what it occupies.
    pub(super) fn bytes(&self) -> usize {
        self.packed.len() + size_of::<Self>() + 32
    }

    pub(super) fn pack(after: Revision, upto: Revision, changes: &[Changed]) -> Self {
        let mut packed = Vec::new();
        let mut before: &[u8] = &[];
        for Changed { op, path } in changes {
            packed.push(match op {
                Op::Upsert => UPSERT,
                Op::Remove => REMOVE,
                Op::Rename { .. } => RENAME,
                Op::Resync => RESYNC,
            });
            let shared = path.iter().zip(before).take_while(|(a, b)| a == b).count();
            number(&mut packed, shared);
            text(&mut packed, &path[shared..]);
            if let Op::Rename { from } = op {
                text(&mut packed, from);
            }
            before = path;
        }
        // Bounded by the caller.
        let count = u32::try_from(changes.len()).unwrap_or(u32::MAX);
        Self { after, upto, count, packed: packed.into_boxed_slice() }
    }

    /// The differences again.
    pub(super) fn unpack(&self) -> Unpack<'_> {
        Unpack { rest: &self.packed, path: Vec::new() }
    }
}

/// Gives back what [`Difference::pack`] packed.
pub(super) struct Unpack<'a> {
    rest: &'a [u8],
    path: Vec<u8>,
}

impl Iterator for Unpack<'_> {
    type Item = Changed;

    fn next(&mut self) -> Option<Changed> {
        let (op, rest) = self.rest.split_first()?;
        self.rest = rest;
        let shared = self.number();
        self.path.truncate(shared);
        let own = self.text();
        self.path.extend_from_slice(own);
        let op = match *op {
            UPSERT => Op::Upsert,
            REMOVE => Op::Remove,
            RENAME => Op::Rename { from: Box::from(self.text()) },
            _ => Op::Resync,
        };
        Some(Changed { op, path: Box::from(&self.path[..]) })
    }
}

impl<'a> Unpack<'a> {
    fn number(&mut self) -> usize {
        let mut n = 0;
        for shift in (0..).step_by(7) {
            let Some((byte, rest)) = self.rest.split_first() else { break };
            self.rest = rest;
            n |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        n
    }

    fn text(&mut self) -> &'a [u8] {
        let length = self.number();
        let (text, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        text
    }
}

fn number(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    number(out, text.len());
    out.extend_from_slice(text);
}

/// The path of the directory that was asked for last: neighbours usually share it.
#[derive(Default)]
struct Names {
    last: Option<(DirId, Option<Vec<u8>>)>,
}

impl Names {
    fn path(&mut self, tree: &Tree, dir: DirId, name: &[u8]) -> Option<Box<[u8]>> {
        if name.is_empty() {
            return Some(Box::from(&b"/"[..]));
        }
        if self.last.as_ref().is_none_or(|(known, _)| *known != dir) {
            let path = tree.path_of(dir).map(|path| prefix(&path).to_vec());
            self.last = Some((dir, path));
        }
        let dir = self.last.as_ref()?.1.as_deref()?;
        Some([dir, b"/", name].concat().into_boxed_slice())
    }
}

/// `None`: it is nothing to tell, or the directory is not attached on its side, so nobody knows it by a path.
fn changed(
    (old, was_at): (&Tree, &mut Names),
    (new, is_at): (&Tree, &mut Names),
    change: Change<'_>,
) -> Option<Changed> {
    match change {
        // Only the key is newer.
        Change::Upsert { row, was: Some(was), .. } if Row { key: was.key, ..row } == was => None,
        Change::Upsert { dir, row, .. } => {
            Some(Changed { op: Op::Upsert, path: is_at.path(new, dir, row.name)? })
        }
        Change::Remove { dir, row } => {
            Some(Changed { op: Op::Remove, path: was_at.path(old, dir, row.name)? })
        }
        Change::Rename { id } => {
            let from = Box::from(old.path_of(id)?.as_bytes());
            Some(Changed { op: Op::Rename { from }, path: Box::from(new.path_of(id)?.as_bytes()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let long = vec![b'x'; 70_000];
        let change = |op, path: &[u8]| Changed { op, path: Box::from(path) };
        let changes = [
            change(Op::Rename { from: Box::from(&b"/a"[..]) }, b"/b"),
            change(Op::Upsert, b"/b/one"),
            change(Op::Upsert, b"/b/other"),
            change(Op::Remove, b"/b/other"),
            change(Op::Upsert, &long),
            change(Op::Resync, b"/"),
        ];
        let revision = |n| Revision { incarnation: 1, n };
        let packed = Difference::pack(revision(1), revision(2), &changes);
        assert_eq!(packed.unpack().collect::<Vec<_>>(), changes);
        assert!(!packed.is_resync() && !packed.is_empty());
        assert!(Difference::resync(revision(1), revision(2)).is_resync());
    }
}
