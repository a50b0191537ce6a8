//! The `fustor-agent` command.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fustor_agent::doctor;

/// Observes directory trees and reports them to Fustor.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Tells whether this host can watch a directory tree, and what to change if it cannot.
    ///
    /// Exit code 0: it can; 1: a limit is too low; 2: it cannot be told.
    Doctor {
        /// The directory.
        dir: PathBuf,
    },
}

fn main() -> ExitCode {
    match Args::parse().task {
        Task::Doctor { dir } => examine(&dir),
    }
}

fn examine(dir: &std::path::Path) -> ExitCode {
    let (text, code) = match doctor::examine(dir) {
        Ok(report) if report.is_fine() => (report.to_string(), ExitCode::SUCCESS),
        Ok(report) => (report.to_string(), ExitCode::from(1)),
        Err(error) => {
            // Nobody to tell when this fails too.
            drop(writeln!(std::io::stderr(), "fustor-agent: {error}"));
            return ExitCode::from(2);
        }
    };
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => code,
        Err(_) => ExitCode::from(2),
    }
}
