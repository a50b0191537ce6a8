//! An immutable state of a view, and the questions to it.

use fustor_core::query::{
    Entry as CoreEntry, FindArgs, Limit, NotFound, SettledArgs, TopArgs, TopBy, settled,
    subtree_stats, top, trust,
};
use fustor_core::{Mono, Now, Snapshot as CoreSnapshot, Stamp, ViewPath};
use fustor_local::{Clock, differences};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::arrow::{Rows, stream};
use crate::conditions::Conditions;
use crate::entries::Entries;
use crate::entry::Entry;
use crate::error;
use crate::path::PathLike;
use crate::totals::{Changes, Settled, Stats, Trust};

/// One state of a view: immutable, cheap to keep, usable from any thread.
///
/// Paths are those within the view: "/" is the directory that was scanned. Methods that depend on the time take `now`
/// in nanoseconds since 1970 and read the clock when it is not given.
#[pyclass(frozen, module = "fustor")]
pub(crate) struct Snapshot(pub(crate) CoreSnapshot);

/// The time given, or that of the clock.
pub(crate) fn now_or_clock(now: Option<i64>) -> Now {
    now.map_or_else(|| Clock::start().now(), |ns| Now { mono: Mono(ns), wall: Stamp(ns) })
}

fn view_path(path: Option<PathLike>) -> PyResult<ViewPath> {
    path.map_or_else(|| Ok(ViewPath::root()), |path| path.to_view())
}

#[pymethods]
impl Snapshot {
    /// Which state this is.
    #[getter]
    fn revision(&self) -> String {
        self.0.revision().to_string()
    }

    /// How far what is known below a path can be trusted.
    #[pyo3(signature = (path=None, *, now=None))]
    fn trust(&self, path: Option<PathLike>, now: Option<i64>) -> PyResult<Trust> {
        Ok(trust(&self.0, now_or_clock(now), &view_path(path)?).into())
    }

    /// The entry at a path.
    fn entry(&self, path: PathLike) -> PyResult<Entry> {
        let path = path.to_view()?;
        let found = self.0.tree().lookup(&path).map(|row| CoreEntry::of(path.as_bytes(), &row));
        found.map(Entry).ok_or_else(|| error::not_found(&NotFound(path)))
    }

    fn __contains__(&self, path: PathLike) -> PyResult<bool> {
        Ok(self.0.tree().lookup(&path.to_view()?).is_some())
    }

    /// The entries of one directory, by name.
    #[pyo3(signature = (path=None))]
    fn list(&self, path: Option<PathLike>) -> PyResult<Entries> {
        let args = FindArgs { depth: Some(1), ..FindArgs::below(view_path(path)?) };
        Entries::local(&self.0, args)
    }

    /// Everything below a directory, in path order, a directory before what it holds.
    #[pyo3(signature = (path=None))]
    fn walk(&self, path: Option<PathLike>) -> PyResult<Entries> {
        Entries::local(&self.0, FindArgs::below(view_path(path)?))
    }

    /// The entries below a directory that satisfy every condition.
    ///
    /// `name` is a glob, `regex` is searched for in the name; only one of `name`, `contains` and `regex` may be given.
    /// `type` is a list such as "f,l" of f (file), d (directory), l (symlink), o (other).
    #[pyo3(signature = (path=None, *, name=None, contains=None, regex=None, r#type=None, min_size=None, max_size=None, newer_ns=None, older_ns=None, depth=None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords")]
    fn find(
        &self,
        path: Option<PathLike>,
        name: Option<PathLike>,
        contains: Option<PathLike>,
        regex: Option<String>,
        r#type: Option<String>,
        min_size: Option<u64>,
        max_size: Option<u64>,
        newer_ns: Option<i64>,
        older_ns: Option<i64>,
        depth: Option<u32>,
    ) -> PyResult<Entries> {
        let kinds = r#type;
        let conditions = Conditions {
            path,
            name,
            contains,
            regex,
            kinds,
            min_size,
            max_size,
            newer_ns,
            older_ns,
            depth,
        };
        Entries::local(&self.0, conditions.local()?)
    }

    /// The totals of a path and everything below it. They are kept, not counted.
    #[pyo3(signature = (path=None, *, now=None))]
    fn stats(&self, path: Option<PathLike>, now: Option<i64>) -> PyResult<Stats> {
        let found = subtree_stats(&self.0, now_or_clock(now), &view_path(path)?);
        found.map(Into::into).map_err(|error| error::not_found(&error))
    }

    /// The biggest ("size"), fullest ("files") or busiest ("change") children of a directory: pairs of the measure and
    /// the entry, the greatest first.
    #[pyo3(signature = (path=None, *, by="size", limit=20))]
    fn top(
        &self,
        py: Python<'_>,
        path: Option<PathLike>,
        by: &str,
        limit: usize,
    ) -> PyResult<Vec<(i128, Entry)>> {
        let by = TopBy::parse(by).map_err(|error| error::value(&error))?;
        let limit = Limit::new(limit).map_err(|error| error::value(&error))?;
        let args = TopArgs { path: view_path(path)?, by, limit };
        let found = py.detach(|| top(&self.0, now_or_clock(None), &args));
        let found = found.map_err(|error| error::list(&error))?;
        Ok(found.entries.into_iter().map(|(measure, entry)| (measure, Entry(entry))).collect())
    }

    /// Whether nothing below a path changed for `quiet_sec` seconds, and nothing may have changed unseen.
    #[pyo3(signature = (path=None, *, quiet_sec=30, now=None))]
    fn settled(
        &self,
        path: Option<PathLike>,
        quiet_sec: u64,
        now: Option<i64>,
    ) -> PyResult<Settled> {
        let args = SettledArgs { path: view_path(path)?, quiet_sec };
        let found = settled(&self.0, now_or_clock(now), &args);
        found.map(Into::into).map_err(|error| error::not_found(&error))
    }

    /// What differs between an earlier state of the same view and this one. More than 65 536 differences are
    /// told as one "resync".
    fn changes(&self, py: Python<'_>, since: &Bound<'_, Self>) -> PyResult<Changes> {
        let older = since.get();
        if older.0.revision().incarnation != self.0.revision().incarnation {
            let text = format!("{} is a revision of another view", older.revision());
            return Err(PyValueError::new_err(text));
        }
        let found = py.detach(|| differences(&older.0, &self.0));
        Changes::of(py, older.revision(), self.revision(), found)
    }

    /// Everything as a stream of Arrow record batches, for polars, pandas, pyarrow and duckdb.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema);
        let everything = Box::new(FindArgs::below(ViewPath::root()));
        stream(py, &Rows::Found(self.0.clone(), everything))
    }

    fn __repr__(&self) -> String {
        let totals = self.0.tree().meta(fustor_core::DirId::ROOT).totals;
        let (files, dirs) = (totals.files, totals.dirs + 1);
        format!("Snapshot({:?}, {files} files, {dirs} directories)", self.revision())
    }
}
