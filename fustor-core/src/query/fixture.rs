//! Small trees for the tests of questions.

use crate::entry::{Facts, Kind, Marks, Row};
use crate::id::{DirId, StorageId};
use crate::key::Key;
use crate::path::ViewPath;
use crate::time::{Mono, Now, SECOND, Stamp, StorageTime};
use crate::tree::{Delta, Writer};
use crate::view::Snapshot;

pub(crate) const T0: i64 = 1_795_329_602 * SECOND;

pub(crate) fn now() -> Now {
    Now { mono: Mono(0), wall: Stamp(T0 + 3600 * SECOND) }
}

pub(crate) fn path(text: &str) -> ViewPath {
    ViewPath::parse(text.as_bytes()).unwrap()
}

pub(crate) fn file(size: u64, mtime_sec: i64) -> Facts {
    let mtime = StorageTime(mtime_sec * SECOND);
    Facts { kind: Kind::File, size, mtime, ctime: mtime, inode: 7, nlink: 1, ..Facts::default() }
}

pub(crate) fn special(kind: Kind) -> Facts {
    Facts { kind, ..file(0, 1) }
}

/// A view that knows these entries; directories above them are inferred.
pub(crate) fn view_of(entries: &[(Vec<u8>, Facts)]) -> Snapshot {
    let mut w = Writer::new();
    for (p, facts) in entries {
        put(&mut w, &ViewPath::parse(p).unwrap(), *facts);
    }
    Snapshot { tree: w.tree().clone() }
}

fn put(w: &mut Writer, path: &ViewPath, facts: Facts) {
    let names: Vec<&[u8]> = path.names().collect();
    let mut dir = DirId::ROOT;
    for (k, name) in names.iter().enumerate() {
        let last = k + 1 == names.len();
        let found = w.entries(dir).find(name).map(|r| r.child);
        if let Some(child) = found {
            if child != DirId::NONE {
                dir = child;
                continue;
            } else {
                return;
            }
        }
        let facts = if last { facts } else { Facts::PLACEHOLDER };
        let child = if facts.kind.is_dir() { w.allocate(dir, name) } else { DirId::NONE };
        let row = Row {
            name,
            facts,
            key: Key::NONE,
            marks: if last { Marks::NONE } else { Marks::PLACEHOLDER },
            storage: StorageId(0),
            child,
        };
        w.entries_mut(dir).put(&row);
        let mut d = Delta::default();
        d.add_row(&row);
        w.shift(dir, &d, Key::NONE);
        if !last {
            dir = child;
        }
    }
}

pub(crate) fn sample(entries: &[(&str, Facts)]) -> Snapshot {
    let owned: Vec<_> =
        entries.iter().map(|(path, facts)| (path.as_bytes().to_vec(), *facts)).collect();
    view_of(&owned)
}
