//! Exactly once: which batches of a source's life were applied, which are under way, and which never came.
//!
//! Several batches of a lane may be under way at a time and arrive in any order, so each lane keeps a window behind
//! which everything is settled. A number that is passed over is a hole; one that stays open is declared lost, which
//! the caller reports as a gap. Its batch is still taken if it comes while the window has not moved on.

use std::collections::VecDeque;

use crate::event::Lane;
use crate::id::Seq;
use crate::time::{Mono, SECOND};

use super::door::{AdmitError, LaneSeqs};

/// A hole that is open for this long is lost.
pub(super) const HOLE_NS: i64 = 2 * SECOND;
/// How far a lane may be ahead of its first missing batch.
pub(super) const WINDOW: usize = 64;
/// A batch that is under way for longer than this was forgotten by who applied it, and may be sent again.
pub(super) const UNDER_WAY_MAX_NS: i64 = 60 * SECOND;

/// Whether a batch is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Novelty {
    /// It is under way from now on.
    Fresh,
    /// It was applied before, or given up long ago.
    Known,
}

/// The three lanes of one life of a source.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes {
    control: Window,
    realtime: Window,
    scan: Window,
}

impl Lanes {
    /// Lanes of which everything up to these numbers is settled.
    pub(super) fn after(settled: LaneSeqs) -> Self {
        let window = |lane| Window { settled: settled.of(lane).0, slots: VecDeque::new() };
        Self {
            control: window(Lane::Control),
            realtime: window(Lane::Realtime),
            scan: window(Lane::Scan),
        }
    }

    /// Takes in the announcement of a batch.
    pub(super) fn admit(&mut self, now: Mono, lane: Lane, seq: Seq) -> Result<Novelty, AdmitError> {
        self.window_mut(lane).admit(now, seq)
    }

    /// Whether a batch would be new.
    pub(super) fn is_missing(&self, lane: Lane, seq: Seq) -> bool {
        let window = self.window(lane);
        let slot = window.slot(seq);
        seq.0 > window.settled && !matches!(slot, Some(Slot::Applied | Slot::UnderWay { .. }))
    }

    /// Numbers a batch of an agent that does not number its own.
    pub(super) fn allot(&mut self, now: Mono, lane: Lane) -> Seq {
        self.window_mut(lane).allot(now)
    }

    /// The batch was applied.
    pub(super) fn applied(&mut self, lane: Lane, seq: Seq) {
        self.window_mut(lane).applied(seq);
    }

    /// The batch was not applied and may come again.
    pub(super) fn abandoned(&mut self, now: Mono, lane: Lane, seq: Seq) {
        self.window_mut(lane).abandoned(now, seq);
    }

    /// Gives up what the agent believes to be acknowledged and will not send again. True when any of it is missing.
    pub(super) fn settle(&mut self, acknowledged: LaneSeqs) -> bool {
        Lane::ALL
            .into_iter()
            .map(|lane| self.window_mut(lane).settle(acknowledged.of(lane).0))
            .fold(false, |any, lost| any | lost)
    }

    /// Declares the holes that are open since `before` or longer. True when there were any.
    pub(super) fn declare(&mut self, before: Mono) -> bool {
        Lane::ALL
            .into_iter()
            .map(|lane| self.window_mut(lane).declare(before))
            .fold(false, |any, lost| any | lost)
    }

    /// Restarts the time of every open hole: nobody could have closed it meanwhile.
    pub(super) fn postpone(&mut self, now: Mono) {
        for lane in Lane::ALL {
            self.window_mut(lane).postpone(now);
        }
    }

    /// Since when the oldest undeclared hole is open.
    pub(super) fn oldest_hole(&self) -> Option<Mono> {
        Lane::ALL.into_iter().filter_map(|lane| self.window(lane).oldest_hole()).min()
    }

    /// How many batches are under way.
    pub(super) fn under_way(&self, now: Mono) -> usize {
        Lane::ALL.into_iter().map(|lane| self.window(lane).under_way(now)).sum()
    }

    /// The first batch of each lane that is missing.
    pub(super) fn expected(&self) -> LaneSeqs {
        LaneSeqs {
            control: self.control.expected(),
            realtime: self.realtime.expected(),
            scan: self.scan.expected(),
        }
    }

    const fn window(&self, lane: Lane) -> &Window {
        match lane {
            Lane::Control => &self.control,
            Lane::Realtime => &self.realtime,
            Lane::Scan => &self.scan,
        }
    }

    const fn window_mut(&mut self, lane: Lane) -> &mut Window {
        match lane {
            Lane::Control => &mut self.control,
            Lane::Realtime => &mut self.realtime,
            Lane::Scan => &mut self.scan,
        }
    }
}

/// What is known of one batch beyond the settled ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// A later one came first.
    Hole { since: Mono, declared: bool },
    /// It is being applied.
    UnderWay { since: Mono },
    /// It was applied.
    Applied,
}

/// One lane: all up to `settled` are applied or given up, the slots say what became of the next ones. The first slot
/// is never `Applied`, the last one never a hole.
#[derive(Clone, Debug, Default)]
struct Window {
    settled: u32,
    slots: VecDeque<Slot>,
}

impl Window {
    fn admit(&mut self, now: Mono, seq: Seq) -> Result<Novelty, AdmitError> {
        if seq.0 == 0 {
            return Err(AdmitError::Unnumbered);
        }
        if seq.0 <= self.settled {
            return Ok(Novelty::Known);
        }
        let at = self.make_room(seq)?;
        while self.slots.len() <= at {
            self.slots.push_back(Slot::Hole { since: now, declared: false });
        }
        match self.slots[at] {
            Slot::Applied => return Ok(Novelty::Known),
            Slot::UnderWay { since } if now.since(since) <= UNDER_WAY_MAX_NS => {
                return Err(AdmitError::Pending { seq });
            }
            Slot::UnderWay { .. } | Slot::Hole { .. } => {}
        }
        self.slots[at] = Slot::UnderWay { since: now };
        Ok(Novelty::Fresh)
    }

    /// The slot of a number, which may push declared holes out of the window.
    fn make_room(&mut self, seq: Seq) -> Result<usize, AdmitError> {
        let ahead = (seq.0 - self.settled - 1) as usize;
        let excess = (ahead + 1).saturating_sub(WINDOW);
        let disposable = |slot: &&Slot| match slot {
            Slot::Hole { declared, .. } => *declared,
            Slot::UnderWay { .. } => false,
            Slot::Applied => true,
        };
        if self.slots.iter().take_while(disposable).count() < excess {
            return Err(AdmitError::Ahead { seq, expected: self.expected() });
        }
        self.drop_front(excess);
        let before = self.settled;
        self.drop_applied();
        Ok(ahead - excess - (self.settled - before) as usize)
    }

    fn allot(&mut self, now: Mono) -> Seq {
        self.slots.push_back(Slot::UnderWay { since: now });
        // A slot that nobody settled must not hold up the window for ever.
        while self.slots.len() > WINDOW {
            self.drop_front(1);
        }
        self.drop_applied();
        let beyond = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        Seq(self.settled.saturating_add(beyond))
    }

    fn applied(&mut self, seq: Seq) {
        if let Some(slot) = self.slot_mut(seq) {
            *slot = Slot::Applied;
            self.drop_applied();
        }
    }

    fn abandoned(&mut self, now: Mono, seq: Seq) {
        if let Some(slot) = self.slot_mut(seq).filter(|slot| matches!(slot, Slot::UnderWay { .. }))
        {
            *slot = Slot::Hole { since: now, declared: false };
        }
        while matches!(self.slots.back(), Some(Slot::Hole { .. })) {
            self.slots.pop_back();
        }
    }

    fn settle(&mut self, acknowledged: u32) -> bool {
        let count = acknowledged.saturating_sub(self.settled) as usize;
        let inside = count.min(self.slots.len());
        let lost = count > inside
            || self.slots.iter().take(inside).any(|slot| matches!(slot, Slot::Hole { .. }));
        self.slots.drain(..inside);
        self.settled = self.settled.max(acknowledged);
        self.drop_applied();
        lost
    }

    fn declare(&mut self, before: Mono) -> bool {
        let mut any = false;
        for slot in &mut self.slots {
            if let Slot::Hole { since, declared } = slot
                && !*declared
                && *since <= before
            {
                *declared = true;
                any = true;
            }
        }
        any
    }

    fn postpone(&mut self, now: Mono) {
        for slot in &mut self.slots {
            if let Slot::Hole { since, declared: false } = slot {
                *since = now;
            }
        }
    }

    fn oldest_hole(&self) -> Option<Mono> {
        let open = |slot: &Slot| match slot {
            Slot::Hole { since, declared: false } => Some(*since),
            Slot::Hole { declared: true, .. } | Slot::UnderWay { .. } | Slot::Applied => None,
        };
        self.slots.iter().filter_map(open).min()
    }

    fn under_way(&self, now: Mono) -> usize {
        let recent = |slot: &&Slot| match slot {
            Slot::UnderWay { since } => now.since(*since) <= UNDER_WAY_MAX_NS,
            Slot::Hole { .. } | Slot::Applied => false,
        };
        self.slots.iter().filter(recent).count()
    }

    const fn expected(&self) -> Seq {
        Seq(self.settled.saturating_add(1))
    }

    fn slot(&self, seq: Seq) -> Option<&Slot> {
        let at = seq.0.checked_sub(self.settled)?.checked_sub(1)?;
        self.slots.get(at as usize)
    }

    fn slot_mut(&mut self, seq: Seq) -> Option<&mut Slot> {
        let at = seq.0.checked_sub(self.settled)?.checked_sub(1)?;
        self.slots.get_mut(at as usize)
    }

    fn drop_applied(&mut self) {
        while self.slots.front() == Some(&Slot::Applied) {
            self.drop_front(1);
        }
    }

    fn drop_front(&mut self, count: usize) {
        let count = count.min(self.slots.len());
        self.slots.drain(..count);
        // The window is a few dozen slots wide.
        self.settled = self.settled.saturating_add(count as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: Lane = Lane::Realtime;

    fn at(seconds: i64) -> Mono {
        Mono(seconds * SECOND)
    }

    fn lanes(admitted: &[u32]) -> Lanes {
        let mut lanes = Lanes::default();
        for seq in admitted {
            assert_eq!(lanes.admit(at(0), LANE, Seq(*seq)), Ok(Novelty::Fresh), "{seq}");
        }
        lanes
    }

    #[test]
    fn a_batch_is_new_once() {
        let mut lanes = lanes(&[1]);
        assert_eq!(lanes.admit(at(0), LANE, Seq(1)), Err(AdmitError::Pending { seq: Seq(1) }));
        lanes.applied(LANE, Seq(1));
        assert_eq!(lanes.admit(at(0), LANE, Seq(1)), Ok(Novelty::Known));
        assert_eq!(lanes.admit(at(0), Lane::Scan, Seq(1)), Ok(Novelty::Fresh), "lanes are apart");
        assert_eq!(lanes.expected().realtime, Seq(2));
        assert_eq!(lanes.admit(at(0), LANE, Seq(0)), Err(AdmitError::Unnumbered));
    }

    #[test]
    fn batches_may_overtake_each_other_without_a_hole_that_stays() {
        let mut lanes = lanes(&[3, 1, 4, 2]);
        assert_eq!(lanes.under_way(at(0)), 4);
        for seq in [2, 4, 1, 3] {
            lanes.applied(LANE, Seq(seq));
        }
        assert_eq!((lanes.under_way(at(0)), lanes.expected().realtime), (0, Seq(5)));
        assert!(!lanes.declare(at(100)));
    }

    #[test]
    fn a_hole_is_declared_once_and_still_filled() {
        let mut lanes = lanes(&[1, 3]);
        assert_eq!(lanes.oldest_hole(), Some(at(0)));
        assert!(!lanes.declare(at(-1)));
        assert!(lanes.declare(at(0)));
        assert!(!lanes.declare(at(9)), "once");
        assert_eq!(lanes.oldest_hole(), None);
        assert_eq!(lanes.admit(at(9), LANE, Seq(2)), Ok(Novelty::Fresh));
    }

    #[test]
    fn the_window_moves_over_declared_holes_only() {
        let last = WINDOW as u32;
        let mut lanes = lanes(&[2, last]);
        lanes.applied(LANE, Seq(2));
        let far = Seq(last + 1);
        assert_eq!(
            lanes.admit(at(0), LANE, far),
            Err(AdmitError::Ahead { seq: far, expected: Seq(1) })
        );
        lanes.declare(at(0));
        assert_eq!(lanes.admit(at(0), LANE, far), Ok(Novelty::Fresh));
        assert_eq!(lanes.expected().realtime, Seq(3), "1 is given up, 2 was applied");
        assert_eq!(lanes.admit(at(0), LANE, Seq(1)), Ok(Novelty::Known));
        assert_eq!(lanes.admit(at(0), LANE, Seq(3)), Ok(Novelty::Fresh));
        assert!(lanes.admit(at(0), LANE, Seq(u32::MAX)).is_err());
        assert!(lanes.realtime.slots.len() <= WINDOW);
    }

    #[test]
    fn what_was_abandoned_may_come_again() {
        let mut lanes = lanes(&[1, 2]);
        lanes.abandoned(at(1), LANE, Seq(2));
        assert_eq!(lanes.oldest_hole(), None, "nothing came after it");
        lanes.abandoned(at(1), LANE, Seq(1));
        assert!(lanes.realtime.slots.is_empty());
        assert_eq!(lanes.admit(at(1), LANE, Seq(2)), Ok(Novelty::Fresh));
        assert_eq!(lanes.admit(at(1), LANE, Seq(1)), Ok(Novelty::Fresh));
        lanes.applied(LANE, Seq(2));
        lanes.abandoned(at(1), LANE, Seq(1));
        lanes.abandoned(at(1), LANE, Seq(2));
        assert_eq!(lanes.oldest_hole(), Some(at(1)));
        assert_eq!(lanes.admit(at(2), LANE, Seq(2)), Ok(Novelty::Known), "applied stays applied");
    }

    #[test]
    fn a_batch_that_was_forgotten_under_way_may_come_again() {
        let mut lanes = lanes(&[1]);
        assert_eq!(lanes.under_way(at(61)), 0);
        assert_eq!(lanes.admit(at(61), LANE, Seq(1)), Ok(Novelty::Fresh));
        assert_eq!(lanes.under_way(at(61)), 1);
    }

    #[test]
    fn what_the_agent_takes_for_acknowledged_is_given_up() {
        let seqs = |realtime| LaneSeqs { realtime: Seq(realtime), ..LaneSeqs::default() };
        let mut lanes = lanes(&[1, 2, 4]);
        lanes.applied(LANE, Seq(1));
        assert!(!lanes.settle(seqs(1)));
        assert!(!lanes.settle(seqs(2)), "it is under way");
        assert!(lanes.settle(seqs(3)), "3 is missing");
        assert!(lanes.settle(seqs(9)), "5 to 9 never came");
        assert_eq!(lanes.expected().realtime, Seq(10));
        assert!(lanes.settle(seqs(u32::MAX)));
        assert_eq!(lanes.admit(at(0), LANE, Seq(u32::MAX)), Ok(Novelty::Known));
        assert_eq!(Lanes::after(seqs(7)).expected().realtime, Seq(8));
    }

    #[test]
    fn numbers_are_allotted_without_end() {
        let mut lanes = Lanes::default();
        let numbers: Vec<_> = (0..200).map(|_| lanes.allot(at(0), LANE).0).collect();
        assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
        assert_eq!(lanes.realtime.slots.len(), WINDOW);
        lanes.applied(LANE, Seq(1));
        lanes.applied(LANE, Seq(200));
        assert_eq!(lanes.allot(at(0), LANE), Seq(201));
    }
}
