//! What time brings about: tombstones expire, suspects are looked at again, debts are called in.

use crate::event::Directive;
use crate::id::DirId;
use crate::key::Key;
use crate::path::ViewPath;
use crate::rules::Rule;
use crate::time::{SECOND, Stamp};

use super::suspect::Suspicion;
use super::{Arbiter, Hearing};

/// Tombstones that one command expires at most, so that no command pays for a storm of an hour ago.
const EXPIRED_MAX: usize = 4096;
/// Suspects that one tick asks about.
const RECHECKS_MAX: usize = 1000;
/// Directories of which one tick asks a listing.
const REPAIRS_MAX: usize = 256;
/// How long a debt is left to the agent that has it in its own queue before it is called in.
const REPAIR_EVERY_NS: i64 = 10 * SECOND;
/// Sentinel checks are batched: the next is never sooner than this.
const RECHECK_EVERY_NS: i64 = SECOND;

impl Arbiter {
    /// Forgets what is older than the horizon.
    pub(crate) fn expire(&mut self, now: Stamp) {
        let mut horizon = now.minus(self.config.tombstone_ttl_ns);
        if !self.holds(Rule::TombstonesLiveToTheHorizon) {
            horizon = now.minus(self.config.tombstone_ttl_ns / 2);
        }
        for _ in 0..EXPIRED_MAX {
            let Some(spot) = self.tombstones.expire_one(horizon) else { break };
            self.lay_ghost(spot.dir);
        }
        if !self.scopes.is_empty() {
            let kept = self.scopes.iter().filter(|(_, (since, _))| *since > horizon);
            self.scopes = kept.map(|(scope, gap)| (scope.clone(), *gap)).collect();
        }
        let past: Vec<DirId> =
            self.horizons.iter().filter(|(_, own)| **own <= horizon).map(|(dir, _)| *dir).collect();
        for dir in past {
            self.horizons.remove(&dir);
        }
    }

    /// Forgets moves that no observation still to be judged can be older than.
    pub(crate) fn expire_moves(&mut self, now: Stamp) {
        let horizon = now.minus(self.config.tombstone_ttl_ns);
        let past: Vec<DirId> = self
            .moves
            .iter()
            .filter(|(_, key)| key.stamp() <= horizon)
            .map(|(dir, _)| *dir)
            .collect();
        for dir in past {
            self.moves.remove(&dir);
            self.writer.meta_mut(dir).flags.set(crate::tree::Flags::MOVED, false);
        }
    }

    /// Asks about suspects whose time has come; each is asked again after another threshold.
    pub(crate) fn recheck_suspects(&mut self, hearing: &mut Hearing<'_>) {
        let now = hearing.now.wall;
        let due: Vec<super::spot::Spot> =
            self.suspects.due(now).take(RECHECKS_MAX).cloned().collect();
        for spot in due {
            let Some(dir) = self.writer.tree().path_of(spot.dir) else {
                self.suspects.clear(spot.dir, &spot.name);
                continue;
            };
            if let Some(suspicion) = self.suspects.get(spot.dir, &spot.name) {
                let due = now.plus(self.config.hot_threshold_ns.max(RECHECK_EVERY_NS));
                self.suspects.set(spot.dir, &spot.name, Suspicion { due, ..suspicion });
            }
            let storage = hearing.storage;
            hearing.direct(if spot.name.is_empty() {
                Directive::List { storage, path: dir, recursive: false }
            } else {
                Directive::Recheck { storage, path: dir.join(&spot.name) }
            });
        }
    }

    /// Asks for listings of directories that are owed or awaited, guided by the totals.
    pub(crate) fn call_in_debts(&self, hearing: &mut Hearing<'_>) {
        if !self.holds(Rule::DebtsAreCalledIn) {
            return;
        }
        self.ask_for_places(hearing);
        let mut left = REPAIRS_MAX;
        let mut open = vec![(DirId::ROOT, ViewPath::root())];
        while let Some((dir, path)) = open.pop() {
            let meta = self.writer.meta(dir);
            if meta.owes_listing() || meta.awaits_listing() {
                hearing.ask_listing(path.clone(), false);
                left -= 1;
            }
            if left == 0 {
                return;
            }
            let rows = self.writer.entries(dir).rows().filter(|row| row.child != DirId::NONE);
            let due = rows.filter(|row| {
                let totals = &self.writer.meta(row.child).totals;
                totals.gaps > 0 || totals.unlisted > 0
            });
            open.extend(due.take(left).map(|row| (row.child, path.join(row.name))));
        }
    }

    /// Whether listings are owed or awaited anywhere.
    pub(crate) fn has_debts(&self) -> bool {
        let totals = &self.writer.meta(DirId::ROOT).totals;
        totals.gaps > 0 || totals.unlisted > 0 || !self.scopes.is_empty()
    }

    /// When the next tick is wanted, if one is. Counted from the last one and not from now: commands that keep coming must
    /// not put it off.
    pub(crate) fn next_deadline(&self) -> Option<Stamp> {
        let soonest = self.ticked.plus(RECHECK_EVERY_NS);
        let suspects = self.suspects.next_due().map(|due| due.max(soonest));
        let contests = self.contested.next_due().map(|due| due.max(soonest));
        let debts = self.owing_since.map(|since| since.max(self.ticked).plus(REPAIR_EVERY_NS));
        let tombstones = self.tombstones.newer_than(Key::NONE).next();
        let expiry =
            tombstones.map(|(key, _)| key.stamp().plus(self.config.tombstone_ttl_ns).max(soonest));
        [suspects, contests, debts, expiry].into_iter().flatten().min()
    }

    /// A tick does what is due.
    pub(crate) const fn note_tick(&mut self, now: Stamp) {
        self.ticked = now;
    }

    /// Takes note of since when listings are owed or awaited.
    pub(crate) fn note_debts(&mut self, now: Stamp) {
        self.owing_since = self.has_debts().then(|| self.owing_since.unwrap_or(now));
    }

    /// Forgets that a path was removed without the kernel's word.
    pub(super) fn forget_blind_deletion(&mut self, dir: DirId, name: &[u8]) {
        if self.blind.is_empty() || !self.holds(Rule::DeletionsAreSettled) {
            return;
        }
        if let Some(dir) = self.writer.tree().path_of(dir) {
            self.blind.clear(&dir.join(name));
        }
    }
}
