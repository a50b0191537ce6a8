//! Observations, as a script makes them.

use fustor_core::{
    BlockBuilder, BootTime, CyclePhase, Event as CoreEvent, Facts as CoreFacts, GapReason, Kind,
    Listing, Tier, UncoveredReason, is_name,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::entry::Facts;
use crate::path::PathLike;

/// One observation of a source.
///
/// `at` is the wall clock in nanoseconds, read *before* the observation was made.
#[pyclass(frozen, eq, module = "fustor")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event(pub(crate) CoreEvent);

fn unknown(what: &str, word: &str, known: &str) -> PyErr {
    PyValueError::new_err(format!("{what} {word:?} is unknown, it must be one of {known}"))
}

#[pymethods]
impl Event {
    /// An entry was looked at and found like this. `tier` is "atomic" for a finished change that was reported, "scan"
    /// for what was found by looking, "partial" for a write that goes on.
    #[staticmethod]
    #[pyo3(signature = (path, facts, *, at, tier="atomic"))]
    fn upsert(path: PathLike, facts: &Facts, at: i64, tier: &str) -> PyResult<Self> {
        let tier = match tier {
            "atomic" => Tier::Atomic,
            "scan" => Tier::Scan,
            "partial" => Tier::Partial,
            other => return Err(unknown("tier", other, "atomic, scan, partial")),
        };
        let path = path.to_view()?;
        Ok(Self(CoreEvent::Upsert { path, stamp: BootTime(at), tier, facts: facts.0 }))
    }

    /// An entry is gone, with all that was below it.
    #[staticmethod]
    #[pyo3(signature = (path, *, at))]
    fn delete(path: PathLike, at: i64) -> PyResult<Self> {
        Ok(Self(CoreEvent::Delete { path: path.to_view()?, stamp: BootTime(at) }))
    }

    /// An entry has another name now, with all below it.
    #[staticmethod]
    #[pyo3(signature = (old, new, facts, *, at))]
    fn rename(old: PathLike, new: PathLike, facts: &Facts, at: i64) -> PyResult<Self> {
        let (old, new) = (old.to_view()?, new.to_view()?);
        Ok(Self(CoreEvent::Rename { old, new, stamp: BootTime(at), facts: facts.0 }))
    }

    /// The entries of one directory, as pairs of name and facts. What a complete listing lacks is gone.
    #[staticmethod]
    #[pyo3(signature = (path, rows, *, at, facts=None, complete=true))]
    fn listing(
        path: PathLike,
        rows: &Bound<'_, PyAny>,
        at: i64,
        facts: Option<&Facts>,
        complete: bool,
    ) -> PyResult<Self> {
        let dir = path.to_view()?;
        let mut builder = BlockBuilder::default();
        for row in rows.try_iter()? {
            let (name, facts): (PathLike, Bound<'_, Facts>) = row?.extract()?;
            if !is_name(&name.0) {
                let shown = String::from_utf8_lossy(&name.0).into_owned();
                return Err(PyValueError::new_err(format!("not a name: {shown:?}")));
            }
            builder.push(&name.0, &facts.get().0);
        }
        let facts = facts.map_or(CoreFacts { nlink: 1, ..CoreFacts::PLACEHOLDER }, |facts| facts.0);
        if facts.kind != Kind::Dir {
            return Err(PyValueError::new_err("the facts of a listing are those of a directory"));
        }
        let blocks = builder.finish(dir.name());
        let listing = Listing { dir, stamp: BootTime(at), complete, facts, blocks };
        Ok(Self(CoreEvent::Listing(listing)))
    }

    /// Something may have been missed below a path.
    #[staticmethod]
    #[pyo3(signature = (path, *, at))]
    fn gap(path: PathLike, at: i64) -> PyResult<Self> {
        let scope = path.to_view()?;
        Ok(Self(CoreEvent::Gap { scope, stamp: BootTime(at), reason: GapReason::AgentAbsent }))
    }

    /// A directory cannot be read.
    #[staticmethod]
    #[pyo3(signature = (path, *, at))]
    fn uncovered(path: PathLike, at: i64) -> PyResult<Self> {
        let dir = path.to_view()?;
        let reason = UncoveredReason::Unreadable;
        Ok(Self(CoreEvent::Uncovered { dir, stamp: BootTime(at), reason }))
    }

    /// A scan of the whole tree begins ("begin") or ends ("end").
    #[staticmethod]
    #[pyo3(signature = (phase, *, at))]
    fn cycle(phase: &str, at: i64) -> PyResult<Self> {
        let phase = match phase {
            "begin" => CyclePhase::Begin,
            "end" => CyclePhase::End,
            other => return Err(unknown("phase", other, "begin, end")),
        };
        Ok(Self(CoreEvent::Cycle { phase, stamp: BootTime(at) }))
    }

    fn __repr__(&self) -> String {
        match &self.0 {
            CoreEvent::Upsert { path, .. } => format!("Event.upsert({path:?})"),
            CoreEvent::Delete { path, .. } => format!("Event.delete({path:?})"),
            CoreEvent::Rename { old, new, .. } => format!("Event.rename({old:?}, {new:?})"),
            CoreEvent::Listing(listing) => format!("Event.listing({:?})", listing.dir),
            CoreEvent::Gap { scope, .. } => format!("Event.gap({scope:?})"),
            CoreEvent::Uncovered { dir, .. } => format!("Event.uncovered({dir:?})"),
            CoreEvent::Cycle { phase, .. } => format!("Event.cycle({phase:?})"),
            CoreEvent::Covered { .. } | CoreEvent::RootLost { .. } | CoreEvent::Remark(_) => {
                "Event".to_owned()
            }
        }
    }
}
