//! The dialect of a Python fusion.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{Bench, Kin, Told};

fn pages<'t>(told: &'t Told, source: &str) -> Vec<&'t Value> {
    told.pages.iter().filter(|page| page["source_type"] == source).collect()
}

/// Paths of all rows of one source, and whether their events say where they come from.
fn paths(told: &Told, source: &str) -> Vec<String> {
    let events =
        pages(told, source).into_iter().flat_map(|page| page["events"].as_array().unwrap());
    let rows = events.flat_map(|event| event["rows"].as_array().unwrap());
    rows.map(|row| row["path"].as_str().unwrap().to_owned()).collect()
}

fn has_end(told: &Told, source: &str) -> bool {
    pages(told, source).iter().any(|page| page["is_end"] == true)
}

#[test]
fn a_leader_sends_a_snapshot_then_what_changes_then_audits() {
    let mut bench = Bench::new(Kin::Legacy);
    bench.server.told().audit_sec = 1.0;
    bench.fill(3);
    bench.start();
    bench.server.wait_for("the snapshot", |told| has_end(told, "snapshot"));
    {
        let told = bench.server.told();
        assert!(paths(&told, "snapshot").contains(&"/d2/b".to_owned()));
        let last = pages(&told, "snapshot").pop().unwrap();
        assert_eq!((&last["events"], &last["is_end"]), (&json!([]), &json!(true)));
    }
    fs::write(bench.root().join("d0/new"), b"1").unwrap();
    fs::remove_file(bench.root().join("d1/a")).unwrap();
    bench.server.wait_for("the changes", |told| {
        let told = paths(told, "message");
        told.contains(&"/d0/new".to_owned()) && told.contains(&"/d1/a".to_owned())
    });
    bench.server.wait_for("an audit", |told| told.audits_ended > 0);
    bench.stop();
    let told = bench.server.told();
    assert!(has_end(&told, "audit") && paths(&told, "audit").contains(&"/d0/new".to_owned()));
    assert_eq!((told.sessions, told.closed), (1, 1));
    assert!(
        told.beats.iter().all(|beat| *beat == json!({"can_realtime": true})),
        "{:?}",
        told.beats
    );
}

#[test]
fn a_follower_sends_realtime_only() {
    let mut bench = Bench::new(Kin::Legacy);
    bench.server.told().leader = false;
    bench.fill(3);
    bench.start();
    bench.wait_status("the watches", |status| status.watched == 4);
    fs::write(bench.root().join("d0/new"), b"1").unwrap();
    bench
        .server
        .wait_for("the change", |told| paths(told, "message").contains(&"/d0/new".to_owned()));
    let told = bench.server.told();
    assert!(pages(&told, "snapshot").is_empty() && pages(&told, "audit").is_empty());
    drop(told);
    bench.stop();
}

#[test]
fn a_command_is_done_and_reported_and_suspects_are_looked_at() {
    let mut bench = Bench::new(Kin::Legacy);
    bench.fill(3);
    bench.server.told().suspects = vec!["/d1/a".into(), "/d1/none".into(), "/../x".into()];
    bench.start();
    // What a command finds while the first scan goes on is told as a part of that.
    bench.wait_status("the first scan", |status| status.scans == (1, 1));
    bench.server.told().commands = vec![json!({
        "type": "scan", "path": "/d1", "recursive": true, "job_id": "a5265f03", "created_at": 1.5,
    })];
    bench.server.wait_for("the job", |told| !pages(told, "job_complete").is_empty());
    {
        let told = bench.server.told();
        let job = pages(&told, "job_complete")[0];
        assert_eq!(job["metadata"], json!({"scan_path": "/d1", "job_id": "a5265f03"}));
        let is = |page: &Value, what: &str| page["source_type"] == what;
        let done = told.pages.iter().position(|page| is(page, "job_complete")).unwrap();
        let text = json!(
            told.pages[..done].iter().filter(|page| is(page, "on_demand_job")).collect::<Vec<_>>()
        );
        let text = text.to_string();
        assert!(
            ["\"/d1\"", "\"/d1/a\"", "\"/d1/b\""].iter().all(|path| text.contains(path)),
            "{text}"
        );
    }
    bench.server.wait_for("the feedback", |told| !told.feedback.is_empty());
    let feedback = bench.server.told().feedback[0].clone();
    let updates = feedback["updates"].as_array().unwrap();
    assert_eq!(updates.len(), 2);
    assert_eq!((&updates[0]["status"], &updates[0]["size"]), (&json!("exists"), &json!(1)));
    assert_eq!(updates[1]["status"], "missing");
    bench.stop();
}

#[test]
fn a_follower_looks_at_no_suspects() {
    let mut bench = Bench::new(Kin::Legacy);
    bench.server.told().leader = false;
    bench.server.told().suspects = vec!["/d1/a".into()];
    bench.fill(3);
    bench.start();
    bench.wait_status("the watches", |status| status.watched == 4);
    let began = Instant::now();
    // Several times the interval that the server says.
    for n in 0.. {
        if began.elapsed() > Duration::from_secs(1) {
            break;
        }
        fs::write(bench.root().join(format!("d0/{n}")), b"1").unwrap();
        bench
            .server
            .wait_for("the change", |told| paths(told, "message").contains(&format!("/d0/{n}")));
    }
    assert!(bench.server.told().feedback.is_empty());
    bench.stop();
}

#[test]
fn what_is_below_a_renamed_directory_is_sent_too() {
    let mut bench = Bench::new(Kin::Legacy);
    bench.fill(3);
    bench.start();
    bench.server.wait_for("the snapshot", |told| has_end(told, "snapshot"));
    fs::rename(bench.root().join("d1"), bench.root().join("e1")).unwrap();
    bench.server.wait_for("the rename", |told| {
        let moved = paths(told, "message");
        moved.contains(&"/d1".to_owned()) && moved.contains(&"/e1".to_owned())
    });
    bench.server.wait_for("its contents", |told| {
        paths(told, "on_demand_job").contains(&"/e1/b".to_owned())
    });
    bench.stop();
}

#[test]
fn a_server_that_forgot_the_session_gets_a_snapshot_again() {
    let mut bench = Bench::new(Kin::Legacy);
    bench.fill(3);
    bench.start();
    bench.server.wait_for("the snapshot", |told| has_end(told, "snapshot"));
    bench.server.told().pages.clear();
    bench.server.told().sessions += 10;
    fs::write(bench.root().join("d0/new"), b"1").unwrap();
    bench.server.wait_for("another snapshot", |told| has_end(told, "snapshot"));
    assert!(paths(&bench.server.told(), "snapshot").contains(&"/d0/new".to_owned()));
    bench.stop();
}
