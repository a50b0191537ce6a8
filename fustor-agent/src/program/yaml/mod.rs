//! Configuration from a directory of YAML files, read so that every fault is told with its file and line.
//!
//! ```
//! use fustor_agent::program::yaml::{Report, load};
//! let dir = tempfile::tempdir()?;
//! std::fs::write(dir.path().join("a.yaml"), "port: 8101\nhots: x\n")?;
//! let report = Report::default();
//! let mut table = load(dir.path(), &[], &report);
//! assert_eq!(table.whole("port", 1..=65_535).map(|port| port.value), Some(8101));
//! table.text("host");
//! table.finish();
//! assert!(report.faults()[0].to_string().ends_with("a.yaml:2: unknown key \"hots\"; did you mean \"host\"?"));
//! # Ok::<(), std::io::Error>(())
//! ```

mod load;
mod node;
mod report;
mod table;

pub use load::load;
pub use node::{Name, Node, Value, parse};
pub use report::{Place, Remark, Report};
pub use table::{Marked, Table};
