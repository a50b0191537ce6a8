//! The client of a fusion: `fustor.Client`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fustor_client::{
    Client as CoreClient, ClientConfig, ClientError, Follow as CoreFollow, List, Require, Top,
    ViewHandle,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use crate::conditions::Conditions;
use crate::entries::Entries;
use crate::entry::Entry;
use crate::error;
use crate::path::PathLike;
use crate::totals::{Changes, Settled, Stats, Trust};

/// A client of one fusion. Any thread may use it; its connections are shared.
#[pyclass(frozen, module = "fustor")]
pub(crate) struct Client(CoreClient);

/// One view of a fusion.
#[pyclass(frozen, module = "fustor")]
pub(crate) struct ClientView(ViewHandle);

/// Changes of a view, asked for again and again.
#[pyclass(frozen, module = "fustor")]
pub(crate) struct Follow(Mutex<CoreFollow>);

fn bytes(path: Option<PathLike>) -> Vec<u8> {
    path.map(|path| path.0).unwrap_or_default()
}

#[pymethods]
impl Client {
    /// A client of the fusion at `url`, such as "http://127.0.0.1:8101". `key` is a query key; `timeout` is how many
    /// seconds an answer may take. Nothing is sent yet.
    #[new]
    #[pyo3(signature = (url, key=None, *, timeout=30.0))]
    fn new(url: String, key: Option<String>, timeout: f64) -> PyResult<Self> {
        let timeout = Duration::try_from_secs_f64(timeout).map_err(|_| {
            PyValueError::new_err(format!("timeout is {timeout}, it must be a number of seconds"))
        })?;
        let config = ClientConfig { key, timeout, ..ClientConfig::new(url) };
        CoreClient::new(&config).map(Self).map_err(error::client)
    }

    /// A view by its name.
    fn view(&self, name: &str) -> ClientView {
        ClientView(self.0.view(name))
    }

    /// Whether no route answers that it is too early.
    fn is_ready(&self, py: Python<'_>) -> PyResult<bool> {
        py.detach(|| self.0.is_ready()).map_err(error::client)
    }

    /// The figures for Prometheus, as text.
    fn metrics(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| self.0.metrics()).map_err(error::client)
    }
}

impl ClientView {
    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        ask: impl FnOnce(&ViewHandle) -> Result<T, ClientError> + Send,
    ) -> PyResult<T> {
        py.detach(|| ask(&self.0)).map_err(error::client)
    }
}

#[pymethods]
impl ClientView {
    /// The totals of a path and everything below it.
    #[pyo3(signature = (path=None))]
    fn stats(&self, py: Python<'_>, path: Option<PathLike>) -> PyResult<Stats> {
        let path = bytes(path);
        Ok(self.ask(py, |view| view.subtree_stats(&path))?.into())
    }

    /// The entry at a path.
    fn entry(&self, py: Python<'_>, path: PathLike) -> PyResult<Entry> {
        let found = self.ask(py, |view| view.metadata(&path.0))?;
        Ok(Entry::told(&found.entry))
    }

    /// How far the picture can be trusted.
    #[pyo3(signature = (path=None))]
    fn trust(&self, py: Python<'_>, path: Option<PathLike>) -> PyResult<Trust> {
        let list = List { path: bytes(path), limit: Some(1), ..List::default() };
        Ok(self.ask(py, |view| view.list(&list))?.trust.into())
    }

    /// The entries of one directory, by name; page by page, all of one revision. `trusted`: raise NotReady rather than
    /// answer with less than is trusted.
    #[pyo3(signature = (path=None, *, trusted=false))]
    fn list(&self, path: Option<PathLike>, trusted: bool) -> Entries {
        let require = if trusted { Require::Trusted } else { Require::Unsaid };
        let list = List { path: bytes(path), require, ..List::default() };
        Entries::remote(self.0.list_all(list))
    }

    /// The entries below a directory that satisfy every condition, as Snapshot.find; page by page, all of one revision.
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
    ) -> Entries {
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
        Entries::remote(self.0.find_all(conditions.remote()))
    }

    /// The biggest ("size"), fullest ("files") or busiest ("change") children of a directory, the greatest first.
    #[pyo3(signature = (path=None, *, by="size", limit=20))]
    fn top(
        &self,
        py: Python<'_>,
        path: Option<PathLike>,
        by: &str,
        limit: usize,
    ) -> PyResult<Vec<Entry>> {
        let top = Top { path: bytes(path), by: Some(by.to_owned()), limit: Some(limit) };
        let found = self.ask(py, |view| view.top(&top))?;
        Ok(found.entries.iter().map(|top| Entry::told(&top.entry)).collect())
    }

    /// Whether nothing below a path changed for `quiet_sec` seconds; waits up to `wait_sec` seconds until it is so.
    #[pyo3(signature = (path=None, *, quiet_sec=None, wait_sec=0))]
    fn settled(
        &self,
        py: Python<'_>,
        path: Option<PathLike>,
        quiet_sec: Option<u64>,
        wait_sec: u64,
    ) -> PyResult<Settled> {
        let path = bytes(path);
        Ok(self.ask(py, |view| view.settled(&path, quiet_sec, wait_sec))?.into())
    }

    /// What differs since a revision that an earlier answer named in `to_revision`; raises Gone when that is no longer
    /// kept.
    #[pyo3(signature = (since, *, limit=None))]
    fn changes(&self, py: Python<'_>, since: &str, limit: Option<usize>) -> PyResult<Changes> {
        let found = self.ask(py, |view| view.changes(since, limit))?;
        Changes::told(py, found)
    }

    /// Changes from now on.
    fn follow(&self, py: Python<'_>) -> PyResult<Follow> {
        Ok(Follow(Mutex::new(self.ask(py, ViewHandle::follow)?)))
    }

    /// Asks for a scan of a path; the id of the job.
    #[pyo3(signature = (path=None, *, recursive=true))]
    fn scan(&self, py: Python<'_>, path: Option<PathLike>, recursive: bool) -> PyResult<String> {
        let path = path.unwrap_or_else(PathLike::root);
        Ok(self.ask(py, |view| view.scan(&path.0, recursive))?.job_id)
    }

    /// How a scan that was asked for fares: "PENDING", "RUNNING", "COMPLETED", "PARTIAL" or "FAILED".
    fn job(&self, py: Python<'_>, id: &str) -> PyResult<String> {
        Ok(self.ask(py, |view| view.job(id))?.status)
    }
}

#[pymethods]
impl Follow {
    /// What changed since the last call, or since the beginning.
    #[pyo3(signature = (*, limit=None))]
    fn next_changes(&self, py: Python<'_>, limit: Option<usize>) -> PyResult<Changes> {
        let mut follow = self.0.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let follow = &mut *follow;
        let found = py.detach(|| follow.next_changes(limit)).map_err(error::client)?;
        Changes::told(py, found)
    }
}
