//! Tests of the bodies: what 0.8 was seen to say reads, and ours reads like 0.8's.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::event::{Lane, Verdicts};
use crate::id::Seq;
use crate::time::StorageTime;

fn text<T: Serialize>(body: &T) -> String {
    String::from_utf8(write(body)).unwrap()
}

fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(body: &T) {
    assert_eq!(&read::<T>(&write(body)).unwrap(), body);
}

#[test]
fn a_captured_create_request_reads() {
    let body =
        br#"{"task_id":"bcd36a19:pipe-1","source_type":"fs","client_info":{"source_uri":null}}"#;
    let request: CreateRequest = read(body).unwrap();
    assert_eq!(request.task_id, "bcd36a19:pipe-1");
    assert_eq!(request.client_info, Some(Client::default()));
    assert_eq!((request.session_timeout_seconds, request.protocol), (None, None));
}

#[test]
fn a_timeout_is_whole_seconds() {
    let timeout = |value: &str| {
        let body = format!(r#"{{"task_id":"t","session_timeout_seconds":{value}}}"#);
        read::<CreateRequest>(body.as_bytes()).map(|request| request.session_timeout_seconds)
    };
    assert_eq!(timeout("30"), Ok(Some(30)));
    assert_eq!(timeout("30.0"), Ok(Some(30)));
    assert_eq!(timeout("null"), Ok(None));
    for odd in ["5.5", "-1", "\"30\"", "1e300", "[]", "true"] {
        assert!(timeout(odd).is_err(), "{odd}");
    }
}

#[test]
fn a_wrong_body_is_told_as_0_8_tells_it() {
    let error = read::<CreateRequest>(b"{\n \"source_type\":\"fs\"}").unwrap_err();
    assert_eq!((error.offset, error.message.as_str()), (21, "missing field `task_id`"));
    assert_eq!(
        String::from_utf8(error.to_json()).unwrap(),
        r#"{"detail":[{"type":"value_error","loc":["body"],"msg":"byte 21: missing field `task_id`"}]}"#
    );
    for body in [&b""[..], b"[", b"null", b"{\"task_id\":7}", b"{\"task_id\":\"\xff\"}"] {
        let error = read::<CreateRequest>(body).unwrap_err();
        assert!(error.offset <= body.len(), "{error}");
    }
}

#[test]
fn numbers_beyond_2_to_53_stay_exact() {
    let epoch = (1 << 60) + 1;
    let root_id = RootId { fs_type: u64::MAX, fs_id: u64::MAX - 1, inode: epoch };
    let source = SourceIdentity { root_id, uri: "/data".to_owned(), writers_watched: true, epoch };
    let agent = AgentIdentity { clock_ns: i64::MAX - 1, ..AgentIdentity::default() };
    let resume = ResumeFrom { epoch, session_id: "s".to_owned(), seq: LaneSeqs::default() };
    survives(&CreateRequest {
        task_id: "a:p".to_owned(),
        session_timeout_seconds: Some(30),
        protocol: Some(PROTOCOL),
        agent: Some(agent),
        source: Some(source),
        resume: Some(resume),
        ..CreateRequest::default()
    });
    let exchange = Exchange { t1: i64::MIN, t2: i64::MAX, t3: -1, t4: epoch as i64 };
    survives(&HeartbeatRequest {
        can_realtime: true,
        clock_ns: Some(i64::MAX),
        exchange: Some(exchange),
        lease: Some(u64::MAX),
        source_ok: Some(false),
        coverage: Some(Coverage { directories: epoch, watched: 1, uncovered: 2 }),
        progress: Some(Progress { entries: epoch, directories: 3, directories_left: 4 }),
        acked: vec![u64::MAX, 0],
        held_ms: Some(5),
        agent_status: Some(serde_json::json!({"state": "34"})),
    });
}

#[test]
fn our_answers_to_0_8_are_its_own() {
    let reply = CreateReply {
        session_id: "4a87".to_owned(),
        role: Role::Leader,
        session_timeout_seconds: 30,
        audit_interval_sec: Some(15.0),
        sentinel_interval_sec: Some(7.0),
        message: Some("Session created successfully".to_owned()),
        ..CreateReply::default()
    };
    let captured = r#"{"session_id":"4a87","role":"leader","session_timeout_seconds":30,"audit_interval_sec":15.0,"sentinel_interval_sec":7.0,"message":"Session created successfully"}"#;
    assert_eq!(text(&reply), captured);
    survives(&reply);
    let mut beat =
        HeartbeatReply { status: "ok".to_owned(), role: Role::Leader, ..HeartbeatReply::default() };
    let captured =
        r#"{"status":"ok","role":"leader","message":null,"can_realtime":null,"commands":[]}"#;
    assert_eq!(text(&beat), captured);
    beat.commands.push(ScanCommand {
        kind: "scan".to_owned(),
        path: "/blind".to_owned(),
        recursive: true,
        job_id: "a5265f03".to_owned(),
        created_at: 1_795_329_653.912_976,
    });
    let captured = r#"{"status":"ok","role":"leader","message":null,"can_realtime":null,"commands":[{"type":"scan","path":"/blind","recursive":true,"job_id":"a5265f03","created_at":1795329653.912976}]}"#;
    assert_eq!(text(&beat), captured);
    survives(&beat);
    assert_eq!(legacy_count(3), b"{\"status\":\"ok\",\"count\":3}");
    assert_eq!(phase_done(), b"{\"status\":\"ok\",\"phase\":\"job_complete\"}");
    assert_eq!(detail("say \"no\""), br#"{"detail":"say \"no\""}"#);
}

#[test]
fn native_answers_survive() {
    let verdicts = Verdicts { applied: 1, stale: 2, buried: 3, queued: 4, refused: 5 };
    let refused = vec![RefusedItem { index: 7, reason: "why".to_owned() }];
    survives(&EventsReply {
        status: "ok".to_owned(),
        count: 9,
        verdicts: verdicts.into(),
        seq: 8,
        refused,
    });
    assert_eq!(text(&StaleEpoch::now(7)), r#"{"error":"stale_epoch","epoch":7}"#);
    let seqs = LaneSeqs::default().with(Lane::Scan, Seq(7)).with(Lane::Control, Seq(1));
    assert_eq!((seqs.of(Lane::Scan), seqs.of(Lane::Realtime)), (Seq(7), Seq(0)));
    assert_eq!(text(&seqs), r#"{"control":1,"realtime":0,"scan":7}"#);
    survives(&CreateReply {
        lease: Some(LeaseGrant { epoch: 3, ttl_ms: 3000 }),
        resumed: Some(true),
        resume_from: Some(seqs),
        limits: Some(Intake { body_bytes: 1, rows: 2, in_flight: 4 }),
        passes: Some(true),
        ..CreateReply::default()
    });
}

#[test]
fn a_heartbeat_without_a_sensible_body_is_one_without_realtime() {
    let can_realtime = |body: &[u8]| HeartbeatRequest::read(body).can_realtime;
    assert!(can_realtime(br#"{"can_realtime":true,"agent_status":{"state":"34"},"new":[1]}"#));
    for body in [&b""[..], b"{}", b"null", b"[1]", b"{\"can_realtime\":null}", b"{", b"\xff"] {
        assert!(!can_realtime(body), "{body:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    for open in ["[", "{\"agent_status\":", "{\"agent_status\":[", "{\"x\":"] {
        let body = open.repeat(100_000);
        assert!(read::<HeartbeatRequest>(body.as_bytes()).is_err(), "{open}");
        assert!(read::<CreateRequest>(body.as_bytes()).is_err(), "{open}");
    }
    let closed = format!("{{\"agent_status\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read::<HeartbeatRequest>(closed.as_bytes()).is_err());
}

#[test]
fn sentinel_tasks_and_reports_are_those_of_0_8() {
    assert_eq!(text(&SentinelTasks::check(Vec::new(), "view-1")), "{}");
    let tasks = SentinelTasks::check(vec!["/a/x".to_owned()], "view-1");
    assert_eq!(text(&tasks), r#"{"type":"suspect_check","paths":["/a/x"],"view_id":"view-1"}"#);
    survives(&tasks);
    let body = br#"{"type":"suspect_update","updates":[{"path":"/a","mtime":1795329268.46,"size":5,"status":"exists"},{"path":"/b","mtime":0.0,"status":"missing"},{"path":"/c","mtime":null}]}"#;
    let report: SentinelFeedback = read(body).unwrap();
    assert_eq!(report.kind, SUSPECT_UPDATE);
    assert_eq!(report.updates[0].mtime, Some(StorageTime(1_795_329_268_460_000_000)));
    assert!(report.updates[1].is_missing() && !report.updates[0].is_missing());
    assert_eq!(report.updates[2].mtime, None);
    survives(&report);
}
