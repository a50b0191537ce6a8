//! A hash index of small numbers that keeps no keys: the table that they point into has them.

/// No entry.
const EMPTY: u32 = u32::MAX;

/// Open addressing with linear probing, at most three quarters full: 5 to 11 bytes an entry, where a map with keys
/// takes 20 to 40. With a table entry for each directory of a large tree that is most of the watcher's memory.
#[derive(Debug, Default)]
pub(crate) struct Index {
    slots: Vec<u32>,
    len: usize,
}

impl Index {
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.position(hash, is_it).map(|at| self.slots[at])
    }

    /// Adds an entry that is not there. `hash_of` gives the hash of any entry.
    pub(crate) fn insert(&mut self, hash: u64, entry: u32, hash_of: impl Fn(u32) -> u64) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow(hash_of);
        }
        self.place(hash, entry);
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, hash: u64, entry: u32, hash_of: impl Fn(u32) -> u64) {
        let Some(mut hole) = self.position(hash, |other| other == entry) else { return };
        self.len -= 1;
        let mask = self.slots.len() - 1;
        let mut at = hole;
        // Entries behind the hole move up unless that would put them before their own place.
        loop {
            at = (at + 1) & mask;
            let follower = self.slots[at];
            if follower == EMPTY {
                break;
            }
            let home = start(hash_of(follower), mask);
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = follower;
                hole = at;
            }
        }
        self.slots[hole] = EMPTY;
    }

    /// What it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u32>()
    }

    fn position(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut at = start(hash, mask);
        loop {
            match self.slots[at] {
                EMPTY => return None,
                entry if is_it(entry) => return Some(at),
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn place(&mut self, hash: u64, entry: u32) {
        let mask = self.slots.len() - 1;
        let mut at = start(hash, mask);
        while self.slots[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.slots[at] = entry;
    }

    fn grow(&mut self, hash_of: impl Fn(u32) -> u64) {
        let size = (self.slots.len() * 2).max(16);
        let old = std::mem::replace(&mut self.slots, vec![EMPTY; size]);
        for entry in old.into_iter().filter(|entry| *entry != EMPTY) {
            self.place(hash_of(entry), entry);
        }
    }
}

/// The upper half of the hash: `rustc-hash` mixes upwards.
fn start(hash: u64, mask: usize) -> usize {
    (hash >> 32) as usize & mask
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_set_holds(
            ops in proptest::collection::vec((any::<bool>(), 0_u32..80), 0..400),
        ) {
            // Few distinct hashes, so that entries collide and chains wrap around.
            let hash = |entry: u32| u64::from(entry % 7) << 34;
            let mut index = Index::default();
            let mut model = BTreeSet::new();
            for (add, entry) in ops {
                if add && model.insert(entry) {
                    index.insert(hash(entry), entry, hash);
                } else if !add && model.remove(&entry) {
                    index.remove(hash(entry), entry, hash);
                }
                for entry in 0..80 {
                    let found = index.find(hash(entry), |other| other == entry);
                    prop_assert_eq!(found.is_some(), model.contains(&entry));
                }
            }
        }
    }
}
