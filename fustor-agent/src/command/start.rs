//! `start`: in the foreground, or in the background with a wait until it works.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::{Files, Options, Service, examine, fail, say};
use crate::args::{LogFormat, StartArgs};
use crate::program::control::{Control, Question, ask};
use crate::program::log::{Format, Level, Log, LogError, Target};
use crate::program::pidfile::{PidError, PidFile, running};
use crate::program::{daemon, home, log};
use crate::push::{agent_id, host_name};
use crate::settings::Config;

/// A process in the background must answer within this.
const READY: Duration = Duration::from_secs(30);
/// Requests are few and their encoding is short; scans have threads of their own.
const RUNTIME_THREADS: usize = 2;

/// Runs the configured process, here or in the background.
#[must_use]
pub fn start(args: &StartArgs) -> ExitCode {
    let files = match Files::find() {
        Ok(files) => files,
        Err(error) => return fail(error),
    };
    if let Err(error) = home::create(&files.config) {
        return fail(error);
    }
    let Some(mut config) = examine(&files) else {
        return fail("not started: the configuration is faulty");
    };
    if let Err(error) = config.select(&args.configs) {
        return fail(error);
    }
    if config.pipes.is_empty() {
        return fail(format_args!("no pipe to start in {}", files.config.display()));
    }
    adjust(&mut config, args);
    if args.daemon { background(&files, args) } else { foreground(&files, args, config) }
}

fn adjust(config: &mut Config, args: &StartArgs) {
    if args.verbose {
        config.log_level = config.log_level.max(Level::Debug);
    }
}

fn foreground(files: &Files, args: &StartArgs, config: Config) -> ExitCode {
    if args.detached {
        daemon::detach();
    }
    let pid = match PidFile::take(&files.pid) {
        Ok(pid) => pid,
        Err(error) => return fail(held(&error)),
    };
    let outcome = start_log(files, args, &config)
        .map_err(|error| error.to_string())
        .and_then(|log| serve(files, args, config, log).map_err(|error| error.to_string()));
    drop(pid);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

fn serve(
    files: &Files,
    args: &StartArgs,
    config: Config,
    log: Log,
) -> Result<(), Box<dyn std::error::Error>> {
    let agent = match &config.agent_id {
        Some(id) => id.clone(),
        None => agent_id(&files.id)?,
    };
    let again = args.clone();
    let options = Options {
        dir: files.config.clone(),
        state: files.state.clone(),
        adjust: Box::new(move |config| {
            // What was started stays chosen, also when its file has gone.
            drop(config.select(&again.configs));
            adjust(config, &again);
        }),
        agent,
        host: host_name(),
        log: Some(log),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .thread_name("fustor-push")
        .enable_all()
        .build()?;
    let service = Service::start(runtime.handle(), config, options)?;
    let stopped = Arc::new(Notify::new());
    let (asked, ends) = (Arc::clone(&service), Arc::clone(&stopped));
    let control = Control::start(&files.socket, move |question| {
        asked.answer(question, || ends.notify_one())
    })?;
    let outcome = runtime.block_on(until_stopped(&service, &stopped));
    drop(control);
    runtime.block_on(service.stop());
    runtime.shutdown_background();
    Ok(outcome?)
}

/// Waits for a signal or a request to end; SIGHUP reloads.
async fn until_stopped(service: &Arc<Service>, stopped: &Notify) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            () = stopped.notified() => return Ok(()),
            _ = hangup.recv() => {
                let service = Arc::clone(service);
                // It waits for pipes, which a task must not.
                drop(std::thread::Builder::new().name("reload".to_owned()).spawn(move || service.reload()));
            }
        }
    }
}

fn start_log(files: &Files, args: &StartArgs, config: &Config) -> Result<Log, LogError> {
    let format = match args.log_format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    // In the background the console is the file already.
    let target = match args.no_console_log && !args.detached {
        true => Target::File(files.log.clone()),
        false => Target::Console,
    };
    log::start(config.log_level, format, &target)
}

fn background(files: &Files, args: &StartArgs) -> ExitCode {
    match running(&files.pid) {
        Ok(None) => (),
        Ok(pid) => return fail(held(&PidError::Running(pid))),
        Err(error) => return fail(error),
    }
    let background = match daemon::spawn(words(args), &files.log) {
        Ok(background) => background,
        Err(error) => return fail(error),
    };
    let question = Question::Status { pipe: None };
    let pid = background.pid();
    let answers = || {
        let answer = ask(&files.socket, &question, Duration::from_secs(5));
        answer.is_ok_and(|answer| answer["pid"] == pid)
    };
    match background.wait(READY, answers) {
        Ok(pid) => {
            say(format_args!("Agent started with PID: {pid}"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(error),
    }
}

/// The same command again, for the child.
fn words(args: &StartArgs) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["start".into(), "--detached".into()];
    words.extend(args.configs.iter().map(OsString::from));
    if args.verbose {
        words.push("--verbose".into());
    }
    if args.log_format == LogFormat::Json {
        words.extend(["--log-format".into(), "json".into()]);
    }
    words
}

fn held(error: &PidError) -> String {
    match error {
        PidError::Running(_) => format!("Agent {error}"),
        PidError::File { .. } => error.to_string(),
    }
}
