//! Listings of deep directories that wait to be proven together.
//!
//! That the path of a directory still leads to it is found out by walking from the root, which costs the kernel as many
//! steps as the directory is deep. So one walk serves as many directories as it is deep, divided by [`LEVELS`]: then a
//! directory costs the same few steps at any depth. A directory that is not deep is proven by itself.

use std::sync::Arc;

use fustor_core::{Block, BootTime, ViewPath};

use super::job::{Job, Run};
use super::list::Read;
use crate::clock::MS;
use crate::disk::{Look, Root, Walk};

/// So many levels are worth one more directory that waits.
const LEVELS: usize = 16;
/// Directories that wait with one worker.
const HELD_MAX: usize = 256;
/// Bytes of their listings and paths.
const HELD_BYTES_MAX: usize = 4 << 20;
/// So long the first one waits at most, for a storage that is slow.
const HELD_AGE_NS: i64 = 250 * MS;

/// How many directories of this depth are proven together.
pub(super) fn company(path: &ViewPath) -> usize {
    // Below that many bytes it cannot be deep: counting is not worth it.
    if path.as_bytes().len() < 4 * LEVELS {
        return 1;
    }
    (path.depth() / LEVELS).clamp(1, HELD_MAX)
}

/// A directory that was read.
pub(super) struct Held {
    pub(super) job: Job,
    pub(super) read: Box<Read>,
    /// What was read.
    pub(super) look: Look,
}

/// The directories that wait.
#[derive(Default)]
pub(super) struct Shelf {
    held: Vec<Held>,
    bytes: usize,
    since: BootTime,
}

impl Shelf {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn add(&mut self, held: Held, now: BootTime) {
        if self.held.is_empty() {
            self.since = now;
        }
        let listing = &held.read.listing;
        let blocks: usize = listing.blocks.iter().map(|block: &Block| block.as_bytes().len()).sum();
        self.bytes += listing.dir.as_bytes().len() + blocks;
        self.held.push(held);
    }

    /// Whether to prove them now.
    pub(super) fn is_due(&self, now: BootTime) -> bool {
        self.held.last().is_some_and(|last| {
            self.held.len() >= company(&last.read.listing.dir)
                || self.bytes >= HELD_BYTES_MAX
                || now.since(self.since) >= HELD_AGE_NS
        })
    }

    /// All of them, those above others first.
    pub(super) fn take(&mut self) -> Vec<Held> {
        self.bytes = 0;
        let mut held = std::mem::take(&mut self.held);
        held.sort_by(|a, b| a.read.listing.dir.cmp(&b.read.listing.dir));
        held
    }
}

/// Whether each of these paths still leads to what was read there.
pub(super) fn prove(root: &Root, held: &[Held], beat: impl Fn()) -> Vec<std::io::Result<bool>> {
    let mut walk = Walk::new(root);
    let path = |at: usize| held.get(at).map(|held| &held.read.listing.dir);
    let prove = |(at, one): (usize, &Held)| {
        beat();
        walk.leads_to(&one.read.listing.dir, path(at + 1), &one.look)
    };
    held.iter().enumerate().map(prove).collect()
}

/// What a worker is at, for the watchdog: the directory, and the run that waits for it.
pub(super) type Reading = (ViewPath, Option<Arc<Run>>);
