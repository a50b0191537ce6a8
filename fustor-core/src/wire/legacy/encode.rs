//! Writing requests with events as a fusion of 0.8 takes them.
//!
//! What it does with them decides what is written:
//! - In an audit it removes what a directory that it saw lacks, unless the directory's newest row is `audit_skipped`. So
//!   a directory in somebody else's listing is skipped, and only its own complete listing takes that back, if it
//!   comes later: scans list parents first.
//! - It ignores a row of a scan whose mtime is not later than the known one, unless the row is skipped. So the row with
//!   which a complete listing of an audit begins carries the next greater double.
//! - Evidence that it has no word for (gaps, coverage, cycles, a lost root) is not written.

use crate::entry::Facts;
use crate::event::{Event, LegacyJob, LegacyKind, Listing};
use crate::key::Tier;
use crate::path::ViewPath;
use crate::text::{int, seconds, string, uint};
use crate::time::{BootTime, ClockMap, SECOND, StorageTime};

/// At most this many rows in one request.
pub const PAGE_ROWS: usize = 10_000;
/// At most this many rows in one event.
const EVENT_ROWS: usize = 100;
const MILLISECOND: i64 = SECOND / 1000;

/// The requests that carry `events` in order: pages of at most [`PAGE_ROWS`] rows, none when there is nothing to say.
/// `clock` maps the agent's clock to wall time. `source_type` is `message`, `snapshot`, `audit` or `on_demand_job`;
/// rows of scans say the same of themselves, in a `message` that they belong to the snapshot. `is_end` stands in the
/// last request.
///
/// A renamed directory arrives without its contents: the caller sends the listings of what is below it.
#[must_use]
pub fn encode_events(
    session: &str,
    events: &[Event],
    clock: ClockMap,
    source_type: &str,
    is_end: bool,
) -> Vec<Vec<u8>> {
    let scanned = match LegacyKind::from_word(source_type) {
        None | Some(LegacyKind::Realtime) => LegacyKind::Snapshot,
        Some(kind) => kind,
    };
    let mut pages =
        Pages { session, source_type, scanned, clock, done: Vec::new(), page: Page::default() };
    events.iter().for_each(|event| pages.event(event));
    pages.finish(is_end)
}

/// The request that reports a finished scan.
#[must_use]
pub fn job_complete(session: &str, job: &LegacyJob) -> Vec<u8> {
    let mut out = b"{\"session_id\":".to_vec();
    string(&mut out, session);
    out.extend_from_slice(
        b",\"events\":[],\"source_type\":\"job_complete\",\"is_end\":false,\"metadata\":{\"scan_path\":",
    );
    string(&mut out, &job.scan_path);
    out.extend_from_slice(b",\"job_id\":");
    string(&mut out, &job.job_id);
    out.extend_from_slice(b"}}");
    out
}

/// What the rows of one event have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    delete: bool,
    source: LegacyKind,
}

/// What a row says beside its facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remark {
    None,
    /// A write is finished (true) or goes on.
    Atomic(bool),
    /// An audit says nothing of the directory's contents.
    Skipped,
    /// An audit listed the directory.
    Listed,
}

/// A request in the making.
#[derive(Debug, Default)]
struct Page {
    out: Vec<u8>,
    rows: usize,
    /// The event that is open, its rows and its index.
    open: Option<(Group, usize, i64)>,
}

struct Pages<'a> {
    session: &'a str,
    source_type: &'a str,
    scanned: LegacyKind,
    clock: ClockMap,
    done: Vec<Vec<u8>>,
    page: Page,
}

impl Pages<'_> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Upsert { path, stamp, tier, facts } => {
                let (source, atomic) = match tier {
                    Tier::Scan => (self.scanned, None),
                    Tier::Partial => (LegacyKind::Realtime, Some(false)),
                    Tier::Atomic => (LegacyKind::Realtime, Some(true)),
                };
                let remark = match atomic {
                    Some(atomic) if !facts.kind.is_dir() => Remark::Atomic(atomic),
                    None if self.is_audit() && facts.kind.is_dir() => Remark::Skipped,
                    Some(_) | None => Remark::None,
                };
                self.upsert(source, *stamp, path.as_bytes(), facts, remark);
            }
            Event::Delete { path, stamp } => self.delete(path, *stamp),
            Event::Rename { old, new, stamp, facts } => {
                self.delete(old, *stamp);
                let file = !facts.kind.is_dir();
                let remark = if file { Remark::Atomic(true) } else { Remark::None };
                self.upsert(LegacyKind::Realtime, *stamp, new.as_bytes(), facts, remark);
            }
            Event::Listing(listing) => self.listing(listing),
            Event::Gap { .. }
            | Event::Uncovered { .. }
            | Event::Covered { .. }
            | Event::Cycle { .. }
            | Event::RootLost { .. }
            | Event::Remark(_) => {}
        }
    }

    fn is_audit(&self) -> bool {
        self.scanned == LegacyKind::Audit
    }

    fn listing(&mut self, listing: &Listing) {
        let (own, child) = match (self.is_audit(), listing.complete) {
            (false, _) => (Remark::None, Remark::None),
            (true, true) => (Remark::Listed, Remark::Skipped),
            (true, false) => (Remark::Skipped, Remark::Skipped),
        };
        let dir = listing.dir.as_bytes();
        self.upsert(self.scanned, listing.stamp, dir, &listing.facts, own);
        let mut path = dir.to_vec();
        if !listing.dir.is_root() {
            path.push(b'/');
        }
        let start = path.len();
        for row in listing.blocks.iter().flat_map(crate::Block::rows) {
            path.truncate(start);
            path.extend_from_slice(row.name);
            let remark = if row.facts.kind.is_dir() { child } else { Remark::None };
            self.upsert(self.scanned, listing.stamp, &path, &row.facts, remark);
        }
    }

    fn delete(&mut self, path: &ViewPath, stamp: BootTime) {
        let out = self.row(Group { delete: true, source: LegacyKind::Realtime }, stamp);
        out.extend_from_slice(b"{\"path\":");
        put_path(out, path.as_bytes());
        out.push(b'}');
    }

    fn upsert(
        &mut self,
        source: LegacyKind,
        stamp: BootTime,
        path: &[u8],
        facts: &Facts,
        remark: Remark,
    ) {
        let out = self.row(Group { delete: false, source }, stamp);
        let name = memchr::memrchr(b'/', path).map_or(path, |at| &path[at + 1..]);
        out.extend_from_slice(b"{\"path\":");
        put_path(out, path);
        out.extend_from_slice(b",\"file_name\":");
        put_path(out, name);
        out.extend_from_slice(b",\"size\":");
        uint(out, facts.size);
        out.extend_from_slice(b",\"modified_time\":");
        match remark {
            Remark::Listed => next_second(out, facts.mtime),
            Remark::None | Remark::Atomic(_) | Remark::Skipped => seconds(out, facts.mtime.0),
        }
        out.extend_from_slice(b",\"created_time\":");
        seconds(out, facts.ctime.0);
        out.extend_from_slice(if facts.kind.is_dir() {
            &b",\"is_directory\":true"[..]
        } else {
            b",\"is_directory\":false"
        });
        out.extend_from_slice(match remark {
            Remark::None | Remark::Listed => &b"}"[..],
            Remark::Atomic(true) => b",\"is_atomic_write\":true}",
            Remark::Atomic(false) => b",\"is_atomic_write\":false}",
            Remark::Skipped => b",\"audit_skipped\":true}",
        });
    }

    /// Room for a row of `group`, after its comma.
    fn row(&mut self, group: Group, stamp: BootTime) -> &mut Vec<u8> {
        if self.page.rows == PAGE_ROWS {
            self.close_page(false);
        }
        match &mut self.page.open {
            Some((open, rows, _)) if *open == group && *rows < EVENT_ROWS => {
                *rows += 1;
                self.page.out.push(b',');
            }
            Some(_) | None => self.open_event(group, stamp),
        }
        self.page.rows += 1;
        &mut self.page.out
    }

    fn open_event(&mut self, group: Group, stamp: BootTime) {
        if self.page.open.is_some() {
            self.close_event();
            self.page.out.push(b',');
        }
        if self.page.out.is_empty() {
            self.open_page();
        }
        let out = &mut self.page.out;
        out.extend_from_slice(if group.delete {
            b"{\"event_type\":\"delete\",\"fields\":[\"path\"],\"rows\":["
        } else {
            &b"{\"event_type\":\"update\",\"fields\":[\"path\",\"file_name\",\"size\",\"modified_time\",\
               \"created_time\",\"is_directory\"],\"rows\":["[..]
        });
        let index = self.clock.stamp(stamp).0.div_euclid(MILLISECOND);
        self.page.open = Some((group, 1, index));
    }

    fn close_event(&mut self) {
        let Some((group, _, index)) = self.page.open.take() else { return };
        let out = &mut self.page.out;
        out.extend_from_slice(b"],\"index\":");
        int(out, index);
        out.extend_from_slice(
            b",\"event_schema\":\"fs\",\"table\":\"files\",\"message_source\":\"",
        );
        out.extend_from_slice(group.source.word().as_bytes());
        out.extend_from_slice(b"\"}");
    }

    fn open_page(&mut self) {
        let out = &mut self.page.out;
        out.extend_from_slice(b"{\"session_id\":");
        string(out, self.session);
        out.extend_from_slice(b",\"events\":[");
    }

    fn close_page(&mut self, is_end: bool) {
        self.close_event();
        let mut out = std::mem::take(&mut self.page).out;
        out.extend_from_slice(b"],\"source_type\":");
        string(&mut out, self.source_type);
        out.extend_from_slice(if is_end { b",\"is_end\":true}" } else { b",\"is_end\":false}" });
        self.done.push(out);
    }

    fn finish(mut self, is_end: bool) -> Vec<Vec<u8>> {
        if is_end && self.page.out.is_empty() {
            self.open_page();
        }
        if !self.page.out.is_empty() {
            self.close_page(is_end);
        }
        self.done
    }
}

/// A path as a string. Each byte that is not UTF-8 becomes `?`, as the agents of 0.8 do; two names may become one.
fn put_path(out: &mut Vec<u8>, path: &[u8]) {
    if let Ok(text) = str::from_utf8(path) {
        return string(out, text);
    }
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|_| text.push('?'));
    }
    string(out, &text);
}

/// The next double after the seconds that this time is.
fn next_second(out: &mut Vec<u8>, time: StorageTime) {
    let (whole, rest) = (time.0.div_euclid(SECOND), time.0.rem_euclid(SECOND));
    let next = (whole as f64 + 1e-9 * rest as f64).next_up();
    // Rust writes a float as the shortest decimal that reads back, without an exponent.
    let text = next.to_string();
    out.extend_from_slice(text.as_bytes());
    if !text.contains('.') {
        out.extend_from_slice(b".0");
    }
}
