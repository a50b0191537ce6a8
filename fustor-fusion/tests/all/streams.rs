//! Large answers: complete, equal to a recount, compressed when asked for, and abandoned when nobody reads them.

use axum::http::StatusCode;
use serde_json::Value;

use crate::fixture::{Entry, Fixture, dir, file, run, wait_for};

const DIRS: u64 = 200;
const FILES: u64 = 150;

/// 200 directories of 150 files.
fn large() -> Fixture {
    let fixture = Fixture::new(|_| ());
    fixture.attach();
    let name = |n: u64| format!("/d{n:03}");
    let mut listings: Vec<(String, Vec<Entry>)> = (0..DIRS)
        .map(|n| {
            let files = (0..FILES).map(|m| file(&format!("f{m:03}"), 1000 + n * FILES + m, m));
            (name(n), files.collect())
        })
        .collect();
    listings.push(("/".to_owned(), (0..DIRS).map(|n| dir(&name(n)[1..], 2 + n)).collect()));
    let listings: Vec<_> = listings.iter().map(|(p, e)| (p.as_str(), e.clone())).collect();
    fixture.scan(&listings);
    fixture
}

fn count(node: &Value) -> u64 {
    let children = node["children"].as_array();
    1 + children.map_or(0, |children| children.iter().map(count).sum())
}

#[test]
fn a_streamed_tree_has_every_entry_once() {
    let fixture = large();
    run(async {
        let answer = fixture.get("/tree").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(count(&answer.json()), 1 + DIRS + DIRS * FILES);
        let paths = fixture.get("/tree?only_path=true&max_depth=2").await;
        assert_eq!(count(&paths.json()), 1 + DIRS + DIRS * FILES);
    });
}

#[test]
fn lines_are_the_pages_without_pages() {
    let fixture = large();
    run(async {
        let answer = fixture.get_with("/find?type=f", &[("accept", "application/x-ndjson")]).await;
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        let lines: Vec<Value> = answer
            .body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        let (tail, hits) = lines.split_last().unwrap();
        assert_eq!(hits.len() as u64, DIRS * FILES);
        assert!(hits.is_sorted_by_key(|hit| hit["path"].as_str().unwrap().to_owned()));
        assert_eq!(tail["next"], Value::Null);
        assert_eq!(tail["revision"], answer.header("x-fustor-revision"));
    });
}

#[test]
fn limited_lines_end_with_a_cursor_that_goes_on() {
    let fixture = large();
    run(async {
        let first = fixture.get("/find?format=ndjson&type=f&limit=150").await;
        let text = String::from_utf8(first.body).unwrap();
        assert_eq!(text.lines().count(), 151);
        let tail: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let cursor = tail["next"].as_str().unwrap();
        let page = fixture.get(&format!("/find?type=f&limit=150&cursor={cursor}")).await.json();
        assert_eq!(page["entries"][0]["path"], "/d001/f000");
    });
}

#[test]
fn a_streamed_search_is_one_array() {
    let fixture = large();
    run(async {
        let body = fixture.get("/search?pattern=f").await.json();
        assert_eq!(body.as_array().unwrap().len() as u64, DIRS * FILES);
        assert_eq!(fixture.get("/search?pattern=nothing").await.json(), serde_json::json!([]));
    });
}

#[test]
fn answers_are_compressed_when_that_is_accepted_and_worth_it() {
    let fixture = large();
    run(async {
        let plain = fixture.get("/tree").await;
        for coding in ["gzip", "zstd"] {
            let packed = fixture.get_with("/tree", &[("accept-encoding", coding)]).await;
            assert_eq!(packed.header("content-encoding"), coding);
            assert!(packed.body.len() * 4 < plain.body.len(), "{}", packed.body.len());
            let small = fixture.get_with("/tree?max_depth=0", &[("accept-encoding", coding)]).await;
            assert!(small.headers.get("content-encoding").is_none());
        }
    });
}

#[test]
fn an_abandoned_answer_frees_its_thread() {
    let fixture = large();
    run(async {
        // More than may run at once, each dropped unread: leave must come back each time.
        for _ in 0..200 {
            let request = axum::http::Request::get(format!("{}/tree", crate::fixture::BASE));
            let request = request.body(axum::body::Body::empty()).unwrap();
            let response = loop {
                let router = fixture.router.clone();
                let request = clone(&request);
                let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
                if response.status() != StatusCode::TOO_MANY_REQUESTS {
                    break response;
                }
                tokio::task::yield_now().await;
            };
            assert_eq!(response.status(), StatusCode::OK);
            drop(response);
        }
    });
}

fn clone(request: &axum::http::Request<axum::body::Body>) -> axum::http::Request<axum::body::Body> {
    axum::http::Request::get(request.uri().clone()).body(axum::body::Body::empty()).unwrap()
}

#[test]
fn a_stopped_view_still_answers_from_its_last_picture() {
    let fixture = large();
    fixture.host.stop();
    wait_for("the writer ends", || (!fixture.host.running()).then_some(()));
    run(async {
        assert_eq!(count(&fixture.get("/tree").await.json()), 1 + DIRS + DIRS * FILES);
        let health = axum::http::Request::get("/healthz").body(axum::body::Body::empty()).unwrap();
        assert_eq!(fixture.send(health).await.status, StatusCode::SERVICE_UNAVAILABLE);
    });
}
