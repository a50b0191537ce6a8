//! At the limits: the kernel's queue, the source's own, the number of watches, a host that does not listen.

use std::fs::{self, File};
use std::sync::PoisonError;
use std::time::Duration;

use fustor_core::{GapReason, UncoveredReason};

use crate::support::{Bench, QUEUE_LIMIT, vp};

const QUEUE: &str = "/proc/sys/fs/inotify/max_queued_events";

#[test]
fn an_overflow_of_the_kernel_queue_is_a_gap_that_is_repaired() {
    let guard = QUEUE_LIMIT.write().unwrap_or_else(PoisonError::into_inner);
    let limit = fs::read_to_string(QUEUE).unwrap();
    if fs::write(QUEUE, "1").is_err() {
        println!("SKIPPED facility: fs.inotify.max_queued_events");
        return;
    }
    // The kernel reads the limit when a queue is made.
    let mut bench = Bench::guarded(|_| {}, |_| {});
    fs::write(QUEUE, limit).unwrap();
    drop(guard);
    bench.wait("the first scan", |model| model.cycles.1 == 1);
    for n in 0..2000 {
        let dir = bench.path(&format!("d{}", n % 20));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("f{n}")), b"x").unwrap();
    }
    fs::remove_dir_all(bench.path("d3")).unwrap();
    fs::rename(bench.path("d4"), bench.path("d4-moved")).unwrap();
    bench.wait("a gap", |model| model.gaps.contains(&(vp("/"), GapReason::KernelOverflow)));
    bench.wait_equal();
    // The watches survived: what happens now is reported again, one change at a time.
    fs::write(bench.path("d4-moved/late"), b"late").unwrap();
    bench.wait_equal();
}

#[test]
fn a_host_that_does_not_listen_costs_gaps_and_no_entries() {
    let fill = |root: &std::path::Path| {
        for n in 0..8 {
            fs::create_dir(root.join(format!("d{n}"))).unwrap();
        }
    };
    let mut bench = Bench::new(fill, |config| config.queue_capacity = 16);
    // Nobody receives meanwhile: what the kernel reports has to wait in the source.
    for round in 0..40 {
        for n in 0..400 {
            let name = bench.path(&format!("d{}/{round}-{n}", n % 8));
            fs::write(name, b"x").unwrap();
        }
    }
    bench.wait("a gap", |model| {
        model.gaps.iter().any(|(_, reason)| *reason == GapReason::AgentOverflow)
    });
    bench.wait_equal();
}

#[test]
fn beyond_the_limit_the_hottest_directories_are_watched() {
    const DIRS: u64 = 40;
    let old = std::time::SystemTime::now() - Duration::from_secs(1_000_000);
    let fill = |root: &std::path::Path| {
        for n in 0..DIRS {
            let dir = root.join(format!("{n:02}"));
            fs::create_dir(&dir).unwrap();
            let times = fs::FileTimes::new().set_modified(old + Duration::from_secs(n * 1000));
            File::open(&dir).unwrap().set_times(times).unwrap();
        }
    };
    let mut bench = Bench::new(fill, |config| config.max_watches = Some(11));
    assert_eq!(bench.source().progress().watches, 11);
    let refused: Vec<_> = bench.model.uncovered.keys().map(ToString::to_string).collect();
    let coldest: Vec<_> = (0..DIRS - 10).map(|n| format!("/{n:02}")).collect();
    assert_eq!(refused, coldest);
    let limit = |reason: &UncoveredReason| *reason == UncoveredReason::WatchLimit;
    assert!(bench.model.uncovered.values().all(limit));
    // Watched ones report, the others are found by scans; a colder one takes nobody's place.
    fs::write(bench.path("39/hot"), b"1").unwrap();
    bench.wait("the hot file", |model| model.has("/39/hot"));
    fs::write(bench.path("00/cold"), b"1").unwrap();
    bench.source().rescan();
    bench.wait("the cold file", |model| model.has("/00/cold"));
    bench.wait("its directory's watch", |model| !model.uncovered.contains_key(&vp("/00")));
    assert_eq!(bench.source().progress().watches, 11);
    bench.wait_equal();
}

#[test]
fn a_source_stops_although_nobody_listens() {
    let fill = |root: &std::path::Path| {
        for n in 0..5000 {
            fs::create_dir(root.join(format!("{n}"))).unwrap();
        }
    };
    let mut bench = Bench::unscanned(fill, |_| {});
    bench.source().rescan();
    bench.stop();
    while bench.outlet.recv(Duration::ZERO).is_some() {}
    assert!(bench.outlet.is_closed());
}
