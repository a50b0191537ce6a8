//! Which directories to watch when the kernel allows fewer than there are: the most recently changed ones.

use std::collections::BTreeSet;

/// A directory of the watcher's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(pub u32);

/// When a directory last changed, in seconds since the epoch: the later, the hotter. Whole seconds, so that directories
/// that change all the time do not take each other's watch in turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Heat(pub u32);

impl Heat {
    /// The heat of a storage time; what lies outside of the range is clamped.
    #[must_use]
    pub fn of(time: crate::time::StorageTime) -> Self {
        let seconds = time.0.div_euclid(crate::time::SECOND).clamp(0, u32::MAX.into());
        Self(u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}

/// Whether a directory may be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// There is room.
    Room,
    /// When this colder one is dropped.
    InsteadOf(WatchId),
    /// All that are watched are as hot or hotter.
    Refused,
}

/// The watched directories under a limit. Up to the limit it only counts; their order is kept from when it matters.
#[derive(Debug)]
pub struct WatchSet {
    limit: usize,
    count: usize,
    coldest_first: Option<BTreeSet<(Heat, WatchId)>>,
}

impl WatchSet {
    /// Nothing is watched yet.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { limit, count: 0, coldest_first: None }
    }

    /// How many are watched.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether none is watched.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Whether one more would be too many.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.count >= self.limit
    }

    /// What may become of a directory of this heat. `members` lists what is watched; it is asked once, when the limit
    /// is first reached. Nothing changes before [`Self::add`] and [`Self::remove`].
    pub fn admit<I>(&mut self, heat: Heat, members: impl FnOnce() -> I) -> Admission
    where
        I: Iterator<Item = (Heat, WatchId)>,
    {
        if !self.is_full() {
            return Admission::Room;
        }
        let order = self.coldest_first.get_or_insert_with(|| members().collect());
        match order.first() {
            Some(&(coldest, id)) if coldest < heat => Admission::InsteadOf(id),
            Some(_) | None => Admission::Refused,
        }
    }

    /// A directory is watched.
    pub fn add(&mut self, heat: Heat, id: WatchId) {
        self.count += 1;
        if let Some(order) = &mut self.coldest_first {
            order.insert((heat, id));
        }
    }

    /// A directory is watched no longer.
    pub fn remove(&mut self, heat: Heat, id: WatchId) {
        self.count = self.count.saturating_sub(1);
        if let Some(order) = &mut self.coldest_first {
            order.remove(&(heat, id));
        }
    }

    /// A watched directory has changed.
    pub fn warm(&mut self, from: Heat, to: Heat, id: WatchId) {
        if let Some(order) = &mut self.coldest_first
            && order.remove(&(from, id))
        {
            order.insert((to, id));
        }
    }

    /// The kernel gives no more than what is watched now.
    pub const fn stop_here(&mut self) {
        self.limit = self.count;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::time::{SECOND, StorageTime};

    /// Watches what the set allows, as the watcher does.
    fn offer(set: &mut WatchSet, watched: &mut BTreeMap<WatchId, Heat>, id: WatchId, heat: Heat) {
        let admission = set.admit(heat, || watched.iter().map(|(id, heat)| (*heat, *id)));
        match admission {
            Admission::Refused => return,
            Admission::Room => {}
            Admission::InsteadOf(cold) => set.remove(watched.remove(&cold).unwrap(), cold),
        }
        set.add(heat, id);
        watched.insert(id, heat);
    }

    #[test]
    fn the_coldest_gives_way_and_an_equal_one_does_not() {
        let mut set = WatchSet::new(2);
        let mut watched = BTreeMap::new();
        offer(&mut set, &mut watched, WatchId(1), Heat(10));
        offer(&mut set, &mut watched, WatchId(2), Heat(20));
        let none = || std::iter::empty();
        let members = || watched.iter().map(|(id, heat)| (*heat, *id));
        assert_eq!(set.admit(Heat(10), members), Admission::Refused);
        assert_eq!(set.admit(Heat(11), none), Admission::InsteadOf(WatchId(1)));
        set.warm(Heat(10), Heat(30), WatchId(1));
        assert_eq!(set.admit(Heat(11), none), Admission::Refused);
        assert_eq!(set.admit(Heat(21), none), Admission::InsteadOf(WatchId(2)));
    }

    #[test]
    fn a_limit_that_the_kernel_sets_holds() {
        let mut set = WatchSet::new(usize::MAX);
        set.add(Heat(5), WatchId(1));
        set.stop_here();
        assert_eq!((set.limit(), set.len()), (1, 1));
        let members = || [(Heat(5), WatchId(1))].into_iter();
        assert_eq!(set.admit(Heat(4), members), Admission::Refused);
    }

    #[test]
    fn times_out_of_range_are_clamped() {
        assert_eq!(Heat::of(StorageTime(-5)), Heat(0));
        assert_eq!(Heat::of(StorageTime(7 * SECOND + 1)), Heat(7));
        assert_eq!(Heat::of(StorageTime(i64::MAX)), Heat(u32::MAX));
    }

    proptest! {
        #[test]
        fn the_hottest_are_watched_whatever_the_order(
            heats in proptest::collection::vec(0_u32..50, 0..60),
            limit in 0_usize..20,
        ) {
            let mut set = WatchSet::new(limit);
            let mut watched = BTreeMap::new();
            for (id, heat) in (0..).zip(&heats) {
                offer(&mut set, &mut watched, WatchId(id), Heat(*heat));
            }
            let mut kept: Vec<_> = watched.values().map(|heat| heat.0).collect();
            kept.sort_unstable();
            let mut hottest = heats;
            hottest.sort_unstable();
            let coldest = hottest.len().saturating_sub(limit);
            prop_assert_eq!(kept, hottest.split_off(coldest));
            prop_assert_eq!(set.len(), watched.len());
        }
    }
}
