//! One scan thread: takes directories, reads them, hands the listings over in groups.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fustor_core::{BootTime, CyclePhase, Event, Kind, Lane, Tier, UncoveredReason, ViewPath};
use rustix::io::Errno;

use super::Counters;
use super::job::{First, Job, Kept, Run, Scope};
use super::list::{Names, Outcome, Read, Reader, current_path};
use super::scanner::{Scanner, Task};
use super::shelf::{Held, Reading, Shelf, prove};
use super::vigil::Vigil;
use crate::clock::{self, MS};
use crate::disk::{Freshness, is_absent};

/// A group is handed over when it has this many rows or events, or is this old.
const GROUP_ROWS: usize = 8192;
const GROUP_EVENTS: usize = 256;
const GROUP_AGE_NS: i64 = 20 * MS;
/// A directory whose path leads elsewhere is looked for this often, a level higher each time.
const MOVED_TRIES_MAX: u8 = 16;
const MOVED_PAUSE_NS: i64 = MS / 2;
/// First and longest pause before a directory that could not be read completely is tried again.
const RETRY_FIRST_NS: i64 = 1000 * MS;
const RETRY_LAST_NS: i64 = 60_000 * MS;

/// What a worker has on its desk, visible to the watchdog: a worker that hangs in the kernel must not keep the
/// results of others waiting.
#[derive(Default)]
pub(super) struct Desk {
    /// Counts entries. Standing still while `reading` means that a system call does not return.
    pub(super) beat: AtomicU64,
    pub(super) reading: AtomicBool,
    given_up: AtomicBool,
    pub(super) papers: Mutex<Papers>,
}

#[derive(Default)]
pub(super) struct Papers {
    /// What the worker is at; empty when the watchdog has answered for it.
    current: Vec<Reading>,
    /// Deep directories that were read and are to be proven.
    shelf: Shelf,
    events: Vec<Event>,
    rows: usize,
    since: BootTime,
    /// Cycles that wait for the directories among `events`, one each.
    done: Vec<Arc<Run>>,
}

impl Desk {
    pub(super) fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    /// Whether a directory is being read that somebody waits for.
    pub(super) fn is_reading(&self) -> bool {
        self.reading.load(Ordering::Acquire) && !self.is_given_up()
    }

    /// Takes what the worker cannot hand over itself. Returns the directories that it hangs in.
    pub(super) fn give_up(&self, scanner: &Scanner) -> Vec<ViewPath> {
        self.given_up.store(true, Ordering::Release);
        let mut papers = self.papers();
        let current = std::mem::take(&mut papers.current);
        let shelf = papers.shelf.take();
        drop(papers);
        self.hand_over(scanner);
        for held in shelf {
            // Another worker reads them again; what is below them is known already.
            scanner.list_soon(Job { scope: Scope::One, ..held.job });
        }
        let answer = |(path, run): Reading| {
            run.iter().for_each(|run| scanner.finish(run));
            path
        };
        current.into_iter().map(answer).collect()
    }

    /// Ends a reading. True: the watchdog has answered for it meanwhile.
    pub(super) fn is_answered(&self) -> bool {
        std::mem::take(&mut self.papers().current).is_empty()
    }

    /// Hands the group over; waits while the host is behind. False: nobody listens any more.
    fn hand_over(&self, scanner: &Scanner) -> bool {
        let mut papers = self.papers();
        let events = std::mem::take(&mut papers.events);
        let done = std::mem::take(&mut papers.done);
        papers.rows = 0;
        drop(papers);
        let heard = scanner.is_lost() || scanner.setup.sink.deliver(Lane::Scan, events);
        for run in done {
            scanner.finish(&run);
        }
        heard
    }
}

/// Starts one worker.
pub(super) fn spawn(scanner: &Arc<Scanner>) -> io::Result<()> {
    let desk = Arc::new(Desk::default());
    let mut worker =
        Worker { scanner: Arc::clone(scanner), desk: Arc::clone(&desk), reader: Reader::default() };
    let vigil = Vigil::over(scanner);
    let thread = std::thread::Builder::new().name("fustor-scan".into());
    let thread = thread.spawn(move || vigil.keep(|| worker.run()))?;
    scanner.desks().push(desk);
    scanner.keep(thread);
    Ok(())
}

pub(super) struct Worker {
    pub(super) scanner: Arc<Scanner>,
    pub(super) desk: Arc<Desk>,
    reader: Reader,
}

impl Worker {
    fn run(&mut self) {
        loop {
            let papers = self.desk.papers();
            let holds = !papers.is_empty() || !papers.shelf.is_empty();
            drop(papers);
            let heard = match self.scanner.next(holds) {
                Task::List { job, urgent } => self.list(job, urgent),
                Task::Recheck(path, run) => self.recheck(&path, run),
                Task::HandOver => {
                    self.prove_held();
                    self.desk.hand_over(&self.scanner)
                }
                Task::Stop => break,
            };
            if !heard {
                self.scanner.halt();
            }
            if self.desk.is_given_up() {
                break;
            }
        }
        if !self.scanner.is_stopping() {
            self.prove_held();
        }
        self.desk.hand_over(&self.scanner);
        self.scanner.desks().retain(|desk| !Arc::ptr_eq(desk, &self.desk));
    }

    fn list(&mut self, job: Job, urgent: bool) -> bool {
        let mut papers = self.desk.papers();
        papers.current = vec![(job.path.clone(), job.run.clone())];
        if job.opens {
            papers.add(Event::Cycle { phase: CyclePhase::Begin, stamp: clock::now() }, 0);
        }
        drop(papers);
        // Before its children are found, so that no listing of another worker overtakes the begin of its cycle.
        if job.opens && !self.desk.hand_over(&self.scanner) {
            return false;
        }
        if job.opens && !self.root_stands() {
            self.scanner.lose_root();
            return true;
        }
        let more = match self.look_first(job) {
            Some(job) => self.read(job, urgent),
            None => false,
        };
        if urgent && !more || self.desk.papers().shelf.is_due(clock::now()) {
            self.prove_held();
        }
        let full = urgent || self.desk.papers().is_full(clock::now());
        !full || self.desk.hand_over(&self.scanner)
    }

    /// Asked here and not where the scan is asked for: a root that hangs holds whoever looks at it.
    fn root_stands(&self) -> bool {
        self.desk.reading.store(true, Ordering::Release);
        let stands = self.scanner.setup.root.stands();
        self.desk.reading.store(false, Ordering::Release);
        stands
    }

    fn read(&mut self, mut job: Job, urgent: bool) -> bool {
        self.desk.reading.store(true, Ordering::Release);
        let outcome = self.reader.read(&self.scanner, &self.desk.beat, &job);
        self.desk.reading.store(false, Ordering::Release);
        if self.desk.is_answered() {
            job.run = None;
            self.desk.papers().add(Event::Covered { dir: job.path.clone() }, 0);
        }
        self.settle(job, outcome, urgent)
    }

    /// True: what is below comes next, ahead of the scan.
    fn settle(&mut self, mut job: Job, outcome: Outcome, urgent: bool) -> bool {
        let run = job.run.clone();
        match outcome {
            Outcome::Read(mut read) => {
                self.enter(&mut job, &read);
                self.spread(&job, &mut read, urgent);
                self.file(job, *read);
            }
            Outcome::Unproven(mut read, look) => {
                let more = job.scope == Scope::Arrived && !read.children.is_empty();
                self.enter(&mut job, &read);
                self.spread(&job, &mut read, urgent);
                job.parent = None;
                job.path = read.listing.dir.clone();
                self.desk.papers().shelf.add(Held { job, read, look }, clock::now());
                return more;
            }
            Outcome::Absent => self.look_above(job),
            Outcome::Moved { watch } => self.moved(job, watch),
            Outcome::Refused(reason) => self.report(job.path, reason),
            Outcome::Excluded { above } => self.list_above(job.run, above),
            Outcome::Failed(error) => self.failed(job, &error),
            Outcome::Abandoned => {}
        }
        self.desk.papers().done.extend(run);
        false
    }

    /// Gives it a place among the directories that are remembered, before others look for those in it.
    fn enter(&self, job: &mut Job, read: &Read) {
        if !job.is_quiet() {
            let dir = &read.listing.dir;
            let above = job.above.filter(|_| *dir == job.path);
            job.spot = self.scanner.register().enter(dir, above);
        }
    }

    /// Finds out whether the paths of the directories that wait still lead to them.
    fn prove_held(&self) {
        let mut papers = self.desk.papers();
        let held = papers.shelf.take();
        if held.is_empty() {
            return;
        }
        let reading = |held: &Held| (held.job.path.clone(), held.job.run.clone());
        papers.current = held.iter().map(reading).collect();
        drop(papers);
        let beat = || {
            self.desk.beat.fetch_add(1, Ordering::Relaxed);
        };
        self.desk.reading.store(true, Ordering::Release);
        let proofs = prove(&self.scanner.setup.root, &held, beat);
        self.desk.reading.store(false, Ordering::Release);
        let answered = self.desk.is_answered();
        for (Held { mut job, read, .. }, proof) in held.into_iter().zip(proofs) {
            if answered {
                job.run = None;
                self.desk.papers().add(Event::Covered { dir: job.path.clone() }, 0);
            }
            let run = job.run.clone();
            match proof {
                Ok(true) => self.file(job, *read),
                Ok(false) => self.moved(job, read.watch),
                Err(error) => self.failed(job, &error),
            }
            self.desk.papers().done.extend(run);
        }
    }

    /// Does what finding a directory entails, whether or not its listing counts.
    fn spread(&self, job: &Job, read: &mut Read, urgent: bool) {
        let children = std::mem::take(&mut read.children);
        for event in std::mem::take(&mut read.notices) {
            self.desk.papers().add(event, 0);
        }
        if let Some((watches, watch)) = self.scanner.setup.watches.as_deref().zip(read.watch)
            && read.trouble.is_none()
        {
            watches.reconcile(watch, &children);
        }
        let kept = read.kept.take();
        if job.scope != Scope::One && !children.is_empty() {
            self.descend(job, read, &children, kept.as_ref(), urgent);
        }
        read.children = children;
    }

    fn file(&self, mut job: Job, read: Read) {
        self.remember(&job, &read);
        let Read { listing, uncovered, trouble, watch, .. } = read;
        let rows = listing.blocks.iter().map(fustor_core::Block::len).sum();
        Counters::add(&self.scanner.counters.directories, 1);
        Counters::add(&self.scanner.counters.entries, rows as u64);
        let path = listing.dir.clone();
        let mut papers = self.desk.papers();
        if !job.is_quiet() {
            papers.add(Event::Listing(listing), rows);
        }
        if trouble.is_none() && job.troubled {
            papers.add(Event::Covered { dir: path.clone() }, 0);
        }
        drop(papers);
        for (dir, reason) in uncovered {
            self.report(dir, reason);
        }
        if let Some(reason) = trouble {
            self.report(path.clone(), reason);
            job.path = path;
            job.watch = watch;
            job.scope = Scope::One;
            self.again_later(job);
        }
    }

    /// What is told of it now need not be told again before it changes or its turn comes.
    fn remember(&self, job: &Job, read: &Read) {
        let listing = &read.listing;
        if !job.is_quiet() && listing.complete {
            let children = read.children.iter().chain(read.mounts.iter());
            let mut register = self.scanner.register();
            register.tell(&listing.dir, job.spot, read.print, listing.stamp, children);
        }
    }

    fn descend(
        &self,
        job: &Job,
        read: &Read,
        children: &Names,
        kept: Option<&Arc<Kept>>,
        urgent: bool,
    ) {
        let (path, watch) = (&read.listing.dir, read.watch);
        let watches = self.scanner.setup.watches.as_deref();
        let is_known = |name: &[u8]| {
            job.scope == Scope::Arrived
                && watches.zip(watch).is_some_and(|(watches, at)| watches.has_child(at, name))
        };
        let child = |(at, name): (usize, &[u8])| Job {
            path: path.join(name),
            parent: kept.filter(|kept| at == 0 || !kept.is_scarce()).cloned(),
            parent_watch: watch,
            watch: None,
            version: read.version,
            vetted: true,
            doubt: None,
            scope: job.scope,
            first: if job.scope == Scope::Changed { First::Look } else { First::Read },
            above: job.spot,
            spot: None,
            tries: 0,
            troubled: false,
            run: job.run.clone(),
            opens: false,
        };
        let unknown = children.iter().filter(|name| !is_known(name));
        let jobs: Vec<_> = unknown.enumerate().map(child).collect();
        if let Some(run) = &job.run {
            run.expect(jobs.len());
        }
        // Only what has just arrived overtakes the scan: a whole subtree that was asked for may be large.
        self.scanner.push_children(jobs, urgent && job.scope == Scope::Arrived);
    }

    /// A directory that is gone, or moved before it was read: only a listing of its parent proves it.
    fn look_above(&self, job: Job) {
        Counters::add(&self.scanner.counters.vanished, 1);
        let Some(job) = self.await_reports(job, None) else { return };
        let path = current_path(&self.scanner, &job);
        let Some((parent, _)) = path.split() else { return self.scanner.doubt_root() };
        let watches = self.scanner.setup.watches.as_deref();
        let above = watches.zip(job.watch).and_then(|(watches, watch)| watches.forget(watch));
        let (parent, watch) = above.unwrap_or((parent, job.parent_watch));
        self.scanner.list_soon(Job::new(parent, Scope::One).watched(watch));
    }

    /// A directory that is excluded, or lies in one that is: what that one lies in tells whether it is there.
    fn list_above(&self, run: Option<Arc<Run>>, above: ViewPath) {
        let job = Job { run, ..Job::new(above, Scope::One) };
        self.requeue(job, clock::now());
    }

    /// The path leads elsewhere now: whatever was read is not at this path. The parent tells what is.
    fn moved(&self, job: Job, watch: Option<i32>) {
        Counters::add(&self.scanner.counters.moved, 1);
        let Some(mut job) = self.await_reports(job, watch) else { return };
        if job.tries > MOVED_TRIES_MAX {
            self.report(job.path.clone(), UncoveredReason::Restless);
            return self.again_later(job);
        }
        let path = current_path(&self.scanner, &job);
        let Some((parent, _)) = path.split() else { return self.scanner.doubt_root() };
        let watches = self.scanner.setup.watches.as_deref();
        let above = watches.zip(watch).and_then(|(watches, watch)| watches.forget(watch));
        (job.path, job.watch) = above.unwrap_or((parent, job.parent_watch));
        job.parent_watch = None;
        (job.version, job.above, job.spot) = (None, None, None);
        job.vetted = false;
        job.doubt = None;
        job.scope = Scope::Below;
        self.requeue(job, clock::now());
    }

    /// Where a directory has moved to may be among reports of the kernel that are yet to be read: tries again until all
    /// reports up to the first failure have been. Then returns the job: it is not where the table has it.
    fn await_reports(&self, job: Job, watch: Option<i32>) -> Option<Job> {
        let mut job = Job { tries: job.tries.saturating_add(1), parent: None, opens: false, ..job };
        job.watch = job.watch.or(watch);
        let is_watched = job.parent_watch.is_some() || job.watch.is_some();
        let Some(watches) = self.scanner.setup.watches.as_deref().filter(|_| is_watched) else {
            return Some(job);
        };
        let (now, path) = (clock::now(), current_path(&self.scanner, &job));
        let same = job.doubt.take().filter(|(_, before)| *before == path);
        if same.as_ref().is_some_and(|(since, _)| watches.drained() > *since) {
            return Some(job);
        }
        job.doubt = same.or(Some((now, path)));
        watches.ring();
        let due = now.plus(MOVED_PAUSE_NS << job.tries.min(6));
        self.requeue(job, due);
        None
    }

    /// Reads a directory again, and lets its cycle wait for that.
    fn requeue(&self, job: Job, due: BootTime) {
        if let Some(run) = &job.run {
            run.expect(1);
        }
        let (path, run) = (job.path.clone(), job.run.clone());
        if !self.scanner.retry_later(job, due) {
            self.report(path, UncoveredReason::Restless);
            if let Some(run) = run {
                self.scanner.finish(&run);
            }
        }
    }

    fn failed(&self, job: Job, error: &io::Error) {
        let counters = &self.scanner.counters;
        let reason = match Errno::from_io_error(error) {
            Some(Errno::ACCESS | Errno::PERM) => {
                Counters::add(&counters.unreadable, 1);
                UncoveredReason::Unreadable
            }
            _ => {
                Counters::add(&counters.failing, 1);
                UncoveredReason::Failing
            }
        };
        tracing::debug!(path = %job.path, %error, "a directory cannot be read");
        self.report(job.path.clone(), reason);
        self.again_later(job);
    }

    fn again_later(&self, mut job: Job) {
        let pause = (RETRY_FIRST_NS << job.tries.min(6)).min(RETRY_LAST_NS);
        job.tries = job.tries.saturating_add(1);
        (job.run, job.parent, job.above, job.spot) = (None, None, None, None);
        job.opens = false;
        job.troubled = true;
        // Too many such directories: the next cycle finds them again.
        let _: bool = self.scanner.retry_later(job, clock::now().plus(pause));
    }

    fn report(&self, dir: ViewPath, reason: UncoveredReason) {
        // Looked at again by each audit.
        self.scanner.register().void(&dir);
        Counters::add(&self.scanner.counters.uncovered, 1);
        self.desk.papers().add(Event::Uncovered { dir, stamp: clock::now(), reason }, 0);
    }

    fn is_hidden(&self, path: &ViewPath, kind: Kind) -> bool {
        let hides =
            |(dir, name): (ViewPath, &[u8])| self.scanner.setup.filter.hides(&dir, name, kind);
        !kind.is_dir() && path.split().is_some_and(hides)
    }

    fn recheck(&mut self, path: &ViewPath, run: Option<Arc<Run>>) -> bool {
        let stamp = clock::now();
        if let Some(above) = self.scanner.setup.filter.above_excluded(path) {
            self.scanner.list_soon(Job::new(above, Scope::One));
            self.desk.papers().done.extend(run);
            return self.desk.hand_over(&self.scanner);
        }
        match self.scanner.setup.root.lstat(path, Freshness::Forced) {
            Ok(Some(look)) if self.is_hidden(path, look.facts.kind) => {
                self.look_above(Job::new(path.clone(), Scope::One));
            }
            Ok(Some(look)) => {
                let path = path.clone();
                let upsert = Event::Upsert { path, stamp, tier: Tier::Scan, facts: look.facts };
                self.desk.papers().add(upsert, 1);
            }
            Ok(None) => self.look_above(Job::new(path.clone(), Scope::One)),
            Err(error) if is_absent(&error) => {}
            Err(error) => {
                tracing::debug!(%path, %error, "a path cannot be looked at");
                Counters::add(&self.scanner.counters.failing, 1);
            }
        }
        self.desk.papers().done.extend(run);
        self.desk.hand_over(&self.scanner)
    }
}

impl Papers {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.done.is_empty()
    }

    fn add(&mut self, event: Event, rows: usize) {
        if self.events.is_empty() {
            self.since = clock::now();
        }
        self.events.push(event);
        self.rows += rows;
    }

    fn is_full(&self, now: BootTime) -> bool {
        self.rows >= GROUP_ROWS
            || self.events.len() >= GROUP_EVENTS
            || (!self.is_empty() && now.since(self.since) >= GROUP_AGE_NS)
    }
}
