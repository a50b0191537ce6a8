//! Audits that read only what has changed: what is passed over, what is not, and what is found when.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use fustor_agent::{Progress, SourceConfig};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use crate::support::{Bench, vp};

/// The tree of most tests: five directories with the root, and six entries.
fn fill(root: &Path) {
    fs::create_dir_all(root.join("a/b/c")).unwrap();
    fs::create_dir_all(root.join("d")).unwrap();
    fs::write(root.join("a/file"), b"1").unwrap();
    fs::write(root.join("a/b/c/file"), b"1").unwrap();
}

const DIRS: u64 = 5;

fn unwatched(config: &mut SourceConfig) {
    config.watch = false;
}

impl Bench {
    /// One audit. What it did: directories opened, directories looked at, directories passed over.
    pub(crate) fn audit(&mut self) -> (u64, u64, u64) {
        let before = self.source().progress();
        self.source().audit();
        let cycles = self.model.cycles.1 + 1;
        self.wait("an audit", |model| model.cycles.1 == cycles);
        let after = self.source().progress();
        let did = |of: fn(&Progress) -> u64| of(&after) - of(&before);
        (did(|p| p.directories), did(|p| p.looked), did(|p| p.silent))
    }

    /// Audits until nothing is read any more: what has just changed is not passed over.
    pub(crate) fn rest(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.audit().0 > 0 {
            assert!(Instant::now() < deadline, "never at rest");
        }
    }

    /// How often each directory was listed.
    fn listed(&self, dirs: &[&str]) -> Vec<usize> {
        let times = |dir: &&str| self.model.listings.get(&vp(dir)).map_or(0, Vec::len);
        dirs.iter().map(times).collect()
    }
}

/// Sets the mtime of something to what it was, or to anything else.
fn set_mtime(path: &Path, seconds: i64) {
    let at = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: at, last_modification: at };
    utimensat(CWD, path, &times, AtFlags::empty()).unwrap();
}

#[test]
fn what_has_not_changed_is_neither_opened_nor_told() {
    for watch in [false, true] {
        let mut bench = Bench::new(fill, |config| config.watch = watch);
        bench.rest();
        let (listings, rows) = (bench.model.listings.len(), bench.source().progress().entries);
        assert_eq!(bench.audit(), (0, DIRS, DIRS), "watch: {watch}");
        assert_eq!(bench.source().progress().entries, rows);
        assert_eq!((bench.model.listings.len(), listings), (5, 5));
        assert_eq!(bench.source().progress().remembered.0, DIRS);
        bench.wait_equal();
    }
}

#[test]
fn what_has_just_changed_is_read_again_until_its_times_tell() {
    let began = Instant::now();
    let mut bench = Bench::new(fill, unwatched);
    // Made a moment ago, so that a change in the same tick would leave no trace.
    let (opened, _, _) = bench.audit();
    // A machine that was busy for two seconds finds it at rest at once.
    assert!(opened == DIRS || began.elapsed() > Duration::from_millis(1900));
    bench.rest();
    assert_eq!(bench.audit(), (0, DIRS, DIRS));
    fs::write(bench.path("d/new"), b"").unwrap();
    bench.audit();
    assert!(bench.model.has("/d/new"));
    bench.rest();
    bench.wait_equal();
}

#[test]
fn names_that_come_and_go_are_found_where_nobody_watches() {
    let mut bench = Bench::new(fill, unwatched);
    bench.rest();
    let before = bench.listed(&["/a", "/a/b", "/d"]);
    fs::write(bench.path("a/b/new"), b"12").unwrap();
    fs::remove_dir(bench.path("d")).unwrap();
    fs::create_dir_all(bench.path("a/b/dir/below")).unwrap();
    bench.audit();
    bench.wait_equal();
    assert!(!bench.model.has("/d") && bench.model.has("/a/b/dir/below"));
    assert_eq!(bench.listed(&["/a/b/dir", "/a/b/dir/below"]), [1, 1]);
    let now = bench.listed(&["/a", "/a/b", "/d"]);
    assert_eq!((now[0], now[1], now[2]), (before[0], before[1] + 1, before[2]));
    bench.rest();
    assert_eq!(bench.source().progress().remembered.0, DIRS + 1);
}

#[test]
fn a_write_that_nobody_reports_is_found_when_its_directory_has_its_turn() {
    let tune = |config: &mut SourceConfig| {
        (config.watch, config.verify_within) = (false, Some(Duration::from_secs(8)));
    };
    let mut bench = Bench::new(fill, tune);
    bench.rest();
    fs::write(bench.path("a/b/c/file"), b"12345").unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while bench.model.facts("/a/b/c/file").unwrap().size != 5 {
        assert!(Instant::now() < deadline, "never found");
        bench.audit();
        let read_since = *bench.model.passes.last().unwrap();
        let told = |listings: &Vec<fustor_core::Listing>| listings.last().unwrap().stamp;
        let oldest = bench.model.listings.values().map(told).min().unwrap();
        assert!(read_since <= oldest, "claims to have read what it has not");
    }
    bench.wait_equal();
}

#[test]
fn an_audit_that_is_to_read_everything_does() {
    let tune = |config: &mut SourceConfig| {
        (config.watch, config.verify_within) = (false, Some(Duration::ZERO));
    };
    let mut bench = Bench::new(fill, tune);
    for _ in 0..3 {
        fs::write(bench.path("a/b/c/file"), b"1").unwrap();
        assert_eq!(bench.audit(), (DIRS, 0, 0));
        bench.wait_equal();
    }
    assert!(bench.model.passes.is_empty());
}

#[test]
fn a_scan_of_everything_passes_over_nothing() {
    let mut bench = Bench::new(fill, unwatched);
    bench.rest();
    let before = bench.source().progress().directories;
    bench.source().rescan();
    let cycles = bench.model.cycles.1 + 1;
    bench.wait("the scan", |model| model.cycles.1 == cycles);
    assert_eq!(bench.source().progress().directories - before, DIRS);
}

#[test]
fn what_is_asked_for_is_read_whether_or_not_it_has_changed() {
    let mut bench = Bench::new(fill, unwatched);
    bench.rest();
    let before = bench.listed(&["/a", "/a/b", "/a/b/c"]);
    bench.list(vp("/a"), true);
    let more = |at: usize| before[at] + 1;
    bench.wait("what was asked for", |model| {
        let listed = |dir: &str| model.listings[&vp(dir)].len();
        [listed("/a"), listed("/a/b"), listed("/a/b/c")] == [more(0), more(1), more(2)]
    });
}

#[test]
fn a_directory_that_replaces_another_is_read_whatever_its_times() {
    let mut bench = Bench::new(
        |root| {
            fill(root);
            fs::create_dir(root.join("other")).unwrap();
            fs::write(root.join("other/x"), b"1").unwrap();
            for name in ["d", "other"] {
                set_mtime(&root.join(name), 1_000_000_000);
            }
        },
        unwatched,
    );
    bench.rest();
    let root = bench.dir.path().to_path_buf();
    fs::rename(root.join("d"), root.join("gone")).unwrap();
    fs::rename(root.join("other"), root.join("d")).unwrap();
    bench.audit();
    bench.wait_equal();
    assert!(bench.model.has("/d/x") && bench.model.has("/gone"));
}

#[test]
fn a_directory_whose_time_is_set_back_is_read() {
    let mut bench = Bench::new(
        |root| {
            fill(root);
            set_mtime(&root.join("d"), 1_000_000_000);
        },
        unwatched,
    );
    bench.rest();
    fs::write(bench.path("d/hidden"), b"1").unwrap();
    set_mtime(&bench.path("d"), 1_000_000_000);
    bench.audit();
    bench.wait_equal();
    assert!(bench.model.has("/d/hidden"), "only its ctime tells");
}

#[test]
fn what_is_below_a_renamed_directory_is_told_at_its_new_path() {
    for watch in [false, true] {
        let mut bench = Bench::new(fill, |config| config.watch = watch);
        bench.rest();
        fs::rename(bench.path("a"), bench.path("d/moved")).unwrap();
        if watch {
            bench.wait("the rename", |model| !model.renames.is_empty());
        }
        bench.audit();
        bench.wait_equal();
        assert_eq!(bench.listed(&["/d/moved/b/c"]), [1], "watch: {watch}");
        bench.rest();
        assert_eq!(bench.source().progress().remembered.0, DIRS);
        assert_eq!(bench.audit(), (0, DIRS, DIRS));
    }
}

#[test]
fn a_directory_with_files_of_several_names_is_read_by_each_audit() {
    let linked = |root: &Path| {
        fill(root);
        fs::hard_link(root.join("a/file"), root.join("d/link")).unwrap();
    };
    let mut bench = Bench::new(linked, unwatched);
    let deadline = Instant::now() + Duration::from_secs(60);
    while bench.audit().0 > 2 {
        assert!(Instant::now() < deadline, "never at rest");
    }
    fs::write(bench.path("a/file"), b"123").unwrap();
    let (opened, _, silent) = bench.audit();
    assert_eq!((opened, silent), (2, DIRS - 2));
    bench.wait_equal();
}

#[test]
fn what_is_excluded_is_not_looked_at() {
    let tune = |config: &mut SourceConfig| {
        config.watch = false;
        config.exclude = vec!["/a/b".to_owned(), "*.tmp".to_owned()];
    };
    let mut bench = Bench::new(fill, tune);
    bench.rest();
    assert_eq!(bench.audit(), (0, 3, 3), "the root, /a and /d");
    fs::write(bench.path("a/b/new"), b"1").unwrap();
    fs::write(bench.path("d/new.tmp"), b"1").unwrap();
    let (opened, looked, silent) = bench.audit();
    assert_eq!((opened, looked, silent), (1, 3, 2), "/d has changed, though nothing shows");
    assert!(!bench.model.has("/a/b/new") && !bench.model.has("/d/new.tmp"));
}

#[test]
fn a_chain_of_directories_is_passed_over_to_its_end() {
    const DEPTH: usize = 200;
    let deep = |root: &Path| {
        fs::create_dir_all(root.join("d/".repeat(DEPTH))).unwrap();
    };
    let mut bench = Bench::new(deep, |config| (config.watch, config.scan_workers) = (false, 1));
    bench.rest();
    let before = bench.source().progress().names_walked;
    assert_eq!(bench.audit(), (0, DEPTH as u64 + 1, DEPTH as u64 + 1));
    // Each from the one above it, but for those for which no descriptor was to spare.
    let walked = bench.source().progress().names_walked - before;
    assert!(walked <= 4 * DEPTH as u64, "{walked} names walked");
}

#[test]
fn many_directories_in_one_are_looked_at_in_portions() {
    const WIDE: u64 = 3000;
    let wide = |root: &Path| {
        (0..WIDE).for_each(|n| fs::create_dir(root.join(format!("d{n}"))).unwrap());
    };
    let mut bench = Bench::new(wide, unwatched);
    bench.rest();
    assert_eq!(bench.audit(), (0, WIDE + 1, WIDE + 1));
    fs::write(bench.path("d2999/new"), b"").unwrap();
    fs::write(bench.path("d7/new"), b"").unwrap();
    assert_eq!(bench.audit(), (2, WIDE + 1, WIDE - 1));
    bench.wait_equal();
}

#[test]
fn permissions_that_change_are_a_change() {
    let mut bench = Bench::new(fill, unwatched);
    bench.rest();
    fs::set_permissions(bench.path("d"), fs::Permissions::from_mode(0o700)).unwrap();
    let (opened, _, _) = bench.audit();
    assert_eq!(opened, 1);
    bench.wait_equal();
}
