//! `stop`: asks the process to end, then insists.

use std::process::ExitCode;

use super::{Files, PROGRAM, fail};
use crate::args::StopArgs;

/// Ends the running process.
#[must_use]
pub fn stop(args: &StopArgs) -> ExitCode {
    if !args.configs.is_empty() {
        return fail(
            "single pipes cannot be stopped; remove them from the configuration and restart",
        );
    }
    match Files::find() {
        Ok(files) => PROGRAM.stop(&files.pid),
        Err(error) => fail(error),
    }
}
