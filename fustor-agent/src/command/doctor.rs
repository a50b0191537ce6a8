//! `doctor`: whether this host can watch what it is to watch.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Files, examine, fail, say};
use crate::doctor;

/// Nothing could be said.
const UNKNOWN: u8 = 2;

/// Examines a directory, or every configured source.
#[must_use]
pub fn doctor(dir: Option<PathBuf>) -> ExitCode {
    let dirs = match dir {
        Some(dir) => BTreeSet::from([dir]),
        None => match configured() {
            Some(dirs) => dirs,
            None => return ExitCode::from(UNKNOWN),
        },
    };
    if dirs.is_empty() {
        fail("no pipe is configured that could be examined");
        return ExitCode::from(UNKNOWN);
    }
    let worst = dirs.iter().map(|dir| one(dir)).max().unwrap_or(UNKNOWN);
    ExitCode::from(worst)
}

fn configured() -> Option<BTreeSet<PathBuf>> {
    let files = Files::find().map_err(fail).ok()?;
    let config = examine(&files)?;
    Some(config.pipes.into_values().map(|pipe| pipe.observed.config.root).collect())
}

fn one(dir: &Path) -> u8 {
    match doctor::examine(dir) {
        Ok(report) => {
            say(&report);
            u8::from(!report.is_fine())
        }
        Err(error) => {
            fail(error);
            UNKNOWN
        }
    }
}
