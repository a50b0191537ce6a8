//! Who leads, and the scans that a leader owes.

use super::door::{Dialect, LeaseGrant, Phase, Reading, Role};
use crate::time::BootTime;

/// The lease and what was last heard of the role.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    epoch: u64,
    /// Good before this.
    until: BootTime,
    /// The role is known until then.
    known_until: BootTime,
}

impl Lease {
    pub(super) const NONE: Self =
        Self { epoch: 0, until: BootTime::MIN, known_until: BootTime::MIN };

    /// What an answer to a request said that was sent at `sent`. Where there are no leases, the role holds as long as the
    /// session.
    pub(super) fn heard(
        sent: BootTime,
        dialect: Dialect,
        role: Role,
        grant: Option<LeaseGrant>,
        timeout_ns: i64,
    ) -> Self {
        match (dialect, role, grant) {
            (Dialect::Native, Role::Leader, Some(grant)) => {
                let until = sent.plus(grant.ttl_ns);
                Self { epoch: grant.epoch, until, known_until: until }
            }
            (Dialect::Native, Role::Leader | Role::Follower, _) => {
                Self { known_until: sent.plus(FOLLOWER_KNOWN_NS), ..Self::NONE }
            }
            (Dialect::Legacy, Role::Leader, _) => {
                Self { epoch: 0, until: sent.plus(timeout_ns), known_until: BootTime::MAX }
            }
            (Dialect::Legacy, Role::Follower, _) => {
                Self { known_until: BootTime::MAX, ..Self::NONE }
            }
        }
    }

    pub(super) fn role(&self, now: BootTime) -> Role {
        if now < self.until { Role::Leader } else { Role::Follower }
    }

    /// The number of the lease that is held; 0: none.
    pub(super) fn held(&self, now: BootTime) -> u64 {
        if now < self.until { self.epoch } else { 0 }
    }

    /// Whether the role is certain, and not merely that of a session that was not heard of for a while.
    pub(super) fn is_known(&self, now: BootTime) -> bool {
        now < self.known_until
    }

    /// The server said that another session leads.
    pub(super) fn lose(&mut self, now: BootTime) {
        self.until = self.until.min(now);
    }
}

/// So long a follower that heard nothing new takes its role as certain: as long as a lease usually lasts.
const FOLLOWER_KNOWN_NS: i64 = 3 * crate::time::SECOND;

/// The scan of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scan {
    /// To be asked for as soon as this client leads.
    Owed,
    /// The server has one in full; the next is due then.
    Had { next: Option<BootTime> },
}

/// What a leader owes, and what a follower watches.
#[derive(Clone, Debug)]
pub(super) struct Duty {
    scan: Scan,
    /// One was asked of the source, and its end has not been seen.
    running: bool,
    /// Parts of the one under way are with a server that knows nothing of them, or was told without a lease.
    tainted: bool,
    /// Whether the server has acknowledged the begin of the one under way.
    begun: bool,
    /// What the one under way is.
    kind: Phase,
    /// Whether the source has been through the whole tree once, so that it watches it.
    walked: bool,
    /// Whether it has come to the end of that.
    watches_all: bool,
    /// What the source has told may not have arrived: the next scan reads everything.
    doubted: bool,
    pub(super) asked: u64,
    pub(super) had: u64,
}

impl Duty {
    pub(super) const fn new() -> Self {
        Self {
            scan: Scan::Owed,
            running: false,
            tainted: false,
            begun: false,
            kind: Phase::Idle,
            walked: false,
            watches_all: false,
            doubted: false,
            asked: 0,
            had: 0,
        }
    }

    /// A session that knows nothing of what was told before. True: the scan under way is worth nothing any more.
    pub(super) const fn start_over(&mut self) -> bool {
        self.scan = Scan::Owed;
        self.doubted = true;
        self.tainted |= self.running && self.begun;
        self.tainted
    }

    /// The source has begun a scan: one that was asked for, or one of its own accord after a loss.
    pub(super) fn began(&mut self) {
        (self.running, self.begun, self.walked) = (true, false, true);
        if self.kind == Phase::Idle {
            self.kind = self.next_kind();
        }
    }

    fn next_kind(&self) -> Phase {
        if self.scan == Scan::Owed { Phase::Snapshot } else { Phase::Audit }
    }

    /// The begin of a scan was told without a lease. True: the scan under way is worth nothing.
    pub(super) const fn fenced(&mut self) -> bool {
        self.tainted |= self.running;
        self.tainted
    }

    /// The source has ended its scan. True: the server is to be told.
    pub(super) const fn ended(&mut self) -> bool {
        if self.tainted {
            self.spoilt();
            return false;
        }
        true
    }

    /// The end of a scan that is worth nothing was seen.
    pub(super) const fn spoilt(&mut self) {
        (self.running, self.tainted, self.kind) = (false, false, Phase::Idle);
        self.scan = Scan::Owed;
    }

    /// Something that the source has told is not with the server, and nobody else would notice for long.
    pub(super) const fn doubt(&mut self) {
        self.doubted = true;
    }

    /// The scan to ask the source for now, if any; `passes`: whether the server takes one that does not read everything.
    pub(super) fn begin(&mut self, now: BootTime, passes: bool) -> Option<Reading> {
        let due = match self.scan {
            Scan::Owed => true,
            Scan::Had { next } => next.is_some_and(|next| next <= now),
        };
        if !due || self.running {
            return None;
        }
        self.kind = self.next_kind();
        (self.running, self.tainted, self.begun, self.walked) = (true, false, false, true);
        self.asked += 1;
        let doubted = std::mem::take(&mut self.doubted);
        match self.kind {
            Phase::Audit if passes && !doubted => Some(Reading::Changes),
            Phase::Audit | Phase::Snapshot | Phase::Idle => Some(Reading::Everything),
        }
    }

    /// Whether to have everything watched without a scan.
    pub(super) const fn walk(&mut self) -> bool {
        !std::mem::replace(&mut self.walked, true)
    }

    /// The source has been through the whole tree.
    pub(super) const fn walked_all(&mut self) {
        self.watches_all = true;
    }

    pub(super) const fn watches_all(&self) -> bool {
        self.watches_all
    }

    /// The server lacks nothing as of a scan that began so long ago, and what happened since is watched: the next scan is
    /// due when that of whoever led before would have been.
    pub(super) fn spare(&mut self, now: BootTime, age_ns: i64, audit_ns: Option<i64>) {
        if self.scan == Scan::Owed && !self.running && self.watches_all {
            self.scan =
                Scan::Had { next: audit_ns.map(|every| now.plus(every.saturating_sub(age_ns))) };
        }
    }

    /// Nothing is owed before an audit is due.
    pub(super) fn skip(&mut self, now: BootTime, audit_ns: Option<i64>) {
        if self.scan == Scan::Owed {
            self.scan = Scan::Had { next: audit_ns.map(|every| now.plus(every)) };
        }
    }

    /// What begins with the begin of the scan under way.
    pub(super) const fn kind(&self) -> Phase {
        self.kind
    }

    pub(super) const fn begin_acknowledged(&mut self) {
        self.begun = true;
    }

    pub(super) fn end_acknowledged(&mut self, now: BootTime, audit_ns: Option<i64>) {
        self.watches_all = true;
        (self.running, self.kind) = (false, Phase::Idle);
        self.had += 1;
        self.scan = Scan::Had { next: audit_ns.map(|every| now.plus(every)) };
    }

    pub(super) const fn next_audit(&self) -> Option<BootTime> {
        match self.scan {
            Scan::Had { next } if !self.running => next,
            Scan::Had { .. } | Scan::Owed => None,
        }
    }
}
