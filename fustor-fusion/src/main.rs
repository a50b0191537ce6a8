//! The `fustor-fusion` command.

use std::process::ExitCode;

use clap::Parser;
use fustor_fusion::args::{Cli, Command, LogFormat, WatchArgs};
use fustor_fusion::standalone::{WatchConfig, watch};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let Command::Watch(args) = command;
    start_log(&args);
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fustor-fusion: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: WatchArgs) -> Result<(), Box<dyn std::error::Error>> {
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
        watch(config(args), shutdown).await?;
        Ok(())
    });
    // Streams to clients that do not read would hold up the end.
    runtime.shutdown_background();
    outcome
}

fn config(args: WatchArgs) -> WatchConfig {
    WatchConfig {
        dirs: args.dirs,
        view: args.view,
        host: args.host,
        port: args.port,
        max_tree_items: args.max_tree_items,
        hot_file_threshold: args.hot_file_threshold,
        audit_interval: args.audit_interval,
        watch: !args.no_watch,
        settled_in: give_memory_back,
    }
}

/// The first scan needs more memory than the picture that it leaves.
fn give_memory_back() {
    // SAFETY: the function has no preconditions; it looks at the heap of the calling thread and at what ended threads
    // have left.
    unsafe { libmimalloc_sys::mi_collect(true) };
}

fn start_log(args: &WatchArgs) {
    let level = match args.verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("FUSTOR_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match args.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
