//! The `fustor-agent` command.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fustor_agent::examine;

/// Looks after the watching of large directory trees.
#[derive(Parser)]
#[command(name = "fustor-agent", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tell whether the kernel's limits allow to watch a tree, and what to set if they do not.
    ///
    /// Exit codes: 0 every directory can be watched; 1 the limits are too low; 2 the tree cannot be examined.
    Doctor {
        /// The directory to examine.
        dir: PathBuf,
    },
}

fn main() -> ExitCode {
    let Command::Doctor { dir } = Cli::parse().command;
    match examine(&dir) {
        Ok(diagnosis) => {
            print!("{diagnosis}");
            ExitCode::from(u8::from(!diagnosis.is_enough()))
        }
        Err(error) => {
            eprintln!("fustor-agent: {error}");
            ExitCode::from(2)
        }
    }
}
