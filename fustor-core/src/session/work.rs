//! What agents are to do: who carries it out, and what becomes of it.

use crate::event::Directive;
use crate::id::{JobId, SessionId};
use crate::path::ViewPath;
use crate::rules::Rule;
use crate::time::{Mono, Now};

use super::door::{Ack, Ending, Order, ScanCommand};
use super::jobs::{Job, Run};
use super::member::Session;
use super::orders::REDELIVER_NS;
use super::roster::Roster;

/// Longer reasons of an agent are cut.
const REASON_MAX: usize = 1024;

impl Roster {
    /// Wishes of a view. Those about other storages are not for this roster.
    pub fn direct(&mut self, now: Now, directives: Vec<Directive>) {
        let now = self.advance(now);
        for directive in directives {
            let (Directive::List { storage, .. } | Directive::Recheck { storage, .. }) = &directive;
            if *storage == self.storage && !self.is_fulfilled(now, &directive) {
                self.orders.wish(directive);
            }
        }
    }

    /// A rename that `from` reported was applied: the other agents of the storage are told.
    pub fn moved(&mut self, now: Now, from: SessionId, old: &ViewPath, new: &ViewPath) {
        self.advance(now);
        let others = self.sessions.values().filter(|s| s.is_native() && s.may_push());
        let others: Vec<SessionId> = others.map(|s| s.id).filter(|id| *id != from).collect();
        for other in others {
            self.orders.tell_moved(other, self.storage, old, new);
        }
    }

    /// Whether a heartbeat of the session would be answered with something new to do, so that a held one need not wait.
    #[must_use]
    pub fn has_news(&self, id: SessionId) -> bool {
        let executor = self.executor(self.latest.mono) == Some(id);
        let commanded = |job: &Job| job.runner == Some(id) && job.runs == Run::Commanded;
        self.orders.has_news(id, executor) || self.jobs.iter().any(commanded)
    }

    /// How many orders are not acknowledged.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.orders.len()
    }

    /// Asks for a scan on demand. `None` when no agent is there, or too many jobs run.
    pub fn scan(&mut self, now: Now, path: &ViewPath, recursive: bool) -> Option<JobId> {
        let now = self.advance(now);
        if !self.sessions.values().any(Session::may_push) {
            return None;
        }
        let id = self.jobs.join(now, self.storage, path, recursive)?;
        self.assign_jobs(now);
        if let Some(deadline) = self.jobs.deadline() {
            self.wake_by(deadline);
        }
        Some(id)
    }

    /// All jobs that are remembered, by id.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter()
    }

    /// One job.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(id)
    }

    /// An agent of 0.8 reports that a job is done. False when that job does not run.
    pub fn complete_legacy_job(&mut self, now: Now, id: SessionId, job: JobId) -> bool {
        let now = self.advance(now);
        if !self.sessions.contains_key(&id) {
            return false;
        }
        if let Some(Run::Ordered(order)) = self.jobs.get(job).map(|job| job.runs) {
            self.orders.withdraw(order);
        }
        self.jobs.end(now, job, Ending::Completed)
    }

    /// Who carries out what the views ask for: the leader, else the native agent that is there for longest.
    fn executor(&self, now: Mono) -> Option<SessionId> {
        let leader = self.leader();
        let able = self.sessions.values().filter(|s| s.is_native() && s.can_lead(now));
        able.min_by_key(|s| (leader != Some(s.id), s.rank)).map(|s| s.id)
    }

    pub(super) fn hand_out(&mut self, now: Now, id: SessionId) -> Vec<Order> {
        if !self.sessions.get(&id).is_some_and(|s| s.is_native() && s.may_push()) {
            return Vec::new();
        }
        let executor = self.executor(now.mono) == Some(id);
        if executor && self.config.holds(Rule::OrdersMoveOn) {
            for other in self.orders.other_holders(id) {
                let present = |s: &Session| s.can_lead(now.mono);
                if !self.sessions.get(&other).is_some_and(present) {
                    self.orders.release(other);
                }
            }
        }
        let again = self.config.holds(Rule::OrdersAreDeliveredAgain);
        // At the beginning of time nothing is delivered twice.
        let at = if again { now.mono } else { Mono::MIN.plus(REDELIVER_NS) };
        self.orders.deliver(at, id, executor)
    }

    /// The commands for an agent of 0.8. Each is delivered once.
    pub(super) fn hand_out_scans(&mut self, id: SessionId) -> Vec<ScanCommand> {
        let mut scans = Vec::new();
        for job in self.jobs.of(id) {
            let Some(job) = self.jobs.get_mut(job).filter(|job| job.runs == Run::Commanded) else {
                continue;
            };
            job.runs = Run::Delivered;
            let Job { id, ref path, recursive, created, .. } = *job;
            scans.push(ScanCommand { job: id, path: path.clone(), recursive, created });
        }
        scans
    }

    /// An order has come to its end.
    pub(super) fn finish(&mut self, now: Now, by: SessionId, ack: Ack) {
        let Some(job) = self.orders.acknowledge(by, ack.id) else { return };
        match ack.ending {
            Ending::Completed => {
                self.jobs.end(now, job, Ending::Completed);
            }
            Ending::Partial(reason) => {
                self.jobs.end(now, job, Ending::Partial(clipped(reason)));
            }
            Ending::Failed(reason) => self.try_next(now, job, reason),
        }
    }

    /// Gives a job that failed to another session, or ends it.
    fn try_next(&mut self, now: Now, id: JobId, reason: String) {
        if let Some(job) = self.jobs.get_mut(id) {
            job.take_back();
        }
        if self.jobs.may_try_again(id) {
            self.assign_job(now, id);
        }
        if self.jobs.get(id).is_some_and(|job| job.runner.is_none()) {
            self.jobs.end(now, id, Ending::Failed(clipped(reason)));
        }
    }

    /// Gives jobs that no session has to sessions that can take them.
    pub(super) fn assign_jobs(&mut self, now: Now) {
        for id in self.jobs.unassigned() {
            self.assign_job(now, id);
        }
    }

    fn assign_job(&mut self, now: Now, id: JobId) {
        let leader = self.leader();
        let Some(job) = self.jobs.get(id) else { return };
        let able = |s: &&Session| s.can_lead(now.mono) && !job.was_tried_by(s.id);
        let best = self.sessions.values().filter(able);
        let best = best.min_by_key(|s| (!s.is_native(), leader != Some(s.id), s.rank));
        let Some((to, native)) = best.map(|s| (s.id, s.is_native())) else { return };
        let run = if native {
            let (path, recursive) = (job.path.clone(), job.recursive);
            let directive = Directive::List { storage: self.storage, path, recursive };
            Run::Ordered(self.orders.assign(id, to, directive))
        } else {
            Run::Commanded
        };
        if let Some(job) = self.jobs.get_mut(id) {
            job.give(to, run);
        }
    }
}

fn clipped(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(REASON_MAX));
    reason
}
