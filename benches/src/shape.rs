//! The shapes of trees that are measured, as a list of directories; names and facts are made on demand from seeds.

use crate::rng::{Rng, mix};

/// Files in each leaf directory of [`Shape::Uuid`].
const UUID_FILES: u32 = 250;
/// Leaf directories below each directory of [`Shape::Uuid`].
const UUID_LEAVES: u32 = 4;
/// Levels of [`Shape::Deep`].
const DEEP_LEVELS: u64 = 1000;
/// Directories in each group of [`Shape::Tiny`].
const TINY_GROUP: u64 = 1000;
/// Levels of [`Shape::Mixed`].
const MIXED_LEVELS: usize = 8;

/// What a tree looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Like a shared storage: about 38 files a directory, at most eight levels.
    Mixed,
    /// Directories named by uuid, four below each, 250 files in each of those.
    Uuid,
    /// All files in one directory.
    Huge,
    /// A chain of a thousand directories with files at each level.
    Deep,
    /// One file per directory.
    Tiny,
}

impl Shape {
    /// All shapes.
    pub const ALL: [Self; 5] = [Self::Mixed, Self::Uuid, Self::Huge, Self::Deep, Self::Tiny];

    /// The word for it in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Uuid => "uuid",
            Self::Huge => "huge",
            Self::Deep => "deep",
            Self::Tiny => "tiny",
        }
    }

    /// The directories of a tree of about `files` files, each after its parent. The first is the root.
    #[must_use]
    pub fn dirs(self, files: u64, seed: u64) -> Vec<Dir> {
        let mut grow = Grow::new(seed);
        match self {
            Self::Mixed => mixed(&mut grow, files),
            Self::Uuid => uuid(&mut grow, files),
            Self::Huge => {
                grow.push(0, narrow(files));
            }
            Self::Deep => deep(&mut grow, files),
            Self::Tiny => tiny(&mut grow, files),
        }
        grow.dirs
    }
}

/// One directory of a plan.
#[derive(Clone, Copy, Debug)]
pub struct Dir {
    /// Index of its parent; the root is its own.
    pub parent: u32,
    /// Number of files directly in it.
    pub files: u32,
    /// Number of files in all directories before it.
    pub first: u64,
    /// Decides its name, its files' names and their facts.
    pub seed: u64,
}

struct Grow {
    dirs: Vec<Dir>,
    files: u64,
    rng: Rng,
}

impl Grow {
    fn new(seed: u64) -> Self {
        let root = Dir { parent: 0, files: 0, first: 0, seed: mix(seed) };
        Self { dirs: vec![root], files: 0, rng: Rng::new(seed) }
    }

    fn push(&mut self, parent: u32, files: u32) -> u32 {
        let id = narrow(self.dirs.len() as u64);
        self.dirs.push(Dir { parent, files, first: self.files, seed: self.rng.bits() });
        self.files += u64::from(files);
        id
    }
}

/// A walk that goes down, sideways or up at random; the deeper it is, the more often up.
fn mixed(grow: &mut Grow, files: u64) {
    let mut stack = vec![0];
    while grow.files < files {
        let step = grow.rng.below(100);
        let down = match stack.len() {
            0..=3 => 75,
            4..=5 => 45,
            _ => 25,
        };
        if step >= down || stack.len() > MIXED_LEVELS {
            let up = if step < down + 30 { 1 } else { 1 + grow.rng.below(3) as usize };
            stack.truncate(stack.len().saturating_sub(up).max(1));
        }
        let count = mixed_files(&mut grow.rng);
        let parent = stack[stack.len() - 1];
        stack.push(grow.push(parent, count));
    }
}

/// 60 % small, 30 % medium, 10 % large: 38 files on average.
const fn mixed_files(rng: &mut Rng) -> u32 {
    let count = match rng.below(100) {
        0..=59 => 1 + rng.below(20),
        60..=89 => 20 + rng.below(60),
        _ => 80 + rng.below(171),
    };
    count as u32
}

fn uuid(grow: &mut Grow, files: u64) {
    while grow.files < files {
        let top = grow.push(0, 0);
        for _ in 0..UUID_LEAVES {
            grow.push(top, UUID_FILES);
        }
    }
}

fn deep(grow: &mut Grow, files: u64) {
    let each = narrow(files.div_ceil(DEEP_LEVELS));
    let mut parent = 0;
    for _ in 0..DEEP_LEVELS {
        parent = grow.push(parent, each);
    }
}

fn tiny(grow: &mut Grow, files: u64) {
    while grow.files < files {
        let group = grow.push(0, 0);
        for _ in 0..TINY_GROUP {
            grow.push(group, 1);
        }
    }
}

fn narrow(n: u64) -> u32 {
    u32::try_from(n).expect("a measured tree has fewer than 2^32 entries")
}
