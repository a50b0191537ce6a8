//! A minimal HTTP server that answers as a fusion does, and keeps what it was told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fustor_agent::SourceConfig;
use fustor_agent::push::{Compression, FusionConfig, Memory, Pipe, PipeConfig, Speech};
use fustor_core::wire::native::{CONTENT_TYPE, Limits, decode};
use fustor_core::{Event, Kind, Lane, ViewPath};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::desk::{Desk, Held};

/// Generous: only a failing test waits so long.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often what nobody announces is looked at again.
const AGAIN: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kin {
    Native,
    Legacy,
}

/// What was told, and what to answer.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) kin: Kin,
    pub(crate) leader: bool,
    /// Connections are closed without an answer.
    pub(crate) cut: bool,
    /// What heartbeats are told against the agent.
    pub(crate) complaint: Option<String>,
    pub(crate) sessions: u64,
    pub(crate) creates: Vec<Value>,
    pub(crate) beats: Vec<Value>,
    /// Bodies of 0.8, in order.
    pub(crate) pages: Vec<Value>,
    pub(crate) audits_ended: u64,
    pub(crate) closed: u64,
    pub(crate) feedback: Vec<Value>,
    pub(crate) next: BTreeMap<Lane, u32>,
    pub(crate) cycles: u64,
    pub(crate) files: BTreeMap<ViewPath, u64>,
    pub(crate) lost_roots: u64,
    pub(crate) gaps: u64,
    pub(crate) commands: Vec<Value>,
    pub(crate) directives: Vec<Value>,
    pub(crate) acked: Vec<u64>,
    pub(crate) suspects: Vec<String>,
    pub(crate) audit_sec: f64,
    pub(crate) packed: u64,
    /// Batches that may be under way.
    pub(crate) in_flight: u32,
    /// How long ago a scan began after which nothing is lacking.
    pub(crate) complete_ms: Option<u64>,
    /// The most that were, and how many came before others of their lane.
    pub(crate) under_way: (u32, u32),
    pub(crate) early: u64,
    /// Heartbeats that are held, and that were.
    pub(crate) holds: (u32, u32),
    /// Batches are answered from this number of them on.
    pub(crate) gate: u32,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    desk: Arc<Desk>,
}

impl Server {
    pub(crate) fn start(kin: Kin) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let told = Told {
            kin,
            leader: true,
            cut: false,
            complaint: None,
            sessions: 0,
            creates: Vec::new(),
            beats: Vec::new(),
            pages: Vec::new(),
            audits_ended: 0,
            closed: 0,
            feedback: Vec::new(),
            next: BTreeMap::new(),
            cycles: 0,
            files: BTreeMap::new(),
            lost_roots: 0,
            gaps: 0,
            commands: Vec::new(),
            directives: Vec::new(),
            acked: Vec::new(),
            suspects: Vec::new(),
            audit_sec: 3600.0,
            packed: 0,
            in_flight: 1,
            complete_ms: None,
            under_way: (0, 0),
            early: 0,
            holds: (0, 0),
            gate: 0,
        };
        let desk = Arc::new(Desk::new(told));
        let all = Arc::clone(&desk);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let desk = Arc::clone(&all);
                std::thread::spawn(move || serve(&stream, &desk));
            }
        });
        Self { address, desk }
    }

    pub(crate) fn told(&self) -> Held<'_> {
        self.desk.take()
    }

    /// Sessions and whole scans.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let told = self.told();
        (told.sessions, told.cycles)
    }

    pub(crate) fn wait_for(&self, what: &str, is_so: impl Fn(&Told) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        let mut told = self.told();
        while !is_so(&told) {
            assert!(Instant::now() < deadline, "{what}: {:#?}", *told);
            told = told.wait(DEADLINE);
        }
    }
}

/// A pipe from a temporary directory to a server.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) home: TempDir,
    pub(crate) server: Server,
    pub(crate) runtime: Runtime,
    pub(crate) pipe: Option<Pipe>,
    pub(crate) compression: Compression,
}

impl Bench {
    pub(crate) fn new(kin: Kin) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        Self {
            dir: tempfile::tempdir().unwrap(),
            home: tempfile::tempdir().unwrap(),
            server: Server::start(kin),
            runtime,
            pipe: None,
            compression: Compression::Off,
        }
    }

    pub(crate) fn root(&self) -> std::path::PathBuf {
        self.dir.path().join("root")
    }

    /// Directories `d0` … with two files each.
    pub(crate) fn fill(&self, dirs: usize) {
        for n in 0..dirs {
            let dir = self.root().join(format!("d{n}"));
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("a"), b"1").unwrap();
            std::fs::write(dir.join("b"), b"22").unwrap();
        }
    }

    pub(crate) fn start(&mut self) {
        let config = PipeConfig {
            id: "pipe-1".to_owned(),
            agent: "agent".to_owned(),
            host: "host".to_owned(),
            source: SourceConfig::new(self.root()),
            fusion: FusionConfig {
                uri: format!("http://{}", self.server.address),
                key: "key".to_owned(),
                timeout: Duration::from_secs(5),
                speech: Speech::Auto,
                compression: self.compression,
            },
            session_timeout: None,
            snapshot: true,
            memory: Memory::new(self.home.path().join("pipe-1.json")),
        };
        self.pipe = Some(Pipe::start(self.runtime.handle(), config).unwrap());
    }

    pub(crate) fn directories(&self) -> u64 {
        self.pipe.as_ref().unwrap().status().directories
    }

    pub(crate) fn wait_status(
        &self,
        what: &str,
        is_so: impl Fn(&fustor_agent::push::PipeStatus) -> bool,
    ) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let status = self.pipe.as_ref().unwrap().status();
            if is_so(&status) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {status:#?}");
            drop(self.server.told().wait(AGAIN));
        }
    }

    pub(crate) fn stop(&mut self) {
        let pipe = self.pipe.take().unwrap();
        self.runtime.block_on(pipe.stop());
    }
}

/// Holds a heartbeat until there is something to tell. `None`: the agent went away, or the server does.
fn wait_held<'d>(stream: &TcpStream, desk: &'d Desk) -> Option<Held<'d>> {
    let mut now = desk.take();
    let (began, session) = (Instant::now(), now.sessions);
    now.holds.0 += 1;
    now.holds.1 += 1;
    stream.set_nonblocking(true).unwrap();
    let goes_on = loop {
        let closed = matches!(stream.peek(&mut [0]), Ok(0));
        if now.cut || closed {
            break false;
        }
        let over = began.elapsed() > Duration::from_secs(10) || now.closed > 0;
        if over || now.sessions != session || !now.directives.is_empty() {
            break true;
        }
        // Nobody announces that the other end has gone.
        now = now.wait(AGAIN);
    };
    stream.set_nonblocking(false).unwrap();
    now.holds.0 -= 1;
    goes_on.then_some(now)
}

/// Lets a batch wait for those before it. `None`: the server goes away.
fn wait_turn<'d>(
    desk: &'d Desk,
    headers: &BTreeMap<String, String>,
    body: &[u8],
) -> Option<Held<'d>> {
    let bytes = match headers.get("content-encoding") {
        Some(_) => zstd::decode_all(body).unwrap(),
        None => body.to_vec(),
    };
    let head = decode(&bytes, &Limits::default()).unwrap().head;
    let mut now = desk.take();
    now.under_way.0 += 1;
    now.under_way.1 = now.under_way.1.max(now.under_way.0);
    assert!(now.under_way.0 <= now.in_flight, "more under way than allowed");
    let is_early = |now: &Told| head.seq.0 > now.next.get(&head.lane).copied().unwrap_or(1);
    now.early += u64::from(is_early(&now));
    let deadline = Instant::now() + DEADLINE;
    while !now.cut && (is_early(&now) || now.under_way.0 < now.gate) {
        assert!(Instant::now() < deadline, "the batches before {head:?} did not come");
        now = now.wait(DEADLINE);
    }
    now.under_way.0 -= 1;
    // Once as many came as were waited for, all may pass.
    now.gate = 0;
    (!now.cut).then_some(now)
}

fn serve(stream: &TcpStream, desk: &Desk) {
    let mut reader = BufReader::new(stream);
    while let Some((line, headers, body)) = request(&mut reader) {
        let mut told = desk.take();
        if told.cut {
            return;
        }
        let json = serde_json::from_slice::<Value>(&body).unwrap_or(Value::Null);
        if json["held_ms"].as_u64().is_some_and(|ms| ms > 0) && told.directives.is_empty() {
            drop(told);
            match wait_held(stream, desk) {
                Some(held) => told = held,
                None => return,
            }
        }
        if line.contains("/events") && headers["content-type"] == CONTENT_TYPE {
            drop(told);
            match wait_turn(desk, &headers, &body) {
                Some(turn) => told = turn,
                None => return,
            }
        }
        assert_eq!(headers.get("x-api-key").map(String::as_str), Some("key"));
        let (status, answer) = told.answer(&line, &headers, &body);
        drop(told);
        let text = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        let mut out = stream;
        if out.write_all(head.as_bytes()).and_then(|()| out.write_all(text.as_bytes())).is_err() {
            return;
        }
    }
}

type Request = (String, BTreeMap<String, String>, Vec<u8>);

fn request(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim().split_once(':') {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned())
            }
            None => break,
        };
    }
    let length = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((line.trim().to_owned(), headers, body))
}

impl Told {
    fn answer(
        &mut self,
        line: &str,
        headers: &BTreeMap<String, String>,
        body: &[u8],
    ) -> (u16, Value) {
        let path = line.split(' ').nth(1).unwrap();
        let json = || serde_json::from_slice::<Value>(body).unwrap_or(Value::Null);
        let current = format!("/{}", self.sessions);
        if line.starts_with("POST /api/v1/pipe/session/ ") {
            return (200, self.create(json()));
        }
        if path.contains("/consistency/") {
            return (200, self.consistency(path, json()));
        }
        if line.starts_with("DELETE") {
            self.closed += 1;
            return (200, json!({"status": "terminated"}));
        }
        if !path.contains(&current) {
            return (419, json!({"detail": "Session obsoleted"}));
        }
        if path.ends_with("/heartbeat") {
            return (200, self.beat(json()));
        }
        assert!(path.ends_with("/events"), "{line}");
        if headers["content-type"] == CONTENT_TYPE {
            return self.batch(headers, body);
        }
        let count = json()["events"].as_array().map_or(0, Vec::len);
        self.pages.push(json());
        (200, json!({"status": "ok", "count": count}))
    }

    fn role(&self) -> &'static str {
        if self.leader { "leader" } else { "follower" }
    }

    fn create(&mut self, request: Value) -> Value {
        let resumed = request["resume"]["session_id"].as_str() == Some(&*self.sessions.to_string())
            && request["resume"]["epoch"] == request["source"]["epoch"];
        if !resumed {
            self.sessions += 1;
            self.next.clear();
        }
        self.creates.push(request);
        let next = |lane| self.next.get(&lane).copied().unwrap_or(1);
        let mut reply = json!({
            "session_id": self.sessions.to_string(), "role": self.role(), "session_timeout_seconds": 30,
            "audit_interval_sec": self.audit_sec, "sentinel_interval_sec": 0.2, "message": "created",
        });
        if self.kin == Kin::Native {
            reply["protocol"] = json!(2);
            reply["lease"] = self.lease();
            reply["limits"] =
                json!({"body_bytes": 1 << 26, "rows": 1 << 20, "in_flight": self.in_flight});
            reply["resumed"] = json!(resumed);
            reply["resume_from"] = json!({
                "control": next(Lane::Control), "realtime": next(Lane::Realtime), "scan": next(Lane::Scan),
            });
        }
        reply
    }

    fn lease(&self) -> Value {
        if self.leader { json!({"epoch": 1, "ttl_ms": 3000}) } else { Value::Null }
    }

    fn beat(&mut self, request: Value) -> Value {
        for id in request["acked"].as_array().into_iter().flatten() {
            self.acked.push(id.as_u64().unwrap());
            self.directives.retain(|directive| directive["id"] != *id);
        }
        if request["held_ms"].is_null() {
            self.beats.push(request);
        }
        let mut reply = json!({
            "status": "ok", "role": self.role(), "message": self.complaint, "can_realtime": null,
            "commands": std::mem::take(&mut self.commands),
        });
        if self.kin == Kin::Native {
            reply["lease"] = self.lease();
            reply["directives"] = json!(self.directives);
            reply["complete_ms"] = json!(self.complete_ms);
            reply["clock"] = json!({"t1": 1, "t2": 2, "t3": 3});
        }
        reply
    }

    fn consistency(&mut self, path: &str, request: Value) -> Value {
        match path.rsplit_once("consistency/").unwrap().1 {
            "audit/end" => self.audits_ended += 1,
            "sentinel/feedback" => self.feedback.push(request),
            "sentinel/tasks" if self.suspects.is_empty() => return json!({}),
            "sentinel/tasks" => return json!({"type": "suspect_check", "paths": self.suspects}),
            other => panic!("{other}"),
        }
        json!({"status": "ok"})
    }

    fn batch(&mut self, headers: &BTreeMap<String, String>, body: &[u8]) -> (u16, Value) {
        let bytes = match headers.get("content-encoding") {
            Some(coding) => {
                assert_eq!(coding, "zstd");
                self.packed += 1;
                zstd::decode_all(body).unwrap()
            }
            None => body.to_vec(),
        };
        let decoded = decode(&bytes, &Limits::default()).unwrap();
        assert_eq!(decoded.refused_count, 0);
        let (head, lease) = (decoded.head, decoded.head.lease);
        let next = self.next.entry(head.lane).or_insert(1);
        assert!(head.seq.0 <= *next, "{head:?} is ahead of {next}");
        if head.seq.0 < *next {
            return (200, json!({"status": "ok", "count": 0, "seq": head.seq.0}));
        }
        *next += 1;
        for event in &decoded.events {
            self.hear(event, lease);
        }
        (200, json!({"status": "ok", "count": decoded.events.len(), "seq": head.seq.0}))
    }

    fn hear(&mut self, event: &Event, lease: u64) {
        match event {
            Event::Upsert { path, facts, .. } if facts.kind == Kind::File => {
                self.files.insert(path.clone(), facts.size);
            }
            Event::Delete { path, .. } => self.files.retain(|at, _| !path.contains(at)),
            Event::Rename { old, new, facts, .. } => {
                self.files.retain(|at, _| !old.contains(at));
                if facts.kind == Kind::File {
                    self.files.insert(new.clone(), facts.size);
                }
            }
            Event::Listing(listing) => {
                let own = |at: &ViewPath| at.split().is_some_and(|(up, _)| up == listing.dir);
                self.files.retain(|at, _| !own(at));
                for row in listing.blocks.iter().flat_map(fustor_core::Block::rows) {
                    if row.facts.kind == Kind::File {
                        self.files.insert(listing.dir.join(row.name), row.facts.size);
                    }
                }
            }
            Event::Cycle { phase, .. } if phase.is_end() => {
                assert_eq!(lease, 1, "only a leader ends a scan");
                self.cycles += 1;
            }
            Event::RootLost { .. } => self.lost_roots += 1,
            Event::Gap { .. } => self.gaps += 1,
            _ => {}
        }
    }
}
