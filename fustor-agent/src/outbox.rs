//! The bounded hand-over of observations from a source's threads to its host. Realtime never waits behind the scan.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fustor_core::{Event, Lane};

/// Observations that belong together: handed over, applied and acknowledged as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Their lane.
    pub lane: Lane,
    /// The gap-free number within the lane, from 0.
    pub seq: u32,
    /// The observations. None only when orders are done that found nothing since the group before.
    pub events: Vec<Event>,
    /// Orders that are done: all that they found is in this group or in one before it.
    pub done: Vec<u64>,
}

/// Groups that wait in the realtime lane; with the agent's batches of at most 1024 events, 65 536 events.
const REALTIME_GROUPS: usize = 64;
/// Groups that wait in the scan lane.
const SCAN_GROUPS: usize = 32;
/// Groups that wait in the control lane.
const CONTROL_GROUPS: usize = 256;

#[derive(Default)]
struct Queue {
    groups: VecDeque<Sealed>,
    next: u32,
}

#[derive(Default)]
struct State {
    control: Queue,
    realtime: Queue,
    scan: Queue,
    closed: bool,
    bell: Option<Bell>,
}

/// What is called when there is something to receive.
type Bell = Arc<dyn Fn() + Send + Sync>;

impl State {
    fn queue(&mut self, lane: Lane) -> (&mut Queue, usize) {
        match lane {
            Lane::Realtime => (&mut self.realtime, REALTIME_GROUPS),
            Lane::Scan => (&mut self.scan, SCAN_GROUPS),
            Lane::Control => (&mut self.control, CONTROL_GROUPS),
        }
    }

    fn is_full(&mut self, lane: Lane) -> bool {
        let (queue, limit) = self.queue(lane);
        queue.groups.len() >= limit
    }

    fn push(&mut self, lane: Lane, events: Vec<Event>, done: Vec<u64>) {
        let (queue, _) = self.queue(lane);
        queue.groups.push_back(Sealed { lane, seq: queue.next, events, done });
        queue.next = queue.next.wrapping_add(1);
    }

    fn pop(&mut self, wanted: impl Fn(Lane) -> bool) -> Option<Sealed> {
        Lane::ALL
            .into_iter()
            .filter(|lane| wanted(*lane))
            .find_map(|lane| self.queue(lane).0.groups.pop_front())
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    readable: Condvar,
    writable: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that runs under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something can be received, or nothing ever will.
    fn announce(&self, state: MutexGuard<'_, State>) {
        let bell = state.bell.clone();
        drop(state);
        self.readable.notify_one();
        if let Some(bell) = bell {
            bell();
        }
    }
}

/// The source's end.
#[derive(Clone)]
pub struct Sink(Arc<Shared>);

/// The host's end. Dropping it tells the source that nobody listens any more.
pub struct Outlet(Arc<Shared>);

/// What became of an offer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    Taken,
    /// No room: the events come back.
    Full(Vec<Event>),
    Closed,
}

/// A pair of connected ends.
#[must_use]
pub fn outbox() -> (Sink, Outlet) {
    let shared = Arc::new(Shared::default());
    (Sink(Arc::clone(&shared)), Outlet(shared))
}

impl Sink {
    /// Hands events over if there is room, without waiting.
    pub(crate) fn offer(&self, lane: Lane, events: Vec<Event>) -> Offered {
        if events.is_empty() {
            return Offered::Taken;
        }
        let mut state = self.0.lock();
        if state.closed {
            return Offered::Closed;
        }
        if state.is_full(lane) {
            return Offered::Full(events);
        }
        state.push(lane, events, Vec::new());
        self.0.announce(state);
        Offered::Taken
    }

    /// Hands events over, waiting for room. False: nobody listens any more.
    pub(crate) fn deliver(&self, lane: Lane, events: Vec<Event>) -> bool {
        let mut state = self.0.lock();
        if events.is_empty() {
            return !state.closed;
        }
        while state.is_full(lane) && !state.closed {
            state = self.0.writable.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return false;
        }
        state.push(lane, events, Vec::new());
        self.0.announce(state);
        true
    }

    /// Tells that an order is done, behind all that was handed over. Orders are few and bounded by who gives them, so
    /// this never waits.
    pub(crate) fn deliver_done(&self, id: u64) {
        let mut state = self.0.lock();
        if !state.closed {
            state.push(Lane::Scan, Vec::new(), vec![id]);
            self.0.announce(state);
        }
    }

    /// Whether an offer would be taken now.
    pub(crate) fn has_room(&self, lane: Lane) -> bool {
        let mut state = self.0.lock();
        !state.is_full(lane) && !state.closed
    }

    /// Ends the hand-over: waiting workers and the host return. What was sealed can still be received.
    pub(crate) fn close(&self) {
        let mut state = self.0.lock();
        state.closed = true;
        self.0.announce(state);
        self.0.writable.notify_all();
        self.0.readable.notify_all();
    }
}

impl Outlet {
    /// The next group, waiting at most `timeout`: control first, then realtime, then scan.
    /// `None`: nothing came in time, or the source has stopped and everything was received ([`Self::is_closed`]).
    #[must_use]
    pub fn recv(&self, timeout: Duration) -> Option<Sealed> {
        let deadline = Instant::now() + timeout;
        let mut state = self.0.lock();
        loop {
            if let Some(sealed) = state.pop(|_| true) {
                drop(state);
                self.0.writable.notify_all();
                return Some(sealed);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return None;
            }
            state =
                self.0.readable.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next group of the lanes that are wanted, without waiting.
    #[must_use]
    pub fn try_recv(&self, wanted: impl Fn(Lane) -> bool) -> Option<Sealed> {
        let sealed = self.0.lock().pop(wanted);
        if sealed.is_some() {
            self.0.writable.notify_all();
        }
        sealed
    }

    /// Calls `bell` from now on whenever there is something new to receive, and at the end. It must not block.
    pub fn on_ready(&self, bell: impl Fn() + Send + Sync + 'static) {
        self.0.lock().bell = Some(Arc::new(bell));
    }

    /// Whether the source has stopped and nothing is left to receive.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let state = self.0.lock();
        state.closed
            && [&state.control, &state.realtime, &state.scan].iter().all(|q| q.groups.is_empty())
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        state.bell = None;
        drop(state);
        self.0.writable.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use fustor_core::BootTime;

    use super::*;

    fn lost(at: i64) -> Vec<Event> {
        vec![Event::RootLost { stamp: BootTime(at) }]
    }

    #[test]
    fn realtime_overtakes_a_full_scan_lane_and_numbers_have_no_gap() {
        let (sink, outlet) = outbox();
        for n in 0..SCAN_GROUPS {
            assert_eq!(sink.offer(Lane::Scan, lost(n as i64)), Offered::Taken);
        }
        assert_eq!(sink.offer(Lane::Scan, lost(99)), Offered::Full(lost(99)));
        assert_eq!(sink.offer(Lane::Realtime, lost(7)), Offered::Taken);
        let got: Vec<_> = std::iter::from_fn(|| outlet.recv(Duration::ZERO)).collect();
        assert_eq!((got[0].lane, got[0].seq), (Lane::Realtime, 0));
        let seqs: Vec<_> = got[1..].iter().map(|sealed| sealed.seq).collect();
        assert_eq!(seqs, (0..SCAN_GROUPS as u32).collect::<Vec<_>>());
    }

    #[test]
    fn a_waiting_worker_returns_when_the_host_leaves() {
        let (sink, outlet) = outbox();
        while sink.offer(Lane::Scan, lost(0)) == Offered::Taken {}
        let worker = std::thread::spawn(move || sink.deliver(Lane::Scan, lost(1)));
        drop(outlet);
        assert!(!worker.join().unwrap());
    }

    #[test]
    fn a_worker_that_waits_goes_on_when_there_is_room() {
        let (sink, outlet) = outbox();
        while sink.offer(Lane::Scan, lost(0)) == Offered::Taken {}
        let worker = std::thread::spawn(move || {
            assert!((1..=100).all(|n| sink.deliver(Lane::Scan, lost(n))));
        });
        let mut seqs = Vec::new();
        while seqs.len() < SCAN_GROUPS + 100 {
            seqs.extend(outlet.recv(Duration::from_secs(60)).map(|sealed| sealed.seq));
        }
        worker.join().unwrap();
        assert!(seqs.into_iter().eq(0..SCAN_GROUPS as u32 + 100));
    }

    #[test]
    fn lanes_that_are_not_wanted_wait_and_the_bell_rings_for_all() {
        let (sink, outlet) = outbox();
        let rung = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let bell = Arc::clone(&rung);
        outlet.on_ready(move || {
            bell.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
        assert_eq!(sink.offer(Lane::Scan, lost(1)), Offered::Taken);
        sink.deliver_done(7);
        assert_eq!(outlet.try_recv(|lane| lane != Lane::Scan), None);
        assert_eq!(outlet.try_recv(|_| true).map(|sealed| sealed.done), Some(vec![]));
        assert_eq!(outlet.try_recv(|_| true).map(|sealed| sealed.done), Some(vec![7]));
        sink.close();
        assert_eq!(rung.load(std::sync::atomic::Ordering::Relaxed), 3);
    }
}
