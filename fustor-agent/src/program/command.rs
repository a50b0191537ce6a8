//! What the command lines of both programs do alike: words, exit codes, the end of a process, questions to it.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::control::{AskError, Question, ask};
use super::pidfile::running;
use super::yaml::Report;

/// Nothing runs that could be asked; the number is that of the Linux Standard Base.
pub const NOT_RUNNING: u8 = 3;

/// The process has so long to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);
/// And so long to be gone after it was killed.
const KILLED: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// One of the programs, as it speaks of itself.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its command.
    pub command: &'static str,
    /// Its name in sentences.
    pub name: &'static str,
}

/// A line on standard output; a closed one is no reason to fail.
pub fn say(text: impl Display) {
    drop(writeln!(stdout(), "{text}"));
}

/// Tells what is wrong or odd in files.
pub fn tell(report: &Report) {
    let mut out = stderr();
    for warning in report.warnings() {
        drop(writeln!(out, "warning: {warning}"));
    }
    for fault in report.faults() {
        drop(writeln!(out, "error: {fault}"));
    }
}

/// The members of an object.
pub fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// A value for people: a text without its quotes.
#[must_use]
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Program {
    /// A line on standard error, and the code of failure.
    pub fn fail(&self, text: impl Display) -> ExitCode {
        drop(writeln!(stderr(), "{}: {text}", self.command));
        ExitCode::FAILURE
    }

    /// Ends the process that holds a file: asks it to, then insists.
    #[must_use]
    pub fn stop(&self, file: &Path) -> ExitCode {
        let name = self.name;
        let pid = match running(file) {
            Ok(Some(pid)) => pid,
            Ok(None) => {
                say(format_args!("{name} is not running"));
                return ExitCode::SUCCESS;
            }
            Err(error) => return self.fail(error),
        };
        let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return self.fail(format_args!("{pid} is no process"));
        };
        if let Err(error) = kill_process(process, Signal::TERM) {
            return self.fail(format_args!("cannot stop PID {pid}: {error}"));
        }
        if gone(file, PATIENCE) {
            say(format_args!("{name} stopped (PID {pid})"));
            return ExitCode::SUCCESS;
        }
        if let Err(error) = kill_process(process, Signal::KILL) {
            tracing::debug!(%error, "it ended by itself");
        }
        if gone(file, KILLED) {
            say(format_args!("{name} killed (PID {pid}): it did not stop within {PATIENCE:?}"));
            return ExitCode::SUCCESS;
        }
        self.fail(format_args!("PID {pid} does not end"))
    }

    /// Asks the running process, which has so long to answer.
    ///
    /// # Errors
    /// The code to end with, when it does not run or answers with an error; that was told.
    pub fn inquire(
        &self,
        socket: &Path,
        question: &Question,
        patience: Duration,
    ) -> Result<Value, ExitCode> {
        match ask(socket, question, patience) {
            Ok(answer) => match answer.get("error") {
                Some(error) => Err(self.fail(text(error))),
                None => Ok(answer),
            },
            Err(AskError::Nobody { .. }) => {
                say(format_args!("{}: STOPPED", self.name));
                Err(ExitCode::from(NOT_RUNNING))
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Tells what came of a reload.
    #[must_use]
    pub fn reloaded(&self, answer: &Value) -> ExitCode {
        let lines = |key: &str| answer[key].as_array().cloned().unwrap_or_default();
        for what in ["added", "removed", "changed"] {
            lines(what).iter().for_each(|one| say(format_args!("{what}: {}", text(one))));
        }
        let mut out = stderr();
        for warning in lines("warnings") {
            drop(writeln!(out, "warning: {}", text(&warning)));
        }
        for refused in lines("refused") {
            let (what, why) = (text(&refused["what"]), text(&refused["reason"]));
            drop(writeln!(out, "not changed: {what}: {why}"));
        }
        for fault in lines("faults") {
            drop(writeln!(out, "error: {}", text(&fault)));
        }
        if answer["reloaded"] == true {
            say("Configuration reloaded");
            return ExitCode::SUCCESS;
        }
        self.fail("the configuration did not take effect as a whole")
    }
}

fn gone(file: &Path, within: Duration) -> bool {
    let late = Instant::now() + within;
    loop {
        if matches!(running(file), Ok(None)) {
            return true;
        }
        if Instant::now() >= late {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}
