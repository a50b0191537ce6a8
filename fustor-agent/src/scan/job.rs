//! One directory that is to be read, and the cycle that it belongs to.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fustor_core::client::Reading;
use fustor_core::{BootTime, ViewPath};

use super::register::Spot;
use crate::clock;

/// How much of a subtree a job stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// This directory.
    One,
    /// It and everything below.
    Below,
    /// It and what is below and not watched yet: it has just arrived, and the kernel may report parts of it too.
    Arrived,
    /// It and everything below, as far as it has changed since it was told or its turn to be read has come.
    Changed,
}

/// What is to be done with a directory first.
#[derive(Clone, Debug)]
pub(crate) enum First {
    /// It is read.
    Read,
    /// It is looked at, and read if it has changed.
    Look,
    /// It was looked at and has not changed: these directories in it are looked at.
    LookAt(Box<[u32]>),
}

/// One directory to read.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) path: ViewPath,
    /// The open parent, when there was a descriptor to spare.
    pub(crate) parent: Option<Arc<Kept>>,
    /// The parent's watch: it moves with the parent, while `path` may have become wrong.
    pub(crate) parent_watch: Option<i32>,
    /// Its own watch, when it has one: it tells where the directory is now.
    pub(crate) watch: Option<i32>,
    pub(crate) scope: Scope,
    pub(crate) first: First,
    /// Where its parent and itself stand among what is remembered.
    pub(crate) above: Option<Spot>,
    pub(crate) spot: Option<Spot>,
    /// At which version of the table of watches `path` was right, when that is known.
    pub(crate) version: Option<u64>,
    /// Whether its path was found to be none that is excluded.
    pub(crate) vetted: bool,
    /// Since when its path did not lead to it, and which path that was.
    pub(crate) doubt: Option<(BootTime, ViewPath)>,
    /// How often it was tried in vain.
    pub(crate) tries: u8,
    /// Whether it was reported as not covered, so that success is worth a report too.
    pub(crate) troubled: bool,
    /// What waits for it.
    pub(crate) run: Option<Arc<Run>>,
    /// Whether its cycle begins with it.
    pub(crate) opens: bool,
}

impl Job {
    pub(crate) fn new(path: ViewPath, scope: Scope) -> Self {
        Self {
            path,
            parent: None,
            parent_watch: None,
            watch: None,
            version: None,
            vetted: false,
            scope,
            first: First::Read,
            above: None,
            spot: None,
            doubt: None,
            tries: 0,
            troubled: false,
            run: None,
            opens: false,
        }
    }

    /// The same, of a directory that has this watch.
    pub(crate) fn watched(self, watch: Option<i32>) -> Self {
        Self { watch, ..self }
    }

    /// The same, for a run.
    pub(crate) fn within(self, run: &Arc<Run>) -> Self {
        Self { run: Some(Arc::clone(run)), ..self }
    }

    /// Whether only watches are wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.purpose() == Purpose::Walk)
    }

    /// The same, of a directory whose parent has this watch.
    pub(crate) fn below(self, parent_watch: Option<i32>) -> Self {
        Self { parent_watch, ..self }
    }
}

/// An open directory whose children are still to be opened, counted against the limit of descriptors.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) fd: OwnedFd,
    open: Arc<AtomicUsize>,
    scarce: bool,
}

impl Kept {
    /// Keeps a directory open unless `limit` others already are.
    pub(crate) fn within(fd: OwnedFd, open: &Arc<AtomicUsize>, limit: usize) -> Option<Arc<Self>> {
        let others = open.fetch_add(1, Ordering::Relaxed);
        if others >= limit {
            open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let scarce = others >= limit - limit / 8;
        Some(Arc::new(Self { fd, open: Arc::clone(open), scarce }))
    }

    /// Whether to keep it for the first child only, which is next to be read: without it a long chain with something at
    /// its side would be walked from the root for each of its directories.
    pub(crate) const fn is_scarce(&self) -> bool {
        self.scarce
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A scan of the whole tree, with a begin and an end.
    Cycle(Reading),
    /// Watching the whole tree: nothing is told of what is there.
    Walk,
    /// What somebody asked for under this number.
    Order(u64),
}

/// Directories that are read for one purpose.
#[derive(Debug)]
pub(crate) struct Run {
    purpose: Purpose,
    since: BootTime,
    left: AtomicUsize,
}

impl Run {
    /// A run that waits for one directory.
    pub(crate) fn begin(purpose: Purpose) -> Arc<Self> {
        Arc::new(Self { purpose, since: clock::now(), left: AtomicUsize::new(1) })
    }

    pub(crate) const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// When it began.
    pub(crate) const fn since(&self) -> BootTime {
        self.since
    }

    pub(crate) fn expect(&self, directories: usize) {
        self.left.fetch_add(directories, Ordering::Relaxed);
    }

    /// One directory is done. True: it was the last one.
    pub(crate) fn done(&self) -> bool {
        self.left.fetch_sub(1, Ordering::AcqRel) == 1
    }
}
