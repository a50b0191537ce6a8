//! Questions to a fusion of either make.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Null when the body is not JSON.
    pub(crate) body: Value,
    pub(crate) text: String,
    /// What `X-Fustor-Trust` says; empty without it.
    pub(crate) trust: String,
}

/// GET of `path`. `None`: nobody answers.
pub(crate) fn get(port: u16, key: &str, path: &str) -> Option<Answer> {
    // An answer of HTTP/1.0 ends with its connection and comes in one piece.
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let text = String::from_utf8_lossy(&answer[end..]).into_owned();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("x-fustor-trust").then(|| value.trim().to_owned())
    };
    let trust = head.lines().find_map(named).unwrap_or_default();
    Some(Answer { status, body, text, trust })
}
