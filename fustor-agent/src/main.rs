//! The `fustor-agent` command.

use std::io::stdout;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use fustor_agent::args::{Cli, Command};
use fustor_agent::command;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Start(args) => command::start(&args),
        Command::Stop(args) => command::stop(&args),
        Command::Status(args) => command::status(&args),
        Command::Reload => command::reload(),
        Command::List(args) => command::list(&args),
        Command::Validate => command::validate(),
        Command::Doctor { dir } => command::doctor(dir),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "fustor-agent", &mut stdout());
            ExitCode::SUCCESS
        }
    }
}
