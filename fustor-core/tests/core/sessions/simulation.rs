//! Several agents over a network that loses, delays, doubles and reorders, with crashes, partitions and stalls, in
//! virtual time from one seed; what the sessions promise must hold at every moment and at the end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use fustor_core::session::{
    Admission, AdmitError, Beat, CreateError, CreateSession, Created, Duties, Head, Job, Peer,
    Pulse, Role, Roster, RosterConfig, Session, SessionError, Task,
};
use fustor_core::{
    AgentId, Command, Directive, Lane, Mono, Now, Seq, SessionId, Stamp, StorageId, ViewPath,
};
use proptest::prelude::*;

use super::fixture::{STORAGE, path};
use super::sim_agent::{Agent, Ms, Sealed};

const MS: i64 = 1_000_000;
/// How long things go wrong.
const STORM_MS: Ms = 120_000;
/// How long everything is well after that.
const CALM_MS: Ms = 60_000;
/// The session id of the agent of 0.8 has this bit.
const LEGACY: u128 = 1 << 100;

fn now(ms: Ms) -> Now {
    Now { mono: Mono(ms * MS), wall: Stamp(1_700_000_000_000 * MS + ms * MS) }
}

/// What happens at some moment.
#[derive(Clone, Debug)]
enum Step {
    /// An agent does what it does regularly.
    Agent(usize),
    Legacy,
    /// Something goes wrong, or somebody wants something.
    Fate,
    /// The shell of fusion ticks.
    Deadline,
    /// A request of an agent's life arrives at fusion.
    Request(usize, u64, Ms, Request),
    /// A batch is through.
    Applied(usize, u64, SessionId, Head, bool),
    /// An answer arrives at an agent's life.
    Answer(usize, u64, Ms, Answer),
}

#[derive(Clone, Debug)]
enum Request {
    Create(Box<CreateSession>),
    Beat(SessionId, Beat, Vec<u64>),
    Push(SessionId, Head),
    Close(SessionId),
}

#[derive(Clone, Debug)]
enum Answer {
    Created(Result<Box<Created>, CreateError>),
    Beat(SessionId, Vec<u64>, Result<Box<Pulse>, SessionError>),
    Push(SessionId, Head, Result<(), AdmitError>),
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: i64) -> i64 {
        (self.next() % n.unsigned_abs()) as i64
    }

    fn percent(&mut self, p: i64) -> bool {
        self.below(100) < p
    }
}

/// Queue of steps by time; ties in the order in which they were planned.
#[derive(Default)]
struct Agenda {
    order: BinaryHeap<Reverse<(Ms, u64)>>,
    steps: BTreeMap<u64, Step>,
    planned: u64,
}

impl Agenda {
    fn plan(&mut self, at: Ms, step: Step) {
        self.planned += 1;
        self.order.push(Reverse((at, self.planned)));
        self.steps.insert(self.planned, step);
    }

    fn next(&mut self) -> Option<(Ms, Step)> {
        let Reverse((at, id)) = self.order.pop()?;
        Some((at, self.steps.remove(&id)?))
    }
}

struct World {
    dice: Dice,
    time: Ms,
    agenda: Agenda,
    roster: Roster,
    config: RosterConfig,
    agents: Vec<Agent>,
    legacy: Option<SessionId>,
    fusion_stands_until: Ms,
    sessions: u128,
    // What was seen, to be checked.
    leases: BTreeMap<u64, SessionId>,
    sealed: BTreeMap<(usize, Sealed), Ms>,
    applied: BTreeSet<(usize, Sealed)>,
    gaps: Vec<Ms>,
    wishes: Vec<(Ms, Directive)>,
    executed: Vec<(Ms, Task)>,
}

impl World {
    fn new(seed: u64, config: RosterConfig) -> Self {
        let mut dice = Dice(seed);
        let agents = (0..2 + dice.below(3)).map(|name| Agent::new(name as u16)).collect::<Vec<_>>();
        let mut agenda = Agenda::default();
        for i in 0..agents.len() {
            agenda.plan(dice.below(2000), Step::Agent(i));
        }
        agenda.plan(0, Step::Fate);
        agenda.plan(0, Step::Deadline);
        agenda.plan(dice.below(5000), Step::Legacy);
        Self {
            dice,
            time: 0,
            agenda,
            roster: Roster::new(STORAGE, config.clone()),
            config,
            agents,
            legacy: None,
            fusion_stands_until: 0,
            sessions: 0,
            leases: BTreeMap::new(),
            sealed: BTreeMap::new(),
            applied: BTreeSet::new(),
            gaps: Vec::new(),
            wishes: Vec::new(),
            executed: Vec::new(),
        }
    }

    fn stormy(&self) -> bool {
        self.time < STORM_MS
    }

    fn run(&mut self) {
        while let Some((at, step)) = self.agenda.next() {
            if at > STORM_MS + CALM_MS {
                break;
            }
            self.time = at.max(self.time);
            self.step(step);
            self.check();
        }
        self.check_end();
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Agent(i) => self.agent(i),
            Step::Legacy => self.legacy(),
            Step::Fate => self.fate(),
            Step::Deadline => self.deadline(),
            Step::Request(..) | Step::Applied(..) if self.time < self.fusion_stands_until => {
                self.agenda.plan(self.fusion_stands_until, step);
            }
            Step::Request(i, life, sent, request) => self.serve(i, life, sent, request),
            Step::Applied(i, life, id, head, well) => self.through(i, life, id, head, well),
            Step::Answer(i, life, sent, answer) => self.hear(i, life, sent, answer),
        }
    }

    /// Sends something over the network, which may lose, delay and double it.
    fn send(&mut self, i: usize, step: &Step) {
        let cut = self.time < self.agents[i].cut_until;
        if cut || self.stormy() && self.dice.percent(8) {
            return;
        }
        let copies = if self.stormy() && self.dice.percent(5) { 2 } else { 1 };
        for _ in 0..copies {
            let slow = if self.stormy() && self.dice.percent(3) { 4000 } else { 60 };
            let delay = 1 + self.dice.below(slow);
            self.agenda.plan(self.time + delay, step.clone());
        }
    }

    fn ask(&mut self, i: usize, request: Request) {
        let life = self.agents[i].source_epoch;
        self.send(i, &Step::Request(i, life, self.time, request));
    }

    fn answer(&mut self, i: usize, life: u64, sent: Ms, answer: Answer) {
        self.send(i, &Step::Answer(i, life, sent, answer));
    }

    fn agent(&mut self, i: usize) {
        self.agenda.plan(self.time + 100, Step::Agent(i));
        if self.time < self.agents[i].down_until {
            return;
        }
        let beats = self.time / 100 % 10 == i as i64;
        match self.agents[i].session {
            None if self.time > self.agents[i].asking + 1000 => {
                self.sessions += 1;
                self.agents[i].asking = self.time;
                let request = self.agents[i].request(SessionId(self.sessions), self.time);
                self.ask(i, Request::Create(Box::new(request)));
            }
            None => {}
            Some(id) => {
                if beats {
                    let well = !self.stormy() || self.dice.percent(90);
                    let beat = self.agents[i].beat(well);
                    let acked = beat.acked.iter().map(|ack| ack.id).collect();
                    self.ask(i, Request::Beat(id, beat, acked));
                }
                self.push(i, id);
            }
        }
    }

    fn push(&mut self, i: usize, id: SessionId) {
        if self.time < STORM_MS + CALM_MS - 5000 && self.dice.percent(30) {
            let lane = Lane::ALL[self.dice.below(3) as usize];
            let sealed = self.agents[i].seal(lane);
            self.sealed.insert((i, sealed), self.time);
            if self.stormy() && self.dice.percent(3) {
                self.agents[i].lose(lane);
            }
        }
        for head in self.agents[i].sendable(self.time) {
            self.ask(i, Request::Push(id, head));
        }
    }

    fn legacy(&mut self) {
        self.agenda.plan(self.time + 2000, Step::Legacy);
        if self.time < self.fusion_stands_until || self.stormy() && self.dice.percent(10) {
            return;
        }
        if let Some(id) = self.legacy {
            let alive = match self.roster.beat(now(self.time), id, Beat::default()) {
                Ok(pulse) => {
                    for scan in pulse.scans {
                        self.roster.complete_legacy_job(now(self.time), id, scan.job);
                    }
                    let lane = Lane::Scan;
                    if let Ok(admission) = self.roster.admit_legacy(now(self.time), id, lane) {
                        self.roster.applied(now(self.time), id, lane, admission.origin.seq);
                    }
                    true
                }
                Err(_) => false,
            };
            self.legacy = Some(id).filter(|_| alive);
        } else if self.stormy() {
            self.sessions += 1;
            let id = SessionId(LEGACY | self.sessions);
            let request = CreateSession {
                peer: Peer::Legacy,
                agent: AgentId(99),
                ..super::fixture::legacy(id.0, 'p')
            };
            self.legacy = self.roster.create(now(self.time), request).ok().map(|c| c.session);
        }
    }

    fn fate(&mut self) {
        self.agenda.plan(self.time + 500, Step::Fate);
        if self.time < self.fusion_stands_until {
            return;
        }
        if self.time < STORM_MS + CALM_MS / 2 {
            self.want_something();
        }
        if !self.stormy() {
            return;
        }
        let i = self.dice.below(self.agents.len() as i64) as usize;
        match self.dice.below(100) {
            0..=2 => {
                let until = self.time + self.dice.below(20_000);
                let remembers = self.dice.percent(50);
                self.agents[i].die(until, remembers);
            }
            3..=4 => {
                let until = self.time + self.dice.below(50_000);
                self.agents[i].cut_until = until.min(STORM_MS + 5000);
            }
            5 => {
                if let Some(id) = self.agents[i].session {
                    self.ask(i, Request::Close(id));
                    self.agents[i].die(self.time + self.dice.below(3000), false);
                }
            }
            6 => {
                self.fusion_stands_until = self.time + 1000 + self.dice.below(40_000);
            }
            7 => self.roster.reconfigure(self.config.clone()),
            8..=9 => self.legacy = None,
            _ => {}
        }
    }

    fn want_something(&mut self) {
        let place = |n: i64| path(&format!("/{n}"));
        let (n, m) = (self.dice.below(40), self.dice.below(10));
        if self.dice.percent(30) {
            let wish = Directive::Recheck { storage: STORAGE, path: place(n) };
            self.roster.direct(now(self.time), vec![wish.clone()]);
            self.wishes.push((self.time, wish));
        }
        if self.dice.percent(5) {
            self.roster.scan(now(self.time), &place(m), true);
        }
        if self.dice.percent(5)
            && let Some(id) = self.agents[0].session
        {
            self.roster.moved(now(self.time), id, &place(n), &place(m));
        }
    }

    fn deadline(&mut self) {
        if self.time < self.fusion_stands_until {
            self.agenda.plan(self.fusion_stands_until, Step::Deadline);
            return;
        }
        if self.fusion_stands_until > 0 {
            self.fusion_stands_until = 0;
            self.roster.stalled(now(self.time));
        }
        self.roster.tick(now(self.time));
        let next = self.roster.next_deadline();
        assert!(next > Some(now(self.time).mono) || next.is_none(), "{next:?} is not ahead");
        // A new deadline may be earlier than the one that is waited for: the shell looks again.
        let next = next.map_or(Ms::MAX, |next| (next.0 + MS - 1) / MS);
        self.agenda.plan(next.min(self.time + 200), Step::Deadline);
    }

    fn serve(&mut self, i: usize, life: u64, sent: Ms, request: Request) {
        let now = now(self.time);
        match request {
            Request::Create(request) => {
                let created = self.roster.create(now, *request).map(Box::new);
                self.answer(i, life, sent, Answer::Created(created));
            }
            Request::Beat(id, beat, acked) => {
                let pulse = self.roster.beat(now, id, beat).map(Box::new);
                self.answer(i, life, sent, Answer::Beat(id, acked, pulse));
            }
            Request::Close(id) => {
                self.roster.close(now, id);
            }
            Request::Push(id, head) => match self.admit(now, id, head) {
                Ok(admission) if admission.fresh => {
                    let batch = (i, (head.source_epoch, head.lane, head.seq.0));
                    assert!(!self.applied.contains(&batch), "{batch:?} is fresh twice");
                    let well = !self.stormy() || self.dice.percent(90);
                    let busy = self.dice.below(if self.stormy() { 800 } else { 20 });
                    self.agenda.plan(self.time + busy, Step::Applied(i, life, id, head, well));
                }
                Ok(_) => self.answer(i, life, sent, Answer::Push(id, head, Ok(()))),
                Err(error) => self.answer(i, life, sent, Answer::Push(id, head, Err(error))),
            },
        }
    }

    /// Only who holds the lease has its duties, under its number, and only the present life of a source may speak.
    fn admit(&mut self, now: Now, id: SessionId, head: Head) -> Result<Admission, AdmitError> {
        let admission = self.roster.admit(now, id, head)?;
        let holds = self.leases.get(&self.roster.lease_epoch()) == Some(&id);
        let duties = admission.duties == Duties::Allowed;
        assert!(!duties || holds && head.lease == self.roster.lease_epoch(), "{head:?} has duties");
        let native = self.roster.session(id).and_then(Session::native);
        assert_eq!(native.map(|native| native.source_epoch), Some(head.source_epoch), "{head:?}");
        Ok(admission)
    }

    fn through(&mut self, i: usize, life: u64, id: SessionId, head: Head, well: bool) {
        if !well {
            return self.roster.abandoned(id, head.lane, head.seq);
        }
        let batch = (i, (head.source_epoch, head.lane, head.seq.0));
        assert!(self.applied.insert(batch), "{batch:?} is applied twice");
        self.roster.applied(now(self.time), id, head.lane, head.seq);
        self.answer(i, life, self.time, Answer::Push(id, head, Ok(())));
    }

    fn hear(&mut self, i: usize, life: u64, sent: Ms, answer: Answer) {
        let (time, agent) = (self.time, &mut self.agents[i]);
        if agent.source_epoch != life || time < agent.cut_until {
            return;
        }
        match answer {
            Answer::Created(Ok(created)) if agent.session.is_none() => {
                agent.created(sent, &created);
            }
            Answer::Created(_) => {}
            Answer::Beat(id, _, _) | Answer::Push(id, _, _) if agent.session != Some(id) => {}
            Answer::Beat(_, acked, Ok(pulse)) => {
                let done = agent.pulse(sent, &acked, &pulse);
                self.executed.extend(done.into_iter().map(|task| (time, task)));
            }
            Answer::Push(_, head, Ok(())) => agent.acknowledged(head),
            Answer::Beat(_, _, Err(_)) | Answer::Push(_, _, Err(AdmitError::Session(_))) => {
                agent.expired();
            }
            Answer::Push(_, _, Err(AdmitError::StaleSource { .. })) => {
                panic!("an answer to another life")
            }
            Answer::Push(_, _, Err(_)) => {}
        }
    }

    /// What must hold at every moment.
    fn check(&mut self) {
        for effect in self.roster.take_effects() {
            if let Command::Batch(batch) = effect {
                assert_eq!((batch.storage, batch.events.len()), (STORAGE, 1));
                self.gaps.push(self.time);
            }
        }
        let epoch = self.roster.lease_epoch();
        let newest = self.leases.keys().next_back().copied().unwrap_or(0);
        assert!(epoch >= newest, "the lease counts backwards: {epoch} after {newest}");
        if let Some(leader) = self.roster.leader() {
            let holder = *self.leases.entry(epoch).or_insert(leader);
            assert_eq!(holder, leader, "lease {epoch} has two holders");
            assert_eq!(self.roster.role(leader), Role::Leader);
        }
        let time = self.time;
        let leading = |agent: &&Agent| agent.lease.is_some_and(|(_, until)| until > time);
        let leaders = self.agents.iter().filter(leading).map(|a| (a.session, a.lease));
        let leaders: Vec<_> = leaders.collect();
        assert!(leaders.len() <= 1, "at {time}: {leaders:?}");
        assert!(self.roster.sessions().count() <= 16);
        assert!(self.roster.backlog() <= self.wishes.len() * 4 + 100);
    }

    /// What must have become of everything.
    fn check_end(&self) {
        for agent in &self.agents {
            assert!(agent.session.is_some(), "no session: {agent:#?}");
            assert!(!agent.has_spool(), "not acknowledged: {agent:#?}");
        }
        assert!(self.agents.iter().any(|agent| agent.lease.is_some()) || self.legacy.is_some());
        for (batch, sealed) in &self.sealed {
            let told = self.gaps.iter().any(|gap| gap >= sealed);
            assert!(self.applied.contains(batch) || told, "{batch:?} of {sealed} is lost unseen");
        }
        for (asked, wish) in &self.wishes {
            let done = |(at, task): &(Ms, Task)| at >= asked && *task == Task::Do(wish.clone());
            assert!(self.executed.iter().any(done), "{wish:?} of {asked} was never carried out");
        }
        let running: Vec<&Job> = self.roster.jobs().filter(|job| job.is_running()).collect();
        assert!(running.is_empty(), "{running:#?}");
        assert!(self.applied.len() > 100, "little happened");
    }
}

#[test]
fn what_sessions_promise_holds_over_a_bad_network() {
    let factor = std::env::var("FUSTOR_CASES").ok().and_then(|text| text.parse::<u32>().ok());
    let config = ProptestConfig {
        cases: 48 * factor.unwrap_or(1),
        failure_persistence: None,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    };
    proptest!(config, |(seed: u64)| World::new(seed, config_of_world()).run());
}

fn config_of_world() -> RosterConfig {
    RosterConfig { max_sessions: 16, ..RosterConfig::default() }
}

/// Whether what is promised does not hold when a rule is switched off.
#[cfg(feature = "mutants")]
pub(crate) fn fails(seed: u64, broken: Option<fustor_core::Rule>) -> bool {
    let config = RosterConfig { broken, ..config_of_world() };
    crate::model::mutants::fails(|| {
        World::new(seed, config).run();
        Ok(())
    })
}

#[test]
fn requests_of_any_kind_at_any_time_are_survived() {
    let mut dice = Dice(7);
    let mut roster = Roster::new(StorageId(1), RosterConfig::default());
    for _ in 0..50_000 {
        let at = Now { mono: Mono(dice.next() as i64), wall: Stamp(dice.next() as i64) };
        let near = now(dice.below(1000) * 1000);
        let at = if dice.percent(1) { at } else { near };
        let id = SessionId(dice.below(20) as u128);
        let lane = Lane::ALL[dice.below(3) as usize];
        let small = dice.below(5) as u32;
        let seq = Seq(if dice.percent(10) { dice.next() as u32 } else { small });
        match dice.below(14) {
            0 | 1 => {
                let mut agent = Agent::new(dice.below(4) as u16);
                agent.source_epoch = dice.below(3) as u64;
                drop(roster.create(at, agent.request(id, dice.next() as i64 >> 24)));
            }
            2 => drop(roster.beat(at, id, Beat::default())),
            3 => {
                let head = Head { source_epoch: 1, lane, seq, lease: 1 };
                let _known_or_not = roster.admit(at, id, head);
            }
            4 => roster.applied(at, id, lane, seq),
            5 => roster.abandoned(id, lane, seq),
            6 => drop(roster.admit_legacy(at, id, lane)),
            7 => drop(roster.close(at, id)),
            8 => roster.stalled(at),
            9 => roster.hung_up(at, id),
            10 => drop(roster.scan(at, &ViewPath::root(), dice.percent(50))),
            11 => roster.moved(at, id, &ViewPath::root(), &ViewPath::root()),
            12 => drop(roster.beat(
                at,
                id,
                Beat { acked: vec![dice.below(100).unsigned_abs().into()], ..Beat::default() },
            )),
            _ => drop(roster.take_effects()),
        }
    }
    assert!(roster.sessions().count() <= 20);
}
