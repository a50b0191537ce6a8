//! Revisions that cursors point at: kept for a while, so that all pages of an answer come from one picture.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fustor_core::{Revision, Snapshot};

/// How long a revision is kept after its last use.
const KEPT: Duration = Duration::from_secs(60);
/// At most this many revisions are kept; the one used longest ago goes first. Each costs what changed since it.
const MAX_PINS: usize = 32;

/// The pinned revisions of one view, least recently used first.
#[derive(Default)]
pub struct Pins {
    pins: Mutex<VecDeque<Pin>>,
}

struct Pin {
    snapshot: Arc<Snapshot>,
    until: Instant,
}

impl Pins {
    /// Keeps a snapshot for its cursors.
    pub fn pin(&self, snapshot: &Arc<Snapshot>) {
        self.pin_at(snapshot, Instant::now());
    }

    /// The snapshot of this revision, if it is still kept. Using it keeps it longer.
    #[must_use]
    pub fn find(&self, revision: Revision) -> Option<Arc<Snapshot>> {
        self.find_at(revision, Instant::now())
    }

    /// The oldest revision that is kept.
    #[must_use]
    pub fn oldest(&self) -> Option<Revision> {
        self.lock().iter().map(|pin| pin.snapshot.revision()).min()
    }

    /// Lets go what was not used for long; says whether anything is left.
    pub fn sweep(&self) -> bool {
        self.sweep_at(Instant::now())
    }

    /// How many revisions are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn pin_at(&self, snapshot: &Arc<Snapshot>, now: Instant) {
        let mut pins = self.lock();
        let held = pins.iter().position(|pin| pin.snapshot.revision() == snapshot.revision());
        let gone = held.and_then(|at| pins.remove(at));
        pins.push_back(Pin { snapshot: Arc::clone(snapshot), until: now + KEPT });
        let oldest = if pins.len() > MAX_PINS { pins.pop_front() } else { None };
        drop(pins);
        drop((gone, oldest));
    }

    fn find_at(&self, revision: Revision, now: Instant) -> Option<Arc<Snapshot>> {
        let mut pins = self.lock();
        let at = pins.iter().position(|pin| pin.snapshot.revision() == revision)?;
        let mut pin = pins.remove(at)?;
        if pin.until < now {
            drop(pins);
            return None;
        }
        pin.until = now + KEPT;
        let snapshot = Arc::clone(&pin.snapshot);
        pins.push_back(pin);
        Some(snapshot)
    }

    fn sweep_at(&self, now: Instant) -> bool {
        let mut pins = self.lock();
        let mut expired = Vec::new();
        while pins.front().is_some_and(|pin| pin.until < now) {
            expired.extend(pins.pop_front());
        }
        let left = !pins.is_empty();
        drop(pins);
        // Freeing a picture may take a while; nobody waits for the lock meanwhile.
        drop(expired);
        left
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Pin>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fustor_core::{Command, Mono, Now, Stamp, View, ViewConfig};

    fn snapshots(n: usize) -> Vec<Arc<Snapshot>> {
        let mut view = View::new(ViewConfig::default(), 7);
        (0..n)
            .map(|i| {
                let at = i64::try_from(i).unwrap() + 1;
                view.apply(Now { mono: Mono(at), wall: Stamp(at) }, Command::Tick);
                Arc::new(view.snapshot())
            })
            .collect()
    }

    #[test]
    fn a_revision_is_kept_for_a_minute_after_its_last_use() {
        let pins = Pins::default();
        let start = Instant::now();
        let snapshot = &snapshots(1)[0];
        pins.pin_at(snapshot, start);
        let revision = snapshot.revision();
        assert!(pins.find_at(revision, start + KEPT).is_some());
        assert!(pins.sweep_at(start + KEPT + KEPT));
        assert!(pins.find_at(revision, start + KEPT * 3).is_none());
        assert!(!pins.sweep_at(start + KEPT * 3));
    }

    #[test]
    fn the_revision_used_longest_ago_makes_room() {
        let pins = Pins::default();
        let all = snapshots(MAX_PINS + 1);
        for snapshot in &all[..MAX_PINS] {
            pins.pin(snapshot);
        }
        assert!(pins.find(all[0].revision()).is_some());
        pins.pin(&all[MAX_PINS]);
        assert_eq!(pins.len(), MAX_PINS);
        assert!(pins.find(all[1].revision()).is_none());
        assert!(pins.find(all[0].revision()).is_some());
    }
}
