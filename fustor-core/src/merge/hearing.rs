//! What the observations of one batch share while they are judged.

use crate::event::{Applied, Batch, Directive, Fidelity, Verdict};
use crate::id::{Origin, StorageId};
use crate::key::{Claim, Key, Tier};
use crate::path::ViewPath;
use crate::rules::{Rule, Rules};
use crate::time::{BootTime, ClockMap, Now, Stamp};

/// Directives of one command; what is beyond waits for the next tick, which finds it again.
const DIRECTIVES_MAX: usize = 4096;

/// One batch before the arbiter.
pub(crate) struct Hearing<'a> {
    pub(super) now: Now,
    pub(super) storage: StorageId,
    pub(super) origin: Origin,
    clock: ClockMap,
    pub(super) window_ns: i64,
    pub(super) fidelity: Fidelity,
    rules: Rules,
    applied: &'a mut Applied,
}

impl<'a> Hearing<'a> {
    pub(crate) fn new(now: Now, batch: &Batch, rules: Rules, applied: &'a mut Applied) -> Self {
        let Batch { storage, origin, clock, cache_window_ns, fidelity, .. } = *batch;
        let window_ns = cache_window_ns.max(0);
        Self { now, storage, origin, clock, window_ns, fidelity, rules, applied }
    }

    /// A hearing without a batch, for what a tick or an administrator brings about.
    pub(crate) fn of_storage(now: Now, storage: StorageId, applied: &'a mut Applied) -> Self {
        let (origin, clock) = (Origin::default(), ClockMap::default());
        let fidelity = Fidelity::Exact;
        let rules = Rules::ALL;
        Self { now, storage, origin, clock, window_ns: 0, fidelity, rules, applied }
    }

    pub(crate) fn now(&self) -> Now {
        self.now
    }

    pub(crate) fn stamp(&self, at: BootTime) -> Stamp {
        self.clock.stamp(at)
    }

    /// Since when what was read at `at` is known: a caching mount may have answered with what was there a window ago.
    pub(crate) fn known_since(&self, at: Stamp) -> Stamp {
        at.minus(self.window_ns)
    }

    /// The key of evidence that something is there. A `stat` on a caching mount may be as old as its window.
    pub(crate) fn present(&self, at: BootTime, tier: Tier) -> Key {
        let dated_back = tier == Tier::Scan && self.rules.hold(Rule::ScansAreDatedBack);
        let window = if dated_back { self.window_ns } else { 0 };
        let tier = if self.rules.hold(Rule::TiersBreakTies) { tier } else { Tier::Scan };
        Key::new(self.stamp(at).minus(window), tier, Claim::Present, self.origin)
    }

    /// The key of a realtime deletion.
    pub(crate) fn absent(&self, at: BootTime) -> Key {
        Key::new(self.stamp(at), Tier::Atomic, Claim::Absent, self.origin)
    }

    /// The key with which a complete listing says that a child is not there: its proof time.
    pub(super) fn proof(&self, at: BootTime) -> Key {
        Key::new(self.stamp(at).minus(self.margin_ns()), Tier::Scan, Claim::Absent, self.origin)
    }

    /// How far the proof time of a listing lies before its stamp.
    pub(super) fn margin_ns(&self) -> i64 {
        if !self.rules.hold(Rule::ProofHasAMargin) {
            return 0;
        }
        self.window_ns.saturating_add(self.clock.uncertainty_ns.max(0))
    }

    pub(crate) fn count(&mut self, verdict: Verdict) {
        self.applied.verdicts.count(verdict);
    }

    /// Asks the agents for something.
    pub(super) fn direct(&mut self, directive: Directive) {
        if self.applied.directives.len() < DIRECTIVES_MAX
            && !self.applied.directives.contains(&directive)
        {
            self.applied.directives.push(directive);
        }
    }

    /// Asks for a listing.
    pub(super) fn ask_listing(&mut self, path: ViewPath, recursive: bool) {
        self.direct(Directive::List { storage: self.storage, path, recursive });
    }
}
