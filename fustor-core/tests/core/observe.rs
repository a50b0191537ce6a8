//! What a test sees of a view: its entries by path, its blocks' bytes, its counts recounted by walking.

use fustor_core::{DirId, Facts, Key, Marks, Row, Snapshot, Tree, ViewPath};

/// One entry of a tree, as far as the definition of the tree fixes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// Where.
    pub(crate) path: ViewPath,
    /// What `lstat` said; `None` for a placeholder.
    pub(crate) facts: Option<Facts>,
    /// The key of the evidence that said so.
    pub(crate) key: Key,
}

/// A directory's id and path, for each directory of a tree, parents first.
pub(crate) fn directories(snapshot: &Snapshot) -> Vec<(DirId, ViewPath)> {
    let tree = snapshot.tree();
    let mut all = vec![(DirId::ROOT, ViewPath::root())];
    let mut next = 0;
    while let Some((dir, path)) = all.get(next).cloned() {
        next += 1;
        for row in tree.entries(dir).rows() {
            assert_eq!(row.child == DirId::NONE, !row.facts.kind.is_dir(), "{path} {row:?}");
            if row.child != DirId::NONE {
                all.push((row.child, path.join(row.name)));
            }
        }
    }
    all
}

/// Every entry, by path.
pub(crate) fn entries(snapshot: &Snapshot) -> Vec<Entry> {
    let tree = snapshot.tree();
    let mut all = vec![entry(tree, ViewPath::root(), &tree.root_row())];
    for (dir, path) in directories(snapshot) {
        all.extend(tree.entries(dir).rows().map(|row| entry(tree, path.join(row.name), &row)));
    }
    all.sort();
    all
}

/// A directory whose facts only repeat keeps its row; the newer key is then in the directory's own table entry.
fn entry(tree: &Tree, path: ViewPath, row: &Row<'_>) -> Entry {
    let confirmed =
        if row.child == DirId::NONE { Key::NONE } else { tree.meta(row.child).confirmed };
    if row.marks.has(Marks::PLACEHOLDER) {
        Entry { path, facts: None, key: row.key }
    } else {
        Entry { path, facts: Some(row.facts), key: row.key.max(confirmed) }
    }
}

/// The bytes of every block, by path of the directory.
pub(crate) fn bytes(snapshot: &Snapshot) -> Vec<(ViewPath, Vec<Vec<u8>>)> {
    let tree = snapshot.tree();
    let blocks = |dir| tree.entries(dir).blocks().map(|block| block.as_bytes().to_vec()).collect();
    directories(snapshot).into_iter().map(|(dir, path)| (path, blocks(dir))).collect()
}

/// Compares every directory's totals with a recount of what lies below it.
pub(crate) fn recount(snapshot: &Snapshot) -> Result<(), String> {
    let tree = snapshot.tree();
    let all = directories(snapshot);
    for (dir, path) in &all {
        let mut count = Count::default();
        for (below, _) in all.iter().filter(|(_, other)| path.contains(other)) {
            for row in tree.entries(*below).rows() {
                count.add(&row);
            }
        }
        let totals = &tree.meta(*dir).totals;
        let kept = Count {
            files: totals.files,
            dirs: totals.dirs,
            bytes: totals.bytes,
            suspects: u64::from(totals.suspects),
            blind: u64::from(totals.blind),
            newest: count.newest,
        };
        if kept != count {
            return Err(format!("{path}: kept {kept:?}, counted {count:?}"));
        }
        if count.newest.is_some_and(|newest| totals.newest_mtime.0 < newest) {
            return Err(format!("{path}: newest mtime {:?} < {count:?}", totals.newest_mtime));
        }
        if tree.path_of(*dir).as_ref() != Some(path) {
            return Err(format!("{path}: path_of gives {:?}", tree.path_of(*dir)));
        }
    }
    Ok(())
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    files: u64,
    dirs: u64,
    bytes: u64,
    suspects: u64,
    blind: u64,
    newest: Option<i64>,
}

impl Count {
    fn add(&mut self, row: &Row<'_>) {
        self.suspects += u64::from(row.marks.has(Marks::SUSPECT));
        self.blind += u64::from(row.marks.has(Marks::BLIND));
        if row.facts.kind.is_dir() {
            self.dirs += 1;
        } else {
            self.files += 1;
            self.bytes += row.facts.size;
            self.newest = self.newest.max(Some(row.facts.mtime.0));
        }
    }
}
