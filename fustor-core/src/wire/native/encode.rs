//! Writing a frame.

use super::crc::crc32c;
use super::frame::{
    COUNT_AT, EPOCH_AT, HEADER, LANE_AT, LEASE_AT, LEN_AT, MAGIC, Repeats, SENT_AT, SEQ_AT, SUM_AT,
    Tag, VERSION, VERSION_AT, WINDOW_AT, put_number, put_signed,
};
use crate::entry::Facts;
use crate::event::{BatchHead, CyclePhase, Event, GapReason, Lane, Listing, UncoveredReason};
use crate::path::ViewPath;
use crate::time::BootTime;

/// One sealed batch as bytes. The caller keeps it within what the receiver takes.
///
/// ```
/// use fustor_core::wire::native::{BatchHead, Limits, decode, encode};
/// use fustor_core::{BootTime, Event, Lane, Seq, ViewPath};
/// let head = BatchHead {
///     source_epoch: 1,
///     lane: Lane::Realtime,
///     seq: Seq(7),
///     lease: 0,
///     sent: BootTime(2_000),
///     cache_window_ns: 0,
/// };
/// let gone = Event::Delete { path: ViewPath::parse(b"/a").unwrap(), stamp: BootTime(1_000) };
/// let frame = encode(&head, &[gone.clone()]);
/// let decoded = decode(&frame, &Limits::default()).unwrap();
/// assert_eq!((decoded.head, decoded.events), (head, vec![gone]));
/// ```
#[must_use]
pub fn encode(head: &BatchHead, events: &[Event]) -> Vec<u8> {
    let mut frame =
        Frame { out: header(head, events), head, last: Vec::new(), repeats: Repeats::default() };
    let mut body = Vec::new();
    for event in events {
        body.clear();
        frame.event(&mut body, event);
        put_number(&mut frame.out, body.len() as u64);
        frame.out.extend_from_slice(&body);
    }
    let mut out = frame.out;
    let len = out.len() as u64;
    out[LEN_AT..LEN_AT + 8].copy_from_slice(&len.to_le_bytes());
    let sum = crc32c(&[&out[..SUM_AT], &out[SUM_AT + 4..]]);
    out[SUM_AT..SUM_AT + 4].copy_from_slice(&sum.to_le_bytes());
    out
}

fn header(head: &BatchHead, events: &[Event]) -> Vec<u8> {
    let blocks = events.iter().filter_map(|event| match event {
        Event::Listing(listing) => Some(&listing.blocks),
        _ => None,
    });
    let payload: usize = blocks.flatten().map(|block| block.as_bytes().len()).sum();
    let mut out = Vec::with_capacity(HEADER + payload + events.len() * 64);
    out.resize(HEADER, 0);
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &MAGIC);
    put(VERSION_AT, &[VERSION]);
    put(LANE_AT, &[lane_number(head.lane)]);
    // A receiver refuses more events long before 2^32.
    put(COUNT_AT, &u32::try_from(events.len()).unwrap_or(u32::MAX).to_le_bytes());
    put(EPOCH_AT, &head.source_epoch.to_le_bytes());
    put(LEASE_AT, &head.lease.to_le_bytes());
    put(SENT_AT, &head.sent.0.to_le_bytes());
    put(WINDOW_AT, &head.cache_window_ns.to_le_bytes());
    put(SEQ_AT, &head.seq.0.to_le_bytes());
    out
}

/// A frame in the making, with what paths and stamps are relative to.
struct Frame<'a> {
    out: Vec<u8>,
    head: &'a BatchHead,
    last: Vec<u8>,
    repeats: Repeats,
}

impl Frame<'_> {
    fn event(&mut self, body: &mut Vec<u8>, event: &Event) {
        match event {
            Event::Upsert { path, stamp, tier, facts } => {
                tag(body, Tag::Upsert, *tier as u8);
                self.placed(body, path, *stamp);
                put_facts(body, facts);
            }
            Event::Delete { path, stamp } => {
                tag(body, Tag::Delete, 0);
                self.placed(body, path, *stamp);
            }
            Event::Rename { old, new, stamp, facts } => {
                tag(body, Tag::Rename, 0);
                self.path(body, old);
                self.placed(body, new, *stamp);
                put_facts(body, facts);
            }
            Event::Listing(listing) => self.listing(body, listing),
            Event::Gap { scope, stamp, reason } => {
                tag(body, Tag::Gap, gap_number(*reason));
                self.placed(body, scope, *stamp);
            }
            Event::Uncovered { dir, stamp, reason } => {
                tag(body, Tag::Uncovered, uncovered_number(*reason));
                self.placed(body, dir, *stamp);
            }
            Event::Covered { dir } => {
                tag(body, Tag::Covered, 0);
                self.path(body, dir);
            }
            Event::Cycle { phase, stamp } => {
                tag(body, Tag::Cycle, cycle_number(*phase));
                self.stamp(body, *stamp);
                if let CyclePhase::PassEnd { read_since } = phase {
                    self.stamp(body, *read_since);
                }
            }
            Event::RootLost { stamp } => {
                tag(body, Tag::RootLost, 0);
                self.stamp(body, *stamp);
            }
            // Made by fusion of what 0.8 says; no agent sends it, and an empty event is refused alone.
            Event::Remark(_) => {}
        }
    }

    fn listing(&mut self, body: &mut Vec<u8>, listing: &Listing) {
        tag(body, Tag::Listing, u8::from(listing.complete));
        self.placed(body, &listing.dir, listing.stamp);
        put_facts(body, &listing.facts);
        put_number(body, listing.blocks.len() as u64);
        let (at, mut packed) = (self.out.len(), Vec::new());
        for block in &listing.blocks {
            packed.clear();
            block.pack(&mut packed, &mut |shared| self.repeats.allow(at, shared));
            put_number(body, packed.len() as u64);
            body.extend_from_slice(&packed);
        }
    }

    fn placed(&mut self, body: &mut Vec<u8>, path: &ViewPath, stamp: BootTime) {
        self.path(body, path);
        self.stamp(body, stamp);
    }

    /// A path as what it shares with the one before it, and the rest.
    fn path(&mut self, body: &mut Vec<u8>, path: &ViewPath) {
        let path = path.as_bytes();
        let same = self.last.iter().zip(path).take_while(|(a, b)| a == b).count();
        let shared = if self.repeats.allow(self.out.len(), same) { same } else { 0 };
        put_number(body, shared as u64);
        put_number(body, (path.len() - shared) as u64);
        body.extend_from_slice(&path[shared..]);
        self.last.truncate(same);
        self.last.extend_from_slice(&path[same..]);
    }

    fn stamp(&self, body: &mut Vec<u8>, stamp: BootTime) {
        put_signed(body, self.head.sent.0.wrapping_sub(stamp.0));
    }
}

fn tag(body: &mut Vec<u8>, tag: Tag, detail: u8) {
    body.push(tag as u8 | detail << 4);
}

fn put_facts(body: &mut Vec<u8>, facts: &Facts) {
    body.push(facts.kind as u8);
    put_number(body, facts.size);
    body.extend_from_slice(&facts.mtime.0.to_le_bytes());
    put_signed(body, facts.ctime.0.wrapping_sub(facts.mtime.0));
    put_number(body, facts.inode);
    put_number(body, u64::from(facts.nlink));
    put_number(body, u64::from(facts.owner.mode));
    put_number(body, u64::from(facts.owner.uid));
    put_number(body, u64::from(facts.owner.gid));
}

const fn lane_number(lane: Lane) -> u8 {
    match lane {
        Lane::Control => 0,
        Lane::Realtime => 1,
        Lane::Scan => 2,
    }
}

const fn cycle_number(phase: CyclePhase) -> u8 {
    match phase {
        CyclePhase::Begin => 0,
        CyclePhase::End => 1,
        CyclePhase::PassEnd { .. } => 2,
    }
}

const fn gap_number(reason: GapReason) -> u8 {
    match reason {
        GapReason::KernelOverflow => 0,
        GapReason::AgentOverflow => 1,
        GapReason::HalfRename => 2,
        GapReason::AgentAbsent => 3,
        GapReason::StaleRename => 4,
    }
}

const fn uncovered_number(reason: UncoveredReason) -> u8 {
    match reason {
        UncoveredReason::WatchLimit => 0,
        UncoveredReason::Unreadable => 1,
        UncoveredReason::Failing => 2,
        UncoveredReason::OtherFileSystem => 3,
        UncoveredReason::Hanging => 4,
        UncoveredReason::TooDeep => 5,
        UncoveredReason::Loop => 6,
        UncoveredReason::Restless => 7,
        UncoveredReason::Excluded => 8,
    }
}
