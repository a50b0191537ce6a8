//! `watch`: the standalone mode.

use std::process::ExitCode;

use fustor_agent::program::log::{self, Format, Level, Target};
use tokio::signal::unix::{SignalKind, signal};

use super::{fail, limits};
use crate::args::{LogFormat, WatchArgs};
use crate::standalone;
use crate::standalone::WatchConfig;

/// Watches directories until a signal.
#[must_use]
pub fn watch(args: WatchArgs, settled_in: fn()) -> ExitCode {
    let level = match args.verbose {
        0 => Level::Warning,
        1 => Level::Info,
        2 => Level::Debug,
        _ => Level::Trace,
    };
    let format = match args.log_format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    if let Err(error) = log::start(level, format, &Target::Console) {
        return fail(error);
    }
    limits::raise_open_files();
    match run(args, settled_in) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

fn run(args: WatchArgs, settled_in: fn()) -> Result<(), Box<dyn std::error::Error>> {
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
        standalone::watch(config(args, settled_in), shutdown).await?;
        Ok(())
    });
    // Streams to clients that do not read would hold up the end.
    runtime.shutdown_background();
    outcome
}

fn config(args: WatchArgs, settled_in: fn()) -> WatchConfig {
    WatchConfig {
        dirs: args.dirs,
        view: args.view,
        host: args.host,
        port: args.port,
        max_tree_items: args.max_tree_items,
        hot_file_threshold: args.hot_file_threshold,
        audit_interval: args.audit_interval,
        verify_within: args.verify_within,
        watch: !args.no_watch,
        exclude: args.exclude,
        settled_in,
    }
}
