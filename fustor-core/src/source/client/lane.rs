//! One lane: what waits, and what is numbered and not acknowledged yet.

use std::collections::VecDeque;
use std::sync::Arc;

use super::door::Phase;
use super::spool::{Spool, Taken, concerned, weight};
use crate::event::{CyclePhase, Event, GapReason, Lane, UncoveredReason};
use crate::time::BootTime;

/// Batches of control, realtime and scan that may be under way at the same time, if the server allows as many. It applies
/// those of one lane in the order of their numbers, so that nothing overtakes anything.
pub const WINDOWS: [usize; 3] = [1, 4, 3];

/// A sealed batch. Its number is its place.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) events: Arc<[Event]>,
    /// Orders that are done when it is acknowledged.
    pub(super) done: Vec<u64>,
    pub(super) bytes: usize,
    /// The request that carries it.
    pub(super) flying: Option<u64>,
    /// How the server has acknowledged it, while one before it is not acknowledged.
    pub(super) acked: Option<Duties>,
    /// The phase before its first observation.
    pub(super) phase: Phase,
    /// The phase that begins where a scan begins.
    pub(super) begins: Phase,
    /// Whether it begins or ends a scan, which only a leader may.
    pub(super) is_duty: bool,
    /// Whether it was sent by a leader.
    pub(super) led: bool,
    /// How often the server would not have it.
    pub(super) rejected: u8,
}

/// What became of the begin and end of scans in a batch that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duties {
    /// Applied too, if there were any.
    Kept,
    /// Not applied, for want of a lease.
    Fenced,
}

impl Duties {
    pub(super) const fn of(parcel: &Parcel, refused: bool) -> Self {
        if parcel.is_duty && (refused || !parcel.led) { Self::Fenced } else { Self::Kept }
    }
}

impl Parcel {
    /// Whether it begins a scan, and whether it ends one.
    pub(super) fn cycle(&self) -> (bool, bool) {
        let has = |end: bool| {
            let is = |e: &Event| matches!(e, Event::Cycle { phase, .. } if phase.is_end() == end);
            self.is_duty && self.events.iter().any(is)
        };
        (has(false), has(true))
    }
}

/// The queue of one lane.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) lane: Lane,
    pub(super) spool: Spool,
    /// The number of the first batch that is not acknowledged. A lane begins with 1.
    pub(super) first: u32,
    pub(super) sealed: VecDeque<Parcel>,
}

impl Track {
    pub(super) fn new(lane: Lane) -> Self {
        Self { lane, spool: Spool::default(), first: 1, sealed: VecDeque::new() }
    }

    const fn window(&self) -> usize {
        match self.lane {
            Lane::Control => WINDOWS[0],
            Lane::Realtime => WINDOWS[1],
            Lane::Scan => WINDOWS[2],
        }
    }

    /// The place of the next batch to send: never one behind another that was not sent. The begin and end of a scan travel
    /// alone, since what follows depends on whether they count.
    pub(super) fn ready(&self) -> Option<usize> {
        let duty = self.sealed.iter().position(|parcel| parcel.is_duty);
        let until = duty.map_or(self.window(), |at| at.max(1)).min(self.window());
        let sealed = self.sealed.iter().take(until);
        let waits = |parcel: &Parcel| parcel.flying.is_none() && parcel.acked.is_none();
        sealed.enumerate().find(|(_, parcel)| waits(parcel)).map(|(index, _)| index)
    }

    /// The batches up to the first that is not acknowledged.
    pub(super) fn settled(&mut self) -> Vec<(Parcel, Duties)> {
        let mut settled = Vec::new();
        while let Some(duties) = self.sealed.front().and_then(|parcel| parcel.acked) {
            self.first = self.first.wrapping_add(1);
            settled.extend(self.sealed.pop_front().map(|parcel| (parcel, duties)));
        }
        settled
    }

    /// Whether one more batch may be sealed.
    pub(super) fn wants(&self) -> bool {
        self.sealed.len() < self.window() && !self.spool.is_empty()
    }

    /// Numbers what was taken out of the spool. Returns orders that nothing has to be waited for.
    pub(super) fn seal(&mut self, taken: Taken, phase: Phase, begins: Phase) -> Vec<u64> {
        let Taken { events, done, bytes } = taken;
        if events.is_empty() {
            return match self.sealed.back_mut() {
                Some(last) => {
                    last.done.extend(done);
                    Vec::new()
                }
                None => done,
            };
        }
        let is_duty = events.iter().any(is_cycle);
        let events = events.into();
        self.sealed.push_back(Parcel {
            events,
            done,
            bytes,
            flying: None,
            acked: None,
            phase,
            begins,
            is_duty,
            led: false,
            rejected: 0,
        });
        Vec::new()
    }

    pub(super) const fn seq(&self, index: usize) -> u32 {
        // Never more than a window.
        self.first.wrapping_add(index as u32)
    }

    /// The batch that a request carries.
    pub(super) fn find(&self, attempt: u64) -> Option<usize> {
        self.sealed.iter().position(|parcel| parcel.flying == Some(attempt))
    }

    /// No request carries anything any more, and what was acknowledged out of turn is asked for again.
    pub(super) fn land(&mut self) {
        for parcel in &mut self.sealed {
            (parcel.flying, parcel.acked) = (None, None);
        }
    }

    /// Everything before `from` is with the server. Returns what was acknowledged by that, and whether the server lacks
    /// what it had acknowledged before.
    pub(super) fn go_on(&mut self, from: u32) -> (Vec<Parcel>, bool) {
        let ahead = from.wrapping_sub(self.first);
        let known = usize::try_from(ahead).is_ok_and(|ahead| ahead <= self.sealed.len());
        let count = if known { ahead as usize } else { 0 };
        let acknowledged = self.sealed.drain(..count).collect();
        self.first = from;
        (acknowledged, !known)
    }

    /// Puts something in the place of a batch that the server will never take.
    pub(super) fn give_up(&mut self, index: usize, now: BootTime) {
        let Some(parcel) = self.sealed.get_mut(index) else { return };
        parcel.flying = None;
        parcel.rejected = parcel.rejected.saturating_add(1);
        let (events, bytes): (Arc<[Event]>, usize) = match parcel.rejected {
            1 => {
                let events: Vec<_> = parcel.events.iter().flat_map(|e| instead(e, now)).collect();
                let bytes = events.iter().map(weight).sum();
                (events.into(), bytes)
            }
            // Not even that: the number has to be filled.
            _ => (Arc::new([]), 0),
        };
        parcel.events = events;
        parcel.bytes = bytes;
    }

    /// Takes out the begin and end of scans, which must not be under way. True: there was an end.
    pub(super) fn drop_cycles(&mut self) -> bool {
        let mut ended = self.spool.drop_cycles();
        for parcel in self.sealed.iter_mut().filter(|parcel| parcel.is_duty) {
            let is_end =
                |event: &Event| matches!(event, Event::Cycle { phase, .. } if phase.is_end());
            ended |= parcel.events.iter().any(is_end);
            let rest = parcel.events.iter().filter(|event| !is_cycle(event)).cloned();
            parcel.events = rest.collect();
            parcel.is_duty = false;
            parcel.phase = Phase::Idle;
        }
        ended
    }

    pub(super) fn waiting(&self) -> usize {
        self.spool.len() + self.sealed.iter().map(|parcel| parcel.events.len()).sum::<usize>()
    }

    pub(super) fn bytes(&self) -> usize {
        self.spool.bytes() + self.sealed.iter().map(|parcel| parcel.bytes).sum::<usize>()
    }
}

/// What tells that an observation cannot be told. A directory whose listing is not taken would only be listed again for
/// a gap, with the same end.
fn instead(event: &Event, now: BootTime) -> Vec<Event> {
    match event {
        Event::Listing(listing) => {
            let (dir, reason) = (listing.dir.clone(), UncoveredReason::Failing);
            vec![Event::Uncovered { dir, stamp: now, reason }]
        }
        Event::Upsert { .. } | Event::Delete { .. } | Event::Rename { .. } => {
            let gap = |scope| Event::Gap { scope, stamp: now, reason: GapReason::AgentOverflow };
            concerned(event).into_iter().map(gap).collect()
        }
        Event::Gap { .. }
        | Event::Uncovered { .. }
        | Event::Covered { .. }
        | Event::Cycle { .. }
        | Event::RootLost { .. }
        | Event::Remark(_) => vec![event.clone()],
    }
}

const fn is_cycle(event: &Event) -> bool {
    matches!(event, Event::Cycle { .. })
}

/// The phase after these observations.
pub(super) fn phase_after(before: Phase, events: &[Event], begins: Phase) -> Phase {
    let last = events.iter().rev().find_map(|event| match event {
        Event::Cycle { phase, .. } => Some(*phase),
        Event::Upsert { .. }
        | Event::Delete { .. }
        | Event::Rename { .. }
        | Event::Listing(_)
        | Event::Gap { .. }
        | Event::Uncovered { .. }
        | Event::Covered { .. }
        | Event::RootLost { .. }
        | Event::Remark(_) => None,
    });
    match last {
        Some(CyclePhase::Begin) => begins,
        Some(CyclePhase::End | CyclePhase::PassEnd { .. }) => Phase::Idle,
        None => before,
    }
}
