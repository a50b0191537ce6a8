//! Who leads: a right with a number that runs out by itself and is never given to two sessions.

use crate::id::SessionId;
use crate::time::{Mono, SECOND};

/// What is left of a lease whose holder hung up on a held request.
const HUNG_UP_NS: i64 = 3 * SECOND / 2;

/// The lease of one storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lease {
    epoch: u64,
    holder: Option<SessionId>,
    until: Mono,
}

impl Lease {
    /// The number of the lease; 0 before the first.
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Who has it or had it last, if nobody else may have it yet.
    pub(super) const fn holder(&self) -> Option<SessionId> {
        self.holder
    }

    /// Whether it may be given to another session.
    pub(super) fn is_free(&self, now: Mono) -> bool {
        self.holder.is_none() || self.until <= now
    }

    /// When it runs out, while it is held.
    pub(super) fn deadline(&self, now: Mono) -> Option<Mono> {
        (!self.is_free(now)).then_some(self.until)
    }

    /// Gives it to a session, under a new number.
    pub(super) fn grant(&mut self, now: Mono, to: SessionId, ttl_ns: i64) {
        *self = Self {
            epoch: self.epoch.saturating_add(1),
            holder: Some(to),
            until: now.plus(ttl_ns.max(0)),
        };
    }

    /// The number before the last grant again: what must never happen, for tests that see to it that it is noticed.
    pub(super) fn keep_number(&mut self) {
        self.epoch = self.epoch.saturating_sub(1).max(1);
    }

    /// Its holder lives. A lease that has run out lives on under its number if nobody else got it.
    pub(super) fn renew(&mut self, now: Mono, ttl_ns: i64) {
        self.until = self.until.max(now.plus(ttl_ns.max(0)));
    }

    /// Its holder went away by its own will.
    pub(super) fn release(&mut self) {
        self.holder = None;
    }

    /// Its holder hung up.
    pub(super) fn shorten(&mut self, now: Mono) {
        self.until = self.until.min(now.plus(HUNG_UP_NS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SessionId = SessionId(1);
    const B: SessionId = SessionId(2);

    fn at(seconds: i64) -> Mono {
        Mono(seconds * SECOND)
    }

    #[test]
    fn every_grant_has_a_new_number_and_a_renewal_keeps_it() {
        let mut lease = Lease::default();
        assert!(lease.is_free(at(0)));
        lease.grant(at(0), A, 3 * SECOND);
        assert_eq!((lease.epoch(), lease.holder()), (1, Some(A)));
        lease.renew(at(2), 3 * SECOND);
        assert!(!lease.is_free(at(4)));
        assert!(lease.is_free(at(5)));
        lease.renew(at(9), 3 * SECOND);
        assert_eq!((lease.epoch(), lease.deadline(at(9))), (1, Some(at(12))));
        lease.release();
        assert!(lease.is_free(at(9)));
        lease.grant(at(9), B, 3 * SECOND);
        assert_eq!((lease.epoch(), lease.holder()), (2, Some(B)));
    }

    #[test]
    fn a_renewal_never_shortens_and_hanging_up_never_prolongs() {
        let mut lease = Lease::default();
        lease.grant(at(0), A, 6 * SECOND);
        lease.renew(at(1), SECOND);
        assert_eq!(lease.deadline(at(1)), Some(at(6)));
        lease.shorten(at(1));
        assert_eq!(lease.deadline(at(1)), Some(Mono(5 * SECOND / 2)));
        lease.shorten(at(2));
        assert_eq!(lease.deadline(at(2)), Some(Mono(5 * SECOND / 2)));
    }
}
