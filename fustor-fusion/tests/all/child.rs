//! The command as a child process, and a client that speaks to it over a socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::fixture::wait_for;

/// A running `fustor-fusion watch`.
pub(crate) struct Fusion {
    child: Child,
    address: String,
    lines: Receiver<String>,
}

impl Fusion {
    pub(crate) fn watch(dirs: &[&Path], flags: &[&str]) -> Self {
        let mut child = command()
            .arg("watch")
            .args(dirs)
            .args(["--port", "0"])
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        std::thread::spawn(move || {
            // A line that nobody waits for any more is read all the same, so that the child never blocks.
            for line in stderr.lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        let mut fusion = Self { child, address: String::new(), lines };
        let line = fusion.line_with("listening on http://");
        fusion.address = line.rsplit("http://").next().expect("an address").to_owned();
        fusion
    }

    /// The next line on standard error that holds `part`.
    pub(crate) fn line_with(&self, part: &str) -> String {
        let mut seen = Vec::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|error| panic!("{error}: no {part:?} in {seen:#?}"));
            if line.contains(part) {
                return line;
            }
            seen.push(line);
        }
    }

    /// Status, head and body of a GET.
    pub(crate) fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        get(&self.address, path)
    }

    /// The body of a GET below the first view.
    pub(crate) fn ask(&self, path: &str) -> serde_json::Value {
        let (status, _, body) = self.get(&format!("/api/v1/views/view-1{path}"));
        let text = String::from_utf8_lossy(&body);
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    pub(crate) fn port(&self) -> &str {
        self.address.rsplit(':').next().expect("a port")
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait_for("the end of the command", || self.child.try_wait().expect("a child"))
    }
}

impl Drop for Fusion {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The command under test.
pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fustor-fusion"))
}

fn get(address: &str, path: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("the command listens");
    stream.set_read_timeout(Some(Duration::from_secs(90))).expect("a timeout");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nX-API-Key: any\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("the request is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the answer is read");
    let head_end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let body = answer.split_off(head_end);
    let head = String::from_utf8(answer).expect("ASCII");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { join(&body) } else { body };
    (status, head, body)
}

/// Undoes the chunked transfer coding.
fn join(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("a chunk size");
        let size = std::str::from_utf8(&rest[..end]).expect("ASCII");
        let size = usize::from_str_radix(size, 16).expect("a hexadecimal size");
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
}
