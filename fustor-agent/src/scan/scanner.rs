//! The state that scan workers share: the directories left, the priorities among them and the cycle.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use fustor_core::client::{Reading, WALKED};
use fustor_core::{BootTime, CyclePhase, Event, GapReason, Lane, ViewPath};
use rustc_hash::FxHashSet;

use super::job::{First, Job, Purpose, Run, Scope};
use super::register::Register;
use super::worker::Desk;
use super::{Counters, watchdog, worker};
use crate::clock;
use crate::disk::Root;
use crate::filter::Filter;
use crate::outbox::Sink;
use crate::watch::Watches;

/// Directories that wait ahead of the scan; beyond it the root becomes a gap and is scanned anew.
const URGENT_MAX: usize = 65_536;
/// Restless or failing directories that wait for their next attempt; beyond it they wait for the next cycle.
const LATER_MAX: usize = 4096;

/// Makes reading fail, for what a sandbox cannot provoke: called with a directory and an empty name before it is
/// opened, and with each name before its `lstat`.
pub(crate) type Fault = Arc<dyn Fn(&ViewPath, &[u8]) -> Option<io::Error> + Send + Sync>;

/// What a scanner is made of.
pub(crate) struct Setup {
    pub(crate) root: Arc<Root>,
    pub(crate) sink: Sink,
    pub(crate) watches: Option<Arc<Watches>>,
    pub(crate) filter: Arc<Filter>,
    pub(crate) workers: usize,
    pub(crate) one_file_system: bool,
    pub(crate) hang_after_ns: i64,
    /// Within which time every directory is read again, also if it does not change; 0: by each audit.
    pub(crate) verify_within_ns: i64,
    pub(crate) fault: Option<Fault>,
}

/// What the workers share.
pub(crate) struct Scanner {
    pub(crate) setup: Setup,
    pub(crate) counters: Counters,
    /// Directories kept open for their children, and how many may be.
    pub(crate) open: Arc<AtomicUsize>,
    pub(crate) open_max: usize,
    work: Mutex<Work>,
    register: Mutex<Register>,
    wake: Condvar,
    stopping: AtomicBool,
    lost: AtomicBool,
    pub(super) bell: watchdog::Bell,
    desks: Mutex<Vec<Arc<Desk>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Work {
    urgent: VecDeque<Job>,
    /// The paths in `urgent`, so that a directory waits there once per scope.
    urgent_paths: FxHashSet<Wanted>,
    /// Depth first, so that few directories are open at a time.
    stack: Vec<Job>,
    later: BTreeMap<(BootTime, u64), Job>,
    later_seq: u64,
    /// Upserts that were asked for.
    rechecks: VecDeque<(ViewPath, Option<Arc<Run>>)>,
    cycle: Option<Arc<Run>>,
    again: Option<Reading>,
    /// When the last scan of everything began.
    begun: Option<BootTime>,
    idle: usize,
}

/// What makes two requests the same: path, watches and whether what is below is meant too.
type Wanted = (ViewPath, Option<i32>, Option<i32>, bool);

fn wanted(job: &Job) -> Wanted {
    (job.path.clone(), job.watch, job.parent_watch, job.scope == Scope::One)
}

/// What a worker does next.
pub(super) enum Task {
    List {
        job: Job,
        urgent: bool,
    },
    Recheck(ViewPath, Option<Arc<Run>>),
    /// The worker's results are wanted before it waits.
    HandOver,
    Stop,
}

impl Scanner {
    /// Starts the workers. Nothing is read before [`Self::rescan`] or another request.
    pub(crate) fn start(setup: Setup) -> io::Result<Arc<Self>> {
        let workers = setup.workers;
        let scanner = Arc::new(Self {
            setup,
            counters: Counters::default(),
            open: Arc::default(),
            open_max: descriptors_to_spare(),
            work: Mutex::default(),
            register: Mutex::default(),
            wake: Condvar::new(),
            stopping: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            bell: watchdog::Bell::default(),
            desks: Mutex::default(),
            threads: Mutex::default(),
        });
        for _ in 0..workers {
            worker::spawn(&scanner)?;
        }
        watchdog::spawn(&scanner)?;
        Ok(scanner)
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn register(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn desks(&self) -> MutexGuard<'_, Vec<Arc<Desk>>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep(&self, thread: JoinHandle<()>) {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    /// Scans the whole tree; when that is going on already, once more afterwards.
    pub(crate) fn rescan(&self, reading: Reading) {
        let reading = match self.setup.verify_within_ns {
            0 => Reading::Everything,
            _ => reading,
        };
        let mut work = self.work();
        if work.cycle.is_some() {
            work.again = match (work.again, reading) {
                (None | Some(Reading::Changes), reading) => Some(reading),
                (Some(Reading::Everything), _) => Some(Reading::Everything),
            };
            return;
        }
        let run = Run::begin(Purpose::Cycle(reading));
        work.cycle = Some(Arc::clone(&run));
        let before = work.begun.replace(run.since());
        drop(work);
        self.begin(&run, reading, before);
    }

    fn begin(&self, run: &Arc<Run>, reading: Reading, before: Option<BootTime>) {
        let mut register = self.register();
        let (scope, first) = match reading {
            Reading::Everything => {
                register.clear();
                (Scope::Below, First::Read)
            }
            Reading::Changes => {
                let now = run.since();
                let every = before.map_or(0, |before| now.since(before));
                register.begin_turn(now, every, self.setup.verify_within_ns);
                (Scope::Changed, First::Look)
            }
        };
        drop(register);
        let mut job = Job::new(ViewPath::root(), scope).within(run);
        job.first = first;
        job.opens = true;
        self.work().stack.push(job);
        self.wake.notify_one();
    }

    /// Reads the whole tree so that all of it is watched, and tells nothing of what is there.
    pub(crate) fn walk(&self) {
        let run = Run::begin(Purpose::Walk);
        self.work().stack.push(Job::new(ViewPath::root(), Scope::Below).within(&run));
        self.wake.notify_one();
    }

    /// Lists a directory ahead of the scan.
    pub(crate) fn list_soon(&self, job: Job) {
        let mut work = self.work();
        if work.urgent.len() >= URGENT_MAX {
            drop(work);
            self.overflow();
            if let Some(run) = job.run {
                self.finish(&run);
            }
            return;
        }
        // Somebody waits for this very one.
        if work.urgent_paths.insert(wanted(&job)) || job.run.is_some() {
            work.urgent.push_back(job);
        }
        drop(work);
        self.wake.notify_one();
    }

    fn overflow(&self) {
        let gap = Event::Gap {
            scope: ViewPath::root(),
            stamp: clock::now(),
            reason: GapReason::AgentOverflow,
        };
        self.setup.sink.offer(Lane::Control, vec![gap]);
        self.rescan(Reading::Everything);
    }

    /// Adds the directories found in one, in the order in which they were found.
    pub(super) fn push_children(&self, children: Vec<Job>, urgent: bool) {
        let mut work = self.work();
        let many = children.len() > 1;
        if urgent {
            children.into_iter().rev().for_each(|child| work.urgent.push_front(child));
        } else {
            work.stack.extend(children.into_iter().rev());
        }
        let idle = work.idle;
        drop(work);
        match (idle, many) {
            (0, _) => {}
            (_, true) => self.wake.notify_all(),
            (_, false) => self.wake.notify_one(),
        }
    }

    /// `lstat`s a path with forced sync.
    pub(crate) fn recheck(&self, path: ViewPath, run: Option<Arc<Run>>) {
        let mut work = self.work();
        if work.rechecks.len() >= URGENT_MAX {
            drop(work);
            self.overflow();
            if let Some(run) = run {
                self.finish(&run);
            }
            return;
        }
        work.rechecks.push_back((path, run));
        drop(work);
        self.wake.notify_one();
    }

    /// Reads a directory again after a while. False: too many wait already.
    pub(super) fn retry_later(&self, job: Job, due: BootTime) -> bool {
        let mut work = self.work();
        if work.later.len() >= LATER_MAX {
            return false;
        }
        work.later_seq += 1;
        let seq = work.later_seq;
        work.later.insert((due, seq), job);
        drop(work);
        self.wake.notify_one();
        true
    }

    /// The next task of a worker; waits for one unless the worker holds results.
    pub(super) fn next(&self, holds_results: bool) -> Task {
        let mut work = self.work();
        loop {
            if self.is_stopping() {
                return Task::Stop;
            }
            if let Some(task) = work.take() {
                return task;
            }
            if holds_results {
                return Task::HandOver;
            }
            work.idle += 1;
            let patience = work.patience();
            work = self.wake.wait_timeout(work, patience).unwrap_or_else(PoisonError::into_inner).0;
            work.idle -= 1;
        }
    }

    /// A directory of a run is done and its listing handed over.
    pub(super) fn finish(&self, run: &Arc<Run>) {
        if !run.done() {
            return;
        }
        match run.purpose() {
            Purpose::Cycle(reading) => self.end_cycle(run, reading),
            Purpose::Walk if self.setup.watches.is_some() => self.setup.sink.deliver_done(WALKED),
            Purpose::Walk => {}
            Purpose::Order(id) => self.setup.sink.deliver_done(id),
        }
    }

    fn end_cycle(&self, run: &Run, reading: Reading) {
        let read_since = self.register().oldest().map_or(run.since(), |read| read.min(run.since()));
        self.counters.read_since.store(read_since.0, Ordering::Relaxed);
        let phase = match reading {
            Reading::Everything => CyclePhase::End,
            Reading::Changes => CyclePhase::PassEnd { read_since },
        };
        let end = Event::Cycle { phase, stamp: clock::now() };
        self.setup.sink.deliver(Lane::Scan, vec![end]);
        let mut work = self.work();
        work.cycle = None;
        let again = work.again.take();
        drop(work);
        if let Some(reading) = again.filter(|_| !self.is_stopping()) {
            self.rescan(reading);
        }
    }

    /// How many directories are remembered, and the bytes that this takes.
    pub(crate) fn remembered(&self) -> (usize, usize) {
        let register = self.register();
        (register.len(), register.bytes())
    }

    /// Directories known and not read yet; those that are being read, unless they hang for so long that they were given up.
    pub(crate) fn directories_left(&self) -> u64 {
        let work = self.work();
        let waiting = work.urgent.len() + work.stack.len();
        drop(work);
        (waiting + self.desks().iter().filter(|desk| desk.is_reading()).count()) as u64
    }

    /// Something looks as if the root were gone: looks, and ends if so.
    pub(crate) fn doubt_root(&self) {
        if !self.setup.root.stands() {
            self.lose_root();
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The root is not what it was: nothing that is seen from now on says anything about it.
    pub(crate) fn lose_root(&self) {
        if self.lost.swap(true, Ordering::AcqRel) {
            return;
        }
        let lost = Event::RootLost { stamp: clock::now() };
        self.setup.sink.offer(Lane::Control, vec![lost]);
        self.halt();
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Tells all workers to end after the directory that they are reading.
    pub(crate) fn halt(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        let mut work = self.work();
        work.urgent.clear();
        work.urgent_paths.clear();
        work.stack.clear();
        work.later.clear();
        work.rechecks.clear();
        drop(work);
        self.wake.notify_all();
        self.bell.ring();
        if let Some(watches) = &self.setup.watches {
            watches.ring();
        }
    }

    /// Waits for the workers that are not stuck in the kernel.
    pub(crate) fn join(&self) {
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let stuck = self.desks().iter().any(|desk| desk.is_given_up());
        for thread in threads {
            // One that hangs ends with the process.
            if !stuck || thread.is_finished() {
                drop(thread.join());
            }
        }
    }
}

impl Work {
    /// How long nothing is due.
    fn patience(&self) -> Duration {
        let due = self.later.first_key_value().map(|((due, _), _)| due.since(clock::now()));
        due.map_or(Duration::from_secs(3600), |ns| Duration::from_nanos(ns.max(0).cast_unsigned()))
    }

    fn take(&mut self) -> Option<Task> {
        if let Some(entry) = self.later.first_entry()
            && entry.key().0 <= clock::now()
        {
            return Some(Task::List { job: entry.remove(), urgent: true });
        }
        if let Some((path, run)) = self.rechecks.pop_front() {
            return Some(Task::Recheck(path, run));
        }
        if let Some(job) = self.urgent.pop_front() {
            self.urgent_paths.remove(&wanted(&job));
            return Some(Task::List { job, urgent: true });
        }
        self.stack.pop().map(|job| Task::List { job, urgent: false })
    }
}

/// A quarter of the descriptors that the process may open, and at most 512: more do not make a scan faster.
fn descriptors_to_spare() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(512, |n| usize::try_from(n / 4).unwrap_or(512)).clamp(8, 512)
}
