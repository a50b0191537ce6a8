//! A source: one root that is scanned and watched until it is stopped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fustor_core::client::{Order, Reading, Task};
use fustor_core::{Coalescer, Directive, ViewPath};

use crate::clock;
use crate::config::{SCAN_WORKERS_MAX, SourceConfig, StartError, VERIFY_WITHIN};
use crate::disk::Root;
use crate::doctor::marks_changes;
use crate::filter::{EXCLUDES_MAX, Filter};
use crate::outbox::Sink;
use crate::scan::{Fault, Job, Purpose, Run, Scanner, Scope, Setup};
use crate::watch::{Watcher, Watches};

/// A source that is running. Dropping it stops it as [`Self::stop`] does.
pub struct Source {
    scanner: Arc<Scanner>,
    watches: Option<Arc<Watches>>,
    watcher: Option<JoinHandle<()>>,
    sink: Sink,
    began: Instant,
}

/// What a source has done and has before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows in all listings so far.
    pub entries: u64,
    /// Directories listed so far.
    pub directories: u64,
    /// Directories known and not listed yet.
    pub directories_left: u64,
    /// What went wrong.
    pub errors: Errors,
    /// Directories that are watched.
    pub watches: u64,
    /// Reports so far that a directory is not covered.
    pub uncovered: u64,
    /// Changed paths that wait for the host: groups in the realtime lane are not counted.
    pub queue_len: u64,
    /// Names that were walked to get from the root to somewhere: what depth costs.
    pub names_walked: u64,
    /// Directories that audits have looked at so far without opening them.
    pub looked: u64,
    /// Those of them that had not changed, and were passed over.
    pub silent: u64,
    /// Directories that are remembered for that, and the bytes that this takes.
    pub remembered: (u64, u64),
    /// How long ago, at most, each directory that can be was read in full; `None` before the first scan is through.
    pub oldest_reading: Option<Duration>,
    /// Since the start.
    pub elapsed: Duration,
}

/// What went wrong, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Directories without permission to read them.
    pub unreadable: u64,
    /// Directories and entries that gave another error.
    pub failing: u64,
    /// Directories whose reading did not return in time.
    pub hanging: u64,
    /// Readings during which the directory changed.
    pub restless: u64,
    /// Entries and directories that were gone when they were looked at: no fault.
    pub vanished: u64,
    /// Directories that were moved while they were read: no fault.
    pub moved: u64,
}

/// Opens the root, begins to watch and scans it once, unless it is told not to. Everything seen goes to `sink`.
///
/// # Errors
/// [`StartError`]; then nothing runs and nothing was observed.
pub fn start(config: SourceConfig, sink: Sink) -> Result<Source, StartError> {
    start_with(config, sink, None)
}

pub(crate) fn start_with(
    config: SourceConfig,
    sink: Sink,
    fault: Option<Fault>,
) -> Result<Source, StartError> {
    if !(1..=SCAN_WORKERS_MAX).contains(&config.scan_workers) {
        return Err(StartError::Workers(config.scan_workers));
    }
    if config.queue_capacity == 0 {
        return Err(StartError::Queue(0));
    }
    if config.exclude.len() > EXCLUDES_MAX {
        return Err(StartError::Excludes(config.exclude.len()));
    }
    let filter = Arc::new(Filter::new(&config.exclude, &config.file_pattern));
    let root =
        Root::open(&config.root).map_err(|error| StartError::Root { root: config.root, error })?;
    let root = Arc::new(root);
    let default = if marks_changes(root.fs_type()) { VERIFY_WITHIN } else { Duration::ZERO };
    let verify_within_ns = nanoseconds(config.verify_within.unwrap_or(default));
    let watches = match config.watch {
        true => {
            Some(Watches::new(Arc::clone(&root), config.max_watches).map_err(StartError::Watch)?)
        }
        false => None,
    };
    let watches = watches.map(Arc::new);
    let scanner = Scanner::start(Setup {
        root: Arc::clone(&root),
        sink: sink.clone(),
        watches: watches.clone(),
        filter: Arc::clone(&filter),
        workers: config.scan_workers,
        one_file_system: config.one_file_system,
        hang_after_ns: nanoseconds(config.hang_after),
        verify_within_ns,
        fault,
    })
    .map_err(StartError::Thread)?;
    let mut source =
        Source { scanner, watches, watcher: None, sink: sink.clone(), began: Instant::now() };
    if let Some(watches) = &source.watches {
        let interval = nanoseconds(config.partial_interval);
        let coalescer = Coalescer::new(config.queue_capacity, interval);
        let (watches, scanner) = (Arc::clone(watches), Arc::clone(&source.scanner));
        let watcher = Watcher::new(root, watches, scanner, sink, coalescer);
        source.watcher = Some(watcher.spawn().map_err(StartError::Thread)?);
    }
    if config.scan_at_start {
        source.rescan();
    }
    Ok(source)
}

impl Source {
    /// Does what a view asks for. The storage is the caller's business: a source has one root.
    pub fn direct(&self, directive: Directive) {
        match directive {
            Directive::List { path, recursive, .. } => {
                let scope = if recursive { Scope::Below } else { Scope::One };
                self.scanner.list_soon(Job::new(path, scope));
            }
            Directive::Recheck { path, .. } => self.scanner.recheck(path, None),
        }
    }

    /// Does what is ordered. When all that it found was handed over, [`crate::Sealed::done`] names it.
    pub fn perform(&self, order: Order) {
        let run = Run::begin(Purpose::Order(order.id));
        match order.task {
            Task::List { path, recursive } => {
                let scope = if recursive { Scope::Below } else { Scope::One };
                self.scanner.list_soon(Job::new(path, scope).within(&run));
            }
            Task::Recheck { path } => self.scanner.recheck(path, Some(run)),
            Task::Moved { old, new } => {
                let above = old.split().map_or_else(ViewPath::root, |(parent, _)| parent);
                run.expect(1);
                self.scanner.list_soon(Job::new(above, Scope::One).within(&run));
                self.scanner.list_soon(Job::new(new, Scope::Below).within(&run));
            }
        }
    }

    /// Watches the whole tree and tells nothing of what is there now: for who tells only what changes.
    pub fn walk(&self) {
        self.scanner.walk();
    }

    /// What was done so far.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let counters = &self.scanner.counters;
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (remembered, bytes) = self.scanner.remembered();
        Progress {
            entries: read(&counters.entries),
            directories: read(&counters.directories),
            directories_left: self.scanner.directories_left(),
            errors: Errors {
                unreadable: read(&counters.unreadable),
                failing: read(&counters.failing),
                hanging: read(&counters.hanging),
                restless: read(&counters.restless),
                vanished: read(&counters.vanished),
                moved: read(&counters.moved),
            },
            watches: self.watches.as_ref().map_or(0, |watches| watches.len() as u64),
            uncovered: read(&counters.uncovered),
            queue_len: self.watches.as_ref().map_or(0, |watches| watches.waiting()),
            names_walked: self.scanner.setup.root.names_walked(),
            looked: read(&counters.looked),
            silent: read(&counters.silent),
            remembered: (remembered as u64, bytes as u64),
            oldest_reading: self.oldest_reading(),
            elapsed: self.began.elapsed(),
        }
    }

    fn oldest_reading(&self) -> Option<Duration> {
        let since = self.scanner.counters.read_since.load(Ordering::Relaxed);
        let age = clock::now().0.saturating_sub(since);
        (since != 0).then(|| Duration::from_nanos(age.max(0).unsigned_abs()))
    }

    /// Reads the whole tree; when a scan is going on, once more after it.
    pub fn rescan(&self) {
        self.scanner.rescan(Reading::Everything);
    }

    /// Looks at the whole tree, and reads what has changed since this source told it, what it never told, and what is to
    /// be read again by [`SourceConfig::verify_within`]; when a scan is going on, after it.
    pub fn audit(&self) {
        self.scanner.rescan(Reading::Changes);
    }

    /// Scans as a client wants it.
    pub fn scan(&self, reading: Reading) {
        self.scanner.rescan(reading);
    }

    /// Whether the root is gone. Nothing is observed any more; start a new source when there is a root again.
    #[must_use]
    pub fn is_root_lost(&self) -> bool {
        self.scanner.is_lost()
    }

    /// Ends all threads and closes the sink. What was handed over can still be received.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.scanner.halt();
        self.sink.close();
        if let Some(watches) = &self.watches {
            watches.ring();
        }
        if let Some(watcher) = self.watcher.take() {
            drop(watcher.join());
        }
        self.scanner.join();
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
