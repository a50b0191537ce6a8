//! Every question, asked of a running fusion that watches a real directory; and refusals.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fustor_client::{
    AsyncClient, Client, ClientConfig, ClientError, Find, List, Require, Top, Tree, ViewHandle,
};
use fustor_fusion::host::{Clock, HostConfig, ViewHost};
use fustor_fusion::http::{App, ViewState, serve};
use fustor_fusion::standalone::{Feed, FeedConfig};
use tokio::sync::watch;

/// A fusion in this process with one view of a directory.
struct Fusion {
    host: ViewHost,
    feed: Option<Feed>,
    stop: watch::Sender<bool>,
    runtime: Option<tokio::runtime::Runtime>,
    url: String,
}

impl Fusion {
    fn watching(root: &Path) -> Self {
        let clock = Arc::new(Clock::start());
        let host = ViewHost::start("view-1", HostConfig::default(), clock).unwrap();
        let config = FeedConfig {
            root: root.to_owned(),
            watch: true,
            exclude: Vec::new(),
            verify_within: None,
            audit_interval: Duration::from_secs(3600),
        };
        let feed = Feed::start(&host, &config).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let (stop, mut stopping) = watch::channel(false);
        let mut state = ViewState::new(host.clone());
        state.max_tree_items = Some(100);
        let app = App::new(vec![state], stop.subscribe());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ended = async move { drop(stopping.wait_for(|stop| *stop).await) };
        runtime.spawn(async move { serve(listener, ended, app).await });
        Self { host, feed: Some(feed), stop, runtime: Some(runtime), url }
    }

    fn client(&self) -> Client {
        Client::new(&ClientConfig::new(&self.url)).unwrap()
    }
}

impl Drop for Fusion {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.host.stop();
        if let Some(feed) = self.feed.take() {
            feed.stop();
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let late = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < late, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn plant(root: &Path) {
    fs::create_dir_all(root.join("a/b")).unwrap();
    for n in 0..25_u8 {
        fs::write(root.join(format!("a/f{n:02}.csv")), vec![0; usize::from(n)]).unwrap();
    }
    fs::write(root.join("top.txt"), "hello").unwrap();
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"odd \xff&name")), "").unwrap();
}

fn ready(root: &Path) -> (Fusion, ViewHandle) {
    let fusion = Fusion::watching(root);
    let client = fusion.client();
    assert!(client.is_ready().unwrap());
    let view = client.view("view-1");
    wait_for("the first scan", || view.health().unwrap().first_scan_complete.then_some(()));
    (fusion, view)
}

fn paths(entries: impl Iterator<Item = Result<fustor_client::Entry, ClientError>>) -> Vec<String> {
    entries.map(|entry| entry.unwrap().path).collect()
}

#[test]
fn totals_entries_and_pages() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    let (_fusion, view) = ready(dir.path());
    let stats = view.stats().unwrap();
    assert_eq!((stats.total_files, stats.total_directories, stats.total_size), (27, 3, 305));
    let below = view.subtree_stats(b"/a").unwrap();
    assert_eq!((below.file_count, below.dir_count, below.total_size), (25, 1, 300));
    assert_eq!(view.subtree_stats(b"").unwrap().file_count, 27);

    let page = view.list(&List { path: b"/a".to_vec(), limit: Some(2), ..List::default() });
    let page = page.unwrap();
    assert_eq!((page.entries.len(), page.next.is_some()), (2, true));
    let all = view.list_all(List { path: b"/a".to_vec(), limit: Some(7), ..List::default() });
    assert_eq!(paths(all).len(), 26);
    let find = Find {
        name: Some(b"*.csv".to_vec()),
        kinds: Some("f".into()),
        min_size: Some(20),
        newer_ns: Some(1),
        limit: Some(2),
        ..Find::default()
    };
    let found = paths(view.find_all(find));
    assert_eq!(found, ["/a/f20.csv", "/a/f21.csv", "/a/f22.csv", "/a/f23.csv", "/a/f24.csv"]);
    assert!(
        view.find(&Find { regex: Some("^t.p".into()), ..Find::default() }).unwrap().next.is_none()
    );

    let odd: Vec<_> = view
        .find_all(Find { contains: Some(b"\xff&".to_vec()), ..Find::default() })
        .map(|entry| entry.unwrap().path_bytes())
        .collect();
    assert_eq!(odd, [b"/odd \xff&name"]);
    let odd = view.metadata(&odd[0]).unwrap();
    assert_eq!((odd.entry.path_bytes(), odd.entry.kind()), (b"/odd \xff&name".to_vec(), "file"));
    let a = view.metadata(b"/a").unwrap();
    assert_eq!((a.entry.kind(), a.below.unwrap().files), ("directory", 25));
}

#[test]
fn the_other_questions() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    let (fusion, view) = ready(dir.path());
    let top = view.top(&Top { by: Some("files".into()), ..Top::default() }).unwrap();
    assert_eq!((top.entries[0].entry.path.as_str(), top.entries[0].file_count), ("/a", Some(25)));
    let tree = view.tree(&Tree { max_depth: Some(2), ..Tree::default() }).unwrap();
    let children: BTreeSet<_> =
        tree.children.unwrap().into_iter().map(|node| node.entry.name).collect();
    assert!(children.contains("a") && children.contains("top.txt"), "{children:?}");
    assert_eq!(view.search("top.*").unwrap()[0].entry.path, "/top.txt");
    assert!(view.health().unwrap().first_scan_complete);
    assert!(view.blind_spots(Some(10)).unwrap().additions.is_empty());
    let suspects = view.suspects(0, Some(1)).unwrap();
    assert!(suspects.entries.len() <= 1);
    assert_eq!(view.sessions().unwrap(), []);
    assert_eq!(view.jobs().unwrap(), []);
    assert!(matches!(view.job("a/b"), Err(ClientError::NotFound(_))));
    assert!(matches!(view.scan(b"/a", true), Err(ClientError::NotReady { .. })));
    let settled = view.settled(b"/a", Some(31_536_000), 0).unwrap();
    assert!(!settled.settled && !settled.reasons.is_empty());
    assert!(fusion.client().metrics().unwrap().contains("fustor"));
}

#[test]
fn changes_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    let (_fusion, view) = ready(dir.path());
    let mut follow = view.follow().unwrap();
    fs::write(dir.path().join("fresh"), "x").unwrap();
    fs::remove_file(dir.path().join("top.txt")).unwrap();
    let mut seen = BTreeSet::new();
    wait_for("both changes", || {
        for change in follow.next_changes(None).unwrap().changes {
            seen.insert((change.op.clone(), String::from_utf8(change.path_bytes()).unwrap()));
        }
        let told = |op: &str, path: &str| seen.contains(&(op.to_owned(), path.to_owned()));
        (told("upsert", "/fresh") && told("remove", "/top.txt")).then_some(())
    });
}

#[test]
fn refusals_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    for n in 0..100 {
        fs::write(dir.path().join(format!("more{n}")), "").unwrap();
    }
    let (fusion, view) = ready(dir.path());
    assert!(matches!(view.metadata(b"/none"), Err(ClientError::NotFound(_))));
    assert!(matches!(
        view.list(&List { limit: Some(0), ..List::default() }),
        Err(ClientError::BadRequest(_))
    ));
    let many = view.tree(&Tree::default());
    assert!(matches!(many, Err(ClientError::LimitExceeded { limit: 100, .. })), "{many:?}");
    assert!(matches!(view.changes("0-0", None), Err(ClientError::Gone(_))));
    let none = fusion.client().view("no/such view?");
    assert!(matches!(none.stats(), Err(ClientError::NotFound(_))));
    let trusted = view.list(&List { require: Require::Trusted, ..List::default() });
    assert!(trusted.is_ok() || matches!(trusted, Err(ClientError::NotReady { .. })));
    for bad in ["", "ftp://x", "http://"] {
        assert!(
            matches!(Client::new(&ClientConfig::new(bad)), Err(ClientError::Address(_))),
            "{bad}"
        );
    }
    let key = ClientConfig { key: Some("a\nb".into()), ..ClientConfig::new(&fusion.url) };
    assert!(matches!(Client::new(&key), Err(ClientError::Key)));
}

#[test]
fn a_program_with_a_runtime_asks_too() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    let (fusion, _) = ready(dir.path());
    let client = AsyncClient::new(&ClientConfig::new(&fusion.url)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stats = runtime.block_on(client.view("view-1").stats()).unwrap();
    assert_eq!(stats.total_files, 27);
}

/// Answers one request with this text and sees what was asked.
fn answer_once(text: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut part = [0; 1024];
        while !request.ends_with(b"\r\n\r\n") {
            let n = stream.read(&mut part).unwrap();
            assert!(n > 0, "the request ends early");
            request.extend_from_slice(&part[..n]);
        }
        stream.write_all(text.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (url, served)
}

#[test]
fn keys_are_sent_and_nonsense_is_no_answer() {
    let refused = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 17\r\nConnection: close\r\n\r\n{\"detail\":\"nope\"}";
    let (url, served) = answer_once(refused);
    let config = ClientConfig { key: Some("s3cret".into()), ..ClientConfig::new(url) };
    let error = Client::new(&config).unwrap().view("v").stats().unwrap_err();
    assert_eq!(error, ClientError::Auth { status: 401, detail: "nope".into() });
    let request = served.join().unwrap();
    assert!(request.starts_with("GET /api/v1/views/v/stats HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("x-api-key: s3cret"), "{request}");

    let (url, served) =
        answer_once("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]");
    let error = Client::new(&ClientConfig::new(&url)).unwrap().view("v").stats().unwrap_err();
    assert!(matches!(error, ClientError::Malformed(_)), "{error:?}");
    served.join().unwrap();
    let gone = Client::new(&ClientConfig::new(&url)).unwrap().view("v").stats().unwrap_err();
    assert!(matches!(gone, ClientError::Unreachable(_)), "{gone:?}");
}
