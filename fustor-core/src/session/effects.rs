//! What the sessions mean for the views: attachments and gaps, in order, until the shell takes them.

use crate::event::{Batch, Command, Event, Fidelity, GapReason, RootIdentity};
use crate::id::{Origin, StorageId};
use crate::path::ViewPath;
use crate::time::{BootTime, ClockMap, Stamp};

/// Effects that wait; beyond it only the last of each kind is kept, which says as much.
const EFFECTS_MAX: usize = 64;

/// The effects that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects(Vec<Command>);

impl Effects {
    /// An agent of the storage is there.
    pub(super) fn attach(
        &mut self,
        storage: StorageId,
        root: Option<RootIdentity>,
        writers_watched: bool,
    ) {
        self.push(Command::Attach { storage, root, writers_watched });
    }

    /// None is.
    pub(super) fn detach(&mut self, storage: StorageId) {
        self.push(Command::Detach { storage });
    }

    /// Anything may have been missed up to now.
    pub(super) fn gap(
        &mut self,
        now: Stamp,
        storage: StorageId,
        origin: Origin,
        reason: GapReason,
    ) {
        // Stamped by fusion itself: its clock maps to itself.
        let (stamp, clock) = (BootTime(now.0), ClockMap::default());
        let events = vec![Event::Gap { scope: ViewPath::root(), stamp, reason }];
        let (cache_window_ns, fidelity) = (0, Fidelity::Exact);
        let batch = Batch { storage, origin, clock, cache_window_ns, fidelity, events };
        self.push(Command::Batch(batch));
    }

    /// Everything since the last time, in order.
    pub(super) fn take(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push(&mut self, effect: Command) {
        if self.0.last() == Some(&effect) {
            return;
        }
        if self.0.len() >= EFFECTS_MAX {
            self.condense();
        }
        self.0.push(effect);
    }

    /// Keeps the last attachment or detachment and the last gap: both say all that those before them said.
    fn condense(&mut self) {
        let is_gap = |effect: &Command| matches!(effect, Command::Batch(_));
        let last = |gap| self.0.iter().rposition(|effect| is_gap(effect) == gap);
        let mut kept = [last(true), last(false)].map(|at| at.map(|at| (at, self.0[at].clone())));
        kept.sort_by_key(|kept| kept.as_ref().map(|(at, _)| *at));
        self.0 = kept.into_iter().flatten().map(|(_, effect)| effect).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_that_nobody_takes_are_condensed() {
        let (storage, mut effects) = (StorageId(0), Effects::default());
        for i in 0..10_000 {
            effects.attach(storage, None, i % 2 == 0);
            effects.gap(Stamp(i), storage, Origin::default(), GapReason::AgentAbsent);
            effects.detach(storage);
            effects.detach(storage);
        }
        let left = effects.take();
        assert!(left.len() <= EFFECTS_MAX);
        assert_eq!(left.last(), Some(&Command::Detach { storage }));
        let stamps = left.iter().filter_map(|effect| match effect {
            Command::Batch(batch) => match batch.events.as_slice() {
                [Event::Gap { stamp, .. }] => Some(stamp.0),
                _ => None,
            },
            _ => None,
        });
        assert_eq!(stamps.max(), Some(9_999), "the latest gap is among them");
        assert!(effects.is_empty());
    }
}
