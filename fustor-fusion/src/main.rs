//! The `fustor-fusion` command.

use std::io::stdout;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use fustor_fusion::args::{Cli, Command};
use fustor_fusion::command;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Start(args) => command::start(&args),
        Command::Stop(args) => command::stop(&args),
        Command::Status(args) => command::status(&args),
        Command::Reload => command::reload(),
        Command::List(args) => command::list(&args),
        Command::Validate => command::validate(),
        Command::Watch(args) => command::watch(args, give_memory_back),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "fustor-fusion", &mut stdout());
            ExitCode::SUCCESS
        }
    }
}

/// The first scan needs more memory than the picture that it leaves.
fn give_memory_back() {
    // SAFETY: the function has no preconditions; it looks at the heap of the calling thread and at what ended threads
    // have left.
    unsafe { libmimalloc_sys::mi_collect(true) };
}
