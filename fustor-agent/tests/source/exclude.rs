//! What the configuration excludes is not seen by a scan, by the watcher, on demand or when it moves.

use std::fs;
use std::path::Path;

use fustor_agent::{EXCLUDES_MAX, SourceConfig, StartError, outbox, start};
use fustor_core::{Directive, StorageId, UncoveredReason};

use crate::support::{Bench, vp};
use crate::watch::bursts;

fn excluding(patterns: &[&str]) -> impl Fn(&mut SourceConfig) {
    let exclude: Vec<_> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    move |config| config.exclude.clone_from(&exclude)
}

fn fill(root: &Path) {
    fs::create_dir_all(root.join("a/cache/deep")).unwrap();
    fs::write(root.join("a/cache/deep/file"), b"1").unwrap();
    fs::write(root.join("a/file"), b"1").unwrap();
    fs::write(root.join("a/file.tmp"), b"1").unwrap();
}

fn hides(path: &str, is_dir: bool) -> bool {
    path.ends_with(".tmp") || is_dir && path.ends_with("/cache")
}

fn bench() -> Bench {
    let mut bench = Bench::new(fill, excluding(&["*.tmp", "cache/"]));
    bench.hides = hides;
    bench.wait_equal();
    bench
}

#[test]
fn a_scan_reports_excluded_directories_as_such_and_nothing_else_that_is_excluded() {
    let bench = bench();
    let cache = vp("/a/cache");
    assert_eq!(bench.model.uncovered.get(&cache), Some(&UncoveredReason::Excluded));
    assert!(bench.model.has("/a/cache") && !bench.model.has("/a/file.tmp"));
    assert!(!bench.model.listings.keys().any(|dir| cache.contains(dir)));
    assert!(bench.model.listings.values().flatten().all(|listing| listing.complete));
    assert_eq!(bench.source().progress().watches, 2);
}

#[test]
fn the_watcher_sees_the_border_and_nothing_beyond() {
    let mut bench = bench();
    fs::write(bench.path("a/cache/deep/file"), b"12").unwrap();
    fs::write(bench.path("a/other.tmp"), b"1").unwrap();
    fs::create_dir_all(bench.path("b/cache/new")).unwrap();
    fs::write(bench.path("b/file.tmp"), b"1").unwrap();
    bench.wait("the new border", |model| model.uncovered.contains_key(&vp("/b/cache")));
    // Out of what is excluded and into it.
    fs::rename(bench.path("a/file.tmp"), bench.path("a/shown")).unwrap();
    fs::rename(bench.path("a/file"), bench.path("a/gone.tmp")).unwrap();
    fs::rename(bench.path("a/cache"), bench.path("a/open")).unwrap();
    bench.wait("the deletion", |model| model.deletes.contains(&vp("/a/file")));
    bench.wait_equal();
    assert!(bench.model.has("/a/shown") && bench.model.has("/a/open/deep/file"));
    fs::rename(bench.path("a/open"), bench.path("b/x.tmp")).unwrap();
    bench.wait("the deletion", |model| model.deletes.contains(&vp("/a/open")));
    bench.wait_equal();
    assert!(bench.model.has("/b/x.tmp") && !bench.model.has("/b/x.tmp/deep"));
    assert!(
        bench
            .model
            .upserts
            .iter()
            .all(|(path, ..)| !hides(&path.to_string(), false) || path.to_string() == "/b/x.tmp")
    );
}

#[test]
fn what_is_asked_for_beyond_the_border_is_answered_from_this_side() {
    let mut bench = bench();
    let listed =
        |model: &crate::model::Model, path: &str| model.listings.get(&vp(path)).map_or(0, Vec::len);
    let before = listed(&bench.model, "/a");
    bench.list(vp("/a/cache/deep"), true);
    bench.wait("what it lies in", |model| listed(model, "/a") == before + 1);
    for path in ["/a/file.tmp", "/a/cache/deep/file"] {
        let before = listed(&bench.model, "/a");
        bench.source().direct(Directive::Recheck { storage: StorageId(0), path: vp(path) });
        bench.wait("what it lies in", |model| listed(model, "/a") > before);
    }
    bench.list(vp("/"), true);
    let before = bench.model.cycles.1;
    bench.source().rescan();
    bench.wait("a scan", |model| model.cycles.1 > before);
    bench.wait_equal();
    assert!(!bench.model.has("/a/cache/deep") && !bench.model.has("/a/file.tmp"));
}

#[test]
fn a_file_pattern_holds_for_every_tier() {
    let mut bench = Bench::new(fill, |config| config.file_pattern = "*.tmp".to_owned());
    bench.hides = |path, is_dir| !is_dir && !path.ends_with(".tmp");
    bench.wait_equal();
    assert!(bench.model.has("/a/cache/deep") && !bench.model.has("/a/file"));
    fs::write(bench.path("a/more"), b"1").unwrap();
    fs::write(bench.path("a/more.tmp"), b"1").unwrap();
    fs::rename(bench.path("a/file"), bench.path("a/renamed.tmp")).unwrap();
    bench.wait_equal();
    assert!(bench.model.has("/a/renamed.tmp"));
}

#[test]
fn bursts_around_the_border_end_where_the_disk_is() {
    let mut bench = Bench::new(|_| {}, excluding(&["*7", "e3", "/d4/e1", "d5/"]));
    bench.hides = |path, is_dir| {
        let name = path.rsplit('/').next().unwrap();
        name.ends_with('7') || name == "e3" || path == "/d4/e1" || is_dir && name == "d5"
    };
    bursts(&mut bench);
    assert!(bench.model.uncovered.values().any(|reason| *reason == UncoveredReason::Excluded));
    // And so does a source that finds all of it there.
    bench.start_again();
    bench.wait("the first scan", |model| model.cycles.1 == 1);
    bench.wait_equal();
}

#[test]
fn too_many_patterns_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = SourceConfig::new(dir.path());
    config.exclude = vec!["x".to_owned(); EXCLUDES_MAX + 1];
    let started = start(config, outbox().0);
    assert!(matches!(started, Err(StartError::Excludes(n)) if n == EXCLUDES_MAX + 1));
}
