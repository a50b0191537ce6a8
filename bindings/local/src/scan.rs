//! One scan of a directory tree into a view of this process.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fustor_agent::doctor::{Storage, storage};
use fustor_agent::{
    Outlet, Progress, Sealed, Source, SourceConfig, StartError, outbox, root_identity, start,
};
use fustor_core::client::{Order, Task};
use fustor_core::{
    AgentId, Batch, Command, CyclePhase, Directive, Epoch, Event, Fidelity, Origin, SECOND, Seq,
    StorageId, View,
};
use thiserror::Error;

use crate::clock::Clock;

/// The storage that a scan attaches, reports and detaches.
pub const STORAGE: StorageId = StorageId(0);
const AGENT: AgentId = AgentId(1);
/// How often the caller is told how far the scan is, and may end it.
const LOOK: Duration = Duration::from_millis(50);
/// How old an attribute of a network file system may be: the usual maximum of its attribute cache.
const NETWORK_CACHE_NS: i64 = 60 * SECOND;
/// Directories that the view may ask to have read again during one scan; more stay as they were read.
const ORDERS_MAX: u64 = 10_000;

/// What to scan.
#[derive(Clone, Debug)]
pub struct ScanConfig {
    /// The directory that becomes `/` of the view. A symlink here is followed once, at the start.
    pub root: PathBuf,
    /// Threads that read directories; `None`: as many as there are processors, at most four.
    pub workers: Option<usize>,
    /// Whether what is mounted below the root is reported as not covered instead of read.
    pub one_file_system: bool,
}

impl ScanConfig {
    /// The defaults for one root.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), workers: None, one_file_system: true }
    }
}

/// Why a scan did not come to its end.
#[derive(Debug, Error)]
pub enum ScanError {
    /// The root cannot be opened.
    #[error("root {root} cannot be opened: {error}")]
    Root {
        /// The root as given.
        root: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The scanner does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The view was filled from another root.
    #[error("the view was filled from another directory than {0}")]
    OtherRoot(PathBuf),
    /// The root went away meanwhile.
    #[error("root {0} is gone")]
    RootLost(PathBuf),
    /// The caller wanted no more.
    #[error("the scan was cancelled")]
    Cancelled,
}

/// Scans a directory tree into a view and tells `look` from time to time how far it is, at least once at the end. What
/// was read before an error stays in the view. Afterwards nobody feeds the view, and its trust says so.
///
/// # Errors
/// [`ScanError`].
pub fn scan(
    view: &mut View,
    config: &ScanConfig,
    look: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Progress, ScanError> {
    let root = root_identity(&config.root)
        .map_err(|error| ScanError::Root { root: config.root.clone(), error })?;
    let (_, kind) = storage(root.fs_type);
    let clock = Clock::start();
    let attach = Command::Attach { storage: STORAGE, root: Some(root), writers_watched: false };
    if view.apply(clock.now(), attach).verdicts.refused > 0 {
        return Err(ScanError::OtherRoot(config.root.clone()));
    }
    let epoch = view.snapshot().cycles().completed.wrapping_add(1);
    let mut feed = Feed {
        view,
        clock,
        // Only breaks ties between scans of one view.
        epoch: Epoch((epoch & 0xffff) as u16),
        cache_window_ns: cache_window_ns(kind),
        orders: 0,
        open: BTreeSet::new(),
        ended: false,
    };
    let outcome = feed.run(config, look);
    let now = feed.clock.now();
    feed.view.apply(now, Command::Detach { storage: STORAGE });
    outcome
}

const fn cache_window_ns(storage: Storage) -> i64 {
    match storage {
        Storage::Local | Storage::SharedCoherent => 0,
        Storage::SharedCached | Storage::Unknown => NETWORK_CACHE_NS,
    }
}

/// What goes from the scanner into the view, and back as orders.
struct Feed<'a> {
    view: &'a mut View,
    clock: Clock,
    epoch: Epoch,
    cache_window_ns: i64,
    orders: u64,
    /// Orders that are not done.
    open: BTreeSet<u64>,
    /// The end of the scan was applied.
    ended: bool,
}

impl Feed<'_> {
    fn run(
        &mut self,
        config: &ScanConfig,
        look: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Progress, ScanError> {
        let (sink, outlet) = outbox();
        let mut source = SourceConfig {
            watch: false,
            one_file_system: config.one_file_system,
            ..SourceConfig::new(&config.root)
        };
        source.scan_workers = config.workers.unwrap_or(source.scan_workers);
        let source = start(source, sink)?;
        let mut looked = Instant::now();
        while !self.ended || !self.open.is_empty() {
            self.take(&outlet, &source);
            if source.is_root_lost() && outlet.is_closed() {
                return Err(ScanError::RootLost(config.root.clone()));
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                if look(&source.progress()).is_break() {
                    return Err(ScanError::Cancelled);
                }
            }
        }
        let progress = source.progress();
        // Everything was read: there is nothing left to end.
        let _flow = look(&progress);
        Ok(progress)
    }

    fn take(&mut self, outlet: &Outlet, source: &Source) {
        let Some(sealed) = outlet.recv(LOOK) else { return };
        for id in &sealed.done {
            self.open.remove(id);
        }
        let end = |event: &Event| matches!(event, Event::Cycle { phase: CyclePhase::End, .. });
        self.ended |= sealed.events.iter().any(end);
        let batch = self.batch(sealed);
        let applied = self.view.apply(self.clock.now(), Command::Batch(batch));
        for directive in applied.directives {
            self.order(source, directive);
        }
    }

    fn batch(&self, sealed: Sealed) -> Batch {
        Batch {
            storage: STORAGE,
            origin: Origin { agent: AGENT, epoch: self.epoch, seq: Seq(sealed.seq) },
            clock: self.clock.map(),
            cache_window_ns: self.cache_window_ns,
            fidelity: Fidelity::Exact,
            events: sealed.events,
        }
    }

    fn order(&mut self, source: &Source, directive: Directive) {
        if self.orders >= ORDERS_MAX {
            return;
        }
        let task = match directive {
            Directive::List { path, recursive, .. } => Task::List { path, recursive },
            Directive::Recheck { path, .. } => Task::Recheck { path },
        };
        self.open.insert(self.orders);
        source.perform(Order { id: self.orders, task });
        self.orders += 1;
    }
}
