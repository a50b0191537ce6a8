//! Entries that a complete listing lacked and could not disprove: they were seen between its proof time and its begin.
//! Their directories are listed again once a listing can tell.

use im::{OrdMap, OrdSet};

use crate::entry::Facts;
use crate::event::Fidelity;
use crate::id::DirId;
use crate::key::{Key, Tier};
use crate::path::ViewPath;
use crate::rules::Rule;
use crate::time::Stamp;

use super::rule::Known;
use super::{Arbiter, Hearing};

/// Directories that wait; those beyond are asked for at once.
const CONTESTED_MAX: usize = 1 << 16;
/// Directories of which one tick asks a listing.
const ASKED_MAX: usize = 1024;

/// Directories that are to be listed again, each with the moment from which on that helps.
#[derive(Clone, Debug, Default)]
pub(super) struct Contested {
    due: OrdMap<DirId, Stamp>,
    by_due: OrdSet<(Stamp, DirId)>,
}

impl Contested {
    /// The first moment at which one is due.
    pub(super) fn next_due(&self) -> Option<Stamp> {
        self.by_due.get_min().map(|(due, _)| *due)
    }

    /// Waits for a directory until `due`, or longer if it was waited for already.
    fn await_until(&mut self, dir: DirId, due: Stamp) {
        let due = self.forget(dir).map_or(due, |known| known.max(due));
        self.due.insert(dir, due);
        self.by_due.insert((due, dir));
    }

    pub(super) fn forget(&mut self, dir: DirId) -> Option<Stamp> {
        if self.due.is_empty() {
            return None;
        }
        let due = self.due.remove(&dir)?;
        self.by_due.remove(&(due, dir));
        Some(due)
    }

    /// A complete listing that began at `stamp` has decided, if that was late enough.
    pub(super) fn decide(&mut self, dir: DirId, stamp: Stamp) {
        if self.due.get(&dir).is_some_and(|due| *due <= stamp) {
            self.forget(dir);
        }
    }

    fn take_due(&mut self, now: Stamp) -> Option<DirId> {
        let (_, dir) = self.by_due.get_min().copied().filter(|(due, _)| *due <= now)?;
        self.forget(dir);
        Some(dir)
    }
}

/// Whether a reading was made after what it loses to, and counts as older only because a cache may have answered: then
/// another one would be none the wiser before that time is over.
pub(super) fn loses_by_window(hearing: &Hearing<'_>, seen: Key, to: Key) -> bool {
    seen.tier() == Tier::Scan
        && hearing.fidelity == Fidelity::Exact
        && to.stamp() >= seen.stamp()
        && to.stamp() < seen.stamp().plus(hearing.window_ns)
}

impl Arbiter {
    /// A reading of a caching mount counts as old as its answer may be. If it says something else than what is known and
    /// loses only by that, another reading decides.
    pub(super) fn doubt_loser(
        &mut self,
        hearing: &mut Hearing<'_>,
        dir: DirId,
        known: &Known,
        seen: Key,
        facts: &Facts,
    ) {
        let (own, same) = match known {
            Known::Nothing { absence } => (*absence, false),
            Known::Leaf { own, facts: old } | Known::Dir { own, facts: old, .. } => {
                (*own, old == facts)
            }
        };
        let by_window = loses_by_window(hearing, seen, own);
        if !same && by_window && self.holds(Rule::LosersByMarginAreAsked) {
            self.contest(hearing, dir, own);
        }
    }

    /// A listing of a caching mount is lost because the directory has outlived something later, such as its own move. If
    /// that is so only for the window, the directory is listed again.
    pub(super) fn doubt_lost_listing(
        &mut self,
        hearing: &mut Hearing<'_>,
        path: &ViewPath,
        seen: Key,
    ) {
        let Some(dir) = self.writer.tree().dir(path) else { return };
        let (mut absence, mut at) = (Key::NONE, dir);
        while at != DirId::NONE {
            absence = absence.max(self.writer.meta(at).floor);
            at = self.writer.meta(at).parent;
        }
        let by_window = loses_by_window(hearing, seen, absence);
        if by_window && self.holds(Rule::LosersByMarginAreAsked) {
            self.contest(hearing, dir, absence);
        }
    }

    /// Evidence of `presence` in a directory is later than the proof of a listing that lacks it, and earlier than its
    /// begin. A listing that begins a margin after the evidence decides.
    pub(super) fn contest(&mut self, hearing: &mut Hearing<'_>, dir: DirId, presence: Key) {
        let due = presence.stamp().plus(hearing.margin_ns()).plus(1);
        if self.contested.due.len() < CONTESTED_MAX {
            self.contested.await_until(dir, due);
        } else if let Some(path) = self.writer.tree().path_of(dir) {
            hearing.ask_listing(path, false);
        }
    }

    /// Asks for the listings whose time has come.
    pub(crate) fn settle_contests(&mut self, hearing: &mut Hearing<'_>) {
        for _ in 0..ASKED_MAX {
            let Some(dir) = self.contested.take_due(hearing.now.wall) else { return };
            if let Some(path) = self.writer.tree().path_of(dir) {
                hearing.ask_listing(path, false);
            }
        }
    }
}
