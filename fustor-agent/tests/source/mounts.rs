//! File systems mounted below the root, and a root that is unmounted. Needs permission to mount.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fustor_agent::{SourceConfig, outbox, start};
use fustor_core::UncoveredReason;

use crate::support::{Bench, vp};

/// A mount that ends with the test.
struct Mounted(PathBuf);

impl Mounted {
    fn new(args: &[&str], at: &Path) -> Option<Self> {
        let mounted = Command::new("mount").args(args).arg(at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_path_buf()));
        }
        println!("SKIPPED facility: mount");
        None
    }

    fn tmpfs(at: &Path) -> Option<Self> {
        Self::new(&["-t", "tmpfs", "none"], at)
    }

    fn bind(from: &Path, at: &Path) -> Option<Self> {
        Self::new(&["--bind", from.to_str().unwrap()], at)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

#[test]
fn what_is_mounted_below_the_root_is_reported_and_not_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/mnt")).unwrap();
    fs::create_dir(dir.path().join("b")).unwrap();
    let Some(_tmpfs) = Mounted::tmpfs(&dir.path().join("a/mnt")) else { return };
    let Some(_bind) = Mounted::bind(&dir.path().join("a"), &dir.path().join("b")) else { return };
    fs::create_dir(dir.path().join("a/mnt/inside")).unwrap();
    let (sink, outlet) = outbox();
    let source = start(SourceConfig::new(dir.path()), sink).unwrap();
    let mut model = crate::model::Model::default();
    while model.cycles.1 < 1 {
        if let Some(sealed) = outlet.recv(std::time::Duration::from_secs(5)) {
            sealed.events.into_iter().for_each(|event| model.apply(event));
        }
    }
    source.stop();
    let other = UncoveredReason::OtherFileSystem;
    assert_eq!(model.uncovered.get(&vp("/a/mnt")), Some(&other));
    assert_eq!(model.uncovered.get(&vp("/b")), Some(&other));
    assert!(model.has("/a/mnt") && !model.has("/a/mnt/inside") && !model.has("/b/mnt"));
}

#[test]
fn a_directory_mounted_inside_itself_is_a_loop_and_other_mounts_are_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    fs::create_dir(dir.path().join("mnt")).unwrap();
    let Some(_bind) = Mounted::bind(&dir.path().join("a"), &dir.path().join("a/b")) else { return };
    let Some(_tmpfs) = Mounted::tmpfs(&dir.path().join("mnt")) else { return };
    fs::create_dir(dir.path().join("mnt/inside")).unwrap();
    let mut config = SourceConfig::new(dir.path());
    config.one_file_system = false;
    let (sink, outlet) = outbox();
    let source = start(config, sink).unwrap();
    let mut model = crate::model::Model::default();
    while model.cycles.1 < 1 {
        if let Some(sealed) = outlet.recv(std::time::Duration::from_secs(5)) {
            sealed.events.into_iter().for_each(|event| model.apply(event));
        }
    }
    source.stop();
    assert_eq!(model.uncovered.get(&vp("/a/b")), Some(&UncoveredReason::Loop));
    assert!(model.has("/mnt/inside") && model.listings.contains_key(&vp("/mnt/inside")));
}

#[test]
fn an_unmounted_root_is_lost_and_nothing_is_reported_as_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mounted) = Mounted::tmpfs(dir.path()) else { return };
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    fs::write(dir.path().join("a/file"), b"1").unwrap();
    let (sink, outlet) = outbox();
    let source = start(SourceConfig::new(dir.path()), sink).unwrap();
    let mut model = crate::model::Model::default();
    let mut mounted = Some(mounted);
    let deadline = std::time::Instant::now() + crate::support::DEADLINE;
    while !model.root_lost {
        assert!(std::time::Instant::now() < deadline, "the loss was not reported");
        if model.cycles.1 == 1 {
            // A lazy unmount while the source holds the root open: the path leads elsewhere at once.
            drop(mounted.take());
            source.rescan();
        }
        if let Some(sealed) = outlet.recv(std::time::Duration::from_millis(20)) {
            sealed.events.into_iter().for_each(|event| model.apply(event));
        }
    }
    assert!(source.is_root_lost());
    assert!(model.deletes.is_empty() && model.has("/a/file") && model.has("/a/b"));
}

#[test]
fn a_root_that_is_moved_away_is_lost() {
    let mut bench = Bench::new(|root| fs::create_dir_all(root.join("a/b")).unwrap(), |_| {});
    let elsewhere = bench.dir.path().with_extension("moved");
    fs::rename(bench.dir.path(), &elsewhere).unwrap();
    bench.wait("the loss", |model| model.root_lost);
    fs::remove_dir_all(&elsewhere).unwrap();
    assert!(bench.model.deletes.is_empty() && bench.model.has("/a/b"));
}

/// What is mounted or unmounted below leaves no trace in the directory above it.
#[test]
fn an_audit_looks_at_mount_points_each_time() {
    let fill = |root: &Path| fs::create_dir_all(root.join("a/mnt/below")).unwrap();
    let mut bench = Bench::new(fill, |config| config.watch = false);
    bench.rest();
    let Some(mounted) = Mounted::tmpfs(&bench.path("a/mnt")) else { return };
    fs::create_dir(bench.path("a/mnt/inside")).unwrap();
    let other = UncoveredReason::OtherFileSystem;
    for _ in 0..2 {
        bench.model.uncovered.clear();
        bench.audit();
        assert_eq!(bench.model.uncovered.get(&vp("/a/mnt")), Some(&other));
        assert!(!bench.model.has("/a/mnt/inside"));
    }
    let before = bench.model.listings[&vp("/a/mnt")].len();
    drop(mounted);
    bench.audit();
    assert_eq!(bench.model.listings[&vp("/a/mnt")].len(), before + 1);
    bench.rest();
    bench.wait_equal();
}
