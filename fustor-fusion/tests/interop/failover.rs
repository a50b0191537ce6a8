//! An agent of 0.8 and one of this project that observe the same tree: each takes over from the other.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::bed::peers::Make::{self, Ours, Python};
use crate::bed::picture::{Look, wait_equal};
use crate::bed::process::wait_for;
use crate::bed::site::Site;
use crate::python_agent::WAKEFUL;

fn take_over(first: Make, second: Make) {
    let site = Site::new(WAKEFUL);
    site.plant();
    let _fusion = site.fusion(Ours);
    let leader = site.agent(first, "first");
    site.wait_ready();
    wait_equal(&site, Look::Rounded);
    let led = site.leader_of(1);
    let _follower = site.agent(second, "second");
    assert_eq!(site.leader_of(2), led, "nobody is displaced");
    site.write("c/both", "told twice");
    wait_equal(&site, Look::Files);

    let over = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (site, ended) = (&site, Arc::clone(&over));
        let asking = scope.spawn(move || {
            let mut asked = 0;
            while !ended.load(Ordering::Relaxed) {
                let answer = site.get("/tree?path=/&max_depth=1").expect("fusion answers");
                assert_eq!(answer.status, 200, "after {asked}: {}", answer.body);
                asked += 1;
            }
            asked
        });
        leader.kill();
        site.write("c/alone", "told by one");
        fs::remove_file(site.at("c/f1")).expect("it is there");
        wait_for("another leader", || {
            let sessions = site.sessions();
            let leads = |session: &&serde_json::Value| session["role"] == "leader";
            sessions.iter().find(leads).filter(|leader| leader["session_id"] != led.as_str())?;
            Some(())
        });
        wait_equal(site, Look::Files);
        site.scan_now("/c");
        over.store(true, Ordering::Relaxed);
        assert!(asking.join().expect("always 200") > 0);
    });
}

#[test]
fn this_agent_takes_over_from_one_of_0_8() {
    take_over(Python, Ours);
}

#[test]
fn an_agent_of_0_8_takes_over_from_this_one() {
    take_over(Ours, Python);
}
