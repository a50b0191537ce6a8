//! Hostile load on real sockets: too many connections, too large, too slow and too deceptive bodies.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

use crate::fixture::wait_for;
use crate::home::{Home, address, config, request, status_of, talk};

const PUSH: &str = "X-API-Key: push-1\r\n";
const QUERY: &str = "X-API-Key: query-1\r\n";
/// Connections of the attacker.
const CROWD: usize = 10_000;
/// What the process may have resident in the end, far above what it needs and far below what is thrown at it.
const RESIDENT_MAX: u64 = 700 << 20;
/// A body that nobody wants.
const GIB: usize = 1 << 30;

/// A running command with these limits, and a session of an agent.
struct Target {
    _home: Home,
    views: String,
    receiver: String,
    events: String,
}

impl Target {
    fn start(limits: &str) -> Self {
        let home = Home::new(&config().replace("management:", &format!("{limits}\nmanagement:")));
        let status = home.start();
        let (views, receiver) =
            (address(&status["views_at"]), address(&status["receivers_at"]["main"]));
        let events = open(&receiver);
        Self { _home: home, views, receiver, events }
    }

    /// Pushes nothing in particular, in a session that was not silent for long; the status.
    fn push(&self) -> u16 {
        let (events, headers) = (open(&self.receiver), PUSH);
        let body = request("POST", &events, headers, r#"{"events": []}"#);
        status_of(&talk(&self.receiver, body.as_bytes()))
    }

    fn post(&self, headers: &str, body: &[u8]) -> u16 {
        let mut bytes = self.head(&format!("{headers}Content-Length: {}\r\n", body.len()));
        bytes.extend_from_slice(body);
        status_of(&talk(&self.receiver, &bytes))
    }

    fn head(&self, headers: &str) -> Vec<u8> {
        let path = &self.events;
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{PUSH}{headers}\r\n")
            .into_bytes()
    }

    fn query(&self) -> u16 {
        let get = request("GET", "/api/v1/views/view-1/health", QUERY, "");
        status_of(&talk(&self.views, get.as_bytes()))
    }

    fn resident(&self) -> u64 {
        let text = talk(&self.views, request("GET", "/metrics", "", "").as_bytes());
        let line =
            text.lines().find_map(|line| line.strip_prefix("fustor_process_resident_bytes "));
        line.and_then(|n| n.trim().parse().ok()).unwrap_or_else(|| panic!("no figure in {text}"))
    }

    /// Sends a body that `part` makes until it is complete or refused; the answer, and how much was sent.
    fn pour(&self, headers: &str, part: &[u8], parts: usize) -> (String, usize) {
        let mut stream = patient(&self.receiver);
        stream.write_all(&self.head(headers)).unwrap();
        let mut reader = stream.try_clone().unwrap();
        let reading = std::thread::spawn(move || {
            let mut answer = Vec::new();
            drop(reader.read_to_end(&mut answer));
            // Stops the writer, should it still wait for room.
            drop(reader.shutdown(Shutdown::Both));
            String::from_utf8_lossy(&answer).into_owned()
        });
        let sent = (0..parts).take_while(|_| stream.write_all(part).is_ok()).count();
        (reading.join().unwrap(), sent * part.len())
    }
}

/// Opens a session; where its events go.
fn open(receiver: &str) -> String {
    let open = request("POST", "/api/v1/pipe/session/", PUSH, r#"{"task_id":"a:p"}"#);
    let created = talk(receiver, open.as_bytes());
    let body: Value = serde_json::from_str(created.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    format!("/api/v1/pipe/ingest/{}/events", body["session_id"].as_str().expect("a session"))
}

fn patient(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    stream
}

/// Waits until the server reads the body, and has taken what it needs for that.
fn hear_that_it_is_wanted(stream: &mut TcpStream) {
    let mut told = [0; 12];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100");
}

/// Whether the other end has closed, without waiting for it.
fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut stream = stream;
    let read = stream.read(&mut [0; 1]);
    stream.set_nonblocking(false).unwrap();
    !matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// As many open files as the system grants, less what others of this process need.
fn crowd() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let most = maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    CROWD.min(most.saturating_sub(1000))
}

#[test]
fn a_crowd_of_idle_connections_holds_nobody_up() {
    let target = Target::start("limits: {connections: 4000}");
    let crowd: Vec<TcpStream> = (0..crowd())
        .map(|n| {
            let mut stream = patient(&target.receiver);
            if n % 2 == 0 {
                // A head that never ends is no request.
                drop(stream.write_all(b"POST / HTTP/1.1\r\nX: "));
            }
            stream
        })
        .collect();
    assert_eq!((target.push(), target.query()), (200, 200));
    let resident = target.resident();
    assert!(resident < RESIDENT_MAX, "{resident} bytes");
    let over = crowd.len().saturating_sub(4000);
    wait_for("those idle longest are closed", || crowd[..over].iter().all(is_closed).then_some(()));
    let mut last = &crowd[crowd.len() - 1];
    let late = request("GET", "/api/v1/pipe/session/", PUSH, "");
    last.write_all(late.as_bytes()).unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).unwrap();
    assert_eq!(status_of(&answer), 200, "the newest are held");
    drop(crowd);
    assert_eq!((target.push(), target.query()), (200, 200));
}

#[test]
fn when_all_connections_are_at_work_a_newcomer_is_told_so() {
    let target = Target::start("limits: {connections: 2}");
    let busy: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = patient(&target.receiver);
            let headers = "Content-Length: 10\r\nExpect: 100-continue\r\n";
            stream.write_all(&target.head(headers)).unwrap();
            hear_that_it_is_wanted(&mut stream);
            stream
        })
        .collect();
    let refused = talk(&target.receiver, request("GET", "/", "", "").as_bytes());
    assert_eq!(status_of(&refused), 503);
    assert!(refused.contains("\r\nRetry-After: 1\r\n"), "{refused}");
    let (_, body) = refused.split_once("\r\n\r\n").unwrap();
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["detail"], "too many connections");
    drop(busy);
    wait_for("there is room again", || {
        let answer = talk(&target.receiver, request("GET", "/", "", "").as_bytes());
        (!answer.is_empty() && status_of(&answer) == 404).then_some(())
    });
}

#[test]
fn a_body_without_end_is_refused_early() {
    let target = Target::start("");
    let part = vec![b' '; 1 << 20];
    let (answer, sent) = target.pour(&format!("Content-Length: {GIB}\r\n"), &part, GIB >> 20);
    assert_eq!(status_of(&answer), 413);
    // The refusal needs nothing of the body. What travels meanwhile is thrown away for as long as the answer may take.
    assert!(sent < GIB, "all of it was taken");
    let chunk = [b"100000\r\n", &part[..], b"\r\n"].concat();
    let (answer, _) = target.pour("Transfer-Encoding: chunked\r\n", &chunk, GIB >> 20);
    assert_eq!(status_of(&answer), 413);
    assert!(answer.contains("larger than 67108864 bytes"), "{answer}");
    let resident = target.resident();
    assert!(resident < RESIDENT_MAX, "{resident} bytes");
    assert_eq!((target.push(), target.query()), (200, 200));
}

#[test]
fn what_comes_too_slowly_is_ended() {
    let target = Target::start("limits: {idle_seconds: 1, slow_body_seconds: 1}");
    let (answer, _) = target.pour("Content-Length: 10\r\n", b"[", 1);
    assert_eq!(status_of(&answer), 408);
    assert!(answer.contains("too slowly"), "{answer}");
    let mut slow = patient(&target.receiver);
    slow.write_all(b"POST / HTTP/1.1\r\nX: ").unwrap();
    // The end comes by itself. Bytes that dribble in meanwhile do not put it off, but might make it a reset.
    assert!(matches!(slow.read(&mut [0; 1]), Ok(0) | Err(_)), "a head without an end is cut off");
    assert_eq!(target.push(), 200);
}

#[test]
fn bodies_that_do_not_fit_together_are_put_off() {
    let target = Target::start("limits: {body_mb: 1, bodies_mb: 1}");
    let mut first = patient(&target.receiver);
    let headers = format!("Content-Length: {}\r\nExpect: 100-continue\r\n", 1 << 20);
    first.write_all(&target.head(&headers)).unwrap();
    hear_that_it_is_wanted(&mut first);
    let body = request("POST", &target.events, PUSH, r#"{"events": []}"#);
    let refused = talk(&target.receiver, body.as_bytes());
    assert_eq!(status_of(&refused), 429);
    assert!(refused.to_ascii_lowercase().contains("\r\nretry-after: 1\r\n"), "{refused}");
    drop(first);
    wait_for("the room is given back", || (target.push() == 200).then_some(()));
}

#[test]
fn compressed_bodies_are_taken_and_never_grow_beyond_the_limit() {
    let target = Target::start("limits: {body_mb: 8}");
    let gzip = |level: Compression, bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), level);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let good = br#"{"events": [], "source_type": "message"}"#;
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let post =
        |coding: &str, body: &[u8]| target.post(&format!("Content-Encoding: {coding}\r\n"), body);
    assert_eq!(post("gzip", &gzip(Compression::fast(), good)), 200);
    assert_eq!(post("zstd", &zstd(good)), 200);
    assert_eq!((post("gzip", good), post("zstd", good), post("br", good)), (400, 400, 415));
    let cut = gzip(Compression::fast(), good);
    assert_eq!(post("gzip", &cut[..cut.len() - 9]), 400);
    let bomb = vec![b' '; 256 << 20];
    assert_eq!(post("gzip", &gzip(Compression::best(), &bomb)), 413);
    assert_eq!(post("zstd", &zstd(&bomb)), 413);
    let resident = target.resident();
    assert!(resident < RESIDENT_MAX, "{resident} bytes");
}

#[test]
fn answers_are_compressed_on_the_wire_when_asked_for() {
    let target = Target::start("");
    for coding in ["gzip", "zstd"] {
        let headers = format!("Accept-Encoding: {coding}\r\n");
        let mut stream = patient(&target.views);
        stream.write_all(request("GET", "/metrics", &headers, "").as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        assert!(head.contains(&format!("\r\ncontent-encoding: {coding}\r\n")), "{head}");
    }
}
