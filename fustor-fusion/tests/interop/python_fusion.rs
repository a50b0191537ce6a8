//! This agent that reports to a fusion of 0.8.

use std::fs;

use serde_json::Value;

use crate::bed::peers::Make::{Ours, Python};
use crate::bed::picture::{Look, wait_equal};
use crate::bed::site::{Knobs, QUIET, Site};
use crate::python_agent::{COMPLEX, TOLD, wait_each};

/// The only session must be the first one still.
fn only_session(site: &Site) -> Value {
    let sessions = site.sessions();
    assert_eq!(sessions.len(), 1, "{sessions:#?}");
    sessions[0]["session_id"].clone()
}

#[test]
fn the_snapshot_and_the_changes_become_its_view() {
    // Silent for longer than this it would lose its session.
    let site = Site::new(Knobs { timeout_sec: 3, ..QUIET });
    site.plant();
    let _fusion = site.fusion(Python);
    let _agent = site.agent(Ours, "agent");
    site.wait_ready();
    wait_equal(&site, Look::Rounded);
    let session = only_session(&site);
    wait_each(&site, TOLD);
    wait_each(&site, COMPLEX);
    assert_eq!(only_session(&site), session);
}

#[test]
fn audits_find_what_nobody_watches_and_remove_what_is_gone_only() {
    let source = ", driver_params: {watch: false}";
    let site = Site::new(Knobs { audit_sec: 2, sentinel_sec: 1, source, ..QUIET });
    site.plant();
    let _fusion = site.fusion(Python);
    let _agent = site.agent(Ours, "agent");
    wait_equal(&site, Look::Rounded);
    site.wait_audits(2);
    for round in 0..2 {
        // More than once: the second audit of a directory must be believed, too.
        site.mkdir(&format!("c/round{round}/deep"));
        site.write(&format!("c/round{round}/deep/new"), "new");
        fs::remove_file(site.at(&format!("c/f{round}"))).unwrap();
        fs::remove_dir_all(site.at(if round == 0 { "a/b" } else { "c/round0" })).unwrap();
        wait_equal(&site, Look::Rounded);
    }
    site.wait_audits(1);
    wait_equal(&site, Look::Rounded);
    only_session(&site);
}

#[test]
fn it_scans_on_demand() {
    let source = ", driver_params: {watch: false}";
    let site = Site::new(Knobs { timeout_sec: 3, source, ..QUIET });
    site.plant();
    let _fusion = site.fusion(Python);
    let _agent = site.agent(Ours, "agent");
    wait_equal(&site, Look::Rounded);
    site.mkdir("c/deep");
    site.write("c/deep/new", "new");
    let job = site.scan_now("/c");
    assert_eq!(job["progress"]["percentage"], 100.0, "{job}");
    wait_equal(&site, Look::Files);
}

#[test]
fn it_comes_back_when_that_fusion_was_killed() {
    let site = Site::new(Knobs { timeout_sec: 3, ..QUIET });
    site.plant();
    let fusion = site.fusion(Python);
    let _agent = site.agent(Ours, "agent");
    wait_equal(&site, Look::Rounded);
    fusion.kill();
    site.write("c/meanwhile", "x");
    fs::remove_file(site.at("c/f1")).unwrap();
    let _fusion = site.fusion(Python);
    site.wait_ready();
    wait_equal(&site, Look::Rounded);
    only_session(&site);
}
