//! A program as a child process whose output is kept for those who want to know why a test failed.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// So long a test waits for anything: far longer than it takes on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(240);
const AGAIN: Duration = Duration::from_millis(50);
/// Lines of output that are shown after a failure.
const SHOWN: usize = 40;

/// Ends with this value.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Starts `command` with its output in the file `output`, after what is there.
    pub(crate) fn start(name: &str, mut command: Command, output: PathBuf) -> Self {
        let file = File::options().create(true).append(true).open(&output).expect("a file");
        let again = file.try_clone().expect("a file");
        command.stdin(Stdio::null()).stdout(file).stderr(again);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name: name.to_owned(), child, output }
    }

    /// Ends it without a word.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success(), "{} does not take {name}", self.name);
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(mut self) {
        self.signal("-TERM");
        wait_for(&format!("the end of {}", self.name), || self.child.try_wait().expect("a child"));
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    fn end(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let said = self.said();
            let lines: Vec<&str> = said.lines().collect();
            let from = lines.len().saturating_sub(SHOWN);
            eprintln!("--- {} said:\n{}", self.name, lines[from..].join("\n"));
        }
    }
}

/// Waits until `done` gives something.
pub(crate) fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    wait_until(what, || done().ok_or_else(String::new))
}

/// Waits until `done` gives something; what it gives instead is told after a failure.
pub(crate) fn wait_until<T>(what: &str, mut done: impl FnMut() -> Result<T, String>) -> T {
    let late = Instant::now() + PATIENCE;
    loop {
        let instead = match done() {
            Ok(value) => return value,
            Err(instead) => instead,
        };
        assert!(Instant::now() < late, "timed out: {what}\n{instead}");
        std::thread::sleep(AGAIN);
    }
}
