//! Directories that several members have: whose rows are shown, and what is counted twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::block::Block;
use crate::entry::{Facts, Marks, Row};
use crate::id::{DirId, StorageId};
use crate::key::{Key, Tier};
use crate::time::Stamp;

use super::super::diff::changed_names;
use super::super::entries::Entries;
use super::super::meta::{Delta, Flags, Meta, Totals};
use super::layout::Part;
use super::rule::{Claim, Shown, decide};
use super::{Fold, Union, is_same};

/// A path of the union: a directory and a name in it.
pub(crate) type Place = (DirId, Arc<[u8]>);

/// A path that several members claim, of which one alone is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// Whose entry is shown.
    pub(crate) owner: StorageId,
    /// The members whose entries are not, with their directory if it is one.
    hidden: Arc<[Part]>,
    /// The storages of these.
    pub(crate) others: Arc<[StorageId]>,
}

/// What is kept of a shared directory.
#[derive(Clone)]
pub(super) struct Share {
    /// Steps from the root.
    depth: u32,
    /// The shared directory that holds it; [`DirId::NONE`] for the root.
    above: DirId,
    /// The shared directories in it.
    children: BTreeSet<DirId>,
    /// What the sum of its parts counts and the union does not.
    excess: Delta,
}

/// How many rows of a shared directory are to be looked at.
pub(super) enum Extent {
    /// Those that differ between the two states of the member.
    Changed,
    /// All that these parts have.
    All(Vec<Part>),
}

/// A member's row without its name.
#[derive(Clone, Copy)]
struct Found {
    member: u16,
    facts: Facts,
    key: Key,
    marks: Marks,
    child: DirId,
}

impl Found {
    const fn part(&self) -> Part {
        Part { member: self.member, dir: self.child }
    }

    const fn row<'a>(&self, name: &'a [u8], storage: StorageId) -> Row<'a> {
        let Self { facts, key, marks, child, .. } = *self;
        Row { name, facts, key, marks, storage, child }
    }
}

impl Union {
    /// All members have a root, and the union shows one.
    pub(super) fn share_roots(&mut self) {
        let parts = (0..self.members.len() as u16).map(|member| Part { member, dir: DirId::ROOT });
        self.layout.share(DirId::ROOT, parts.collect());
        let share = Share {
            depth: 0,
            above: DirId::NONE,
            children: BTreeSet::new(),
            excess: Delta::default(),
        };
        self.shares.insert(DirId::ROOT, share);
        if let Some(root) = self.tree.entries.get_mut(0) {
            *root = Entries::empty(b"");
        }
    }

    /// Notes that rows of a shared directory are to be looked at.
    pub(super) fn look_at(&self, fold: &mut Fold, dir: DirId, extent: Extent) {
        let Some(share) = self.shares.get(&dir) else { return };
        let at = fold.work.entry((share.depth, dir)).or_insert(Extent::Changed);
        match (at, extent) {
            (_, Extent::Changed) => {}
            (Extent::All(known), Extent::All(more)) => known.extend(more),
            (at, more) => *at = more,
        }
    }

    /// Looks at all rows that were noted, from the root down, and adds up from below.
    pub(super) fn merge_shared(&mut self, mut fold: Fold) {
        let mut merged = BTreeSet::new();
        while let Some(((_, dir), extent)) = fold.work.pop_first() {
            if !self.shares.contains_key(&dir) {
                continue;
            }
            for name in self.names(&fold, dir, &extent) {
                self.show(&mut fold, dir, &name);
            }
            merged.insert(dir);
        }
        for (_, dir) in self.up_to_root(merged).into_iter().rev() {
            self.add_up(dir);
        }
    }

    /// These shared directories and all above them, by depth.
    fn up_to_root(&self, dirs: BTreeSet<DirId>) -> BTreeSet<(u32, DirId)> {
        let mut all = BTreeSet::new();
        for mut at in dirs {
            while let Some(share) = self.shares.get(&at)
                && all.insert((share.depth, at))
            {
                at = share.above;
            }
        }
        all
    }

    fn names(&self, fold: &Fold, dir: DirId, extent: &Extent) -> BTreeSet<Box<[u8]>> {
        let mut names = BTreeSet::new();
        for part in self.layout.parts(dir) {
            let entries = self.members[usize::from(part.member)].tree.entries(part.dir);
            match extent {
                Extent::All(parts) if parts.contains(&part) => {
                    names.extend(entries.rows().map(|row| Box::from(row.name)));
                }
                Extent::All(_) | Extent::Changed if part.member == fold.member => {
                    names.extend(changed_names(fold.older.entries(part.dir), entries));
                }
                Extent::All(_) | Extent::Changed => {}
            }
        }
        names
    }

    /// Decides anew what is shown under a name in a shared directory.
    fn show(&mut self, fold: &mut Fold, dir: DirId, name: &[u8]) {
        let found = self.found(dir, name);
        let claims: Vec<Claim> =
            found.iter().map(|found| self.claim(fold, dir, name, found)).collect();
        let before = self.tree.entries(dir).find(name);
        let before = before.map(|row| (row.storage, row.child));
        let guide = before.filter(|_| !fold.anew.contains(&dir));
        let was = guide.and_then(|(storage, child)| {
            Some(Shown { owner: self.member_of(storage)?, is_dir: child != DirId::NONE })
        });
        let held = before.map_or(DirId::NONE, |(_, child)| child);
        let Some(shown) = decide(&claims, was, self.rules) else {
            self.part_ways_at(dir, name, held);
            self.hide(dir, name, None);
            self.rows_mut(dir).remove(name);
            return;
        };
        let Some(owner) = teller(&found, shown) else { return };
        self.takeovers += u64::from(was.is_some_and(|was| is_taken(&found, was, shown)));
        let (shown_parts, hidden): (Vec<Found>, Vec<Found>) = found.iter().partition(|found| {
            let is_dir = found.child != DirId::NONE;
            if shown.is_dir { is_dir } else { found.member == shown.owner }
        });
        self.hide(dir, name, Some((shown.owner, &hidden)));
        let child = if shown.is_dir {
            let parts = shown_parts.iter().map(Found::part).collect();
            self.child(fold, dir, name, held, parts)
        } else {
            self.part_ways_at(dir, name, held);
            DirId::NONE
        };
        let storage = self.members[usize::from(owner.member)].storage;
        self.rows_mut(dir).put(&Found { child, ..owner }.row(name, storage));
    }

    fn rows_mut(&mut self, dir: DirId) -> &mut Entries {
        self.tree.entries.get_mut(dir.0 as usize).expect("a shared directory has a slot")
    }

    /// What the members have under a name, in their order.
    fn found(&self, dir: DirId, name: &[u8]) -> Vec<Found> {
        let mut found: Vec<Found> =
            self.layout.parts(dir).filter_map(|part| self.found_in(part, name)).collect();
        found.sort_unstable_by_key(|found| found.member);
        found
    }

    fn found_in(&self, part: Part, name: &[u8]) -> Option<Found> {
        let tree = &self.members[usize::from(part.member)].tree;
        let Row { facts, key, marks, child, .. } = tree.entries(part.dir).find(name)?;
        Some(Found { member: part.member, facts, key, marks, child })
    }

    fn claim(&self, fold: &Fold, dir: DirId, name: &[u8], found: &Found) -> Claim {
        let is_news = found.member == fold.member && self.is_news(fold, dir, name, found);
        Claim { member: found.member, is_dir: found.child != DirId::NONE, key: found.key, is_news }
    }

    /// Whether a row of the member that is folded in has just come by a realtime event, or with other facts than before.
    fn is_news(&self, fold: &Fold, dir: DirId, name: &[u8], found: &Found) -> bool {
        let Some(part) = self.layout.parts(dir).find(|part| part.member == fold.member) else {
            return false;
        };
        let newer = &self.members[usize::from(part.member)].tree;
        if is_same(&fold.older, newer, part.dir) {
            return false;
        }
        let known = (part.dir.0 as usize) < fold.older.id_count()
            && fold.older.meta(part.dir).generation == newer.meta(part.dir).generation;
        let was = if known { fold.older.entries(part.dir).find(name) } else { None };
        let is_realtime = found.key.tier() != Tier::Scan;
        match was {
            Some(was) if was.key == found.key && was.facts == found.facts => false,
            Some(was) => is_realtime || was.facts != found.facts,
            None => is_realtime,
        }
    }

    /// The directory that shows these parts under a name, shared if there are several.
    fn child(
        &mut self,
        fold: &mut Fold,
        dir: DirId,
        name: &[u8],
        held: DirId,
        parts: Vec<Part>,
    ) -> DirId {
        let known = self.parts_at(dir, name, held);
        if let Some(known) = &known {
            if parts.len() == known.len() && parts.iter().all(|part| known.contains(part)) {
                return held;
            }
            if known.iter().all(|part| parts.contains(part)) {
                let added: Vec<Part> =
                    parts.iter().filter(|part| !known.contains(part)).copied().collect();
                self.join(fold, held, known, added);
                return held;
            }
        }
        self.part_ways_at(dir, name, held);
        let anew = known.is_some() || fold.anew.contains(&held) || fold.anew.contains(&dir);
        let shared = match parts[..] {
            [only] => return self.layout.slot(only),
            _ => self.share(fold, dir, held, parts),
        };
        if anew {
            fold.anew.insert(shared);
        }
        shared
    }

    /// The parts of the shared directory of that name, if it is one.
    fn parts_at(&self, dir: DirId, name: &[u8], held: DirId) -> Option<Arc<[Part]>> {
        self.shares.get(&held).filter(|share| share.above == dir)?;
        let is_here = self.tree.entries(held).own_name() == name;
        self.layout.shared(held).filter(|_| is_here).cloned()
    }

    /// Makes one directory of several parts, in the slot of the one that was shown before, if any.
    fn share(&mut self, fold: &mut Fold, above: DirId, held: DirId, mut parts: Vec<Part>) -> DirId {
        if let Some(host) = parts.iter().position(|part| self.layout.slot(*part) == held) {
            parts.swap(0, host);
        }
        let host = parts.remove(0);
        let dir = self.layout.slot(host);
        self.mirror(host, true);
        let depth = self.shares.get(&above).map_or(0, |share| share.depth) + 1;
        let share = Share { depth, above, children: BTreeSet::new(), excess: Delta::default() };
        self.shares.insert(dir, share);
        if let Some(above) = self.shares.get_mut(&above) {
            above.children.insert(dir);
        }
        self.join(fold, dir, &[host], parts);
        dir
    }

    /// Adds parts to a shared directory: what they hold hangs on it from now on.
    fn join(&mut self, fold: &mut Fold, dir: DirId, known: &[Part], added: Vec<Part>) {
        self.layout.share(dir, known.iter().chain(&added).copied().collect());
        for part in &added {
            let slot = self.layout.slot(*part).0 as usize;
            if let Some(meta) = self.tree.metas.get_mut(slot) {
                *meta = Meta::new(DirId::NONE, meta.generation);
            }
            if let Some(entries) = self.tree.entries.get_mut(slot) {
                *entries = Entries::Vacant;
            }
            self.mirror_children(*part);
        }
        self.look_at(fold, dir, Extent::All(added));
    }

    /// Gives the directories in a member's directory their parent anew.
    fn mirror_children(&mut self, part: Part) {
        let entries = self.members[usize::from(part.member)].tree.entries(part.dir).clone();
        for dir in entries.blocks().flat_map(Block::children) {
            let child = Part { dir, ..part };
            if self.layout.host(child).is_none() {
                self.mirror(child, false);
            }
        }
    }

    fn part_ways_at(&mut self, dir: DirId, name: &[u8], held: DirId) {
        if self.parts_at(dir, name, held).is_some() {
            self.part_ways(held);
        }
    }

    /// A shared directory, with all shared ones below it, is each member's own again.
    pub(super) fn part_ways(&mut self, dir: DirId) {
        let above = self.shares.get(&dir).map_or(DirId::NONE, |share| share.above);
        if let Some(above) = self.shares.get_mut(&above) {
            above.children.remove(&dir);
        }
        let mut open = vec![dir];
        let mut parted = Vec::new();
        while let Some(dir) = open.pop() {
            open.extend(self.shares.remove(&dir).into_iter().flat_map(|share| share.children));
            for name in self.contested(dir) {
                self.hide(dir, &name, None);
            }
            parted.extend(self.layout.unshare(dir).iter().flat_map(|parts| parts.iter().copied()));
        }
        for part in parted {
            if (part.dir.0 as usize) < self.members[usize::from(part.member)].tree.id_count() {
                self.mirror(part, true);
                self.mirror_children(part);
            }
        }
    }

    /// The names in a directory that several members claim.
    fn contested(&self, dir: DirId) -> Vec<Arc<[u8]>> {
        let first: Place = (dir, Arc::from(&b""[..]));
        self.conflicts
            .range(first..)
            .take_while(|((at, _), _)| *at == dir)
            .map(|((_, name), _)| Arc::clone(name))
            .collect()
    }

    /// Notes which members' entries are not shown under a name.
    fn hide(&mut self, dir: DirId, name: &[u8], shown: Option<(u16, &[Found])>) {
        let shown = shown.filter(|(_, hidden)| !hidden.is_empty());
        if shown.is_none() && self.conflicts.is_empty() {
            return;
        }
        let place: Place = (dir, Arc::from(name));
        let before = self.conflicts.remove(&place).map(|conflict| conflict.hidden);
        for part in before.iter().flat_map(|parts| parts.iter()) {
            self.reveal(*part);
        }
        let Some((owner, hidden)) = shown else { return };
        let storage = |member: u16| self.members[usize::from(member)].storage;
        let conflict = Conflict {
            owner: storage(owner),
            hidden: hidden.iter().map(Found::part).collect(),
            others: hidden.iter().map(|found| storage(found.member)).collect(),
        };
        for part in conflict.hidden.iter().filter(|part| part.dir != DirId::NONE) {
            self.layout.hide(*part, true);
            self.mirror(*part, false);
        }
        self.conflicts.insert(place, conflict);
    }

    fn reveal(&mut self, part: Part) {
        let ids = self.members[usize::from(part.member)].tree.id_count();
        if part.dir != DirId::NONE && (part.dir.0 as usize) < ids {
            self.layout.hide(part, false);
            if self.layout.host(part).is_none() {
                self.mirror(part, false);
            }
        }
    }

    /// Keys and totals of a shared directory: those of its parts together, less what they count more than once.
    fn add_up(&mut self, dir: DirId) {
        let Some(parts) = self.layout.shared(dir).cloned() else { return };
        let metas: Vec<Meta> = parts
            .iter()
            .map(|part| *self.members[usize::from(part.member)].tree.meta(part.dir))
            .collect();
        let mut excess = self.excess_of_rows(dir);
        let own = |is: fn(&Meta) -> bool| {
            -i32::try_from(metas.iter().filter(|meta| is(meta)).count().saturating_sub(1))
                .unwrap_or(0)
        };
        excess.unlisted += own(Meta::awaits_listing);
        excess.gaps += own(Meta::owes_listing);
        let parent = self.shares.get(&dir).map_or(DirId::NONE, |share| share.above);
        let generation = self.tree.meta(dir).generation;
        let mut meta = Meta { version: self.version, ..Meta::new(parent, generation) };
        gather(&mut meta, &metas);
        let mut sum = Delta::default();
        metas.iter().for_each(|part| sum.add_subtree(part));
        meta.add(&sum);
        meta.add(&excess);
        if let Some(share) = self.shares.get_mut(&dir) {
            share.excess = excess;
        }
        if let Some(place) = self.tree.metas.get_mut(dir.0 as usize) {
            *place = meta;
        }
    }

    /// What the parts of a directory count in their rows and below, and the union does not.
    fn excess_of_rows(&self, dir: DirId) -> Delta {
        let mut excess = Delta::default();
        for name in self.contested(dir) {
            let Some(conflict) = self.conflicts.get(&(dir, Arc::clone(&name))) else { continue };
            for part in conflict.hidden.iter() {
                self.take(&mut excess, dir, *part, &name);
                if part.dir != DirId::NONE {
                    let tree = &self.members[usize::from(part.member)].tree;
                    excess.take_subtree(&tree.meta(part.dir).totals);
                }
            }
        }
        for child in self.shares.get(&dir).into_iter().flat_map(|share| &share.children) {
            let name = self.tree.entries(*child).own_name();
            let owner = self.tree.entries(dir).find(name).map(|row| row.storage);
            for part in self.layout.parts(*child) {
                if Some(self.members[usize::from(part.member)].storage) != owner {
                    self.take(&mut excess, dir, part, name);
                }
            }
            if let Some(share) = self.shares.get(child) {
                excess.absorb(&share.excess);
            }
        }
        excess
    }

    /// Takes the row of a member's entry away.
    fn take(&self, excess: &mut Delta, dir: DirId, entry: Part, name: &[u8]) {
        let holder = self.layout.parts(dir).find(|part| part.member == entry.member);
        if let Some(found) = holder.and_then(|holder| self.found_in(holder, name)) {
            excess.take_row(&found.row(name, StorageId::default()));
        }
    }
}

/// Whose facts are shown: the owner's, unless it has only inferred its directory and another has seen it.
fn teller(found: &[Found], shown: Shown) -> Option<Found> {
    let owner = found.iter().find(|found| found.member == shown.owner)?;
    let has_seen =
        |found: &&Found| found.child != DirId::NONE && !found.marks.has(Marks::PLACEHOLDER);
    let inferred = shown.is_dir && owner.marks.has(Marks::PLACEHOLDER);
    Some(*found.iter().find(has_seen).filter(|_| inferred).unwrap_or(owner))
}

/// Whether a path changes hands although its owner still has it. A directory that becomes shared does not.
fn is_taken(found: &[Found], was: Shown, shown: Shown) -> bool {
    was.owner != shown.owner
        && !(was.is_dir && shown.is_dir)
        && found.iter().any(|found| found.member == was.owner)
}

/// What holds for a shared directory: it awaits, owes and was verified as the worst of its parts.
fn gather(meta: &mut Meta, parts: &[Meta]) {
    let verified = parts.iter().map(|part| part.verified).filter(|at| *at > Stamp::MIN).min();
    let awaits = parts.iter().any(Meta::awaits_listing);
    meta.verified = verified.filter(|_| !awaits).unwrap_or(Stamp::MIN);
    meta.flags.set(Flags::UNREADABLE, !awaits && meta.verified == Stamp::MIN);
    meta.owed = parts.iter().map(|part| part.owed).max().unwrap_or(Stamp::MIN);
    for part in parts {
        meta.presence = meta.presence.max(part.presence);
        meta.confirmed = meta.confirmed.max(part.confirmed);
    }
    meta.totals = Totals::default();
}
