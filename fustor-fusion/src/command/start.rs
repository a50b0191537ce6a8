//! `start`: in the foreground, or in the background with a wait until it works.

use std::ffi::OsString;
use std::io::{Write, stderr};
use std::process::ExitCode;
use std::time::Duration;

use fustor_agent::program::control::{Question, ask};
use fustor_agent::program::log::{Format, Level, Log, Target};
use fustor_agent::program::pidfile::{PidError, PidFile, running};
use fustor_agent::program::yaml::Report;
use fustor_agent::program::{daemon, home, log};
use tokio::signal::unix::{SignalKind, signal};

use super::{Files, fail, limits, say, select};
use crate::args::{LogFormat, StartArgs};
use crate::config::{self, Config};
use crate::service::{Options, run};

/// A process in the background must answer within this.
const READY: Duration = Duration::from_secs(30);

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
    let Some(config) = configured(&files, args) else { return ExitCode::FAILURE };
    if args.daemon { background(&files, args) } else { foreground(files, args, config) }
}

/// The configuration with what the command line says; what is wrong with it is told.
fn configured(files: &Files, args: &StartArgs) -> Option<Config> {
    let report = Report::default();
    let config = config::read(&files.config, &report);
    let mut out = stderr();
    for warning in report.warnings() {
        drop(writeln!(out, "warning: {warning}"));
    }
    for fault in report.faults() {
        drop(writeln!(out, "error: {fault}"));
    }
    let Some(mut config) = config else {
        fail("not started: the configuration is faulty");
        return None;
    };
    if let Err(error) = select(&mut config, &args.configs) {
        fail(error);
        return None;
    }
    adjust(&mut config, args);
    Some(config)
}

fn adjust(config: &mut Config, args: &StartArgs) {
    if let Some(port) = args.port {
        config.port = port;
    }
    if let Some(host) = &args.host {
        config.host.clone_from(host);
    }
    if args.verbose {
        config.log_level = config.log_level.max(Level::Debug);
    }
}

fn foreground(files: Files, args: &StartArgs, config: Config) -> ExitCode {
    if args.detached {
        daemon::detach();
    }
    let pid = match PidFile::take(&files.pid) {
        Ok(pid) => pid,
        Err(error) => return fail(held(&error)),
    };
    let log = match start_log(&files, args, &config) {
        Ok(log) => log,
        Err(error) => return fail(error),
    };
    limits::raise_open_files();
    let (words, again) = (args.configs.clone(), args.clone());
    let options = Options {
        dir: files.config,
        adjust: Box::new(move |config| {
            // What was started stays chosen, also when its file has gone.
            drop(select(config, &words));
            adjust(config, &again);
        }),
        socket: Some(files.socket),
        log: Some(log),
    };
    let outcome = serve(config, options);
    drop(pid);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

fn serve(config: Config, options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let shutdown = async move {
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
            }
        };
        run(config, options, shutdown).await?;
        Ok(())
    });
    // Streams to clients that do not read would hold up the end.
    runtime.shutdown_background();
    outcome
}

fn start_log(files: &Files, args: &StartArgs, config: &Config) -> Result<Log, log::LogError> {
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
            say(format_args!("Fusion started with PID: {pid}"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(error),
    }
}

/// The same command again, for the child.
fn words(args: &StartArgs) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["start".into(), "--detached".into()];
    words.extend(args.configs.iter().map(OsString::from));
    if let Some(port) = args.port {
        words.extend(["--port".into(), port.to_string().into()]);
    }
    if let Some(host) = &args.host {
        words.extend(["--host".into(), host.into()]);
    }
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
        PidError::Running(_) => format!("Fusion {error}"),
        PidError::File { .. } => error.to_string(),
    }
}
