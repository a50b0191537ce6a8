//! Times the scanner beside the least that any scan costs: `getdents` and `statx`, and nothing done with the result.
//!
//! `scan_floor raw|scan|watch|pass|watched-pass THREADS DIR`, each in a process of its own so that the peak of memory is
//! its own. The passes are audits of a tree that does not change; it must not have changed for two seconds.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fustor_agent::{Outlet, SourceConfig, outbox, start};
use fustor_core::Event;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, StatxFlags, openat, statx};

fn main() {
    let args: Vec<_> = std::env::args().collect();
    let [_, how, threads, dir] = args.as_slice() else {
        panic!("scan_floor raw|scan|watch|pass|watched-pass THREADS DIR");
    };
    let threads = threads.parse().expect("a number of threads");
    let began = Instant::now();
    let entries = match how.as_str() {
        "raw" => raw(threads, dir),
        "scan" => scan(threads, dir, false),
        "watch" => scan(threads, dir, true),
        "pass" => return passes(threads, dir, false),
        "watched-pass" => return passes(threads, dir, true),
        _ => panic!("raw, scan, watch, pass or watched-pass"),
    };
    let wall = began.elapsed().as_secs_f64();
    let cpu = cpu();
    let per_million = cpu * 1e6 / entries as f64;
    println!(
        "{how} {threads} threads: {entries} entries, cpu {cpu:.2} s ({per_million:.2} s per million), wall {wall:.2} s, peak {} MiB",
        peak_kib() / 1024
    );
}

fn cpu() -> f64 {
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9
}

fn scan(threads: usize, dir: &str, watch: bool) -> u64 {
    let (sink, outlet) = outbox();
    let config = SourceConfig { scan_workers: threads, watch, ..SourceConfig::new(dir) };
    let source = start(config, sink).expect("a directory");
    await_end(&outlet);
    source.progress().entries
}

fn await_end(outlet: &Outlet) {
    let is_end = |event: &Event| matches!(event, Event::Cycle { phase, .. } if phase.is_end());
    while !outlet.recv(Duration::from_secs(1)).is_some_and(|group| group.events.iter().any(is_end))
    {
    }
}

fn passes(threads: usize, dir: &str, watch: bool) {
    const PASSES: u32 = 20;
    let (sink, outlet) = outbox();
    let config = SourceConfig { scan_workers: threads, watch, ..SourceConfig::new(dir) };
    let source = start(config, sink).expect("a directory");
    await_end(&outlet);
    let (before, began, spent) = (source.progress(), Instant::now(), cpu());
    for _ in 0..PASSES {
        source.audit();
        await_end(&outlet);
    }
    let (wall, spent) = (began.elapsed().as_secs_f64(), cpu() - spent);
    let after = source.progress();
    let (looked, opened) = (after.looked - before.looked, after.directories - before.directories);
    let (count, bytes) = after.remembered;
    println!(
        "{threads} threads, {PASSES} passes: {looked} directories looked at, {opened} opened, \
         {:.2} µs of processor time and {:.2} µs a directory, {count} remembered, {} bytes each",
        spent * 1e6 / looked as f64,
        wall * 1e6 / looked as f64,
        bytes / count.max(1)
    );
}

fn raw(threads: usize, dir: &str) -> u64 {
    let left = Mutex::new(vec![CString::new(dir).expect("a path")]);
    let (busy, entries) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut buffer = Vec::with_capacity(64 * 1024);
                loop {
                    let mut work = left.lock().expect("no panic");
                    let Some(dir) = work.pop() else {
                        drop(work);
                        if busy.load(Ordering::Acquire) == 0 {
                            return;
                        }
                        std::thread::yield_now();
                        continue;
                    };
                    busy.fetch_add(1, Ordering::AcqRel);
                    drop(work);
                    let (n, children) = raw_dir(&dir, &mut buffer);
                    entries.fetch_add(n, Ordering::Relaxed);
                    left.lock().expect("no panic").extend(children);
                    busy.fetch_sub(1, Ordering::AcqRel);
                }
            });
        }
    });
    entries.into_inner() as u64
}

fn raw_dir(dir: &CString, buffer: &mut Vec<u8>) -> (usize, Vec<CString>) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd: OwnedFd = openat(CWD, dir, flags, Mode::empty()).expect("a directory");
    let (mut n, mut children) = (0, Vec::new());
    let mut entries = RawDir::new(fd.as_fd(), buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry.expect("an entry");
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        n += 1;
        let st = statx(&fd, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
        let is_dir = st.is_ok_and(|st| st.stx_mode & 0o170_000 == 0o040_000);
        if is_dir {
            let path = [dir.to_bytes(), b"/", name.to_bytes()].concat();
            children.push(CString::new(path).expect("no NUL"));
        }
    }
    (n, children)
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
