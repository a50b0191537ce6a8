//! `/changes` and `/events`: what differs since a place, in pages and as a stream that can be taken up again.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use fustor_core::{Event, Kind, Tier, ViewPath};
use fustor_fusion::host::HostConfig;
use futures_core::Stream;
use serde_json::Value;
use tower::ServiceExt;

use crate::fixture::{BASE, Fixture, facts, file, run};

/// A file that appeared.
fn touch(fixture: &Fixture, path: &str) {
    let parsed = ViewPath::parse(path.as_bytes()).unwrap();
    let upsert = Event::Upsert {
        path: parsed,
        stamp: fixture.stamp(),
        tier: Tier::Atomic,
        facts: facts(Kind::File, 77, 7),
    };
    fixture.batch(vec![upsert]);
}

/// Has the log noticed what was done, whenever it would have looked.
fn notice(fixture: &Fixture) -> String {
    let snapshot = fixture.host.snapshot();
    fixture.host.history().advance(&snapshot);
    snapshot.revision().to_string()
}

fn paths(answer: &Value) -> Vec<String> {
    let changes = answer["changes"].as_array().unwrap_or_else(|| panic!("{answer}"));
    changes
        .iter()
        .map(|one| format!("{} {}", one["op"].as_str().unwrap(), one["path"].as_str().unwrap()))
        .collect()
}

#[test]
fn changes_come_in_pages_below_a_path_from_any_revision() {
    let fixture = Fixture::small();
    let start = notice(&fixture);
    for path in ["/a/one", "/a/two", "/three"] {
        touch(&fixture, path);
        notice(&fixture);
    }
    run(async {
        let whole = fixture.get(&format!("/changes?since={start}")).await.json();
        let told = paths(&whole);
        assert_eq!(
            ["/a/one", "/a/two", "/three"].map(|path| told.contains(&format!("upsert {path}"))),
            [true; 3],
            "{told:?}"
        );
        assert_eq!((&whole["from"], &whole["next"]), (&Value::from(start.clone()), &Value::Null));
        let (mut place, mut pages) = (start.clone(), Vec::new());
        loop {
            let page = fixture.get(&format!("/changes?since={place}&limit=1")).await.json();
            pages.extend(paths(&page));
            match page["next"].as_str() {
                Some(next) => place = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(pages, told);
        let below = fixture.get(&format!("/changes?since={start}&path=/a/one")).await.json();
        assert_eq!(paths(&below), ["upsert /a/one"]);
        let to = whole["to"].as_str().unwrap();
        assert_eq!(paths(&fixture.get(&format!("/changes?since={to}")).await.json()), [""; 0]);
    });
}

#[test]
fn the_first_scan_is_told_in_one_word() {
    let fixture = Fixture::new(|_| ());
    let before = fixture.host.snapshot().revision().to_string();
    fixture.fill();
    run(async {
        let answer = fixture.get(&format!("/changes?since={before}")).await.json();
        assert_eq!(paths(&answer), ["resync /"]);
    });
}

#[test]
fn a_rename_is_one_change_and_comes_first() {
    let fixture = Fixture::small();
    let start = notice(&fixture);
    let path = |text: &str| ViewPath::parse(text.as_bytes()).unwrap();
    fixture.batch(vec![Event::Rename {
        old: path("/a"),
        new: path("/z"),
        stamp: fixture.stamp(),
        facts: facts(Kind::Dir, 2, 0),
    }]);
    run(async {
        let answer = fixture.get(&format!("/changes?since={start}")).await.json();
        let first = &answer["changes"][0];
        assert_eq!(
            (&first["op"], &first["from"], &first["path"]),
            (&"rename".into(), &"/a".into(), &"/z".into())
        );
        let below = fixture.get(&format!("/changes?since={start}&path=/a/b")).await.json();
        assert_eq!(paths(&below)[0], "rename /z", "what a path was in has moved");
    });
}

#[test]
fn what_is_no_longer_kept_is_told_with_what_is() {
    let fixture =
        Fixture::with(HostConfig { history_bytes: 1000, ..HostConfig::default() }, |_| ());
    fixture.fill();
    let start = notice(&fixture);
    for n in 0..40 {
        touch(&fixture, &format!("/a/file-{n}"));
        notice(&fixture);
    }
    run(async {
        for route in ["/changes", "/events"] {
            let answer = fixture.get(&format!("{route}?since={start}")).await;
            assert_eq!(answer.status, StatusCode::GONE, "{route}");
            let oldest = answer.json()["oldest"].as_str().unwrap().to_owned();
            assert!(answer.detail().contains(&oldest));
            let again = fixture.get(&format!("/changes?since={oldest}")).await;
            assert_eq!(again.status, StatusCode::OK);
        }
        assert_eq!(fixture.get("/changes?since=ff-1").await.status, StatusCode::GONE);
        for bad in
            ["/changes", "/changes?since=x", "/changes?since=1-1&offset=2", "/events?since=x"]
        {
            assert_eq!(fixture.get(bad).await.status, StatusCode::BAD_REQUEST, "{bad}");
        }
    });
}

/// A client of `/events`.
struct Client {
    body: BodyDataStream,
    text: String,
}

impl Client {
    async fn open(fixture: &Fixture, query: &str, last: Option<&str>) -> Self {
        let mut request = Request::get(format!("{BASE}/events{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = fixture.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next block; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let part = poll_fn(|context| Pin::new(&mut self.body).poll_next(context));
            let part = tokio::time::timeout(Duration::from_secs(60), part).await.expect("a part");
            self.text.push_str(std::str::from_utf8(&part?.unwrap()).unwrap());
        }
    }

    /// The next block that has this word as its event: its id and its data.
    async fn event(&mut self, name: &str) -> (String, Value) {
        loop {
            let block = self.block().await.expect("an event");
            let field = |name: &str| {
                let prefix = format!("{name}: ");
                block.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
            };
            if field("event").as_deref() == Some(name) {
                let data = serde_json::from_str(&field("data").expect("data")).unwrap();
                return (field("id").unwrap_or_default(), data);
            }
        }
    }
}

#[test]
fn a_stream_tells_what_happens_and_is_taken_up_again_where_it_ended() {
    let fixture = Arc::new(Fixture::small());
    run(async {
        let touch = async |path: &'static str| {
            let fixture = Arc::clone(&fixture);
            tokio::task::spawn_blocking(move || touch(&fixture, path)).await.unwrap();
        };
        let mut client = Client::open(&fixture, "?path=/a", None).await;
        let first = client.block().await.unwrap();
        assert!(first.starts_with("id: "), "{first}");
        assert_eq!(fixture.host.history().followers(), 1);
        touch("/elsewhere").await;
        touch("/a/one").await;
        let (id, data) = client.event("changes").await;
        assert!(paths(&data).contains(&"upsert /a/one".to_owned()), "{data}");
        assert!(!data.to_string().contains("/elsewhere"), "{data}");
        drop(client);
        touch("/a/two").await;
        let mut client = Client::open(&fixture, "?path=/a&since=1-1", Some(&id)).await;
        let (_, data) = client.event("changes").await;
        let told = paths(&data);
        assert!(told.contains(&"upsert /a/two".to_owned()), "{told:?}");
        assert!(!told.contains(&"upsert /a/one".to_owned()), "{told:?}");
        fixture.stop.send_replace(true);
        while client.block().await.is_some() {}
    });
    crate::fixture::wait_for("nobody follows", || {
        (fixture.host.history().followers() == 0).then_some(())
    });
}

#[test]
fn a_client_that_falls_behind_the_log_is_told_and_let_go() {
    let config = HostConfig { history_bytes: 1000, ..HostConfig::default() };
    let fixture = Arc::new(Fixture::with(config, |_| ()));
    fixture.fill();
    notice(&fixture);
    run(async {
        let mut client = Client::open(&fixture, "", None).await;
        let busy = Arc::clone(&fixture);
        let storm = tokio::task::spawn_blocking(move || {
            for n in 0..100 {
                touch(&busy, &format!("/a/file-{n}"));
                notice(&busy);
            }
        });
        storm.await.unwrap();
        // What it had room for comes first.
        let (_, data) = client.event("gone").await;
        assert!(data["oldest"].is_string(), "{data}");
        assert_eq!(client.block().await, None);
        let oldest = data["oldest"].as_str().unwrap();
        let mut again = Client::open(&fixture, &format!("?since={oldest}"), None).await;
        assert!(!paths(&again.event("changes").await.1).is_empty());
    });
}

#[test]
fn an_audit_that_finds_nothing_new_is_no_change() {
    let fixture = Fixture::small();
    let start = notice(&fixture);
    fixture.fill();
    fixture.batch(vec![fixture.listing("/empty", facts(Kind::Dir, 3, 0), &[file("new", 9, 1)])]);
    run(async {
        let answer = fixture.get(&format!("/changes?since={start}")).await.json();
        assert_eq!(paths(&answer), ["upsert /empty/new"]);
    });
}
