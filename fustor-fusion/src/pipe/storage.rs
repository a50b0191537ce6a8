//! One storage at work: its roster of sessions under a lock, and the views that hear of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fustor_core::session::{LegacyPeer, Roster, RosterConfig};
use fustor_core::{Lane, Now, SessionId, StorageId};
use tokio::sync::{Notify, watch};

use crate::host::{Clock, ViewHost};

/// A storage: what the pipes of one set of agents have in common.
pub struct Storage {
    id: StorageId,
    name: String,
    clock: Arc<Clock>,
    views: Vec<ViewHost>,
    state: Mutex<State>,
    /// Held while effects are taken and handed over, so that they reach the views in order.
    order: Mutex<()>,
    /// A deadline may have moved.
    pub(super) hurry: Notify,
    /// Counts what held heartbeats may want to know.
    news: watch::Sender<u64>,
    /// Counts batches that were applied or given up.
    moves: watch::Sender<u64>,
    cache_window_ns: i64,
}

struct State {
    roster: Roster,
    /// The pipe of each session, and for agents of 0.8 what their words have meant so far.
    sessions: BTreeMap<SessionId, Owned>,
}

struct Owned {
    pipe: Arc<str>,
    legacy: Option<LegacySession>,
}

/// What is kept of a session with an agent of 0.8; requests of one session are translated one after the other.
pub type LegacySession = Arc<Mutex<LegacyPeer>>;

/// How old an attribute may be that an agent of 0.8 tells, unless its pipe is declared coherent: the usual maximum of
/// the attribute cache of a network mount.
const CACHED_NS: i64 = 60 * fustor_core::SECOND;

impl Storage {
    /// A storage without sessions.
    #[must_use]
    pub fn new(
        (id, name): (StorageId, &str),
        config: RosterConfig,
        coherent: bool,
        views: Vec<ViewHost>,
        clock: Arc<Clock>,
    ) -> Self {
        Self {
            id,
            name: name.to_owned(),
            clock,
            views,
            state: Mutex::new(State { roster: Roster::new(id, config), sessions: BTreeMap::new() }),
            order: Mutex::new(()),
            hurry: Notify::new(),
            news: watch::Sender::new(0),
            moves: watch::Sender::new(0),
            cache_window_ns: if coherent { 0 } else { CACHED_NS },
        }
    }

    /// Its number in every view that it feeds.
    #[must_use]
    pub const fn id(&self) -> StorageId {
        self.id
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The views that it feeds, the primary one first.
    #[must_use]
    pub fn views(&self) -> &[ViewHost] {
        &self.views
    }

    /// Whether it feeds a view.
    #[must_use]
    pub fn feeds(&self, view: &str) -> bool {
        self.views.iter().any(|fed| fed.name() == view)
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// Looks at the sessions.
    pub fn read<T>(&self, look: impl FnOnce(&Roster) -> T) -> T {
        look(&self.lock().roster)
    }

    /// Does something with the sessions, then tells the views what follows from it and wakes who waits for that.
    pub fn act<T>(&self, act: impl FnOnce(&mut Roster, Now) -> T) -> T {
        let mut state = self.lock();
        let now = self.clock.now();
        let done = act(&mut state.roster, now);
        let effects = state.roster.has_effects();
        drop(state);
        if effects {
            self.deliver();
        }
        self.hurry.notify_one();
        done
    }

    /// Tells held heartbeats to look again.
    pub fn announce(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    /// Wakes when there may be news for a session.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Tells batches that came early to look again.
    pub fn move_on(&self) {
        self.moves.send_modify(|count| *count += 1);
    }

    /// Wakes when a batch was applied or given up.
    #[must_use]
    pub fn moves(&self) -> watch::Receiver<u64> {
        self.moves.subscribe()
    }

    /// Remembers which pipe a session belongs to, and forgets those that are no more.
    pub fn own(&self, id: SessionId, pipe: &Arc<str>, is_legacy: bool) {
        let mut state = self.lock();
        let State { roster, sessions } = &mut *state;
        if !sessions.contains_key(&id) {
            sessions.retain(|id, _| roster.session(*id).is_some());
        }
        let peer = || Arc::new(Mutex::new(LegacyPeer::new(self.cache_window_ns)));
        let legacy = is_legacy.then(peer);
        sessions.insert(id, Owned { pipe: Arc::clone(pipe), legacy });
    }

    /// The pipe of a session that lives, or lived not long ago.
    #[must_use]
    pub fn pipe_of(&self, id: SessionId) -> Option<Arc<str>> {
        self.lock().sessions.get(&id).map(|owned| Arc::clone(&owned.pipe))
    }

    /// What is kept of a session with an agent of 0.8.
    #[must_use]
    pub fn legacy(&self, id: SessionId) -> Option<LegacySession> {
        self.lock().sessions.get(&id)?.legacy.clone()
    }

    /// Hands what follows from the sessions to every view, in order. A view that has stopped does not hear it.
    fn deliver(&self) {
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let effects = self.lock().roster.take_effects();
        for effect in effects {
            for view in &self.views {
                // The lane of control commands is emptied first and holds thousands of these: waiting is rare and short.
                if view.feed(Lane::Control, effect.clone()).is_err() {
                    tracing::debug!(view = view.name(), "a stopped view is not told of sessions");
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No call into the roster leaves it half changed: it has no code that panics on what peers send.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
