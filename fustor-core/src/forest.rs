//! A forest: one view for each storage, so that the same path can be compared across them. A plain view is a forest of
//! one.

use std::collections::BTreeMap;

use crate::event::{Applied, Command};
use crate::id::StorageId;
use crate::merge::ViewConfig;
use crate::snapshot::Snapshot;
use crate::time::Now;
use crate::view::View;

/// Views by storage; a storage that is spoken of for the first time gets one.
pub struct Forest {
    config: ViewConfig,
    incarnation: u64,
    members: BTreeMap<StorageId, View>,
}

impl Forest {
    /// A forest without trees.
    #[must_use]
    pub fn new(config: ViewConfig, incarnation: u64) -> Self {
        Self { config, incarnation, members: BTreeMap::new() }
    }

    /// Applies a command to one member.
    pub fn apply(&mut self, now: Now, member: StorageId, command: Command) -> Applied {
        let Self { config, incarnation, members } = self;
        members
            .entry(member)
            .or_insert_with(|| View::new(config.clone(), *incarnation))
            .apply(now, command)
    }

    /// The members' states, by storage.
    #[must_use]
    pub fn snapshots(&self) -> BTreeMap<StorageId, Snapshot> {
        self.members.iter().map(|(id, view)| (*id, view.snapshot())).collect()
    }

    /// Frees directories that were cut off, up to `max_dirs` in each member. True when more remain.
    pub fn release(&mut self, max_dirs: usize) -> bool {
        self.members
            .values_mut()
            .map(|view| view.release(max_dirs))
            .fold(false, |any, more| any | more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Mono, Stamp};

    #[test]
    fn members_are_apart_and_appear_when_spoken_of() {
        let now = Now { mono: Mono(0), wall: Stamp(1) };
        let mut forest = Forest::new(ViewConfig::default(), 7);
        assert!(forest.snapshots().is_empty());
        forest.apply(now, StorageId(2), Command::Tick);
        forest.apply(now, StorageId(2), Command::Tick);
        forest.apply(now, StorageId(1), Command::Tick);
        let counts: Vec<(u16, u64)> =
            forest.snapshots().iter().map(|(id, s)| (id.0, s.revision().n)).collect();
        assert_eq!(counts, [(1, 1), (2, 2)]);
        assert!(!forest.release(10));
    }
}
