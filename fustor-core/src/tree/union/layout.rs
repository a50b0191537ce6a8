//! Where the directories of the members stand among those of the union.

use std::sync::Arc;

use im::{OrdMap, OrdSet, Vector};

use crate::id::DirId;

/// Ids of one page, as a power of two: a page of ids belongs to one member, so that an id is translated by its page.
const PAGE_BITS: u32 = 10;
/// Ids of one page.
pub(super) const PAGE: u32 = 1 << PAGE_BITS;

/// A directory of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Part {
    /// Which member.
    pub(crate) member: u16,
    /// The directory, by its id in the member's tree.
    pub(crate) dir: DirId,
}

/// The translation of ids between a union and its members. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    /// For each page of the union, whose it is and which of its pages.
    pages: Vector<(u16, u32)>,
    /// For each member, where each of its pages stands.
    places: Vector<Vector<u32>>,
    /// Directories that several members have, by their id in the union; the member whose slot it is comes first.
    shared: OrdMap<DirId, Arc<[Part]>>,
    /// The same, by part.
    hosts: OrdMap<Part, DirId>,
    /// Directories that are not shown, because another member owns their path.
    hidden: OrdSet<Part>,
}

impl Layout {
    pub(super) fn of_members(count: usize) -> Self {
        Self { places: (0..count).map(|_| Vector::new()).collect(), ..Self::default() }
    }

    /// Makes room for `ids` directories of a member. Gives how many pages were added at the end of the union.
    pub(super) fn reach(&mut self, member: u16, ids: usize) -> usize {
        let Some(places) = self.places.get_mut(usize::from(member)) else { return 0 };
        let before = self.pages.len();
        while places.len() << PAGE_BITS < ids {
            let page = u32::try_from(places.len()).unwrap_or(u32::MAX);
            places.push_back(u32::try_from(self.pages.len()).unwrap_or(u32::MAX));
            self.pages.push_back((member, page));
        }
        self.pages.len() - before
    }

    /// The slot of a member's directory.
    pub(super) fn slot(&self, part: Part) -> DirId {
        let places = self.places.get(usize::from(part.member));
        let page = places.and_then(|places| places.get((part.dir.0 >> PAGE_BITS) as usize));
        page.map_or(DirId::NONE, |page| DirId(page << PAGE_BITS | part.dir.0 & (PAGE - 1)))
    }

    /// The directory of the union that shows a member's directory.
    pub(crate) fn shown(&self, part: Part) -> DirId {
        if part.dir == DirId::NONE {
            return DirId::NONE;
        }
        self.hosts.get(&part).copied().unwrap_or_else(|| self.slot(part))
    }

    /// The directories of members that a directory of the union shows.
    pub(crate) fn parts(&self, dir: DirId) -> impl Iterator<Item = Part> {
        let shared = self.shared.get(&dir);
        let own = if shared.is_none() { self.owner(dir) } else { None };
        shared.into_iter().flat_map(|parts| parts.iter().copied()).chain(own)
    }

    /// Whose slot it is.
    fn owner(&self, dir: DirId) -> Option<Part> {
        let (member, page) = *self.pages.get((dir.0 >> PAGE_BITS) as usize)?;
        Some(Part { member, dir: DirId(page << PAGE_BITS | dir.0 & (PAGE - 1)) })
    }

    pub(super) fn host(&self, part: Part) -> Option<DirId> {
        self.hosts.get(&part).copied()
    }

    pub(super) fn shared(&self, dir: DirId) -> Option<&Arc<[Part]>> {
        self.shared.get(&dir)
    }

    pub(super) fn share(&mut self, dir: DirId, parts: Arc<[Part]>) {
        for part in parts.iter() {
            self.hosts.insert(*part, dir);
        }
        self.shared.insert(dir, parts);
    }

    pub(super) fn unshare(&mut self, dir: DirId) -> Option<Arc<[Part]>> {
        let parts = self.shared.remove(&dir)?;
        for part in parts.iter() {
            self.hosts.remove(part);
        }
        Some(parts)
    }

    pub(super) fn is_hidden(&self, part: Part) -> bool {
        !self.hidden.is_empty() && self.hidden.contains(&part)
    }

    pub(super) fn hide(&mut self, part: Part, on: bool) {
        if on {
            self.hidden.insert(part);
        } else {
            self.hidden.remove(&part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_translated_by_their_pages_and_back() {
        let mut layout = Layout::of_members(2);
        assert_eq!((layout.reach(0, 1), layout.reach(1, 1), layout.reach(0, 1025)), (1, 1, 1));
        assert_eq!(layout.reach(0, 2048), 0);
        for (member, dir, slot) in [(0, 0, 0), (1, 0, 1024), (1, 7, 1031), (0, 1030, 2054)] {
            let part = Part { member, dir: DirId(dir) };
            assert_eq!(layout.slot(part), DirId(slot));
            assert_eq!(layout.parts(DirId(slot)).collect::<Vec<_>>(), [part]);
        }
        assert_eq!(layout.shown(Part { member: 0, dir: DirId::NONE }), DirId::NONE);
        assert_eq!(layout.slot(Part { member: 1, dir: DirId(1024) }), DirId::NONE);
    }

    #[test]
    fn a_shared_directory_shows_all_of_its_parts() {
        let mut layout = Layout::of_members(2);
        layout.reach(0, 1);
        layout.reach(1, 1);
        let parts = [0, 1].map(|member| Part { member, dir: DirId::ROOT });
        layout.share(DirId::ROOT, Arc::from(parts));
        assert_eq!(parts.map(|part| layout.shown(part)), [DirId::ROOT; 2]);
        assert!(layout.parts(DirId::ROOT).eq(parts));
        assert!(layout.unshare(DirId::ROOT).is_some());
        assert_eq!(parts.map(|part| layout.shown(part)), [DirId(0), DirId(1024)]);
    }
}
