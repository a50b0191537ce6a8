//! One storage with several mounts, some of them observed: what clients of a network file system make of each other.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::bed::bytes::{on_disk, wait_same};
use crate::bed::peers::Make::Ours;
use crate::bed::process::{wait_for, wait_until};
use crate::bed::site::{Knobs, QUIET, Site};
use crate::facility::{Facility, is_missing};
use crate::mount::Bind;

/// Audits come by themselves.
pub(crate) const AUDITED: Knobs = Knobs { audit_sec: 3, ..QUIET };

fn mount(site: &Site, name: &str) -> Bind {
    Bind::new(&site.tree(), site.place(name))
}

/// Waits until an entry is shown, as seen by a watch or found by a scan.
fn wait_seen(site: &Site, path: &str, blind: bool) {
    wait_until(path, || {
        let answer = site.get(&format!("/metadata?path={path}")).ok_or("nobody answers")?;
        match (answer.status, answer.body["agent_missing"].as_bool()) {
            (200, Some(seen)) if seen == blind => Ok(()),
            (_, _) => Err(answer.text),
        }
    });
}

#[test]
fn watched_mounts_tell_at_once_and_audits_find_the_rest() {
    if is_missing(&[Facility::Fuse]) {
        return;
    }
    let site = Site::new(AUDITED);
    site.plant();
    let [first, second, third] = ["m1", "m2", "m3"].map(|name| mount(&site, name));
    let _fusion = site.fusion(Ours);
    let _one = site.agent_on("one", first.root(), &[]);
    let _two = site.agent_on("two", second.root(), &[]);
    site.wait_ready();
    wait_same(&site, &site.tree());
    site.leader_of(2);
    // So that an agent that still walks does not take for old what comes.
    wait_for("both watch", || {
        let all = |name| site.status(name).ok()?["pipes"]["view-1"]["watches_all"].as_bool();
        (all("one")? && all("two")?).then_some(())
    });

    // Gone without anybody having seen it: not before an attribute cache may no longer hide it.
    fs::remove_file(third.at("c/f1")).expect("it is there");
    first.write("a/by-first", "1");
    second.write("a/by-second", "22");
    third.write("a/by-third", "333");
    site.write("a/by-nobody", "4444");
    wait_seen(&site, "/a/by-first", false);
    wait_seen(&site, "/a/by-second", false);
    wait_seen(&site, "/a/by-third", true);
    wait_seen(&site, "/a/by-nobody", true);
    third.write("c/f2", "other contents in place");
    fs::rename(second.at("a/by-first"), second.at("c/moved")).expect("it is there");
    fs::create_dir_all(third.at("deep/er")).expect("a directory");
    third.write("deep/er/file", "x");
    wait_seen(&site, "/c/moved", false);
    // What is in it was there when it was first listed.
    wait_seen(&site, "/deep", true);
    wait_same(&site, &site.tree());
    let blind = site.ask("/blind-spots");
    assert!(blind.to_string().contains("/c/f1"), "its removal is told: {blind}");
}

#[test]
fn when_the_leader_is_killed_the_other_mount_leads_and_nothing_is_less() {
    if is_missing(&[Facility::Fuse]) {
        return;
    }
    let site = Site::new(AUDITED);
    site.plant();
    let [first, second, third] = ["m1", "m2", "m3"].map(|name| mount(&site, name));
    let _fusion = site.fusion(Ours);
    let leader = site.agent_on("one", first.root(), &[]);
    site.wait_ready();
    let led = site.leader_of(1);
    let _follower = site.agent_on("two", second.root(), &[]);
    assert_eq!(site.leader_of(2), led, "nobody is displaced");
    wait_same(&site, &site.tree());

    let over = Over::default();
    let least = on_disk(&site.tree()).len();
    std::thread::scope(|scope| {
        let (site, over) = (&site, &over);
        let ends = over.when_dropped();
        let asking = scope.spawn(move || never_less(site, least, over));
        leader.kill();
        second.write("c/by-second", "told by the other");
        third.write("c/by-third", "told by nobody");
        wait_for("another leader", || {
            let sessions = site.sessions();
            let mut leaders = sessions.iter().filter(|session| session["role"] == "leader");
            leaders.find(|leader| leader["session_id"] != led.as_str()).map(drop)
        });
        wait_seen(site, "/c/by-second", false);
        wait_seen(site, "/c/by-third", true);
        wait_same(site, &site.tree());
        drop(ends);
        asking.join().expect("never less");
    });
}

/// Ends the questions that go on beside a test, also when it fails.
#[derive(Default)]
pub(crate) struct Over(AtomicBool);

impl Over {
    pub(crate) fn when_dropped(&self) -> SayOver<'_> {
        SayOver(self)
    }
}

pub(crate) struct SayOver<'a>(&'a Over);

impl Drop for SayOver<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Asks again and again, while nothing is removed.
pub(crate) fn never_less(site: &Site, least: usize, over: &Over) {
    let mut most = least;
    while !over.0.load(Ordering::Relaxed) {
        let answer = site.get("/find?path=/&limit=1000").expect("fusion answers");
        assert_eq!(answer.status, 200, "{}", answer.text);
        let shown = answer.body["entries"].as_array().expect("a list").len();
        assert!(shown >= most, "{shown} of {most} entries are shown");
        most = shown;
    }
}
