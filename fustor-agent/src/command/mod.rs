//! What each command of `fustor-agent` does. Every one ends with a code that tells whether it did.

mod doctor;
mod inquire;
mod service;
mod start;
mod stop;

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::program::command::{Program, say, tell};
use crate::program::home::{HomeError, home};
use crate::program::yaml::Report;
use crate::settings::{CONFIG_DIR, Config, read};

pub use doctor::doctor;
pub use inquire::{list, reload, status, validate};
pub use service::{Options, Service};
pub use start::start;
pub use stop::stop;

/// How this program speaks of itself.
const PROGRAM: Program = Program { command: "fustor-agent", name: "Agent" };

/// The files of a process below its home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The configuration.
    pub config: PathBuf,
    /// Who this agent is.
    pub id: PathBuf,
    /// Who runs.
    pub pid: PathBuf,
    /// Where the process can be asked.
    pub socket: PathBuf,
    /// The log of a process in the background.
    pub log: PathBuf,
    /// What pipes remember.
    pub state: PathBuf,
}

impl Files {
    /// The files of this user's process.
    ///
    /// # Errors
    /// When the environment names no home.
    pub fn find() -> Result<Self, HomeError> {
        let home = home()?;
        Ok(Self {
            config: home.join(CONFIG_DIR),
            id: home.join("agent.id"),
            pid: home.join("agent.pid"),
            socket: home.join("agent.sock"),
            log: home.join("logs").join("agent.log"),
            state: home.join("agent-state"),
        })
    }
}

/// The configuration in the files; what is wrong or odd is told.
fn examine(files: &Files) -> Option<Config> {
    let report = Report::default();
    let config = read(&files.config, &report);
    tell(&report);
    config
}

/// A line on standard error, and the code of failure.
fn fail(text: impl Display) -> ExitCode {
    PROGRAM.fail(text)
}
