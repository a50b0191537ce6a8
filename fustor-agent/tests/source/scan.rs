//! Scanning: rows, completeness, strange names and kinds, deep and large directories, and never writing.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use fustor_agent::{SourceConfig, StartError, outbox, root_identity, start};
use fustor_core::{Directive, Kind, StorageId, Tier, UncoveredReason};

use crate::support::{Bench, vp, walk};

fn unwatched(config: &mut SourceConfig) {
    config.watch = false;
}

#[test]
fn a_scan_reports_every_entry_as_it_is() {
    let fill = |root: &std::path::Path| {
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::write(root.join("a/file"), b"12345").unwrap();
        fs::write(root.join(OsStr::from_bytes(b"a/b/\xff\xfe name")), b"x").unwrap();
        fs::hard_link(root.join("a/file"), root.join("a/b/link")).unwrap();
        symlink("a", root.join("to-dir")).unwrap();
        symlink("a/file", root.join("to-file")).unwrap();
        symlink("nowhere", root.join("broken")).unwrap();
        symlink("..", root.join("a/loop")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o640);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), fifo, mode, 0).unwrap();
        drop(std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap());
    };
    let mut bench = Bench::new(fill, unwatched);
    bench.wait_equal();
    assert_eq!(bench.model.facts("/to-dir").unwrap().kind, Kind::Symlink);
    assert_eq!(bench.model.facts("/a/loop").unwrap().kind, Kind::Symlink);
    assert_eq!(bench.model.facts("/pipe").unwrap().kind, Kind::Fifo);
    assert_eq!(bench.model.facts("/a/b/link").unwrap().nlink, 2);
    assert!(bench.model.listings.values().flatten().all(|listing| listing.complete));
    assert_eq!(bench.model.listings.len(), 4);
    let progress = bench.source().progress();
    assert_eq!((progress.directories, progress.entries, progress.watches), (4, 12, 0));
}

#[test]
fn a_missing_root_is_unavailable_and_not_empty() {
    let dir = tempfile::tempdir().unwrap();
    let (sink, outlet) = outbox();
    let started = start(SourceConfig::new(dir.path().join("none")), sink);
    assert!(matches!(started, Err(StartError::Root { .. })));
    assert!(outlet.recv(std::time::Duration::ZERO).is_none());
    let file = dir.path().join("file");
    File::create(&file).unwrap();
    assert!(root_identity(&file).is_err());
    let identity = root_identity(dir.path()).unwrap();
    assert_eq!(identity.inode, fs::metadata(dir.path()).unwrap().ino());
    assert_eq!(identity, root_identity(dir.path()).unwrap());
}

/// One directory in the other, each with some beside it.
fn chain(root: &std::path::Path, name: &str, depth: usize, beside: &[&str]) {
    let mut at = File::open(root).unwrap();
    for _ in 0..depth {
        for name in beside.iter().chain([&name]) {
            rustix::fs::mkdirat(&at, *name, rustix::fs::Mode::RWXU).unwrap();
        }
        let flags = rustix::fs::OFlags::DIRECTORY;
        at = rustix::fs::openat(&at, name, flags, rustix::fs::Mode::empty()).unwrap().into();
    }
}

#[test]
fn a_directory_costs_the_same_few_steps_at_any_depth() {
    for (watch, beside) in [(false, &[][..]), (true, &[]), (false, &["side"])] {
        let steps = |depth: usize| {
            let tune = |config: &mut SourceConfig| {
                (config.watch, config.scan_workers) = (watch, 1);
            };
            let bench = Bench::new(|root| chain(root, "d", depth, beside), tune);
            assert_eq!(bench.model.listings.len(), (1 + beside.len()) * depth + 1);
            assert!(bench.model.listings.values().flatten().all(|listing| listing.complete));
            bench.source().progress().names_walked as usize
        };
        // Walking from the root for each would take half the square of it: half a million.
        let (half, whole) = (steps(500), steps(1000));
        println!("{half} {whole}");
        assert!(whole <= 60_000, "{whole} names walked, {half} for half the depth");
    }
}

#[test]
fn what_is_not_deep_is_looked_up_once_a_directory() {
    let fill = |root: &std::path::Path| {
        for n in 0..100 {
            fs::create_dir_all(root.join(format!("a/b{}/c{n}", n % 10))).unwrap();
        }
    };
    let bench = Bench::new(fill, unwatched);
    // Of each its depth, and nothing for the root.
    assert_eq!(bench.source().progress().names_walked, 1 + 2 * 10 + 3 * 100);
}

#[test]
fn a_chain_longer_than_a_system_path_is_scanned_to_its_end() {
    const DEPTH: usize = 1000;
    let name = "0123456789";
    let fill = |root: &std::path::Path| chain(root, name, DEPTH, &[]);
    let mut bench = Bench::new(fill, |_| {});
    assert_eq!(bench.model.listings.len(), DEPTH + 1);
    let deepest = bench.model.listings.keys().max().unwrap().clone();
    assert_eq!(deepest.depth(), DEPTH);
    assert!(deepest.as_bytes().len() > 4096);
    // And what changes there is reported, by a path that no single system call takes.
    let mut at = File::open(bench.dir.path()).unwrap();
    for _ in 0..DEPTH {
        let flags = rustix::fs::OFlags::DIRECTORY;
        at = rustix::fs::openat(&at, name, flags, rustix::fs::Mode::empty()).unwrap().into();
    }
    rustix::fs::mkdirat(&at, "new", rustix::fs::Mode::RWXU).unwrap();
    let new = deepest.join(b"new");
    bench.wait("the new directory", |model| model.listings.contains_key(&new));
}

#[test]
fn a_large_directory_is_one_listing_in_name_order() {
    const FILES: usize = 50_000;
    let fill = |root: &std::path::Path| {
        for n in 0..FILES {
            File::create(root.join(format!("{:05}", (n * 7919) % FILES))).unwrap();
        }
    };
    let bench = Bench::new(fill, unwatched);
    let listing = &bench.model.listings[&vp("/")][0];
    assert!(listing.complete);
    let names =
        listing.blocks.iter().flat_map(fustor_core::Block::rows).map(|row| row.name.to_vec());
    let names: Vec<_> = names.collect();
    assert_eq!(names.len(), FILES);
    assert!(names.is_sorted_by(|a, b| a < b));
}

#[test]
fn scanning_and_watching_writes_nothing() {
    let fill = |root: &std::path::Path| {
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/file"), b"content").unwrap();
    };
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let times = |path: &std::path::Path| {
        let meta = fs::symlink_metadata(path).unwrap();
        (meta.atime(), meta.atime_nsec(), meta.mtime_nsec(), meta.ctime_nsec(), meta.mode())
    };
    let paths = ["", "a", "a/b", "a/file"].map(|name| dir.path().join(name));
    // An access time before the change time is what `relatime` would move.
    let before: Vec<_> = paths.iter().map(|path| times(path)).collect();
    let (sink, outlet) = outbox();
    let source = start(SourceConfig::new(dir.path()), sink).unwrap();
    let mut model = crate::model::Model::default();
    while model.cycles.1 < 1 {
        if let Some(sealed) = outlet.recv(std::time::Duration::from_secs(1)) {
            sealed.events.into_iter().for_each(|event| model.apply(event));
        }
    }
    source.stop();
    let after: Vec<_> = paths.iter().map(|path| times(path)).collect();
    assert_eq!(before, after);
    assert_eq!(fs::read(dir.path().join("a/file")).unwrap(), b"content");
    assert_eq!(walk(dir.path()).len(), 3);
    assert!(model.upserts.is_empty(), "what the source does itself must not be reported");
}

#[test]
fn entries_that_vanish_during_a_scan_are_skipped() {
    let done = AtomicBool::new(false);
    let fill = |root: &std::path::Path| {
        fs::create_dir(root.join("stays")).unwrap();
    };
    let mut bench = Bench::new(fill, unwatched);
    let root = bench.dir.path().to_path_buf();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0_u64;
            while !done.load(Ordering::Relaxed) {
                let name = root.join(format!("{}", n % 50));
                drop(File::create(&name));
                drop(fs::remove_file(root.join(format!("{}", (n + 25) % 50))));
                n += 1;
            }
        });
        for cycle in 2..30 {
            bench.source().rescan();
            bench.wait("a cycle", |model| model.cycles.1 >= cycle);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(bench.source().progress().errors.failing, 0);
    // A directory that never stood still proves nothing, says so, and is read again when it rests.
    bench.wait("rest", |model| model.uncovered.is_empty());
    bench.source().rescan();
    bench.wait_equal();
    assert!(bench.model.uncovered.values().all(|reason| *reason == UncoveredReason::Restless));
}

#[test]
fn directives_list_and_recheck_what_they_name() {
    let fill = |root: &std::path::Path| {
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::write(root.join("a/file"), b"1").unwrap();
    };
    let mut bench = Bench::new(fill, unwatched);
    let listed =
        |model: &crate::model::Model, path: &str| model.listings.get(&vp(path)).map_or(0, Vec::len);
    bench.list(vp("/a"), false);
    bench.wait("/a", |model| listed(model, "/a") == 2);
    bench.list(vp("/a"), true);
    bench.wait("all below /a", |model| listed(model, "/a/b/c") == 2 && listed(model, "/a") == 3);
    assert_eq!(listed(&bench.model, "/"), 1);

    fs::write(bench.path("a/file"), b"12").unwrap();
    let recheck = |path| Directive::Recheck { storage: StorageId(0), path };
    bench.source().direct(recheck(vp("/a/file")));
    bench.wait("the new size", |model| model.facts("/a/file").is_some_and(|facts| facts.size == 2));
    assert_eq!(bench.model.tier("/a/file"), Some(Tier::Scan));

    fs::remove_file(bench.path("a/file")).unwrap();
    bench.source().direct(recheck(vp("/a/file")));
    bench.wait("its absence", |model| !model.has("/a/file"));
    fs::remove_dir_all(bench.path("a")).unwrap();
    bench.list(vp("/a/b"), true);
    bench.wait("the absence of /a", |model| !model.has("/a"));
    assert!(bench.model.deletes.is_empty(), "only a watch may claim a removal");
}

#[test]
fn a_file_that_is_to_be_listed_is_told_with_its_directory() {
    let mut bench = Bench::new(|root| fs::write(root.join("file"), b"1").unwrap(), unwatched);
    fs::write(bench.path("file"), b"12").unwrap();
    bench.list(vp("/file"), true);
    bench.wait("the new size", |model| model.facts("/file").is_some_and(|facts| facts.size == 2));
}

#[test]
fn a_symlink_in_a_directive_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(outside.path().join("secret")).unwrap();
    let target = outside.path().to_path_buf();
    let mut bench = Bench::new(|root| symlink(target, root.join("out")).unwrap(), unwatched);
    bench.list(vp("/out/secret"), true);
    bench.list(vp("/out"), true);
    let recheck = Directive::Recheck { storage: StorageId(0), path: vp("/out/secret") };
    bench.source().direct(recheck);
    bench.wait("the parent instead", |model| model.listings[&vp("/")].len() >= 2);
    assert!(bench.model.listings.keys().all(fustor_core::ViewPath::is_root));
    assert!(!bench.model.has("/out/secret"));
}

/// Whatever a directory is swapped for while it is walked, nothing outside of the root is ever told.
#[test]
fn a_symlink_that_is_swapped_in_leads_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(outside.path().join("in/secret")).unwrap();
    fs::write(outside.path().join("in/file"), b"secret").unwrap();
    let fill = |root: &std::path::Path| {
        fs::create_dir_all(root.join("swap/in/plain")).unwrap();
        fs::write(root.join("swap/in/file"), b"1").unwrap();
        symlink(outside.path(), root.join("link")).unwrap();
    };
    let mut bench = Bench::new(fill, unwatched);
    let root = bench.dir.path().to_path_buf();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, other) = (root.join("swap"), root.join("link"));
            let exchange = rustix::fs::RenameFlags::EXCHANGE;
            while !done.load(Ordering::Relaxed) {
                let cwd = rustix::fs::CWD;
                rustix::fs::renameat_with(cwd, &one, cwd, &other, exchange).unwrap();
            }
        });
        for _ in 0..300 {
            for name in ["/swap/in", "/swap/in/secret", "/link/in", "/swap"] {
                bench.list(vp(name), true);
            }
            for path in ["/swap/in/file", "/link/in/file", "/swap/in/secret"].map(vp) {
                bench.source().direct(Directive::Recheck { storage: StorageId(0), path });
            }
            bench.source().audit();
            bench.pump();
        }
        done.store(true, Ordering::Relaxed);
    });
    bench.source().rescan();
    bench.wait_equal();
    let told = bench.model.upserts.iter().map(|(path, _, facts)| (path, facts.size));
    assert!(
        told.filter(|(path, _)| path.to_string().ends_with("/file")).all(|(_, size)| size == 1)
    );
    let listings = bench.model.listings.values().flatten();
    let rows =
        listings.flat_map(|listing| listing.blocks.iter().flat_map(fustor_core::Block::rows));
    for row in rows {
        assert!(row.name != b"secret" && row.facts.size != 6, "{:?} lies outside", row.name);
    }
}

#[test]
fn a_rescan_asked_for_during_a_scan_follows_it() {
    let mut bench = Bench::unscanned(|root| fs::create_dir(root.join("a")).unwrap(), unwatched);
    for _ in 0..5 {
        bench.source().rescan();
    }
    bench.wait("the second cycle", |model| model.cycles.1 >= 2);
    assert_eq!(bench.model.cycles.0, bench.model.cycles.1);
}
