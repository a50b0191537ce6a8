//! The kernel's word that an entry is gone.

use crate::entry::Marks;
use crate::event::{Refusal, Verdict};
use crate::id::DirId;
use crate::key::Key;
use crate::path::ViewPath;
use crate::rules::Rule;
use crate::time::Stamp;
use crate::tree::Delta;

use super::reach::{Old, Site};
use super::rule::Known;
use super::{Arbiter, Hearing};

impl Arbiter {
    /// Takes in a realtime deletion.
    pub(crate) fn delete(
        &mut self,
        hearing: &mut Hearing<'_>,
        path: &ViewPath,
        key: Key,
    ) -> Verdict {
        let names: Vec<&[u8]> = path.names().collect();
        let Some((name, above)) = names.split_last() else {
            return Verdict::Refused(Refusal::Root);
        };
        if self.is_beyond_horizon(hearing, DirId::NONE, key) {
            if let Some((parent, _)) = path.split() {
                hearing.ask_listing(parent, false);
            }
            return Verdict::Queued;
        }
        let mut site = self.root_site();
        for (depth, name_above) in above.iter().enumerate() {
            match self.known(&site, name_above) {
                (Known::Dir { floor, .. }, Some(old)) if key > floor => {
                    site = self.enter(&site, old.child);
                }
                (known, _) if key > absence_of(&known) => {
                    return self.bury_unknown(hearing, site.dir, &names[depth..], key);
                }
                (_, _) => {
                    self.follow(hearing, site.dir, &names[depth..], key);
                    return Verdict::Stale;
                }
            }
        }
        self.delete_at(hearing, &site, name, key)
    }

    fn delete_at(
        &mut self,
        hearing: &mut Hearing<'_>,
        site: &Site,
        name: &[u8],
        key: Key,
    ) -> Verdict {
        let (known, old) = self.known(site, name);
        self.forget_blind_deletion(site.dir, name);
        if key <= absence_of(&known) {
            self.follow(hearing, site.dir, &[name], key);
            return Verdict::Stale;
        }
        match (known, old) {
            (Known::Dir { own, presence, .. }, Some(old)) if presence > key => {
                self.outlive(site, name, key, &old, own);
            }
            (Known::Dir { .. } | Known::Leaf { .. }, Some(old)) => {
                let mut delta = self.remove_row(site.dir, name, &old, key);
                delta.at = key.stamp();
                self.writer.shift(site.dir, &delta, Key::NONE);
                self.tombstones.record(site.dir, name, key, None);
            }
            (Known::Dir { .. } | Known::Leaf { .. } | Known::Nothing { .. }, _) => {
                self.tombstones.record(site.dir, name, key, None);
            }
        }
        self.bound_tombstones();
        Verdict::Applied
    }

    /// A directory in which something is newer than its absence stays: with this floor, and without what is older.
    pub(super) fn outlive(&mut self, site: &Site, name: &[u8], absence: Key, old: &Old, own: Key) {
        self.leave_trail();
        self.raise_floor(old.child, absence, site.moved);
        self.prune(old.child, absence, site.moved, absence.stamp());
        if own <= absence
            && self.holds(Rule::OvertakenFactsGo)
            && !old.marks.has(Marks::PLACEHOLDER)
        {
            let bare = self.bared(old);
            let mut delta = Delta { at: absence.stamp(), ..Delta::default() };
            delta.take_row(&old.named(name));
            delta.add_row(&bare.named(name));
            self.writer.entries_mut(site.dir).put(&bare.named(name));
            self.writer.shift(site.dir, &delta, Key::NONE);
        }
    }

    /// Takes a row out of its directory and cuts off what hangs on it; the totals are the caller's business.
    pub(super) fn remove_row(&mut self, dir: DirId, name: &[u8], old: &Old, absence: Key) -> Delta {
        let mut delta = Delta::default();
        delta.take_row(&old.named(name));
        if old.child != DirId::NONE {
            delta.absorb(&self.cut(old.child, absence));
        }
        self.suspects.clear(dir, name);
        self.writer.entries_mut(dir).remove(name);
        delta
    }

    /// Remembers a deletion below a directory that is not in the tree.
    fn bury_unknown(
        &mut self,
        hearing: &mut Hearing<'_>,
        from: DirId,
        names: &[&[u8]],
        key: Key,
    ) -> Verdict {
        let mut dir = from;
        let last = names.len() - 1;
        for (depth, name) in names[..last].iter().enumerate() {
            if self.tombstones.key(dir, name) >= key {
                self.follow(hearing, dir, &names[depth..], key);
                self.lay_ghost(dir);
                return Verdict::Stale;
            }
            dir = self.haunt(dir, name);
        }
        self.tombstones.record(dir, names[last], key, None);
        self.bound_tombstones();
        Verdict::Applied
    }

    /// Keeps the table within its bound: the oldest goes, and its directory no longer judges what is as old.
    pub(super) fn bound_tombstones(&mut self) {
        while self.tombstones.len() > self.config.max_tombstones {
            let Some((key, spot)) = self.tombstones.evict_one() else { return };
            if self.holds(Rule::EvictionRaisesTheHorizon) {
                self.raise_horizon(spot.dir, key.stamp());
            }
            self.lay_ghost(spot.dir);
        }
    }

    /// Raises the horizon of a directory, or for a ghost of the nearest directory that is in the tree.
    fn raise_horizon(&mut self, dir: DirId, to: Stamp) {
        let mut at = dir;
        while self.writer.meta(at).flags.has(crate::tree::Flags::GHOST) {
            at = self.writer.meta(at).parent;
        }
        if at != DirId::NONE {
            let horizon = self.horizons.get(&at).copied().unwrap_or(Stamp::MIN).max(to);
            self.horizons.insert(at, horizon);
        }
    }
}

/// The key at or below which a deletion of what is known, or of something below it, says nothing new.
fn absence_of(known: &Known) -> Key {
    match *known {
        Known::Nothing { absence } => absence,
        Known::Leaf { own, .. } => own,
        Known::Dir { floor, .. } => floor,
    }
}
