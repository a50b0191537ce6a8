//! Paths of Python and paths of a view: bytes here, `str` with `surrogateescape` there.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use fustor_core::ViewPath;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// What `os.fsencode` takes: `str`, `bytes` or something with `__fspath__`.
#[derive(Clone, Debug)]
pub(crate) struct PathLike(pub(crate) Vec<u8>);

impl<'a, 'py> FromPyObject<'a, 'py> for PathLike {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self(bytes.as_bytes().to_vec()));
        }
        let path: PathBuf = object.extract()?;
        Ok(Self(path.into_os_string().into_vec()))
    }
}

impl PathLike {
    pub(crate) fn root() -> Self {
        Self(b"/".to_vec())
    }

    pub(crate) fn to_view(&self) -> PyResult<ViewPath> {
        ViewPath::parse(&self.0).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    pub(crate) fn to_path(&self) -> PathBuf {
        PathBuf::from(OsStr::from_bytes(&self.0))
    }
}

/// The text that `os.fsencode` turns back into these bytes.
pub(crate) fn text<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(PyString::new(py, text)),
        Err(_) => {
            let Ok(text) = OsStr::from_bytes(bytes).into_pyobject(py);
            Ok(text)
        }
    }
}
