//! Realtime deletions that still repel older evidence, and where what was renamed went.

use std::ops::Bound;

use im::{OrdMap, OrdSet};

use crate::id::DirId;
use crate::key::Key;
use crate::time::Stamp;

use super::spot::{At, Spot};

/// A deletion of one name in one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tombstone {
    /// The greatest key of a deletion here.
    pub(crate) key: Key,
    /// The directories that were renamed away from here, ascending.
    pub(crate) moves: Vec<Move>,
}

impl Tombstone {
    /// The earliest rename away from here that is later than `key`.
    pub(crate) fn first_move_after(&self, key: Key) -> Option<&Move> {
        self.moves.get(self.moves.partition_point(|went| went.key <= key))
    }

    /// Whether the rename of this key took a directory away from here.
    pub(crate) fn has_move(&self, key: Key) -> bool {
        self.moves.binary_search_by_key(&key, |went| went.key).is_ok()
    }
}

/// Where a directory went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Move {
    /// The key of the rename.
    pub(crate) key: Key,
    /// The directory.
    pub(crate) id: DirId,
    /// Which directory of that id.
    pub(crate) generation: u32,
}

/// All tombstones of a tree. Bounded by its owner; expired by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tombstones {
    at: OrdMap<Spot, Tombstone>,
    by_key: OrdSet<(Key, Spot)>,
}

impl Tombstones {
    pub(crate) fn len(&self) -> usize {
        self.at.len()
    }

    pub(crate) fn get(&self, dir: DirId, name: &[u8]) -> Option<&Tombstone> {
        if self.at.is_empty() { None } else { self.at.get(&At(dir, name)) }
    }

    /// The key of the deletion here; [`Key::NONE`] without one.
    pub(crate) fn key(&self, dir: DirId, name: &[u8]) -> Key {
        self.get(dir, name).map_or(Key::NONE, |tombstone| tombstone.key)
    }

    /// Records a deletion, and where the directory went if it was a rename.
    pub(crate) fn record(&mut self, dir: DirId, name: &[u8], key: Key, went: Option<Move>) {
        let spot = Spot::new(dir, name);
        let mut tombstone = self.take(&spot).unwrap_or(Tombstone { key, moves: Vec::new() });
        tombstone.key = tombstone.key.max(key);
        if let Some(went) = went
            && let Err(i) = tombstone.moves.binary_search(&went)
        {
            tombstone.moves.insert(i, went);
        }
        self.by_key.insert((tombstone.key, spot.clone()));
        self.at.insert(spot, tombstone);
    }

    fn take(&mut self, spot: &Spot) -> Option<Tombstone> {
        let tombstone = self.at.remove(spot)?;
        self.by_key.remove(&(tombstone.key, spot.clone()));
        Some(tombstone)
    }

    /// Drops a deletion that later evidence of the same path outlived, unless a rename needs to be remembered.
    pub(crate) fn outlive(&mut self, dir: DirId, name: &[u8]) {
        if self.get(dir, name).is_some_and(|tombstone| tombstone.moves.is_empty()) {
            self.take(&Spot::new(dir, name));
        }
    }

    /// Whether a directory has any.
    pub(crate) fn any_in(&self, dir: DirId) -> bool {
        !self.at.is_empty()
            && self
                .at
                .range((Bound::Included(Spot::first_of(dir)), Bound::Unbounded))
                .next()
                .is_some_and(|(spot, _)| spot.dir == dir)
    }

    /// Whether a directory has one greater than `key`.
    pub(crate) fn any_newer_in(&self, dir: DirId, key: Key) -> bool {
        !self.at.is_empty() && self.in_dir(dir).any(|(_, tombstone)| tombstone.key > key)
    }

    /// Drops all of one directory.
    pub(crate) fn forget(&mut self, dir: DirId) {
        if self.any_in(dir) {
            let spots: Vec<Spot> = self.in_dir(dir).map(|(spot, _)| spot.clone()).collect();
            for spot in spots {
                self.take(&spot);
            }
        }
    }

    fn in_dir(&self, dir: DirId) -> impl Iterator<Item = (&Spot, &Tombstone)> {
        self.at
            .range((Bound::Included(Spot::first_of(dir)), Bound::Unbounded))
            .take_while(move |(spot, _)| spot.dir == dir)
    }

    /// Drops those of a directory that are not greater than `key`.
    pub(crate) fn forget_covered(&mut self, dir: DirId, key: Key) {
        if self.any_in(dir) {
            let covered = |(spot, tombstone): (&Spot, &Tombstone)| {
                (tombstone.key <= key && tombstone.moves.is_empty()).then(|| spot.clone())
            };
            let spots: Vec<Spot> = self.in_dir(dir).filter_map(covered).collect();
            for spot in spots {
                self.take(&spot);
            }
        }
    }

    /// Those greater than `key`, ascending.
    pub(crate) fn newer_than(&self, key: Key) -> impl Iterator<Item = (Key, &Spot)> {
        let from = (key, Spot::new(DirId::NONE, b""));
        self.by_key
            .range((Bound::Excluded(from), Bound::Unbounded))
            .filter(move |(k, _)| *k > key)
            .map(|(k, spot)| (*k, spot))
    }

    /// Takes the oldest one if it is not later than `horizon`.
    pub(crate) fn expire_one(&mut self, horizon: Stamp) -> Option<Spot> {
        let (key, spot) = self.by_key.get_min()?.clone();
        if key.stamp() > horizon {
            return None;
        }
        self.take(&spot);
        Some(spot)
    }

    /// Takes the oldest one, for lack of room.
    pub(crate) fn evict_one(&mut self) -> Option<(Key, Spot)> {
        let (key, spot) = self.by_key.get_min()?.clone();
        self.take(&spot);
        Some((key, spot))
    }
}
