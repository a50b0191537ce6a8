//! What an agent would send for a whole tree: native frames, and the pages of 0.8.

use fustor_core::wire::legacy::encode_events;
use fustor_core::wire::native::{BatchHead, encode};
use fustor_core::{ClockMap, Event, Lane, Seq};

use crate::feed::{BATCH_ROWS, Feed};
use crate::plan::Plan;

/// The head of batch `n` of a scan.
#[must_use]
pub fn head(n: u32) -> BatchHead {
    BatchHead {
        source_epoch: 1,
        lane: Lane::Scan,
        seq: Seq(n),
        lease: 1,
        sent: Feed::early().plus(1_000_000),
        cache_window_ns: 0,
    }
}

/// The listings of `plan` in batches as a scan seals them.
#[must_use]
pub fn batches(plan: &Plan) -> Vec<Vec<Event>> {
    let feed = Feed::new();
    let (mut batches, mut from) = (Vec::new(), 0);
    while from < plan.dirs().len() {
        let events = feed.listings(plan, from, BATCH_ROWS, 0);
        from += events.len();
        batches.push(events);
    }
    batches
}

/// The native frames of these batches.
#[must_use]
pub fn frames(batches: &[Vec<Event>]) -> Vec<Vec<u8>> {
    (0..).zip(batches).map(|(n, events)| encode(&head(n), events)).collect()
}

/// The requests of 0.8 that say the same, as a snapshot.
#[must_use]
pub fn pages(batches: &[Vec<Event>]) -> Vec<Vec<u8>> {
    let clock = ClockMap::default();
    let page = |events: &Vec<Event>| encode_events("session", events, clock, "snapshot", false);
    batches.iter().flat_map(page).collect()
}

#[cfg(test)]
mod tests {
    use fustor_core::wire::legacy::decode_events;
    use fustor_core::wire::native::{Limits, decode, rows};

    use super::*;
    use crate::plan::Times;
    use crate::shape::Shape;

    /// Bytes for each row, of everything that is sent.
    fn bytes_per_row(shape: Shape, times: Times) -> f64 {
        let plan = Plan::new(shape, 100_000, times);
        let bytes: usize = frames(&batches(&plan)).iter().map(Vec::len).sum();
        bytes as f64 / plan.rows() as f64
    }

    #[test]
    fn a_row_takes_no_more_bytes_than_said() {
        for (shape, times, most) in [
            (Shape::Mixed, Times::Fresh, 38.0),
            (Shape::Mixed, Times::Restored, 41.0),
            (Shape::Uuid, Times::Fresh, 27.0),
            (Shape::Huge, Times::Fresh, 41.0),
        ] {
            let bytes = bytes_per_row(shape, times);
            println!("{} {times:?}: {bytes:.1} bytes a row", shape.name());
            assert!(bytes <= most, "{} {times:?}: {bytes:.1} bytes a row", shape.name());
        }
    }

    #[test]
    fn every_shape_arrives_as_it_was_sent() {
        for shape in Shape::ALL {
            let batches = batches(&Plan::new(shape, 5_000, Times::Fresh));
            for (sent, frame) in batches.iter().zip(frames(&batches)) {
                let decoded = decode(&frame, &Limits::default()).unwrap();
                assert_eq!((&decoded.events, decoded.refused_count), (sent, 0), "{}", shape.name());
            }
            let sent: usize = batches.iter().flatten().map(|event| rows(event) + 1).sum();
            let read = |page: &Vec<u8>| {
                let batch = decode_events(page, &Limits::default()).unwrap();
                assert_eq!(batch.refused, []);
                batch.observations.len()
            };
            assert_eq!(pages(&batches).iter().map(read).sum::<usize>(), sent, "{}", shape.name());
        }
    }
}
