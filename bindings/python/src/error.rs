//! Refusals as the exceptions of `fustor._errors`, which carry what the refusal carries.

use fustor_client::ClientError;
use fustor_core::ViewPath;
use fustor_core::query::{FindError, ListError, NotFound};
use fustor_local::ScanError;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyNotADirectoryError, PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// An exception of `fustor._errors`; whatever goes wrong while it is made is raised instead.
fn raise<'py>(
    py: Python<'py>,
    name: &str,
    args: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
) -> PyErr {
    let made = args
        .into_pyobject(py)
        .and_then(|args| py.import("fustor._errors")?.getattr(name)?.call1(args));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// What an error of the client is in Python.
pub(crate) fn client(error: ClientError) -> PyErr {
    Python::attach(|py| {
        let text = error.to_string();
        match error {
            ClientError::Address(_) | ClientError::Key => PyValueError::new_err(text),
            ClientError::Setup(_) => PyOSError::new_err(text),
            ClientError::Unreachable(_) => raise(py, "Unreachable", (text,)),
            ClientError::Timeout(_) => raise(py, "RequestTimeout", (text,)),
            ClientError::BadRequest(_) => raise(py, "BadRequest", (text,)),
            ClientError::Auth { status, detail } => raise(py, "AuthError", (detail, status)),
            ClientError::NotFound(_) => raise(py, "NotFound", (text,)),
            ClientError::Gone(_) => raise(py, "Gone", (text,)),
            ClientError::LimitExceeded { current_count, limit } => {
                raise(py, "LimitExceeded", (text, current_count, limit))
            }
            ClientError::Busy { retry_after, detail } => raise(py, "Busy", (detail, retry_after)),
            ClientError::NotReady { retry_after, detail } => {
                raise(py, "NotReady", (detail, retry_after))
            }
            ClientError::Status { .. } | ClientError::Malformed(_) => {
                raise(py, "ServerError", (text,))
            }
        }
    })
}

/// What a scan that did not come to its end is in Python.
pub(crate) fn scan(error: &ScanError) -> PyErr {
    Python::attach(|py| match error {
        ScanError::Root { root, error } => {
            let Some(code) = error.raw_os_error() else {
                return PyOSError::new_err(error.to_string());
            };
            let Ok(root) = root.into_py_any(py) else { return PyOSError::new_err(code) };
            // With a number and a name Python chooses the subclass, such as FileNotFoundError.
            PyOSError::new_err((code, strerror(error), root))
        }
        ScanError::Start(_) | ScanError::RootLost(_) => PyOSError::new_err(error.to_string()),
        ScanError::OtherRoot(_) => PyValueError::new_err(error.to_string()),
        ScanError::Cancelled => raise(py, "Cancelled", (error.to_string(),)),
    })
}

/// The text of a system error without the number, which Python writes itself.
fn strerror(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

fn no_entry(path: &ViewPath) -> PyErr {
    Python::attach(|py| raise(py, "NotFound", (NotFound(path.clone()).to_string(),)))
}

/// Nothing is known at a path.
pub(crate) fn not_found(error: &NotFound) -> PyErr {
    no_entry(&error.0)
}

/// A search that was refused.
pub(crate) fn find(error: &FindError) -> PyErr {
    match error {
        FindError::NotFound(path) => no_entry(path),
        FindError::NotADirectory(_) => PyNotADirectoryError::new_err(error.to_string()),
        FindError::Contradiction(..)
        | FindError::Depth
        | FindError::Pattern(_)
        | FindError::Cursor(_) => PyValueError::new_err(error.to_string()),
    }
}

/// A directory that was not listed.
pub(crate) fn list(error: &ListError) -> PyErr {
    match error {
        ListError::NotFound(path) => no_entry(path),
        ListError::NotADirectory(_) => PyNotADirectoryError::new_err(error.to_string()),
        ListError::Cursor(_) => PyValueError::new_err(error.to_string()),
    }
}

/// An argument that makes no sense.
pub(crate) fn value(error: &dyn std::error::Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}
