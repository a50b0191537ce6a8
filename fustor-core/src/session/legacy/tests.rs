//! Requests as agents of 0.8 send them, and what a view makes of them.

use super::{Finding, LegacyPeer, Translated};
use crate::entry::Kind;
use crate::event::{
    Applied, Command, CyclePhase, Event, Fidelity, LegacyBatch, LegacyChange, LegacyJob,
    LegacyKind, LegacyObservation, LegacyRow, Remark, Sweep,
};
use crate::id::{AgentId, Epoch, Origin, Seq, StorageId};
use crate::key::Tier;
use crate::merge::ViewConfig;
use crate::path::ViewPath;
use crate::session::{Admission, Duties};
use crate::time::{BootTime, ClockMap, Mono, Now, SECOND, Stamp, StorageTime};
use crate::view::View;

const T: i64 = 1_700_000_000;
const LEADER: Duties = Duties::Allowed;
const FOLLOWER: Duties = Duties::Refused { epoch: 1 };

fn path(text: &str) -> ViewPath {
    ViewPath::parse(text.as_bytes()).expect("a path")
}

fn at(sec: f64) -> Now {
    Now { mono: Mono(0), wall: Stamp(T * SECOND + (sec * 1e9) as i64) }
}

fn admission(duties: Duties) -> Admission {
    let origin = Origin { agent: AgentId(4), epoch: Epoch(1), seq: Seq(1) };
    let clock = ClockMap::default();
    Admission { fresh: true, origin, clock, storage: StorageId(0), duties }
}

fn row(kind: Kind) -> LegacyRow {
    let time = StorageTime((T - 1000) * SECOND);
    let (size, ctime) = (Some(1), Some(time));
    LegacyRow { kind, size, mtime: time, ctime, atomic: true, audit_skipped: false }
}

/// `dir/` is a directory, `-f` a deletion, `~f` an unfinished write, `=d/` a directory that was passed over.
fn told(source: LegacyKind, index_sec: f64, rows: &[&str]) -> LegacyBatch {
    let observation = |text: &&str| {
        let (sign, rest) = match text.as_bytes()[0] {
            b'/' => (b'+', *text),
            sign => (sign, &text[1..]),
        };
        let kind = if rest.ends_with('/') { Kind::Dir } else { Kind::File };
        let row = LegacyRow { atomic: sign != b'~', audit_skipped: sign == b'=', ..row(kind) };
        let change = if sign == b'-' { LegacyChange::Delete } else { LegacyChange::Upsert(row) };
        let index_ms = T * 1000 + (index_sec * 1e3) as i64;
        LegacyObservation { path: path(rest), index_ms, source, change }
    };
    let source_type = match source {
        LegacyKind::Realtime => "message",
        LegacyKind::Snapshot => "snapshot",
        LegacyKind::Audit => "audit",
        LegacyKind::OnDemand => "on_demand_job",
    };
    LegacyBatch {
        source_type: source_type.to_owned(),
        observations: rows.iter().map(observation).collect(),
        ..LegacyBatch::default()
    }
}

fn end(batch: LegacyBatch) -> LegacyBatch {
    LegacyBatch { is_end: true, ..batch }
}

/// The events in short.
fn brief(translated: &Translated) -> Vec<String> {
    let brief = |event: &Event| match event {
        Event::Upsert { path, tier, .. } => format!("{tier:?} {path}"),
        Event::Delete { path, .. } => format!("delete {path}"),
        Event::Cycle { phase: CyclePhase::Begin, .. } => "begin".to_owned(),
        Event::Cycle { phase: CyclePhase::End, .. } => "end".to_owned(),
        Event::Remark(Remark::Read { dir, sweep: Sweep::Snapshot }) => format!("snapshot {dir}"),
        Event::Remark(Remark::Read { dir, sweep: Sweep::Audit }) => format!("audit {dir}"),
        Event::Remark(Remark::Missing { path, .. }) => format!("missing {path}"),
        other => format!("{other:?}"),
    };
    translated.batch.events.iter().map(brief).collect()
}

fn stamps(translated: &Translated) -> Vec<f64> {
    let stamp = |event: &Event| match event {
        Event::Upsert { stamp, .. } | Event::Delete { stamp, .. } | Event::Cycle { stamp, .. } => {
            Some((stamp.0 - T * SECOND) as f64 / 1e9)
        }
        _ => None,
    };
    translated.batch.events.iter().filter_map(stamp).collect()
}

#[test]
fn a_snapshot_begins_once_and_ends_once() {
    let mut peer = LegacyPeer::new(60 * SECOND);
    let lead = admission(LEADER);
    let snapshot = |rows: &[&str]| told(LegacyKind::Snapshot, 9.0, rows);
    let first = peer.translate(at(10.0), &lead, snapshot(&["/", "/d/", "/d/f"]));
    // The root is a directory, which its path does not show here.
    assert_eq!(
        brief(&first),
        ["begin", "Scan /", "Scan /d", "Scan /d/f", "snapshot /", "snapshot /d"]
    );
    assert_eq!(first.batch.cache_window_ns, 62 * SECOND);
    assert_eq!(first.batch.fidelity, Fidelity::Legacy);
    let last = peer.translate(at(11.0), &lead, end(snapshot(&["/g"])));
    assert_eq!(brief(&last), ["Scan /g", "end"]);
    let again = peer.translate(at(11.0), &lead, end(snapshot(&[])));
    assert_eq!(brief(&again), [""; 0]);
    let audit = peer.translate(at(20.0), &lead, told(LegacyKind::Audit, 19.0, &["/d/", "=/e/"]));
    assert_eq!(brief(&audit), ["begin", "Scan /d", "Scan /e", "audit /d"]);
    let audit = peer.translate(at(21.0), &lead, end(told(LegacyKind::Audit, 0.0, &[])));
    assert_eq!(brief(&audit), ["end"]);
    let empty = peer.translate(at(30.0), &lead, end(told(LegacyKind::Audit, 0.0, &[])));
    assert_eq!(brief(&empty), [""; 0]);
}

#[test]
fn a_snapshot_of_nothing_is_one() {
    let mut peer = LegacyPeer::new(0);
    let nothing = end(told(LegacyKind::Snapshot, 0.0, &[]));
    let only = peer.translate(at(10.0), &admission(LEADER), nothing.clone());
    assert_eq!(brief(&only), ["begin", "end"]);
    assert_eq!(brief(&peer.translate(at(11.0), &admission(LEADER), nothing)), [""; 0]);
}

#[test]
fn only_the_leader_has_cycles() {
    let mut peer = LegacyPeer::new(0);
    let audit = |rows: &[&str]| told(LegacyKind::Audit, 9.0, rows);
    let one = peer.translate(at(10.0), &admission(LEADER), audit(&["/d/"]));
    assert_eq!(brief(&one), ["begin", "Scan /d", "audit /d"]);
    let two = peer.translate(at(11.0), &admission(FOLLOWER), audit(&["/e/"]));
    assert_eq!(brief(&two), ["Scan /e"]);
    // It leads again, but this audit has been heard in parts only.
    let three = peer.translate(at(12.0), &admission(LEADER), audit(&["/f/"]));
    assert_eq!(brief(&three), ["Scan /f"]);
    assert_eq!(brief(&peer.translate(at(12.0), &admission(LEADER), end(audit(&[])))), [""; 0]);
    let next = peer.translate(at(20.0), &admission(LEADER), audit(&["/f/"]));
    assert_eq!(brief(&next), ["begin", "Scan /f", "audit /f"]);
}

#[test]
fn events_keep_their_tiers_and_their_order() {
    let mut peer = LegacyPeer::new(0);
    let batch = told(LegacyKind::Realtime, 9.5, &["~/f", "/f", "-/f", "/f"]);
    let out = peer.translate(at(10.0), &admission(FOLLOWER), batch);
    assert_eq!(brief(&out), ["Partial /f", "Atomic /f", "delete /f", "Atomic /f"]);
    assert!(stamps(&out).is_sorted());
    let ns = |event: &Event| match event {
        Event::Upsert { stamp, .. } | Event::Delete { stamp, .. } => *stamp,
        _ => BootTime(0),
    };
    let all: Vec<_> = out.batch.events.iter().map(ns).collect();
    assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
    let scan = told(LegacyKind::OnDemand, 20.0, &["/f", "-/g"]);
    let scan = LegacyBatch {
        job: Some(LegacyJob { scan_path: "/".to_owned(), job_id: "a5265f03".to_owned() }),
        ..scan
    };
    let out = peer.translate(at(21.0), &admission(FOLLOWER), scan);
    assert_eq!(brief(&out), ["Scan /f", "missing /g"]);
    assert_eq!(out.done.map(|job| job.job_id), Some("a5265f03".to_owned()));
}

#[test]
fn rows_of_a_scan_are_never_older_than_its_begin() {
    let mut peer = LegacyPeer::new(0);
    let lead = admission(LEADER);
    let first = peer.translate(at(100.0), &lead, told(LegacyKind::Audit, 95.0, &["/d/"]));
    // The next request is quicker by four seconds: its rows would seem to be older.
    let next = peer.translate(at(101.0), &lead, told(LegacyKind::Audit, 100.0, &["/d/f"]));
    assert_eq!((stamps(&first), stamps(&next)), (vec![100.0, 100.0], vec![101.0]));
    let late = peer.translate(at(102.0), &lead, told(LegacyKind::Audit, 98.5, &["/d/g"]));
    assert_eq!(stamps(&late), vec![100.0]);
}

/// A view and one agent of 0.8.
struct World {
    view: View,
    peer: LegacyPeer,
}

impl World {
    fn new() -> Self {
        Self { view: View::new(ViewConfig::default(), 1), peer: LegacyPeer::new(0) }
    }

    fn hear(&mut self, sec: f64, told: LegacyBatch) -> Applied {
        let out = self.peer.translate(at(sec), &admission(LEADER), told);
        let applied = self.view.apply(at(sec), Command::Batch(out.batch));
        self.view.check().expect("the view is sound");
        applied
    }

    fn paths(&self) -> Vec<String> {
        let snapshot = self.view.snapshot();
        let tree = snapshot.tree();
        let mut open = vec![(crate::id::DirId::ROOT, ViewPath::root())];
        let mut all = Vec::new();
        while let Some((dir, at)) = open.pop() {
            for row in tree.entries(dir).rows() {
                let path = at.join(row.name);
                all.push(path.to_string());
                if row.child != crate::id::DirId::NONE {
                    open.push((row.child, path));
                }
            }
        }
        all.sort();
        all
    }

    fn offered(&self) -> Vec<String> {
        let args = crate::query::SentinelArgs::default();
        let page = crate::query::sentinel(&self.view.snapshot(), at(0.0), &args);
        page.paths.iter().map(ToString::to_string).collect()
    }
}

fn snapshot(sec: f64, rows: &[&str]) -> LegacyBatch {
    end(told(LegacyKind::Snapshot, sec, rows))
}

fn audit(sec: f64, rows: &[&str]) -> LegacyBatch {
    end(told(LegacyKind::Audit, sec, rows))
}

fn realtime(sec: f64, rows: &[&str]) -> LegacyBatch {
    told(LegacyKind::Realtime, sec, rows)
}

#[test]
fn a_file_that_lived_for_less_than_a_millisecond_is_gone() {
    let mut world = World::new();
    world.hear(10.0, snapshot(9.5, &["/d/"]));
    world.hear(20.0, realtime(19.0, &["/d/f", "-/d/f"]));
    world.hear(20.3, realtime(20.2, &["/d/g"]));
    world.hear(20.4, realtime(20.21, &["-/d/g"]));
    assert_eq!(world.paths(), ["/d"]);
}

#[test]
fn a_session_of_0_8_from_end_to_end() {
    let mut world = World::new();
    world.hear(10.0, snapshot(9.0, &["/d/", "/d/f", "/d/g", "/d/h"]));
    assert_eq!(world.view.snapshot().cycles().completed, 1);
    world.hear(30.0, realtime(29.5, &["-/d/f", "~/d/w"]));
    assert_eq!(world.offered(), ["/d/w"]);
    world.hear(50.0, realtime(49.5, &["/d/w"]));
    assert_eq!(world.paths(), ["/d", "/d/g", "/d/h", "/d/w"]);
    // Somebody removed `h` where nobody watches.
    world.hear(600.0, audit(599.0, &["/d/", "/d/g", "/d/w"]));
    assert_eq!(world.offered(), ["/d/h"]);
    world.peer.asked(at(700.0), None);
    let gone =
        vec![Finding::Missing { path: path("/d/h") }, Finding::Missing { path: path("/d/g") }];
    world.hear(701.0, realtime(700.9, &["/d/g"]));
    let batch = world.peer.feedback(at(702.0), &admission(LEADER), gone);
    world.view.apply(at(702.0), Command::Batch(batch));
    assert_eq!(world.paths(), ["/d", "/d/g", "/d/w"], "`g` was seen after the question");
    assert_eq!(world.offered(), [""; 0]);
    assert_eq!(world.view.snapshot().blind_deletions().count(), 1);
}

#[test]
fn an_index_that_jumps_within_an_audit_makes_nothing_lacking() {
    let mut world = World::new();
    world.hear(10.0, snapshot(9.9, &["/d/", "/d/f", "/d/g"]));
    for round in 1..=4 {
        let now = 1000.0 * f64::from(round);
        world.hear(now, told(LegacyKind::Audit, now - 0.1, &["/d/", "/d/f"]));
        world.hear(now + 5.0, told(LegacyKind::Audit, now - 9e6, &["/d/g"]));
        world.hear(now + 6.0, audit(now + 6.0, &[]));
    }
    assert_eq!(world.paths(), ["/d", "/d/f", "/d/g"]);
    assert_eq!(world.offered(), [""; 0]);
}

#[test]
fn pages_of_what_to_look_at_are_bounded_and_begin_with_the_oldest() {
    let mut world = World::new();
    world.hear(10.0, snapshot(9.0, &["/d/", "/d/gone", "/d/stays"]));
    world.hear(20.0, realtime(19.5, &["~/d/z"]));
    world.hear(22.0, realtime(21.5, &["~/d/y"]));
    world.hear(24.0, realtime(23.5, &["~/d/x", "~/d/z"]));
    world.hear(600.0, audit(599.0, &["/d/", "/d/stays"]));
    let page = |offset| {
        let limit = crate::query::Limit::new(2).expect("a limit");
        let args = crate::query::SentinelArgs { limit, offset, ..Default::default() };
        let page = crate::query::sentinel(&world.view.snapshot(), at(600.0), &args);
        (page.paths.iter().map(ToString::to_string).collect::<Vec<_>>(), page.next)
    };
    assert_eq!(page(0), (vec!["/d/z".to_owned(), "/d/y".to_owned()], Some(2)), "each once");
    assert_eq!(page(2), (vec!["/d/x".to_owned(), "/d/gone".to_owned()], None));
}

#[test]
fn pages_go_round() {
    let mut peer = LegacyPeer::new(0);
    assert_eq!(peer.offset(), 0);
    peer.asked(at(1.0), Some(100));
    assert_eq!(peer.offset(), 100);
    peer.asked(at(2.0), None);
    assert_eq!(peer.offset(), 0);
    let exists = Finding::Exists { path: path("/f"), size: None, mtime: StorageTime(5) };
    let batch = peer.feedback(at(9.0), &admission(FOLLOWER), vec![exists]);
    let asked = BootTime(at(2.0).wall.0);
    let checked =
        Remark::Checked { path: path("/f"), stamp: asked, size: None, mtime: StorageTime(5) };
    assert_eq!(batch.events, [Event::Remark(checked)]);
    assert_eq!(batch.cache_window_ns, 2 * SECOND);
}

#[test]
fn tiers_are_those_of_the_words() {
    let tier = |source, text: &str| {
        let out =
            LegacyPeer::new(0).translate(at(1.0), &admission(FOLLOWER), told(source, 0.5, &[text]));
        match &out.batch.events[..] {
            [Event::Upsert { tier, .. }] => Some(*tier),
            _ => None,
        }
    };
    assert_eq!(tier(LegacyKind::Realtime, "/f"), Some(Tier::Atomic));
    assert_eq!(tier(LegacyKind::Realtime, "~/f"), Some(Tier::Partial));
    assert_eq!(tier(LegacyKind::Snapshot, "/f"), Some(Tier::Scan));
    assert_eq!(tier(LegacyKind::Audit, "~/f"), Some(Tier::Scan));
}
