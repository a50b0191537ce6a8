//! The open connections of a door. When there are too many, the one that has been idle longest makes room.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// What the two ends of one connection know of it: its bytes and its requests.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    /// Requests whose head was read and whose answer is not yet complete.
    requests: AtomicU32,
    /// The last answer refused its request, perhaps before all of it was read.
    refused: AtomicBool,
    /// When the connection was accepted or its last request ended, in milliseconds since `began`.
    idle_since: AtomicU64,
}

impl Activity {
    fn new(began: Instant) -> Self {
        let idle_since = AtomicU64::new(began.elapsed().as_millis() as u64);
        Self { began, requests: AtomicU32::new(0), refused: AtomicBool::new(false), idle_since }
    }

    pub(super) fn begin(&self) {
        self.requests.fetch_add(1, Ordering::AcqRel);
    }

    /// Bytes were taken at the other end.
    pub(super) fn touch(&self) {
        self.idle_since.store(self.began.elapsed().as_millis() as u64, Ordering::Release);
    }

    pub(super) fn end(&self) {
        self.touch();
        self.requests.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn answered(&self, refused: bool) {
        self.refused.store(refused, Ordering::Release);
    }

    /// Whether the other end may still be sending what nobody wants.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    /// For how long no request has been under way; `None` while one is.
    pub(super) fn idle(&self) -> Option<Duration> {
        if self.requests.load(Ordering::Acquire) > 0 {
            return None;
        }
        let since = Duration::from_millis(self.idle_since.load(Ordering::Acquire));
        Some(self.began.elapsed().saturating_sub(since))
    }
}

/// Every open connection of one door.
#[derive(Clone, Debug)]
pub(super) struct Registry(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    began: Instant,
    next: u64,
    connections: BTreeMap<u64, (Arc<Activity>, oneshot::Sender<()>)>,
}

/// A place among the open connections, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    registry: Registry,
    id: u64,
}

/// What an admitted connection is given: its seat, what is known of it, and word to close.
pub(super) type Place = (Seat, Arc<Activity>, oneshot::Receiver<()>);

impl Registry {
    pub(super) fn new() -> Self {
        let open = Open { began: Instant::now(), next: 0, connections: BTreeMap::new() };
        Self(Arc::new(Mutex::new(open)))
    }

    /// Admits a connection. Beyond `limit`, the one that has been idle longest is told to close; `None` when all are at
    /// work.
    pub(super) fn admit(&self, limit: usize) -> Option<Place> {
        let (close, closed) = oneshot::channel();
        let mut open = self.lock();
        while open.connections.len() >= limit.max(1) {
            let idle = open.connections.iter().filter_map(|(id, (activity, _))| {
                activity.idle()?;
                Some((activity.idle_since.load(Ordering::Acquire), *id))
            });
            let (_, oldest) = idle.min()?;
            if let Some((_, close)) = open.connections.remove(&oldest) {
                // It may have gone by itself.
                close.send(()).ok();
            }
        }
        let activity = Arc::new(Activity::new(open.began));
        let id = open.next;
        open.next += 1;
        open.connections.insert(id, (Arc::clone(&activity), close));
        drop(open);
        Some((Seat { registry: self.clone(), id }, activity, closed))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().connections.len()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.registry.lock().connections.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_connection_makes_room() {
        let registry = Registry::new();
        let mut all: Vec<_> = (0..3).filter_map(|_| registry.admit(3)).collect();
        all[0].1.begin();
        let (_seat, _, mut fourth) = registry.admit(3).expect("a place");
        assert!(all[0].2.try_recv().is_err(), "it is at work");
        assert!(all[1].2.try_recv().is_ok(), "it was idle longest");
        assert!(all[2].2.try_recv().is_err() && fourth.try_recv().is_err());
        assert_eq!(registry.len(), 3);
        all.clear();
        assert_eq!(registry.len(), 1);
    }

    #[test]
    fn a_newcomer_goes_when_everybody_is_at_work() {
        let registry = Registry::new();
        let (_seat, activity, _closed) = registry.admit(1).expect("a place");
        activity.begin();
        assert!(registry.admit(1).is_none());
        assert_eq!(registry.len(), 1);
        activity.end();
        assert!(registry.admit(1).is_some());
    }

    #[test]
    fn time_at_work_is_no_idle_time() {
        let activity = Activity::new(Instant::now());
        assert!(activity.idle().is_some());
        activity.begin();
        activity.begin();
        activity.end();
        assert_eq!(activity.idle(), None);
        activity.end();
        assert!(activity.idle().is_some_and(|idle| idle < Duration::from_secs(60)));
    }
}
