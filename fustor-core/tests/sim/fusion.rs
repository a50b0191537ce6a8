//! A fusion process: one view, one roster, the inbox between them. Mirrors `fustor-fusion/src/{host,pipe,receiver}`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use fustor_core::client::{
    BeatReply, CreateReply, Dialect, Failure, Grant, HoldReply, LeaseGrant, Order, PushReply, Role,
    Seqs, Task,
};
use fustor_core::session::{
    Admission, AdmitError, Beat, Created, Duties, Head, Pulse, Roster, RosterConfig, Task as Wanted,
};
use fustor_core::{
    AgentId, Batch, Command, CyclePhase, DirId, Directive, Event, Fidelity, Lane, Mono, Now,
    SECOND, Seq, SessionId, Snapshot, Stamp, StorageId, View, ViewConfig, ViewPath,
};

use crate::messages::{Answer, Clocks, HOLD_NS, Letter, Request};
use crate::plan::{EPOCH, MS, Ns};

pub(crate) const STORAGE: StorageId = StorageId(0);
/// A batch that came early waits so long for those before it.
const TURN_NS: Ns = 20 * SECOND;
/// Longer than this the keeper never sleeps; a nap that took so much longer means that the process stood still.
const NAP_NS: Ns = 500 * MS;
const STALL_NS: Ns = SECOND;
/// The view is never asked for a deadline more often than this.
const TICK_APART_NS: Ns = 20 * MS;

/// An answer that is to be sent.
pub(crate) struct Outgoing {
    pub(crate) agent: usize,
    pub(crate) life: u64,
    pub(crate) attempt: u64,
    pub(crate) answer: Answer,
}

/// Who waits for a command to be applied.
struct Receipt {
    letter: (usize, u64, u64),
    session: SessionId,
    lane: Lane,
    admission: Admission,
    fenced: bool,
    head: Head,
    cycles: (bool, bool),
    renames: Vec<(ViewPath, ViewPath)>,
}

struct Post {
    command: Command,
    receipt: Option<Receipt>,
}

struct Held {
    letter: (usize, u64, u64),
    session: SessionId,
    role: fustor_core::session::Role,
    until: Ns,
}

/// What the harness checks that was applied.
#[derive(Clone, Debug)]
pub(crate) struct Took {
    pub(crate) agent: usize,
    pub(crate) head: Head,
    pub(crate) session: SessionId,
    pub(crate) has_cycle: bool,
    pub(crate) events: usize,
}

/// One life of a process.
pub(crate) struct Fusion {
    pub(crate) incarnation: u64,
    pub(crate) view: View,
    pub(crate) roster: Roster,
    audit_ns: Ns,
    inbox: [VecDeque<Post>; 3],
    wishes: BTreeSet<Directive>,
    deadline: Option<Stamp>,
    ticked: Ns,
    held: Vec<Held>,
    early: Vec<(Letter, Ns)>,
    agents: BTreeMap<String, AgentId>,
    last_wall: i64,
    published: Snapshot,
    nap: (Ns, Ns),
    pub(crate) outgoing: Vec<Outgoing>,
    pub(crate) took: Vec<Took>,
    pub(crate) granted: Vec<(u64, SessionId)>,
}

impl Fusion {
    pub(crate) fn new(now: Ns, incarnation: u64, config: ViewConfig, audit_ns: Ns) -> Self {
        let view = View::new(config, incarnation);
        let published = view.snapshot();
        let mut fusion = Self {
            incarnation,
            view,
            roster: Roster::new(STORAGE, RosterConfig::default()),
            audit_ns,
            inbox: Default::default(),
            wishes: BTreeSet::new(),
            deadline: None,
            ticked: now,
            held: Vec::new(),
            early: Vec::new(),
            agents: BTreeMap::new(),
            last_wall: i64::MIN,
            published,
            nap: (now, NAP_NS),
            outgoing: Vec::new(),
            took: Vec::new(),
            granted: Vec::new(),
        };
        fusion.post(Lane::Control, Command::Storages(vec![STORAGE]), None);
        fusion
    }

    /// Mirrors `host/clock.rs`.
    pub(crate) fn clock(&mut self, now: Ns) -> Now {
        self.last_wall = (EPOCH + now).max(self.last_wall + 1);
        Now { mono: Mono(now), wall: Stamp(self.last_wall) }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.published.clone()
    }

    fn post(&mut self, lane: Lane, command: Command, receipt: Option<Receipt>) {
        self.inbox[lane as usize].push_back(Post { command, receipt });
    }

    /// Does something with the sessions, then tells the view what follows from it. Mirrors `pipe/storage.rs`.
    fn act<T>(&mut self, now: Ns, act: impl FnOnce(&mut Roster, Now) -> T) -> T {
        let clock = self.clock(now);
        let done = act(&mut self.roster, clock);
        for effect in self.roster.take_effects() {
            self.post(Lane::Control, effect, None);
        }
        done
    }

    pub(crate) fn has_letters(&self) -> bool {
        self.inbox.iter().any(|queue| !queue.is_empty())
    }

    pub(crate) fn has_wishes(&self) -> bool {
        !self.wishes.is_empty()
    }

    /// Whether nothing is under way here.
    pub(crate) fn is_idle(&self) -> bool {
        !self.has_letters()
            && !self.has_wishes()
            && self.early.is_empty()
            && self.roster.backlog() == 0
    }

    fn answer(&mut self, (agent, life, attempt): (usize, u64, u64), answer: Answer) {
        self.outgoing.push(Outgoing { agent, life, attempt, answer });
    }

    /// A request has come. Mirrors `receiver/session.rs` and `receiver/native.rs`.
    pub(crate) fn serve(&mut self, now: Ns, letter: Letter) {
        let from = (letter.agent, letter.life, letter.attempt);
        match letter.request {
            Request::Create(mut request) => {
                let next = AgentId(u16::try_from(self.agents.len() + 1).expect("few agents"));
                request.agent = *self.agents.entry(request.task.clone()).or_insert(next);
                let created = self.act(now, |roster, now| roster.create(now, *request));
                let reply = match created {
                    Ok(created) => CreateReply::Granted(self.grant(&created)),
                    Err(_) => CreateReply::Failed(Failure::Refused { after_ns: None }),
                };
                self.announce(now);
                self.answer(from, Answer::Created(reply));
            }
            Request::Beat { session, beat } => self.beat(now, from, session, beat),
            Request::Hold { session } => self.hold(now, from, session),
            Request::Push { .. } => self.push(now, letter, now + TURN_NS),
            Request::Close { session } => {
                self.act(now, |roster, now| roster.close(now, session));
                self.announce(now);
            }
        }
    }

    fn grant(&mut self, created: &Created) -> Grant {
        let from = created.resume_from;
        let lease = created.lease.map(|lease| self.lease(lease, created.session));
        Grant {
            session: Arc::from(created.session.to_string()),
            dialect: Dialect::Native,
            role: role(created.role),
            timeout_ns: created.timeout_ns,
            audit_ns: Some(self.audit_ns),
            lease,
            resumed: created.resumed,
            from: Seqs { control: from.control.0, realtime: from.realtime.0, scan: from.scan.0 },
            in_flight: created.in_flight,
            // Its scanner reads everything each time.
            passes: false,
        }
    }

    fn lease(&mut self, lease: fustor_core::session::Grant, session: SessionId) -> LeaseGrant {
        self.granted.push((lease.epoch, session));
        // As it travels, in whole milliseconds.
        LeaseGrant { epoch: lease.epoch, ttl_ns: lease.ttl_ns / MS * MS }
    }

    fn beat(&mut self, now: Ns, from: (usize, u64, u64), session: SessionId, beat: Beat) {
        let t1 = beat.clock;
        let pulse = self.act(now, |roster, now| roster.beat(now, session, beat));
        let t2 = pulse.as_ref().map_or(Stamp::MIN, |pulse| pulse.received);
        let reply = match pulse {
            Ok(pulse) => self.pulse(now, session, pulse),
            Err(_) => BeatReply::Gone,
        };
        let t3 = self.clock(now).wall;
        let clocks = t1.map(|t1| Clocks { t1, t2, t3 });
        self.answer(from, Answer::Beaten(reply, clocks));
    }

    fn pulse(&mut self, now: Ns, session: SessionId, pulse: Pulse) -> BeatReply {
        let lease = pulse.lease.map(|lease| self.lease(lease, session));
        let complete_ns = lease.and_then(|_| self.complete_ns(now));
        BeatReply::Alive {
            role: role(pulse.role),
            lease,
            orders: orders(pulse.orders),
            complete_ns: complete_ns.map(|age| age / MS * MS),
        }
    }

    /// How long ago the last scan of everything began, if the view lacks nothing after it.
    fn complete_ns(&mut self, now: Ns) -> Option<i64> {
        let wall = self.clock(now).wall;
        let totals = self.published.tree().meta(DirId::ROOT).totals;
        let lacks = totals.gaps > 0 || totals.unlisted > 0 || !self.published.attached();
        let cycles = self.published.cycles();
        let began = cycles.last_begin.filter(|_| cycles.completed > 0 && !lacks)?;
        Some(wall.since(began).max(0))
    }

    fn hold(&mut self, now: Ns, from: (usize, u64, u64), session: SessionId) {
        let beat = Beat { can_realtime: true, ..Beat::default() };
        match self.act(now, |roster, now| roster.beat(now, session, beat)) {
            Err(_) => self.answer(from, Answer::Held(HoldReply::Gone)),
            Ok(pulse) if pulse.orders.is_empty() => {
                let role = pulse.role;
                self.held.push(Held { letter: from, session, role, until: now + HOLD_NS });
            }
            Ok(pulse) => {
                let told = HoldReply::Told { orders: orders(pulse.orders) };
                self.answer(from, Answer::Held(told));
            }
        }
    }

    /// Tells held heartbeats to look again.
    fn announce(&mut self, now: Ns) {
        let roster = &self.roster;
        let told = |held: &mut Held| {
            roster.session(held.session).is_none()
                || roster.has_news(held.session)
                || roster.role(held.session) != held.role
                || held.until <= now
        };
        for held in self.held.extract_if(.., told).collect::<Vec<_>>() {
            let pulse = self.act(now, |roster, now| roster.answer_held(now, held.session));
            let reply = match pulse {
                Ok(pulse) => HoldReply::Told { orders: orders(pulse.orders) },
                Err(_) => HoldReply::Gone,
            };
            self.answer(held.letter, Answer::Held(reply));
        }
    }

    /// The connection of a held request broke.
    pub(crate) fn hung_up(&mut self, now: Ns, agent: usize, life: u64) {
        let own = |held: &mut Held| (held.letter.0, held.letter.1) == (agent, life);
        for held in self.held.extract_if(.., own).collect::<Vec<_>>() {
            self.act(now, |roster, now| roster.hung_up(now, held.session));
        }
    }

    /// Whose connections break when the process dies.
    pub(crate) fn holders(&self) -> Vec<(usize, u64, u64)> {
        self.held.iter().map(|held| held.letter).collect()
    }

    fn push(&mut self, now: Ns, letter: Letter, until: Ns) {
        let from = (letter.agent, letter.life, letter.attempt);
        let Request::Push { session, push, window_ns } = &letter.request else { return };
        let (session, window_ns) = (*session, *window_ns);
        let later = Answer::Pushed(PushReply::Failed(Failure::Refused { after_ns: Some(SECOND) }));
        if self.act(now, |roster, now| roster.touch(now, session)).is_err() {
            return self.answer(from, Answer::Pushed(PushReply::Gone));
        }
        let (source_epoch, lane, lease) = (push.epoch, push.lane, push.lease);
        let head = Head { source_epoch, lane, seq: Seq(push.seq), lease };
        let ahead = self.roster.ahead(session, head);
        if ahead > 0 {
            if ahead >= self.roster.in_flight() || now >= until {
                return self.answer(from, later);
            }
            self.early.push((letter, until));
            return;
        }
        let admission = match self.act(now, |roster, now| roster.admit(now, session, head)) {
            Ok(admission) => admission,
            Err(AdmitError::Session(_)) => {
                return self.answer(from, Answer::Pushed(PushReply::Gone));
            }
            Err(_) => return self.answer(from, later),
        };
        let (batch, fenced) = sealed(&push.events, &admission, window_ns);
        if !admission.fresh {
            let reply = if fenced { PushReply::Fenced } else { PushReply::Applied };
            return self.answer(from, Answer::Pushed(reply));
        }
        let receipt = receipt(from, session, head, admission, fenced, &batch);
        if batch.events.is_empty() {
            self.through(now, receipt, 0);
        } else {
            self.post(lane, Command::Batch(batch), Some(receipt));
        }
    }

    /// A batch is applied. Mirrors `receiver/outcome.rs`.
    fn through(&mut self, now: Ns, receipt: Receipt, events: usize) {
        let Receipt { letter, session, lane, admission, fenced, head, cycles, renames } = receipt;
        let has_cycle = cycles.0 || cycles.1;
        self.took.push(Took { agent: letter.0, head, session, has_cycle, events });
        self.act(now, |roster, now| {
            roster.applied(now, session, lane, admission.origin.seq);
            if cycles.0 {
                roster.cycle_began(now, session);
            }
            if cycles.1 {
                roster.cycle_ended(now, session);
            }
            for (old, new) in &renames {
                roster.moved(now, session, old, new);
            }
        });
        if !renames.is_empty() {
            self.announce(now);
        }
        let reply = if fenced { PushReply::Fenced } else { PushReply::Applied };
        self.answer(letter, Answer::Pushed(reply));
        self.look_at_early(now);
    }

    pub(crate) fn look_at_early(&mut self, now: Ns) {
        for (letter, until) in std::mem::take(&mut self.early) {
            self.push(now, letter, until);
        }
    }

    /// Applies what waits, publishes, and answers. Mirrors `host/writer.rs`.
    pub(crate) fn write(&mut self, now: Ns) {
        let mut posts = Vec::new();
        for lane in Lane::ALL {
            posts.extend(self.inbox[lane as usize].drain(..));
        }
        let mut receipts = Vec::new();
        for post in posts {
            let events = match &post.command {
                Command::Batch(batch) => batch.events.len(),
                _ => 0,
            };
            self.apply(now, post.command);
            receipts.extend(post.receipt.map(|receipt| (receipt, events)));
        }
        self.tick_if_due(now);
        self.published = self.view.snapshot();
        for (receipt, events) in receipts {
            self.through(now, receipt, events);
        }
        self.view.release(512);
    }

    fn apply(&mut self, now: Ns, command: Command) {
        let clock = self.clock(now);
        let applied = self.view.apply(clock, command);
        self.wishes.extend(applied.directives);
        self.deadline = applied.next_deadline;
    }

    fn tick_if_due(&mut self, now: Ns) {
        let Some(deadline) = self.deadline else { return };
        if self.clock(now).wall >= deadline && now - self.ticked >= TICK_APART_NS {
            self.ticked = now;
            self.apply(now, Command::Tick);
        }
    }

    /// When the view is next wanted though nothing came.
    pub(crate) fn tick_at(&self) -> Option<Ns> {
        self.deadline.map(|deadline| (deadline.0 - EPOCH).max(self.ticked + TICK_APART_NS))
    }

    /// Carries what the view asks for to the sessions. Mirrors `pipe/keeper.rs`.
    pub(crate) fn forward(&mut self, now: Ns) {
        let wishes: Vec<_> = std::mem::take(&mut self.wishes).into_iter().collect();
        self.act(now, |roster, now| roster.direct(now, wishes));
        self.announce(now);
    }

    /// The keeper wakes. When it does next.
    pub(crate) fn keep(&mut self, now: Ns) -> Ns {
        let (asleep, nap) = self.nap;
        if now - asleep > nap + STALL_NS {
            self.act(now, Roster::stalled);
        }
        let clock = self.clock(now);
        if self.roster.next_deadline().is_some_and(|due| due <= clock.mono) {
            self.act(now, Roster::tick);
        }
        self.announce(now);
        self.look_at_early(now);
        let due = self.roster.next_deadline().map_or(NAP_NS, |due| due.0 - now);
        self.nap = (now, due.clamp(2 * MS, NAP_NS));
        now + self.nap.1
    }
}

fn receipt(
    letter: (usize, u64, u64),
    session: SessionId,
    head: Head,
    admission: Admission,
    fenced: bool,
    batch: &Batch,
) -> Receipt {
    let has = |wanted: CyclePhase| {
        let is = |event: &Event| matches!(event, Event::Cycle { phase, .. } if *phase == wanted);
        admission.duties == Duties::Allowed && batch.events.iter().any(is)
    };
    let renames = batch.events.iter().filter_map(|event| match event {
        Event::Rename { old, new, .. } => Some((old.clone(), new.clone())),
        _ => None,
    });
    Receipt {
        letter,
        session,
        lane: head.lane,
        admission,
        fenced,
        head,
        cycles: (has(CyclePhase::Begin), has(CyclePhase::End)),
        renames: renames.collect(),
    }
}

/// The batch without the duties that do not count, and whether there were any of those.
fn sealed(events: &[Event], admission: &Admission, cache_window_ns: i64) -> (Batch, bool) {
    let mut events = events.to_vec();
    let fenced = match admission.duties {
        Duties::Allowed => false,
        Duties::Refused { .. } => {
            let before = events.len();
            events.retain(|event| !matches!(event, Event::Cycle { .. }));
            events.len() < before
        }
    };
    let Admission { storage, origin, clock, .. } = *admission;
    let fidelity = Fidelity::Exact;
    (Batch { storage, origin, clock, cache_window_ns, fidelity, events }, fenced)
}

const fn role(role: fustor_core::session::Role) -> Role {
    match role {
        fustor_core::session::Role::Leader => Role::Leader,
        fustor_core::session::Role::Follower => Role::Follower,
    }
}

fn orders(orders: Vec<fustor_core::session::Order>) -> Vec<Order> {
    let order = |order: fustor_core::session::Order| Order {
        id: order.id,
        task: match order.task {
            Wanted::Do(Directive::List { path, recursive, .. }) => Task::List { path, recursive },
            Wanted::Do(Directive::Recheck { path, .. }) => Task::Recheck { path },
            Wanted::Moved { old, new } => Task::Moved { old, new },
        },
    };
    orders.into_iter().map(order).collect()
}
