//! What is remembered of agents beyond their sessions: how many lives their sources had, and where each stopped.

use std::collections::BTreeMap;

use crate::id::{AgentId, Epoch};
use crate::time::Stamp;

use super::member::Life;

/// Lives without a session that are kept to be resumed; beyond it the one that stopped first is forgotten.
pub(super) const PARKED_MAX: usize = 1024;

/// The agents of one storage.
#[derive(Clone, Debug, Default)]
pub(super) struct Agents {
    known: BTreeMap<AgentId, Known>,
    parked: usize,
}

#[derive(Clone, Debug, Default)]
struct Known {
    epoch: Epoch,
    parked: Option<(Stamp, Life)>,
}

impl Agents {
    /// Whether the agent had a session before.
    pub(super) fn is_known(&self, agent: AgentId) -> bool {
        self.known.contains_key(&agent)
    }

    /// Counts a new life of the agent's source.
    pub(super) fn next_epoch(&mut self, agent: AgentId) -> Epoch {
        let known = self.known.entry(agent).or_default();
        known.epoch = Epoch(known.epoch.0.saturating_add(1));
        known.epoch
    }

    /// The life that stopped under this number of the agent's, to go on.
    pub(super) fn resume(&mut self, agent: AgentId, source_epoch: u64) -> Option<Life> {
        let known = self.known.get_mut(&agent)?;
        let (_, life) = known.parked.take_if(|(_, life)| life.source_epoch == source_epoch)?;
        self.parked -= 1;
        Some(life)
    }

    /// Keeps a life whose session is gone.
    pub(super) fn park(&mut self, now: Stamp, agent: AgentId, life: Life) {
        let known = self.known.entry(agent).or_default();
        if known.parked.replace((now, life)).is_none() {
            self.parked += 1;
        }
        if self.parked > PARKED_MAX {
            self.forget_oldest();
        }
    }

    /// A life that is kept.
    pub(super) fn parked_mut(&mut self, agent: AgentId) -> Option<&mut Life> {
        self.known.get_mut(&agent)?.parked.as_mut().map(|(_, life)| life)
    }

    /// Agents whose lives are kept, and since when.
    pub(super) fn parked(&self) -> impl Iterator<Item = (AgentId, Stamp)> {
        let since = |known: &Known| known.parked.as_ref().map(|(since, _)| *since);
        self.known.iter().filter_map(move |(agent, known)| Some((*agent, since(known)?)))
    }

    fn forget_oldest(&mut self) {
        let oldest = self.parked().min_by_key(|(agent, since)| (*since, *agent));
        let Some((agent, _)) = oldest else { return };
        if let Some(known) = self.known.get_mut(&agent) {
            known.parked = None;
            self.parked -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::lanes::Lanes;

    fn life(source_epoch: u64) -> Life {
        Life { source_epoch, epoch: Epoch(1), lanes: Lanes::default(), timing: None }
    }

    #[test]
    fn a_life_is_resumed_once_and_under_its_own_number() {
        let mut agents = Agents::default();
        agents.park(Stamp(1), AgentId(1), life(7));
        assert!(agents.resume(AgentId(1), 8).is_none());
        assert!(agents.resume(AgentId(1), 7).is_some());
        assert!(agents.resume(AgentId(1), 7).is_none());
        assert!(agents.is_known(AgentId(1)) && !agents.is_known(AgentId(2)));
        assert_eq!((agents.parked, agents.next_epoch(AgentId(1))), (0, Epoch(1)));
        assert_eq!(agents.next_epoch(AgentId(1)), Epoch(2));
    }

    #[test]
    fn the_life_that_stopped_first_is_forgotten_first() {
        let mut agents = Agents::default();
        for n in 0..=PARKED_MAX as u16 {
            agents.park(Stamp(i64::from(n)), AgentId(n), life(1));
            agents.park(Stamp(i64::from(n)), AgentId(n), life(2));
        }
        assert_eq!((agents.parked, agents.parked().count()), (PARKED_MAX, PARKED_MAX));
        assert!(agents.resume(AgentId(0), 2).is_none());
        assert!(agents.resume(AgentId(1), 2).is_some());
    }
}
