//! `status`, `list` and `reload` ask the running process; `validate` looks at the files.

use std::io::{Write, stderr};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::{Files, NOT_RUNNING, examine, fail, say};
use crate::args::{ListArgs, StatusArgs};
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
    let lines = |key: &str| answer[key].as_array().cloned().unwrap_or_default();
    for changed in lines("changed") {
        say(text(&changed));
    }
    let mut out = stderr();
    for warning in lines("warnings") {
        drop(writeln!(out, "warning: {}", text(&warning)));
    }
    for fault in lines("faults") {
        drop(writeln!(out, "error: {}", text(&fault)));
    }
    if answer["reloaded"] == true {
        say("Configuration reloaded");
        return ExitCode::SUCCESS;
    }
    fail("the configuration did not take effect as a whole")
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
    match ask(&files.socket, question, PATIENCE) {
        Ok(answer) => match answer.get("error") {
            Some(error) => Err(fail(text(error))),
            None => Ok(answer),
        },
        Err(AskError::Nobody { .. }) => {
            say("Agent: STOPPED");
            Err(ExitCode::from(NOT_RUNNING))
        }
        Err(error) => Err(fail(error)),
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
