//! A mount that does not answer: what else its agent does goes on, and another agent takes over.

use std::fs;

use serde_json::Value;

use crate::bed::bytes::{on_disk, wait_same};
use crate::bed::peers::Make::Ours;
use crate::bed::process::{wait_for, wait_until};
use crate::bed::site::{Knobs, Site};
use crate::facility::{Facility, is_missing};
use crate::mount::Bind;
use crate::shared::{AUDITED, Over, never_less};

const TIMEOUT_SEC: u32 = 10;

/// A second view of what another pipe of the agent observes.
fn configure_other(site: &Site) {
    let port = site.receiver();
    let fusion = format!(
        "receivers:
  more: {{driver: http, bind_host: 127.0.0.1, port: {port}, api_keys: [{{key: other-key, pipe_id: view-2}}]}}
views:
  view-2: {{driver: fs, api_keys: [query-key]}}
pipes:
  view-2: {{receiver: more, views: [view-2], audit_interval_sec: 43200}}
"
    );
    let other = site.place("other");
    fs::create_dir(&other).expect("a directory");
    let agent = format!(
        "sources:
  src-2: {{driver: fs, uri: {}}}
senders:
  fus-2: {{driver: fusion, uri: \"http://127.0.0.1:{port}\", credential: {{key: other-key}}}}
pipes:
  view-2: {{source: src-2, sender: fus-2}}
",
        other.display()
    );
    site.configure("fusion", "fusion-config", &fusion);
    site.configure("one", "agent-config", &agent);
}

/// Whether the other pipe tells what happens now.
fn tells_other(site: &Site, name: &str) {
    fs::write(site.place("other").join(name), "x").expect("a file is written");
    wait_until("the other pipe is live", || {
        let path = format!("/api/v1/views/view-2/metadata?path=/{name}");
        match site.get_any(&path) {
            Some(answer) if answer.status == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

fn session_of(site: &Site, agent: &str) -> Option<Value> {
    let id = site.status(agent).ok()?["pipes"]["view-1"]["session"].clone();
    site.sessions().into_iter().find(|session| session["session_id"] == id)
}

#[test]
fn an_agent_whose_mount_hangs_lives_on_and_another_leads() {
    if is_missing(&[Facility::Fuse]) {
        return;
    }
    let site = Site::new(Knobs { timeout_sec: TIMEOUT_SEC, ..AUDITED });
    site.plant();
    configure_other(&site);
    let [hangs, works] = ["m1", "m2"].map(|name| Bind::new(&site.tree(), site.place(name)));
    let _fusion = site.fusion(Ours);
    let _one = site.agent_on("one", hangs.root(), &[]);
    site.wait_ready();
    let led = site.leader_of(1);
    let _two = site.agent_on("two", works.root(), &[]);
    assert_eq!(site.leader_of(2), led, "nobody is displaced");
    wait_same(&site, &site.tree());
    tells_other(&site, "before");

    let over = Over::default();
    let least = on_disk(&site.tree()).len();
    std::thread::scope(|scope| {
        let (site, over) = (&site, &over);
        let ends = over.when_dropped();
        let asking = scope.spawn(move || never_less(site, least, over));
        hangs.freeze();
        works.write("c/while-it-hangs", "seen through another mount");
        wait_for("another leader", || {
            let sessions = site.sessions();
            let mut leaders = sessions.iter().filter(|session| session["role"] == "leader");
            leaders.find(|leader| leader["session_id"] != led.as_str()).map(drop)
        });
        wait_same(site, &site.tree());
        tells_other(site, "meanwhile");
        // Longer than a session lives in silence.
        site.wait_audits(u64::from(TIMEOUT_SEC / AUDITED.audit_sec + 1));
        let one = session_of(site, "one").expect("its session goes on, by its heartbeats");
        assert_eq!(one["role"], "follower", "{one}");
        drop(ends);
        asking.join().expect("never less");
    });
    hangs.thaw();
    hangs.write("c/afterwards", "seen through the mount that hung");
    wait_same(&site, &site.tree());
    tells_other(&site, "afterwards");
    site.leader_of(2);
}
