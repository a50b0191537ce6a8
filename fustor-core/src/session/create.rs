//! Opening a session: who may, who goes on with the one that it had, and what was missed meanwhile.

use crate::event::{GapReason, RootIdentity};
use crate::id::{AgentId, Epoch, SessionId};
use crate::time::{Mono, Now};

use super::door::{
    CreateError, CreateSession, Created, LEGACY_TIMEOUT_ANSWER_NS, NativePeer, Peer,
};
use super::lanes::Lanes;
use super::member::{Life, Session};
use super::roster::Roster;
use super::timing::Timing;
use super::upkeep::{Why, origin_of};

/// Longer texts of an agent about itself are cut.
const TEXT_MAX: usize = 1024;

/// What the agent's live session means for a request to open one.
enum Rival {
    /// There is none.
    None,
    /// It is this very agent's: it goes on.
    Own(SessionId),
    /// It is of an instance that has died and left this one its place.
    Dead(SessionId),
}

impl Roster {
    /// Opens a session, or goes on with the one that the agent has.
    ///
    /// # Errors
    /// The pipe is for one session only, the agent is running elsewhere, or there is no room.
    pub fn create(&mut self, now: Now, request: CreateSession) -> Result<Created, CreateError> {
        let now = self.advance(now);
        let request = clipped(request);
        match (self.rival(now.mono, &request)?, request.peer.clone()) {
            (Rival::Own(id), Peer::Native(native)) => {
                return Ok(self.go_on(now, id, request, native));
            }
            (Rival::Dead(id), _) => self.end(now, &[id], Why::Replaced),
            (Rival::None | Rival::Own(_), _) => {}
        }
        self.check_room(&request)?;
        Ok(self.open(now, request))
    }

    /// Compares the agent with its live session. Agents of 0.8 do not say which instance they are.
    fn rival(&self, now: Mono, request: &CreateSession) -> Result<Rival, CreateError> {
        let Peer::Native(native) = &request.peer else { return Ok(Rival::None) };
        let mut live = self.sessions.values().filter(|session| session.agent == request.agent);
        let Some((session, other)) = live.find_map(|live| Some((live, live.native()?))) else {
            return Ok(Rival::None);
        };
        let silent = !session.is_present(now);
        let same_host = other.host == native.host;
        let knows = native.resume.is_some_and(|resume| resume.session == session.id);
        let same_life = other.source_epoch == native.source_epoch && same_host;
        let later = native.source_epoch > other.source_epoch;
        if same_life || later && knows && (same_host || silent) {
            Ok(Rival::Own(session.id))
        } else if later && same_host && silent {
            Ok(Rival::Dead(session.id))
        } else {
            Err(CreateError::Duplicate {
                agent: native.agent.clone(),
                host: native.host.clone(),
                other: other.host.clone(),
            })
        }
    }

    fn check_room(&self, request: &CreateSession) -> Result<(), CreateError> {
        let holder = self.sessions.values().find(|session| session.may_push());
        if let Some(holder) = holder.filter(|_| !self.config.concurrent) {
            return Err(CreateError::Locked { holder: holder.id });
        }
        if self.sessions.len() >= self.config.max_sessions {
            return Err(CreateError::Full { limit: self.config.max_sessions });
        }
        let ended = self.ended.iter().any(|ended| ended.id == request.id);
        if ended || self.sessions.contains_key(&request.id) {
            return Err(CreateError::Taken(request.id));
        }
        Ok(())
    }

    fn open(&mut self, now: Now, request: CreateSession) -> Created {
        let known = self.agents.is_known(request.agent);
        let (life, resumed, lost) = match &request.peer {
            Peer::Legacy => (self.legacy_life(request.agent), false, known),
            Peer::Native(native) => self.native_life(now, request.agent, native, known),
        };
        let root_changed = match &request.peer {
            Peer::Legacy => false,
            Peer::Native(native) => self.is_other_root(&native.root),
        };
        self.opened += 1;
        let session = Session {
            id: request.id,
            agent: request.agent,
            task: request.task,
            client: request.client,
            uri: request.uri,
            peer: request.peer,
            created: now,
            seen: now,
            timeout_ns: self.config.timeout(request.timeout_ns),
            root_changed,
            can_realtime: false,
            coverage: None,
            progress: None,
            source_ok: None,
            asked_ns: request.timeout_ns,
            rank: self.opened,
            until: now.mono,
            present_until: now.mono,
            owes_scan: false,
            still_since: None,
            life,
        };
        self.sessions.insert(request.id, session);
        self.welcome(now, request.id, resumed, lost)
    }

    /// Goes on with a session that lives, in the same life of the source or a later one.
    fn go_on(
        &mut self,
        now: Now,
        id: SessionId,
        request: CreateSession,
        native: NativePeer,
    ) -> Created {
        let root_changed = self.is_other_root(&native.root);
        let source_epoch = self.sessions.get(&id).map(|session| session.life.source_epoch);
        let next = (source_epoch != Some(native.source_epoch))
            .then(|| self.agents.next_epoch(request.agent));
        let mut lost = next.is_some();
        if let Some(session) = self.sessions.get_mut(&id) {
            lost |= session.root_changed && !root_changed;
            match next {
                Some(epoch) => session.life = new_life(now, epoch, &native),
                None => {
                    let resume = native.resume.filter(|r| r.source_epoch == native.source_epoch);
                    if let Some(timing) = &mut session.life.timing {
                        timing.hear(now.wall, native.clock);
                    }
                    lost |= resume.is_some_and(|r| session.life.lanes.settle(r.acknowledged));
                }
            }
            session.timeout_ns = self.config.timeout(request.timeout_ns);
            session.asked_ns = request.timeout_ns;
            session.task = request.task;
            session.client = request.client.or_else(|| session.client.take());
            session.uri = request.uri.or_else(|| session.uri.take());
            session.root_changed = root_changed;
            session.still_since = None;
            session.peer = Peer::Native(native);
        }
        if next.is_some() {
            self.orders.release(id);
            // What the life before still has under way belongs to a lease of its own.
            self.regrant(now, id);
        }
        self.welcome(now, id, next.is_none(), lost)
    }

    /// The rest of an opening, when the session is in its place.
    fn welcome(&mut self, now: Now, id: SessionId, resumed: bool, lost: bool) -> Created {
        let native = self.sessions.get(&id).is_some_and(Session::is_native);
        if !resumed && let Some(session) = self.sessions.get_mut(&id) {
            session.owes_scan = true;
        }
        self.attend(now, id);
        if self.lease.holder() == Some(id) {
            self.expect_scan(now, id);
        }
        if native {
            self.confirm_attachment(id);
        } else {
            self.settle_attachment();
        }
        self.settle_lost(now, id, resumed, lost);
        self.assign_jobs(now);
        self.answer(now, id, resumed)
    }

    fn answer(&mut self, now: Now, id: SessionId, resumed: bool) -> Created {
        let mut created = Created {
            session: id,
            role: self.role(id),
            lease: self.grant(now, id),
            timeout_ns: LEGACY_TIMEOUT_ANSWER_NS,
            resumed,
            resume_from: Lanes::default().expected(),
            root_changed: false,
            in_flight: self.config.in_flight(),
        };
        if let Some(session) = self.sessions.get(&id) {
            created.resume_from = session.expected();
            created.root_changed = session.root_changed;
            if session.is_native() {
                created.timeout_ns = session.timeout_ns;
            }
            self.wake_by(session.until);
        }
        created
    }

    /// Opens a gap over what was missed while an agent was away, where anybody is there who can repair it.
    fn settle_lost(&mut self, now: Now, id: SessionId, resumed: bool, lost: bool) {
        let repairable = self.sessions.values().any(|s| s.is_native() && s.may_push());
        let Some(session) = self.sessions.get(&id) else { return };
        let origin = origin_of(session);
        if resumed {
            self.owed.remove(&session.agent);
        }
        if repairable && (lost || !self.owed.is_empty()) {
            self.owed.clear();
            self.gap(now, origin, GapReason::AgentAbsent);
        } else if lost && session.is_native() {
            self.owed.insert(session.agent);
        }
    }

    fn legacy_life(&mut self, agent: AgentId) -> Life {
        let epoch = self.agents.next_epoch(agent);
        Life { source_epoch: 0, epoch, lanes: Lanes::default(), timing: None }
    }

    /// The life of a native agent's source; whether it is the one that stopped, and whether something was missed.
    fn native_life(
        &mut self,
        now: Now,
        agent: AgentId,
        native: &NativePeer,
        known: bool,
    ) -> (Life, bool, bool) {
        let resume = native.resume.filter(|resume| resume.source_epoch == native.source_epoch);
        if let Some(mut life) = self.agents.resume(agent, native.source_epoch) {
            let lost = resume.is_some_and(|resume| life.lanes.settle(resume.acknowledged));
            if let Some(timing) = &mut life.timing {
                timing.hear(now.wall, native.clock);
            }
            return (life, true, lost);
        }
        let epoch = self.agents.next_epoch(agent);
        let life = new_life(now, epoch, native);
        (life, false, known || native.resume.is_some())
    }

    /// Whether this is another root than the one that is known, which is the first one that was seen.
    fn is_other_root(&mut self, root: &RootIdentity) -> bool {
        self.root.get_or_insert_with(|| root.clone()) != root
    }
}

/// A life that fusion does not know. Its numbers go on where its agent says they were acknowledged.
fn new_life(now: Now, epoch: Epoch, native: &NativePeer) -> Life {
    let resume = native.resume.filter(|resume| resume.source_epoch == native.source_epoch);
    let settled = resume.map(|resume| resume.acknowledged).unwrap_or_default();
    Life {
        source_epoch: native.source_epoch,
        epoch,
        lanes: Lanes::after(settled),
        timing: Some(Timing::new(now.wall, native.clock)),
    }
}

fn clipped(mut request: CreateSession) -> CreateSession {
    clip(&mut request.task);
    for text in [&mut request.client, &mut request.uri].into_iter().flatten() {
        clip(text);
    }
    if let Peer::Native(native) = &mut request.peer {
        for text in [&mut native.agent, &mut native.host, &mut native.version] {
            clip(text);
        }
    }
    request
}

fn clip(text: &mut String) {
    text.truncate(text.floor_char_boundary(TEXT_MAX));
}
