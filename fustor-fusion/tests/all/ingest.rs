//! What an agent of 0.8 does from its first request to its last, and what it is told when it errs.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::run;
use crate::station::{Station, TWO, send};

/// An event with one row, as 0.8 sends it.
pub(crate) fn event(source: &str, row: &Value) -> Value {
    let fields: Vec<&String> = row.as_object().unwrap().keys().collect();
    json!({"event_type": "update", "fields": fields, "rows": [row], "index": 1_795_329_268_887_u64,
           "event_schema": "fs", "table": "files", "message_source": source})
}

pub(crate) fn dir(path: &str) -> Value {
    let name = path.rsplit('/').next().unwrap();
    json!({"path": path, "file_name": name, "size": 4096, "modified_time": 1_795_329_268.44,
           "created_time": 1_795_329_268.44, "is_directory": true})
}

pub(crate) fn file(path: &str, size: u64) -> Value {
    let name = path.rsplit('/').next().unwrap();
    json!({"path": path, "file_name": name, "size": size, "modified_time": 1_577_836_800.0,
           "created_time": 1_577_836_800.0, "is_directory": false})
}

pub(crate) fn batch(source_type: &str, is_end: bool, events: &[Value]) -> Value {
    json!({"session_id": "x", "events": events, "source_type": source_type, "is_end": is_end})
}

fn gone(path: &str) -> Value {
    json!({"event_type": "delete", "fields": ["path"], "rows": [{"path": path}],
           "index": 1_795_329_305_109_u64, "event_schema": "fs", "table": "files",
           "message_source": "realtime"})
}

async fn push(station: &Station, session: &str, body: &Value) -> crate::fixture::Answer {
    station.post(&format!("ingest/{session}/events"), body).await
}

/// A session that has sent a complete snapshot of `/`, `/a` and `/a/x`.
async fn snapshot(station: &Station) -> String {
    let session = station.open("agent:pipe").await;
    let rows = [dir("/"), dir("/a"), file("/a/x", 7)];
    let events: Vec<Value> = rows.iter().map(|row| event("snapshot", row)).collect();
    let answer = push(station, &session, &batch("snapshot", true, &events)).await;
    assert_eq!(answer.json(), json!({"status": "ok", "count": 3}));
    assert_eq!(push(station, &session, &batch("snapshot", true, &[])).await.json()["count"], 0);
    session
}

#[test]
fn the_sequence_of_0_8_builds_a_tree() {
    run(async {
        let station = Station::start(TWO);
        assert_eq!(station.get("/tree").await.header("retry-after"), "10");
        let request = json!({"task_id": "agent:pipe", "source_type": "fs",
                             "client_info": {"source_uri": null}});
        let created = station.post("session/", &request).await;
        assert_eq!(created.status, StatusCode::OK);
        let body = created.json();
        assert_eq!(body["role"], "leader");
        assert_eq!(body["session_timeout_seconds"], 6);
        assert_eq!(body["audit_interval_sec"], 15.0);
        assert_eq!(body["message"], "Session created successfully");
        assert!(body.get("protocol").is_none() && body.get("lease").is_none());
        let session = body["session_id"].as_str().unwrap();

        let path = format!("session/{session}/heartbeat");
        let beat = station.post(&path, &json!({"can_realtime": true})).await;
        let wanted = json!({"status": "ok", "role": "leader", "message": null,
                            "can_realtime": null, "commands": []});
        assert_eq!(beat.json(), wanted);
        let empty = format!("/api/v1/pipe/session/{session}/heartbeat");
        let empty = station.tell(Method::POST, &empty, "push-1", b"no json".to_vec()).await;
        assert_eq!(empty.status, StatusCode::OK);

        let first = [event("snapshot", &dir("/")), event("snapshot", &dir("/a"))];
        push(&station, session, &batch("snapshot", false, &first)).await;
        assert_eq!(station.get("/tree").await.header("retry-after"), "5");
        let last = [event("snapshot", &file("/a/x", 7))];
        push(&station, session, &batch("snapshot", true, &last)).await;
        push(&station, session, &batch("snapshot", true, &[])).await;
        let tree = station.get("/tree").await.json();
        assert_eq!(tree["children"][0]["children"][0]["path"], "/a/x");
        assert_eq!(tree["children"][0]["children"][0]["size"], 7);

        let mut row = file("/a/new", 1);
        row["is_atomic_write"] = json!(true);
        let close = batch("message", false, &[event("realtime", &row)]);
        assert_eq!(push(&station, session, &close).await.status, StatusCode::OK);
        assert_eq!(station.get("/stats").await.json()["total_files"], 2);
        push(&station, session, &batch("message", false, &[gone("/a/x")])).await;
        assert_eq!(station.get("/tree?path=/a/x").await.status, StatusCode::NOT_FOUND);

        let path = format!("/api/v1/pipe/session/{session}");
        let closed = station.tell(Method::DELETE, &path, "push-1", Vec::new()).await;
        assert_eq!(closed.json(), json!({"status": "terminated", "session_id": session}));
        let again = station.tell(Method::DELETE, &path, "push-1", Vec::new()).await;
        assert_eq!(again.status, StatusCode::OK);
        let late = push(&station, session, &batch("message", false, &[])).await;
        assert_eq!(late.status.as_u16(), 419);
        assert_eq!(station.get("/tree?path=/a/new").await.status, StatusCode::OK, "it is kept");
    });
}

#[test]
fn errors_have_the_status_that_tells_an_agent_what_to_do() {
    run(async {
        let station = Station::start(TWO);
        let session = station.open("agent:pipe").await;
        let events = format!("ingest/{session}/events");
        let cases: [(&str, Value, u16); 7] = [
            ("session/", json!({}), 422),
            ("session/", json!({"task_id": 1}), 422),
            ("session/", json!({"task_id": "a:b", "session_timeout_seconds": 5.5}), 422),
            ("session/", json!({"task_id": "a:b", "protocol": 9}), 422),
            (&events, json!({"source_type": "message"}), 422),
            ("session/00000000-0000-0000-0000-000000000000/heartbeat", json!({}), 419),
            ("ingest/nonsense/events", json!({"events": []}), 419),
        ];
        for (path, body, status) in cases {
            let answer = station.post(path, &body).await;
            assert_eq!(answer.status.as_u16(), status, "{path} {body}");
            assert!(answer.json().get("detail").is_some(), "{path} {body}");
        }
        let nowhere = station.post("nowhere", &json!({})).await;
        assert_eq!(nowhere.json(), json!({"detail": "Not Found"}));
        let deep = "[".repeat(100_000).into_bytes();
        let path = format!("/api/v1/pipe/{events}");
        let deep = station.tell(Method::POST, &path, "push-1", deep).await;
        assert_eq!(deep.status, StatusCode::UNPROCESSABLE_ENTITY);
    });
}

#[test]
fn a_second_session_is_a_follower_or_refused_as_the_pipe_says() {
    run(async {
        let station = Station::start(TWO);
        station.open("one:pipe").await;
        let second = station.post("session/", &json!({"task_id": "two:pipe"})).await;
        assert_eq!(second.json()["role"], "follower");
        let path = "/api/v1/pipe/session/";
        let body = json!({"task_id": "one:pipe"}).to_string().into_bytes();
        let first = station.tell(Method::POST, path, "push-2", body.clone()).await.json();
        let locked = station.tell(Method::POST, path, "push-2", body).await;
        assert_eq!(locked.status, StatusCode::CONFLICT);
        let holder = first["session_id"].as_str().unwrap();
        let text = format!(
            "View view-2 is currently locked by session {holder}. Concurrent push is disabled."
        );
        assert_eq!(locked.detail(), text);
    });
}

#[test]
fn wrong_rows_cost_their_neighbours_nothing() {
    run(async {
        let station = Station::start(TWO);
        let session = snapshot(&station).await;
        let rows = json!([{"file_name": "no path"}, {"path": "/a/../b", "size": 1},
                          {"path": "/a/\u{0}", "size": 1}, 7, file("/a/good", 3)]);
        let mut event = event("realtime", &json!({}));
        event["rows"] = rows;
        let answer = push(&station, &session, &batch("message", false, &[event])).await;
        assert_eq!(answer.json(), json!({"status": "ok", "count": 1}));
        assert_eq!(station.get("/tree?path=/a/good").await.json()["size"], 3);
        let stats = station.ask(Method::GET, "/api/v1/pipe/stats", "push-1", Vec::new()).await;
        assert_eq!(stats.json()["errors"], 4);
    });
}

#[test]
fn a_scan_on_demand_is_carried_out_by_an_agent_of_0_8() {
    run(async {
        let station = Station::start(TWO);
        let none = station.get("/tree?require=any&on_demand_scan=true").await.json();
        assert_eq!((&none["job_id"], &none["job_pending"]), (&json!(null), &json!(false)));
        let session = snapshot(&station).await;
        let asked = station.get("/tree?path=/a&force_real_time=true").await.json();
        let job = asked["job_id"].as_str().expect("a job").to_owned();
        assert_eq!(asked["job_pending"], true);
        let missing = station.get("/tree?path=/b&on_demand_scan=true").await;
        assert_eq!(missing.status, StatusCode::OK);
        assert!(missing.json()["message"].as_str().unwrap().starts_with("Path not found, but"));
        let beat = station.post(&format!("session/{session}/heartbeat"), &json!({})).await.json();
        let command = &beat["commands"][0];
        assert_eq!((&command["type"], &command["path"]), (&json!("scan"), &json!("/a")));
        assert_eq!((&command["job_id"], &command["recursive"]), (&json!(job), &json!(true)));
        let path = format!("/jobs/{job}");
        assert_eq!(station.get(&path).await.json()["status"], "RUNNING");
        let events =
            [event("on_demand_job", &dir("/a")), event("on_demand_job", &file("/a/found", 1))];
        push(&station, &session, &batch("on_demand_job", false, &events)).await;
        let mut done = batch("job_complete", false, &[]);
        done["metadata"] = json!({"scan_path": "/a", "job_id": job});
        let answer = push(&station, &session, &done).await;
        assert_eq!(answer.json(), json!({"status": "ok", "phase": "job_complete"}));
        let ended = station.get(&path).await.json();
        assert_eq!((&ended["status"], &ended["view_id"]), (&json!("COMPLETED"), &json!("view-1")));
        assert_eq!(ended["progress"]["percentage"], 100.0);
        assert_eq!(station.get("/jobs").await.json()["jobs"].as_array().unwrap().len(), 2);
        assert_eq!(station.get("/tree?path=/a/found").await.status, StatusCode::OK);
        let unknown = station.get("/jobs/ffffffff").await;
        assert_eq!(unknown.detail(), "Agent job 'ffffffff' not found");
    });
}

#[test]
fn suspects_are_asked_about_and_told_of() {
    run(async {
        let station = Station::start(TWO);
        let session = snapshot(&station).await;
        let mut row = file("/a/x", 9);
        row["is_atomic_write"] = json!(false);
        push(&station, &session, &batch("message", false, &[event("realtime", &row)])).await;
        let tasks = "/api/v1/pipe/consistency/sentinel/tasks";
        let asked = station.tell(Method::GET, tasks, "push-1", Vec::new()).await.json();
        let wanted = json!({"type": "suspect_check", "paths": ["/a/x"], "view_id": "view-1"});
        assert_eq!(asked, wanted);
        let gone = json!({"type": "suspect_update",
                          "updates": [{"path": "/a/x", "mtime": 0.0, "status": "missing"}, {}, 3]});
        let told = station.post("consistency/sentinel/feedback", &gone).await.json();
        assert_eq!(told, json!({"status": "processed", "drivers_updated": 1}));
        let other = station.post("consistency/sentinel/feedback", &json!({"type": "x"})).await;
        assert_eq!(other.json(), json!({"status": "ignored", "reason": "unknown_type"}));
        let end = station.post("consistency/audit/end", &json!({})).await.json();
        assert_eq!(end, json!({"status": "audit_ended", "drivers_handled": 1}));
        let start = station.post("consistency/audit/start", &json!({})).await.json();
        assert_eq!(start, json!({"status": "audit_started", "drivers_handled": 1}));
    });
}

#[test]
fn a_reset_forgets_the_view_and_ends_its_sessions() {
    run(async {
        let station = Station::start(TWO);
        let session = snapshot(&station).await;
        let path = "/api/v1/views/view-1/reset";
        let reset = station.ask(Method::DELETE, path, "adm1n", Vec::new()).await;
        assert_eq!((reset.status, reset.body.len()), (StatusCode::NO_CONTENT, 0));
        let beat = station.post(&format!("session/{session}/heartbeat"), &json!({})).await;
        assert_eq!(beat.status.as_u16(), 419, "its agent comes back and reports everything");
        assert_eq!(station.get("/tree").await.status, StatusCode::SERVICE_UNAVAILABLE);
        snapshot(&station).await;
        assert_eq!(station.get("/tree?path=/a/x").await.status, StatusCode::OK);
    });
}

#[test]
fn sessions_and_pipes_are_shown_in_the_words_of_0_8() {
    run(async {
        let station = Station::start(TWO);
        let session = snapshot(&station).await;
        let body = station.get("/sessions").await.json();
        assert_eq!((&body["view_id"], &body["count"]), (&json!("view-1"), &json!(1)));
        let shown = &body["active_sessions"][0];
        for (key, value) in [
            ("session_id", json!(session)),
            ("task_id", json!("agent:pipe")),
            ("agent_id", json!("agent")),
            ("client_ip", json!(null)),
            ("role", json!("leader")),
            ("allow_concurrent_push", json!(true)),
            ("can_snapshot", json!(true)),
        ] {
            assert_eq!(shown[key], value, "{key}");
        }
        let pipes = station.ask(Method::GET, "/api/v1/pipe/pipes", "push-1", Vec::new()).await;
        let pipes = pipes.json();
        assert_eq!(pipes.as_object().unwrap().len(), 1, "only its own");
        assert_eq!(pipes["pipe-1"]["leader_session"], json!(session));
        assert_eq!(pipes["pipe-1"]["view_handlers"], json!(["view-manager-view-1"]));
        let all = station.ask(Method::GET, "/api/v1/management/pipes", "adm1n", Vec::new()).await;
        assert_eq!(all.json().as_object().unwrap().len(), 2);
        let missing = station.ask(Method::GET, "/api/v1/pipe/pipes/x", "adm1n", Vec::new()).await;
        assert_eq!(missing.detail(), "Pipe not found");
    });
}

#[test]
fn the_port_of_the_views_answers_agents_in_its_own_words() {
    run(async {
        let station = Station::start(TWO);
        let json = |body: Value| body.to_string().into_bytes();
        let path = "/api/v1/pipe/session/";
        let created =
            station.ask(Method::POST, path, "push-1", json(json!({"task_id": "a:p"}))).await.json();
        assert_eq!(created["is_leader"], true);
        assert!(created.get("message").is_none());
        let id = created["session_id"].as_str().unwrap();
        let beat = format!("/api/v1/pipe/session/{id}/heartbeat");
        let beat = station.ask(Method::POST, &beat, "push-1", json(json!({}))).await.json();
        assert_eq!(beat["message"], format!("Session {id} heartbeat updated successfully"));
        let events = format!("/api/v1/pipe/{id}/events");
        let body = batch("message", false, &[]);
        let told = station.ask(Method::POST, &events, "push-1", json(body)).await;
        assert_eq!(told.json(), json!({"success": true}));
        let close = format!("/api/v1/pipe/session/{id}");
        for words in ["terminated successfully", "already terminated"] {
            let closed = station.ask(Method::DELETE, &close, "push-1", Vec::new()).await.json();
            assert_eq!(closed["message"], format!("Session {id} {words}"));
        }
    });
}

#[test]
fn compressed_and_oversized_bodies() {
    run(async {
        let text = format!("{TWO}\nlimits: {{body_mb: 1, bodies_mb: 4}}\n");
        let station = Station::start(&text);
        let session = station.open("agent:pipe").await;
        let path = format!("/api/v1/pipe/ingest/{session}/events");
        let body = batch("message", false, &[event("realtime", &file("/z", 5))]).to_string();
        let packed = zstd::encode_all(body.as_bytes(), 3).unwrap();
        let post = async |coding: &str, body: Vec<u8>| {
            let headers = [("x-api-key", "push-1"), ("content-encoding", coding)];
            send(&station.receiver, Method::POST, &path, &headers, body).await.status.as_u16()
        };
        assert_eq!(post("zstd", packed).await, 200);
        assert_eq!(post("zstd", b"no zstd".to_vec()).await, 400);
        assert_eq!(post("br", body.into_bytes()).await, 415);
        assert_eq!(post("", vec![b' '; (1 << 20) + 1]).await, 413);
        let bomb = zstd::encode_all(&vec![b' '; 64 << 20][..], 3).unwrap();
        assert!(bomb.len() < 1 << 20);
        assert_eq!(post("zstd", bomb).await, 413);
        assert_eq!(station.hub.bodies().available_permits(), 4096, "all memory is given back");
    });
}

/// Pushes as an agent of a pipe of its own.
async fn report(station: &Station, key: &str, source_type: &str, rows: &[Value]) {
    let path = "/api/v1/pipe/session/";
    let wanted = json!({"task_id": format!("{key}:pipe")}).to_string().into_bytes();
    let session = station.tell(Method::POST, path, key, wanted).await.json();
    let session = session["session_id"].as_str().expect("an id");
    let events: Vec<Value> = rows.iter().map(|row| event(source_type, row)).collect();
    for body in [batch(source_type, true, &events), batch(source_type, true, &[])] {
        let path = format!("/api/v1/pipe/ingest/{session}/events");
        let answer = station.tell(Method::POST, &path, key, body.to_string().into_bytes()).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    }
}

#[test]
fn two_storages_are_shown_in_one_view() {
    run(async {
        let both = TWO.replace("views: [view-2], allow_concurrent_push: false", "views: [view-1]");
        let station = Station::start(&both);
        let first = [dir("/"), dir("/d"), file("/d/x", 7), file("/same", 1)];
        report(&station, "push-1", "snapshot", &first).await;
        let half = station.get("/metadata?path=/").await;
        assert!(half.header("x-fustor-trust").starts_with("syncing"), "the other is awaited");
        assert_eq!(station.get("/tree").await.status, StatusCode::SERVICE_UNAVAILABLE);

        let second = [dir("/"), dir("/d"), file("/d/y", 5), file("/same", 2)];
        report(&station, "push-2", "snapshot", &second).await;
        let stats = station.get("/stats?path=/").await.json();
        assert_eq!((&stats["file_count"], &stats["dir_count"]), (&json!(3), &json!(1)));
        assert_eq!(stats["total_size"], 7 + 5 + 1);
        let health = station.get("/health").await.json();
        assert_eq!(health["conflict_count"], 1);
        assert_eq!(health["conflicts"][0], json!({"path": "/same", "owner": 0, "others": [1]}));
        assert_eq!(health["takeovers"], 0);
        let sessions = station.get("/sessions").await.json();
        assert_eq!(sessions["count"], 2, "{sessions}");

        let mut written = file("/same", 3);
        written["is_atomic_write"] = json!(true);
        report(&station, "push-2", "realtime", &[written]).await;
        let same = station.get("/metadata?path=/same").await.json();
        assert_eq!(same["size"], 3, "{same}");
        assert_eq!(station.get("/health").await.json()["takeovers"], 1);
    });
}
