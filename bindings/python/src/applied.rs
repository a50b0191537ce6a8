//! What a command did to a view.

use fustor_core::{Applied as CoreApplied, Directive as CoreDirective};
use pyo3::prelude::*;

use crate::path::text;

/// What a view wants looked at again.
#[pyclass(frozen, get_all, module = "fustor")]
#[derive(Debug)]
pub(crate) struct Directive {
    /// "list": read this directory and tell its entries. "recheck": look at this entry.
    what: &'static str,
    /// The directory or entry.
    path: String,
    /// Whether what is below is meant too.
    recursive: bool,
}

#[pymethods]
impl Directive {
    fn __repr__(&self) -> String {
        format!("Directive({:?}, {:?})", self.what, self.path)
    }
}

/// How observations fared.
#[pyclass(frozen, get_all, module = "fustor")]
#[derive(Debug)]
pub(crate) struct Applied {
    /// Observations that changed the tree or its evidence.
    applied: u64,
    /// Observations that are older than what is known.
    stale: u64,
    /// Observations of what is gone since.
    buried: u64,
    /// Observations that are judged when a directory was read again.
    queued: u64,
    /// Observations that cannot be true, or for which there is no room.
    refused: u64,
    /// What should be looked at again.
    directives: Vec<Py<Directive>>,
    /// When the view next wants a tick, in nanoseconds since 1970.
    next_deadline_ns: Option<i64>,
}

impl Applied {
    pub(crate) fn of(py: Python<'_>, applied: CoreApplied) -> PyResult<Self> {
        let verdicts = applied.verdicts;
        let directives = applied.directives.into_iter().map(|directive| {
            let (what, path, recursive) = match directive {
                CoreDirective::List { path, recursive, .. } => ("list", path, recursive),
                CoreDirective::Recheck { path, .. } => ("recheck", path, false),
            };
            let path = text(py, path.as_bytes())?.extract()?;
            Py::new(py, Directive { what, path, recursive })
        });
        Ok(Self {
            applied: verdicts.applied,
            stale: verdicts.stale,
            buried: verdicts.buried,
            queued: verdicts.queued,
            refused: verdicts.refused,
            directives: directives.collect::<PyResult<_>>()?,
            next_deadline_ns: applied.next_deadline.map(|at| at.0),
        })
    }
}

#[pymethods]
impl Applied {
    fn __repr__(&self) -> String {
        let Self { applied, stale, buried, queued, refused, .. } = self;
        format!(
            "Applied(applied={applied}, stale={stale}, buried={buried}, queued={queued}, refused={refused})"
        )
    }
}
