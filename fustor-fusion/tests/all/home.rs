//! A configured command in a home of its own, and plain sockets that speak to it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::child::command;
use crate::station::TWO;

/// A home with a configuration, and the process that was started there.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    pub(crate) fn new(text: &str) -> Self {
        let home = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(home.path("fusion-config")).unwrap();
        home.configure(text);
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.path("fusion-config/default.yaml"), text).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command();
        command.args(args).env("FUSTOR_HOME", self.dir.path()).env_remove("FUSTOR_LOG");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().expect("no signal"), text(stdout), text(stderr))
    }

    /// Starts in the background; the status.
    pub(crate) fn start(&self) -> Value {
        let (code, out, err) = self.run(&["start", "-D"]);
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.starts_with("Fusion started with PID: "), "{out}");
        self.status()
    }

    pub(crate) fn status(&self) -> Value {
        let (code, out, err) = self.run(&["status", "--json"]);
        assert_eq!(code, 0, "{out}{err}");
        serde_json::from_str(&out).unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(self.command(&["stop"]).output());
    }
}

pub(crate) fn address(url: &Value) -> String {
    url.as_str().unwrap().trim_start_matches("http://").to_owned()
}

pub(crate) fn config() -> String {
    format!("port: 0\n{TWO}")
}

/// What a connection answers to these bytes, up to its end.
pub(crate) fn talk(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // The other end may refuse before it has read everything.
    drop(stream.write_all(bytes));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn status_of(answer: &str) -> u16 {
    let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}"));
    status.parse().unwrap()
}

pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
