//! Reading directories on several threads: what is to be read, by whom, and what it gave.

mod job;
mod list;
mod pass;
mod register;
mod scanner;
mod shelf;
mod vigil;
mod watchdog;
mod worker;

#[cfg(test)]
mod tests;

pub(crate) use job::{Job, Purpose, Run, Scope};
pub(crate) use list::Names;
pub(crate) use scanner::{Fault, Scanner, Setup};
pub(crate) use vigil::Vigil;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// What the scanner has done so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) entries: AtomicU64,
    pub(crate) directories: AtomicU64,
    pub(crate) unreadable: AtomicU64,
    pub(crate) failing: AtomicU64,
    pub(crate) hanging: AtomicU64,
    pub(crate) restless: AtomicU64,
    pub(crate) vanished: AtomicU64,
    pub(crate) moved: AtomicU64,
    pub(crate) uncovered: AtomicU64,
    /// Directories that audits have looked at, and those of them that had not changed.
    pub(crate) looked: AtomicU64,
    pub(crate) silent: AtomicU64,
    /// Since when each directory was read at least once, on the boot clock; 0: not known.
    pub(crate) read_since: AtomicI64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}
