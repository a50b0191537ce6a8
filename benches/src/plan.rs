//! A seeded tree: its directories in memory, everything else made on demand, so that a plan of ten million files is
//! small beside what is measured.

use fustor_core::{BlockBuilder, BootTime, Facts, Kind, Listing, Owner, StorageTime, ViewPath};

use crate::names;
use crate::rng::{Rng, mix};
use crate::shape::{Dir, Shape};

const SECOND: i64 = fustor_core::SECOND;
/// The first mtime of any plan: July 2017.
const OLDEST: i64 = 1_500_000_000 * SECOND;

/// The number of files to measure with: `FUSTOR_BENCH_ENTRIES`, or a million.
///
/// # Panics
/// When the variable is not a number.
#[must_use]
pub fn entries() -> u64 {
    match std::env::var("FUSTOR_BENCH_ENTRIES") {
        Ok(text) => text.parse().expect("FUSTOR_BENCH_ENTRIES is a number"),
        Err(_) => 1_000_000,
    }
}

/// How ctime stands to mtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Written in place: ctime follows mtime closely.
    Fresh,
    /// Copied with its old mtime, as rsync does: ctime tells when.
    Restored,
}

/// A seeded tree.
#[derive(Debug)]
pub struct Plan {
    shape: Shape,
    times: Times,
    dirs: Vec<Dir>,
    /// `children[child_start[d]..child_start[d + 1]]` are the subdirectories of `d`.
    child_start: Vec<u32>,
    children: Vec<u32>,
}

impl Plan {
    /// A tree of about `files` files.
    #[must_use]
    pub fn new(shape: Shape, files: u64, times: Times) -> Self {
        let dirs = shape.dirs(files, 42);
        let (child_start, children) = children(&dirs);
        Self { shape, times, dirs, child_start, children }
    }

    /// What it looks like.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Its directories, parents first.
    #[must_use]
    pub fn dirs(&self) -> &[Dir] {
        &self.dirs
    }

    /// Number of files.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.dirs.last().map_or(0, |dir| dir.first + u64::from(dir.files))
    }

    /// Number of entries but for the root.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.files() + self.dirs.len() as u64 - 1
    }

    /// The subdirectories of directory `d`.
    #[must_use]
    pub fn children(&self, d: usize) -> &[u32] {
        &self.children[self.child_start[d] as usize..self.child_start[d + 1] as usize]
    }

    /// The path of directory `d`.
    #[must_use]
    pub fn dir_path(&self, d: usize) -> ViewPath {
        path(&self.dir_bytes(d))
    }

    /// The path of file `j` of directory `d`.
    #[must_use]
    pub fn file_path(&self, d: usize, j: u32) -> ViewPath {
        let mut bytes = self.dir_bytes(d);
        bytes.push(b'/');
        self.file_name(d, j, &mut bytes);
        path(&bytes)
    }

    /// The path of a name of which directory `d` knows nothing yet.
    #[must_use]
    pub fn new_path(&self, d: usize, random: u64) -> ViewPath {
        let mut bytes = self.dir_bytes(d);
        bytes.extend_from_slice(format!("/new_{random:016x}.tmp").as_bytes());
        path(&bytes)
    }

    /// A file, each with the same chance.
    #[must_use]
    pub fn random_file(&self, rng: &mut Rng) -> (usize, u32) {
        let n = rng.below(self.files());
        let d = self.dirs.partition_point(|dir| dir.first <= n) - 1;
        (d, (n - self.dirs[d].first) as u32)
    }

    /// The facts of file `j` of directory `d` after its `version`-th change.
    #[must_use]
    pub fn file_facts(&self, d: usize, j: u32, version: u32) -> Facts {
        let dir = &self.dirs[d];
        let random = mix(mix(dir.seed ^ u64::from(j)) ^ u64::from(version));
        let mtime = mtime(dir.seed, mix(dir.seed ^ u64::from(j)), version);
        Facts {
            kind: if random.is_multiple_of(200) { Kind::Symlink } else { Kind::File },
            size: size(dir.seed, random),
            mtime: StorageTime(mtime),
            ctime: StorageTime(self.ctime(mtime, random)),
            inode: 1_000_000 + dir.first + u64::from(j),
            nlink: 1,
            owner: owner(dir.seed, random),
        }
    }

    /// The facts of directory `d`.
    #[must_use]
    pub fn dir_facts(&self, d: usize) -> Facts {
        let dir = &self.dirs[d];
        let mtime = mtime(dir.seed, dir.seed, 0);
        Facts {
            kind: Kind::Dir,
            size: 4096,
            mtime: StorageTime(mtime),
            ctime: StorageTime(self.ctime(mtime, dir.seed)),
            inode: 1 + d as u64,
            nlink: 2,
            owner: Owner { mode: 0o755, ..owner(dir.seed, 1) },
        }
    }

    /// A complete listing of directory `d`, whose files have changed `version` times.
    #[must_use]
    pub fn listing(&self, d: usize, version: u32, stamp: BootTime) -> Listing {
        let mut own_name = Vec::new();
        if d > 0 {
            self.dir_name(d, &mut own_name);
        }
        let mut builder = BlockBuilder::default();
        self.each_entry(d, version, &mut |name, facts| builder.push(name, facts));
        let blocks = builder.finish(&own_name);
        Listing { dir: self.dir_path(d), stamp, complete: true, facts: self.dir_facts(d), blocks }
    }

    /// Calls `visit` with each entry of directory `d`, in no particular order, as a scan finds them.
    pub fn each_entry(&self, d: usize, version: u32, visit: &mut dyn FnMut(&[u8], &Facts)) {
        let mut name = Vec::new();
        for &child in self.children(d) {
            name.clear();
            self.dir_name(child as usize, &mut name);
            visit(&name, &self.dir_facts(child as usize));
        }
        for j in 0..self.dirs[d].files {
            name.clear();
            self.file_name(d, j, &mut name);
            visit(&name, &self.file_facts(d, j, version));
        }
    }

    fn dir_name(&self, d: usize, out: &mut Vec<u8>) {
        names::dir_name(self.shape, self.dirs[d].seed, d, out);
    }

    fn file_name(&self, d: usize, j: u32, out: &mut Vec<u8>) {
        names::file_name(self.shape, self.dirs[d].seed, j, out);
    }

    /// The path of directory `d` without anything for the root.
    fn dir_bytes(&self, d: usize) -> Vec<u8> {
        let mut chain = Vec::new();
        let mut at = d;
        while at > 0 {
            chain.push(at);
            at = self.dirs[at].parent as usize;
        }
        let mut bytes = Vec::with_capacity(chain.len() * 24);
        for at in chain.into_iter().rev() {
            bytes.push(b'/');
            self.dir_name(at, &mut bytes);
        }
        bytes
    }

    const fn ctime(&self, mtime: i64, random: u64) -> i64 {
        match self.times {
            // Nine in ten were closed by the write that set the mtime; the rest had their mode changed within a minute.
            Times::Fresh if !random.is_multiple_of(10) => mtime,
            Times::Fresh => mtime + (random % 60) as i64 * SECOND,
            // Copied within some days at the end of 2025, in nanoseconds.
            Times::Restored => {
                OLDEST + 260_000_000 * SECOND + (random % (400_000 * SECOND as u64)) as i64
            }
        }
    }
}

/// Subdirectories by parent, in two flat vectors.
fn children(dirs: &[Dir]) -> (Vec<u32>, Vec<u32>) {
    let mut start = vec![0_u32; dirs.len() + 1];
    for dir in &dirs[1..] {
        start[dir.parent as usize + 1] += 1;
    }
    for d in 0..dirs.len() {
        start[d + 1] += start[d];
    }
    let mut next = start.clone();
    let mut children = vec![0; dirs.len() - 1];
    for (d, dir) in dirs.iter().enumerate().skip(1) {
        let at = &mut next[dir.parent as usize];
        children[*at as usize] = d as u32;
        *at += 1;
    }
    (start, children)
}

fn path(bytes: &[u8]) -> ViewPath {
    if bytes.is_empty() {
        return ViewPath::root();
    }
    ViewPath::parse(bytes).expect("generated paths are within the limits")
}

/// Files of a directory are written within a day, or a month for every fourth; one directory in five has whole seconds.
const fn mtime(dir_seed: u64, random: u64, version: u32) -> i64 {
    let day = (dir_seed % 250_000_000) as i64;
    let spread = if dir_seed.is_multiple_of(4) { 30 } else { 1 };
    let second = day + (random % 86_400) as i64 * spread + version as i64 * 61;
    let nanos = if (dir_seed >> 8).is_multiple_of(5) { 0 } else { (random >> 20) as i64 % SECOND };
    OLDEST + second * SECOND + nanos
}

/// Each directory has a typical size between 256 B and 128 MiB; one file in 64 is 64 times larger.
const fn size(dir_seed: u64, random: u64) -> u64 {
    let typical = 1 << (8 + mix(dir_seed) % 20);
    let factor = if random.is_multiple_of(64) { 64 } else { 1 };
    (random >> 7) % typical * factor
}

/// One of 32 users per directory; one file in fifty belongs to somebody else.
const fn owner(dir_seed: u64, random: u64) -> Owner {
    let uid =
        1000 + if random.is_multiple_of(50) { random / 50 % 32 } else { dir_seed % 32 } as u32;
    Owner { mode: 0o644, uid, gid: 100 + (dir_seed % 8) as u32 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_shape_has_unique_names_and_about_as_many_files_as_asked() {
        for shape in Shape::ALL {
            let plan = Plan::new(shape, 20_000, Times::Fresh);
            assert!(
                (20_000..21_000).contains(&plan.files()),
                "{} has {}",
                shape.name(),
                plan.files()
            );
            let mut rows = 0;
            for d in 0..plan.dirs().len() {
                let mut names = BTreeSet::new();
                plan.each_entry(d, 0, &mut |name, _| {
                    assert!(names.insert(name.to_vec()), "{} directory {d}", shape.name());
                });
                rows += names.len() as u64;
            }
            assert_eq!(rows, plan.rows(), "{}", shape.name());
        }
    }

    #[test]
    fn the_mixed_tree_looks_like_a_shared_storage() {
        let plan = Plan::new(Shape::Mixed, 100_000, Times::Fresh);
        let mean = plan.files() as f64 / plan.dirs().len() as f64;
        assert!((34.0..42.0).contains(&mean), "{mean} files a directory");
        let (mut bytes, mut nanos, mut files) = (0, 0, 0);
        let mut rng = Rng::new(1);
        for _ in 0..10_000 {
            let (d, j) = plan.random_file(&mut rng);
            let path = plan.file_path(d, j);
            assert!(path.as_bytes().iter().filter(|b| **b == b'/').count() <= 10);
            bytes += path.as_bytes().rsplit(|b| *b == b'/').next().map_or(0, <[u8]>::len);
            nanos += usize::from(plan.file_facts(d, j, 0).mtime.0 % SECOND != 0);
            files += 1;
        }
        assert!((22..=27).contains(&(bytes / files)), "{} bytes a name", bytes / files);
        assert!(
            (70..=90).contains(&(nanos * 100 / files)),
            "{} % nanoseconds",
            nanos * 100 / files
        );
    }
}
