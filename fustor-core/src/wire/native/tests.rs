//! Tests of frames: batches survive, damage is named with its place, one bad event costs only itself.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::crc::crc32c;
use super::frame::{COUNT_AT, HEADER, LANE_AT, LEN_AT, RESERVED_AT, SUM_AT, put_number};
use super::*;
use crate::block::BlockBuilder;
use crate::entry::{Facts, Kind, Owner};
use crate::event::{CyclePhase, GapReason, Lane, Listing, UncoveredReason};
use crate::id::Seq;
use crate::key::Tier;
use crate::path::{PathError, ViewPath, is_name};
use crate::time::{BootTime, StorageTime};

fn head() -> BatchHead {
    BatchHead {
        source_epoch: 3,
        lane: Lane::Scan,
        seq: Seq(7),
        lease: 5,
        sent: BootTime(1_000_000),
        cache_window_ns: 60,
    }
}

fn path(text: &str) -> ViewPath {
    ViewPath::parse(text.as_bytes()).unwrap()
}

fn delete(text: &str) -> Event {
    Event::Delete { path: path(text), stamp: BootTime(999_990) }
}

fn listing(dir: &str, names: &[&str]) -> Event {
    let dir = path(dir);
    let mut builder = BlockBuilder::default();
    names.iter().for_each(|name| builder.push(name.as_bytes(), &Facts::default()));
    let blocks = builder.finish(dir.name());
    let facts = Facts { kind: Kind::Dir, ..Facts::default() };
    Event::Listing(Listing { dir, stamp: BootTime(0), complete: true, facts, blocks })
}

/// Gives changed bytes the length and the checksum that they should have.
fn reseal(frame: &mut [u8]) {
    let len = frame.len() as u64;
    frame[LEN_AT..LEN_AT + 8].copy_from_slice(&len.to_le_bytes());
    let sum = crc32c(&[&frame[..SUM_AT], &frame[SUM_AT + 4..]]);
    frame[SUM_AT..SUM_AT + 4].copy_from_slice(&sum.to_le_bytes());
}

/// A sealed frame of these events as bytes, each with its length.
fn sealed(events: &[&[u8]]) -> Vec<u8> {
    let mut frame = encode(&head(), &[]);
    frame[COUNT_AT..COUNT_AT + 4].copy_from_slice(&(events.len() as u32).to_le_bytes());
    for event in events {
        put_number(&mut frame, event.len() as u64);
        frame.extend_from_slice(event);
    }
    reseal(&mut frame);
    frame
}

fn fault(frame: &[u8]) -> (usize, DecodeFault) {
    let error = decode(frame, &Limits::default()).unwrap_err();
    (error.offset, error.fault)
}

fn refused(frame: &[u8]) -> Vec<EventFault> {
    let decoded = decode(frame, &Limits::default()).unwrap();
    assert_eq!(decoded.refused_count, decoded.refused.len() as u64);
    decoded.refused.into_iter().map(|refused| refused.fault).collect()
}

fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(n, shift)| n >> shift)
}

fn facts() -> impl Strategy<Value = Facts> {
    let times = (any::<i64>(), prop_oneof![Just(0), any::<i64>()]);
    let owner = (any::<u32>(), any::<u32>(), any::<u32>());
    (0..8_u8, number(), times, number(), any::<u32>(), owner).prop_map(
        |(kind, size, (mtime, later), inode, nlink, (mode, uid, gid))| Facts {
            kind: Kind::from_u8(kind).unwrap(),
            size,
            mtime: StorageTime(mtime),
            ctime: StorageTime(mtime.wrapping_add(later)),
            inode,
            nlink,
            owner: Owner { mode, uid, gid },
        },
    )
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![b'a'..=b'c', any::<u8>()], 1..8).prop_filter("a name", |name| is_name(name))
}

fn any_path() -> impl Strategy<Value = ViewPath> {
    vec(name(), 0..5)
        .prop_map(|names| names.iter().fold(ViewPath::root(), |dir, name| dir.join(name)))
}

fn stamp() -> impl Strategy<Value = BootTime> {
    any::<i64>().prop_map(BootTime)
}

fn any_listing() -> impl Strategy<Value = Event> {
    let rows = btree_map(name(), facts(), 0..20);
    (any_path(), stamp(), any::<bool>(), facts(), rows).prop_map(
        |(dir, stamp, complete, facts, rows)| {
            let mut builder = BlockBuilder::default();
            rows.iter().for_each(|(name, facts)| builder.push(name, facts));
            let blocks = builder.finish(dir.name());
            Event::Listing(Listing { dir, stamp, complete, facts, blocks })
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    use GapReason as G;
    use UncoveredReason as U;
    let tier = prop::sample::select(vec![Tier::Partial, Tier::Scan, Tier::Atomic]);
    let gap = prop::sample::select(vec![
        G::KernelOverflow,
        G::AgentOverflow,
        G::HalfRename,
        G::AgentAbsent,
        G::StaleRename,
    ]);
    let uncovered = prop::sample::select(vec![
        U::WatchLimit,
        U::Unreadable,
        U::Failing,
        U::OtherFileSystem,
        U::Hanging,
        U::TooDeep,
        U::Loop,
        U::Restless,
        U::Excluded,
    ]);
    let phase = prop_oneof![
        Just(CyclePhase::Begin),
        Just(CyclePhase::End),
        stamp().prop_map(|read_since| CyclePhase::PassEnd { read_since }),
    ];
    prop_oneof![
        3 => (any_path(), stamp(), tier, facts())
            .prop_map(|(path, stamp, tier, facts)| Event::Upsert { path, stamp, tier, facts }),
        1 => (any_path(), stamp()).prop_map(|(path, stamp)| Event::Delete { path, stamp }),
        1 => (any_path(), any_path(), stamp(), facts())
            .prop_map(|(old, new, stamp, facts)| Event::Rename { old, new, stamp, facts }),
        3 => any_listing(),
        1 => (any_path(), stamp(), gap)
            .prop_map(|(scope, stamp, reason)| Event::Gap { scope, stamp, reason }),
        1 => (any_path(), stamp(), uncovered)
            .prop_map(|(dir, stamp, reason)| Event::Uncovered { dir, stamp, reason }),
        1 => any_path().prop_map(|dir| Event::Covered { dir }),
        1 => (phase, stamp()).prop_map(|(phase, stamp)| Event::Cycle { phase, stamp }),
        1 => stamp().prop_map(|stamp| Event::RootLost { stamp }),
    ]
}

fn any_head() -> impl Strategy<Value = BatchHead> {
    (any::<(u64, u64, i64, i64, u32)>(), prop::sample::select(Lane::ALL.to_vec())).prop_map(
        |((source_epoch, lease, sent, cache_window_ns, seq), lane)| BatchHead {
            source_epoch,
            lane,
            seq: Seq(seq),
            lease,
            sent: BootTime(sent),
            cache_window_ns,
        },
    )
}

proptest! {
    #[test]
    fn batches_survive(head in any_head(), events in vec(event(), 0..12)) {
        let frame = encode(&head, &events);
        prop_assert_eq!(decode_head(&frame).unwrap(), head);
        let decoded = decode(&frame, &Limits::default()).unwrap();
        prop_assert_eq!(decoded, Decoded { head, events, refused: Vec::new(), refused_count: 0 });
    }

    #[test]
    fn damage_under_a_good_seal_costs_the_events_that_it_hits(
        events in vec(event(), 1..8),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut frame = encode(&head(), &events);
        for (at, byte) in changes {
            let at = HEADER + at.index(frame.len() - HEADER);
            frame[at] = byte;
        }
        reseal(&mut frame);
        if let Ok(decoded) = decode(&frame, &Limits::default()) {
            prop_assert_eq!(decoded.events.len() as u64 + decoded.refused_count, events.len() as u64);
            let again = encode(&decoded.head, &decoded.events);
            prop_assert_eq!(decode(&again, &Limits::default()).unwrap().events, decoded.events);
        }
    }
}

#[test]
fn the_format_is_frozen() {
    let facts = Facts {
        kind: Kind::File,
        size: 300,
        mtime: StorageTime(1),
        ctime: StorageTime(3),
        inode: 9,
        nlink: 1,
        owner: Owner { mode: 0o644, uid: 1000, gid: 100 },
    };
    let upsert =
        Event::Upsert { path: path("/a/b"), stamp: BootTime(999_999), tier: Tier::Atomic, facts };
    let frame = encode(&head(), &[upsert, delete("/a/c"), listing("/a", &["x1", "x2"])]);
    let expected: Vec<u8> = [
        &b"FsEv\x02\x02\0\0"[..],
        &(frame.len() as u64).to_le_bytes(),
        &[3, 0, 0, 0],
        &frame[SUM_AT..SUM_AT + 4],
        &[3, 0, 0, 0, 0, 0, 0, 0],
        &[5, 0, 0, 0, 0, 0, 0, 0],
        &1_000_000_i64.to_le_bytes(),
        &60_i64.to_le_bytes(),
        &[7, 0, 0, 0],
        // Upsert: length, tag and tier, path, stamp, kind, size, times, inode, links, mode, user, group.
        &[27, 0x20, 0, 4, b'/', b'a', b'/', b'b', 2, 1, 0xac, 2, 1, 0, 0, 0, 0, 0, 0, 0, 4, 9, 1],
        &[0xa4, 3, 0xe8, 7, 100],
        // Delete.
        &[5, 1, 3, 1, b'c', 20],
        // Listing: path, stamp, facts of the directory, one block of 32 bytes.
        &[56, 0x13, 2, 0, 0x80, 0x89, 0x7a],
        &[0; 16],
        &[1, 32],
        // The block: flags, rows, owners, shapes, the base of the kind, one owner, shared, rests, names.
        &[2, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 1, 2, 1, b'x', b'1', b'2'],
    ]
    .concat();
    assert_eq!(frame[HEADER..], expected[HEADER..]);
    assert_eq!(frame, expected);
}

#[test]
fn a_frame_cut_anywhere_says_where_it_ends() {
    let frame = encode(&head(), &[delete("/a"), listing("/b", &["x", "y"])]);
    for cut in 0..frame.len() {
        let (offset, fault) = fault(&frame[..cut]);
        assert_eq!(offset, cut);
        assert!(matches!(fault, DecodeFault::Truncated { .. }), "cut at {cut}: {fault}");
    }
    let mut longer = frame.clone();
    longer.push(0);
    assert_eq!(fault(&longer), (frame.len(), DecodeFault::Trailing));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let frame = encode(&head(), &[delete("/a"), listing("/b", &["x", "y"])]);
    for bit in 0..frame.len() * 8 {
        let mut flipped = frame.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&flipped, &Limits::default()).is_err(), "bit {bit}");
    }
}

#[test]
fn what_is_no_frame_of_ours_is_named() {
    let changed = |at: usize, byte: u8| {
        let mut frame = encode(&head(), &[]);
        frame[at] = byte;
        reseal(&mut frame);
        fault(&frame)
    };
    assert_eq!(fault(b"{\"events\":[]}"), (0, DecodeFault::Magic));
    assert_eq!(fault(b"Fs{}"), (2, DecodeFault::Magic));
    assert_eq!(fault(b""), (0, DecodeFault::Truncated { said: HEADER as u64 }));
    assert_eq!(changed(4, 3), (4, DecodeFault::Version(3)));
    assert_eq!(changed(LANE_AT, 3), (LANE_AT, DecodeFault::Lane(3)));
    assert_eq!(changed(RESERVED_AT + 1, 1), (RESERVED_AT, DecodeFault::Reserved));
    assert_eq!(changed(COUNT_AT, 1), (HEADER, DecodeFault::Events { said: 1, found: 0 }));
    let mut frame = sealed(&[&[0x16, 0, 1, b'/']]);
    frame[COUNT_AT] = 0;
    reseal(&mut frame);
    assert_eq!(fault(&frame), (HEADER, DecodeFault::Trailing));
}

#[test]
fn lengths_beyond_the_frame_are_refused_without_room_for_them() {
    let mut frame = encode(&head(), &[]);
    frame[COUNT_AT] = 1;
    put_number(&mut frame, u64::MAX);
    reseal(&mut frame);
    assert_eq!(fault(&frame), (HEADER, DecodeFault::EventLength));
    frame[LEN_AT..LEN_AT + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(fault(&frame), (LEN_AT, DecodeFault::TooLarge { bytes: u64::MAX, .. })));
    frame = encode(&head(), &[]);
    frame[COUNT_AT..COUNT_AT + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    reseal(&mut frame);
    let all = Limits { events: usize::MAX, ..Limits::default() };
    let error = decode(&frame, &all).unwrap_err();
    assert_eq!(error.fault, DecodeFault::Events { said: u32::MAX as usize, found: 0 });
}

#[test]
fn a_bad_event_is_refused_alone() {
    let good: &[u8] = &[0x01, 0, 2, b'/', b'a', 0];
    let huge = [&[0x01, 0][..], &[0xff; 9], &[1, b'/', 0]].concat();
    let cases: [(&[u8], EventFault); 15] = [
        (&[0x01, 0, 3, b'/', b'.', b'.', 0], PathError::Dots("/..".to_owned()).into()),
        (&[0x01, 0, 3, b'/', 0, b'a', 0], PathError::Nul("/\0a".to_owned()).into()),
        (&[0x01, 0, 0, 0], PathError::Empty.into()),
        (&[0x01, 9, 1, b'x', 0], EventFault::Shared(9)),
        (&[0x01, 0, 9, b'/', 0], EventFault::Truncated),
        (&huge, EventFault::Truncated),
        (&[0x01, 0, 1, b'/', 0, 0], EventFault::Trailing),
        (&[], EventFault::Truncated),
        (&[0x09], EventFault::Tag(0x09)),
        (&[0x11, 0, 1, b'/', 0], EventFault::Tag(0x11)),
        (&[0x30, 0, 1, b'/', 0], EventFault::Tag(0x30)),
        (&[0x54, 0, 1, b'/', 0], EventFault::Tag(0x54)),
        (&[0x37, 0], EventFault::Tag(0x37)),
        (&[0x27, 0], EventFault::Truncated),
        (&[0x17, 0, 0], EventFault::Trailing),
    ];
    for (bad, expected) in cases {
        let frame = sealed(&[good, bad, good]);
        assert_eq!(refused(&frame), [expected], "{bad:?}");
        let decoded = decode(&frame, &Limits::default()).unwrap();
        let gone = Event::Delete { path: path("/a"), stamp: BootTime(1_000_000) };
        assert_eq!(decoded.events, [gone.clone(), gone], "{bad:?}");
        assert_eq!((decoded.refused[0].index, decoded.refused[0].offset), (1, HEADER + 7));
    }
}

#[test]
fn refused_events_are_counted_and_the_first_are_told() {
    let frame = sealed(&[&[0x0f][..]; 1000]);
    let decoded = decode(&frame, &Limits::default()).unwrap();
    assert_eq!((decoded.refused.len(), decoded.refused_count), (64, 1000));
}

#[test]
fn limits_hold_at_their_edge() {
    let events = [listing("/a", &["1", "2", "3"]), delete("/b")];
    let frame = encode(&head(), &events);
    let exact = Limits { bytes: frame.len(), events: 2, rows: 4 };
    assert!(decode(&frame, &exact).is_ok());
    let fault = |limits| decode(&frame, &limits).unwrap_err().fault;
    let bytes = frame.len() as u64;
    let too_large = DecodeFault::TooLarge { bytes, limit: frame.len() - 1 };
    assert_eq!(fault(Limits { bytes: frame.len() - 1, ..exact }), too_large);
    let too_many = DecodeFault::TooManyEvents { events: 2, limit: 1 };
    assert_eq!(fault(Limits { events: 1, ..exact }), too_many);
    assert_eq!(fault(Limits { rows: 3, ..exact }), DecodeFault::TooManyRows { limit: 3 });
    assert!(too_large.is_size() && too_many.is_size() && !DecodeFault::Magic.is_size());
}

#[test]
fn paths_cannot_be_repeated_without_end() {
    let long = "/directory".repeat(6000);
    let events: Vec<Event> = (0..200).map(|i| delete(&format!("{long}/{i}"))).collect();
    let frame = encode(&head(), &events);
    let whole = long.len() * events.len();
    assert!(frame.len() > (whole - (1 << 20)) / 20 && frame.len() < whole / 4, "{}", frame.len());
    assert_eq!(decode(&frame, &Limits::default()).unwrap().events, events);

    let first = [&[0x06, 0, 0xe0, 0xd4, 3][..], long.as_bytes()].concat();
    let share: &[u8] = &[0x06, 0xe0, 0xd4, 3, 0];
    let mut greedy = vec![&first[..]];
    greedy.resize(1000, share);
    let decoded = decode(&sealed(&greedy), &Limits::default()).unwrap();
    assert!(decoded.events.len() < 40, "{} paths for nothing", decoded.events.len());
    assert_eq!(decoded.refused[0].fault, EventFault::Shared(60_000));
}

#[test]
fn rows_of_an_event_are_those_of_its_blocks() {
    assert_eq!(
        (rows(&delete("/a")), rows(&listing("/", &["1", "2"])), rows(&listing("/", &[]))),
        (1, 2, 0)
    );
}
