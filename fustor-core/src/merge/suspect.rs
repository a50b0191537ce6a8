//! Files that may be incomplete, with the moment at which rest would be proved.

use std::ops::Bound;

use im::{OrdMap, OrdSet};

use crate::id::DirId;
use crate::time::Stamp;

use super::spot::{At, Spot};

/// Why and until when a row is suspect. The row of an empty name stands for its directory as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suspicion {
    /// The first observation of the facts that are known now.
    pub(crate) since: Stamp,
    /// When it is looked at again.
    pub(crate) due: Stamp,
}

/// All suspects of a tree. Bounded by its owner.
#[derive(Clone, Debug, Default)]
pub(crate) struct Suspects {
    at: OrdMap<Spot, Suspicion>,
    by_due: OrdSet<(Stamp, Spot)>,
    /// How many stand for a directory as a whole.
    doubts: usize,
}

impl Suspects {
    pub(crate) fn len(&self) -> usize {
        self.at.len()
    }

    pub(crate) fn get(&self, dir: DirId, name: &[u8]) -> Option<Suspicion> {
        if self.at.is_empty() { None } else { self.at.get(&At(dir, name)).copied() }
    }

    pub(crate) fn set(&mut self, dir: DirId, name: &[u8], suspicion: Suspicion) {
        self.clear(dir, name);
        let spot = Spot::new(dir, name);
        self.doubts += usize::from(name.is_empty());
        self.by_due.insert((suspicion.due, spot.clone()));
        self.at.insert(spot, suspicion);
    }

    pub(crate) fn clear(&mut self, dir: DirId, name: &[u8]) -> Option<Suspicion> {
        if self.at.is_empty() {
            return None;
        }
        let (spot, suspicion) =
            self.at.get_key_value(&At(dir, name)).map(|(spot, s)| (spot.clone(), *s))?;
        self.at.remove(&spot);
        self.by_due.remove(&(suspicion.due, spot));
        self.doubts -= usize::from(name.is_empty());
        Some(suspicion)
    }

    /// Whether any directory is suspect as a whole.
    pub(crate) fn has_doubts(&self) -> bool {
        self.doubts > 0
    }

    /// Drops all of one directory.
    pub(crate) fn forget(&mut self, dir: DirId) {
        if self.at.is_empty() {
            return;
        }
        let range = (Bound::Included(Spot::first_of(dir)), Bound::Unbounded);
        let names: Vec<Spot> = self
            .at
            .range(range)
            .map(|(spot, _)| spot.clone())
            .take_while(|spot| spot.dir == dir)
            .collect();
        for spot in names {
            self.clear(spot.dir, &spot.name);
        }
    }

    /// When the first is due.
    pub(crate) fn next_due(&self) -> Option<Stamp> {
        self.by_due.get_min().map(|(due, _)| *due)
    }

    /// Those that are due, earliest first.
    pub(crate) fn due(&self, now: Stamp) -> impl Iterator<Item = &Spot> {
        self.by_due.iter().take_while(move |(due, _)| *due <= now).map(|(_, spot)| spot)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Spot, Stamp)> {
        self.by_due.iter().map(|(due, spot)| (spot, *due))
    }
}
