//! Watching: what each kind of change is reported as, and that bursts of them lose nothing.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use fustor_core::{GapReason, Kind, Tier};

use crate::support::{Bench, vp};

#[test]
fn a_written_and_closed_file_is_atomic_with_its_final_size() {
    let mut bench = Bench::empty();
    let mut file = File::create(bench.path("f")).unwrap();
    file.write_all(b"12345").unwrap();
    bench.wait("a partial report", |model| model.tier("/f") == Some(Tier::Partial));
    file.write_all(b"678").unwrap();
    drop(file);
    bench.wait("the close", |model| model.tier("/f") == Some(Tier::Atomic));
    assert_eq!(bench.model.facts("/f").unwrap().size, 8);
    // The directory's own mtime has moved too.
    bench.wait_equal();
}

#[test]
fn a_file_that_is_written_closed_and_renamed_at_once_is_finished() {
    const FILES: usize = 400;
    let mut bench = Bench::empty();
    for n in 0..FILES {
        let part = bench.path(&format!("part{n}"));
        fs::write(&part, b"all of it").unwrap();
        fs::rename(&part, bench.path(&format!("whole{n}"))).unwrap();
        if n % 7 == 0 {
            bench.pump();
        }
    }
    bench.wait("all to be finished", |model| {
        (0..FILES).all(|n| model.tier(&format!("/whole{n}")) == Some(Tier::Atomic))
    });
    bench.wait_equal();
}

#[test]
fn the_last_state_of_a_file_that_is_never_closed_is_reported() {
    let tune = |config: &mut fustor_agent::SourceConfig| {
        config.partial_interval = Duration::from_millis(300);
    };
    let mut bench = Bench::new(|_| {}, tune);
    let mut file = File::create(bench.path("f")).unwrap();
    for _ in 0..200 {
        file.write_all(b"x").unwrap();
    }
    bench.wait("all that was written", |model| {
        model.facts("/f").is_some_and(|facts| facts.size == 200)
    });
    for _ in 0..50 {
        file.write_all(b"y").unwrap();
        bench.pump();
    }
    bench.wait("what was written later", |model| {
        model.facts("/f").is_some_and(|facts| facts.size == 250)
    });
    assert_eq!(bench.model.tier("/f"), Some(Tier::Partial));
    let told = bench.model.upserts.iter().filter(|(path, ..)| *path == vp("/f")).count();
    assert!(told < 100, "throttled, yet told {told} times");
}

#[test]
fn attributes_truncation_links_and_special_files_are_reported() {
    let mut bench = Bench::new(|root| fs::write(root.join("f"), b"12345").unwrap(), |_| {});
    fs::set_permissions(bench.path("f"), fs::Permissions::from_mode(0o640)).unwrap();
    bench.wait("the mode", |model| model.facts("/f").is_some_and(|f| f.owner.mode == 0o640));
    OpenOptions::new().write(true).truncate(true).open(bench.path("f")).unwrap();
    bench.wait("the truncation", |model| {
        model.facts("/f").is_some_and(|f| f.size == 0) && model.tier("/f") == Some(Tier::Atomic)
    });
    fs::hard_link(bench.path("f"), bench.path("hard")).unwrap();
    bench.wait("the link", |model| model.tier("/hard") == Some(Tier::Atomic));
    symlink("f", bench.path("soft")).unwrap();
    bench.wait("the symlink", |model| {
        model.facts("/soft").is_some_and(|facts| facts.kind == Kind::Symlink)
    });
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, bench.path("pipe"), fifo, mode, 0).unwrap();
    bench.wait("the fifo", |model| model.tier("/pipe") == Some(Tier::Atomic));
    // The kernel does not say that another name of the file has got a link: that is for scans to find.
    bench.source().rescan();
    bench.wait_equal();
}

#[test]
fn removals_and_moves_out_are_deletes() {
    let fill = |root: &std::path::Path| {
        fs::create_dir_all(root.join("dir/sub")).unwrap();
        fs::write(root.join("dir/sub/f"), b"1").unwrap();
        fs::write(root.join("gone"), b"1").unwrap();
        fs::write(root.join("out"), b"1").unwrap();
    };
    let mut bench = Bench::new(fill, |_| {});
    let outside = tempfile::tempdir_in(bench.dir.path().parent().unwrap()).unwrap();
    fs::remove_file(bench.path("gone")).unwrap();
    bench.wait("the removal", |model| !model.has("/gone"));
    fs::rename(bench.path("out"), outside.path().join("out")).unwrap();
    bench.wait("the file that left", |model| !model.has("/out"));
    fs::rename(bench.path("dir"), outside.path().join("dir")).unwrap();
    bench.wait("the directory that left", |model| !model.has("/dir"));
    assert_eq!(bench.model.deletes, [vp("/gone"), vp("/out"), vp("/dir")]);
    // Its watches are gone with it: what happens there concerns nobody.
    fs::write(outside.path().join("dir/sub/new"), b"1").unwrap();
    fs::write(bench.path("last"), b"1").unwrap();
    bench.wait_equal();
    assert_eq!(bench.source().progress().watches, 1);
}

#[test]
fn what_moves_in_is_announced_with_all_below_it() {
    let mut bench = Bench::empty();
    let outside = tempfile::tempdir_in(bench.dir.path().parent().unwrap()).unwrap();
    fs::create_dir_all(outside.path().join("dir/a/b")).unwrap();
    fs::write(outside.path().join("dir/a/b/f"), b"123").unwrap();
    fs::write(outside.path().join("file"), b"1").unwrap();
    fs::rename(outside.path().join("file"), bench.path("file")).unwrap();
    bench.wait("the file", |model| model.tier("/file") == Some(Tier::Atomic));
    fs::rename(outside.path().join("dir"), bench.path("dir")).unwrap();
    bench.wait_equal();
    fs::write(bench.path("dir/a/b/f"), b"1234").unwrap();
    bench.wait("a change below", |model| model.facts("/dir/a/b/f").is_some_and(|f| f.size == 4));
    bench.wait_equal();
}

#[test]
fn names_that_are_no_text_are_watched() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let odd = |bytes| OsStr::from_bytes(bytes);
    let mut bench = Bench::empty();
    let dir = bench.dir.path().join(odd(b"d\xff"));
    fs::create_dir_all(dir.join(odd(b"\xfe\xfd"))).unwrap();
    bench.wait_equal();
    fs::write(dir.join(odd(b"\xfe\xfd")).join(odd(b"f\x80")), b"1").unwrap();
    bench.wait_equal();
    fs::rename(dir.join(odd(b"\xfe\xfd")), bench.dir.path().join(odd(b"\xc0"))).unwrap();
    fs::write(bench.dir.path().join(odd(b"\xc0")).join(odd(b"f\x80")), b"12").unwrap();
    bench.wait_equal();
    fs::remove_file(bench.dir.path().join(odd(b"\xc0")).join(odd(b"f\x80"))).unwrap();
    bench.wait_equal();
}

#[test]
fn a_chain_of_new_directories_is_announced_at_once() {
    let mut bench = Bench::empty();
    for n in 0..50 {
        fs::create_dir_all(bench.path(&format!("{n}/q/w/e"))).unwrap();
        fs::write(bench.path(&format!("{n}/q/w/e/f")), b"1").unwrap();
    }
    bench.wait_equal();
    assert_eq!(bench.source().progress().watches, 201);
}

#[test]
fn a_directory_moved_within_the_tree_is_one_rename() {
    let fill = |root: &std::path::Path| {
        fs::create_dir_all(root.join("old/a/b")).unwrap();
        fs::create_dir(root.join("place")).unwrap();
        for n in 0..100 {
            fs::write(root.join(format!("old/a/b/{n}")), b"1").unwrap();
        }
    };
    let mut bench = Bench::new(fill, |_| {});
    let listings = bench.model.listings.len();
    fs::rename(bench.path("old"), bench.path("place/new")).unwrap();
    bench.wait("the rename", |model| model.renames == [(vp("/old"), vp("/place/new"))]);
    bench.wait_equal();
    assert_eq!(bench.model.listings.len(), listings, "nothing had to be listed again");
    assert!(bench.model.deletes.is_empty());
    // The watches have moved with it.
    fs::write(bench.path("place/new/a/b/7"), b"12").unwrap();
    bench.wait("a change below", |model| {
        model.facts("/place/new/a/b/7").is_some_and(|facts| facts.size == 2)
    });
    bench.wait_equal();
}

#[test]
fn renames_in_a_row_swaps_and_overwriting_end_where_the_disk_is() {
    let fill = |root: &std::path::Path| {
        for name in ["a", "b", "c"] {
            fs::create_dir_all(root.join(name).join("sub")).unwrap();
            fs::write(root.join(name).join("sub/f"), name).unwrap();
            fs::write(root.join(format!("{name}.txt")), name).unwrap();
        }
        fs::create_dir(root.join("empty")).unwrap();
    };
    let mut bench = Bench::new(fill, |_| {});
    for _ in 0..20 {
        let mv = |from: &str, to: &str| fs::rename(bench.path(from), bench.path(to)).unwrap();
        mv("a", "t");
        mv("b", "a");
        mv("t", "b");
        mv("a.txt", "t.txt");
        mv("b.txt", "a.txt");
        mv("t.txt", "b.txt");
        fs::create_dir(bench.path("n")).unwrap();
        mv("c", "n/c");
        fs::write(bench.path("n/c/sub/f"), b"changed").unwrap();
        mv("n", "m");
        mv("m/c", "c");
        fs::remove_dir(bench.path("m")).unwrap();
        fs::create_dir(bench.path("e2")).unwrap();
        mv("e2", "empty");
        fs::write(bench.path("c.tmp"), b"replaced").unwrap();
        mv("c.tmp", "c.txt");
        bench.wait_equal();
    }
}

#[test]
fn a_directory_that_is_replaced_has_only_the_new_content() {
    let fill = |root: &std::path::Path| {
        fs::create_dir_all(root.join("d/sub")).unwrap();
        fs::write(root.join("d/sub/old"), b"1").unwrap();
    };
    let mut bench = Bench::new(fill, |_| {});
    for n in 0..30 {
        fs::remove_dir_all(bench.path("d")).unwrap();
        fs::create_dir_all(bench.path("d/sub")).unwrap();
        fs::write(bench.path(&format!("d/sub/{n}")), b"1").unwrap();
    }
    bench.wait_equal();
    fs::remove_dir_all(bench.path("d")).unwrap();
    fs::write(bench.path("d"), b"a file now").unwrap();
    bench.wait_equal();
}

/// A fixed sequence that looks random.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn bursts_of_every_kind_end_where_the_disk_is() {
    bursts(&mut Bench::empty());
}

/// Changes of every kind, some hundred of each.
pub(crate) fn bursts(bench: &mut Bench) {
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    for round in 0..5 {
        for n in 0..5000 {
            let dir = |seed: &mut u64| format!("d{}/e{}", next(seed) % 6, next(seed) % 6);
            let file = |seed: &mut u64| format!("{}/{}", dir(seed), next(seed) % 40);
            let (one, other) = (bench.path(&file(&mut seed)), bench.path(&file(&mut seed)));
            // Whatever does not exist or is in the way makes an operation fail: that is part of the mix.
            match next(&mut seed) % 12 {
                0..=3 => drop(fs::write(one, vec![b'x'; n % 100])),
                4 => drop(
                    OpenOptions::new()
                        .append(true)
                        .open(one)
                        .and_then(|mut f| f.write_all(b"more")),
                ),
                5 | 6 => drop(fs::rename(one, other)),
                7 => drop(fs::remove_file(one)),
                8 => drop(fs::create_dir_all(bench.path(&dir(&mut seed)))),
                9 => drop(fs::rename(bench.path(&dir(&mut seed)), bench.path(&dir(&mut seed)))),
                10 if n % 7 == 0 => drop(fs::remove_dir_all(bench.path(&dir(&mut seed)))),
                10 => drop(fs::set_permissions(
                    one,
                    fs::Permissions::from_mode(0o600 + n as u32 % 64),
                )),
                _ => drop(fs::rename(
                    bench.path(&format!("d{}", next(&mut seed) % 6)),
                    bench.path(&format!("d{}", next(&mut seed) % 6)),
                )),
            }
        }
        bench.wait_equal();
        // How many reports the kernel holds is the machine's affair; the source's own queue is large enough.
        let gaps = &bench.model.gaps;
        assert!(
            gaps.iter().all(|(_, reason)| *reason == GapReason::KernelOverflow),
            "round {round}: {gaps:?}"
        );
    }
}

#[test]
fn changes_during_the_first_scan_are_not_lost() {
    let fill = |root: &std::path::Path| {
        for n in 0..300 {
            fs::create_dir_all(root.join(format!("{}/{}/{n}", n % 10, n % 30))).unwrap();
            fs::write(root.join(format!("{}/{}/{n}/f", n % 10, n % 30)), b"1").unwrap();
        }
    };
    for _ in 0..10 {
        let mut bench = Bench::unscanned(fill, |_| {});
        for n in 0..10 {
            drop(fs::rename(bench.path(&format!("{n}")), bench.path(&format!("moved-{n}"))));
            drop(fs::write(bench.path(&format!("moved-{n}/{n}/new")), b"12"));
            drop(fs::create_dir_all(bench.path(&format!("moved-{n}/x/y/z"))));
        }
        bench.wait("the first scan", |model| model.cycles.1 == 1);
        bench.wait_equal();
    }
}

#[test]
fn a_close_is_handed_over_without_settling() {
    let mut bench = Bench::empty();
    let mut waits = Vec::new();
    for n in 0..200 {
        let name = format!("/f{n}");
        let file = File::create(bench.path(&name[1..])).unwrap();
        drop(file);
        let closed = Instant::now();
        bench.wait("the close", |model| model.tier(&name) == Some(Tier::Atomic));
        waits.push(closed.elapsed());
    }
    waits.sort_unstable();
    println!("close to hand-over: p50 {:?}, p99 {:?}", waits[100], waits[198]);
}
