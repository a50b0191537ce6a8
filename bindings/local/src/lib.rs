//! A view in this process, filled by one scan and read through snapshots: what the Python and C libraries share.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use fustor_core::query::FindArgs;
//! use fustor_core::{View, ViewConfig, ViewPath};
//! use fustor_local::{ScanConfig, Walk, incarnation, scan};
//!
//! let mut view = View::new(ViewConfig::default(), incarnation());
//! scan(&mut view, &ScanConfig::new("/srv/shared"), &mut |_| ControlFlow::Continue(()))?;
//! let mut walk = Walk::new(&view.snapshot(), &FindArgs::below(ViewPath::root()))?;
//! for entry in walk.next_batch(1000) {
//!     println!("{}", String::from_utf8_lossy(&entry.path));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod clock;
mod differences;
mod incarnation;
mod scan;
mod walk;

pub use clock::Clock;
pub use differences::differences;
pub use fustor_agent::{Errors, Progress};
pub use incarnation::incarnation;
pub use scan::{STORAGE, ScanConfig, ScanError, scan};
pub use walk::Walk;
