//! `status`, `list` and `reload` ask the running process; `validate` looks at the files.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::{Files, PROGRAM, examine, fail, say};
use crate::args::{ListArgs, StatusArgs};
use crate::program::command::{entries, text};
use crate::program::control::{AskError, Question, ask};

/// An answer takes no longer; that of a reload waits for pipes that stop.
const PATIENCE: Duration = Duration::from_secs(30);

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
    say(format_args!(
        "Agent {}: RUNNING, PID {}, for {} s",
        text(&answer["agent_id"]),
        answer["pid"],
        answer["uptime_sec"]
    ));
    for (id, pipe) in entries(&answer["pipes"]) {
        say(format_args!("pipe {id}: {}", told(pipe)));
    }
    ExitCode::SUCCESS
}

fn told(pipe: &Value) -> String {
    let role = match pipe["role"].as_str() {
        Some("") | None => String::new(),
        Some(role) => format!(" as {role}"),
    };
    let trouble = pipe["trouble"].as_str();
    let trouble = trouble.map_or_else(String::new, |trouble| format!("; trouble: {trouble}"));
    format!(
        "{}{role}, {} -> {}, {} events told, {} wait, {} of {} scans complete, {} directories watched{trouble}",
        text(&pipe["state"]),
        text(&pipe["root"]),
        text(&pipe["fusion"]),
        pipe["events"],
        pipe["waiting"],
        pipe["scans"][1],
        pipe["scans"][0],
        pipe["watched"],
    )
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
                let (source, sender) = (text(&pipe["source"]), text(&pipe["sender"]));
                say(format_args!("{id}: RUNNING, {source} -> {sender}"));
            }
        }
        Err(AskError::Nobody { .. }) => {
            let Some(config) = examine(&files) else { return ExitCode::FAILURE };
            for (id, pipe) in &config.pipes {
                say(format_args!("{id}: STOPPED, {} -> {}", pipe.source, pipe.sender));
            }
        }
        Err(error) => return fail(error),
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
    say(format_args!("{}: {} pipes: no fault", files.config.display(), config.pipes.len()));
    ExitCode::SUCCESS
}

fn inquire(question: &Question) -> Result<Value, ExitCode> {
    let files = Files::find().map_err(fail)?;
    PROGRAM.inquire(&files.socket, question, PATIENCE)
}
