//! The agent library: scans and watches a directory tree and hands over what it sees; and tells whether a host can.
//!
//! ```no_run
//! use std::time::Duration;
//! use fustor_agent::{SourceConfig, outbox, start};
//!
//! let (sink, outlet) = outbox();
//! let source = start(SourceConfig::new("/srv/shared"), sink)?;
//! while let Some(sealed) = outlet.recv(Duration::from_secs(1)) {
//!     println!("{:?} {}: {} events", sealed.lane, sealed.seq, sealed.events.len());
//! }
//! source.stop();
//! # Ok::<(), fustor_agent::StartError>(())
//! ```
#![deny(missing_docs)]

pub mod args;
mod clock;
pub mod command;
mod config;
mod disk;
pub mod doctor;
mod filter;
mod index;
mod outbox;
pub mod program;
pub mod push;
mod scan;
pub mod settings;
mod source;
mod watch;

pub use config::{SCAN_WORKERS_MAX, SourceConfig, StartError, VERIFY_WITHIN};
pub use disk::root_identity;
pub use filter::{EXCLUDES_MAX, PATTERN_MAX};
pub use outbox::{Outlet, Sealed, Sink, outbox};
pub use source::{Errors, Progress, Source, start};
