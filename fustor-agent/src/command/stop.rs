//! `stop`: asks the process to end, then insists.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::program::pidfile::running;
use rustix::process::{Pid, Signal, kill_process};

use super::{Files, fail, say};
use crate::args::StopArgs;

/// The process has so long to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);
/// And so long to be gone after it was killed.
const KILLED: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// Ends the running process.
#[must_use]
pub fn stop(args: &StopArgs) -> ExitCode {
    if !args.configs.is_empty() {
        return fail(
            "single pipes cannot be stopped; disable them in the configuration and reload",
        );
    }
    let files = match Files::find() {
        Ok(files) => files,
        Err(error) => return fail(error),
    };
    let pid = match running(&files.pid) {
        Ok(Some(pid)) => pid,
        Ok(None) => {
            say("Agent is not running");
            return ExitCode::SUCCESS;
        }
        Err(error) => return fail(error),
    };
    let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return fail(format_args!("{pid} is no process"));
    };
    if let Err(error) = kill_process(process, Signal::TERM) {
        return fail(format_args!("cannot stop PID {pid}: {error}"));
    }
    if gone(&files, PATIENCE) {
        say(format_args!("Agent stopped (PID {pid})"));
        return ExitCode::SUCCESS;
    }
    if let Err(error) = kill_process(process, Signal::KILL) {
        tracing::debug!(%error, "it ended by itself");
    }
    if gone(&files, KILLED) {
        say(format_args!("Agent killed (PID {pid}): it did not stop within {PATIENCE:?}"));
        return ExitCode::SUCCESS;
    }
    fail(format_args!("PID {pid} does not end"))
}

fn gone(files: &Files, within: Duration) -> bool {
    let late = Instant::now() + within;
    loop {
        if matches!(running(&files.pid), Ok(None)) {
            return true;
        }
        if Instant::now() >= late {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}
