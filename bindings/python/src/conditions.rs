//! The conditions of a search, once for a snapshot and once for a fusion.

use fustor_client::Find;
use fustor_core::StorageTime;
use fustor_core::query::{FindArgs, Kinds};
use pyo3::prelude::*;

use crate::error;
use crate::path::PathLike;

/// What an entry must satisfy, as keywords gave it.
pub(crate) struct Conditions {
    pub(crate) path: Option<PathLike>,
    pub(crate) name: Option<PathLike>,
    pub(crate) contains: Option<PathLike>,
    pub(crate) regex: Option<String>,
    pub(crate) kinds: Option<String>,
    pub(crate) min_size: Option<u64>,
    pub(crate) max_size: Option<u64>,
    pub(crate) newer_ns: Option<i64>,
    pub(crate) older_ns: Option<i64>,
    pub(crate) depth: Option<u32>,
}

impl Conditions {
    pub(crate) fn local(self) -> PyResult<FindArgs> {
        let kinds = self.kinds.as_deref().map(Kinds::parse).transpose();
        Ok(FindArgs {
            name: self.name.map(|name| name.0),
            contains: self.contains.map(|part| part.0),
            regex: self.regex,
            kinds: kinds.map_err(|error| error::value(&error))?.unwrap_or(Kinds::ALL),
            min_size: self.min_size,
            max_size: self.max_size,
            newer: self.newer_ns.map(StorageTime),
            older: self.older_ns.map(StorageTime),
            depth: self.depth,
            ..FindArgs::below(self.path.unwrap_or_else(PathLike::root).to_view()?)
        })
    }

    pub(crate) fn remote(self) -> Find {
        Find {
            path: self.path.map(|path| path.0).unwrap_or_default(),
            name: self.name.map(|name| name.0),
            contains: self.contains.map(|part| part.0),
            regex: self.regex,
            kinds: self.kinds,
            min_size: self.min_size,
            max_size: self.max_size,
            newer_ns: self.newer_ns,
            older_ns: self.older_ns,
            depth: self.depth,
            ..Find::default()
        }
    }
}
