//! The entries of an answer, one after the other or as columns.

use std::sync::{Mutex, PoisonError};

use fustor_client::Entries as Remote;
use fustor_core::Snapshot;
use fustor_core::query::{Entry as CoreEntry, FindArgs};
use fustor_local::Walk;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyCapsule;

use crate::arrow::{Rows, stream};
use crate::entry::Entry;
use crate::error;

/// Entries that are fetched from a snapshot while the lock of the interpreter is let go.
const BATCH: usize = 1024;

/// The entries of an answer.
///
/// An iterator that holds a few entries at a time. With `__arrow_c_stream__` it is also a table: of all entries of a
/// snapshot's answer, wherever the iteration stands, or of those of a fusion's answer that were not iterated over yet.
#[pyclass(frozen, module = "fustor")]
pub(crate) struct Entries {
    /// Taken before it is worked on without the interpreter's lock, and never waited for while that is held.
    state: Mutex<State>,
    question: Option<(Snapshot, FindArgs)>,
}

enum State {
    Local(Box<Walk>, std::vec::IntoIter<CoreEntry>),
    Remote(Box<Remote>),
}

impl State {
    fn next(&mut self, py: Python<'_>) -> PyResult<Option<Entry>> {
        match self {
            Self::Local(walk, batch) => {
                if batch.len() == 0 {
                    *batch = py.detach(|| walk.next_batch(BATCH)).into_iter();
                }
                Ok(batch.next().map(Entry))
            }
            Self::Remote(remote) => match py.detach(|| remote.next()) {
                None => Ok(None),
                Some(Ok(entry)) => Ok(Some(Entry::told(&entry))),
                Some(Err(error)) => Err(error::client(error)),
            },
        }
    }
}

impl Entries {
    pub(crate) fn local(snapshot: &Snapshot, args: FindArgs) -> PyResult<Self> {
        let walk = Walk::new(snapshot, &args).map_err(|error| error::find(&error))?;
        let state = State::Local(Box::new(walk), Vec::new().into_iter());
        Ok(Self { state: Mutex::new(state), question: Some((snapshot.clone(), args)) })
    }

    pub(crate) fn remote(remote: Remote) -> Self {
        Self { state: Mutex::new(State::Remote(Box::new(remote))), question: None }
    }

    fn rest(&self, py: Python<'_>) -> PyResult<Vec<CoreEntry>> {
        let mut state = self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let mut rest = Vec::new();
        while let Some(entry) = state.next(py)? {
            rest.push(entry.0);
        }
        Ok(rest)
    }
}

#[pymethods]
impl Entries {
    const fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Entry>> {
        let mut state = self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let entry = state.next(py)?;
        if entry.is_none() {
            // A long walk without a hit is worth a look at Ctrl-C.
            py.check_signals()?;
        }
        Ok(entry)
    }

    /// The entries as a stream of Arrow record batches, for polars, pandas, pyarrow and duckdb.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // What the consumer wishes is a wish: it casts what it gets.
        drop(requested_schema);
        let rows = match &self.question {
            Some((snapshot, args)) => Rows::Found(snapshot.clone(), Box::new(args.clone())),
            None => Rows::Told(self.rest(py)?),
        };
        stream(py, &rows)
    }
}
