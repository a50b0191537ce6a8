//! Counts what the picture of a tree takes in memory: one JSON line per case.
//!
//! `heap` is what was asked of the allocator and not given back; `rss` is what the process grew by, allocator's
//! losses included. Both per file, directories' rows and tables charged to the files.

use std::alloc::{GlobalAlloc, Layout};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicI64, Ordering};

use fustor_benches::{Feed, Plan, Rng, Shape, Times, entries};
use fustor_core::DirId;
use mimalloc::MiMalloc;

/// Realtime events of an hour at a thousand a second, for ten million files; fewer files get fewer events.
const EVENTS_PER_FILE: f64 = 0.36;
const BATCH: usize = 1000;

static LIVE: AtomicI64 = AtomicI64::new(0);

/// Counts, and leaves the work to the allocator of the programs.
struct Counting;

// SAFETY: every call is passed on unchanged; counting touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(size(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` holds for this call too.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(size(layout.size()), Ordering::Relaxed);
        // SAFETY: `at` came from `MiMalloc.alloc` with this layout.
        unsafe { MiMalloc.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        LIVE.fetch_add(size(new_size) - size(layout.size()), Ordering::Relaxed);
        // SAFETY: `at` came from `MiMalloc.alloc` with this layout, and the caller vouches for `new_size`.
        unsafe { MiMalloc.realloc(at, layout, new_size) }
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

/// Each case has a process of its own: what an earlier one left in the allocator would hide growth.
const CASES: [(Shape, Case); 8] = [
    (Shape::Mixed, Case::Fresh),
    (Shape::Mixed, Case::Restored),
    (Shape::Mixed, Case::BesideAnother),
    (Shape::Uuid, Case::Fresh),
    (Shape::Huge, Case::Fresh),
    (Shape::Deep, Case::Fresh),
    (Shape::Tiny, Case::Fresh),
    (Shape::Tiny, Case::BesideAnother),
];

/// What a tree is loaded with, or beside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    /// Files that were written in place.
    Fresh,
    /// Files that were copied with their old times.
    Restored,
    /// Fresh files in a view that shows a second storage too.
    BesideAnother,
}

impl Case {
    const fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Restored => "restored",
            Self::BesideAnother => "beside_another_storage",
        }
    }

    const fn times(self) -> Times {
        match self {
            Self::Fresh | Self::BesideAnother => Times::Fresh,
            Self::Restored => Times::Restored,
        }
    }

    fn feed(self) -> Feed {
        match self {
            Self::Fresh | Self::Restored => Feed::new(),
            Self::BesideAnother => Feed::beside_another(),
        }
    }
}

fn main() -> ExitCode {
    if let Some(case) = std::env::args().nth(1) {
        let case: usize = case.parse().expect("the number of a case");
        let (shape, case) = CASES[case];
        measure(&Plan::new(shape, entries(), case.times()), shape, case);
        return ExitCode::SUCCESS;
    }
    let program = std::env::current_exe().expect("this program has a path");
    for case in 0..CASES.len() {
        let status = Command::new(&program).arg(case.to_string()).status();
        if !status.expect("this program can be started").success() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measure(plan: &Plan, shape: Shape, case: Case) {
    let before = Usage::now();
    let mut feed = case.feed().loaded(plan);
    report(plan, shape, case.name(), plan.files(), before);
    if (shape, case) == CASES[0] {
        let files = an_hour_of_events(&mut feed, plan);
        report(plan, shape, "after_random_upserts", files, before);
    }
}

/// Applies random upserts as a host does: the last published state stays until the next one is there. Gives the number
/// of files thereafter.
fn an_hour_of_events(feed: &mut Feed, plan: &Plan) -> u64 {
    let mut rng = Rng::new(1);
    let mut published = feed.view.snapshot();
    let batches = (plan.files() as f64 * EVENTS_PER_FILE) as usize / BATCH;
    for version in 0..batches {
        feed.send(feed.upserts(plan, &mut rng, BATCH, 1 + version as u32));
        published = feed.view.snapshot();
        while feed.view.release(BATCH) {}
    }
    published.tree().meta(DirId::ROOT).totals.files
}

/// Bytes in use at one moment.
#[derive(Clone, Copy)]
struct Usage {
    heap: i64,
    rss: i64,
}

impl Usage {
    fn now() -> Self {
        Self { heap: LIVE.load(Ordering::Relaxed), rss: resident() }
    }
}

#[expect(clippy::print_stdout, reason = "the report is the result")]
fn report(plan: &Plan, shape: Shape, case: &str, files: u64, before: Usage) {
    let now = Usage::now();
    let per_file = |bytes: i64| bytes as f64 / files as f64;
    println!(
        r#"{{"shape":"{}","case":"{case}","files":{files},"dirs":{},"heap_per_file":{:.1},"rss_per_file":{:.1}}}"#,
        shape.name(),
        plan.dirs().len(),
        per_file(now.heap - before.heap),
        per_file(now.rss - before.rss),
    );
}

/// Resident bytes of this process.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("every process has it");
    let kib: i64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
    kib * 1024
}

fn size(bytes: usize) -> i64 {
    i64::try_from(bytes).expect("an allocation is smaller than 2^63 bytes")
}
