//! Removals that were found by a scan, not told by the kernel: a bounded log.

use im::OrdMap;

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

/// The newest removals found by scans, oldest first; one for each path.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlindDeletions {
    log: OrdMap<u64, BlindDeletion>,
    by_path: OrdMap<ViewPath, u64>,
    next: u64,
    dropped: u64,
}

impl BlindDeletions {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &BlindDeletion> {
        self.log.values()
    }

    /// How many were forgotten for lack of room.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn len(&self) -> usize {
        self.log.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Appends one; the oldest goes when there are more than `max`.
    pub(crate) fn push(&mut self, deletion: BlindDeletion, max: usize) {
        self.clear(&deletion.path);
        self.by_path.insert(deletion.path.clone(), self.next);
        self.log.insert(self.next, deletion);
        self.next += 1;
        while self.log.len() > max {
            let Some(oldest) = self.log.get_min().map(|(_, deletion)| deletion.path.clone()) else {
                return;
            };
            self.clear(&oldest);
            self.dropped += 1;
        }
    }

    /// Forgets a path: it was seen again, or the kernel spoke of it.
    pub(crate) fn clear(&mut self, path: &ViewPath) {
        if let Some(n) = self.by_path.remove(path) {
            self.log.remove(&n);
        }
    }
}
