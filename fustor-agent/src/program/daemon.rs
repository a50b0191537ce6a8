//! The way into the background: the program starts itself again in a session of its own and waits until that works.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use thiserror::Error;

/// How often the parent looks whether the child is up.
const LOOK: Duration = Duration::from_millis(20);

/// Why the program is not in the background.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The log cannot be written.
    #[error("cannot open the log {path}: {error}")]
    Log {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The program cannot be started again.
    #[error("cannot start in the background: {0}")]
    Start(io::Error),
    /// It started and ended.
    #[error("ended at once ({status}); the last lines of {log}:\n{tail}", log = .log.display())]
    Ended {
        /// How.
        status: ExitStatus,
        /// Where it says why.
        log: PathBuf,
        /// The end of that.
        tail: String,
    },
    /// It runs and does not answer.
    #[error("runs with PID {pid} and was not ready within {waited:?}; see {log}", log = .log.display())]
    Slow {
        /// The process, which goes on.
        pid: u32,
        /// How long it had.
        waited: Duration,
        /// Where it says why.
        log: PathBuf,
    },
}

/// Starts this program again with other arguments, with its output appended to `log`. The child calls [`detach`].
///
/// # Errors
/// [`DaemonError`] when it cannot be started.
pub fn spawn(
    args: impl IntoIterator<Item = OsString>,
    log: &Path,
) -> Result<Background, DaemonError> {
    let fault = |error| DaemonError::Log { path: log.to_owned(), error };
    if let Some(dir) = log.parent() {
        std::fs::create_dir_all(dir).map_err(fault)?;
    }
    let file = OpenOptions::new().create(true).append(true).open(log).map_err(fault)?;
    let before = file.metadata().map_err(fault)?.len();
    let again = file.try_clone().map_err(fault)?;
    let program = std::env::current_exe().map_err(DaemonError::Start)?;
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(again)
        .spawn()
        .map_err(DaemonError::Start)?;
    Ok(Background { child, log: log.to_owned(), before })
}

/// Leaves the terminal and the session of the caller. Does nothing for a process that leads a session already.
pub fn detach() {
    if let Err(error) = rustix::process::setsid() {
        tracing::debug!(%error, "this process leads a group already");
    }
}

/// A program that was sent to the background.
#[derive(Debug)]
pub struct Background {
    child: Child,
    log: PathBuf,
    before: u64,
}

impl Background {
    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// [`DaemonError::Ended`] with what it left in its log, or [`DaemonError::Slow`].
    pub fn wait(
        mut self,
        within: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<u32, DaemonError> {
        let late = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().map_err(DaemonError::Start)? {
                let tail = tail(&self.log, self.before);
                return Err(DaemonError::Ended { status, log: self.log, tail });
            }
            if ready() {
                return Ok(self.child.id());
            }
            if Instant::now() >= late {
                let pid = self.child.id();
                return Err(DaemonError::Slow { pid, waited: within, log: self.log });
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// The last lines written since the file was `from` bytes long.
fn tail(log: &Path, from: u64) -> String {
    const LINES: usize = 20;
    let bytes = std::fs::read(log).unwrap_or_default();
    let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
    let text = String::from_utf8_lossy(&bytes[from..]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
