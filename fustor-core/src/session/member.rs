//! One session: who it is, when it lived last, and which life of a source it carries.

use crate::id::{AgentId, Epoch, SessionId};
use crate::time::{ClockMap, Mono, Now, Stamp};

use super::door::{Beat, Coverage, LaneSeqs, NativePeer, Peer, Progress, RosterConfig};
use super::lanes::Lanes;
use super::timing::Timing;

/// An agent's session as the roster keeps it. Times are of the last request that said so.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Its agent.
    pub agent: AgentId,
    /// `agent:pipe`, as the agent calls itself.
    pub task: String,
    /// Where it was opened from.
    pub client: Option<String>,
    /// What the agent observes, in its own words.
    pub uri: Option<String>,
    /// What kind of agent it is, and what it said of itself.
    pub peer: Peer,
    /// When it was opened.
    pub created: Now,
    /// When it last gave a sign of life.
    pub seen: Now,
    /// How long it may be silent.
    pub timeout_ns: i64,
    /// Its root is not the one that is known: heartbeats only.
    pub root_changed: bool,
    /// Whether it reports changes as they happen.
    pub can_realtime: bool,
    /// What it watches.
    pub coverage: Option<Coverage>,
    /// How far its scan is.
    pub progress: Option<Progress>,
    /// Whether its source said that it makes progress.
    pub source_ok: Option<bool>,
    /// The timeout that its agent asked for.
    pub(super) asked_ns: Option<i64>,
    /// In which order sessions were opened.
    pub(super) rank: u64,
    /// When it ends without a sign of life.
    pub(super) until: Mono,
    /// Until when it counts as present enough to lead.
    pub(super) present_until: Mono,
    /// Whether its agent reports everything anew when it leads, and has not done so.
    pub(super) owes_scan: bool,
    /// Since when its source stands still.
    pub(super) still_since: Option<Mono>,
    pub(super) life: Life,
}

impl Session {
    /// The native agent, if it is one.
    #[must_use]
    pub const fn native(&self) -> Option<&NativePeer> {
        match &self.peer {
            Peer::Native(native) => Some(native),
            Peer::Legacy => None,
        }
    }

    /// The life of its source, as fusion counts them.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.life.epoch
    }

    /// The first batch of each lane that is missing.
    #[must_use]
    pub fn expected(&self) -> LaneSeqs {
        self.life.lanes.expected()
    }

    /// Batches under way.
    #[must_use]
    pub fn in_flight(&self, now: Mono) -> usize {
        self.life.lanes.under_way(now)
    }

    /// Whether it may report what it observes.
    #[must_use]
    pub const fn may_push(&self) -> bool {
        !self.root_changed
    }

    pub(super) const fn is_native(&self) -> bool {
        matches!(self.peer, Peer::Native(_))
    }

    /// How long a lease of this session lasts.
    pub(super) const fn lease_ttl(&self, config: &RosterConfig) -> i64 {
        if self.is_native() { config.lease_ttl_ns } else { config.legacy_lease_ttl_ns }
    }

    /// Takes in what a heartbeat says of the agent.
    pub(super) fn listen(&mut self, now: Now, beat: &Beat) {
        self.can_realtime = beat.can_realtime;
        self.coverage = beat.coverage.or(self.coverage);
        self.progress = beat.progress.or(self.progress);
        self.source_ok = beat.source_ok.or(self.source_ok);
        self.still_since = match beat.source_ok {
            Some(true) => None,
            Some(false) => self.still_since.or(Some(now.mono)),
            None => self.still_since,
        };
        if let Some(timing) = &mut self.life.timing {
            if let Some(times) = beat.exchange {
                timing.exchange(now.wall, times);
            }
            if let Some(clock) = beat.clock {
                timing.beat(now.wall, clock);
            }
        }
    }

    /// Any request: the session lives.
    pub(super) fn live(&mut self, now: Now) {
        self.seen = now;
        self.until = self.until.max(now.mono.plus(self.timeout_ns));
    }

    /// A heartbeat, or any request of an agent of 0.8: the session can lead.
    pub(super) fn attend(&mut self, now: Now, config: &RosterConfig) {
        self.live(now);
        self.present_until = self.present_until.max(now.mono.plus(self.lease_ttl(config)));
    }

    pub(super) fn is_present(&self, now: Mono) -> bool {
        now < self.present_until
    }

    /// Whether its source has stood still for too long.
    pub(super) fn is_stalled(&self, now: Mono, config: &RosterConfig) -> bool {
        self.still_since.is_some_and(|since| since.plus(config.source_stall_ns) <= now)
    }

    /// Whether it could take on duties at once.
    pub(super) fn can_lead(&self, now: Mono) -> bool {
        self.may_push() && self.is_present(now)
    }
}

/// One life of an agent's source. It outlives its session, so that the agent can go on where it stopped.
#[derive(Clone, Debug)]
pub(super) struct Life {
    /// As the agent numbers it; 0 for an agent of 0.8.
    pub(super) source_epoch: u64,
    /// As fusion numbers it.
    pub(super) epoch: Epoch,
    pub(super) lanes: Lanes,
    /// An agent of 0.8 has no clock.
    pub(super) timing: Option<Timing>,
}

impl Life {
    pub(super) fn clock(&mut self, now: Stamp) -> ClockMap {
        self.timing.as_mut().map_or_else(ClockMap::default, |timing| timing.map(now))
    }
}
