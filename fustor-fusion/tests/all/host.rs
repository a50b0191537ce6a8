//! The host of a view: what a reply promises, and what is left when it stops.

use std::sync::Arc;

use fustor_core::{Command, Directive, Kind, Lane, StorageId, ViewPath};
use fustor_fusion::host::Busy;

use crate::fixture::{Fixture, dir, facts, file, wait_for};

#[test]
fn what_was_replied_to_can_be_read() {
    let fixture = Fixture::new(|_| ());
    fixture.attach();
    for n in 1..50 {
        fixture.scan(&[("/", (0..n).map(|i| file(&format!("f{i}"), i + 2, i)).collect())]);
        let snapshot = fixture.host.snapshot();
        assert_eq!(snapshot.cycles().completed, n);
        let last = ViewPath::root().join(format!("f{}", n - 1).as_bytes());
        assert!(snapshot.tree().lookup(&last).is_some(), "{n}");
    }
}

#[test]
fn a_picture_once_taken_stays_as_it_is() {
    let fixture = Fixture::small();
    let before = fixture.host.snapshot();
    fixture.apply(Command::Reset);
    assert!(before.tree().lookup(&ViewPath::parse(b"/a/b/deep.txt").unwrap()).is_some());
    assert!(fixture.host.snapshot().tree().lookup(&ViewPath::parse(b"/a").unwrap()).is_none());
    assert!(!Arc::ptr_eq(&before, &fixture.host.snapshot()));
}

#[test]
fn the_wishes_of_a_view_reach_its_agents() {
    let fixture = Fixture::small();
    let listing = fixture.listing("/a", facts(Kind::Dir, 2, 0), &[dir("unlisted", 77)]);
    fixture.batch(vec![listing]);
    let asked = wait_for("a directive", || {
        if fixture.host.directives().is_empty() { None } else { fixture.host.directives().wait() }
    });
    let path = ViewPath::parse(b"/a/unlisted").unwrap();
    let named = |directive: &Directive| match directive {
        Directive::List { storage, path: at, .. } => *storage == StorageId(0) && at.contains(&path),
        Directive::Recheck { .. } => false,
    };
    assert!(asked.iter().any(named), "{asked:?}");
}

#[test]
fn a_stopped_host_turns_everybody_away() {
    let fixture = Fixture::small();
    fixture.host.stop();
    assert!(!fixture.host.running());
    assert!(matches!(fixture.host.submit(Lane::Scan, Command::Tick), Err(Busy::Closed)));
    assert!(fixture.host.feed(Lane::Scan, Command::Tick).is_err());
    assert_eq!(fixture.host.directives().wait(), None);
}
