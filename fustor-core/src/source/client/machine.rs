//! The client itself: its state, what it is told and what it wants done.

use std::sync::Arc;

use super::backoff::Backoff;
use super::door::{
    Action, BeatReply, ClientConfig, ClientStatus, CreateReply, Dialect, Failure, Grant, HoldReply,
    Phase, Push, PushReply, Resume, Role, Seqs, Standing, WALKED,
};
use super::duty::{Duty, Lease};
use super::lane::{Duties, Parcel, Track, phase_after};
use super::orders::Orders;
use super::spool::concerned;
use crate::event::{CyclePhase, Event, GapReason, Lane};
use crate::path::ViewPath;
use crate::time::BootTime;

/// Gaps that wait; beyond it one over everything says no less.
const GAPS_MAX: usize = 4096;
/// Other reports of the control lane that wait; a report beyond it becomes a gap over everything.
const CONTROL_MAX: usize = 65_536;

/// So many held requests that brought something may follow each other in the time of one heartbeat.
const HOLDS_PER_BEAT: i64 = 20;

/// One agent pipe's end of its sessions, one after the other.
///
/// ```
/// use fustor_core::client::{Action, Client, ClientConfig, CreateReply, Failure};
/// use fustor_core::{BootTime, SECOND};
/// let mut client = Client::new(ClientConfig::default(), BootTime(0), 1, None);
/// let [Action::Create { attempt, .. }] = client.poll(BootTime(0))[..] else { unreachable!() };
/// client.created(BootTime(5), attempt, CreateReply::Failed(Failure::Unreachable));
/// // It tries again, a little later each time, and never gives up.
/// let due = client.next_deadline(BootTime(5)).unwrap();
/// assert!(due > BootTime(5) && due < BootTime(SECOND));
/// assert!(matches!(client.poll(due)[..], [Action::Create { .. }]));
/// ```
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    backoff: Backoff,
    epoch: u64,
    attempts: u64,
    place: Standpoint,
    tracks: [Track; 3],
    duty: Duty,
    orders: Orders,
    phase: Phase,
    /// Done without the server having to be told first.
    undertaken: Vec<Action>,
    closing: Option<BootTime>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    granted: u64,
    resumed: u64,
    batches: u64,
    events: u64,
    overflowed: u64,
    hung_up: u64,
}

#[derive(Debug)]
enum Standpoint {
    Apart(Apart),
    Joined(Box<Session>),
    Closed,
}

/// Without a session.
#[derive(Debug)]
struct Apart {
    since: BootTime,
    due: BootTime,
    failures: u32,
    asked: Option<(u64, BootTime)>,
    /// The one before: its name, and the life of the source that spoke in it.
    last: Option<(Arc<str>, u64)>,
}

#[derive(Debug)]
struct Session {
    name: Arc<str>,
    dialect: Dialect,
    timeout_ns: i64,
    audit_ns: Option<i64>,
    in_flight: usize,
    /// Whether it takes audits that pass over what has not changed.
    passes: bool,
    lease: Lease,
    heard: BootTime,
    beat_due: BootTime,
    beat_asked: Option<(u64, BootTime)>,
    beat_failures: u32,
    /// The request that is held open, and when the next one is.
    held: Option<u64>,
    hold_due: BootTime,
    push_due: BootTime,
    push_failures: u32,
    /// Whether pushes wait because nobody was reached: a heartbeat that comes through ends that.
    cut_off: bool,
}

impl Client {
    /// A client for a source in this life. `last`: the session of an earlier process and the life of its source, if they
    /// are known.
    #[must_use]
    pub fn new(
        config: ClientConfig,
        now: BootTime,
        epoch: u64,
        last: Option<(Arc<str>, u64)>,
    ) -> Self {
        let backoff = Backoff::new(config.seed, config.pause_ns);
        Self {
            backoff,
            config,
            epoch,
            attempts: 0,
            place: Standpoint::Apart(Apart {
                since: now,
                due: now,
                failures: 0,
                asked: None,
                last,
            }),
            tracks: Lane::ALL.map(Track::new),
            duty: Duty::new(),
            orders: Orders::default(),
            phase: Phase::Idle,
            undertaken: Vec::new(),
            closing: None,
            counts: Counts::default(),
        }
    }

    /// Whether what the source offers in this lane should be taken now. What is fed all the same is taken too, or becomes
    /// gaps.
    #[must_use]
    pub fn has_room(&self, lane: Lane) -> bool {
        let spool = &self.tracks[index(lane)].spool;
        match lane {
            Lane::Control => true,
            Lane::Realtime => spool.bytes() < self.config.spool_bytes / 2,
            Lane::Scan => spool.bytes() < self.config.scan_bytes / 2,
        }
    }

    /// Takes what the source has sealed, and the orders that are done with it.
    pub fn sealed(&mut self, now: BootTime, lane: Lane, events: Vec<Event>, done: &[u64]) {
        for event in events {
            self.spool(now, lane, event);
        }
        for id in done {
            match *id {
                WALKED => self.duty.walked_all(),
                id => self.tracks[index(lane)].spool.append_done(id),
            }
        }
    }

    fn spool(&mut self, now: BootTime, lane: Lane, event: Event) {
        match event {
            Event::Cycle { phase: CyclePhase::Begin, .. } => self.duty.began(),
            Event::Cycle { phase: CyclePhase::End | CyclePhase::PassEnd { .. }, .. }
                if !self.duty.ended() =>
            {
                return;
            }
            _ => {}
        }
        let spool = &mut self.tracks[index(lane)].spool;
        let limit = match lane {
            Lane::Control => usize::MAX,
            Lane::Realtime => self.config.spool_bytes,
            Lane::Scan => self.config.scan_bytes,
        };
        if lane == Lane::Control && spool.len() >= CONTROL_MAX {
            return self.open_gaps(now, vec![ViewPath::root()], GapReason::AgentOverflow);
        }
        // The begin and end of a scan are small and must not get lost.
        let limit = if matches!(event, Event::Cycle { .. }) { usize::MAX } else { limit };
        if let Err(event) = spool.add(event, limit) {
            self.counts.overflowed += 1;
            self.open_gaps(now, concerned(&event), GapReason::AgentOverflow);
        }
    }

    fn open_gaps(&mut self, now: BootTime, scopes: Vec<ViewPath>, reason: GapReason) {
        let spool = &mut self.tracks[index(Lane::Control)].spool;
        for scope in scopes {
            let scope = if spool.gaps() >= GAPS_MAX {
                spool.drop_gaps();
                ViewPath::root()
            } else {
                scope
            };
            // Nothing is refused without a limit.
            drop(spool.add(Event::Gap { scope, stamp: now, reason }, usize::MAX));
        }
    }

    /// The source was started anew after its root had been lost: what the old one has told is void.
    pub fn restart(&mut self, now: BootTime, epoch: u64) {
        let last = self.last_session();
        self.epoch = epoch;
        self.tracks = Lane::ALL.map(Track::new);
        self.duty = Duty::new();
        self.orders.clear();
        self.phase = Phase::Idle;
        self.undertaken.clear();
        self.leave(now, last);
    }

    fn last_session(&self) -> Option<(Arc<str>, u64)> {
        match &self.place {
            Standpoint::Apart(apart) => apart.last.clone(),
            Standpoint::Joined(session) => Some((Arc::clone(&session.name), self.epoch)),
            Standpoint::Closed => None,
        }
    }

    fn leave(&mut self, now: BootTime, last: Option<(Arc<str>, u64)>) {
        self.tracks.iter_mut().for_each(Track::land);
        self.place =
            Standpoint::Apart(Apart { since: now, due: now, failures: 0, asked: None, last });
    }

    /// Sends what waits, but not beyond `deadline`, and gives the session back.
    pub fn close(&mut self, deadline: BootTime) {
        self.closing = Some(deadline);
    }

    /// Whether it has closed.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.place, Standpoint::Closed)
    }

    /// The session, and the life of the source that speaks in it: what a later process continues.
    #[must_use]
    pub fn session(&self) -> Option<(&Arc<str>, u64)> {
        match &self.place {
            Standpoint::Joined(session) => Some((&session.name, self.epoch)),
            Standpoint::Apart(_) | Standpoint::Closed => None,
        }
    }

    /// The life of the source.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The role now.
    #[must_use]
    pub fn role(&self, now: BootTime) -> Role {
        match &self.place {
            Standpoint::Joined(session) => session.lease.role(now),
            Standpoint::Apart(_) | Standpoint::Closed => Role::Follower,
        }
    }

    /// The answer to a create that was sent as `attempt`.
    pub fn created(&mut self, now: BootTime, attempt: u64, reply: CreateReply) {
        let Standpoint::Apart(apart) = &mut self.place else { return };
        let Some((_, sent)) = apart.asked.take_if(|(asked, _)| *asked == attempt) else { return };
        match reply {
            CreateReply::Granted(grant) => self.join(now, sent, grant),
            CreateReply::Failed(failure) => {
                apart.failures = apart.failures.saturating_add(1);
                let pause = self.backoff.pause(apart.failures);
                apart.due = now.plus(pause.max(failure.after_ns()));
            }
        }
    }

    fn join(&mut self, now: BootTime, sent: BootTime, grant: Grant) {
        self.counts.granted += 1;
        self.counts.resumed += u64::from(grant.resumed);
        if !grant.resumed {
            self.orders.clear();
            if self.duty.start_over() {
                self.spoil();
            }
        }
        let lease = Lease::heard(sent, grant.dialect, grant.role, grant.lease, grant.timeout_ns);
        self.place = Standpoint::Joined(Box::new(Session {
            name: grant.session,
            dialect: grant.dialect,
            timeout_ns: grant.timeout_ns,
            audit_ns: grant.audit_ns,
            in_flight: usize::try_from(grant.in_flight).unwrap_or(1).max(1),
            passes: grant.passes,
            lease,
            heard: sent,
            beat_due: now,
            beat_asked: None,
            beat_failures: 0,
            held: None,
            hold_due: now,
            push_due: now,
            push_failures: 0,
            cut_off: false,
        }));
        for lane in Lane::ALL {
            self.go_on(now, lane, grant.from, grant.resumed);
        }
        if !self.config.snapshot {
            self.duty.skip(now, grant.audit_ns);
        }
    }

    /// Goes on in a lane where the server wants to.
    fn go_on(&mut self, now: BootTime, lane: Lane, from: Seqs, resumed: bool) {
        let track = &mut self.tracks[index(lane)];
        if !resumed {
            track.first = from.of(lane).max(1);
            return;
        }
        let (acknowledged, lost) = track.go_on(from.of(lane).max(1));
        for parcel in acknowledged {
            self.delivered(now, &parcel, Duties::of(&parcel, false));
        }
        if lost {
            self.duty.doubt();
            // It was acknowledged and is not there any more: nobody has it.
            self.open_gaps(now, vec![ViewPath::root()], GapReason::AgentAbsent);
        }
    }

    /// The scan under way is worth nothing: its end is not told, so that nobody takes it for one.
    fn spoil(&mut self) {
        self.phase = Phase::Idle;
        if self.tracks[index(Lane::Scan)].drop_cycles() {
            self.duty.spoilt();
        }
    }

    /// The answer to a heartbeat.
    pub fn beaten(&mut self, now: BootTime, attempt: u64, reply: BeatReply) {
        let Standpoint::Joined(session) = &mut self.place else { return };
        let asked = session.beat_asked.take_if(|(asked, _)| *asked == attempt);
        let Some((_, sent)) = asked else { return };
        match reply {
            BeatReply::Alive { role, lease, orders, complete_ns } => {
                session.lease =
                    Lease::heard(sent, session.dialect, role, lease, session.timeout_ns);
                session.alive(now, sent, self.config.heartbeat_ns);
                if let Some(age) = complete_ns.filter(|_| role == Role::Leader) {
                    self.duty.spare(now, age, session.audit_ns);
                }
                self.orders.heard(attempt);
                let fresh = self.orders.take_on(orders);
                self.undertaken.extend(fresh.into_iter().map(Action::Perform));
            }
            BeatReply::Gone => self.lose_session(now),
            BeatReply::Failed(failure) => {
                self.orders.unheard(attempt);
                session.beat_failures = session.beat_failures.saturating_add(1);
                let pause = match now.since(session.heard) < session.timeout_ns {
                    // The session lives as far as anybody knows: every chance to keep it counts.
                    true => self.config.heartbeat_ns,
                    false => self.backoff.pause(session.beat_failures),
                };
                session.beat_due = now.plus(pause.max(failure.after_ns()));
            }
        }
    }

    /// What became of a request that was held open.
    pub fn held(&mut self, now: BootTime, attempt: u64, reply: HoldReply) {
        let Standpoint::Joined(session) = &mut self.place else { return };
        if session.held.take_if(|held| *held == attempt).is_none() {
            return;
        }
        match reply {
            HoldReply::Told { orders } => {
                // What there is to tell comes at once; a server that holds nothing is not to be hammered.
                let pause = match orders.is_empty() {
                    true => self.config.heartbeat_ns,
                    false => self.config.heartbeat_ns / HOLDS_PER_BEAT,
                };
                session.hold_due = now.plus(pause);
                session.beat_due = now;
                let fresh = self.orders.take_on(orders);
                self.undertaken.extend(fresh.into_iter().map(Action::Perform));
            }
            HoldReply::HungUp => {
                self.counts.hung_up += 1;
                session.hold_due = now.plus(self.config.heartbeat_ns);
                // Whoever is there answers now; nobody else need wait for the next heartbeat.
                session.beat_due = now;
            }
            HoldReply::Gone => self.lose_session(now),
            HoldReply::Failed => session.hold_due = now.plus(self.config.heartbeat_ns),
        }
    }

    fn lose_session(&mut self, now: BootTime) {
        let last = self.last_session();
        self.leave(now, last);
    }

    /// The answer to a batch.
    pub fn pushed(&mut self, now: BootTime, attempt: u64, reply: PushReply) {
        let mut found = self.tracks.iter().enumerate();
        let found = found.find_map(|(lane, track)| Some((lane, track.find(attempt)?)));
        let (Some((lane, at)), Standpoint::Joined(session)) = (found, &mut self.place) else {
            return;
        };
        let track = &mut self.tracks[lane];
        track.sealed[at].flying = None;
        match reply {
            PushReply::Applied | PushReply::Fenced => {
                (session.push_failures, session.cut_off) = (0, false);
                if reply == PushReply::Fenced {
                    session.lease.lose(now);
                }
                let parcel = &mut track.sealed[at];
                parcel.acked = Some(Duties::of(parcel, reply == PushReply::Fenced));
                for (parcel, duties) in track.settled() {
                    self.delivered(now, &parcel, duties);
                }
            }
            PushReply::Gone => self.lose_session(now),
            PushReply::Rejected => {
                track.give_up(at, now);
                self.duty.doubt();
            }
            PushReply::Failed(failure) => {
                // Several batches that fail together are one failure.
                if now >= session.push_due {
                    session.push_failures = session.push_failures.saturating_add(1);
                }
                session.cut_off = failure == Failure::Unreachable;
                let pause = match failure {
                    Failure::Refused { after_ns: Some(after) } => after,
                    Failure::Refused { after_ns: None } | Failure::Unreachable => {
                        self.backoff.pause(session.push_failures)
                    }
                };
                session.push_due = now.plus(pause);
            }
        }
    }

    /// The server has applied a batch.
    fn delivered(&mut self, now: BootTime, parcel: &Parcel, duties: Duties) {
        self.counts.batches += 1;
        self.counts.events += parcel.events.len() as u64;
        self.finish_orders(parcel.done.iter().copied());
        let audit_ns = match &self.place {
            Standpoint::Joined(session) => session.audit_ns,
            Standpoint::Apart(_) | Standpoint::Closed => None,
        };
        match (parcel.cycle(), duties) {
            ((false, false), _) => {}
            ((_, true), Duties::Fenced) => self.duty.spoilt(),
            ((true, false), Duties::Fenced) => {
                if self.duty.fenced() {
                    self.spoil();
                }
            }
            ((_, true), Duties::Kept) => self.duty.end_acknowledged(now, audit_ns),
            ((true, false), Duties::Kept) => self.duty.begin_acknowledged(),
        }
    }

    fn finish_orders(&mut self, done: impl IntoIterator<Item = u64>) {
        for id in done {
            if self.orders.finish(id) {
                self.undertaken.push(Action::Done { id });
            }
        }
    }

    /// What to do now. To be asked after everything that it is told, and when [`Self::next_deadline`] has come.
    #[must_use]
    pub fn poll(&mut self, now: BootTime) -> Vec<Action> {
        let mut actions = Vec::new();
        match &mut self.place {
            Standpoint::Closed => {}
            Standpoint::Apart(_) if self.closing.is_some() => self.place = Standpoint::Closed,
            Standpoint::Apart(apart) => {
                if apart.asked.is_none() && apart.due <= now {
                    self.attempts += 1;
                    apart.asked = Some((self.attempts, now));
                    let resume = apart.last.clone();
                    let resume = resume.map(|(session, epoch)| self.resume(session, epoch));
                    actions.push(Action::Create { attempt: self.attempts, resume });
                }
            }
            Standpoint::Joined(session) => {
                if session.beat_asked.is_none() && session.beat_due <= now {
                    self.attempts += 1;
                    session.beat_asked = Some((self.attempts, now));
                    actions.push(Action::Beat {
                        attempt: self.attempts,
                        session: Arc::clone(&session.name),
                        lease: session.lease.held(now),
                        acked: self.orders.tell(self.attempts),
                    });
                }
                self.hold(now, &mut actions);
                self.take_up_duties(now, &mut actions);
                self.push(now, &mut actions);
                self.finish(now, &mut actions);
            }
        }
        actions.append(&mut self.undertaken);
        actions
    }

    /// Keeps a request open, so that both ends notice at once when the other is gone.
    fn hold(&mut self, now: BootTime, actions: &mut Vec<Action>) {
        let Standpoint::Joined(session) = &mut self.place else { return };
        let wanted = session.dialect == Dialect::Native && self.closing.is_none();
        if wanted && session.held.is_none() && session.hold_due <= now {
            self.attempts += 1;
            session.held = Some(self.attempts);
            let (attempt, session) = (self.attempts, Arc::clone(&session.name));
            actions.push(Action::Hold { attempt, session });
        }
    }

    fn resume(&self, session: Arc<str>, epoch: u64) -> Resume {
        let last = |lane: usize| self.tracks[lane].first.wrapping_sub(1);
        let [control, realtime, scan] = [0, 1, 2].map(last);
        Resume { session, epoch, seqs: Seqs { control, realtime, scan } }
    }

    fn take_up_duties(&mut self, now: BootTime, actions: &mut Vec<Action>) {
        let Standpoint::Joined(session) = &self.place else { return };
        if !session.lease.is_known(now) || self.closing.is_some() {
            return;
        }
        let leads = session.lease.role(now) == Role::Leader;
        match leads.then(|| self.duty.begin(now, session.passes)).flatten() {
            Some(reading) => actions.push(Action::Scan(reading)),
            None => {
                if self.duty.walk() {
                    actions.push(Action::Walk);
                }
            }
        }
    }

    fn push(&mut self, now: BootTime, actions: &mut Vec<Action>) {
        for lane in Lane::ALL {
            while let Some(push) = self.push_one(now, lane) {
                actions.push(Action::Push(push));
            }
        }
    }

    fn push_one(&mut self, now: BootTime, lane: Lane) -> Option<Push> {
        let Standpoint::Joined(session) = &self.place else { return None };
        let flying = self.tracks.iter().flat_map(|track| &track.sealed);
        let flying = flying.filter(|parcel| parcel.flying.is_some()).count();
        // One place is kept free of scanned directories.
        let room = match lane {
            Lane::Control | Lane::Realtime => session.in_flight,
            Lane::Scan => (session.in_flight - 1).max(1),
        };
        if flying >= room || now < session.push_due {
            return None;
        }
        self.seal(lane);
        let Standpoint::Joined(session) = &self.place else { return None };
        let track = &mut self.tracks[index(lane)];
        let at = track.ready()?;
        let seq = track.seq(at);
        let parcel = track.sealed.get_mut(at)?;
        // Whether a duty is ours is certain a moment later.
        if parcel.is_duty && !session.lease.is_known(now) {
            return None;
        }
        self.attempts += 1;
        parcel.flying = Some(self.attempts);
        parcel.led = session.lease.role(now) == Role::Leader;
        Some(Push {
            attempt: self.attempts,
            session: Arc::clone(&session.name),
            epoch: self.epoch,
            lane,
            seq,
            lease: session.lease.held(now),
            phase: parcel.phase,
            begins: parcel.begins,
            events: Arc::clone(&parcel.events),
        })
    }

    /// Numbers what waits, as far as the window allows.
    fn seal(&mut self, lane: Lane) {
        let track = &mut self.tracks[index(lane)];
        if !track.wants() {
            return;
        }
        let taken = track.spool.take(self.config.batch_bytes, self.config.batch_events);
        let before = self.phase;
        if lane == Lane::Scan {
            self.phase = phase_after(before, &taken.events, self.duty.kind());
        }
        let done = track.seal(taken, before, self.duty.kind());
        self.finish_orders(done);
    }

    fn finish(&mut self, now: BootTime, actions: &mut Vec<Action>) {
        let Some(deadline) = self.closing else { return };
        let Standpoint::Joined(session) = &self.place else { return };
        if now >= deadline || self.tracks.iter().all(|track| track.waiting() == 0) {
            actions.push(Action::Close { session: Arc::clone(&session.name) });
            self.place = Standpoint::Closed;
        }
    }

    /// When to poll again though nothing was told.
    #[must_use]
    pub fn next_deadline(&self, now: BootTime) -> Option<BootTime> {
        let own = match &self.place {
            Standpoint::Closed => return None,
            Standpoint::Apart(apart) => apart.asked.is_none().then_some(apart.due),
            Standpoint::Joined(session) => {
                let beat = session.beat_asked.is_none().then_some(session.beat_due);
                let waits = self.tracks.iter().any(|t| t.ready().is_some() || t.wants());
                let hold = session.held.is_none().then_some(session.hold_due);
                let holds = session.dialect == Dialect::Native && self.closing.is_none();
                let hold = hold.filter(|_| holds);
                let push = (waits && session.push_due > now).then_some(session.push_due);
                let leads = session.lease.role(now) == Role::Leader;
                let audit = self.duty.next_audit().filter(|_| leads);
                [beat, hold, push, audit].into_iter().flatten().min()
            }
        };
        own.into_iter().chain(self.closing).min()
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self, now: BootTime) -> ClientStatus {
        let standing = match &self.place {
            Standpoint::Closed => Standing::Closed,
            Standpoint::Apart(apart) => Standing::Apart { since: apart.since },
            Standpoint::Joined(session) => {
                Standing::Joined { role: session.lease.role(now), heard: session.heard }
            }
        };
        ClientStatus {
            standing,
            sessions: (self.counts.granted, self.counts.resumed),
            batches: self.counts.batches,
            events: self.counts.events,
            waiting: self.tracks.iter().map(Track::waiting).sum(),
            waiting_bytes: self.tracks.iter().map(Track::bytes).sum(),
            overflowed: self.counts.overflowed,
            hung_up: self.counts.hung_up,
            scans: (self.duty.asked, self.duty.had),
            watches_all: self.duty.watches_all(),
            orders: self.orders.len(),
        }
    }
}

impl Session {
    /// A heartbeat that was sent then has come back.
    fn alive(&mut self, now: BootTime, sent: BootTime, heartbeat_ns: i64) {
        self.heard = sent;
        self.beat_failures = 0;
        let every = match self.dialect {
            Dialect::Native => heartbeat_ns,
            Dialect::Legacy => (self.timeout_ns / 3).max(heartbeat_ns),
        };
        self.beat_due = sent.plus(every);
        if std::mem::take(&mut self.cut_off) {
            self.push_due = now;
        }
    }
}

impl Failure {
    const fn after_ns(self) -> i64 {
        match self {
            Self::Refused { after_ns: Some(after) } => after,
            Self::Refused { after_ns: None } | Self::Unreachable => 0,
        }
    }
}

const fn index(lane: Lane) -> usize {
    match lane {
        Lane::Control => 0,
        Lane::Realtime => 1,
        Lane::Scan => 2,
    }
}
