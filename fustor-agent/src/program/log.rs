//! Where a program's log goes and how much of it: text for people or objects for machines, changed while it runs.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use thiserror::Error;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// Overrides what the configuration says, in the syntax of `tracing`.
const VARIABLE: &str = "FUSTOR_LOG";

/// How much is logged; the names are those of 0.8 and of `tracing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What stops something.
    Error,
    /// What somebody should know.
    Warning,
    /// What happened.
    #[default]
    Info,
    /// What explains it.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// The names that are understood.
    pub const NAMES: &[&str] = &["ERROR", "WARNING", "INFO", "DEBUG", "TRACE", "WARN", "CRITICAL"];

    /// Reads a name without regard to case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "CRITICAL" | "FATAL" | "ERROR" => Some(Self::Error),
            "WARNING" | "WARN" => Some(Self::Warning),
            "INFO" => Some(Self::Info),
            "DEBUG" => Some(Self::Debug),
            "TRACE" => Some(Self::Trace),
            _ => None,
        }
    }

    /// As `tracing` names it.
    #[must_use]
    pub const fn directive(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines: one object a line.
    Json,
}

/// Where the log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// Standard error.
    #[default]
    Console,
    /// The end of a file.
    File(PathBuf),
}

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LogError {
    /// The file cannot be written.
    #[error("cannot open the log {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is one already.
    #[error("a log was started before")]
    Twice,
}

/// The running log.
#[derive(Clone, Debug)]
pub struct Log(reload::Handle<EnvFilter, Registry>);

impl Log {
    /// Logs more or less from now on, unless the environment decides.
    pub fn set_level(&self, level: Level) {
        // An error means that the log is gone with the program.
        drop(self.0.reload(filter(level)));
    }
}

/// Starts the log of this process.
///
/// # Errors
/// [`LogError`]; then nothing is logged.
pub fn start(level: Level, format: Format, target: &Target) -> Result<Log, LogError> {
    let (filter, handle) = reload::Layer::new(filter(level));
    let lines = match (format, target) {
        (Format::Text, Target::Console) => {
            let colours = io::stderr().is_terminal();
            fmt::layer().with_ansi(colours).with_writer(io::stderr).boxed()
        }
        (Format::Json, Target::Console) => fmt::layer().json().with_writer(io::stderr).boxed(),
        (Format::Text, Target::File(path)) => {
            fmt::layer().with_ansi(false).with_writer(Mutex::new(open(path)?)).boxed()
        }
        (Format::Json, Target::File(path)) => {
            fmt::layer().json().with_writer(Mutex::new(open(path)?)).boxed()
        }
    };
    let log = tracing_subscriber::registry().with(filter).with(lines);
    log.try_init().map_err(|_| LogError::Twice)?;
    Ok(Log(handle))
}

fn filter(level: Level) -> EnvFilter {
    EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(level.directive()))
}

fn open(path: &Path) -> Result<File, LogError> {
    let fault = |error| LogError::File { path: path.to_owned(), error };
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(fault)?;
    }
    OpenOptions::new().create(true).append(true).open(path).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_python_are_understood() {
        for name in Level::NAMES {
            assert!(Level::parse(&name.to_lowercase()).is_some(), "{name}");
        }
        assert_eq!(Level::parse("verbose"), None);
    }
}
