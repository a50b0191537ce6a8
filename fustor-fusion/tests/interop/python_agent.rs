//! Agents of 0.8 that report to this fusion.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::bed::peers::Make::{Ours, Python};
use crate::bed::picture::{Look, compare, wait_equal};
use crate::bed::process::{wait_for, wait_until};
use crate::bed::site::{Knobs, QUIET, Site, text};

/// What a change of a tree is, and how to make it.
type Step = (&'static str, fn(&Site));

/// Changes of which the agent of 0.8 makes one event, or several that say the same. Of events within one millisecond it
/// loses those that its sender does not find in one go.
pub(crate) const TOLD: &[Step] = &[
    ("create, write and close", |site| site.write("a/new", "12345")),
    ("append", |site| {
        let mut file = File::options().append(true).open(site.at("a/new")).unwrap();
        file.write_all(b"678").unwrap();
    }),
    ("move a file out", |site| fs::rename(site.at("a/new"), site.at("../new")).unwrap()),
    ("write another", |site| site.write("a/other", "other")),
    ("delete", |site| fs::remove_file(site.at("a/other")).unwrap()),
    ("make a directory", |site| site.mkdir("made")),
    ("write into it", |site| site.write("made/x", "x")),
    ("change a time", |site| {
        let file = File::options().append(true).open(site.at("c/f2")).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    }),
    ("move a directory out", |site| fs::rename(site.at("a/b"), site.at("../b")).unwrap()),
];

/// Changes that are several.
pub(crate) const COMPLEX: &[Step] = &[
    // A file that comes without being closed is no event to an agent of 0.8.
    ("move a file in", |site| {
        site.write("../outside", "moved in");
        fs::rename(site.at("../outside"), site.at("c/inside")).unwrap();
    }),
    ("rename a file", |site| fs::rename(site.at("c/f1"), site.at("c/moved")).unwrap()),
    ("rename over a file", |site| fs::rename(site.at("c/moved"), site.at("c/f3")).unwrap()),
    ("make directories at once", |site| {
        site.mkdir("p/q/r");
        site.write("p/q/r/deep", "deep");
    }),
    ("rename a directory", |site| fs::rename(site.at("empty"), site.at("c/renamed")).unwrap()),
    ("write into the renamed one", |site| site.write("c/renamed/y", "yy")),
    ("rename it back", |site| fs::rename(site.at("c/renamed"), site.at("empty")).unwrap()),
    ("remove a directory", |site| fs::remove_dir_all(site.at("empty")).unwrap()),
    ("write many", |site| (0..20).for_each(|n| site.write(&format!("c/many{n}"), "many"))),
    ("remove many", |site| {
        (0..20).for_each(|n| fs::remove_file(site.at(&format!("c/many{n}"))).unwrap());
    }),
];

/// Makes each change and waits until the view shows it.
pub(crate) fn wait_each(site: &Site, steps: &[Step]) {
    for (what, step) in steps {
        step(site);
        wait_until(what, || compare(site, Look::Files));
    }
}

#[test]
fn its_snapshot_and_its_changes_become_the_view() {
    let site = Site::new(QUIET);
    site.plant();
    let _fusion = site.fusion(Ours);
    assert_eq!(site.get("/tree?path=/").map(|answer| answer.status), Some(503));
    let _agent = site.agent(Python, "agent");
    site.wait_ready();
    wait_equal(&site, Look::Rounded);
    let session = site.leader_of(1);
    wait_each(&site, TOLD);
    assert_eq!(site.leader_of(1), session);
}

/// Its audits and its sentinel, one after the other, find what its watcher has lost, also what is gone.
pub(crate) const WAKEFUL: Knobs = Knobs { audit_sec: 2, sentinel_sec: 1, ..QUIET };

#[test]
fn whatever_it_loses_is_found() {
    let site = Site::new(WAKEFUL);
    site.plant();
    let _fusion = site.fusion(Ours);
    let _agent = site.agent(Python, "agent");
    site.wait_ready();
    COMPLEX.iter().for_each(|(_, step)| step(&site));
    wait_equal(&site, Look::Rounded);
}

#[test]
fn its_audits_find_what_nobody_told_and_change_nothing_else() {
    let site = Site::new(Knobs { audit_sec: 2, ..QUIET });
    site.plant();
    let _fusion = site.fusion(Ours);
    let _agent = site.agent(Python, "agent");
    site.wait_ready();
    // Its watcher is late for what is below a new directory.
    site.mkdir("p/q/r");
    site.write("p/q/r/deep", "deep");
    fs::hard_link(site.at("c/f3"), site.at("c/linked")).unwrap();
    wait_equal(&site, Look::Rounded);
    assert_ne!(site.ask("/blind-spots")["additions_count"], 0);

    // Marks of what was found go with the next audit that begins.
    site.wait_audits(1);
    let before = site.ask("/tree?path=/");
    let revision = text(&site.ask("/stats")["revision"]);
    // The first question has the revision kept.
    assert_eq!(site.changes_since(&revision), Vec::<Value>::new());
    site.wait_audits(2);
    assert_eq!(site.changes_since(&revision), Vec::<Value>::new());
    assert_eq!(site.ask("/tree?path=/"), before);
}

#[test]
fn its_sentinel_is_asked_about_what_is_still_written() {
    let site = Site::new(Knobs { sentinel_sec: 1, hot_sec: 2, ..QUIET });
    site.plant();
    let _fusion = site.fusion(Ours);
    let _agent = site.agent(Python, "agent");
    wait_until("the first picture", || compare(&site, Look::Rounded));
    let mut file = File::create(site.at("c/slow")).unwrap();
    file.write_all(b"begun").unwrap();
    let suspects = || site.ask("/suspect-list").as_array().unwrap().clone();
    wait_for("a suspect", || suspects().iter().any(|at| at["path"] == "/c/slow").then_some(()));
    let fed = "fustor_requests_total{route=\"/api/v1/pipe/consistency/sentinel/feedback\",status=\"200\"}";
    wait_for("its findings", || (site.metric(fed) > 0.0).then_some(()));
    wait_for("it rests", || suspects().is_empty().then_some(()));
    file.write_all(b" and done").unwrap();
    drop(file);
    wait_equal(&site, Look::Files);
}

#[test]
fn it_scans_on_demand_what_it_has_not_told() {
    let site = Site::new(QUIET);
    site.plant();
    let _fusion = site.fusion(Ours);
    let _agent = site.agent(Python, "agent");
    wait_equal(&site, Look::Rounded);
    // It tells the new directory only.
    site.mkdir("../aside/n/m");
    site.write("../aside/n/m/x", "x");
    fs::rename(site.at("../aside"), site.at("c/in")).unwrap();
    wait_for("the new directory", || (site.get("/tree?path=/c/in")?.status == 200).then_some(()));
    let job = site.scan_now("/c");
    assert_eq!(job["path"], "/c", "{job}");
    wait_equal(&site, Look::Files);
    let missing = site.ask("/tree?path=/not/there&on_demand_scan=true");
    assert_eq!(missing["job_pending"], true, "{missing}");
}

#[test]
fn a_silence_within_the_timeout_costs_it_nothing() {
    let site = Site::new(QUIET);
    site.plant();
    let _fusion = site.fusion(Ours);
    let agent = site.agent(Python, "agent");
    wait_equal(&site, Look::Rounded);
    let session = site.leader_of(1);
    let last_seen = || site.sessions()[0]["last_seen_at"].as_f64().expect("a time");
    // It is told six seconds, so that it is heard every two.
    let first = last_seen();
    let second = wait_for("a heartbeat", || Some(last_seen()).filter(|seen| *seen > first));
    assert!(second - first < 5.0, "{first} {second}");

    agent.signal("-STOP");
    site.write("c/meanwhile", "x");
    let stopped = last_seen();
    let logical = || site.ask("/stats")["logical_now"].as_f64().expect("a time");
    wait_for("a longer silence than it is told", || (logical() - stopped > 8.0).then_some(()));
    assert_eq!(site.sessions()[0]["session_id"], session.as_str());
    assert_eq!(site.get("/tree?path=/").map(|answer| answer.status), Some(200));
    agent.signal("-CONT");
    wait_equal(&site, Look::Files);
    assert_eq!(site.leader_of(1), session);
}

#[test]
fn names_that_it_cannot_tell_apart_become_one_and_do_not_flap() {
    let site = Site::new(Knobs { audit_sec: 2, ..QUIET });
    site.plant();
    for (byte, text) in [(0xfe_u8, "one"), (0xff, "another")] {
        fs::write(site.at("c").join(OsStr::from_bytes(&[b'n', byte])), text).unwrap();
    }
    let _fusion = site.fusion(Ours);
    let _python = site.agent(Python, "python");
    site.wait_ready();
    site.leader_of(1);
    let names = || -> Vec<(String, u64)> {
        let tree = site.ask("/tree?path=/c&max_depth=1");
        let children = tree["children"].as_array().expect("children").iter();
        let odd = children.filter(|child| !child["name"].as_str().unwrap_or("").starts_with('f'));
        let mut odd: Vec<_> =
            odd.map(|child| (text(&child["path"]), child["size"].as_u64().unwrap())).collect();
        odd.sort();
        odd
    };
    wait_for("one of them", || {
        matches!(&names()[..], [(path, _)] if path == "/c/n?").then_some(())
    });
    // Somebody who can tell them apart: what the other one says of either changes neither.
    let _native = site.agent(Ours, "native");
    site.leader_of(2);
    site.scan_now("/c");
    let both = [("/c/n\u{fffd}".to_owned(), 3), ("/c/n\u{fffd}".to_owned(), 7)];
    let told = || {
        let mut found = names();
        found.sort_by_key(|(_, size)| *size);
        if found == both { Ok(()) } else { Err(format!("{found:?}")) }
    };
    wait_until("both of them", told);
    site.wait_audits(2);
    told().unwrap();
}
