//! The extension module `fustor._fustor`: what the package `fustor` is made of.
//!
//! Everything that takes long runs without the lock of the interpreter. Classes are immutable or guard their state
//! themselves, so that any thread may use any object.

// Arguments are taken as the interpreter hands them over.
#![allow(clippy::needless_pass_by_value)]

mod applied;
mod arrow;
mod client;
mod conditions;
mod entries;
mod entry;
mod error;
mod event;
mod path;
mod scan;
mod snapshot;
mod totals;
mod view;

use pyo3::pymodule;

/// The compiled half of the package `fustor`.
#[pymodule]
mod _fustor {
    #[pymodule_export]
    use crate::applied::{Applied, Directive};
    #[pymodule_export]
    use crate::client::{Client, ClientView, Follow};
    #[pymodule_export]
    use crate::entries::Entries;
    #[pymodule_export]
    use crate::entry::{Entry, Facts};
    #[pymodule_export]
    use crate::event::Event;
    #[pymodule_export]
    use crate::scan::{ScanProgress, scan};
    #[pymodule_export]
    use crate::snapshot::Snapshot;
    #[pymodule_export]
    use crate::totals::{Change, Changes, Pending, Settled, Stats, Trust};
    #[pymodule_export]
    use crate::view::View;
}
