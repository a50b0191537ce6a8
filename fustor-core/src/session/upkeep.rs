//! What happens by itself as time passes: sessions end, holes become gaps, the lease finds a new holder.

use crate::event::{GapReason, RootIdentity};
use crate::id::{Origin, Seq, SessionId};
use crate::rules::Rule;
use crate::time::{Mono, Now};

use super::door::Grant;
use super::lanes::HOLE_NS;
use super::member::Session;
use super::roster::{Ended, Roster};

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It was silent for too long.
    Expired,
    /// Its agent ended it.
    Closed,
    /// Its agent came back with another life of its source.
    Replaced,
}

impl Roster {
    /// Reads the clock, which never runs backwards here.
    pub(super) fn clock(&mut self, now: Now) -> Now {
        self.latest =
            Now { mono: self.latest.mono.max(now.mono), wall: self.latest.wall.max(now.wall) };
        self.latest
    }

    /// Does all that is due by now.
    pub(super) fn advance(&mut self, now: Now) -> Now {
        let now = self.clock(now);
        if now.mono < self.wake {
            return now;
        }
        let ends = self.config.holds(Rule::SilentSessionsEnd);
        let silent = self.sessions.values().filter(|session| session.until <= now.mono && ends);
        let silent: Vec<SessionId> = silent.map(|session| session.id).collect();
        if !silent.is_empty() {
            self.end(now, &silent, Why::Expired);
        }
        self.declare_holes(now);
        self.elect(now);
        self.settle_first_scan(now);
        for order in self.jobs.expire(now) {
            self.orders.withdraw(order);
        }
        self.assign_jobs(now);
        self.wake = self.earliest(now).unwrap_or(Mono::MAX);
        now
    }

    /// The next moment at which something is due. Each of them lies in the future.
    fn earliest(&self, now: Now) -> Option<Mono> {
        let sessions = self.sessions.values();
        let ends = sessions.clone().map(|session| session.until);
        let holes = sessions.filter_map(|session| session.life.lanes.oldest_hole());
        let holes = holes.map(|since| since.plus(HOLE_NS));
        let others =
            [self.lease.deadline(now.mono), self.jobs.deadline(), self.first_scan_deadline()];
        ends.chain(holes).chain(others.into_iter().flatten()).min()
    }

    pub(super) fn wake_by(&mut self, at: Mono) {
        self.wake = self.wake.min(at);
    }

    pub(super) fn wake_for_lease(&mut self, now: Now) {
        if let Some(deadline) = self.lease.deadline(now.mono) {
            self.wake_by(deadline);
        }
    }

    fn declare_holes(&mut self, now: Now) {
        let before = now.mono.minus(HOLE_NS);
        let told = self.config.holds(Rule::HolesBecomeGaps);
        let mut lost = Vec::new();
        for session in self.sessions.values_mut() {
            if session.life.lanes.declare(before) && told {
                lost.push(origin_of(session));
            }
        }
        for origin in lost {
            self.gap(now, origin, GapReason::AgentOverflow);
        }
    }

    pub(super) fn gap(&mut self, now: Now, origin: Origin, reason: GapReason) {
        if reason == GapReason::AgentAbsent && !self.config.holds(Rule::AbsenceIsAGap) {
            return;
        }
        self.outdate_first_scan();
        self.effects.gap(now.wall, self.storage, origin, reason);
    }

    /// A session gave the sign of life that keeps or brings the lease.
    pub(super) fn attend(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.attend(now, &self.config);
        if self.lease.holder() != Some(id) {
            return self.elect(now);
        }
        let Some(session) = self.sessions.get(&id) else { return };
        let ttl = session.lease_ttl(&self.config);
        let stalled = session.is_stalled(now.mono, &self.config)
            && self.config.holds(Rule::StalledSourcesGiveUp);
        let relieved = |other: &Session| {
            other.id != id && other.can_lead(now.mono) && other.source_ok == Some(true)
        };
        let renewable = session.may_push() && !(stalled && self.sessions.values().any(relieved));
        if renewable {
            self.lease.renew(now.mono, ttl);
            self.wake_for_lease(now);
        }
    }

    /// Gives a free lease to the session that was opened first among those that can lead; to one whose source stands
    /// still only when there is no other. Who had it last gets it back by its next heartbeat, if it is still free.
    pub(super) fn elect(&mut self, now: Now) {
        if !self.lease.is_free(now.mono) && self.config.holds(Rule::OneLeaseAtATime) {
            return;
        }
        let last = self.lease.holder();
        let able = |session: &&Session| session.can_lead(now.mono) && Some(session.id) != last;
        let order = |session: &&Session| (session.is_stalled(now.mono, &self.config), session.rank);
        if let Some(next) = self.sessions.values().filter(able).min_by_key(order) {
            let id = next.id;
            self.lease.grant(now.mono, id, next.lease_ttl(&self.config));
            if !self.config.holds(Rule::GrantsHaveNewNumbers) {
                self.lease.keep_number();
            }
            self.wake_for_lease(now);
            self.expect_scan(now, id);
        }
    }

    /// Renumbers the lease of its holder, so that what was sealed under the old number has no duties.
    pub(super) fn regrant(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let renumbered = self.config.holds(Rule::NewLivesGetNewNumbers);
        if self.lease.holder() == Some(id) && session.may_push() && renumbered {
            self.lease.grant(now.mono, id, session.lease_ttl(&self.config));
            self.wake_for_lease(now);
        }
    }

    /// The lease of a native agent that holds it, for as long as it is left: a beat need not have renewed it.
    pub(super) fn grant(&self, now: Now, id: SessionId) -> Option<Grant> {
        let until = self.lease.deadline(now.mono)?;
        let native = self.sessions.get(&id).is_some_and(Session::is_native);
        let holds = native && self.lease.holder() == Some(id);
        holds.then(|| Grant { epoch: self.lease.epoch(), ttl_ns: until.since(now.mono) })
    }

    /// Ends sessions, all at the same moment.
    pub(super) fn end(&mut self, now: Now, ids: &[SessionId], why: Why) {
        let gone: Vec<Session> = ids.iter().filter_map(|id| self.sessions.remove(id)).collect();
        for mut session in gone {
            if self.config.holds(Rule::OrdersMoveOn) {
                self.orders.forget(session.id);
            }
            let moves_on = self.config.holds(Rule::JobsMoveOn);
            for job in self.jobs.of(session.id).into_iter().filter(|_| moves_on) {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.take_back();
                }
            }
            if why == Why::Closed && self.lease.holder() == Some(session.id) {
                self.lease.release();
            }
            self.settle_absence(now, &mut session, why);
            let native = session.is_native();
            let Session { id, agent, life, .. } = session;
            self.remember_end(Ended { id, agent, epoch: life.epoch, why });
            if native {
                self.agents.park(now.wall, agent, life);
            }
        }
        self.settle_attachment();
        self.elect(now);
        self.assign_jobs(now);
    }

    /// What a session that ends leaves open: its holes, and from now on what its agent would have reported.
    fn settle_absence(&mut self, now: Now, session: &mut Session, why: Why) {
        let holes = session.life.lanes.declare(Mono::MAX);
        let absent = match why {
            Why::Expired | Why::Replaced => session.may_push(),
            // It reported everything before it went; what it misses is a gap when it is back.
            Why::Closed => false,
        };
        let repairable = self.sessions.values().any(|s| s.is_native() && s.may_push());
        if holes || absent && repairable {
            self.gap(now, origin_of(session), GapReason::AgentAbsent);
        } else if absent && session.is_native() {
            self.owed.insert(session.agent);
        }
    }

    /// Tells the views whether an agent is there, when that has changed.
    pub(super) fn settle_attachment(&mut self) {
        let there = self.attachment();
        if there == self.attached {
            return;
        }
        match &there {
            Some((root, watched)) => self.effects.attach(self.storage, root.clone(), *watched),
            None => {
                self.effects.detach(self.storage);
                self.report_other_root();
            }
        }
        self.attached = there;
    }

    /// A native agent has just looked at its root: the views are told, also when nothing has changed.
    pub(super) fn confirm_attachment(&mut self, id: SessionId) {
        if !self.sessions.get(&id).is_some_and(Session::may_push) {
            self.settle_attachment();
            if self.attached.is_none() {
                self.report_other_root();
            }
            return;
        }
        self.attached = self.attachment();
        if let Some((root, watched)) = self.attached.clone() {
            self.effects.attach(self.storage, root, watched);
        }
    }

    /// What the views should be told: an agent sees every writer if any agent that may push does.
    fn attachment(&self) -> Option<(Option<RootIdentity>, bool)> {
        let mut able = self.sessions.values().filter(|session| session.may_push()).peekable();
        able.peek()?;
        let mut native = able.filter_map(Session::native).peekable();
        let root = native.peek().and_then(|_| self.root.clone());
        Some((root, native.any(|native| native.writers_watched)))
    }

    /// With nobody else there, an agent with another root makes the views say that the root has changed.
    fn report_other_root(&mut self) {
        let other = self.sessions.values().find(|session| session.root_changed);
        if let Some(native) = other.and_then(Session::native) {
            self.effects.attach(self.storage, Some(native.root.clone()), false);
        }
    }
}

pub(super) fn origin_of(session: &Session) -> Origin {
    Origin { agent: session.agent, epoch: session.life.epoch, seq: Seq(0) }
}
