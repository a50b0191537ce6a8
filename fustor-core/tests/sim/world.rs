//! The whole system in virtual time: who is woken when, what the network does, who dies.

use std::collections::{BTreeMap, VecDeque};

use fustor_core::{Event, SessionId, ViewConfig};

use crate::agent::{Memory, Process};
use crate::check::Checker;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::fusion::Fusion;
use crate::host::{Eyes, Host};
use crate::messages::{Answer, Letter, Request, WAY_NS};
use crate::plan::{Fault, Happening, MS, Mishap, Ns, Plan};
use crate::trace::Trace;
use crate::writers::{queue, storage_time};
use fustor_core::SECOND;

/// How often the picture is compared with the disk.
const SAMPLE_NS: Ns = 250 * MS;

/// What happens at some moment.
enum Step {
    Write,
    Mishap,
    StartAgent(usize),
    Watch(usize, u64),
    Work(usize, u64, usize),
    Pipe(usize, u64),
    Arrive(Box<Letter>),
    Reply { agent: usize, life: u64, attempt: u64, answer: Box<Answer> },
    HungUp { agent: usize, life: u64 },
    StartFusion,
    FusionWrite(u64),
    Forward(u64),
    Keep(u64),
    Sample,
}

/// Queue of steps by time; ties in the order in which they were planned.
#[derive(Default)]
struct Agenda {
    steps: BTreeMap<(Ns, u64), Step>,
    planned: u64,
}

impl Agenda {
    fn plan(&mut self, at: Ns, step: Step) {
        self.planned += 1;
        self.steps.insert((at, self.planned), step);
    }
}

/// An agent beyond its processes.
pub(crate) struct Agent {
    pub(crate) host: usize,
    pub(crate) life: u64,
    pub(crate) process: Option<Process>,
    memory: Memory,
    pub(crate) paused_until: Ns,
    cut_there: Ns,
    cut_back: Ns,
}

/// What a seed has seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) observations: u64,
    pub(crate) messages: u64,
    pub(crate) steps: u64,
    pub(crate) faults: u64,
    pub(crate) samples: u64,
    pub(crate) clean: u64,
    pub(crate) compared: u64,
    pub(crate) settled: u64,
    pub(crate) audits: u64,
}

impl Counts {
    pub(crate) const fn events(&self) -> u64 {
        self.calls + self.observations + self.messages
    }
}

pub(crate) struct World<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) now: Ns,
    agenda: Agenda,
    dice: Dice,
    pub(crate) disk: Disk,
    pub(crate) hosts: Vec<Host>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) fusion: Option<Fusion>,
    incarnations: u64,
    fusion_paused: Ns,
    config: ViewConfig,
    writes: [Option<Ns>; 2],
    calls: VecDeque<Happening>,
    mishaps: VecDeque<Mishap>,
    weather: (Ns, [i64; 3]),
    sessions: u128,
    pub(crate) counts: Counts,
    pub(crate) trace: Trace,
}

/// Why a seed failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// Which checker: the same after shrinking.
    pub(crate) checker: &'static str,
    pub(crate) what: String,
    /// What to look for in the trace.
    pub(crate) words: Vec<String>,
    pub(crate) at: Ns,
}

impl<'a> World<'a> {
    pub(crate) fn new(plan: &'a Plan, config: ViewConfig) -> Self {
        let host =
            |(at, host)| Host::new(host, plan.window_ns(), Dice::new(plan.seed, 100 + at as u64));
        let hosts = plan.hosts.iter().enumerate().map(host).collect();
        let agent = |host| Agent {
            host,
            life: 0,
            process: None,
            memory: Memory::default(),
            paused_until: 0,
            cut_there: 0,
            cut_back: 0,
        };
        let mut world = Self {
            plan,
            now: 0,
            agenda: Agenda::default(),
            dice: Dice::new(plan.seed, 4),
            disk: Disk::new(storage_time(plan, -3600 * SECOND)),
            hosts,
            agents: (0..plan.agents()).map(agent).collect(),
            fusion: None,
            incarnations: 0,
            fusion_paused: 0,
            config,
            writes: [None; 2],
            calls: queue(plan),
            mishaps: plan.mishaps.iter().cloned().collect(),
            weather: (0, [0; 3]),
            sessions: 0,
            counts: Counts::default(),
            trace: Trace::default(),
        };
        world.found();
        world
    }

    /// What was there before.
    fn found(&mut self) {
        while self.calls.front().is_some_and(|call| call.at < 0) {
            let Some(Happening { at, call, .. }) = self.calls.pop_front() else { return };
            self.disk.apply(storage_time(self.plan, at), &call);
        }
        self.agenda.plan(0, Step::StartFusion);
        for agent in 0..self.agents.len() {
            let at = self.dice.below(3 * SECOND);
            self.agenda.plan(at, Step::StartAgent(agent));
        }
        if let Some(first) = self.calls.front() {
            self.agenda.plan(first.at, Step::Write);
        }
        if let Some(first) = self.mishaps.front() {
            self.agenda.plan(first.at, Step::Mishap);
        }
        self.agenda.plan(SAMPLE_NS, Step::Sample);
    }

    /// Runs to the end, or to the first thing that must not be.
    pub(crate) fn run(&mut self, checker: &mut Checker) -> Result<(), Failure> {
        while let Some(((at, _), step)) = self.agenda.steps.pop_first() {
            self.now = self.now.max(at);
            self.counts.steps += 1;
            if let Step::Sample = step {
                self.counts.samples += 1;
                if checker.sample(self)? {
                    let living = self.agents.iter().filter_map(|agent| agent.process.as_ref());
                    let seen: u64 = living.map(|process| process.source.observations).sum();
                    self.counts.observations += seen;
                    return Ok(());
                }
                self.agenda.plan(self.now + SAMPLE_NS, Step::Sample);
            } else {
                self.step(step, checker);
            }
            checker.watch(self)?;
        }
        Ok(())
    }

    fn step(&mut self, step: Step, checker: &mut Checker) {
        if let Some(step) = self.held_up(step) {
            match step {
                Step::Write => self.write(checker),
                Step::Mishap => self.mishap(checker),
                Step::StartAgent(agent) => self.start_agent(agent),
                Step::Watch(agent, life) => self.watch(agent, life),
                Step::Work(agent, life, worker) => self.work(agent, life, worker),
                Step::Pipe(agent, life) => self.pipe(agent, life, true),
                Step::Arrive(letter) => self.arrive(*letter),
                Step::Reply { agent, life, attempt, answer } => {
                    self.reply(agent, life, attempt, *answer);
                }
                Step::HungUp { agent, life } => self.hung_up(agent, life),
                Step::StartFusion => self.start_fusion(checker),
                Step::FusionWrite(incarnation) => self.fusion_write(incarnation),
                Step::Forward(incarnation) => self.forward(incarnation),
                Step::Keep(incarnation) => self.keep(incarnation),
                Step::Sample => {}
            }
        }
    }

    /// Steps of a process that stands still wait; gives back what can be done now.
    fn held_up(&mut self, step: Step) -> Option<Step> {
        let until = match &step {
            Step::Watch(agent, _)
            | Step::Work(agent, _, _)
            | Step::Pipe(agent, _)
            | Step::Reply { agent, .. } => self.agents[*agent].paused_until,
            Step::Arrive(_)
            | Step::HungUp { .. }
            | Step::FusionWrite(_)
            | Step::Forward(_)
            | Step::Keep(_) => self.fusion_paused,
            Step::Write | Step::Mishap | Step::StartAgent(_) | Step::StartFusion | Step::Sample => {
                0
            }
        };
        if self.now >= until {
            return Some(step);
        }
        match &step {
            Step::Watch(agent, _) => self.mark_watch(*agent, until),
            Step::Work(agent, _, worker) => self.mark_work(*agent, *worker, until),
            Step::Pipe(agent, _) => self.mark_pipe(*agent, until),
            Step::FusionWrite(_) => self.writes[0] = Some(until),
            Step::Forward(_) => self.writes[1] = Some(until),
            _ => {}
        }
        self.agenda.plan(until, step);
        None
    }

    fn mark_watch(&mut self, agent: usize, at: Ns) {
        if let Some(process) = &mut self.agents[agent].process {
            process.watch_at = Some(at);
        }
    }

    fn mark_work(&mut self, agent: usize, worker: usize, at: Ns) {
        if let Some(process) = &mut self.agents[agent].process {
            process.work_at[worker] = Some(at);
        }
    }

    fn mark_pipe(&mut self, agent: usize, at: Ns) {
        if let Some(process) = &mut self.agents[agent].process {
            process.pipe_at = Some(at);
        }
    }

    // What is written.

    fn write(&mut self, checker: &mut Checker) {
        let Some(Happening { host, call, .. }) = self.calls.pop_front() else { return };
        if let Some(next) = self.calls.front() {
            self.agenda.plan(next.at.max(self.now), Step::Write);
        }
        let Some(effect) = self.disk.apply(storage_time(self.plan, self.now), &call) else {
            return;
        };
        self.counts.calls += 1;
        self.trace.say(self.now, || format!("host {host}: {call:?}"));
        self.hosts[host].forget(&effect.changed);
        checker.note(self, host, &effect);
        let Some(agent) = self.agents.iter().position(|agent| agent.host == host) else { return };
        if let Some(process) = &mut self.agents[agent].process {
            for report in &effect.reports {
                process.source.hear(report);
            }
            let delay = 1000 + self.dice.below(MS);
            self.wake_watch(agent, self.now + delay);
        }
    }

    // What goes wrong.

    fn mishap(&mut self, checker: &mut Checker) {
        let Some(Mishap { fault, .. }) = self.mishaps.pop_front() else { return };
        if let Some(next) = self.mishaps.front() {
            self.agenda.plan(next.at.max(self.now), Step::Mishap);
        }
        self.counts.faults += 1;
        self.trace.say(self.now, || format!("FAULT {fault:?}"));
        match fault {
            Fault::Kill { agent, down_ns, remembers } => {
                self.kill(agent, remembers);
                self.agenda.plan(self.now + down_ns, Step::StartAgent(agent));
                checker.died(self, agent);
            }
            Fault::Pause { agent, ns } => {
                self.agents[agent].paused_until =
                    self.agents[agent].paused_until.max(self.now + ns);
            }
            Fault::KillFusion { down_ns } => {
                self.kill_fusion();
                self.agenda.plan(self.now + down_ns, Step::StartFusion);
            }
            Fault::PauseFusion { ns } => {
                self.fusion_paused = self.fusion_paused.max(self.now + ns);
            }
            Fault::Cut { agent, ns, there, back } => {
                let until = self.now + ns;
                let agent = &mut self.agents[agent];
                agent.cut_there = agent.cut_there.max(if there { until } else { 0 });
                agent.cut_back = agent.cut_back.max(if back { until } else { 0 });
            }
            Fault::Weather { ns, lost, doubled, slow } => {
                self.weather = (self.now + ns, [lost, doubled, slow]);
            }
            Fault::Overflow { agent } => {
                if let Some(process) = &mut self.agents[agent].process {
                    process.source.lose_reports();
                    self.wake_watch(agent, self.now + MS);
                }
            }
        }
    }

    fn kill(&mut self, agent: usize, remembers: bool) {
        let one = &mut self.agents[agent];
        one.paused_until = 0;
        if !remembers {
            one.memory = Memory::default();
        }
        let process = one.process.take();
        self.counts.observations += process.as_ref().map_or(0, |one| one.source.observations);
        if process.is_some() && self.now >= one.cut_there {
            let life = one.life;
            let delay = 1 + self.dice.below(WAY_NS);
            self.agenda.plan(self.now + delay, Step::HungUp { agent, life });
        }
    }

    fn kill_fusion(&mut self) {
        let Some(fusion) = self.fusion.take() else { return };
        self.writes = [None; 2];
        self.fusion_paused = 0;
        for (agent, life, attempt) in fusion.holders() {
            if self.now >= self.agents[agent].cut_back {
                let answer = Box::new(Answer::Held(fustor_core::client::HoldReply::HungUp));
                let at = self.now + 1 + self.dice.below(WAY_NS);
                self.agenda.plan(at, Step::Reply { agent, life, attempt, answer });
            }
        }
    }

    // The agents.

    fn start_agent(&mut self, agent: usize) {
        if self.agents[agent].process.is_some() {
            return;
        }
        let one = &mut self.agents[agent];
        one.life += 1;
        let boot = self.hosts[one.host].boot(self.now);
        // The wall clock in microseconds.
        let micros = ((crate::plan::EPOCH + self.now) / 1000).unsigned_abs();
        let process = Process::start(self.plan, agent, boot, micros, &mut one.memory);
        let life = one.life;
        one.process = Some(process);
        self.trace.say(self.now, || format!("agent {agent} starts, life {life}"));
        self.wake_pipe(agent, self.now);
    }

    fn wake_watch(&mut self, agent: usize, at: Ns) {
        let Some(process) = &mut self.agents[agent].process else { return };
        if process.watch_at.is_none_or(|known| at < known) {
            process.watch_at = Some(at);
            let life = self.agents[agent].life;
            self.agenda.plan(at, Step::Watch(agent, life));
        }
    }

    fn wake_work(&mut self, agent: usize, worker: usize, at: Ns) {
        let Some(process) = &mut self.agents[agent].process else { return };
        if process.work_at[worker].is_none_or(|known| at < known) {
            process.work_at[worker] = Some(at);
            let life = self.agents[agent].life;
            self.agenda.plan(at, Step::Work(agent, life, worker));
        }
    }

    fn wake_pipe(&mut self, agent: usize, at: Ns) {
        let Some(process) = &mut self.agents[agent].process else { return };
        if process.pipe_at.is_none_or(|known| at < known) {
            process.pipe_at = Some(at);
            let life = self.agents[agent].life;
            self.agenda.plan(at, Step::Pipe(agent, life));
        }
    }

    fn watch(&mut self, agent: usize, life: u64) {
        let one = &mut self.agents[agent];
        let Some(process) = one.process.as_mut().filter(|_| one.life == life) else { return };
        if process.watch_at.take_if(|at| *at <= self.now).is_none() {
            return;
        }
        let host = &mut self.hosts[one.host];
        let mut eyes = Eyes { disk: &self.disk, host, now: self.now };
        let next = process.source.watch(&mut eyes);
        let reports = process.source.has_reports();
        let step = self.hosts[self.agents[agent].host].step_ns();
        let next = next.map(|at| self.hosts[self.agents[agent].host].true_time(at));
        if let Some(at) = next.into_iter().chain(reports.then_some(self.now)).min() {
            self.wake_watch(agent, at.max(self.now + step));
        }
        self.after_source(agent, step);
    }

    fn work(&mut self, agent: usize, life: u64, worker: usize) {
        let one = &mut self.agents[agent];
        let Some(process) = one.process.as_mut().filter(|_| one.life == life) else { return };
        if process.work_at[worker].take_if(|at| *at <= self.now).is_none() {
            return;
        }
        let host = &mut self.hosts[one.host];
        let mut eyes = Eyes { disk: &self.disk, host, now: self.now };
        let next = process.source.work(&mut eyes, worker);
        let step = self.hosts[self.agents[agent].host].step_ns();
        if let Some(at) = next {
            let at = self.hosts[self.agents[agent].host].true_time(at);
            self.wake_work(agent, worker, at.max(self.now + step));
        }
        self.after_source(agent, step);
    }

    /// The source may have work for others of its parts.
    fn after_source(&mut self, agent: usize, step: Ns) {
        let Some(process) = &self.agents[agent].process else { return };
        let (work, reports) = (process.source.has_work(), process.source.has_reports());
        let sealed = process.has_something_to_take();
        let later = process.source.next_later();
        if work {
            self.wake_free_workers(agent, self.now + step);
        }
        if let Some(later) = later {
            let at = self.hosts[self.agents[agent].host].true_time(later);
            self.wake_work(agent, 0, at.max(self.now + step));
        }
        if reports {
            self.wake_watch(agent, self.now + step);
        }
        if sealed {
            self.wake_pipe(agent, self.now + step);
        }
    }

    fn pipe(&mut self, agent: usize, life: u64, timer: bool) {
        let one = &mut self.agents[agent];
        let Some(process) = one.process.as_mut().filter(|_| one.life == life) else { return };
        if timer && process.pipe_at.take_if(|at| *at <= self.now).is_none() {
            return;
        }
        let boot = self.hosts[one.host].boot(self.now);
        process.take(boot);
        self.sessions += 1;
        let fresh = SessionId(self.sessions);
        let host = &mut self.hosts[one.host];
        let mut eyes = Eyes { disk: &self.disk, host, now: self.now };
        let requests = process.act(self.plan, agent, fresh, &mut eyes);
        let session = process.client.session().map(|(name, epoch)| (name.clone(), epoch));
        if session.is_some() {
            one.memory.session = session;
        }
        let deadline = process.client.next_deadline(boot);
        for (attempt, request) in requests {
            self.send(Letter { agent, life, attempt, request });
        }
        let due = deadline.map(|due| self.hosts[self.agents[agent].host].true_time(due));
        let due = due.unwrap_or(Ns::MAX).clamp(self.now + MS / 10, self.now + SECOND);
        self.wake_pipe(agent, due);
        self.after_source_quietly(agent);
    }

    /// What was ordered may have to be begun.
    fn after_source_quietly(&mut self, agent: usize) {
        if self.agents[agent].process.as_ref().is_some_and(|process| process.source.has_work()) {
            self.wake_free_workers(agent, self.now + MS / 50);
        }
    }

    fn wake_free_workers(&mut self, agent: usize, at: Ns) {
        let Some(process) = &self.agents[agent].process else { return };
        let source = &process.source;
        let free: Vec<_> = (0..process.work_at.len()).filter(|w| source.is_free(*w)).collect();
        for worker in free {
            self.wake_work(agent, worker, at);
        }
    }

    fn reply(&mut self, agent: usize, life: u64, attempt: u64, answer: Answer) {
        let one = &mut self.agents[agent];
        let Some(process) = one.process.as_mut().filter(|_| one.life == life) else { return };
        let boot = self.hosts[one.host].boot(self.now);
        process.hear(boot, attempt, answer);
        self.pipe(agent, life, false);
    }

    // The network.

    fn is_bad(&mut self, which: usize) -> bool {
        let (until, chances) = self.weather;
        self.now < until && self.dice.percent(chances[which])
    }

    fn delay(&mut self) -> Ns {
        if self.is_bad(2) { 1 + self.dice.below(4 * SECOND) } else { 1 + self.dice.below(WAY_NS) }
    }

    fn send(&mut self, letter: Letter) {
        self.counts.messages += 1;
        let Letter { agent, life, attempt, .. } = letter;
        self.trace.say(self.now, || {
            let events = match &letter.request {
                Request::Push { push, .. } => brief(&push.events),
                other => format!("{other:?}"),
            };
            let head = match &letter.request {
                Request::Push { push, .. } => format!("{:?} {} ", push.lane, push.seq),
                _ => String::new(),
            };
            format!("agent {agent} #{attempt} sends {head}{events}")
        });
        let answer = Box::new(letter.request.unanswered());
        let late = self.now + letter.request.patience();
        self.agenda.plan(late, Step::Reply { agent, life, attempt, answer });
        if self.now < self.agents[agent].cut_there || self.is_bad(0) {
            return;
        }
        if self.is_bad(1) {
            let at = self.now + self.delay();
            self.agenda.plan(at, Step::Arrive(Box::new(letter.clone())));
        }
        let at = self.now + self.delay();
        self.agenda.plan(at, Step::Arrive(Box::new(letter)));
    }

    fn arrive(&mut self, letter: Letter) {
        let Letter { agent, life, attempt, .. } = letter;
        match &mut self.fusion {
            Some(fusion) => fusion.serve(self.now, letter),
            None => {
                // Nobody listens: the connection is refused.
                let answer = Box::new(letter.request.unanswered());
                let at = self.now + 1 + self.dice.below(WAY_NS);
                if self.now >= self.agents[agent].cut_back {
                    self.agenda.plan(at, Step::Reply { agent, life, attempt, answer });
                }
            }
        }
        self.after_fusion();
    }

    fn hung_up(&mut self, agent: usize, life: u64) {
        if let Some(fusion) = &mut self.fusion {
            fusion.hung_up(self.now, agent, life);
        }
        self.after_fusion();
    }

    // Fusion.

    fn start_fusion(&mut self, checker: &mut Checker) {
        if self.fusion.is_some() {
            return;
        }
        self.incarnations += 1;
        let (incarnation, config) = (self.incarnations, self.config.clone());
        self.trace.say(self.now, || format!("fusion starts, incarnation {incarnation}"));
        self.fusion = Some(Fusion::new(self.now, incarnation, config, self.plan.audit_ns));
        checker.fusion_started();
        self.agenda.plan(self.now, Step::Keep(incarnation));
        self.after_fusion();
    }

    fn after_fusion(&mut self) {
        let Some(fusion) = &mut self.fusion else { return };
        let outgoing = std::mem::take(&mut fusion.outgoing);
        let incarnation = fusion.incarnation;
        let (letters, wishes) = (fusion.has_letters(), fusion.has_wishes());
        let tick = fusion.tick_at().map(|at| at.max(self.now));
        for out in outgoing {
            self.counts.messages += 1;
            if self.now < self.agents[out.agent].cut_back || self.is_bad(0) {
                continue;
            }
            self.trace.say(self.now, || {
                format!("fusion answers agent {} #{} {:?}", out.agent, out.attempt, out.answer)
            });
            let at = self.now + self.delay();
            let (agent, life, attempt) = (out.agent, out.life, out.attempt);
            let answer = Box::new(out.answer);
            self.agenda.plan(at, Step::Reply { agent, life, attempt, answer });
        }
        let soon = self.now + 1 + self.dice.below(MS);
        let write = letters.then_some(soon).into_iter().chain(tick).min();
        if let Some(at) = write.filter(|at| self.writes[0].is_none_or(|known| *at < known)) {
            self.writes[0] = Some(at);
            self.agenda.plan(at, Step::FusionWrite(incarnation));
        }
        if wishes && self.writes[1].is_none() {
            self.writes[1] = Some(soon);
            self.agenda.plan(soon, Step::Forward(incarnation));
        }
    }

    fn fusion_write(&mut self, incarnation: u64) {
        let now = self.now;
        if self.writes[0].take_if(|at| *at <= now).is_none() {
            return;
        }
        if let Some(fusion) = self.fusion.as_mut().filter(|life| life.incarnation == incarnation) {
            fusion.write(now);
        }
        self.after_fusion();
    }

    fn forward(&mut self, incarnation: u64) {
        self.writes[1] = None;
        let now = self.now;
        if let Some(fusion) = self.fusion.as_mut().filter(|life| life.incarnation == incarnation) {
            fusion.forward(now);
        }
        self.after_fusion();
    }

    fn keep(&mut self, incarnation: u64) {
        let now = self.now;
        if let Some(fusion) = self.fusion.as_mut().filter(|life| life.incarnation == incarnation) {
            let next = fusion.keep(now);
            self.agenda.plan(next, Step::Keep(incarnation));
        }
        self.after_fusion();
    }
}

/// Observations in short.
fn brief(events: &[Event]) -> String {
    let one = |event: &Event| match event {
        Event::Upsert { path, stamp, tier, facts } => {
            format!(
                "+{path} {tier:?} {} i{} s{} c{}",
                stamp.0, facts.inode, facts.size, facts.ctime.0
            )
        }
        Event::Delete { path, stamp } => format!("-{path} {}", stamp.0),
        Event::Rename { old, new, stamp, facts } => {
            format!("{old} => {new} {} i{}", stamp.0, facts.inode)
        }
        Event::Listing(listing) => {
            let rows = listing.blocks.iter().flat_map(fustor_core::Block::rows);
            let names: Vec<_> = rows
                .map(|row| format!("{} i{}", String::from_utf8_lossy(row.name), row.facts.inode))
                .collect();
            let complete = if listing.complete { "" } else { " INCOMPLETE" };
            format!("ls {} {}{complete} [{}]", listing.dir, listing.stamp.0, names.join(", "))
        }
        other => format!("{other:?}"),
    };
    events.iter().map(one).collect::<Vec<_>>().join("; ")
}
