//! Native frames: as they come, and sealed after the fact so that the events are reached.

use bolero::check;
use fustor_core::wire::native::{BatchHead, Decoded, Limits, decode, decode_head, encode};
use fustor_core::{BootTime, Event, Lane, Seq};

use super::INPUTS;

/// Where a frame has its length, its number of events and its checksum, and where the events begin.
const LEN_AT: usize = 8;
const COUNT_AT: usize = 16;
const SUM_AT: usize = 20;
const EVENTS_AT: usize = 60;

/// CRC-32C bit by bit, as a second opinion.
fn checksum(bytes: impl Iterator<Item = u8>) -> u32 {
    !bytes.fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            if sum & 1 == 0 { sum >> 1 } else { sum >> 1 ^ 0x82f6_3b78 }
        })
    })
}

fn seal(frame: &mut [u8]) {
    let len = frame.len() as u64;
    frame[LEN_AT..COUNT_AT].copy_from_slice(&len.to_le_bytes());
    let bytes = frame[..SUM_AT].iter().chain(&frame[SUM_AT + 4..]);
    let sum = checksum(bytes.copied());
    frame[SUM_AT..SUM_AT + 4].copy_from_slice(&sum.to_le_bytes());
}

/// Reads a frame, and what is right of it once more after writing it.
fn exercise(frame: &[u8]) -> Option<Decoded> {
    let limits = Limits { bytes: 1 << 20, events: 1000, rows: 10_000 };
    if let Err(error) = decode_head(frame) {
        assert!(error.offset <= frame.len(), "{error}");
    }
    let decoded = decode(frame, &limits)
        .inspect_err(|error| assert!(error.offset <= frame.len(), "{error}"))
        .ok()?;
    let again = encode(&decoded.head, &decoded.events);
    let repeated = decode(&again, &Limits::default()).expect("what we write is a frame");
    assert_eq!((repeated.head, &repeated.events), (decoded.head, &decoded.events));
    assert_eq!(repeated.refused_count, 0);
    Some(decoded)
}

#[test]
fn any_bytes_are_a_batch_or_an_error() {
    check!().with_iterations(INPUTS).for_each(|bytes: &[u8]| {
        exercise(bytes);
    });
}

/// The input is events, each behind a byte that says how long it is.
#[test]
fn any_events_under_a_good_seal_are_kept_or_refused_one_by_one() {
    let head = BatchHead {
        source_epoch: 1,
        lane: Lane::Realtime,
        seq: Seq(1),
        lease: 0,
        sent: BootTime(0),
        cache_window_ns: 0,
    };
    let empty = encode(&head, &[] as &[Event]);
    assert_eq!(empty.len(), EVENTS_AT);
    check!().with_iterations(INPUTS).for_each(|bytes: &[u8]| {
        let mut frame = empty.clone();
        let (mut rest, mut count) = (bytes, 0_u32);
        while let Some((len, after)) = rest.split_first() {
            let len = usize::from(len & 0x7f).min(after.len());
            frame.push(len as u8);
            frame.extend_from_slice(&after[..len]);
            rest = &after[len..];
            count += 1;
        }
        frame[COUNT_AT..SUM_AT].copy_from_slice(&count.to_le_bytes());
        seal(&mut frame);
        if let Some(decoded) = exercise(&frame) {
            assert_eq!(decoded.events.len() as u64 + decoded.refused_count, u64::from(count));
        } else {
            assert!(count > 1000, "a frame of {count} events is within the limits");
        }
    });
}
