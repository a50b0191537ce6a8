//! A view that is fed by hand, and requests to it without a socket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use fustor_core::{
    AgentId, Batch, Block, BootTime, CHUNK_ROWS, Command, CyclePhase, DirId, Epoch, Event, Facts,
    Fidelity, Key, Kind, Lane, Listing, Marks, Origin, RootIdentity, Row, Seq, StorageId,
    StorageTime, ViewPath,
};
use fustor_fusion::host::{Clock, HostConfig, ViewHost};
use fustor_fusion::http::{App, ViewState, router};
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt;

pub(crate) const BASE: &str = "/api/v1/views/view-1";

/// A name with its facts, as a listing brings it.
pub(crate) type Entry = (String, Facts);

pub(crate) struct Fixture {
    pub(crate) host: ViewHost,
    pub(crate) router: Router,
    pub(crate) stop: watch::Sender<bool>,
}

/// What a request gave.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }

    /// The text of a refusal.
    pub(crate) fn detail(&self) -> String {
        self.json()["detail"].as_str().expect("a text").to_owned()
    }
}

impl Fixture {
    pub(crate) fn new(adjust: impl FnOnce(&mut ViewState)) -> Self {
        Self::with(HostConfig::default(), adjust)
    }

    pub(crate) fn with(config: HostConfig, adjust: impl FnOnce(&mut ViewState)) -> Self {
        let clock = Arc::new(Clock::start());
        let host = ViewHost::start("view-1", config, clock).unwrap();
        let mut state = ViewState::new(host.clone());
        adjust(&mut state);
        let (stop, stopping) = watch::channel(false);
        Self { host, router: router(App::new(vec![state], stopping)), stop }
    }

    /// A view whose first scan found `/a/x.txt`, `/a/y.log`, `/a/b/` with `deep.txt`, `/empty/` and `/top`.
    pub(crate) fn small() -> Self {
        let fixture = Self::new(|_| ());
        fixture.fill();
        fixture
    }

    /// Attaches an agent whose first scan finds what [`Self::small`] says.
    pub(crate) fn fill(&self) {
        let fixture = self;
        fixture.attach();
        fixture.scan(&[
            ("/", vec![dir("a", 2), dir("empty", 3), file("top", 4, 10)]),
            ("/a", vec![dir("b", 5), file("x.txt", 6, 100), file("y.log", 7, 200)]),
            ("/a/b", vec![file("deep.txt", 8, 1000)]),
            ("/empty", vec![]),
        ]);
    }

    pub(crate) fn attach(&self) {
        let root = RootIdentity { fs_type: 1, fs_id: 2, inode: 1 };
        self.apply(Command::Attach {
            storage: StorageId(0),
            root: Some(root),
            writers_watched: true,
        });
    }

    /// One complete scan.
    pub(crate) fn scan(&self, dirs: &[(&str, Vec<Entry>)]) {
        let mut events = vec![self.cycle(CyclePhase::Begin)];
        // A directory's own facts are those of its row; the root has none.
        let rows = dirs.iter().flat_map(|(path, entries)| {
            let parent = path.trim_end_matches('/');
            entries.iter().map(move |(name, facts)| (format!("{parent}/{name}"), *facts))
        });
        let rows: BTreeMap<String, Facts> = rows.collect();
        let root = facts(Kind::Dir, 1, 0);
        events.extend(dirs.iter().map(|(path, entries)| {
            self.listing(path, rows.get(*path).copied().unwrap_or(root), entries)
        }));
        events.push(self.cycle(CyclePhase::End));
        self.batch(events);
    }

    pub(crate) fn batch(&self, events: Vec<Event>) {
        let origin = Origin { agent: AgentId(1), epoch: Epoch(1), seq: Seq(0) };
        let clock = self.host.clock().map();
        let batch = Batch {
            storage: StorageId(0),
            origin,
            clock,
            cache_window_ns: 0,
            fidelity: Fidelity::Exact,
            events,
        };
        self.apply(Command::Batch(batch));
    }

    pub(crate) fn apply(&self, command: Command) {
        let receipt = self.host.submit(Lane::Control, command).unwrap();
        let applied = receipt.blocking_recv().unwrap();
        assert_eq!(applied.verdicts.refused, 0, "{applied:?}");
    }

    /// The agent's clock now.
    pub(crate) fn stamp(&self) -> BootTime {
        BootTime(self.host.clock().now().wall.0 - self.host.clock().map().offset_ns)
    }

    pub(crate) fn listing(&self, path: &str, facts: Facts, entries: &[Entry]) -> Event {
        let dir = ViewPath::parse(path.as_bytes()).unwrap();
        let mut sorted: Vec<&Entry> = entries.iter().collect();
        sorted.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        let rows: Vec<Row<'_>> = sorted.into_iter().map(row).collect();
        let mut blocks: Vec<Block> =
            rows.chunks(CHUNK_ROWS).map(|rows| Block::encode(dir.name(), rows)).collect();
        if blocks.is_empty() {
            blocks.push(Block::encode(dir.name(), &[]));
        }
        Event::Listing(Listing { dir, stamp: self.stamp(), complete: true, facts, blocks })
    }

    fn cycle(&self, phase: CyclePhase) -> Event {
        Event::Cycle { phase, stamp: self.stamp() }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// GET of a path below the view.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(format!("{BASE}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.host.stop();
    }
}

pub(crate) fn facts(kind: Kind, inode: u64, size: u64) -> Facts {
    let at = StorageTime(1_700_000_000_123_456_789);
    Facts { kind, size, mtime: at, ctime: at, inode, nlink: 1, ..Facts::PLACEHOLDER }
}

pub(crate) fn file(name: &str, inode: u64, size: u64) -> Entry {
    (name.to_owned(), facts(Kind::File, inode, size))
}

pub(crate) fn dir(name: &str, inode: u64) -> Entry {
    (name.to_owned(), facts(Kind::Dir, inode, 0))
}

fn row((name, facts): &Entry) -> Row<'_> {
    Row {
        name: name.as_bytes(),
        facts: *facts,
        key: Key::NONE,
        marks: Marks::NONE,
        storage: StorageId(0),
        child: DirId::NONE,
    }
}

/// Runs a test on a runtime like that of the command.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap().block_on(test);
}

/// Waits until `done` gives something.
pub(crate) fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let late = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < late, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
