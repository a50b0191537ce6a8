//! Batches at the door: whose they are, whether they are new, how their clock maps, and what of their duties counts.

use crate::event::Lane;
use crate::id::{Origin, Seq, SessionId};
use crate::rules::Rule;
use crate::time::Now;

use super::door::{Admission, AdmitError, Duties, Head, RosterConfig};
use super::lanes::{HOLE_NS, Lanes, Novelty};
use super::roster::Roster;

impl RosterConfig {
    /// Batches that one session may have under way.
    pub(super) const fn in_flight(&self) -> u32 {
        match (self.concurrent, self.in_flight) {
            (false, _) | (true, 0) => 1,
            (true, limit) => limit,
        }
    }
}

impl Roster {
    /// Batches that one session may have under way.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.config.in_flight()
    }

    /// A sealed batch of a native agent has come. When it is fresh, exactly one of [`Self::applied`] and
    /// [`Self::abandoned`] must follow.
    ///
    /// # Errors
    /// It may not be applied now, or not at all.
    pub fn admit(&mut self, now: Now, id: SessionId, head: Head) -> Result<Admission, AdmitError> {
        let now = self.advance(now);
        let limit = self.config.in_flight();
        let rules = self.config.rules();
        let session = self.live_session(id)?;
        if !session.is_native() {
            return Err(AdmitError::OtherKind);
        }
        session.live(now);
        let current = session.life.source_epoch;
        if head.source_epoch != current && rules.hold(Rule::OnlyTheLivingPush) {
            return Err(AdmitError::StaleSource { sent: head.source_epoch, current });
        }
        if !session.may_push() && rules.hold(Rule::OtherRootsAreRefused) {
            return Err(AdmitError::RootChanged);
        }
        let full = session.in_flight(now.mono) >= limit as usize;
        if full && session.life.lanes.is_missing(head.lane, head.seq) {
            return Err(AdmitError::InFlight { limit, holder: id });
        }
        let fresh = match session.life.lanes.admit(now.mono, head.lane, head.seq)? {
            Novelty::Fresh => true,
            Novelty::Known => !rules.hold(Rule::BatchesAreAppliedOnce),
        };
        let hole = session.life.lanes.oldest_hole();
        let admission = self.admission(now, id, head.seq, fresh, head.lease)?;
        if let Some(since) = hole {
            self.wake_by(since.plus(HOLE_NS));
        }
        Ok(admission)
    }

    /// How many batches of its lane have to be applied before this one may be admitted, so that a lane is applied in
    /// order. 0 for whatever [`Self::admit`] refuses for another reason.
    #[must_use]
    pub fn ahead(&self, id: SessionId, head: Head) -> u32 {
        let session = self.sessions.get(&id).filter(|session| session.is_native());
        let session = session.filter(|session| session.life.source_epoch == head.source_epoch);
        let expected = session.map(|session| session.life.lanes.expected().of(head.lane).0);
        expected.map_or(0, |expected| head.seq.0.saturating_sub(expected))
    }

    /// A batch of an agent of 0.8 has come: it is always fresh, and gets a number here. Exactly one of
    /// [`Self::applied`] and [`Self::abandoned`] must follow.
    ///
    /// # Errors
    /// It may not be applied now.
    pub fn admit_legacy(
        &mut self,
        now: Now,
        id: SessionId,
        lane: Lane,
    ) -> Result<Admission, AdmitError> {
        self.touch(now, id)?;
        let now = self.latest;
        let limit = self.config.in_flight();
        let lease = self.lease.epoch();
        let session = self.live_session(id)?;
        if session.is_native() {
            return Err(AdmitError::OtherKind);
        }
        if session.in_flight(now.mono) >= limit as usize {
            return Err(AdmitError::InFlight { limit, holder: id });
        }
        let seq = session.life.lanes.allot(now.mono, lane);
        self.admission(now, id, seq, true, lease)
    }

    fn admission(
        &mut self,
        now: Now,
        id: SessionId,
        seq: Seq,
        fresh: bool,
        lease: u64,
    ) -> Result<Admission, AdmitError> {
        let (storage, duties) = (self.storage, self.duties(id, lease));
        let session = self.live_session(id)?;
        let origin = Origin { agent: session.agent, epoch: session.life.epoch, seq };
        let clock = session.life.clock(now.wall);
        Ok(Admission { fresh, origin, clock, storage, duties })
    }

    /// A lease that has run out but was not given to another session still counts: nobody else has the duties.
    fn duties(&self, id: SessionId, believed: u64) -> Duties {
        let epoch = self.lease.epoch();
        let leads = self.lease.holder() == Some(id) && believed == epoch;
        if leads || !self.config.holds(Rule::DutiesAreFenced) {
            Duties::Allowed
        } else {
            Duties::Refused { epoch }
        }
    }

    /// The batch was applied: it is acknowledged from now on. Also after its session has ended.
    pub fn applied(&mut self, now: Now, id: SessionId, lane: Lane, seq: Seq) {
        self.advance(now);
        if let Some(lanes) = self.lanes_of(id) {
            lanes.applied(lane, seq);
        }
    }

    /// The batch was not applied and may come again.
    pub fn abandoned(&mut self, id: SessionId, lane: Lane, seq: Seq) {
        let now = self.latest.mono;
        if let Some(lanes) = self.lanes_of(id) {
            lanes.abandoned(now, lane, seq);
            self.wake_by(now.plus(HOLE_NS));
        }
    }

    /// The lanes of a session's life, wherever that life is by now.
    fn lanes_of(&mut self, id: SessionId) -> Option<&mut Lanes> {
        if self.sessions.contains_key(&id) {
            return self.sessions.get_mut(&id).map(|session| &mut session.life.lanes);
        }
        let ended = self.ended.iter().rev().find(|ended| ended.id == id).copied()?;
        let mut live = self.sessions.values_mut();
        let heir = live.find(|s| s.agent == ended.agent && s.life.epoch == ended.epoch);
        let life = match heir {
            Some(session) => Some(&mut session.life),
            None => self.agents.parked_mut(ended.agent),
        };
        life.filter(|life| life.epoch == ended.epoch).map(|life| &mut life.lanes)
    }
}
