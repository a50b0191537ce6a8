//! One agent of 0.8: its requests become batches.

use crate::entry::Facts;
use crate::event::{
    Batch, CyclePhase, Event, Fidelity, LegacyBatch, LegacyChange, LegacyJob, LegacyKind,
    LegacyObservation, LegacyRow, Remark, Sweep,
};
use crate::key::Tier;
use crate::path::ViewPath;
use crate::session::{Admission, Duties};
use crate::time::{BootTime, ClockMap, Now, SECOND, Stamp, StorageTime};

use super::LegacyClock;

/// How far its stamps may be wrong. Its rows are stamped up to a hundred rows after they were read.
const MARGIN_NS: i64 = 2 * SECOND;

/// What is kept of a session with an agent of 0.8.
#[derive(Clone, Debug)]
pub struct LegacyPeer {
    clock: LegacyClock,
    window_ns: i64,
    /// The scan of the whole tree that is running.
    open: Option<Scan>,
    /// A snapshot has ended in this session.
    snapshot_ended: bool,
    /// Requests of the audit that is running came without the duty: it counts for nothing until it ends.
    audit_broken: bool,
    /// When it was last given paths to look at, and where the next page begins.
    asked: Option<Stamp>,
    offset: usize,
}

#[derive(Clone, Copy, Debug)]
struct Scan {
    sweep: Sweep,
    begin: Stamp,
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated {
    /// What is to be applied; may hold no events.
    pub batch: Batch,
    /// The scan on demand that is done.
    pub done: Option<LegacyJob>,
}

/// What an agent of 0.8 found where it was asked to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is there.
    Exists {
        /// The path.
        path: ViewPath,
        /// Its size, if that was said.
        size: Option<u64>,
        /// Its mtime.
        mtime: StorageTime,
    },
    /// It is not there.
    Missing {
        /// The path.
        path: ViewPath,
    },
}

impl LegacyPeer {
    /// A new session. `cache_window_ns` is how old an attribute on its mount may be; 0 where the pipe says `coherent`.
    #[must_use]
    pub fn new(cache_window_ns: i64) -> Self {
        Self {
            clock: LegacyClock::default(),
            window_ns: cache_window_ns.max(0).saturating_add(MARGIN_NS),
            open: None,
            snapshot_ended: false,
            audit_broken: false,
            asked: None,
            offset: 0,
        }
    }

    /// Turns a request into a batch. `now` is when it came.
    pub fn translate(&mut self, now: Now, admission: &Admission, told: LegacyBatch) -> Translated {
        let LegacyBatch { source_type, is_end, job, observations, .. } = told;
        let first = observations.first().map(|observation| observation.source);
        let sweep = sweep_of(&source_type, first);
        self.calibrate(now.wall, &observations);
        let mut events = Vec::with_capacity(observations.len() + 2);
        self.begin(now.wall, admission.duties, sweep, is_end, &observations, &mut events);
        let mut read = Vec::new();
        for observation in observations {
            let dir = self.dir_read(&observation);
            read.extend(dir.map(|(dir, sweep)| Event::Remark(Remark::Read { dir, sweep })));
            events.push(self.event(now.wall, observation));
        }
        // After the upserts, which are grouped by directory as long as nothing stands between them.
        events.append(&mut read);
        if is_end && let Some(scan) = self.open.take_if(|scan| Some(scan.sweep) == sweep) {
            self.snapshot_ended |= scan.sweep == Sweep::Snapshot;
            let stamp = BootTime(now.wall.0);
            events.push(Event::Cycle { phase: CyclePhase::End, stamp });
        }
        Translated { batch: self.batch(admission, events), done: job }
    }

    /// Where the next page of paths to look at begins.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Notes that a page of paths to look at is handed out at `now`; `next` is the offset of the one after it.
    pub fn asked(&mut self, now: Now, next: Option<usize>) {
        self.asked = Some(now.wall);
        self.offset = next.unwrap_or(0);
    }

    /// Turns what the agent found where it was asked to look into a batch. It looked after it was asked.
    #[must_use]
    pub fn feedback(&self, now: Now, admission: &Admission, findings: Vec<Finding>) -> Batch {
        let stamp = BootTime(self.asked.unwrap_or(now.wall).0);
        let remark = |finding| match finding {
            Finding::Exists { path, size, mtime } => Remark::Checked { path, stamp, size, mtime },
            Finding::Missing { path } => Remark::Missing { path, stamp },
        };
        let events = findings.into_iter().map(remark).map(Event::Remark).collect();
        self.batch(admission, events)
    }

    fn batch(&self, admission: &Admission, events: Vec<Event>) -> Batch {
        Batch {
            storage: admission.storage,
            origin: admission.origin,
            // Stamps are fusion's already, and the margin is in the window.
            clock: ClockMap::default(),
            cache_window_ns: self.window_ns,
            fidelity: Fidelity::Legacy,
            events,
        }
    }

    fn calibrate(&mut self, arrival: Stamp, observations: &[LegacyObservation]) {
        let mut last = None;
        for LegacyObservation { source, index_ms, .. } in observations {
            // A hundred rows share an index.
            if last != Some((*source, *index_ms)) {
                self.clock.hear(arrival, *source, *index_ms);
                last = Some((*source, *index_ms));
            }
        }
    }

    /// Begins a scan of the whole tree at the first of its requests that says something, if its sender has the duty.
    fn begin(
        &mut self,
        arrival: Stamp,
        duties: Duties,
        sweep: Option<Sweep>,
        is_end: bool,
        observations: &[LegacyObservation],
        events: &mut Vec<Event>,
    ) {
        let Some(sweep) = sweep else { return };
        let broken = self.audit_broken;
        if duties != Duties::Allowed {
            self.open = None;
            self.audit_broken = sweep == Sweep::Audit && !is_end;
            return;
        }
        if sweep == Sweep::Audit && broken {
            self.audit_broken = !is_end;
            return;
        }
        if self.open.is_some_and(|open| open.sweep == sweep) {
            return;
        }
        // A second end after the first says nothing; a snapshot of nothing is one all the same.
        let is_first = sweep == Sweep::Snapshot && !self.snapshot_ended;
        if observations.is_empty() && !(is_end && is_first) {
            return;
        }
        let stamps = observations.iter().map(|o| self.clock.stamp(arrival, o.index_ms));
        let begin = stamps.min().unwrap_or(arrival);
        self.open = Some(Scan { sweep, begin });
        events.push(Event::Cycle { phase: CyclePhase::Begin, stamp: BootTime(begin.0) });
    }

    /// The directory whose contents the running scan has read, if the row says so.
    fn dir_read(&self, observation: &LegacyObservation) -> Option<(ViewPath, Sweep)> {
        let open = self.open?;
        let LegacyChange::Upsert(row) = &observation.change else { return None };
        let read = row.kind.is_dir()
            && !row.audit_skipped
            && sweep_of_kind(observation.source) == Some(open.sweep);
        read.then(|| (observation.path.clone(), open.sweep))
    }

    fn event(&mut self, arrival: Stamp, observation: LegacyObservation) -> Event {
        let LegacyObservation { path, index_ms, source, change } = observation;
        let sweep = sweep_of_kind(source);
        let stamp = match source {
            LegacyKind::Realtime => self.clock.next(arrival, index_ms),
            LegacyKind::Snapshot | LegacyKind::Audit | LegacyKind::OnDemand => {
                // What a scan finds it finds after its begin, also where the index jumps in between.
                let open = self.open.filter(|open| Some(open.sweep) == sweep);
                let begin = open.map_or(Stamp::MIN, |open| open.begin);
                self.clock.stamp(arrival, index_ms).max(begin)
            }
        };
        let stamp = BootTime(stamp.0);
        match (change, source) {
            (LegacyChange::Upsert(row), source) => {
                Event::Upsert { path, stamp, tier: tier(source, &row), facts: facts(&row) }
            }
            (LegacyChange::Delete, LegacyKind::Realtime) => Event::Delete { path, stamp },
            // No kernel has said so.
            (
                LegacyChange::Delete,
                LegacyKind::Snapshot | LegacyKind::Audit | LegacyKind::OnDemand,
            ) => Event::Remark(Remark::Missing { path, stamp }),
        }
    }
}

fn sweep_of(source_type: &str, first: Option<LegacyKind>) -> Option<Sweep> {
    match source_type {
        "snapshot" => Some(Sweep::Snapshot),
        "audit" => Some(Sweep::Audit),
        _ => first.and_then(sweep_of_kind),
    }
}

const fn sweep_of_kind(kind: LegacyKind) -> Option<Sweep> {
    match kind {
        LegacyKind::Snapshot => Some(Sweep::Snapshot),
        LegacyKind::Audit => Some(Sweep::Audit),
        LegacyKind::Realtime | LegacyKind::OnDemand => None,
    }
}

const fn tier(source: LegacyKind, row: &LegacyRow) -> Tier {
    match source {
        LegacyKind::Realtime if row.atomic => Tier::Atomic,
        LegacyKind::Realtime => Tier::Partial,
        LegacyKind::Snapshot | LegacyKind::Audit | LegacyKind::OnDemand => Tier::Scan,
    }
}

fn facts(row: &LegacyRow) -> Facts {
    Facts {
        kind: row.kind,
        size: row.size.unwrap_or(Facts::UNTOLD_SIZE),
        mtime: row.mtime,
        ctime: row.ctime.unwrap_or(Facts::UNTOLD_TIME),
        ..Facts::default()
    }
}
