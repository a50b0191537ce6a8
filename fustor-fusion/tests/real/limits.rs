//! The kernel's limits of watching, reached for real.

use std::fs;

use serde_json::Value;

use crate::bed::bytes::{compare, wait_same};
use crate::bed::peers::Make::Ours;
use crate::bed::process::{Process, wait_until};
use crate::bed::site::{QUIET, Site};
use crate::facility::{Facility, is_missing, limited};
use crate::shared::AUDITED;

/// Far fewer than there are directories.
const WATCHES: u32 = 30;
const DIRECTORIES: u64 = 150;

/// More reports than the kernel queues: each file gives at least two.
fn flood(site: &Site) {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("Linux tells");
    let limit: usize = limit.trim().parse().expect("a number");
    for n in 0..limit * 3 / 4 {
        let dir = ["a", "c"][n % 2];
        site.write(&format!("{dir}/flood{n}"), "x");
    }
    fs::remove_file(site.at("c/f1")).expect("it is there");
    fs::rename(site.at("a/b"), site.at("c/moved")).expect("it is there");
}

/// Waits until the view is trusted, which it may be only when it shows what is there.
fn wait_trusted(site: &Site, agent: &Process) {
    wait_until("the view is trusted", || {
        let answer = site.get("/stats?path=/").ok_or("nobody answers")?;
        if answer.trust == "trusted" { Ok(()) } else { Err(answer.trust) }
    });
    let differ = compare(site, &site.tree());
    assert_eq!(differ, Ok(()), "trusted and wrong; the agent said:\n{}", agent.said());
}

#[test]
fn reports_that_the_kernel_dropped_are_a_gap_and_repaired() {
    let site = Site::new(QUIET);
    site.plant();
    let _fusion = site.fusion(Ours);
    let agent = site.agent(Ours, "agent");
    site.wait_ready();
    wait_same(&site, &site.tree());
    wait_trusted(&site, &agent);
    let scans = |site: &Site| site.ask("/health")["scans"]["completed"].as_u64().expect("a count");
    let before = scans(&site);
    // It reads none of them.
    agent.signal("-STOP");
    flood(&site);
    agent.signal("-CONT");
    wait_until("the loss is noticed", || {
        let said = agent.said();
        if said.contains("the kernel's queue of reports overflowed") { Ok(()) } else { Err(said) }
    });
    wait_until("all was read again", || {
        let health = site.ask("/health");
        let gaps = health["gaps"].as_array().map_or(0, Vec::len);
        if scans(&site) > before || gaps > 0 { Ok(()) } else { Err(health.to_string()) }
    });
    wait_trusted(&site, &agent);
}

fn uncovered_for(health: &Value, reason: &str) -> usize {
    let dirs = health["uncovered"].as_array().into_iter().flatten();
    dirs.filter(|dir| dir["reason"] == reason).count()
}

#[test]
fn what_cannot_be_watched_is_told_and_found_by_audits() {
    if is_missing(&[Facility::UserNamespace]) {
        return;
    }
    let site = Site::new(AUDITED);
    for n in 0..DIRECTORIES {
        site.mkdir(&format!("d{n}"));
        site.write(&format!("d{n}/f"), "x");
    }
    let _fusion = site.fusion(Ours);
    let starter = limited(WATCHES);
    let starter: Vec<&str> = starter.iter().map(String::as_str).collect();
    let _agent = site.agent_on("agent", &site.tree(), &starter);
    site.wait_ready();
    wait_same(&site, &site.tree());
    wait_until("each is watched or told", || {
        let status = site.status("agent")?;
        let watched = status["pipes"]["view-1"]["watched"].as_u64().expect("a count");
        assert!(watched <= u64::from(WATCHES), "{watched} are watched");
        let told = uncovered_for(&site.ask("/health"), "WatchLimit") as u64;
        if told + watched == DIRECTORIES + 1 { Ok(()) } else { Err(format!("{told} {watched}")) }
    });

    for round in 0..3_u8 {
        for n in (u64::from(round)..DIRECTORIES).step_by(7) {
            site.write(&format!("d{n}/new{round}"), "what audits find");
        }
        fs::remove_file(site.at(&format!("d{round}/f"))).expect("it is there");
        let renamed = site.at(&format!("d{}/renamed", 20 + round));
        fs::rename(site.at(&format!("d{}", 60 + round)), renamed).expect("it is there");
        wait_until("the view shows what is there and never says that it is sure", || {
            let answer = site.get("/stats?path=/").ok_or("nobody answers")?;
            assert!(answer.trust.starts_with("degraded"), "{}", answer.trust);
            compare(&site, &site.tree())
        });
    }
}
