//! Answers that are a few numbers and words, of a snapshot or of a fusion.

use fustor_core::query::{Basis, Changed, Op, Settled as CoreSettled, SubtreeStats};
use fustor_core::{Trust as CoreTrust, TrustState};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::path::text;

/// How far an answer can be trusted.
#[pyclass(frozen, get_all, eq, module = "fustor", from_py_object)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trust {
    /// "trusted", "syncing", "stale" or "degraded".
    state: String,
    /// What is amiss.
    reasons: Vec<String>,
    /// Since when nobody feeds the view, in nanoseconds since 1970.
    since_ns: Option<i64>,
}

impl From<CoreTrust> for Trust {
    fn from(trust: CoreTrust) -> Self {
        let (state, since_ns) = match trust.state {
            TrustState::Trusted => ("trusted", None),
            TrustState::Syncing { .. } => ("syncing", None),
            TrustState::Stale { since } => ("stale", Some(since.0)),
            TrustState::Degraded => ("degraded", None),
        };
        let reasons = trust.reasons.iter().map(ToString::to_string).collect();
        Self { state: state.to_owned(), reasons, since_ns }
    }
}

impl From<fustor_client::Trust> for Trust {
    fn from(trust: fustor_client::Trust) -> Self {
        Self { state: trust.state, reasons: trust.reasons, since_ns: trust.since_ns }
    }
}

#[pymethods]
impl Trust {
    fn __repr__(&self) -> String {
        format!("Trust({:?}, reasons={:?})", self.state, self.reasons)
    }
}

/// The totals of a path and everything below it.
#[pyclass(frozen, get_all, eq, module = "fustor")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stats {
    /// Entries that are not directories.
    file_count: u64,
    /// Directories below the path.
    dir_count: u64,
    /// Bytes.
    total_size: u64,
    /// Newest mtime of a file, in nanoseconds since 1970.
    latest_mtime_ns: Option<i64>,
    /// When anything here last changed.
    last_change_ns: Option<i64>,
    /// Entries that may be incomplete.
    suspect_count: u64,
    /// Entries known by scans only.
    blind_spot_count: u64,
    /// Directories that were never listed completely.
    unlisted_count: u64,
    /// Directories that cannot be read.
    uncovered_count: u64,
    /// The revision that answered.
    revision: String,
    /// How far it can be trusted.
    trust: Trust,
}

impl From<SubtreeStats> for Stats {
    fn from(stats: SubtreeStats) -> Self {
        Self {
            file_count: stats.file_count,
            dir_count: stats.dir_count,
            total_size: stats.total_size,
            latest_mtime_ns: stats.latest_mtime.map(|at| at.0),
            last_change_ns: stats.last_change.map(|at| at.0),
            suspect_count: stats.suspect_count,
            blind_spot_count: stats.blind_spot_count,
            unlisted_count: stats.unlisted_count,
            uncovered_count: stats.uncovered_count,
            revision: stats.revision.to_string(),
            trust: stats.trust.into(),
        }
    }
}

impl From<fustor_client::SubtreeStats> for Stats {
    fn from(stats: fustor_client::SubtreeStats) -> Self {
        Self {
            file_count: stats.file_count,
            dir_count: stats.dir_count,
            total_size: stats.total_size,
            latest_mtime_ns: stats.latest_mtime_ns,
            last_change_ns: stats.last_change_ns,
            suspect_count: stats.suspect_count,
            blind_spot_count: stats.blind_spot_count,
            unlisted_count: stats.unlisted_count,
            uncovered_count: stats.uncovered_count,
            revision: stats.revision,
            trust: stats.trust.into(),
        }
    }
}

#[pymethods]
impl Stats {
    fn __repr__(&self) -> String {
        let Self { file_count, dir_count, total_size, .. } = self;
        format!("Stats(file_count={file_count}, dir_count={dir_count}, total_size={total_size})")
    }
}

/// What is still open in a subtree.
#[pyclass(frozen, get_all, eq, module = "fustor", from_py_object)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Entries that may be incomplete.
    suspects: u64,
    /// Directories that owe a listing.
    gaps: u64,
    /// Directories that were never listed completely.
    unlisted: u64,
    /// Directories that cannot be read.
    uncovered: u64,
}

/// Whether a subtree has come to rest. True as a condition when it has.
#[pyclass(frozen, get_all, eq, module = "fustor")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settled {
    /// Quiet for as long as was asked, with nothing open.
    settled: bool,
    /// How long it has been quiet, in seconds.
    quiet_for: Option<f64>,
    /// When anything last changed, in nanoseconds since 1970.
    last_change_ns: Option<i64>,
    /// Up to when a change would be known.
    as_of_ns: Option<i64>,
    /// "realtime" or "listing".
    basis: String,
    /// What is open.
    pending: Pending,
    /// Why it is not settled.
    reasons: Vec<String>,
    /// The revision that answered.
    revision: String,
    /// How far it can be trusted.
    trust: Trust,
}

impl From<CoreSettled> for Settled {
    fn from(found: CoreSettled) -> Self {
        let pending = found.pending;
        Self {
            settled: found.settled,
            quiet_for: found.quiet_for_ns.map(|ns| ns as f64 / 1e9),
            last_change_ns: found.last_change.map(|at| at.0),
            as_of_ns: found.as_of.map(|at| at.0),
            basis: match found.basis {
                Basis::Realtime => "realtime".to_owned(),
                Basis::Listing => "listing".to_owned(),
            },
            pending: Pending {
                suspects: pending.suspects,
                gaps: pending.gaps,
                unlisted: pending.unlisted,
                uncovered: pending.uncovered,
            },
            reasons: found.reasons.iter().map(ToString::to_string).collect(),
            revision: found.revision.to_string(),
            trust: found.trust.into(),
        }
    }
}

impl From<fustor_client::Settled> for Settled {
    fn from(found: fustor_client::Settled) -> Self {
        let pending = found.pending;
        Self {
            settled: found.settled,
            quiet_for: found.quiet_for_sec,
            last_change_ns: found.last_change_ns,
            as_of_ns: found.as_of_ns,
            basis: found.basis,
            pending: Pending {
                suspects: pending.suspects,
                gaps: pending.gaps,
                unlisted: pending.unlisted,
                uncovered: pending.uncovered,
            },
            reasons: found.reasons,
            revision: found.revision,
            trust: found.trust.into(),
        }
    }
}

#[pymethods]
impl Settled {
    const fn __bool__(&self) -> bool {
        self.settled
    }

    fn __repr__(&self) -> String {
        format!("Settled({}, reasons={:?})", self.settled, self.reasons)
    }
}

/// One difference between two states of a view.
#[pyclass(frozen, eq, module = "fustor")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    op: String,
    path: Vec<u8>,
    old_path: Option<Vec<u8>>,
}

impl Change {
    fn of(changed: Changed) -> Self {
        let (op, old_path) = match changed.op {
            Op::Upsert => ("upsert", None),
            Op::Remove => ("remove", None),
            Op::Rename { from } => ("rename", Some(from.into_vec())),
            Op::Resync => ("resync", None),
        };
        Self { op: op.to_owned(), path: changed.path.into_vec(), old_path }
    }

    fn told(change: &fustor_client::Change) -> Self {
        Self { op: change.op.clone(), path: change.path_bytes(), old_path: change.from_bytes() }
    }
}

#[pymethods]
impl Change {
    /// "upsert": new, or other than it was. "remove": gone with all below it. "rename": a directory moved.
    /// "resync": more than is told one by one.
    #[getter]
    fn op(&self) -> &str {
        &self.op
    }

    /// The path.
    #[getter]
    fn path<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        text(py, &self.path)
    }

    /// The path as it is.
    #[getter]
    fn path_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.path)
    }

    /// Of a rename: the path it had.
    #[getter]
    fn old_path<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.old_path.as_deref().map(|path| text(py, path)).transpose()
    }

    fn __repr__(&self) -> String {
        format!("Change({:?}, {:?})", self.op, String::from_utf8_lossy(&self.path))
    }
}

/// What differs between two states of a view.
#[pyclass(frozen, get_all, module = "fustor")]
#[derive(Debug)]
pub(crate) struct Changes {
    /// The older revision.
    from_revision: String,
    /// The newer one.
    to_revision: String,
    /// The differences, renames first.
    changes: Vec<Py<Change>>,
    /// What to ask a server with for more of them; None when this is all.
    next: Option<String>,
}

impl Changes {
    pub(crate) fn of(
        py: Python<'_>,
        from_revision: String,
        to_revision: String,
        found: Vec<Changed>,
    ) -> PyResult<Self> {
        let changes = found.into_iter().map(|change| Py::new(py, Change::of(change)));
        let changes = changes.collect::<PyResult<_>>()?;
        Ok(Self { from_revision, to_revision, changes, next: None })
    }

    pub(crate) fn told(py: Python<'_>, found: fustor_client::Changes) -> PyResult<Self> {
        let changes = found.changes.iter().map(|change| Py::new(py, Change::told(change)));
        Ok(Self {
            from_revision: found.from,
            to_revision: found.to,
            changes: changes.collect::<PyResult<_>>()?,
            next: found.next,
        })
    }
}

#[pymethods]
impl Changes {
    const fn __len__(&self) -> usize {
        self.changes.len()
    }

    fn __repr__(&self) -> String {
        format!("Changes({} changes)", self.changes.len())
    }
}
