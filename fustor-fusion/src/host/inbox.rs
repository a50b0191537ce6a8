//! The bounded inbox of a view: three lanes, each limited in bytes, the urgent ones first.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fustor_core::{Applied, Command, Event, Lane, Remark, View, ViewConfig};
use thiserror::Error;
use tokio::sync::{Notify, oneshot};

/// How many bytes may wait in a lane. One command is always admitted to an empty lane, however large.
const fn limit(lane: Lane) -> usize {
    match lane {
        Lane::Control => 1 << 20,
        Lane::Realtime => 16 << 20,
        // Small: whoever brings both lanes waits here before it can bring what is urgent.
        Lane::Scan => 2 << 20,
    }
}

/// The lane is full: come back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Busy {
    /// So many bytes wait already.
    #[error("the view is busy: {waiting} bytes wait in the {lane:?} lane")]
    Full {
        /// Which lane.
        lane: Lane,
        /// What waits in it.
        waiting: usize,
    },
    /// The view has stopped.
    #[error("the view has stopped")]
    Closed,
}

/// The view has stopped and takes nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the view has stopped")]
pub struct Closed;

/// What is asked of the writer of a view.
pub(super) enum Task {
    /// To apply a command.
    Apply(Command),
    /// To give away a copy of the view that judges by these rules.
    Copy(ViewConfig, SyncSender<View>),
}

/// One task on its way, with whom to answer.
pub(super) struct Letter {
    pub(super) task: Task,
    pub(super) reply: Option<oneshot::Sender<Applied>>,
    weight: usize,
}

impl Letter {
    pub(super) fn new(command: Command, reply: Option<oneshot::Sender<Applied>>) -> Self {
        let weight = weigh(&command);
        Self { task: Task::Apply(command), reply, weight }
    }

    pub(super) const fn copy(config: ViewConfig, sender: SyncSender<View>) -> Self {
        Self { task: Task::Copy(config, sender), reply: None, weight: 0 }
    }
}

/// What the writer got from one look into the inbox.
pub(super) enum Taken {
    Letters(Vec<Letter>),
    /// The deadline came first.
    Nothing,
    Closed,
}

#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    arrived: Condvar,
    room: Condvar,
    /// The same as `room`, for those who wait without a thread.
    freed: Notify,
}

/// A letter that was not taken, and why.
pub(super) struct Returned {
    pub(super) letter: Letter,
    pub(super) reason: Busy,
}

#[derive(Default)]
struct State {
    lanes: [Queue; 3],
    closed: bool,
}

#[derive(Default)]
struct Queue {
    letters: VecDeque<Letter>,
    bytes: usize,
}

impl Queue {
    fn admits(&self, lane: Lane, weight: usize) -> bool {
        self.letters.is_empty() || self.bytes + weight <= limit(lane)
    }

    fn push(&mut self, letter: Letter) {
        self.bytes += letter.weight;
        self.letters.push_back(letter);
    }

    fn pop(&mut self) -> Option<Letter> {
        let letter = self.letters.pop_front()?;
        self.bytes -= letter.weight;
        Some(letter)
    }
}

impl Inbox {
    /// Leaves a letter if there is room.
    pub(super) fn offer(&self, lane: Lane, letter: Letter) -> Result<(), Box<Returned>> {
        let mut state = self.lock();
        if state.closed {
            return Err(Box::new(Returned { letter, reason: Busy::Closed }));
        }
        let queue = &mut state.lanes[lane as usize];
        if !queue.admits(lane, letter.weight) {
            let reason = Busy::Full { lane, waiting: queue.bytes };
            return Err(Box::new(Returned { letter, reason }));
        }
        queue.push(letter);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Leaves a letter, waiting for room until `until`.
    pub(super) async fn offer_until(
        &self,
        lane: Lane,
        letter: Letter,
        until: tokio::time::Instant,
    ) -> Result<(), Busy> {
        let mut letter = letter;
        loop {
            // Registered before the look, so that no room that is made in between is missed.
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            let returned = match self.offer(lane, letter) {
                Ok(()) => return Ok(()),
                Err(returned) => *returned,
            };
            let late = tokio::time::timeout_at(until, freed).await.is_err();
            if late || returned.reason == Busy::Closed {
                return Err(returned.reason);
            }
            letter = returned.letter;
        }
    }

    /// Leaves a letter, waiting for room.
    pub(super) fn put(&self, lane: Lane, letter: Letter) -> Result<(), Closed> {
        let mut state = self.lock();
        while !state.closed && !state.lanes[lane as usize].admits(lane, letter.weight) {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(Closed);
        }
        state.lanes[lane as usize].push(letter);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// The most urgent letters, at least one and at most about `max_bytes`; waits for the first until `until`.
    pub(super) fn take(&self, max_bytes: usize, until: Option<Instant>) -> Taken {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Taken::Closed;
            }
            let letters = state.gather(max_bytes);
            if !letters.is_empty() {
                drop(state);
                self.room.notify_all();
                self.freed.notify_waiters();
                return Taken::Letters(letters);
            }
            let Some(until) = until else {
                state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Taken::Nothing;
            }
            state =
                self.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().lanes.iter().all(|queue| queue.letters.is_empty())
    }

    /// Letters and bytes that wait.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let state = self.lock();
        state
            .lanes
            .iter()
            .fold((0, 0), |(n, bytes), queue| (n + queue.letters.len(), bytes + queue.bytes))
    }

    /// Turns away everybody, now and later. What waits is dropped unanswered.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let dropped = std::mem::take(&mut state.lanes);
        drop(state);
        drop(dropped);
        self.arrived.notify_all();
        self.room.notify_all();
        self.freed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn gather(&mut self, max_bytes: usize) -> Vec<Letter> {
        let mut letters = Vec::new();
        let mut bytes = 0;
        for lane in Lane::ALL {
            while bytes < max_bytes {
                let Some(letter) = self.lanes[lane as usize].pop() else { break };
                bytes += letter.weight;
                letters.push(letter);
            }
        }
        letters
    }
}

/// About how many bytes a command occupies while it waits.
fn weigh(command: &Command) -> usize {
    const FIXED: usize = 256;
    match command {
        Command::Batch(batch) => FIXED + batch.events.iter().map(weigh_event).sum::<usize>(),
        Command::AcceptRemovals { path } => FIXED + path.as_bytes().len(),
        Command::Storages(ids) => FIXED + ids.len() * size_of::<fustor_core::StorageId>(),
        Command::AcceptRoot { .. } => FIXED,
        Command::Tick | Command::Reset | Command::Attach { .. } | Command::Detach { .. } => FIXED,
    }
}

fn weigh_event(event: &Event) -> usize {
    let path = match event {
        Event::Upsert { path, .. } | Event::Delete { path, .. } => path.as_bytes().len(),
        Event::Rename { old, new, .. } => old.as_bytes().len() + new.as_bytes().len(),
        Event::Listing(listing) => {
            let rows = listing.blocks.iter().map(|block| block.as_bytes().len()).sum::<usize>();
            rows + listing.dir.as_bytes().len()
        }
        Event::Gap { scope, .. } => scope.as_bytes().len(),
        Event::Uncovered { dir, .. } | Event::Covered { dir } => dir.as_bytes().len(),
        Event::Remark(
            Remark::Read { dir: path, .. }
            | Remark::Checked { path, .. }
            | Remark::Missing { path, .. },
        ) => path.as_bytes().len(),
        Event::Cycle { .. } | Event::RootLost { .. } => 0,
    };
    path + size_of::<Event>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fustor_core::{StorageId, ViewPath};

    fn letter(bytes: usize) -> Letter {
        Letter { weight: bytes, ..Letter::new(Command::Tick, None) }
    }

    #[test]
    fn a_full_lane_turns_away_and_other_lanes_stay_open() {
        let inbox = Inbox::default();
        let most = limit(Lane::Scan);
        assert!(inbox.offer(Lane::Scan, letter(most + 1)).is_ok(), "an empty lane admits anything");
        let refused = inbox.offer(Lane::Scan, letter(1)).map_err(|returned| returned.reason);
        assert_eq!(refused, Err(Busy::Full { lane: Lane::Scan, waiting: most + 1 }));
        assert!(inbox.offer(Lane::Realtime, letter(1)).is_ok(), "another lane");
        assert_eq!(inbox.waiting(), (2, most + 2));
    }

    #[test]
    fn urgent_lanes_are_taken_first_and_order_within_a_lane_is_kept() {
        let inbox = Inbox::default();
        for (lane, weight) in
            [(Lane::Scan, 1), (Lane::Realtime, 2), (Lane::Scan, 3), (Lane::Control, 4)]
        {
            assert!(inbox.offer(lane, letter(weight)).is_ok());
        }
        let Taken::Letters(letters) = inbox.take(1000, None) else { panic!("nothing taken") };
        assert_eq!(letters.iter().map(|letter| letter.weight).collect::<Vec<_>>(), [4, 2, 1, 3]);
        assert!(matches!(inbox.take(1, Some(Instant::now())), Taken::Nothing));
    }

    #[test]
    fn a_waiting_writer_goes_on_when_there_is_room_and_gives_up_when_closed() {
        let inbox = Inbox::default();
        assert!(inbox.offer(Lane::Scan, letter(limit(Lane::Scan))).is_ok());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| inbox.put(Lane::Scan, letter(7)));
            assert!(matches!(inbox.take(1, None), Taken::Letters(_)));
            assert_eq!(waiter.join().expect("no panic"), Ok(()));
            inbox.close();
            assert_eq!(inbox.put(Lane::Scan, letter(7)), Err(Closed));
            assert!(matches!(inbox.take(1, None), Taken::Closed));
            assert_eq!(inbox.waiting(), (0, 0));
        });
    }

    #[test]
    fn a_command_weighs_what_it_holds() {
        let path = ViewPath::parse(&b"/a".repeat(500)).unwrap();
        let accept = Command::AcceptRemovals { path };
        assert!(weigh(&accept) > weigh(&Command::Detach { storage: StorageId(0) }) + 900);
    }
}
