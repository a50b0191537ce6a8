//! The key of the side tables: a name in a directory, so that moving a directory moves what is known of its contents.

use std::cmp::Ordering;
use std::sync::Arc;

use equivalent::{Comparable, Equivalent};

use crate::id::DirId;

/// A name in a directory, owned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Spot {
    pub(crate) dir: DirId,
    pub(crate) name: Arc<[u8]>,
}

/// A name in a directory, borrowed; looks up a [`Spot`] without an allocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a>(pub(crate) DirId, pub(crate) &'a [u8]);

impl Spot {
    pub(crate) fn new(dir: DirId, name: &[u8]) -> Self {
        Self { dir, name: Arc::from(name) }
    }

    /// The first spot of a directory: no name is empty.
    pub(crate) fn first_of(dir: DirId) -> At<'static> {
        At(dir, b"")
    }
}

impl Equivalent<Spot> for At<'_> {
    fn equivalent(&self, spot: &Spot) -> bool {
        (self.0, self.1) == (spot.dir, &*spot.name)
    }
}

impl Comparable<Spot> for At<'_> {
    fn compare(&self, spot: &Spot) -> Ordering {
        (self.0, self.1).cmp(&(spot.dir, &*spot.name))
    }
}
