//! The removal guard: a listing that would empty most of a large subtree needs a second one that agrees.

use im::OrdSet;

use crate::event::{Directive, Verdict};
use crate::id::{AgentId, DirId};
use crate::path::ViewPath;
use crate::time::Stamp;

use super::{Arbiter, Hearing};

/// Subtrees of fewer descendants are not guarded.
const GUARDED_DESCENDANTS: u64 = 1000;

/// A listing whose removals wait for agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// When the listing began.
    stamp: Stamp,
    /// Who listed.
    agent: AgentId,
    /// An administrator has agreed.
    accepted: bool,
}

impl Arbiter {
    /// Whether a listing of `dir` begun at `stamp` may remove `removed` of its descendants. If not, it is held and the
    /// directory is listed again.
    pub(super) fn may_remove(
        &mut self,
        hearing: &mut Hearing<'_>,
        dir: DirId,
        stamp: Stamp,
        removed: u64,
    ) -> bool {
        let totals = &self.writer.meta(dir).totals;
        let descendants = totals.files + totals.dirs;
        if descendants <= GUARDED_DESCENDANTS || removed.saturating_mul(2) <= descendants {
            self.held.remove(&dir);
            return true;
        }
        let agent = hearing.origin.agent;
        let agreed = self.held.get(&dir).is_some_and(|held| {
            let waited = stamp > held.stamp && stamp.since(held.stamp) >= hearing.window_ns;
            held.accepted || agent != held.agent && stamp > held.stamp || waited
        });
        if agreed {
            self.held.remove(&dir);
            return true;
        }
        if self.held.get(&dir).is_none() {
            self.held.insert(dir, Held { stamp, agent, accepted: false });
        }
        if let Some(path) = self.writer.tree().path_of(dir) {
            hearing.direct(Directive::List { storage: hearing.storage, path, recursive: false });
        }
        false
    }

    /// The directories of which a listing is held.
    pub(crate) fn held(&self) -> OrdSet<DirId> {
        let held = self.held.iter().filter(|(_, held)| !held.accepted);
        held.map(|(dir, _)| *dir).collect()
    }

    /// Whether subtrees of this size are guarded at all.
    pub(super) fn is_guarded(&self, dir: DirId) -> bool {
        let totals = &self.writer.meta(dir).totals;
        totals.files + totals.dirs > GUARDED_DESCENDANTS
    }

    /// An administrator agrees in advance with what the next listing of `path` removes.
    pub(crate) fn accept_removals(
        &mut self,
        hearing: &mut Hearing<'_>,
        path: &ViewPath,
    ) -> Verdict {
        let Some(dir) = self.writer.tree().dir(path) else { return Verdict::Stale };
        let held = Held { stamp: hearing.now.wall, agent: AgentId::default(), accepted: true };
        self.held.insert(dir, held);
        hearing.ask_listing(path.clone(), false);
        Verdict::Applied
    }
}
