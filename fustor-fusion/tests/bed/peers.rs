//! Where the programs are: those of 0.8 in their virtual environment, ours in this build.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::LazyLock;

use clap::Parser;
use fustor_agent::args::{Cli, Command as Word};
use fustor_agent::command;

/// Who made a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    /// This project.
    Ours,
    /// The Python packages of 0.8.
    Python,
}

/// Has a test binary become an agent instead of running tests: the words of its command line.
const AS_AGENT: &str = "FUSTOR_TEST_AS_AGENT";

static PEERS: LazyLock<PathBuf> = LazyLock::new(|| {
    let target =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in the target directory");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/python-peers");
    let made = Command::new(script).env("CARGO_TARGET_DIR", target).output().expect("a script");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "scripts/python-peers: {said}");
    PathBuf::from(String::from_utf8(made.stdout).expect("UTF-8").trim())
});

/// A program of the virtual environment.
pub(crate) fn python(name: &str) -> Command {
    let mut command = Command::new(PEERS.join("bin").join(name));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

pub(crate) fn fusion(make: Make) -> Command {
    match make {
        Make::Ours => Command::new(env!("CARGO_BIN_EXE_fustor-fusion")),
        Make::Python => python("fustor-fusion"),
    }
}

/// An agent that starts.
pub(crate) fn agent(make: Make) -> Command {
    match make {
        Make::Ours => our_agent("start"),
        Make::Python => python("fustor-agent"),
    }
}

/// The agent of another package has no path here that cargo would keep fresh, so this binary becomes it.
pub(crate) fn our_agent(words: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("a binary"));
    command.args(["--exact", "bed::peers::the_agent", "--nocapture"]).env(AS_AGENT, words);
    command
}

/// The same program, started by another one that is given it as its last words.
pub(crate) fn through(starter: &[&str], command: &Command) -> Command {
    let Some((first, more)) = starter.split_first() else { panic!("a program that starts it") };
    let mut outer = Command::new(first);
    outer.args(more).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(key, value),
            None => outer.env_remove(key),
        };
    }
    outer
}

#[test]
fn the_agent() {
    let Ok(words) = env::var(AS_AGENT) else { return };
    let words = std::iter::once("fustor-agent").chain(words.split(' '));
    let ended = match Cli::parse_from(words).command {
        Word::Start(args) => command::start(&args),
        Word::Status(args) => command::status(&args),
        other => panic!("no test has words for {other:?}"),
    };
    assert_eq!(ended, ExitCode::SUCCESS);
}
