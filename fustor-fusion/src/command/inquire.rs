//! `status`, `list` and `reload` ask the running process; `validate` looks at the files.

use std::process::ExitCode;
use std::time::Duration;

use fustor_agent::program::command::{entries, tell, text};
use fustor_agent::program::control::{AskError, Question, ask};
use fustor_agent::program::yaml::Report;
use serde_json::Value;

use super::{Files, PROGRAM, fail, say};
use crate::args::{ListArgs, StatusArgs};
use crate::config::{self, Config};

/// An answer takes no longer, except a reload's, which reads files.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the running process says of itself.
#[must_use]
pub fn status(args: &StatusArgs) -> ExitCode {
    let answer = match inquire(&Question::Status { pipe: args.pipe.clone() }) {
        Ok(answer) => answer,
        Err(code) => return code,
    };
    if args.json {
        say(&answer);
        return ExitCode::SUCCESS;
    }
    say(format_args!("Fusion: RUNNING, PID {}, for {} s", answer["pid"], answer["uptime_sec"]));
    say(format_args!("views at {}", text(&answer["views_at"])));
    for (id, at) in entries(&answer["receivers_at"]) {
        say(format_args!("receiver {id} at {}", text(at)));
    }
    for (id, pipe) in entries(&answer["pipes"]) {
        let leader = pipe["leader_session"].as_str().unwrap_or("nobody");
        say(format_args!(
            "pipe {id}: {}, {} sessions, leader {leader}, {} events applied, {} errors",
            text(&pipe["synced"]),
            pipe["active_sessions"],
            pipe["statistics"]["events_processed"],
            pipe["statistics"]["errors"],
        ));
    }
    ExitCode::SUCCESS
}

/// What is configured, in the running process if there is one.
#[must_use]
pub fn list(args: &ListArgs) -> ExitCode {
    let files = match Files::find() {
        Ok(files) => files,
        Err(error) => return fail(error),
    };
    match ask(&files.socket, &Question::List, PATIENCE) {
        Ok(answer) if args.json => say(&answer),
        Ok(answer) => {
            for (id, pipe) in entries(&answer["pipes"]) {
                let views = pipe["views"].as_array().into_iter().flatten().map(text);
                let views = views.collect::<Vec<_>>().join(", ");
                say(format_args!("{id}: RUNNING, {} -> {views}", text(&pipe["receiver"])));
            }
        }
        Err(AskError::Nobody { .. }) => return list_files(&files),
        Err(error) => return fail(error),
    }
    ExitCode::SUCCESS
}

fn list_files(files: &Files) -> ExitCode {
    let Some(config) = examine(files) else { return ExitCode::FAILURE };
    for (id, pipe) in &config.pipes {
        say(format_args!("{id}: STOPPED, {} -> {}", pipe.receiver, pipe.views.join(", ")));
    }
    ExitCode::SUCCESS
}

/// Has the running process read its configuration again.
#[must_use]
pub fn reload() -> ExitCode {
    let answer = match inquire(&Question::Reload) {
        Ok(answer) => answer,
        Err(code) => return code,
    };
    PROGRAM.reloaded(&answer)
}

/// Looks at the files, without a process.
#[must_use]
pub fn validate() -> ExitCode {
    let files = match Files::find() {
        Ok(files) => files,
        Err(error) => return fail(error),
    };
    let Some(config) = examine(&files) else { return ExitCode::FAILURE };
    say(format_args!(
        "{}: {} receivers, {} views, {} pipes: no fault",
        files.config.display(),
        config.receivers.len(),
        config.views.len(),
        config.pipes.len()
    ));
    ExitCode::SUCCESS
}

/// The configuration in the files; what is wrong or odd is told.
fn examine(files: &Files) -> Option<Config> {
    let report = Report::default();
    let config = config::read(&files.config, &report);
    tell(&report);
    config
}

fn inquire(question: &Question) -> Result<Value, ExitCode> {
    let files = Files::find().map_err(fail)?;
    PROGRAM.inquire(&files.socket, question, PATIENCE)
}
