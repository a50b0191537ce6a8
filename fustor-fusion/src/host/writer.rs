//! The one thread that owns a view: takes commands, applies them in batches, publishes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fustor_core::{Applied, Command, Snapshot, Stamp, View};
use tokio::sync::oneshot;

use super::inbox::{Letter, Taken};
use super::reaper::Reaper;
use super::view_host::Shared;

/// While commands keep coming, readers see a new picture at least this often, and the writer copies what it changes
/// again no more often than that.
const PUBLISH_EVERY: Duration = Duration::from_millis(8);
/// How much is applied between two looks at the clock.
const BATCH_BYTES: usize = 256 * 1024;
/// How many detached directories are freed between two looks into the inbox.
const RELEASE_SLICE: usize = 512;
/// How often expired pins are looked for while there are any.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// The view is never asked for a deadline more often than this, whatever it says.
const TICK_APART: Duration = Duration::from_millis(20);

pub(super) struct Writer {
    view: View,
    shared: Arc<Shared>,
    reaper: Reaper,
    deadline: Option<Stamp>,
    ticked: Instant,
    published: Instant,
    dirty: bool,
    releasing: bool,
    sliced: bool,
    answers: Vec<(oneshot::Sender<Applied>, Applied)>,
}

impl Writer {
    pub(super) fn new(view: View, shared: Arc<Shared>, reaper: Reaper) -> Self {
        let now = Instant::now();
        Self {
            view,
            shared,
            reaper,
            deadline: None,
            ticked: now,
            published: now,
            dirty: false,
            releasing: false,
            sliced: false,
            answers: Vec::new(),
        }
    }

    /// Works until the inbox is closed.
    pub(super) fn run(mut self) {
        loop {
            match self.shared.inbox.take(BATCH_BYTES, self.wake_at()) {
                Taken::Letters(letters) => self.apply_all(letters),
                Taken::Nothing => self.idle(),
                Taken::Closed => break,
            }
            self.tick_if_due();
            if self.dirty && (self.shared.inbox.is_empty() || self.publish_due()) {
                self.publish();
            }
        }
        self.reaper.stop();
    }

    fn apply_all(&mut self, letters: Vec<Letter>) {
        for letter in letters {
            let applied = self.apply(letter.command);
            if let Some(reply) = letter.reply {
                self.answers.push((reply, applied));
            }
            if self.publish_due() {
                self.publish();
            }
        }
    }

    fn apply(&mut self, command: Command) -> Applied {
        let mut applied = self.view.apply(self.shared.clock.now(), command);
        self.shared.counters.count_command(applied.verdicts);
        self.shared.directives.add(std::mem::take(&mut applied.directives));
        self.deadline = applied.next_deadline;
        self.dirty = true;
        self.releasing = true;
        applied
    }

    fn tick_if_due(&mut self) {
        let Some(deadline) = self.deadline else { return };
        if self.shared.clock.now().wall >= deadline && self.ticked.elapsed() >= TICK_APART {
            self.ticked = Instant::now();
            self.apply(Command::Tick);
        }
    }

    /// Frees detached directories in slices while nobody wants anything, and lets go of expired pins.
    fn idle(&mut self) {
        if self.releasing {
            self.releasing = self.view.release(RELEASE_SLICE);
            // The published picture still holds the tables as they were before the slices.
            self.dirty |= self.sliced && !self.releasing;
            self.sliced = self.releasing;
        }
        self.shared.pins.sweep();
    }

    fn publish_due(&self) -> bool {
        self.published.elapsed() >= PUBLISH_EVERY
    }

    /// Replies leave only after the picture that shows their effect is there to be read.
    fn publish(&mut self) {
        let snapshot: Arc<Snapshot> = Arc::new(self.view.snapshot());
        let revision = snapshot.revision();
        let old = self.shared.snapshot.swap(snapshot);
        if let Some(old) = self.reaper.free(old) {
            self.shared.counters.count_freed_by_writer();
            drop(old);
        }
        self.shared.counters.count_publication(self.shared.clock.now().wall);
        self.shared.published.send_replace(revision);
        self.shared.history.ring();
        for (reply, applied) in self.answers.drain(..) {
            // Who no longer waits for an answer does not get one.
            drop(reply.send(applied));
        }
        self.published = Instant::now();
        self.dirty = false;
    }

    fn wake_at(&self) -> Option<Instant> {
        let now = Instant::now();
        if self.releasing {
            return Some(now);
        }
        let tick = self.deadline.map(|deadline| {
            let ns = deadline.since(self.shared.clock.now().wall).max(0).unsigned_abs();
            (now + Duration::from_nanos(ns)).max(self.ticked + TICK_APART)
        });
        let sweep = (!self.shared.pins.is_empty()).then(|| now + SWEEP_EVERY);
        tick.into_iter().chain(sweep).min()
    }
}
