//! The watcher's loop: reads what the kernel reports until its queue is empty, then looks and tells the host.
//!
//! Nothing is settled or delayed on purpose: a group is told as soon as the kernel has no more, and under load after
//! [`BATCH_NS`] at the latest. When the host is behind, the reports wait coalesced, and the kernel's queue is read on.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::{io, thread};

use fustor_core::client::Reading;
use fustor_core::{
    BootTime, Coalescer, Event, GapReason, Heat, Lane, Overflow, Place, ViewPath, WatchId,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::Reader;
use rustix::io::Errno;

use super::watches::Watches;
use crate::clock::{self, MS};
use crate::disk::Root;
use crate::outbox::{Offered, Sink};
use crate::scan::{Job, Scanner, Scope, Vigil};

/// What one read takes: some 2000 reports.
const BUFFER: usize = 64 * 1024;
/// So long reports are read before those that came first are told.
const BATCH_NS: i64 = 50 * MS;
/// The two halves of a rename are queued within microseconds; so long the second one is awaited.
const HALF_NS: i64 = 2 * MS;
/// How soon a full hand-over is tried again.
const FULL_NS: i64 = 2 * MS;

/// The first half of a rename.
pub(super) struct Half {
    pub(super) cookie: u32,
    pub(super) from: Place,
    pub(super) old: Option<ViewPath>,
    pub(super) seen: BootTime,
    /// Nobody was ever told of it.
    pub(super) hidden: bool,
}

/// Turns the kernel's reports into events.
pub(crate) struct Watcher {
    pub(super) root: Arc<Root>,
    pub(super) watches: Arc<Watches>,
    pub(super) scanner: Arc<Scanner>,
    pub(super) sink: Sink,
    pub(super) coalescer: Coalescer,
    pub(super) halves: Vec<Half>,
    /// Directories to be listed as soon as the table is unlocked.
    pub(super) listings: Vec<Job>,
    /// Reports that some were lost.
    pub(super) overflowed: bool,
    /// The root may be gone.
    pub(super) root_doubted: bool,
    pub(super) root_lost: bool,
    /// When the kernel's queue was last known to be empty: the clock was read, and the read after it gave nothing. All
    /// that the kernel had reported by then has been taken into account, and all that has been read happened before.
    pub(super) drained: BootTime,
    /// The stamp of the last rename: each is later than the one before, and removals are later than all of them.
    pub(super) ordered: BootTime,
    /// How often a directory was not where the table has it, and when it is looked for again.
    pub(super) astray: BTreeMap<WatchId, (u8, BootTime)>,
    control: Vec<Event>,
    /// The wall clock when the last reports were read, as a directory's heat.
    pub(super) heat: Heat,
}

impl Watcher {
    pub(crate) fn new(
        root: Arc<Root>,
        watches: Arc<Watches>,
        scanner: Arc<Scanner>,
        sink: Sink,
        coalescer: Coalescer,
    ) -> Self {
        Self {
            root,
            watches,
            scanner,
            sink,
            coalescer,
            halves: Vec::new(),
            listings: Vec::new(),
            overflowed: false,
            root_doubted: false,
            root_lost: false,
            drained: BootTime::MIN,
            ordered: BootTime::MIN,
            astray: BTreeMap::new(),
            control: Vec::new(),
            heat: Heat::default(),
        }
    }

    pub(crate) fn spawn(mut self) -> io::Result<JoinHandle<()>> {
        let vigil = Vigil::over(&self.scanner);
        let thread = thread::Builder::new().name("fustor-watch".into());
        thread.spawn(move || vigil.keep(|| self.run()))
    }

    fn run(&mut self) {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut graves_left = false;
        while !self.scanner.is_stopping() {
            self.wait(graves_left);
            if let Err(error) = self.read(&mut buffer) {
                tracing::warn!(%error, "the kernel's reports cannot be read");
                self.overflowed = true;
            }
            if self.root_lost || (std::mem::take(&mut self.root_doubted) && !self.root.stands()) {
                self.scanner.lose_root();
                return;
            }
            self.close_halves();
            self.purge();
            self.repair();
            graves_left = self.watches.bury();
            if self.halves.is_empty() {
                self.flush();
            }
            self.tell_control();
            let waiting = self.coalescer.len() as u64;
            self.watches.waiting.store(waiting, Ordering::Relaxed);
        }
    }

    /// Waits for reports, a ring, or the next moment at which something is due.
    fn wait(&self, at_once: bool) {
        let now = clock::now();
        let ns = if at_once { Some(0) } else { self.patience(now) };
        let timeout =
            ns.map(|ns| Timespec { tv_sec: ns / 1_000_000_000, tv_nsec: ns % 1_000_000_000 });
        let mut fds = [
            PollFd::new(&self.watches.inotify, PollFlags::IN),
            PollFd::from_borrowed_fd(self.watches.bell(), PollFlags::IN),
        ];
        // Interrupted or not: the loop looks at everything anyway.
        let _ = poll(&mut fds, timeout.as_ref());
        if !fds[1].revents().is_empty() {
            let _ = rustix::io::read(self.watches.bell(), &mut [0_u8; 8]);
        }
    }

    fn patience(&self, now: BootTime) -> Option<i64> {
        let held = !self.halves.is_empty() || self.coalescer.has_ready(now);
        let soon = (held || !self.control.is_empty()).then_some(FULL_NS);
        let due = self.coalescer.next_due().map(|due| due.since(now).max(0));
        soon.into_iter().chain(due).min()
    }

    /// Reads until the kernel has no more, or the first reports have waited long enough.
    fn read(&mut self, buffer: &mut [MaybeUninit<u8>]) -> io::Result<()> {
        let watches = Arc::clone(&self.watches);
        let began = clock::now();
        self.heat = heat_now();
        loop {
            let at = clock::now();
            if at.since(began) > BATCH_NS {
                return Ok(());
            }
            let mut reader = Reader::new(&watches.inotify, &mut *buffer);
            let first = match reader.next() {
                Ok(report) => report,
                Err(Errno::AGAIN) => {
                    self.drained = at;
                    watches.set_drained(at);
                    return Ok(());
                }
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let mut shared = watches.lock();
            self.report(&mut shared, &first, at);
            while !reader.is_buffer_empty() {
                let report = reader.next()?;
                self.report(&mut shared, &report, at);
            }
            drop(shared);
            for job in self.listings.drain(..) {
                self.scanner.list_soon(job);
            }
        }
    }

    /// Ends renames whose second half did not come: the entry has left the tree.
    fn close_halves(&mut self) {
        let drained = self.drained;
        if self.halves.iter().all(|half| drained.since(half.seen) < HALF_NS) {
            return;
        }
        let watches = Arc::clone(&self.watches);
        let mut shared = watches.lock();
        let old = self.halves.extract_if(.., |half| drained.since(half.seen) >= HALF_NS);
        for half in old.collect::<Vec<_>>() {
            self.left(&mut shared, half);
        }
    }

    /// Drops what waits for directories that are no longer in the table.
    fn purge(&mut self) {
        for id in self.watches.lock().table.take_removed() {
            self.coalescer.forget(id);
            self.astray.remove(&id);
            self.halves.retain(|half| half.from.dir != id);
        }
    }

    /// Turns what was lost into gaps, and has their directories listed.
    fn repair(&mut self) {
        if std::mem::take(&mut self.overflowed) {
            tracing::warn!("the kernel's queue of reports overflowed");
            self.gap(ViewPath::root(), GapReason::KernelOverflow);
        }
        match self.coalescer.take_overflow() {
            None => {}
            Some(Overflow::Everything) => self.gap(ViewPath::root(), GapReason::AgentOverflow),
            Some(Overflow::Dirs(dirs)) => {
                let watches = Arc::clone(&self.watches);
                let paths = dirs.into_iter().filter_map(|dir| watches.lock().table.path(dir, b""));
                for path in paths.collect::<Vec<_>>() {
                    self.gap(path, GapReason::AgentOverflow);
                }
            }
        }
    }

    fn gap(&mut self, scope: ViewPath, reason: GapReason) {
        // Before the listing begins: only listings begun later repair it.
        self.control.push(Event::Gap { scope: scope.clone(), stamp: clock::now(), reason });
        if scope.is_root() {
            self.scanner.rescan(Reading::Everything);
        } else {
            self.scanner.list_soon(Job::new(scope, Scope::Below));
        }
    }

    fn tell_control(&mut self) {
        match self.sink.offer(Lane::Control, std::mem::take(&mut self.control)) {
            Offered::Taken => {}
            Offered::Full(events) => self.control = merge_gaps(events),
            Offered::Closed => self.scanner.halt(),
        }
    }
}

/// Gaps that wait for room: many become one over the root, which says no less.
fn merge_gaps(events: Vec<Event>) -> Vec<Event> {
    const WAITING_MAX: usize = 4096;
    if events.len() < WAITING_MAX {
        return events;
    }
    let (scope, stamp) = (ViewPath::root(), clock::now());
    vec![Event::Gap { scope, stamp, reason: GapReason::AgentOverflow }]
}

fn heat_now() -> Heat {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    Heat(u32::try_from(now.tv_sec).unwrap_or_default())
}
