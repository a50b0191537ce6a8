//! Feeds a view from an agent in the same process: its sealed groups in, the view's directives out.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fustor_agent::doctor::{Storage, storage};
use fustor_agent::{Outlet, Sealed, Source, SourceConfig, StartError, outbox, root_identity};
use fustor_core::{
    AgentId, Batch, Command, Epoch, Fidelity, Lane, Origin, RootIdentity, Seq, StorageId,
};
use thiserror::Error;

use crate::host::{Closed, ViewHost};

/// The only storage and the only agent of a standalone view.
const STORAGE: StorageId = StorageId(0);
const AGENT: AgentId = AgentId(1);
const EPOCH: Epoch = Epoch(1);
/// How long the threads wait for work before they look whether to stop.
const LOOK: Duration = Duration::from_millis(200);
/// How old an attribute of a network file system may be: the usual maximum of its attribute cache.
const NETWORK_CACHE_NS: i64 = 60 * fustor_core::SECOND;
/// How old an attribute of a storage may be when it is read here.
const fn cache_window_ns(storage: Storage) -> i64 {
    match storage {
        Storage::Local | Storage::SharedCoherent => 0,
        Storage::SharedCached | Storage::Unknown => NETWORK_CACHE_NS,
    }
}

/// What to feed a view from.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    /// The directory that becomes `/` of the view.
    pub root: PathBuf,
    /// Whether the kernel is asked for changes.
    pub watch: bool,
    /// What is not looked at.
    pub exclude: Vec<String>,
    /// How often everything is looked at again.
    pub audit_interval: Duration,
    /// Within which time also what looks unchanged is read again.
    pub verify_within: Option<Duration>,
}

/// Why a feed did not start.
#[derive(Debug, Error)]
pub enum FeedError {
    /// The root cannot be identified.
    #[error("cannot watch {root}: {error}")]
    Root {
        /// The directory as given.
        root: String,
        /// What the system said.
        error: io::Error,
    },
    /// The agent refused.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No thread could be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The view has stopped already.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// A running agent and the threads between it and its view.
pub struct Feed {
    source: Arc<Source>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    shared: bool,
}

impl Feed {
    /// Attaches an agent to a view and starts it.
    ///
    /// # Errors
    /// [`FeedError`]; nothing runs then.
    pub fn start(host: &ViewHost, config: &FeedConfig) -> Result<Self, FeedError> {
        let root = root_identity(&config.root)
            .map_err(|error| FeedError::Root { root: config.root.display().to_string(), error })?;
        let (_, storage) = storage(root.fs_type);
        let shared = storage != Storage::Local;
        host.feed(Lane::Control, attach(root, config.watch && !shared))?;
        let (sink, outlet) = outbox();
        let (watch, exclude) = (config.watch, config.exclude.clone());
        let verify_within = config.verify_within;
        let source_config =
            SourceConfig { watch, exclude, verify_within, ..SourceConfig::new(&config.root) };
        let source = Arc::new(fustor_agent::start(source_config, sink)?);
        let stop = Arc::new(AtomicBool::new(false));
        let pump = Pump { host: host.clone(), cache_window_ns: cache_window_ns(storage) };
        let threads = vec![
            spawn("feed", {
                let stop = Arc::clone(&stop);
                move || pump.run(&outlet, &stop)
            })?,
            spawn("directives", {
                let (host, source) = (host.clone(), Arc::clone(&source));
                move || forward(&host, &source)
            })?,
            spawn("audit", {
                let (source, stop, every) =
                    (Arc::clone(&source), Arc::clone(&stop), config.audit_interval);
                let host = host.clone();
                move || audit(&host, &source, &stop, every)
            })?,
        ];
        Ok(Self { source, stop, threads, shared })
    }

    /// Whether other hosts may write to the storage, unseen by this kernel.
    #[must_use]
    pub const fn shared_storage(&self) -> bool {
        self.shared
    }

    /// The agent.
    #[must_use]
    pub const fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Waits for the threads and stops the agent. The view must have been stopped before: that ends the threads.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a thread of the feed died");
            }
        }
        // The last reference: nobody else keeps a strong one.
        drop(self.source);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, FeedError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(FeedError::Thread)
}

const fn attach(root: RootIdentity, writers_watched: bool) -> Command {
    Command::Attach { storage: STORAGE, root: Some(root), writers_watched }
}

/// Moves sealed groups into the inbox of the view.
struct Pump {
    host: ViewHost,
    cache_window_ns: i64,
}

impl Pump {
    fn run(&self, outlet: &Outlet, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            match outlet.recv(LOOK) {
                Some(sealed) => {
                    let fed = self.host.feed(sealed.lane, self.command(sealed));
                    if fed.is_err() {
                        return;
                    }
                }
                None if outlet.is_closed() => {
                    self.detach(stop);
                    return;
                }
                None => (),
            }
        }
    }

    fn command(&self, sealed: Sealed) -> Command {
        Command::Batch(Batch {
            storage: STORAGE,
            origin: Origin { agent: AGENT, epoch: EPOCH, seq: Seq(sealed.seq) },
            clock: self.host.clock().map(),
            cache_window_ns: self.cache_window_ns,
            fidelity: Fidelity::Exact,
            events: sealed.events,
        })
    }

    /// An agent that ended by itself leaves a view that says so.
    fn detach(&self, stop: &AtomicBool) {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        tracing::error!(view = self.host.name(), "the agent has stopped; the view is stale");
        if self.host.feed(Lane::Control, Command::Detach { storage: STORAGE }).is_err() {
            tracing::debug!(view = self.host.name(), "the view has stopped too");
        }
    }
}

fn forward(host: &ViewHost, source: &Source) {
    while let Some(directives) = host.directives().wait() {
        directives.into_iter().for_each(|directive| source.direct(directive));
    }
}

/// Looks at everything again from time to time, and reads what has changed; never while another scan is under way.
fn audit(host: &ViewHost, source: &Source, stop: &AtomicBool, every: Duration) {
    let mut due = Instant::now() + every;
    while !stop.load(Ordering::Relaxed) {
        let left = due.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            std::thread::park_timeout(left);
            continue;
        }
        let cycles = host.snapshot().cycles();
        if cycles.completed > 0 && cycles.running_since.is_none() {
            tracing::debug!(view = host.name(), "an audit begins");
            source.audit();
        }
        due = Instant::now() + every;
    }
}
