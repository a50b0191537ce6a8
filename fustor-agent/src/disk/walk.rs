//! Going from one directory below a root to the next: what their paths share is walked once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fustor_core::ViewPath;

use super::{Look, Root, is_absent, look_through};

/// Directories that are kept open on the way. With more of them every other one is closed, so that going back a little
/// costs a few steps and not all of them.
const OPEN_MAX: usize = 64;

/// One round of visits. What it found on the way is as old as the visit that found it, so a round is to be short.
pub(crate) struct Walk<'a> {
    root: &'a Root,
    /// Where it is.
    path: ViewPath,
    /// Open directories that lead there, by how much of the path leads to them.
    open: Vec<(usize, OwnedFd)>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(root: &'a Root) -> Self {
        Self { root, path: ViewPath::root(), open: Vec::new() }
    }

    /// Goes to a directory, as a place to look from. `next`: where it will go then.
    pub(crate) fn go(
        &mut self,
        path: &ViewPath,
        next: Option<&ViewPath>,
    ) -> io::Result<BorrowedFd<'_>> {
        let kept = shared(&self.path, path);
        self.path = path.clone();
        while self.open.last().is_some_and(|(len, _)| *len > kept) {
            self.open.pop();
        }
        let fork = next.map_or(0, |next| shared(path, next));
        for stop in [fork, bytes(path).len()] {
            let from = self.open.last().map_or(0, |(len, _)| *len);
            if stop <= from {
                continue;
            }
            let fd = self.root.descend(self.here(), &bytes(path)[from + 1..stop])?;
            self.open.push((stop, fd));
            self.thin();
        }
        Ok(self.here())
    }

    /// Where it was led by the last call, if that did not fail.
    pub(crate) fn here(&self) -> BorrowedFd<'_> {
        self.open.last().map_or(self.root.fd.as_fd(), |(_, fd)| fd.as_fd())
    }

    /// Whether the path leads, without symlinks, to the directory that `look` saw.
    pub(crate) fn leads_to(
        &mut self,
        path: &ViewPath,
        next: Option<&ViewPath>,
        look: &Look,
    ) -> io::Result<bool> {
        match self.go(path, next).and_then(look_through) {
            Ok(there) => Ok(there.is_same(look)),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn thin(&mut self) {
        if self.open.len() <= OPEN_MAX {
            return;
        }
        let last = self.open.len() - 1;
        let mut at = 0;
        self.open.retain(|_| {
            at += 1;
            at % 2 == 0 || at > last
        });
    }
}

/// A path as what follows the root.
fn bytes(path: &ViewPath) -> &[u8] {
    if path.is_root() { b"" } else { path.as_bytes() }
}

/// How much of both paths leads to the same directory.
fn shared(one: &ViewPath, other: &ViewPath) -> usize {
    let (one, other) = (bytes(one), bytes(other));
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let ends = |path: &[u8]| path.get(same).is_none_or(|b| *b == b'/');
    if ends(one) && ends(other) {
        return same;
    }
    one[..same].iter().rposition(|b| *b == b'/').unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::Freshness;

    fn path(text: &str) -> ViewPath {
        ViewPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_paths_share_ends_at_a_name() {
        for (one, other, want) in [
            ("/", "/a", 0),
            ("/a", "/a", 2),
            ("/a", "/a/b", 2),
            ("/a/b", "/a/c", 2),
            ("/a/bc", "/a/bd", 2),
            ("/ab", "/a", 0),
            ("/a/b/c", "/a/b/cc/d", 4),
        ] {
            assert_eq!(shared(&path(one), &path(other)), want, "{one} {other}");
            assert_eq!(shared(&path(other), &path(one)), want, "{other} {one}");
        }
    }

    #[test]
    fn it_comes_to_where_a_walk_from_the_root_comes_to() {
        let dir = tempfile::tempdir().unwrap();
        let mut paths = vec![ViewPath::root()];
        let mut spine = ViewPath::root();
        for _ in 0..3 * OPEN_MAX {
            for name in ["a", "side", "zoo"] {
                paths.push(spine.join(name.as_bytes()));
            }
            spine = spine.join(b"a");
        }
        for path in &paths {
            let below = std::str::from_utf8(&path.as_bytes()[1..]).unwrap();
            fs::create_dir_all(dir.path().join(below)).unwrap();
        }
        let root = Root::open(dir.path()).unwrap();
        paths.sort();
        let look = |path: &ViewPath| root.lstat(path, Freshness::Ordinary).unwrap().unwrap();
        let looks: Vec<_> = paths.iter().map(look).collect();
        let before = root.names_walked();
        let mut walk = Walk::new(&root);
        for (at, path) in paths.iter().enumerate() {
            assert!(walk.leads_to(path, paths.get(at + 1), &looks[at]).unwrap(), "{path}");
            assert!(walk.open.len() <= OPEN_MAX);
        }
        let names = root.names_walked() - before;
        assert!(names <= 20 * paths.len() as u64, "{names} names for {} paths", paths.len());
        assert!(!walk.leads_to(&paths[3], None, &looks[4]).unwrap());
        assert!(!walk.leads_to(&path("/none/a"), None, &looks[0]).unwrap());
        assert!(walk.leads_to(&paths[5], None, &looks[5]).unwrap(), "after one that failed");
    }

    #[test]
    fn a_symlink_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("link")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        let look = root.lstat(&path("/a/b"), Freshness::Ordinary).unwrap().unwrap();
        let mut walk = Walk::new(&root);
        assert!(walk.leads_to(&path("/a/b"), Some(&path("/link/b")), &look).unwrap());
        assert!(!walk.leads_to(&path("/link/b"), None, &look).unwrap());
    }
}
