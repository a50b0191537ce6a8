//! A reload that adds, removes and changes receivers, pipes and views under a process that goes on.

use serde_json::{Value, json};

use crate::fixture::wait_for;
use crate::home::{Home, address, config, request, status_of, talk};
use crate::ingest::{batch, dir, event, file};

/// A running command, and an agent of 0.8 that has sent a complete snapshot of `/`, `/a` and `/a/x` to its first pipe.
struct Site {
    home: Home,
    views: String,
    receiver: String,
    session: String,
}

fn key(key: &str) -> String {
    format!("X-API-Key: {key}\r\n")
}

/// Status and body of an answer.
fn parts(answer: &str) -> (u16, Value) {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status_of(answer), serde_json::from_str(body).unwrap_or(Value::Null))
}

fn open(receiver: &str, push: &str) -> (u16, Value) {
    let path = "/api/v1/pipe/session/";
    parts(&talk(receiver, request("POST", path, &key(push), r#"{"task_id":"a:p"}"#).as_bytes()))
}

impl Site {
    fn start() -> Self {
        let home = Home::new(&config());
        let status = home.start();
        let receiver = address(&status["receivers_at"]["main"]);
        let (_, created) = open(&receiver, "push-1");
        let session = created["session_id"].as_str().expect("a session").to_owned();
        let site = Self { home, views: address(&status["views_at"]), receiver, session };
        let rows = [dir("/"), dir("/a"), file("/a/x", 7)];
        let events: Vec<Value> = rows.iter().map(|row| event("snapshot", row)).collect();
        assert_eq!(site.push(&batch("snapshot", true, &events)), 200);
        assert_eq!(site.push(&batch("snapshot", true, &[])), 200);
        site
    }

    fn push(&self, body: &Value) -> u16 {
        let path = format!("/api/v1/pipe/ingest/{}/events", self.session);
        let post = request("POST", &path, &key("push-1"), &body.to_string());
        status_of(&talk(&self.receiver, post.as_bytes()))
    }

    fn get(&self, path: &str, with: &str) -> (u16, Value) {
        parts(&talk(&self.views, request("GET", path, &key(with), "").as_bytes()))
    }

    /// The names in `/a` of a view.
    fn names(&self, view: &str, with: &str) -> Vec<String> {
        let (status, body) = self.get(&format!("/api/v1/views/{view}/list?path=/a"), with);
        assert_eq!(status, 200, "{body}");
        let entries = body["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
    }

    fn received(&self) -> Value {
        self.get("/api/v1/pipe/pipes/pipe-1", "adm1n").1["statistics"].clone()
    }

    /// Reloads another configuration; what was said of it.
    fn reload(&self, text: &str) -> Value {
        self.home.configure(text);
        let path = "/api/v1/management/reload";
        let (status, said) =
            parts(&talk(&self.views, request("POST", path, &key("adm1n"), "").as_bytes()));
        assert_eq!(status, 200, "{said}");
        said
    }
}

const MORE: &str = "
  side:
    driver: http
    bind_host: 127.0.0.1
    port: 0
    api_keys: [{key: push-3, pipe_id: pipe-3}]
views:
  view-3: {driver: fs, api_keys: [query-3]}";

#[test]
fn receivers_views_and_pipes_come_and_go_beside_a_pipe_that_goes_on() {
    let site = Site::start();
    let before = site.received();
    let more = config().replace("\nviews:", MORE) + "  pipe-3: {receiver: side, views: [view-3]}\n";
    let said = site.reload(&more);
    assert_eq!(said["added"], json!(["receiver \"side\"", "view \"view-3\"", "pipe \"pipe-3\""]));
    assert_eq!((&said["reloaded"], &said["removed"]), (&json!(true), &json!([])), "{said}");
    let side = address(&site.home.status()["receivers_at"]["side"]);
    assert_eq!((open(&side, "push-3").0, open(&side, "push-1").0), (200, 403));
    assert_eq!(site.get("/api/v1/views/view-3/health", "query-3").0, 200);
    let said = site.reload(&config());
    assert_eq!(said["removed"], json!(["receiver \"side\"", "view \"view-3\"", "pipe \"pipe-3\""]));
    assert_eq!(site.get("/api/v1/views/view-3/health", "query-3").0, 401);
    assert_eq!(site.get("/api/v1/pipe/pipes/pipe-3", "adm1n").0, 404);
    wait_for("the port is closed", || std::net::TcpStream::connect(&side).is_err().then_some(()));
    // The session of the pipe that was not touched has not noticed, and nothing was reported again.
    assert_eq!(site.received(), before);
    assert_eq!(site.push(&batch("message", false, &[event("realtime", &file("/a/y", 1))])), 200);
    assert_eq!(site.names("view-1", "query-1"), ["/a/x", "/a/y"]);
}

#[test]
fn a_new_view_of_a_running_pipe_begins_as_a_copy() {
    let site = Site::start();
    let before = site.received();
    let text = config()
        .replace("views: [view-1]", "views: [view-1, copy]")
        .replace("\nviews:", "\nviews:\n  copy: {driver: fs, api_keys: [query-3]}");
    let said = site.reload(&text);
    assert_eq!(said["added"], json!(["view \"copy\""]), "{said}");
    assert_eq!(said["changed"], json!(["views of pipe \"pipe-1\"", "keys"]), "{said}");
    // It answers from its first picture on, which may be a moment away.
    wait_for("the copy", || {
        let (_, stats) = site.get("/api/v1/views/copy/stats", "query-3");
        (stats["total_files"] == 1).then_some(())
    });
    assert_eq!(site.names("copy", "query-3"), site.names("view-1", "query-1"));
    assert_eq!(site.received(), before, "nobody was asked");
    assert_eq!(site.push(&batch("message", false, &[event("realtime", &file("/a/y", 1))])), 200);
    assert_eq!(site.names("copy", "query-3"), ["/a/x", "/a/y"]);
    assert_eq!(site.names("view-1", "query-1"), ["/a/x", "/a/y"]);
}

#[test]
fn a_pipe_with_another_view_has_its_agents_report_anew() {
    let site = Site::start();
    let said = site.reload(&config().replace("views: [view-1]", "views: [view-2]"));
    assert_eq!(said["changed"], json!(["views of pipe \"pipe-1\""]), "{said}");
    let empty = batch("message", false, &[]);
    assert_eq!(site.push(&empty), 419, "its agent opens a session and reports everything");
    assert_eq!(open(&site.receiver, "push-1").0, 200);
}

#[test]
fn a_port_that_cannot_be_had_is_told() {
    let site = Site::start();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let more = MORE.replace("port: 0", &format!("port: {port}"));
    let more =
        config().replace("\nviews:", &more) + "  pipe-3: {receiver: side, views: [view-3]}\n";
    let said = site.reload(&more);
    assert_eq!(said["reloaded"], false);
    let reason = said["refused"][0]["reason"].as_str().unwrap();
    assert!(reason.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{said}");
    assert_eq!(site.names("view-1", "query-1"), ["/a/x"]);
}
