//! Storage that fails: no room, no permission, errors of the device. Nothing that is there is ever taken for removed.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::bed::bytes::{Entries, in_view, on_disk, wait_same};
use crate::bed::peers::Make::Ours;
use crate::bed::process::wait_until;
use crate::bed::site::Site;
use crate::facility::{Facility, PLAIN, is_missing};
use crate::mount::{Bind, Tmpfs};
use crate::shared::AUDITED;

/// Neither root nor anybody who runs a test.
const NOBODY: u32 = 65_534;

/// Waits until the view says of `dir` that it is not covered, for this reason.
fn wait_uncovered(site: &Site, dir: &str, reason: &str) {
    wait_until("it is told as not covered", || {
        let health = site.ask("/health");
        let mut found = health["uncovered"].as_array().into_iter().flatten();
        let told = found.any(|one| one["path"] == dir && one["reason"] == reason);
        if told { Ok(()) } else { Err(health["uncovered"].to_string()) }
    });
    let answer = site.get(&format!("/stats?path={dir}")).expect("fusion answers");
    assert!(answer.trust.contains("uncovered"), "{}", answer.trust);
}

fn wait_covered(site: &Site) {
    wait_until("all is covered", || {
        let health = site.ask("/health");
        if health["uncovered_count"] == 0 { Ok(()) } else { Err(health["uncovered"].to_string()) }
    });
}

/// Waits for two audits, and looks whether all of `before` is still shown.
fn loses_nothing(site: &Site, before: &Entries) {
    site.wait_audits(2);
    let (now, _) = in_view(site).expect("a picture");
    let lost: Vec<_> = before.keys().filter(|path| !now.contains_key(*path)).collect();
    assert_eq!(lost, Vec::<&Vec<u8>>::new());
}

/// Writes until there is no room.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).expect("a file");
    loop {
        match file.write_all(&[0; 4096]) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_full_disk_takes_nothing_from_the_view() {
    if is_missing(&[Facility::Tmpfs]) {
        return;
    }
    let site = Site::new(AUDITED);
    let _tree = Tmpfs::new(site.tree(), "2m");
    let _home = Tmpfs::new(site.place("agent"), "256k");
    site.plant();
    let _fusion = site.fusion(Ours);
    let _agent = site.agent(Ours, "agent");
    site.wait_ready();
    wait_same(&site, &site.tree());
    // The agent cannot note anything, and the tree takes no more.
    fill(&site.place("agent/full"));
    fill(&site.at("c/full"));
    let refused = fs::write(site.at("a/refused"), "no room for this");
    assert_eq!(refused.expect_err("it is full").kind(), ErrorKind::StorageFull);
    wait_same(&site, &site.tree());
    loses_nothing(&site, &on_disk(&site.tree()));
    fs::remove_file(site.at("c/full")).expect("it is there");
    site.write("a/taken", "there is room again");
    wait_same(&site, &site.tree());
    site.status("agent").expect("it answers");
}

#[test]
fn a_directory_that_may_not_be_read_is_told_and_kept() {
    if is_missing(&[Facility::Privileges]) {
        return;
    }
    let site = Site::new(AUDITED);
    site.plant();
    let _fusion = site.fusion(Ours);
    let _agent = site.agent_on("agent", &site.tree(), &PLAIN);
    site.wait_ready();
    wait_same(&site, &site.tree());
    let before = on_disk(&site.tree());
    let allow = |mode, owner| {
        fs::set_permissions(site.at("a"), fs::Permissions::from_mode(mode)).expect("allowed");
        chown(site.at("a"), Some(owner), Some(owner)).expect("allowed");
    };
    allow(0o700, NOBODY);
    site.write("a/unseen", "the agent may not look");
    site.write("c/seen", "here it may");
    wait_uncovered(&site, "/a", "Unreadable");
    loses_nothing(&site, &before);
    let answer = site.get("/metadata?path=/c/seen").expect("fusion answers");
    assert_eq!(answer.status, 200, "others are not affected: {}", answer.text);
    let beside = site.get("/stats?path=/c").expect("fusion answers");
    assert_eq!(beside.trust, "trusted");
    allow(0o755, 0);
    wait_same(&site, &site.tree());
    wait_covered(&site);
}

#[test]
fn what_the_device_cannot_read_is_told_and_kept() {
    if is_missing(&[Facility::PythonFuse]) {
        return;
    }
    let site = Site::new(AUDITED);
    site.plant();
    let faults = site.place("faults");
    fs::write(&faults, "").expect("a file");
    let mount = Bind::faulty(&site.tree(), site.place("mounted"), &faults);
    let _fusion = site.fusion(Ours);
    let _agent = site.agent_on("agent", mount.root(), &[]);
    site.wait_ready();
    wait_same(&site, &site.tree());
    let before = on_disk(&site.tree());
    // A directory that cannot be read, and a file at which nobody can look.
    fs::write(&faults, "readdir /a\ngetattr /c/f1\n").expect("a file");
    mount.write("c/seen", "others are read");
    wait_uncovered(&site, "/a", "Failing");
    loses_nothing(&site, &before);
    wait_until("others are not affected", || {
        let answer = site.get("/metadata?path=/c/seen").ok_or("nobody answers")?;
        if answer.status == 200 { Ok(()) } else { Err(answer.text) }
    });
    fs::write(&faults, "").expect("a file");
    mount.write("a/healed", "it is read again");
    wait_same(&site, &site.tree());
    wait_covered(&site);
}
