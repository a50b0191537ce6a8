//! The command line of `fustor-agent`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Observes directory trees and reports what it sees to Fustor.
#[derive(Debug, Parser)]
#[command(name = "fustor-agent", version, arg_required_else_help = true, after_help = FILES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the pipes that are configured.
    Start(StartArgs),
    /// End the running process: SIGTERM, and SIGKILL if it does not end within 10 seconds.
    Stop(StopArgs),
    /// Ask the running process how it fares. Exit code 3: none runs.
    Status(StatusArgs),
    /// Have the running process read its configuration again.
    ///
    /// Pipes that are new are started, those that are gone are stopped, those that differ are restarted; the others go
    /// on, and so do their sessions.
    Reload,
    /// List the configured pipes, as the running process has them if there is one.
    List(ListArgs),
    /// Look for faults in the configuration. Exit code 1: there are some.
    Validate,
    /// Tell whether this host can watch a directory tree, and what to change if it cannot.
    ///
    /// Exit code 0: it can; 1: a limit is too low; 2: it cannot be told.
    Doctor {
        /// The directory [default: every configured source]
        dir: Option<PathBuf>,
    },
    /// Print what makes a shell complete the words of this command.
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

const FILES: &str =
    "Files: $FUSTOR_HOME/agent-config/*.yaml are read ($FUSTOR_HOME is ~/.fustor unless set).
agent.id, agent.pid, agent.sock, agent-state/ and logs/agent.log are kept beside that directory.";

/// What to start and how.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = START)]
pub struct StartArgs {
    /// Pipes to start, or names of files in agent-config whose pipes are to be started [default: all]
    #[arg(value_name = "FILE|ID")]
    pub configs: Vec<String>,
    /// Go into the background, once it works
    #[arg(long, short = 'D')]
    pub daemon: bool,
    /// Log more
    #[arg(long, short = 'V')]
    pub verbose: bool,
    /// How the log looks
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Log into logs/agent.log instead of standard error
    #[arg(long)]
    pub no_console_log: bool,
    /// This process is the one in the background
    #[arg(long, hide = true)]
    pub detached: bool,
}

const START: &str = "Examples:
  fustor-agent start                 all pipes, in the foreground
  fustor-agent start -D              the same in the background
  fustor-agent start default.yaml    the pipes of one file
  fustor-agent start pipe-1          one pipe";

/// How the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one object a line.
    Json,
}

/// What to stop.
#[derive(Clone, Debug, Args)]
pub struct StopArgs {
    /// Not offered: pipes stop with the process, or when they are no longer configured
    #[arg(value_name = "FILE|ID", hide = true)]
    pub configs: Vec<String>,
}

/// What to ask.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Only this pipe
    pub pipe: Option<String>,
    /// Print the whole answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// How to list.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Print the answer of the running process as JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_words_of_0_8_are_understood() {
        for words in [
            &["start"][..],
            &["start", "default.yaml", "-D", "-V"],
            &["start", "pipe-1", "--no-console-log"],
            &["stop"],
            &["stop", "pipe-1"],
            &["status", "pipe-1"],
            &["list"],
            &["validate"],
            &["reload"],
        ] {
            let all = std::iter::once(&"fustor-agent").chain(words);
            assert!(Cli::try_parse_from(all).is_ok(), "{words:?}");
        }
    }
}
