//! One entry, with all below it, under another name: O(1) where nothing newer is known on either side, otherwise a
//! deletion, evidence of the new name, and a gap.

use crate::entry::{Facts, Marks, Row};
use crate::event::{GapReason, Refusal, Verdict};
use crate::id::DirId;
use crate::key::{Claim, Key, Tier};
use crate::path::ViewPath;
use crate::rules::Rule;
use crate::time::Stamp;
use crate::tree::{Delta, Flags};

use super::reach::{Old, Site};
use super::rule::Known;
use super::tombstone::Move;
use super::upsert::Evidence;
use super::{Arbiter, Hearing};

/// More tombstones than this that are newer than a rename are not searched: the rename is applied as a deletion and
/// new evidence.
const NEWER_MAX: usize = 64;

/// What is to be moved where.
struct Transfer<'a> {
    from: Site,
    old_name: &'a [u8],
    to: Site,
    new_name: &'a [u8],
    row: Old,
    target: Option<Old>,
    /// The key under which the old name is gone, and whatever had the new name.
    gone: Key,
    /// The key under which the new name is there.
    here: Key,
}

impl Arbiter {
    /// Takes in a rename that the kernel reported and an `lstat` of the new name confirmed.
    pub(crate) fn rename(
        &mut self,
        hearing: &mut Hearing<'_>,
        old: &ViewPath,
        new: &ViewPath,
        here: Key,
        facts: &Facts,
    ) -> Verdict {
        let (Some((old_parent, old_name)), Some((new_parent, new_name))) =
            (old.split(), new.split())
        else {
            return Verdict::Refused(Refusal::Root);
        };
        if old.contains(new) {
            return Verdict::Refused(Refusal::IntoItself);
        }
        let gone = Key::new(here.stamp(), Tier::Atomic, Claim::Absent, hearing.origin);
        if self.is_beyond_horizon(hearing, DirId::NONE, here) {
            hearing.ask_listing(old_parent, false);
            hearing.ask_listing(new_parent, true);
            return Verdict::Queued;
        }
        if self.is_repeated(&old_parent, old_name, gone) {
            return Verdict::Stale;
        }
        if let Some(transfer) =
            self.transfer((&old_parent, old_name), (&new_parent, new_name), gone, here, facts)
        {
            self.carry_out(hearing, &transfer, facts);
            return Verdict::Applied;
        }
        self.rename_in_halves(hearing, old, new, (gone, here), facts)
    }

    fn rename_in_halves(
        &mut self,
        hearing: &mut Hearing<'_>,
        old: &ViewPath,
        new: &ViewPath,
        (gone, here): (Key, Key),
        facts: &Facts,
    ) -> Verdict {
        self.delete(hearing, old, gone);
        let verdict = self.upsert(hearing, new, here, facts);
        if facts.kind.is_dir()
            && self.holds(Rule::HalvesOweAListing)
            && let Some(dir) = self.writer.tree().dir(new)
        {
            self.open_gap(hearing, dir, here.stamp(), GapReason::StaleRename);
        }
        verdict
    }

    /// Whether this very rename was applied as a move before.
    fn is_repeated(&self, parent: &ViewPath, name: &[u8], gone: Key) -> bool {
        self.writer
            .tree()
            .dir(parent)
            .and_then(|dir| self.tombstones.get(dir, name))
            .is_some_and(|tombstone| tombstone.has_move(gone))
    }

    /// The transfer, if it is one that loses nothing: the old name is known by its own evidence with the same inode,
    /// the new parent is there, and nothing on either side, above or below, is newer than the rename.
    fn transfer<'a>(
        &self,
        (old_parent, old_name): (&ViewPath, &'a [u8]),
        (new_parent, new_name): (&ViewPath, &'a [u8]),
        gone: Key,
        here: Key,
        facts: &Facts,
    ) -> Option<Transfer<'a>> {
        let from = self.settled_site(old_parent, gone)?;
        let to = self.settled_site(new_parent, gone)?;
        let (known, row) = self.known(&from, old_name);
        let row = row?;
        let same = (row.facts.inode == facts.inode || !self.holds(Rule::MovesOnlyTheSameEntry))
            && row.facts.kind == facts.kind
            && !row.marks.has(Marks::PLACEHOLDER);
        let (known_target, target) = self.known(&to, new_name);
        let old_enough = is_older(&known, gone) && is_older(&known_target, gone)
            || !self.holds(Rule::MovesOnlyWhatIsOlder);
        if !same || !old_enough || self.has_newer_tombstone(gone, &from, old_name, &to, new_name) {
            return None;
        }
        Some(Transfer { from, old_name, to, new_name, row, target, gone, here })
    }

    /// The directory at `path` if no absence and no listing of it or of an ancestor is newer than `gone`.
    fn settled_site(&self, path: &ViewPath, gone: Key) -> Option<Site> {
        let any = !self.holds(Rule::MovesOnlyBelowOlderAbsences);
        let mut site = self.root_site();
        for name in path.names() {
            let child = self.writer.entries(site.dir).find_dir(name)?;
            if self.writer.meta(site.dir).listed > gone && !any {
                return None;
            }
            site = self.enter(&site, child);
        }
        let settled = site.absence <= gone && self.writer.meta(site.dir).listed <= gone;
        (settled || any).then_some(site)
    }

    /// Whether a tombstone newer than the rename lies at or below either side.
    fn has_newer_tombstone(
        &self,
        gone: Key,
        from: &Site,
        old_name: &[u8],
        to: &Site,
        new_name: &[u8],
    ) -> bool {
        let newer: Vec<_> =
            self.tombstones.newer_than(gone).take(NEWER_MAX + 1).map(|(_, spot)| spot).collect();
        newer.len() > NEWER_MAX
            || newer.into_iter().any(|spot| {
                self.is_within(spot.dir, &spot.name, from.dir, old_name)
                    || self.is_within(spot.dir, &spot.name, to.dir, new_name)
            })
    }

    /// Whether `(dir, name)` is `(top, top_name)` or lies below it, ghosts included.
    fn is_within(&self, dir: DirId, name: &[u8], top: DirId, top_name: &[u8]) -> bool {
        if (dir, name) == (top, top_name) {
            return true;
        }
        let mut at = dir;
        while at != DirId::NONE {
            let parent = self.writer.meta(at).parent;
            if parent == top && self.writer.entries(at).own_name() == top_name {
                return true;
            }
            at = parent;
        }
        false
    }

    fn carry_out(&mut self, hearing: &Hearing<'_>, transfer: &Transfer<'_>, facts: &Facts) {
        let Transfer { from, old_name, to, new_name, row, target, gone, here } = transfer;
        let debt = self.inherited_debt(from.dir);
        let was_listed = !self.writer.meta(to.dir).listed.is_none();
        let evidence = Evidence { name: new_name, key: *here, facts };
        let mut coming = Delta { at: here.stamp(), ..Delta::default() };
        if let Some(target) = target {
            coming.absorb(&self.remove_row(to.dir, new_name, target, *gone));
        }
        let mut going = Delta { at: here.stamp(), ..Delta::default() };
        going.take_row(&row.named(old_name));
        let suspicion = self.suspects.clear(from.dir, old_name);
        self.writer.entries_mut(from.dir).remove(old_name);
        let mut marks = self.mark(to.dir, &evidence, None, was_listed);
        if let Some(suspicion) = suspicion {
            // A new name is no proof that the writer has finished.
            self.suspects.set(to.dir, new_name, suspicion);
            marks = marks.with(Marks::SUSPECT);
        }
        let moved = Row {
            name: new_name,
            facts: *facts,
            key: *here,
            marks,
            storage: hearing.storage,
            child: row.child,
        };
        coming.add_row(&moved);
        self.tombstones.outlive(to.dir, new_name);
        let mut went = None;
        if row.child != DirId::NONE {
            going.take_subtree(&self.writer.meta(row.child).totals);
            coming.add_subtree(self.writer.meta(row.child));
            went = Some(self.rehang(row.child, to.dir, new_name, *gone, *here));
        }
        self.writer.entries_mut(to.dir).put(&moved);
        self.writer.shift(from.dir, &going, Key::NONE);
        self.writer.shift(to.dir, &coming, *here);
        self.tombstones.record(from.dir, old_name, *gone, went);
        self.bound_tombstones();
        let indebted = debt != Stamp::MIN && self.holds(Rule::DebtsMoveAlong);
        if row.child != DirId::NONE && indebted {
            self.owe(row.child, debt);
        }
    }

    /// Hangs a directory under another parent: all that moves along counts as observed now, and nothing older said of
    /// the new place concerns it.
    fn rehang(&mut self, dir: DirId, parent: DirId, name: &[u8], gone: Key, here: Key) -> Move {
        if let Some(ghost) = self.ghosts.remove(&super::spot::At(parent, name)) {
            self.exorcise(ghost);
        }
        self.leave_trail();
        self.moves.insert(dir, here);
        self.writer.entries_mut(dir).rename(name);
        let version = self.writer.version();
        let meta = self.writer.meta_mut(dir);
        meta.parent = parent;
        meta.floor = meta.floor.max(gone);
        meta.presence = meta.presence.max(here);
        meta.version = version;
        meta.flags.set(Flags::MOVED, true);
        Move { key: gone, id: dir, generation: meta.generation }
    }
}

/// Whether nothing that is known here is newer than `gone`.
fn is_older(known: &Known, gone: Key) -> bool {
    match *known {
        Known::Nothing { absence } => absence <= gone,
        Known::Leaf { own, .. } => own <= gone,
        Known::Dir { presence, floor, .. } => presence <= gone && floor <= gone,
    }
}
