//! The agent's scanner, filling a view of this process.

use std::ops::ControlFlow;

use fustor_core::{View as CoreView, ViewConfig};
use fustor_local::{Progress, ScanConfig, incarnation, scan as scan_into};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::error;
use crate::path::PathLike;
use crate::view::View;

/// How far a scan is.
#[pyclass(frozen, get_all, module = "fustor")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScanProgress {
    /// Entries seen.
    entries: u64,
    /// Directories read.
    directories: u64,
    /// Directories known and not read yet.
    directories_left: u64,
    /// Directories that could not be read.
    uncovered: u64,
    /// Seconds since the beginning.
    elapsed: f64,
}

#[pymethods]
impl ScanProgress {
    fn __repr__(&self) -> String {
        let Self { entries, directories, directories_left, .. } = self;
        format!(
            "ScanProgress({entries} entries, {directories} directories, {directories_left} left)"
        )
    }
}

impl From<&Progress> for ScanProgress {
    fn from(progress: &Progress) -> Self {
        Self {
            entries: progress.entries,
            directories: progress.directories,
            directories_left: progress.directories_left,
            uncovered: progress.uncovered,
            elapsed: progress.elapsed.as_secs_f64(),
        }
    }
}

/// What the caller of a scan is told and asked while it runs.
pub(crate) struct Observer {
    pub(crate) progress: Option<Py<PyAny>>,
    pub(crate) cancel: Option<Py<PyAny>>,
}

impl Observer {
    /// Calls back. `Err`: the callback raised, or the user pressed Ctrl-C.
    fn look(&self, progress: &Progress) -> PyResult<ControlFlow<()>> {
        Python::attach(|py| {
            py.check_signals()?;
            if let Some(callback) = &self.progress {
                callback.call1(py, (ScanProgress::from(progress),))?;
            }
            let cancelled = match &self.cancel {
                Some(event) => event.call_method0(py, "is_set")?.is_truthy(py)?,
                None => false,
            };
            Ok(if cancelled { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
    }

    /// Scans without the interpreter's lock, which only the callbacks take.
    pub(crate) fn scan(
        &self,
        py: Python<'_>,
        view: &mut CoreView,
        config: &ScanConfig,
    ) -> PyResult<()> {
        if let Some(event) = &self.cancel
            && !event.bind(py).hasattr("is_set")?
        {
            return Err(PyTypeError::new_err("cancel must have is_set(), as threading.Event has"));
        }
        let mut raised = None;
        let scanned = py.detach(|| {
            scan_into(view, config, &mut |progress| {
                self.look(progress).unwrap_or_else(|error| {
                    raised = Some(error);
                    ControlFlow::Break(())
                })
            })
        });
        match (raised, scanned) {
            (Some(error), _) => Err(error),
            (None, Ok(_)) => Ok(()),
            (None, Err(error)) => Err(error::scan(&error)),
        }
    }
}

pub(crate) fn config(path: &PathLike, workers: Option<usize>, one_file_system: bool) -> ScanConfig {
    ScanConfig { workers, one_file_system, ..ScanConfig::new(path.to_path()) }
}

/// Scans a directory tree into a new view.
///
/// Reads every directory below `path` once, on several threads, without opening a file. `progress` is called with a
/// ScanProgress from time to time, on this thread, and at the end. `cancel` is a threading.Event, or anything with
/// `is_set()`: once it is set the scan raises Cancelled. What is mounted below `path` is passed over unless
/// `one_file_system` is false.
#[pyfunction]
#[pyo3(signature = (path, *, workers=None, one_file_system=true, progress=None, cancel=None))]
pub(crate) fn scan(
    py: Python<'_>,
    path: PathLike,
    workers: Option<usize>,
    one_file_system: bool,
    progress: Option<Py<PyAny>>,
    cancel: Option<Py<PyAny>>,
) -> PyResult<View> {
    let mut view = CoreView::new(ViewConfig::default(), incarnation());
    let observer = Observer { progress, cancel };
    observer.scan(py, &mut view, &config(&path, workers, one_file_system))?;
    Ok(View::of(view))
}
