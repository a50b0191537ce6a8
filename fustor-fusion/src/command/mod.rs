//! What each command of `fustor-fusion` does. Every one ends with a code that tells whether it did.

mod inquire;
mod limits;
mod select;
mod start;
mod stop;
mod watch;

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

use fustor_agent::program::command::Program;
pub(crate) use fustor_agent::program::command::say;
use fustor_agent::program::home::{HomeError, home};

pub use inquire::{list, reload, status, validate};
pub use select::{SelectError, select};
pub use start::start;
pub use stop::stop;
pub use watch::watch;

/// How this program speaks of itself.
const PROGRAM: Program = Program { command: "fustor-fusion", name: "Fusion" };

/// The files of a process below its home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The home itself.
    pub home: PathBuf,
    /// The configuration.
    pub config: PathBuf,
    /// Who runs.
    pub pid: PathBuf,
    /// Where the process can be asked.
    pub socket: PathBuf,
    /// The log of a process in the background.
    pub log: PathBuf,
}

impl Files {
    /// The files of this user's process.
    ///
    /// # Errors
    /// When the environment names no home.
    pub fn find() -> Result<Self, HomeError> {
        let home = home()?;
        Ok(Self {
            config: home.join(crate::config::CONFIG_DIR),
            pid: home.join("fusion.pid"),
            socket: home.join("fusion.sock"),
            log: home.join("logs").join("fusion.log"),
            home,
        })
    }
}

/// A line on standard error, and the code of failure.
pub(crate) fn fail(text: impl Display) -> ExitCode {
    PROGRAM.fail(text)
}
