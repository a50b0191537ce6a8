//! Removals that were found by a scan, not told by the kernel: a bounded log.

use im::Vector;

use crate::path::ViewPath;
use crate::time::Stamp;

/// An entry that a later listing of its directory lacked, without the kernel having said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlindDeletion {
    /// What is gone.
    pub path: ViewPath,
    /// When the listing that lacks it began.
    pub at: Stamp,
    /// Entries gone with it that are not directories, itself included.
    pub files: u64,
    /// Directories gone with it, itself included.
    pub dirs: u64,
}

/// The newest removals found by scans, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlindDeletions {
    log: Vector<BlindDeletion>,
    dropped: u64,
}

impl BlindDeletions {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &BlindDeletion> {
        self.log.iter()
    }

    /// How many were forgotten for lack of room.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Appends one; the oldest goes when there are more than `max`.
    pub(crate) fn push(&mut self, deletion: BlindDeletion, max: usize) {
        self.log.push_back(deletion);
        while self.log.len() > max {
            self.log.pop_front();
            self.dropped += 1;
        }
    }

    /// Forgets a path: it was seen again, or the kernel spoke of it.
    pub(crate) fn clear(&mut self, path: &ViewPath) {
        if self.log.iter().any(|deletion| deletion.path == *path) {
            self.log.retain(|deletion| deletion.path != *path);
        }
    }
}
