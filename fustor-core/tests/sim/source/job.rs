//! One directory that is to be read, and what waits for it. Mirrors `fustor-agent/src/scan/job.rs`.

use fustor_core::{BootTime, ViewPath};

pub(crate) type RunId = u64;

/// How much of a subtree a job stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    One,
    Below,
    Arrived,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Cycle,
    Walk,
    Order(u64),
}

/// Directories that are read for one purpose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) purpose: Purpose,
    pub(crate) left: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) path: ViewPath,
    /// The open parent.
    pub(crate) parent: Option<u64>,
    pub(crate) parent_watch: Option<i32>,
    pub(crate) watch: Option<i32>,
    pub(crate) scope: Scope,
    pub(crate) version: Option<u64>,
    pub(crate) doubt: Option<(BootTime, ViewPath)>,
    pub(crate) tries: u8,
    pub(crate) troubled: bool,
    pub(crate) run: Option<RunId>,
    /// Whether only watches are wanted.
    pub(crate) quiet: bool,
    pub(crate) opens: bool,
}

impl Job {
    pub(crate) const fn new(path: ViewPath, scope: Scope) -> Self {
        Self {
            path,
            parent: None,
            parent_watch: None,
            watch: None,
            scope,
            version: None,
            doubt: None,
            tries: 0,
            troubled: false,
            run: None,
            quiet: false,
            opens: false,
        }
    }

    pub(crate) fn watched(self, watch: Option<i32>) -> Self {
        Self { watch, ..self }
    }

    pub(crate) fn within(self, run: RunId, purpose: Purpose) -> Self {
        Self { run: Some(run), quiet: purpose == Purpose::Walk, ..self }
    }

    pub(crate) fn below(self, parent_watch: Option<i32>) -> Self {
        Self { parent_watch, ..self }
    }
}
