//! The command line of `fustor-fusion`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A live, queryable picture of the metadata of large file systems.
#[derive(Debug, Parser)]
#[command(name = "fustor-fusion", version, arg_required_else_help = true, after_help = FILES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the views, pipes and receivers that are configured.
    Start(StartArgs),
    /// End the running process: SIGTERM, and SIGKILL if it does not end within 10 seconds.
    Stop(StopArgs),
    /// Ask the running process how it fares. Exit code 3: none runs.
    Status(StatusArgs),
    /// Have the running process read its configuration again.
    ///
    /// Keys, intervals, session timeouts and the log level take effect; sessions go on. What needs a start is named,
    /// and the exit code is 1 then.
    Reload,
    /// List the configured pipes, as the running process has them if there is one.
    List(ListArgs),
    /// Look for faults in the configuration. Exit code 1: there are some.
    Validate,
    /// Scan and watch directories and answer questions about them over HTTP, in one process.
    Watch(WatchArgs),
    /// Print what makes a shell complete the words of this command.
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

const FILES: &str =
    "Files: $FUSTOR_HOME/fusion-config/*.yaml are read ($FUSTOR_HOME is ~/.fustor unless set).
fusion.pid, fusion.sock and logs/fusion.log are kept beside that directory.";

/// What to start and how.
#[derive(Clone, Debug, Default, Args)]
#[command(disable_help_flag = true, after_help = START)]
pub struct StartArgs {
    /// Pipes to start, or names of files in fusion-config whose pipes are to be started [default: all]
    #[arg(value_name = "FILE|ID")]
    pub configs: Vec<String>,
    /// Port of the views, instead of the configured one; 0 takes any free one
    #[arg(long, short)]
    pub port: Option<u16>,
    /// Address of the views, instead of the configured one
    #[arg(long, short = 'h')]
    pub host: Option<String>,
    /// Go into the background, once it works
    #[arg(long, short = 'D')]
    pub daemon: bool,
    /// Log more
    #[arg(long, short = 'V')]
    pub verbose: bool,
    /// How the log looks
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Log into logs/fusion.log instead of standard error
    #[arg(long)]
    pub no_console_log: bool,
    /// Has no effect; 0.8 restarted itself when its own code changed
    #[arg(long, hide = true)]
    pub reload: bool,
    /// This process is the one in the background
    #[arg(long, hide = true)]
    pub detached: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,
}

const START: &str = "Examples:
  fustor-fusion start                 all pipes, in the foreground
  fustor-fusion start -D              the same in the background
  fustor-fusion start default.yaml    the pipes of one file
  fustor-fusion start pipe-1 -p 9001  one pipe, and another port for the views";

/// What to stop.
#[derive(Clone, Debug, Args)]
pub struct StopArgs {
    /// Not offered: pipes stop with the process
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
    /// Print the configuration of the running process as JSON
    #[arg(long)]
    pub json: bool,
}

/// The standalone mode: no files to write, no agent to start. Answers come from the first second; until the first scan
/// is complete they say `syncing` in the header X-Fustor-Trust.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct WatchArgs {
    /// Directories to watch; each becomes a view
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// Port to listen on; 0 takes any free one and prints it
    #[arg(long, short, default_value_t = 8101)]
    pub port: u16,
    /// Address to listen on. There are no keys in this mode: whoever reaches the port may read all names
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Name of the view [default: view-1]; with several directories the views are named after them
    #[arg(long, value_name = "NAME", value_parser = view_name)]
    pub view: Option<String>,
    /// Most entries in one answer of /tree or /search; 0: no limit
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub max_tree_items: u64,
    /// Seconds for which a file that changed is taken as possibly incomplete
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub hot_file_threshold: Duration,
    /// Seconds between two audits of everything, which find what the kernel did not report
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = positive_seconds)]
    pub audit_interval: Duration,
    /// Seconds within which also what looks unchanged is read again; 0: by each audit [default: 86400, or 0 on file
    /// systems whose directories do not show that they changed]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub verify_within: Option<Duration>,
    /// Do not ask the kernel for changes; only audits find them
    #[arg(long)]
    pub no_watch: bool,
    /// What not to look at; may be given several times. A name, a path below DIR (with a slash in it), or a directory
    /// (with a slash at its end), each with *, ? and [a-z]
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub exclude: Vec<String>,
    /// How the log on standard error looks
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Log more; twice: everything
    #[arg(long, short, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one object a line.
    Json,
}

const EXAMPLES: &str = "Examples:
  fustor-fusion watch /data
  fustor-fusion watch /data/a /data/b --port 9000
  curl -s 'http://127.0.0.1:8101/api/v1/views/view-1/list?path=/'";

fn view_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_alphanumeric() || ".-_".contains(c);
    if text.is_empty() || !text.chars().all(fits) || text.starts_with('.') {
        return Err(
            "a name has letters, digits, '.', '-' and '_' and does not begin with '.'".into()
        );
    }
    Ok(text.to_owned())
}

fn pattern(text: &str) -> Result<String, String> {
    if text.trim_matches('/').is_empty() || text.len() > fustor_agent::PATTERN_MAX {
        return Err(format!("a pattern has 1 to {} bytes", fustor_agent::PATTERN_MAX));
    }
    Ok(text.to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

fn positive_seconds(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        short if short < Duration::from_secs(1) => Err("at least 1 second".to_owned()),
        enough => Ok(enough),
    }
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
    fn wrong_values_are_refused() {
        for wrong in [
            &["watch"][..],
            &["watch", "/a", "--port", "70000"],
            &["watch", "/a", "--view", "a/b"],
            &["watch", "/a", "--exclude", "/"],
            &["watch", "/a", "--hot-file-threshold", "-1"],
            &["watch", "/a", "--audit-interval", "0"],
            &["watsch", "/a"],
        ] {
            let args = std::iter::once(&"fustor-fusion").chain(wrong);
            assert!(Cli::try_parse_from(args).is_err(), "{wrong:?}");
        }
    }
}
