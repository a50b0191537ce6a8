//! Where the programs are: those of 0.8 in their virtual environment, ours in this build.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::LazyLock;

use clap::Parser;
use fustor_agent::args::Cli;

/// Who made a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    /// This project.
    Ours,
    /// The Python packages of 0.8.
    Python,
}

/// Names the process that a test binary becomes instead of running tests.
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

/// The agent of another package has no path here that cargo would keep fresh, so this binary becomes it.
pub(crate) fn agent(make: Make) -> Command {
    match make {
        Make::Ours => {
            let mut command = Command::new(env::current_exe().expect("a binary"));
            command.args(["--exact", "peers::the_agent", "--nocapture"]).env(AS_AGENT, "1");
            command
        }
        Make::Python => python("fustor-agent"),
    }
}

#[test]
fn the_agent() {
    if env::var_os(AS_AGENT).is_none() {
        return;
    }
    let Cli { command: fustor_agent::args::Command::Start(args) } =
        Cli::parse_from(["fustor-agent", "start"])
    else {
        panic!("these words start it");
    };
    assert_eq!(fustor_agent::command::start(&args), ExitCode::SUCCESS);
}
