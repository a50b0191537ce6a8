//! Notices workers whose system calls do not return, reports where they hang and replaces them; notices that the path of
//! the root leads elsewhere.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use fustor_core::{Event, Lane, UncoveredReason, ViewPath};

use super::Counters;
use super::scanner::Scanner;
use super::vigil::Vigil;
use super::worker::{self, Desk};
use crate::clock;
use crate::outbox::Offered;

/// Workers that may hang at a time and are replaced, beyond the configured number. A mount that swallows more is
/// left to those that remain.
const REPLACEMENTS_MAX: usize = 64;

/// How often it is looked where the path of the root leads. The kernel reports nothing when something is mounted there,
/// or unmounted lazily, or when a directory above is renamed.
const ROOT_AGAIN: Duration = Duration::from_secs(2);

/// Wakes the watchdog when the scanner ends.
#[derive(Default)]
pub(super) struct Bell {
    rung: Mutex<bool>,
    ring: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ring.notify_all();
    }

    /// True: rung, false: nothing happened for this long.
    fn wait(&self, at_most: Duration) -> bool {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ring.wait_timeout_while(rung, at_most, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Starts the watchdog.
pub(super) fn spawn(scanner: &Arc<Scanner>) -> io::Result<()> {
    let shared = Arc::clone(scanner);
    let thread = std::thread::Builder::new().name("fustor-watchdog".into());
    let vigil = Vigil::over(scanner);
    scanner.keep(thread.spawn(move || vigil.keep(|| Watchdog::default().run(&shared)))?);
    let shared = Arc::clone(scanner);
    let thread = std::thread::Builder::new().name("fustor-root".into());
    // Nobody waits for its end: when the root hangs, it hangs too, and alone.
    thread.spawn(move || {
        while !shared.bell.wait(ROOT_AGAIN) {
            shared.doubt_root();
        }
    })?;
    Ok(())
}

/// What the watchdog saw of one worker.
struct Seen {
    desk: Arc<Desk>,
    beat: u64,
    since: i64,
}

#[derive(Default)]
struct Watchdog {
    seen: Vec<Seen>,
    /// Reports for which there was no room yet.
    unsent: Vec<Event>,
}

impl Watchdog {
    fn run(mut self, scanner: &Arc<Scanner>) {
        let tick = Duration::from_nanos((scanner.setup.hang_after_ns / 4).max(1).cast_unsigned());
        while !scanner.bell.wait(tick) {
            self.look(scanner);
        }
    }

    fn look(&mut self, scanner: &Arc<Scanner>) {
        let now = clock::now().0;
        let desks = scanner.desks().clone();
        self.seen.retain(|seen| desks.iter().any(|desk| Arc::ptr_eq(desk, &seen.desk)));
        for desk in desks {
            if self.hangs(&desk, now, scanner.setup.hang_after_ns) {
                self.replace(scanner, &desk);
            }
        }
        if let Offered::Full(events) =
            scanner.setup.sink.offer(Lane::Control, std::mem::take(&mut self.unsent))
        {
            self.unsent = events;
        }
    }

    fn hangs(&mut self, desk: &Arc<Desk>, now: i64, after: i64) -> bool {
        let beat = desk.beat.load(Ordering::Relaxed);
        let busy = desk.is_reading();
        match self.seen.iter_mut().find(|seen| Arc::ptr_eq(&seen.desk, desk)) {
            Some(seen) if busy && seen.beat == beat => now - seen.since >= after,
            Some(seen) => {
                (seen.beat, seen.since) = (beat, now);
                false
            }
            None => {
                self.seen.push(Seen { desk: Arc::clone(desk), beat, since: now });
                false
            }
        }
    }

    fn replace(&mut self, scanner: &Arc<Scanner>, desk: &Arc<Desk>) {
        for dir in desk.give_up(scanner) {
            Counters::add(&scanner.counters.hanging, 1);
            Counters::add(&scanner.counters.uncovered, 1);
            scanner.register().void(&dir);
            self.report(dir);
        }
        let hanging = scanner.desks().iter().filter(|desk| desk.is_given_up()).count();
        if hanging > REPLACEMENTS_MAX {
            tracing::warn!(hanging, "too many scan workers hang to replace them all");
            return;
        }
        if let Err(error) = worker::spawn(scanner) {
            tracing::warn!(%error, "a scan worker that hangs cannot be replaced");
        }
    }

    fn report(&mut self, dir: ViewPath) {
        tracing::warn!(%dir, "reading a directory does not return");
        let reason = UncoveredReason::Hanging;
        self.unsent.push(Event::Uncovered { dir, stamp: clock::now(), reason });
    }
}
