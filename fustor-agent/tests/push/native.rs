//! The dialect of this project.

use std::fs;

use fustor_agent::push::Compression;
use fustor_core::ViewPath;
use serde_json::json;

use crate::server::{Bench, Kin};

fn vp(text: &str) -> ViewPath {
    ViewPath::parse(text.as_bytes()).unwrap()
}

#[test]
fn a_leader_tells_all_there_is_and_what_changes_and_gives_its_session_back() {
    let mut bench = Bench::new(Kin::Native);
    bench.compression = Compression::Zstd;
    bench.fill(300);
    bench.start();
    bench.server.wait_for("the first scan", |told| told.cycles == 1);
    assert_eq!(bench.server.told().files.len(), 600);
    fs::write(bench.root().join("d7/new"), b"333").unwrap();
    fs::remove_file(bench.root().join("d8/a")).unwrap();
    bench.server.wait_for("the changes", |told| {
        told.files.get(&vp("/d7/new")) == Some(&3) && !told.files.contains_key(&vp("/d8/a"))
    });
    bench.server.wait_for("a heartbeat", |told| told.beats.len() >= 2);
    bench.stop();
    let told = bench.server.told();
    assert_eq!((told.closed, told.sessions), (1, 1));
    assert!(told.packed > 0, "batches were to be compressed");
    let create = &told.creates[0];
    assert_eq!(create["task_id"], "agent:pipe-1");
    assert_eq!((&create["protocol"], &create["agent"]["host"]), (&json!(2), &json!("host")));
    let beat = told.beats.last().unwrap();
    assert_eq!((&beat["can_realtime"], &beat["source_ok"]), (&json!(true), &json!(true)));
    assert_eq!(beat["coverage"]["watched"], 301);
    assert!(told.beats.iter().any(|beat| beat["exchange"]["t2"] == 2), "the exchange of clocks");
}

#[test]
fn what_fusion_says_against_an_agent_stands_in_its_status() {
    let mut bench = Bench::new(Kin::Native);
    bench.fill(1);
    bench.server.told().complaint = Some("the root is not the one that is known".to_owned());
    bench.start();
    bench.wait_status("the complaint", |status| {
        status.trouble.as_deref() == Some("the root is not the one that is known")
    });
}

#[test]
fn a_blip_costs_no_directory_to_be_opened_again() {
    let mut bench = Bench::new(Kin::Native);
    bench.fill(50);
    bench.start();
    bench.server.wait_for("the first scan", |told| told.cycles == 1);
    bench.wait_status("the scan to be acknowledged", |status| status.scans == (1, 1));
    let before = bench.directories();
    bench.server.told().cut = true;
    fs::write(bench.root().join("d1/meanwhile"), b"4444").unwrap();
    fs::remove_file(bench.root().join("d2/a")).unwrap();
    bench.wait_status("silence", |status| status.silent_sec.is_some_and(|silent| silent > 4.0));
    bench.server.told().cut = false;
    bench.server.wait_for("what happened meanwhile", |told| {
        told.files.get(&vp("/d1/meanwhile")) == Some(&4) && !told.files.contains_key(&vp("/d2/a"))
    });
    bench.wait_status("the lease", |status| status.role == "leader");
    assert_eq!(bench.directories(), before);
    let (sessions, cycles) = bench.server.counts();
    assert_eq!((sessions, cycles), (1, 1));
    bench.stop();
}

#[test]
fn a_follower_scans_nothing_and_tells_what_changes() {
    let mut bench = Bench::new(Kin::Native);
    bench.server.told().leader = false;
    bench.fill(20);
    bench.start();
    bench.wait_status("the watches", |status| status.watched == 21);
    fs::write(bench.root().join("d3/new"), b"55555").unwrap();
    bench.server.wait_for("the change", |told| told.files.contains_key(&vp("/d3/new")));
    let files = bench.server.told().files.len();
    assert_eq!((files, bench.server.counts().1), (1, 0));
    bench.server.told().leader = true;
    bench.server.wait_for("the scan of a leader", |told| told.cycles == 1);
    assert_eq!(bench.server.told().files.len(), 41);
    bench.stop();
}

#[test]
fn what_is_asked_for_is_done_and_acknowledged_once() {
    let mut bench = Bench::new(Kin::Native);
    bench.fill(5);
    bench.start();
    bench.server.wait_for("the first scan", |told| told.cycles == 1);
    bench.server.told().files.clear();
    bench.server.told().directives = vec![
        json!({"id": 41, "kind": "list", "path": "/", "recursive": true}),
        json!({"id": 42, "kind": "recheck", "path": "/d1/a"}),
        json!({"id": 43, "kind": "moved", "path": "/d9", "to": "/d2"}),
        json!({"id": 44, "kind": "recheck", "path": "/none/at/all"}),
    ];
    bench.server.wait_for("the acknowledgements", |told| told.acked.len() == 4);
    let mut acked = bench.server.told().acked.clone();
    acked.sort_unstable();
    assert_eq!(acked, [41, 42, 43, 44]);
    assert_eq!(bench.server.told().files.len(), 10, "told before it was acknowledged");
    bench.stop();
}

#[test]
fn a_killed_agent_comes_back_with_its_session_and_a_later_life() {
    let mut bench = Bench::new(Kin::Native);
    bench.fill(5);
    bench.start();
    bench.server.wait_for("the first scan", |told| told.cycles == 1);
    drop(bench.pipe.take());
    fs::remove_dir_all(bench.root().join("d0")).unwrap();
    bench.start();
    bench.server.wait_for("another scan", |told| told.cycles == 2);
    let told = bench.server.told();
    let (first, second) = (&told.creates[0], &told.creates[1]);
    assert!(second["source"]["epoch"].as_u64() > first["source"]["epoch"].as_u64());
    assert_eq!(second["resume"]["session_id"], "1");
    assert_eq!(second["resume"]["epoch"], first["source"]["epoch"]);
    drop(told);
    bench.stop();
}

#[test]
fn a_root_that_was_lost_and_is_there_again_is_a_new_life() {
    let mut bench = Bench::new(Kin::Native);
    bench.fill(5);
    bench.start();
    bench.server.wait_for("the first scan", |told| told.cycles == 1);
    fs::rename(bench.root(), bench.dir.path().join("gone")).unwrap();
    bench.server.wait_for("the loss", |told| told.lost_roots == 1);
    bench.wait_status("no root", |status| status.state == "no root");
    bench.server.told().files.clear();
    bench.fill(2);
    bench.server.wait_for("another scan", |told| told.cycles == 2);
    assert_eq!(bench.server.told().files.len(), 4);
    let told = bench.server.told();
    let epochs: Vec<_> =
        told.creates.iter().map(|create| create["source"]["epoch"].as_u64()).collect();
    assert!(epochs.len() == 2 && epochs[1] > epochs[0], "{epochs:?}");
    drop(told);
    bench.stop();
}

#[test]
fn a_root_that_comes_later_is_observed() {
    let mut bench = Bench::new(Kin::Native);
    bench.start();
    bench.wait_status("no root", |status| status.state == "no root");
    assert_eq!(bench.server.counts().0, 0, "there is nothing to open a session for");
    bench.fill(2);
    bench.server.wait_for("the scan", |told| told.cycles == 1);
    assert_eq!(bench.server.told().files.len(), 4);
    fs::write(bench.root().join("d0/new"), b"333").unwrap();
    bench.server.wait_for("a change", |told| told.files.get(&vp("/d0/new")) == Some(&3));
    bench.stop();
}

#[test]
fn a_connection_that_breaks_while_it_is_held_is_noticed_by_both_ends() {
    let mut bench = Bench::new(Kin::Native);
    bench.fill(5);
    bench.start();
    bench.server.wait_for("the first scan", |told| told.cycles == 1);
    bench.server.wait_for("a held heartbeat", |told| told.holds.0 == 1);
    // The server goes away: what it held breaks.
    bench.server.told().cut = true;
    bench.wait_status("that it was noticed", |status| status.hung_up == 1);
    bench.server.told().cut = false;
    bench.server.wait_for("another one", |told| told.holds == (1, 2));
    // What there is to tell does not wait for the next heartbeat.
    bench.server.told().directives = vec![json!({"id": 9, "kind": "recheck", "path": "/d1/a"})];
    bench.server.wait_for("the acknowledgement", |told| told.acked == [9]);
    // The agent goes away: the server's end breaks.
    bench.server.wait_for("the next one", |told| told.holds.0 == 1);
    drop(bench.pipe.take());
    bench.server.wait_for("that it was noticed", |told| told.holds.0 == 0);
}

#[test]
fn several_batches_are_under_way_and_a_lost_connection_costs_nothing() {
    let mut bench = Bench::new(Kin::Native);
    bench.server.told().in_flight = 4;
    bench.fill(20);
    bench.start();
    bench.server.wait_for("the first scan", |told| told.cycles == 1);
    bench.wait_status("the scan to be acknowledged", |status| status.scans == (1, 1));
    let before = bench.directories();
    // More than there can be: nothing is answered until the connections break.
    bench.server.told().under_way.1 = 0;
    bench.server.told().gate = 5;
    fs::write(bench.root().join("d0/more"), b"333").unwrap();
    bench.server.wait_for("one batch", |told| told.under_way.1 >= 1);
    fs::write(bench.root().join("d1/more"), b"333").unwrap();
    bench.server.wait_for("another one beside it", |told| told.under_way.1 >= 2);
    bench.server.told().cut = true;
    bench.server.wait_for("the end of the connections", |told| told.under_way.0 == 0);
    fs::write(bench.root().join("d9/meanwhile"), b"4444").unwrap();
    bench.server.told().cut = false;
    bench.server.wait_for("what happened", |told| {
        let has = |path: &str, size| told.files.get(&vp(path)) == Some(&size);
        has("/d0/more", 3) && has("/d1/more", 3) && has("/d9/meanwhile", 4)
    });
    assert_eq!(bench.directories(), before, "nothing is read again");
    let told = bench.server.told();
    assert_eq!((told.sessions, told.cycles, told.gaps), (1, 1, 0));
    drop(told);
    bench.stop();
}

#[test]
fn a_follower_that_gets_the_lease_of_a_complete_view_reads_nothing() {
    let mut bench = Bench::new(Kin::Native);
    bench.server.told().leader = false;
    bench.fill(20);
    bench.start();
    bench.wait_status("the watches", |status| status.watches_all);
    let before = bench.directories();
    bench.server.told().complete_ms = Some(1000);
    bench.server.told().leader = true;
    bench.wait_status("the lease", |status| status.role == "leader");
    let beats = bench.server.told().beats.len();
    bench.server.wait_for("some heartbeats", |told| told.beats.len() > beats + 2);
    assert_eq!((bench.directories(), bench.server.counts().1), (before, 0));
    fs::write(bench.root().join("d3/new"), b"55555").unwrap();
    bench.server.wait_for("a change", |told| told.files.contains_key(&vp("/d3/new")));
    bench.stop();
}
