//! An agent's source without threads: each call is one small step. Mirrors `fustor-agent/src/{source,outbox}.rs`.

mod job;
mod kernel;
mod listing;
mod scanner;
mod table;
mod watcher;
mod watches;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fustor_core::client::{Order, Task};
use fustor_core::{BootTime, Coalescer, Event, Heat, Lane, ViewPath, WatchSet};

use crate::disk::{ROOT, Report};
use crate::host::Eyes;
use crate::plan::Plan;
use job::{Job, Purpose, Run, RunId, Scope};
use kernel::Kernel;
use scanner::{Wanted, Worker};
use table::Table;
use watcher::{Flushing, Half};

/// Groups that wait in each lane, as in `outbox.rs`.
const GROUPS: [usize; 3] = [256, 64, 32];

/// Observations that belong together.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) lane: Lane,
    pub(crate) events: Vec<Event>,
    pub(crate) done: Vec<u64>,
}

/// The hand-over to the pipe.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    groups: [VecDeque<Sealed>; 3],
}

const fn index(lane: Lane) -> usize {
    match lane {
        Lane::Control => 0,
        Lane::Realtime => 1,
        Lane::Scan => 2,
    }
}

impl Outbox {
    pub(crate) fn has_room(&self, lane: Lane) -> bool {
        self.groups[index(lane)].len() < GROUPS[index(lane)]
    }

    fn push(&mut self, lane: Lane, events: Vec<Event>, done: Vec<u64>) {
        if !events.is_empty() || !done.is_empty() {
            self.groups[index(lane)].push_back(Sealed { lane, events, done });
        }
    }

    pub(crate) fn pop(&mut self, wanted: impl Fn(Lane) -> bool) -> Option<Sealed> {
        let mut lanes = Lane::ALL.into_iter().filter(|lane| wanted(*lane));
        lanes.find_map(|lane| self.groups[index(lane)].pop_front())
    }

    pub(crate) fn has_any(&self, wanted: impl Fn(Lane) -> bool) -> bool {
        Lane::ALL.into_iter().any(|lane| wanted(lane) && !self.groups[index(lane)].is_empty())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.iter().all(VecDeque::is_empty)
    }
}

/// One life of a source.
pub(crate) struct Source {
    kernel: Kernel,
    pub(crate) outbox: Outbox,
    // The table of watches: `watches.rs`.
    table: Table,
    set: WatchSet,
    doomed: Vec<i32>,
    refused: BTreeSet<ViewPath>,
    drained: BootTime,
    rung: bool,
    // The watcher: `watcher.rs`.
    coalescer: Coalescer,
    halves: Vec<Half>,
    listings: Vec<Job>,
    overflowed: bool,
    ordered: BootTime,
    astray: BTreeMap<fustor_core::WatchId, (u8, BootTime)>,
    control: Vec<Event>,
    heat: Heat,
    flushing: Option<Flushing>,
    reading_since: Option<BootTime>,
    // The scanner: `scanner.rs`.
    urgent: VecDeque<Job>,
    urgent_paths: BTreeSet<Wanted>,
    stack: Vec<Job>,
    later: BTreeMap<(BootTime, u64), Job>,
    later_seq: u64,
    rechecks: VecDeque<(ViewPath, Option<RunId>)>,
    runs: BTreeMap<RunId, Run>,
    runs_begun: RunId,
    cycle: Option<RunId>,
    again: bool,
    workers: Vec<Worker>,
    /// Reports read, entries looked at.
    pub(crate) observations: u64,
}

impl Source {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            kernel: Kernel::new(plan.kernel_queue),
            outbox: Outbox::default(),
            table: Table::new(ROOT),
            set: WatchSet::new(plan.max_watches),
            doomed: Vec::new(),
            refused: BTreeSet::new(),
            drained: BootTime::MIN,
            rung: false,
            coalescer: Coalescer::new(plan.coalescer, plan.partial_ns),
            halves: Vec::new(),
            listings: Vec::new(),
            overflowed: false,
            ordered: BootTime::MIN,
            astray: BTreeMap::new(),
            control: Vec::new(),
            heat: Heat::default(),
            flushing: None,
            reading_since: None,
            urgent: VecDeque::new(),
            urgent_paths: BTreeSet::new(),
            stack: Vec::new(),
            later: BTreeMap::new(),
            later_seq: 0,
            rechecks: VecDeque::new(),
            runs: BTreeMap::new(),
            runs_begun: 0,
            cycle: None,
            again: false,
            workers: (0..plan.workers).map(|_| Worker::default()).collect(),
            observations: 0,
        }
    }

    /// Something happened on its machine.
    pub(crate) fn hear(&mut self, report: &Report) {
        self.kernel.hear(report);
    }

    pub(crate) fn lose_reports(&mut self) {
        self.kernel.overflow();
    }

    pub(crate) fn watches(&self, inode: u64) -> bool {
        self.kernel.watch_of(inode).is_some()
    }

    /// Whether it watches a directory and believes it at this path.
    pub(crate) fn watches_at(&self, inode: u64, path: Option<&ViewPath>) -> bool {
        let known = self.kernel.watch_of(inode).and_then(|watch| self.path_of_watch(watch));
        known.is_some() && known.as_ref() == path
    }

    pub(crate) const fn worker_count(&self) -> usize {
        self.workers.len()
    }

    /// Does what is ordered.
    pub(crate) fn perform(&mut self, eyes: &mut Eyes<'_>, order: Order) {
        let run = self.begin_run(Purpose::Order(order.id));
        match order.task {
            Task::List { path, recursive } => {
                let scope = if recursive { Scope::Below } else { Scope::One };
                self.list_soon(eyes, Job::new(path, scope).within(run, Purpose::Order(order.id)));
            }
            Task::Recheck { path } => self.recheck_soon(eyes, path, Some(run)),
            Task::Moved { old, new } => {
                let above = old.split().map_or_else(ViewPath::root, |(parent, _)| parent);
                self.expect(run, 1);
                let purpose = Purpose::Order(order.id);
                self.list_soon(eyes, Job::new(above, Scope::One).within(run, purpose));
                self.list_soon(eyes, Job::new(new, Scope::Below).within(run, purpose));
            }
        }
    }

    /// Whether nothing is under way but a scan of everything.
    pub(crate) fn is_idle(&self) -> bool {
        self.kernel.is_empty()
            && self.outbox.is_empty()
            && self.coalescer.is_empty()
            && self.halves.is_empty()
            && self.listings.is_empty()
            && self.control.is_empty()
            && self.flushing.is_none()
            && self.urgent.is_empty()
            && self.later.is_empty()
            && self.rechecks.is_empty()
            && !self.overflowed
            && !self.again
            && self.runs.values().all(|run| run.purpose == Purpose::Cycle)
            && self.workers.iter().all(Worker::is_idle_or_scans)
    }

    /// What waits, for a trace.
    pub(crate) fn backlog(&self) -> String {
        format!(
            "kernel {} coalescer {} halves {} urgent {} later {:?} stack {} rechecks {} runs {:?} outbox {}",
            !self.kernel.is_empty(),
            self.coalescer.len(),
            self.halves.len(),
            self.urgent.len(),
            self.later.values().map(|job| job.path.to_string()).collect::<Vec<_>>(),
            self.stack.len(),
            self.rechecks.len(),
            self.runs.values().map(|run| (run.purpose, run.left)).collect::<Vec<_>>(),
            !self.outbox.is_empty(),
        )
    }
}
