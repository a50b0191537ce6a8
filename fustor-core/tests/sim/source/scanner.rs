//! The scan workers in small steps. Mirrors `fustor-agent/src/scan/{scanner,worker}.rs`; listings that are so deep that
//! they are proven together (`shelf.rs`) do not occur, since no path here is deep.

use fustor_core::client::WALKED;
use fustor_core::{BootTime, CyclePhase, Event, GapReason, Lane, Tier, UncoveredReason, ViewPath};

use super::Source;
use super::job::{Job, Purpose, Run, RunId, Scope};
use super::listing::{Outcome, Read, Reading};
use crate::disk::Name;
use crate::host::{Eyes, Freshness};
use crate::plan::MS;

const URGENT_MAX: usize = 65_536;
const LATER_MAX: usize = 4096;
const GROUP_ROWS: usize = 8192;
const GROUP_EVENTS: usize = 256;
const GROUP_AGE_NS: i64 = 20 * MS;
const MOVED_TRIES_MAX: u8 = 16;
const MOVED_PAUSE_NS: i64 = MS / 2;
const RETRY_FIRST_NS: i64 = 1000 * MS;
const RETRY_LAST_NS: i64 = 60_000 * MS;

/// What makes two requests the same.
pub(super) type Wanted = (ViewPath, Option<i32>, Option<i32>, bool);

fn wanted(job: &Job) -> Wanted {
    (job.path.clone(), job.watch, job.parent_watch, job.scope == Scope::One)
}

/// What is on a worker's desk.
#[derive(Debug, Default)]
pub(crate) struct Worker {
    reading: Option<(Reading, bool)>,
    events: Vec<Event>,
    rows: usize,
    since: BootTime,
    done: Vec<RunId>,
    /// Waits for room before it goes on.
    hands_over: bool,
}

impl Worker {
    fn holds(&self) -> bool {
        !self.events.is_empty() || !self.done.is_empty()
    }

    pub(super) fn is_idle_or_scans(&self) -> bool {
        let scans = |(reading, urgent): &(Reading, bool)| !urgent && reading.job.run.is_some();
        self.reading.as_ref().is_none_or(scans) && self.done.is_empty()
    }

    fn add(&mut self, now: BootTime, event: Event, rows: usize) {
        if self.events.is_empty() {
            self.since = now;
        }
        self.events.push(event);
        self.rows += rows;
    }

    fn is_full(&self, now: BootTime) -> bool {
        self.rows >= GROUP_ROWS
            || self.events.len() >= GROUP_EVENTS
            || (self.holds() && now.since(self.since) >= GROUP_AGE_NS)
    }
}

impl Source {
    /// Scans the whole tree; when that is going on already, once more afterwards.
    pub(crate) fn rescan(&mut self, _eyes: &mut Eyes<'_>) {
        if self.cycle.is_some() {
            self.again = true;
            return;
        }
        let run = self.begin_run(Purpose::Cycle);
        self.cycle = Some(run);
        let mut job = Job::new(ViewPath::root(), Scope::Below).within(run, Purpose::Cycle);
        job.opens = true;
        self.stack.push(job);
    }

    /// Reads the whole tree so that all of it is watched.
    pub(crate) fn walk(&mut self) {
        let run = self.begin_run(Purpose::Walk);
        let job = Job::new(ViewPath::root(), Scope::Below).within(run, Purpose::Walk);
        self.stack.push(job);
    }

    pub(super) fn begin_run(&mut self, purpose: Purpose) -> RunId {
        self.runs_begun += 1;
        self.runs.insert(self.runs_begun, Run { purpose, left: 1 });
        self.runs_begun
    }

    pub(super) fn expect(&mut self, run: RunId, directories: usize) {
        if let Some(run) = self.runs.get_mut(&run) {
            run.left += directories;
        }
    }

    pub(super) fn list_soon(&mut self, eyes: &mut Eyes<'_>, job: Job) {
        if self.urgent.len() >= URGENT_MAX {
            self.overflow(eyes);
            if let Some(run) = job.run {
                self.finish(eyes, run);
            }
            return;
        }
        if self.urgent_paths.insert(wanted(&job)) || job.run.is_some() {
            self.urgent.push_back(job);
        }
    }

    fn overflow(&mut self, eyes: &mut Eyes<'_>) {
        let (scope, stamp) = (ViewPath::root(), eyes.boot());
        let gap = Event::Gap { scope, stamp, reason: GapReason::AgentOverflow };
        self.outbox.push(Lane::Control, vec![gap], Vec::new());
        self.rescan(eyes);
    }

    pub(super) fn recheck_soon(&mut self, eyes: &mut Eyes<'_>, path: ViewPath, run: Option<RunId>) {
        if self.rechecks.len() >= URGENT_MAX {
            return self.overflow(eyes);
        }
        self.rechecks.push_back((path, run));
    }

    fn retry_later(&mut self, job: Job, due: BootTime) -> bool {
        if self.later.len() >= LATER_MAX {
            return false;
        }
        self.later_seq += 1;
        self.later.insert((due, self.later_seq), job);
        true
    }

    /// A directory of a run is done and its listing handed over.
    fn finish(&mut self, eyes: &mut Eyes<'_>, run: RunId) {
        let Some(known) = self.runs.get_mut(&run) else { return };
        known.left -= 1;
        if known.left > 0 {
            return;
        }
        let purpose = known.purpose;
        self.runs.remove(&run);
        match purpose {
            Purpose::Cycle => {
                let end = Event::Cycle { phase: CyclePhase::End, stamp: eyes.boot() };
                self.outbox.push(Lane::Scan, vec![end], Vec::new());
                self.cycle = None;
                if std::mem::take(&mut self.again) {
                    self.rescan(eyes);
                }
            }
            Purpose::Walk => self.outbox.push(Lane::Scan, Vec::new(), vec![WALKED]),
            Purpose::Order(id) => self.outbox.push(Lane::Scan, Vec::new(), vec![id]),
        }
    }

    /// One step of a worker. When the next is wanted, by its own clock; `None`: when there is work.
    pub(crate) fn work(&mut self, eyes: &mut Eyes<'_>, worker: usize) -> Option<BootTime> {
        let now = eyes.boot();
        if self.workers[worker].hands_over {
            if !self.workers[worker].events.is_empty() && !self.outbox.has_room(Lane::Scan) {
                return Some(now.plus(MS));
            }
            self.hand_over(eyes, worker);
            return Some(now);
        }
        if let Some((mut reading, urgent)) = self.workers[worker].reading.take() {
            match self.read_on(eyes, &mut reading) {
                None => self.workers[worker].reading = Some((reading, urgent)),
                Some(outcome) => self.settle(eyes, worker, reading.job, outcome, urgent),
            }
            return Some(now);
        }
        if let Some((path, run)) = self.take_recheck(now) {
            self.recheck(eyes, worker, &path, run);
            return Some(now);
        }
        if let Some((job, urgent)) = self.take_job(now) {
            if job.opens {
                let begin = Event::Cycle { phase: CyclePhase::Begin, stamp: now };
                self.workers[worker].add(now, begin, 0);
                self.workers[worker].hands_over = true;
            }
            self.workers[worker].reading = Some((Reading::new(job), urgent));
            return Some(now);
        }
        if self.workers[worker].holds() {
            self.workers[worker].hands_over = true;
            return Some(now);
        }
        self.later.first_key_value().map(|((due, _), _)| (*due).max(now))
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.urgent.is_empty() || !self.stack.is_empty() || !self.rechecks.is_empty()
    }

    /// Whether a worker waits for work.
    pub(crate) fn is_free(&self, worker: usize) -> bool {
        let worker = &self.workers[worker];
        worker.reading.is_none() && !worker.hands_over
    }

    /// When a directory is to be read again.
    pub(crate) fn next_later(&self) -> Option<BootTime> {
        self.later.first_key_value().map(|((due, _), _)| *due)
    }

    fn take_recheck(&mut self, now: BootTime) -> Option<(ViewPath, Option<RunId>)> {
        let due = self.later.first_key_value().is_some_and(|((due, _), _)| *due <= now);
        if due { None } else { self.rechecks.pop_front() }
    }

    fn take_job(&mut self, now: BootTime) -> Option<(Job, bool)> {
        if let Some(entry) = self.later.first_entry()
            && entry.key().0 <= now
        {
            return Some((entry.remove(), true));
        }
        if let Some(job) = self.urgent.pop_front() {
            self.urgent_paths.remove(&wanted(&job));
            return Some((job, true));
        }
        self.stack.pop().map(|job| (job, false))
    }

    fn hand_over(&mut self, eyes: &mut Eyes<'_>, worker: usize) {
        let desk = &mut self.workers[worker];
        desk.hands_over = false;
        desk.rows = 0;
        let events = std::mem::take(&mut desk.events);
        let done = std::mem::take(&mut desk.done);
        self.outbox.push(Lane::Scan, events, Vec::new());
        for run in done {
            self.finish(eyes, run);
        }
    }

    fn settle(
        &mut self,
        eyes: &mut Eyes<'_>,
        worker: usize,
        job: Job,
        outcome: Outcome,
        urgent: bool,
    ) {
        let run = job.run;
        match outcome {
            Outcome::Read(mut read) => {
                self.spread(eyes, worker, &job, &mut read, urgent);
                self.file(eyes, worker, job, *read);
            }
            Outcome::Absent => self.look_above(eyes, worker, job),
            Outcome::Moved { watch } => self.moved_away(eyes, worker, job, watch),
        }
        let now = eyes.boot();
        let desk = &mut self.workers[worker];
        desk.done.extend(run);
        desk.hands_over |= urgent || desk.is_full(now);
    }

    fn spread(
        &mut self,
        eyes: &mut Eyes<'_>,
        worker: usize,
        job: &Job,
        read: &mut Read,
        urgent: bool,
    ) {
        let now = eyes.boot();
        let children = std::mem::take(&mut read.children);
        for event in std::mem::take(&mut read.notices) {
            self.workers[worker].add(now, event, 0);
        }
        if let Some(watch) = read.watch.filter(|_| read.trouble.is_none()) {
            self.reconcile(eyes, watch, &children);
        }
        if job.scope != Scope::One && !children.is_empty() {
            self.descend(job, read, &children, urgent);
        }
    }

    fn descend(&mut self, job: &Job, read: &Read, children: &[Name], urgent: bool) {
        let (path, watch) = (&read.listing.dir, read.watch);
        let is_known = |name: &Name| {
            job.scope == Scope::Arrived && watch.is_some_and(|watch| self.has_child(watch, name))
        };
        let child = |name: &Name| Job {
            path: path.join(name),
            parent: Some(read.inode),
            parent_watch: watch,
            watch: None,
            version: read.version,
            doubt: None,
            scope: job.scope,
            tries: 0,
            troubled: false,
            run: job.run,
            quiet: job.quiet,
            opens: false,
        };
        let jobs: Vec<_> = children.iter().filter(|name| !is_known(name)).map(child).collect();
        if let Some(run) = job.run {
            self.expect(run, jobs.len());
        }
        if urgent && job.scope == Scope::Arrived {
            jobs.into_iter().rev().for_each(|child| self.urgent.push_front(child));
        } else {
            self.stack.extend(jobs.into_iter().rev());
        }
    }

    fn file(&mut self, eyes: &mut Eyes<'_>, worker: usize, mut job: Job, read: Read) {
        let now = eyes.boot();
        let Read { listing, trouble, watch, .. } = read;
        let rows = listing.blocks.iter().map(fustor_core::Block::len).sum();
        let path = listing.dir.clone();
        let desk = &mut self.workers[worker];
        if !job.quiet {
            desk.add(now, Event::Listing(listing), rows);
        }
        if trouble.is_none() && job.troubled {
            desk.add(now, Event::Covered { dir: path.clone() }, 0);
        }
        if let Some(reason) = trouble {
            self.report_uncovered(eyes, worker, path.clone(), reason);
            (job.path, job.watch, job.scope) = (path, watch, Scope::One);
            self.again_later(eyes, job);
        }
    }

    /// A directory that is gone, or moved before it was read.
    fn look_above(&mut self, eyes: &mut Eyes<'_>, _worker: usize, job: Job) {
        let Some(job) = self.await_reports(eyes, job, None) else { return };
        let path = self.current_path(&job);
        let Some((parent, _)) = path.split() else { return };
        let above = job.watch.and_then(|watch| self.forget_watch(watch));
        let (parent, watch) = above.unwrap_or((parent, job.parent_watch));
        self.list_soon(eyes, Job::new(parent, Scope::One).watched(watch));
    }

    fn moved_away(&mut self, eyes: &mut Eyes<'_>, worker: usize, job: Job, watch: Option<i32>) {
        let Some(mut job) = self.await_reports(eyes, job, watch) else { return };
        if job.tries > MOVED_TRIES_MAX {
            self.report_uncovered(eyes, worker, job.path.clone(), UncoveredReason::Restless);
            return self.again_later(eyes, job);
        }
        let path = self.current_path(&job);
        let Some((parent, _)) = path.split() else { return };
        let above = watch.and_then(|watch| self.forget_watch(watch));
        (job.path, job.watch) = above.unwrap_or((parent, job.parent_watch));
        job.parent_watch = None;
        job.version = None;
        job.doubt = None;
        job.scope = Scope::Below;
        let now = eyes.boot();
        self.requeue(eyes, worker, job, now);
    }

    fn await_reports(&mut self, eyes: &mut Eyes<'_>, job: Job, watch: Option<i32>) -> Option<Job> {
        let mut job = Job { tries: job.tries.saturating_add(1), parent: None, opens: false, ..job };
        job.watch = job.watch.or(watch);
        if job.parent_watch.is_none() && job.watch.is_none() {
            return Some(job);
        }
        let (now, path) = (eyes.boot(), self.current_path(&job));
        let same = job.doubt.take().filter(|(_, before)| *before == path);
        if same.as_ref().is_some_and(|(since, _)| self.drained > *since) {
            return Some(job);
        }
        job.doubt = same.or(Some((now, path)));
        self.rung = true;
        let due = now.plus(MOVED_PAUSE_NS << job.tries.min(6));
        self.requeue(eyes, 0, job, due);
        None
    }

    fn requeue(&mut self, eyes: &mut Eyes<'_>, worker: usize, job: Job, due: BootTime) {
        if let Some(run) = job.run {
            self.expect(run, 1);
        }
        let (path, run) = (job.path.clone(), job.run);
        if !self.retry_later(job, due) {
            self.report_uncovered(eyes, worker, path, UncoveredReason::Restless);
            if let Some(run) = run {
                self.finish(eyes, run);
            }
        }
    }

    fn again_later(&mut self, eyes: &Eyes<'_>, mut job: Job) {
        let pause = (RETRY_FIRST_NS << job.tries.min(6)).min(RETRY_LAST_NS);
        job.tries = job.tries.saturating_add(1);
        job.run = None;
        job.parent = None;
        job.opens = false;
        job.troubled = true;
        let _: bool = self.retry_later(job, eyes.boot().plus(pause));
    }

    fn report_uncovered(
        &mut self,
        eyes: &Eyes<'_>,
        worker: usize,
        dir: ViewPath,
        reason: UncoveredReason,
    ) {
        let now = eyes.boot();
        self.workers[worker].add(now, Event::Uncovered { dir, stamp: now, reason }, 0);
    }

    fn recheck(&mut self, eyes: &mut Eyes<'_>, worker: usize, path: &ViewPath, run: Option<RunId>) {
        let stamp = eyes.boot();
        self.observations += 1;
        match eyes.lstat(path, Freshness::Forced) {
            Some(facts) => {
                let upsert = Event::Upsert { path: path.clone(), stamp, tier: Tier::Scan, facts };
                self.workers[worker].add(stamp, upsert, 1);
            }
            None => self.look_above(eyes, worker, Job::new(path.clone(), Scope::One)),
        }
        self.workers[worker].done.extend(run);
        self.workers[worker].hands_over = true;
    }
}
