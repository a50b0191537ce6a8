//! A view in this process: events in, verdicts and snapshots out.

use std::sync::{Mutex, PoisonError};

use fustor_core::{
    AgentId, Batch, ClockMap, Command, Epoch, Fidelity, Mono, Now, Origin, Seq, Stamp,
    View as CoreView, ViewConfig,
};
use fustor_local::{STORAGE, incarnation as fresh};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use crate::applied::Applied;
use crate::event::Event;
use crate::path::PathLike;
use crate::scan::{Observer, config};
use crate::snapshot::Snapshot;

/// Agents are numbered with 13 bits.
const AGENTS: u16 = 1 << 13;

/// A view that this process fills: by scans, or by events that a script makes.
///
/// It reads no clock: `now` is the wall clock in nanoseconds and must not run backwards. The same calls give the same
/// answers. Any thread may use it; commands are applied one after the other.
#[pyclass(frozen, module = "fustor")]
pub(crate) struct View {
    /// None while a scan has it.
    view: Mutex<Option<CoreView>>,
}

impl View {
    pub(crate) const fn of(view: CoreView) -> Self {
        Self { view: Mutex::new(Some(view)) }
    }

    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut CoreView) -> T + Send,
    ) -> PyResult<T> {
        let mut guard = self.view.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let view = guard.as_mut().ok_or_else(busy)?;
        Ok(py.detach(|| work(view)))
    }

    fn command(&self, py: Python<'_>, now: i64, command: Command) -> PyResult<Applied> {
        let now = Now { mono: Mono(now), wall: Stamp(now) };
        let applied = self.with(py, |view| view.apply(now, command))?;
        Applied::of(py, applied)
    }
}

fn busy() -> PyErr {
    PyRuntimeError::new_err("the view is being scanned")
}

fn nanoseconds(name: &str, seconds: f64) -> PyResult<i64> {
    let ns = seconds * 1e9;
    if (0.0..9e18).contains(&ns) {
        // Within the range of an i64.
        return Ok(ns as i64);
    }
    Err(PyValueError::new_err(format!("{name} is {seconds}, it must be a number of seconds")))
}

#[pymethods]
impl View {
    /// An empty view. `hot_threshold`: a file that changed less than so many seconds ago may be incomplete.
    /// `max_entries`: how many entries it may hold, 0 for no limit. `audit_interval`: how often the source promises to
    /// verify everything, in seconds, 0 for never. `incarnation` tells its revisions from those of another view; when it
    /// is not given, it is one that no other view of this process has.
    #[new]
    #[pyo3(signature = (*, hot_threshold=30.0, max_entries=0, audit_interval=0.0, incarnation=None))]
    fn new(
        hot_threshold: f64,
        max_entries: u64,
        audit_interval: f64,
        incarnation: Option<u64>,
    ) -> PyResult<Self> {
        let config = ViewConfig {
            hot_threshold_ns: nanoseconds("hot_threshold", hot_threshold)?,
            audit_interval_ns: nanoseconds("audit_interval", audit_interval)?,
            max_nodes: max_entries,
            ..ViewConfig::default()
        };
        Ok(Self::of(CoreView::new(config, incarnation.unwrap_or_else(fresh))))
    }

    /// A source feeds the view from now on. `writers_watched`: it sees every change, so that silence proves rest.
    #[pyo3(signature = (now, *, writers_watched=false))]
    fn attach(&self, py: Python<'_>, now: i64, writers_watched: bool) -> PyResult<Applied> {
        self.command(py, now, Command::Attach { storage: STORAGE, root: None, writers_watched })
    }

    /// Nobody feeds the view any more.
    fn detach(&self, py: Python<'_>, now: i64) -> PyResult<Applied> {
        self.command(py, now, Command::Detach { storage: STORAGE })
    }

    /// Applies observations together. `agent`, `epoch` and `seq` say where they come from and only break ties.
    #[pyo3(signature = (now, events, *, agent=1, epoch=1, seq=0))]
    fn apply(
        &self,
        py: Python<'_>,
        now: i64,
        events: &Bound<'_, PyAny>,
        agent: u16,
        epoch: u16,
        seq: u32,
    ) -> PyResult<Applied> {
        if agent >= AGENTS {
            return Err(PyValueError::new_err(format!(
                "agent is {agent}, at most 8191 is allowed"
            )));
        }
        let mut batch = Vec::with_capacity(events.len().unwrap_or(0));
        for event in events.try_iter()? {
            batch.push(event?.cast_into::<Event>()?.get().0.clone());
        }
        let origin = Origin { agent: AgentId(agent), epoch: Epoch(epoch), seq: Seq(seq) };
        let batch = Batch {
            storage: STORAGE,
            origin,
            clock: ClockMap::default(),
            cache_window_ns: 0,
            fidelity: Fidelity::Exact,
            events: batch,
        };
        self.command(py, now, Command::Batch(batch))
    }

    /// Does what is due: a deadline of the view (Applied.next_deadline_ns) has come.
    fn tick(&self, py: Python<'_>, now: i64) -> PyResult<Applied> {
        self.command(py, now, Command::Tick)
    }

    /// Forgets everything.
    fn reset(&self, py: Python<'_>, now: i64) -> PyResult<Applied> {
        self.command(py, now, Command::Reset)
    }

    /// Scans a directory tree into this view, as scan() does into a new one. Meanwhile the view cannot be used; what is
    /// gone since the last scan is removed. Always the same directory: another one is refused.
    #[pyo3(signature = (path, *, workers=None, one_file_system=true, progress=None, cancel=None))]
    fn scan(
        &self,
        py: Python<'_>,
        path: PathLike,
        workers: Option<usize>,
        one_file_system: bool,
        progress: Option<Py<PyAny>>,
        cancel: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let lock = || self.view.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let mut view = lock().take().ok_or_else(busy)?;
        let observer = Observer { progress, cancel };
        let scanned = observer.scan(py, &mut view, &config(&path, workers, one_file_system));
        *lock() = Some(view);
        scanned
    }

    /// The state as it is now: immutable, and made without copying the tree.
    fn snapshot(&self, py: Python<'_>) -> PyResult<Snapshot> {
        self.with(py, |view| Snapshot(view.snapshot()))
    }

    /// Verifies every invariant of the tree; raises AssertionError with the first that does not hold.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        let checked = self.with(py, |view| view.check())?;
        checked.map_err(|error| pyo3::exceptions::PyAssertionError::new_err(format!("{error:?}")))
    }
}
