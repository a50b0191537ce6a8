//! The scan that a new leader owes: what it satisfies need not be ordered.
//!
//! A native agent whose life is not known reports everything anew as soon as it leads. Until that is done, a wish to list
//! everything would only have each directory read a second time. What such a wish was about and the scan did not settle
//! the view asks for again, directory by directory, once no scan runs.

use crate::event::Directive;
use crate::id::SessionId;
use crate::time::{Mono, Now, SECOND};

use super::roster::Roster;

/// A leader that has not begun its scan after so long was told not to.
const BEGIN_NS: i64 = 5 * SECOND;

/// The scan that the leader owes.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstScan {
    session: SessionId,
    since: Mono,
    begun: bool,
    /// Whether somebody wished for everything meanwhile.
    wished: bool,
    /// Whether something was missed after it had begun, of which it may have read the place before.
    outdated: bool,
}

impl FirstScan {
    fn is_awaited(&self, now: Mono) -> bool {
        self.begun || now < self.since.plus(BEGIN_NS)
    }
}

impl Roster {
    /// A session got the lease.
    pub(super) fn expect_scan(&mut self, now: Now, id: SessionId) {
        // Where a scan was completed before, its rows may be younger than what the next one can disprove: the wish stays.
        if self.completed.is_some() {
            return;
        }
        let owes = |session: &super::member::Session| session.is_native() && session.owes_scan;
        if self.first_scan.is_some_and(|scan| scan.session == id)
            || !self.sessions.get(&id).is_some_and(owes)
        {
            return;
        }
        self.give_up_first_scan();
        let (session, since) = (id, now.mono);
        self.first_scan =
            Some(FirstScan { session, since, begun: false, wished: false, outdated: false });
        self.wake_by(since.plus(BEGIN_NS));
    }

    /// Whether a wish is one that the scan under way fulfils.
    pub(super) fn is_fulfilled(&mut self, now: Now, wish: &Directive) -> bool {
        let everything =
            matches!(wish, Directive::List { path, recursive: true, .. } if path.is_root());
        let scan = self.first_scan.as_mut().filter(|scan| scan.is_awaited(now.mono));
        match scan {
            Some(scan) if everything => {
                scan.wished = true;
                true
            }
            Some(_) | None => false,
        }
    }

    /// A cycle of this session has begun, with duties that were allowed, and that is applied.
    pub fn cycle_began(&mut self, now: Now, id: SessionId) {
        self.advance(now);
        if let Some(scan) = self.first_scan.as_mut().filter(|scan| scan.session == id) {
            scan.begun = true;
        }
    }

    /// A cycle of this session has ended, with duties that were allowed, and is applied.
    pub fn cycle_ended(&mut self, now: Now, id: SessionId) {
        self.advance(now);
        if self.lease.holder() == Some(id) {
            self.completed = Some(self.lease.epoch());
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.owes_scan = false;
        }
        if let Some(scan) = self.first_scan.take_if(|scan| scan.session == id)
            && scan.wished
            && scan.outdated
        {
            self.orders.wish_for_everything(self.storage);
        }
    }

    /// Orders what was held back when the scan does not come.
    pub(super) fn settle_first_scan(&mut self, now: Now) {
        let lapsed = |scan: FirstScan| {
            self.lease.holder() != Some(scan.session) || !scan.is_awaited(now.mono)
        };
        if self.first_scan.is_some_and(lapsed) {
            self.give_up_first_scan();
        }
    }

    /// A gap over everything is opened.
    pub(super) fn outdate_first_scan(&mut self) {
        if let Some(scan) = &mut self.first_scan {
            scan.outdated |= scan.begun;
        }
    }

    pub(super) fn first_scan_deadline(&self) -> Option<Mono> {
        self.first_scan.filter(|scan| !scan.begun).map(|scan| scan.since.plus(BEGIN_NS))
    }

    fn give_up_first_scan(&mut self) {
        if self.first_scan.take().is_some_and(|scan| scan.wished) {
            self.orders.wish_for_everything(self.storage);
        }
    }
}
