//! The handle of a hosted view: what queries, receivers and the shell hold.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use fustor_core::{Applied, Command, Lane, Revision, Snapshot, View, ViewConfig};
use tokio::sync::{oneshot, watch};

use super::inbox::{Inbox, Letter};
use super::reaper::Reaper;
use super::writer::Writer;
use super::{Busy, Clock, Closed, Counters, Directives, History, Pins};

/// What a view is started with.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The rules and limits of the view itself.
    pub view: ViewConfig,
    /// What the log of changes may occupy.
    pub history_bytes: usize,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { view: ViewConfig::default(), history_bytes: HISTORY_BYTES }
    }
}

/// What the log of changes of a view may occupy when nothing is said.
pub const HISTORY_BYTES: usize = 64 << 20;

/// The answer to a command, once its effect can be read.
pub type Receipt = oneshot::Receiver<Applied>;

/// A running view. Clones speak to the same one.
#[derive(Clone)]
pub struct ViewHost {
    shared: Arc<Shared>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

pub(super) struct Shared {
    pub(super) name: String,
    pub(super) clock: Arc<Clock>,
    pub(super) inbox: Inbox,
    pub(super) snapshot: ArcSwap<Snapshot>,
    pub(super) published: watch::Sender<Revision>,
    pub(super) pins: Pins,
    pub(super) counters: Counters,
    pub(super) directives: Directives,
    pub(super) history: Arc<History>,
    running: AtomicBool,
}

impl ViewHost {
    /// Starts the thread of a new, empty view.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(name: &str, config: HostConfig, clock: Arc<Clock>) -> io::Result<Self> {
        let incarnation = clock.now().wall.0.unsigned_abs();
        let view = View::new(config.view, incarnation);
        let snapshot = view.snapshot();
        let history = Arc::new(History::new(snapshot.revision(), config.history_bytes));
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            clock,
            inbox: Inbox::default(),
            published: watch::Sender::new(snapshot.revision()),
            snapshot: ArcSwap::from_pointee(snapshot),
            pins: Pins::default(),
            counters: Counters::default(),
            directives: Directives::default(),
            history,
            running: AtomicBool::new(true),
        });
        let reaper = Reaper::start(name)?;
        let log = History::start(Arc::clone(&shared))?;
        let ending = Ending(Arc::clone(&shared));
        let writer = Writer::new(view, Arc::clone(&shared), reaper);
        let thread = std::thread::Builder::new().name(format!("view {name}")).spawn(move || {
            let _ending = ending;
            writer.run();
        })?;
        Ok(Self { shared, threads: Arc::new(Mutex::new(vec![thread, log])) })
    }

    /// The name of the view.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The newest published picture. Never waits for the writer.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    /// Wakes at each publication.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<Revision> {
        self.shared.published.subscribe()
    }

    /// The clock that stamps the commands of this view.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Hands over a command, unless its lane is full.
    ///
    /// # Errors
    /// [`Busy`]; the command is dropped.
    pub fn submit(&self, lane: Lane, command: Command) -> Result<Receipt, Busy> {
        let (reply, receipt) = oneshot::channel();
        let offered = self.shared.inbox.offer(lane, Letter::new(command, Some(reply)));
        offered.map(|()| receipt).map_err(|returned| {
            self.shared.counters.count_busy();
            returned.reason
        })
    }

    /// Hands over a command, waiting for room in its lane until `until`.
    ///
    /// # Errors
    /// [`Busy`]; the command is dropped.
    pub async fn submit_until(
        &self,
        lane: Lane,
        command: Command,
        until: tokio::time::Instant,
    ) -> Result<Receipt, Busy> {
        let (reply, receipt) = oneshot::channel();
        let letter = Letter::new(command, Some(reply));
        let offered = self.shared.inbox.offer_until(lane, letter, until).await;
        offered.inspect_err(|_| self.shared.counters.count_busy()).map(|()| receipt)
    }

    /// Hands over a command, waiting for room, without waiting for its effect.
    ///
    /// # Errors
    /// [`Closed`] when the view has stopped.
    pub fn feed(&self, lane: Lane, command: Command) -> Result<(), Closed> {
        self.shared.inbox.put(lane, Letter::new(command, None))
    }

    /// Commands and bytes that wait to be applied.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        self.shared.inbox.waiting()
    }

    /// The revisions kept for cursors.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        &self.shared.pins
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// What the view asks its agents to do.
    #[must_use]
    pub fn directives(&self) -> &Directives {
        &self.shared.directives
    }

    /// The log of changes.
    #[must_use]
    pub fn history(&self) -> &Arc<History> {
        &self.shared.history
    }

    /// Whether the writer still works; false after [`Self::stop`] or if it died.
    #[must_use]
    pub fn running(&self) -> bool {
        self.shared.running.load(Ordering::Acquire)
    }

    /// Stops the writer and waits for it. The last picture stays readable.
    pub fn stop(&self) {
        self.shared.inbox.close();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!(view = self.name(), "a thread of the view died");
            }
        }
    }
}

/// Leaves a truthful state behind however the writer ends, also by a panic.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Release);
        self.0.inbox.close();
        self.0.directives.close();
        self.0.history.close();
        // Long polls look again and find that the view has stopped.
        self.0.published.send_modify(|_| ());
    }
}
