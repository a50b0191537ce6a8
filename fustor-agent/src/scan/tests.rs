//! What the scanner does with errors and hanging directories. Run by root, mode bits refuse nothing, and a sandbox has
//! no broken disk: the errors are injected where the system calls are made.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use fustor_core::{CyclePhase, Event, Listing, UncoveredReason, ViewPath};
use rustix::io::Errno;

use super::Fault;
use crate::SourceConfig;
use crate::outbox::{Outlet, outbox};
use crate::source::{Source, start_with};

#[derive(Default)]
struct Seen {
    listings: BTreeMap<String, Vec<Listing>>,
    uncovered: Vec<(String, UncoveredReason)>,
    covered: Vec<String>,
    ended: usize,
    lost_roots: usize,
}

impl Seen {
    fn until(&mut self, outlet: &Outlet, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what}: not seen in time");
            let Some(sealed) = outlet.recv(Duration::from_millis(20)) else { continue };
            for event in sealed.events {
                self.add(event);
            }
        }
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::Listing(listing) => {
                self.listings.entry(listing.dir.to_string()).or_default().push(listing);
            }
            Event::Uncovered { dir, reason, .. } => self.uncovered.push((dir.to_string(), reason)),
            Event::Covered { dir } => self.covered.push(dir.to_string()),
            Event::Cycle { phase: CyclePhase::End | CyclePhase::PassEnd { .. }, .. } => {
                self.ended += 1;
            }
            Event::Cycle { .. }
            | Event::Upsert { .. }
            | Event::Delete { .. }
            | Event::Rename { .. }
            | Event::Gap { .. }
            | Event::Remark(_) => {}
            Event::RootLost { .. } => self.lost_roots += 1,
        }
    }
}

fn source(root: &Path, hang_after: Duration, fault: Fault) -> (Source, Outlet) {
    fs::create_dir_all(root.join("a/bad/below")).unwrap();
    fs::create_dir_all(root.join("b/good")).unwrap();
    fs::write(root.join("a/bad/file"), b"1").unwrap();
    let (sink, outlet) = outbox();
    let config =
        SourceConfig { watch: false, scan_workers: 1, hang_after, ..SourceConfig::new(root) };
    (start_with(config, sink, Some(fault)).unwrap(), outlet)
}

fn failing(path: &'static str, name: &'static str, errno: Errno, times: usize) -> Fault {
    let left = Mutex::new(times);
    Arc::new(move |dir: &ViewPath, entry: &[u8]| {
        let mut left = left.lock().unwrap();
        if dir.as_bytes() != path.as_bytes() || entry != name.as_bytes() || *left == 0 {
            return None;
        }
        *left -= 1;
        Some(io::Error::from(errno))
    })
}

#[test]
fn an_unreadable_directory_costs_nothing_but_itself_and_is_tried_again() {
    let cases = [
        (Errno::ACCESS, UncoveredReason::Unreadable),
        (Errno::IO, UncoveredReason::Failing),
        (Errno::STALE, UncoveredReason::Failing),
    ];
    for (errno, reason) in cases {
        let dir = tempfile::tempdir().unwrap();
        let (source, outlet) =
            source(dir.path(), Duration::from_secs(30), failing("/a/bad", "", errno, 1));
        let mut seen = Seen::default();
        seen.until(&outlet, "the cycle", |seen| seen.ended == 1);
        assert_eq!(seen.uncovered, [("/a/bad".to_owned(), reason)]);
        assert!(seen.listings.contains_key("/b/good") && !seen.listings.contains_key("/a/bad"));
        seen.until(&outlet, "another try", |seen| seen.covered == ["/a/bad"]);
        assert!(seen.listings["/a/bad"][0].complete);
        seen.until(&outlet, "what is below", |seen| seen.listings.contains_key("/a/bad/below"));
        source.stop();
    }
}

#[test]
fn an_entry_that_cannot_be_looked_at_makes_its_listing_incomplete() {
    let dir = tempfile::tempdir().unwrap();
    let fault = failing("/a/bad", "file", Errno::IO, 1);
    let (source, outlet) = source(dir.path(), Duration::from_secs(30), fault);
    let mut seen = Seen::default();
    seen.until(&outlet, "the cycle", |seen| seen.ended == 1);
    let first = &seen.listings["/a/bad"][0];
    assert!(!first.complete);
    let names: Vec<_> =
        first.blocks.iter().flat_map(fustor_core::Block::rows).map(|row| row.name).collect();
    assert_eq!(names, [b"below"]);
    assert_eq!(seen.uncovered, [("/a/bad".to_owned(), UncoveredReason::Failing)]);
    assert_eq!(source.progress().errors.failing, 1);
    seen.until(&outlet, "another try", |seen| seen.covered == ["/a/bad"]);
    assert!(seen.listings["/a/bad"][1].complete);
}

#[test]
fn a_vanished_entry_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let fault = failing("/a/bad", "file", Errno::NOENT, 1);
    let (source, outlet) = source(dir.path(), Duration::from_secs(30), fault);
    let mut seen = Seen::default();
    seen.until(&outlet, "the cycle", |seen| seen.ended == 1);
    assert!(seen.listings["/a/bad"][0].complete && seen.uncovered.is_empty());
    assert_eq!(source.progress().errors.vanished, 1);
}

#[test]
fn a_hanging_directory_blocks_one_worker_that_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let held = Arc::clone(&gate);
    let fault: Fault = Arc::new(move |dir: &ViewPath, entry: &[u8]| {
        if dir.as_bytes() == b"/a/bad" && entry.is_empty() {
            let open = held.0.lock().unwrap();
            drop(held.1.wait_while(open, |open| !*open).unwrap());
        }
        None
    });
    // Its only worker hangs, so that all that follows is the work of another one.
    let (source, outlet) = source(dir.path(), Duration::from_millis(50), fault);
    let mut seen = Seen::default();
    seen.until(&outlet, "the cycle without it", |seen| seen.ended == 1);
    seen.until(&outlet, "the report", |seen| !seen.uncovered.is_empty());
    assert_eq!(seen.uncovered, [("/a/bad".to_owned(), UncoveredReason::Hanging)]);
    assert!(seen.listings.contains_key("/b/good") && !seen.listings.contains_key("/a/bad"));
    assert_eq!(source.progress().errors.hanging, 1);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    seen.until(&outlet, "its late listing", |seen| seen.covered == ["/a/bad"]);
    assert!(seen.listings["/a/bad"][0].complete);
    source.stop();
}

/// Audits until nothing is read any more, and then once.
fn rest(source: &Source, outlet: &Outlet, seen: &mut Seen) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let before = source.progress().directories;
        let ended = seen.ended + 1;
        source.audit();
        seen.until(outlet, "an audit", |seen| seen.ended == ended);
        if source.progress().directories == before {
            return;
        }
        assert!(Instant::now() < deadline, "never at rest");
    }
}

#[test]
fn a_directory_that_cannot_be_read_is_tried_by_each_audit() {
    let dir = tempfile::tempdir().unwrap();
    let refused = Arc::new(Mutex::new(false));
    let refuses = Arc::clone(&refused);
    let fault: Fault = Arc::new(move |dir: &ViewPath, entry: &[u8]| {
        let is_it = dir.as_bytes() == b"/a/bad" && entry.is_empty();
        (is_it && *refuses.lock().unwrap()).then(|| io::Error::from(Errno::ACCESS))
    });
    let (source, outlet) = source(dir.path(), Duration::from_secs(30), fault);
    let mut seen = Seen::default();
    seen.until(&outlet, "the cycle", |seen| seen.ended == 1);
    rest(&source, &outlet, &mut seen);
    *refused.lock().unwrap() = true;
    fs::write(dir.path().join("a/bad/new"), b"1").unwrap();
    for round in 1..3 {
        let (unreadable, ended) = (source.progress().errors.unreadable, seen.ended + 1);
        source.audit();
        seen.until(&outlet, "an audit", |seen| seen.ended == ended);
        assert!(source.progress().errors.unreadable > unreadable, "round {round}");
        assert_eq!(seen.uncovered.last().unwrap().0, "/a/bad");
    }
    *refused.lock().unwrap() = false;
    let ended = seen.ended + 1;
    source.audit();
    seen.until(&outlet, "an audit", |seen| seen.ended == ended);
    assert!(seen.listings["/a/bad"].last().unwrap().complete);
    rest(&source, &outlet, &mut seen);
    source.stop();
}

#[test]
fn a_look_that_hangs_blocks_one_worker_that_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new((Mutex::new(true), Condvar::new()));
    let held = Arc::clone(&gate);
    // Of a directory without others in it, which is looked at from the one above.
    let fault: Fault = Arc::new(move |dir: &ViewPath, entry: &[u8]| {
        if dir.as_bytes() == b"/b" && entry == b"good" {
            let open = held.0.lock().unwrap();
            drop(held.1.wait_while(open, |open| !*open).unwrap());
        }
        None
    });
    let (source, outlet) = source(dir.path(), Duration::from_millis(500), fault);
    let mut seen = Seen::default();
    seen.until(&outlet, "the cycle", |seen| seen.ended == 1);
    rest(&source, &outlet, &mut seen);
    *gate.0.lock().unwrap() = false;
    seen.uncovered.clear();
    fs::write(dir.path().join("a/bad/new"), b"1").unwrap();
    let (bad, ended) = (seen.listings["/a/bad"].len(), seen.ended + 1);
    source.audit();
    seen.until(&outlet, "the audit without it", |seen| seen.ended == ended);
    seen.until(&outlet, "the report", |seen| !seen.uncovered.is_empty());
    assert_eq!(seen.uncovered, [("/b".to_owned(), UncoveredReason::Hanging)]);
    assert_eq!(seen.listings["/a/bad"].len(), bad + 1);
    let good = seen.listings["/b/good"].len();
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    seen.until(&outlet, "a late listing", |seen| seen.listings["/b/good"].len() > good);
    source.stop();
}

/// A chain of directories that are all called `d`, deep enough to be proven in company.
fn chain(root: &Path) -> (Vec<ViewPath>, SourceConfig) {
    const DEPTH: usize = 64;
    let paths: Vec<_> = (1..=DEPTH).map(|n| ViewPath::parse(&b"/d".repeat(n)).unwrap()).collect();
    fs::create_dir_all(root.join("d/".repeat(DEPTH))).unwrap();
    (paths, SourceConfig { watch: false, scan_workers: 1, ..SourceConfig::new(root) })
}

#[test]
fn a_deep_directory_that_moves_before_it_is_proven_is_not_listed_at_its_old_path() {
    let dir = tempfile::tempdir().unwrap();
    let (paths, config) = chain(dir.path());
    let (late, root) = (paths[62].clone(), dir.path().to_path_buf());
    let fault: Fault = Arc::new(move |dir: &ViewPath, entry: &[u8]| {
        // While its entries are read: it cannot have been proven yet.
        if *dir == late && entry == b"d" && root.join("d").exists() {
            fs::rename(root.join("d"), root.join("e")).unwrap();
        }
        None
    });
    let (sink, outlet) = outbox();
    let source = start_with(config, sink, Some(fault)).unwrap();
    let mut seen = Seen::default();
    seen.until(&outlet, "the cycle", |seen| seen.ended == 1);
    assert!(seen.listings.contains_key(&paths[40].to_string()), "proven before");
    for path in &paths[62..] {
        assert!(!seen.listings.contains_key(&path.to_string()), "{path}");
    }
    source.rescan();
    seen.until(&outlet, "the next cycle", |seen| seen.ended == 2);
    let deepest = format!("/e{}", "/d".repeat(63));
    assert!(seen.listings[&deepest].iter().all(|listing| listing.complete));
}

#[test]
fn directories_that_wait_for_a_worker_that_hangs_are_read_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let (paths, config) = chain(dir.path());
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let (held, last) = (Arc::clone(&gate), paths.last().unwrap().clone());
    let fault: Fault = Arc::new(move |dir: &ViewPath, entry: &[u8]| {
        if *dir == last && entry.is_empty() {
            let open = held.0.lock().unwrap();
            drop(held.1.wait_while(open, |open| !*open).unwrap());
        }
        None
    });
    let config = SourceConfig { hang_after: Duration::from_millis(500), ..config };
    let (sink, outlet) = outbox();
    let source = start_with(config, sink, Some(fault)).unwrap();
    let mut seen = Seen::default();
    seen.until(&outlet, "the cycle without it", |seen| seen.ended == 1);
    let (last, others) = paths.split_last().unwrap();
    for path in others {
        assert_eq!(seen.listings[&path.to_string()].len(), 1, "{path}");
    }
    assert!(!seen.listings.contains_key(&last.to_string()));
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    seen.until(&outlet, "its late listing", |seen| {
        seen.covered == [last.to_string()] && seen.listings.contains_key(&last.to_string())
    });
    source.stop();
}

#[test]
fn a_listing_is_stamped_before_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let opened: Arc<Mutex<BTreeMap<String, fustor_core::BootTime>>> = Arc::default();
    let (noted, begun) = (Arc::clone(&opened), crate::clock::now());
    let fault: Fault = Arc::new(move |dir: &ViewPath, _: &[u8]| {
        // The first question about a directory comes right before it is opened.
        noted.lock().unwrap().entry(dir.to_string()).or_insert_with(crate::clock::now);
        None
    });
    let (source, outlet) = source(dir.path(), Duration::from_secs(30), fault);
    let mut seen = Seen::default();
    seen.until(&outlet, "the cycle", |seen| seen.ended == 1);
    source.stop();
    assert_eq!(seen.listings.len(), 6);
    for (path, listings) in &seen.listings {
        let stamp = listings[0].stamp;
        assert!(begun <= stamp && stamp <= opened.lock().unwrap()[path], "{path}");
    }
}

#[test]
fn a_thread_that_dies_ends_its_source_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let fault: Fault = Arc::new(|dir: &ViewPath, _: &[u8]| {
        assert_ne!(dir.as_bytes(), b"/a/bad", "dies here on purpose");
        None
    });
    let (source, outlet) = source(dir.path(), Duration::from_secs(30), fault);
    let mut seen = Seen::default();
    seen.until(&outlet, "the end of the source", |seen| seen.lost_roots == 1);
    assert!(source.is_root_lost());
    assert_eq!(seen.ended, 0, "the scan has no end");
}
