//! The roster of one storage: its sessions, its lease, and all that agents and views owe each other.
//!
//! The shell calls it under a lock, and after each call takes the effects and hands them to the views of the pipe
//! before any batch that is admitted later. Times that run backwards are read as the latest time known.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::event::{Command, RootIdentity};
use crate::id::{AgentId, Epoch, SessionId, StorageId};
use crate::rules::Rule;
use crate::time::{Mono, Now, Stamp};

use super::agents::Agents;
use super::door::{Beat, Pulse, Role, RosterConfig, SessionError, Sync};
use super::effects::Effects;
use super::first_scan::FirstScan;
use super::jobs::Jobs;
use super::lease::Lease;
use super::member::Session;
use super::orders::Orders;
use super::upkeep::Why;

/// Sessions that are remembered after their end, to tell "expired" from "unknown" and for batches still under way.
const ENDED_MAX: usize = 1024;

/// All sessions of one storage.
///
/// ```
/// use fustor_core::session::{CreateSession, Peer, Role, Roster, RosterConfig};
/// use fustor_core::{AgentId, Mono, Now, SessionId, Stamp, StorageId};
/// let now = Now { mono: Mono(0), wall: Stamp(0) };
/// let mut roster = Roster::new(StorageId(0), RosterConfig::default());
/// let created = roster
///     .create(now, CreateSession {
///         id: SessionId(1),
///         agent: AgentId(1),
///         task: "agent-1:pipe-1".to_owned(),
///         client: None,
///         uri: None,
///         timeout_ns: None,
///         peer: Peer::Legacy,
///     })
///     .expect("nobody else is there");
/// assert_eq!(created.role, Role::Leader);
/// assert_eq!(roster.take_effects().len(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Roster {
    pub(super) storage: StorageId,
    pub(super) config: RosterConfig,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) agents: Agents,
    pub(super) lease: Lease,
    /// The lease under which a cycle was completed last.
    pub(super) completed: Option<u64>,
    pub(super) orders: Orders,
    /// The scan that the leader owes, if it does.
    pub(super) first_scan: Option<FirstScan>,
    pub(super) jobs: Jobs,
    pub(super) effects: Effects,
    /// The root that the first native agent had.
    pub(super) root: Option<RootIdentity>,
    /// What the views were told last: the root and whether all writers are watched, while an agent is attached.
    pub(super) attached: Option<(Option<RootIdentity>, bool)>,
    /// Agents that went away when nobody was left who could have repaired what they miss.
    pub(super) owed: BTreeSet<AgentId>,
    pub(super) ended: VecDeque<Ended>,
    pub(super) opened: u64,
    pub(super) latest: Now,
    /// Nothing happens by itself before this.
    pub(super) wake: Mono,
}

/// A session that is gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) id: SessionId,
    pub(super) agent: AgentId,
    pub(super) epoch: Epoch,
    pub(super) why: Why,
}

impl Roster {
    /// No sessions yet.
    #[must_use]
    pub fn new(storage: StorageId, config: RosterConfig) -> Self {
        Self {
            storage,
            config,
            sessions: BTreeMap::new(),
            agents: Agents::default(),
            lease: Lease::default(),
            completed: None,
            orders: Orders::default(),
            first_scan: None,
            jobs: Jobs::default(),
            effects: Effects::default(),
            root: None,
            attached: None,
            owed: BTreeSet::new(),
            ended: VecDeque::new(),
            opened: 0,
            latest: Now { mono: Mono::MIN, wall: Stamp::MIN },
            wake: Mono::MAX,
        }
    }

    /// Other limits from now on. Sessions that live go on; their timeout follows with their next sign of life.
    pub fn reconfigure(&mut self, config: RosterConfig) {
        for session in self.sessions.values_mut() {
            session.timeout_ns = config.timeout(session.asked_ns);
        }
        self.config = config;
        self.wake = Mono::MIN;
    }

    /// A heartbeat.
    ///
    /// # Errors
    /// The session is not there (any more).
    pub fn beat(&mut self, now: Now, id: SessionId, beat: Beat) -> Result<Pulse, SessionError> {
        let now = self.advance(now);
        self.live_session(id)?.listen(now, &beat);
        self.attend(now, id);
        for ack in beat.acked {
            self.finish(now, id, ack);
        }
        self.pulse(now, id)
    }

    /// What a heartbeat is answered that was held open until now. It is no sign of life.
    ///
    /// # Errors
    /// The session is not there (any more).
    pub fn answer_held(&mut self, now: Now, id: SessionId) -> Result<Pulse, SessionError> {
        let now = self.advance(now);
        self.live_session(id)?;
        self.pulse(now, id)
    }

    fn pulse(&mut self, now: Now, id: SessionId) -> Result<Pulse, SessionError> {
        self.assign_jobs(now);
        let orders = self.hand_out(now, id);
        let scans = self.hand_out_scans(id);
        let session = self.live_session(id)?;
        let root_changed = session.root_changed;
        let role = self.role(id);
        let lease = self.grant(now, id);
        Ok(Pulse { role, lease, received: now.wall, orders, scans, root_changed })
    }

    /// Any other authenticated request of the session. For an agent of 0.8 it is as good as a heartbeat.
    ///
    /// # Errors
    /// The session is not there (any more).
    pub fn touch(&mut self, now: Now, id: SessionId) -> Result<(), SessionError> {
        let now = self.advance(now);
        let session = self.live_session(id)?;
        if session.is_native() {
            session.live(now);
        } else {
            self.attend(now, id);
        }
        Ok(())
    }

    /// A held request of the session was aborted before its answer: it may be dead.
    pub fn hung_up(&mut self, now: Now, id: SessionId) {
        let now = self.advance(now);
        if self.lease.holder() == Some(id) {
            self.lease.shorten(now.mono);
            self.wake_for_lease(now);
        }
    }

    /// The agent ends its session. False when it is not there.
    pub fn close(&mut self, now: Now, id: SessionId) -> bool {
        let now = self.advance(now);
        let there = self.sessions.contains_key(&id);
        if there {
            self.end(now, &[id], Why::Closed);
        }
        there
    }

    /// An administrator accepts the root of an agent that has another one than was known. All sessions end, so that each
    /// agent comes back and is compared with it. False: there is no such agent.
    pub fn accept_root(&mut self, now: Now) -> bool {
        let now = self.advance(now);
        let other = self.sessions.values().find(|session| session.root_changed);
        let Some(native) = other.and_then(Session::native) else { return false };
        self.root = Some(native.root.clone());
        let all: Vec<SessionId> = self.sessions.keys().copied().collect();
        self.end(now, &all, Why::Closed);
        true
    }

    /// Does what is due. Every other method does so, too.
    pub fn tick(&mut self, now: Now) {
        self.advance(now);
    }

    /// When [`Self::tick`] has something to do, at the earliest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        (self.wake != Mono::MAX).then_some(self.wake)
    }

    /// Fusion itself stood still, or did not accept: to be called before anything else then. Everybody who was there
    /// is given the time of one lease to be heard.
    pub fn stalled(&mut self, now: Now) {
        let before = self.latest;
        let now = self.clock(now);
        if !self.config.holds(Rule::StallsCostNothing) {
            return;
        }
        for session in self.sessions.values_mut() {
            let until = now.mono.plus(session.lease_ttl(&self.config).max(0));
            session.until = session.until.max(until);
            session.life.lanes.postpone(now.mono);
            if session.is_present(before.mono) {
                session.present_until = session.present_until.max(until);
            }
        }
        let holder = self.lease.holder().and_then(|id| self.sessions.get(&id));
        if let Some(holder) = holder
            && !self.lease.is_free(before.mono)
        {
            self.lease.renew(now.mono, holder.lease_ttl(&self.config));
        }
        self.wake = Mono::MIN;
    }

    /// What the views must be told, in order.
    pub fn take_effects(&mut self) -> Vec<Command> {
        self.effects.take()
    }

    /// Whether [`Self::take_effects`] would give any.
    #[must_use]
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// All sessions, by id.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// One session.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    /// Who holds the lease.
    #[must_use]
    pub fn leader(&self) -> Option<SessionId> {
        let holder = self.lease.holder().filter(|id| self.sessions.contains_key(id));
        holder.filter(|_| !self.lease.is_free(self.latest.mono))
    }

    /// The number of the last lease; 0 before the first.
    #[must_use]
    pub const fn lease_epoch(&self) -> u64 {
        self.lease.epoch()
    }

    /// A session's role.
    #[must_use]
    pub fn role(&self, id: SessionId) -> Role {
        if self.leader() == Some(id) { Role::Leader } else { Role::Follower }
    }

    /// How far the storage is under its present leader.
    #[must_use]
    pub fn synced(&self) -> Sync {
        match self.leader() {
            None => Sync::NoLeader,
            Some(_) if self.completed == Some(self.lease.epoch()) => Sync::Complete,
            Some(_) => Sync::Syncing,
        }
    }

    /// What the root of the storage is, once a native agent has said so.
    #[must_use]
    pub const fn root(&self) -> Option<&RootIdentity> {
        self.root.as_ref()
    }

    /// Agents that are away and could go on where they stopped, and since when they are.
    pub fn absent(&self) -> impl Iterator<Item = (AgentId, Stamp)> {
        self.agents.parked()
    }

    pub(super) fn live_session(&mut self, id: SessionId) -> Result<&mut Session, SessionError> {
        let expired = |ended: &Ended| ended.id == id && ended.why == Why::Expired;
        let unknown = if self.ended.iter().any(expired) {
            SessionError::Expired(id)
        } else {
            SessionError::Unknown(id)
        };
        self.sessions.get_mut(&id).ok_or(unknown)
    }

    pub(super) fn remember_end(&mut self, ended: Ended) {
        if self.ended.len() == ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(ended);
    }
}
