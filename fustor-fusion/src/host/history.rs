//! The log of a view's changes, filled from published pictures on a thread of its own: the writer never waits for it.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fustor_core::query::{ChangeLog, Changes, Difference, Forgotten, Limit, Position};
use fustor_core::{Revision, Snapshot, ViewPath};
use tokio::sync::watch;

use super::view_host::Shared;

/// Steps are this far apart while somebody follows, and this far while nobody does: what changes twice between two looks
/// is told, and paid for, once.
const FOLLOWED: Duration = Duration::from_millis(20);
const UNFOLLOWED: Duration = Duration::from_millis(500);
/// The pause after a step is at least so many times what the step took.
const SHARE: u32 = 4;

/// The log of one view, and how far it is.
pub struct History {
    log: Mutex<ChangeLog>,
    /// The picture that the log ends with; `None` until the first scan is complete, whose entries are not told one by one.
    last: Mutex<Option<Arc<Snapshot>>>,
    head: watch::Sender<Revision>,
    bell: Mutex<Bell>,
    rung: Condvar,
    followers: AtomicUsize,
    told: AtomicU64,
    spent_ns: AtomicU64,
}

#[derive(Default)]
struct Bell {
    rung: bool,
    closed: bool,
}

impl History {
    pub(super) fn new(at: Revision, max_bytes: usize) -> Self {
        Self {
            log: Mutex::new(ChangeLog::new(at, max_bytes)),
            last: Mutex::default(),
            head: watch::Sender::new(at),
            bell: Mutex::default(),
            rung: Condvar::new(),
            followers: AtomicUsize::new(0),
            told: AtomicU64::new(0),
            spent_ns: AtomicU64::new(0),
        }
    }

    /// Starts to keep the log of a view.
    pub(super) fn start(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
        let name = format!("log {}", shared.name);
        std::thread::Builder::new().name(name).stack_size(512 * 1024).spawn(move || {
            let mut pause = Duration::ZERO;
            while shared.history.wait(pause) {
                let began = Instant::now();
                shared.history.advance(&shared.snapshot.load_full());
                pause = began.elapsed() * SHARE;
            }
        })
    }

    /// Brings the log up to a picture. Diffs at most once what changed since the last time; may take a while.
    pub fn advance(&self, newest: &Arc<Snapshot>) {
        let mut last = lock(&self.last);
        let (head, revision) = (lock(&self.log).head(), newest.revision());
        if revision <= head {
            return;
        }
        let began = Instant::now();
        let known = newest.cycles().completed > 0;
        let step = match &*last {
            Some(last) if known => Difference::between(last, newest),
            Some(_) | None => Difference::resync(head, revision),
        };
        let gone = std::mem::replace(&mut *last, known.then(|| Arc::clone(newest)));
        self.told.fetch_add(u64::from(step.len()), Ordering::Relaxed);
        lock(&self.log).append(step);
        let spent = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.spent_ns.fetch_add(spent, Ordering::Relaxed);
        self.head.send_replace(revision);
        drop(last);
        drop(gone);
    }

    /// What changed after a place, at most `limit` of the first `examine` changes.
    ///
    /// # Errors
    /// [`Forgotten`]
    pub fn page(
        &self,
        since: Position,
        path: &ViewPath,
        limit: Limit,
        examine: usize,
    ) -> Result<Changes, Forgotten> {
        // The lock is held only while a few pointers are copied.
        let stretch = lock(&self.log).since(since)?;
        Ok(stretch.page(path, limit, examine))
    }

    /// Hurries the log for as long as the follower lives.
    #[must_use]
    pub fn follow(self: &Arc<Self>) -> Follower {
        self.followers.fetch_add(1, Ordering::AcqRel);
        self.rung.notify_all();
        Follower { history: Arc::clone(self), head: self.head.subscribe() }
    }

    /// How many follow.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.followers.load(Ordering::Acquire)
    }

    /// About what the log occupies.
    #[must_use]
    pub fn bytes(&self) -> usize {
        lock(&self.log).bytes()
    }

    /// Changes told so far.
    #[must_use]
    pub fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    /// The time that the log has taken so far.
    #[must_use]
    pub fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Ordering::Relaxed))
    }

    /// There is a new picture.
    pub(super) fn ring(&self) {
        let mut bell = lock(&self.bell);
        let was = std::mem::replace(&mut bell.rung, true);
        drop(bell);
        if !was {
            self.rung.notify_all();
        }
    }

    /// Nothing is told any more; who follows is woken.
    pub(super) fn close(&self) {
        lock(&self.bell).closed = true;
        self.rung.notify_all();
        self.head.send_modify(|_| ());
    }

    /// Whether the view has stopped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(&self.bell).closed
    }

    /// Waits for a new picture, and for the pause after the last step; false when the view has stopped.
    fn wait(&self, pause: Duration) -> bool {
        let since = Instant::now();
        let mut bell = lock(&self.bell);
        loop {
            if bell.closed {
                return false;
            }
            if !bell.rung {
                bell = self.rung.wait(bell).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let apart = if self.followers() > 0 { FOLLOWED } else { UNFOLLOWED };
            let left = apart.max(pause).saturating_sub(since.elapsed());
            if left.is_zero() {
                bell.rung = false;
                return true;
            }
            bell = self.rung.wait_timeout(bell, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Somebody who wants to hear of changes soon.
pub struct Follower {
    history: Arc<History>,
    head: watch::Receiver<Revision>,
}

impl Follower {
    /// Waits until the log goes on, or the view stops.
    pub async fn changed(&mut self) {
        // The sender lives as long as the history that is held here.
        drop(self.head.changed().await);
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.history.followers.fetch_sub(1, Ordering::AcqRel);
    }
}
