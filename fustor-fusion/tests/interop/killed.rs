//! Both programs of this project as two processes, either of which is killed.

use std::fs;

use serde_json::Value;

use crate::bed::peers::Make::Ours;
use crate::bed::picture::{Look, wait_equal};
use crate::bed::site::{Knobs, QUIET, Site, text};

/// Directories in which it goes on.
const BUSY: usize = 20;

/// Changes all over the tree, different in each round.
fn stir(site: &Site, round: usize) {
    for n in 0..BUSY {
        let dir = format!("busy/{n}/{}", round % 3);
        site.mkdir(&dir);
        site.write(&format!("{dir}/r{round}"), &"x".repeat(round));
        if n % 3 == 0 {
            let old = site.at(&format!("busy/{n}/{}", (round + 1) % 3));
            // In the first rounds there is none.
            drop(fs::rename(old, site.at(&format!("busy/{n}/was{round}"))));
        }
        if n % 4 == 1 {
            drop(fs::remove_file(site.at(&format!("{dir}/r{}", round.wrapping_sub(3)))));
        }
    }
}

#[test]
fn what_changes_becomes_the_view() {
    let site = Site::new(QUIET);
    site.plant();
    let _fusion = site.fusion(Ours);
    let agent = site.agent(Ours, "agent");
    site.wait_ready();
    wait_equal(&site, Look::Exact);
    (0..12).for_each(|round| stir(&site, round));
    wait_equal(&site, Look::Exact);
    agent.stop();
    assert_eq!(site.sessions().len(), 0, "it gives its session back");
    assert_eq!(site.get("/tree?path=/").map(|answer| answer.status), Some(200));
}

#[test]
fn audits_of_what_is_as_it_was_change_nothing() {
    let site = Site::new(Knobs { audit_sec: 1, ..QUIET });
    site.plant();
    let _fusion = site.fusion(Ours);
    let _agent = site.agent(Ours, "agent");
    site.wait_ready();
    wait_equal(&site, Look::Exact);
    site.wait_audits(1);
    let revision = text(&site.ask("/stats")["revision"]);
    assert_eq!(site.changes_since(&revision), Vec::<Value>::new());
    site.wait_audits(2);
    assert_eq!(site.changes_since(&revision), Vec::<Value>::new());
}

#[test]
fn a_killed_agent_misses_nothing_for_good() {
    let site = Site::new(QUIET);
    site.plant();
    let _fusion = site.fusion(Ours);
    let mut agent = site.agent(Ours, "agent");
    site.wait_ready();
    // In the middle of what it has to tell, and without a word about what it had told.
    for life in 0..4 {
        (0..3).for_each(|round| stir(&site, 3 * life + round));
        agent.kill();
        stir(&site, 100 + life);
        agent = site.agent(Ours, "agent");
    }
    wait_equal(&site, Look::Exact);
    assert_eq!(site.sessions().len(), 1, "the lives of one agent are one session");
}

#[test]
fn a_killed_fusion_is_told_everything_again() {
    let site = Site::new(QUIET);
    site.plant();
    let mut fusion = site.fusion(Ours);
    let _agent = site.agent(Ours, "agent");
    site.wait_ready();
    for life in 0..3 {
        (0..3).for_each(|round| stir(&site, 3 * life + round));
        fusion.kill();
        stir(&site, 100 + life);
        fusion = site.fusion(Ours);
    }
    site.wait_ready();
    wait_equal(&site, Look::Exact);
    drop(fusion);
}

#[test]
fn both_killed_in_turn_end_with_the_disk() {
    let site = Site::new(QUIET);
    site.plant();
    let mut fusion = site.fusion(Ours);
    let mut agent = site.agent(Ours, "agent");
    for life in 0..3 {
        stir(&site, 2 * life);
        fusion.kill();
        stir(&site, 2 * life + 1);
        agent.kill();
        fusion = site.fusion(Ours);
        agent = site.agent(Ours, "agent");
        stir(&site, 100 + life);
    }
    site.wait_ready();
    wait_equal(&site, Look::Exact);
    drop((fusion, agent));
}
