//! The other end: a session, a lease and a picture, as the rules of sessions want them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::*;
use crate::event::{CyclePhase, Event, Lane};
use crate::path::ViewPath;
use crate::time::{BootTime, SECOND};

const TIMEOUT: i64 = 30 * SECOND;
const TTL: i64 = 3 * SECOND;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No request arrives.
    Cut,
    /// Requests arrive, answers do not.
    Deaf,
    /// 429.
    Full,
    /// 500.
    Broken,
}

/// What is known of a path: its size at a time, or that it is gone since.
pub(super) type Picture = BTreeMap<ViewPath, (BootTime, Option<u64>)>;

#[derive(Debug)]
struct Session {
    name: Arc<str>,
    alive_until: BootTime,
    epoch: u64,
    next: [u32; 3],
    taken: BTreeMap<(usize, u32), usize>,
}

#[derive(Debug, Default)]
pub(super) struct Server {
    session: Option<Session>,
    named: u64,
    fault: Option<(Fault, BootTime)>,
    lease: (u64, BootTime),
    /// Another session leads until then.
    pub(super) taken_until: BootTime,
    pub(super) audit_ns: Option<i64>,
    /// It knows no audits but those that read everything.
    pub(super) is_plain: bool,
    pub(super) picture: Picture,
    open: BTreeMap<ViewPath, BootTime>,
    pub(super) gaps: u64,
    pub(super) cycles: u64,
    begun: bool,
    pub(super) orders: BTreeMap<u64, Task>,
    ordered: u64,
    pub(super) told: BTreeSet<u64>,
    pub(super) acked_before_told: BTreeSet<u64>,
    pub(super) closed: u64,
    /// A batch that names this path is refused for good.
    pub(super) poison: Option<ViewPath>,
}

impl Server {
    pub(super) fn fault_until(&mut self, fault: Fault, until: BootTime) {
        self.fault = Some((fault, until));
    }

    pub(super) fn heal(&mut self) {
        self.fault = None;
    }

    pub(super) fn fault(&self, now: BootTime) -> Option<Fault> {
        self.fault.filter(|(_, until)| now < *until).map(|(fault, _)| fault)
    }

    /// It restarts without its state; whoever led before has one lease's time to come back.
    pub(super) fn forget(&mut self, now: BootTime) {
        self.session = None;
        self.picture.clear();
        self.open.clear();
        self.begun = false;
        self.lease.1 = self.lease.1.max(now.plus(TTL));
    }

    /// This session is not renewed, and another one gets the lease when it is free.
    pub(super) fn usurp(&mut self, until: BootTime) {
        self.taken_until = until;
    }

    pub(super) fn order(&mut self, task: Task) {
        self.ordered += 1;
        self.orders.insert(self.ordered, task);
    }

    pub(super) fn epoch(&self) -> Option<u64> {
        self.session.as_ref().map(|session| session.epoch)
    }

    pub(super) fn gap_scopes(&self) -> Vec<ViewPath> {
        self.open.keys().cloned().collect()
    }

    /// Whether something missed at that time is known to be missed.
    pub(super) fn is_owed(&self, path: &ViewPath, at: BootTime) -> bool {
        self.open.iter().any(|(scope, since)| scope.contains(path) && *since >= at)
    }

    fn grant(&mut self, now: BootTime) -> (Role, Option<LeaseGrant>) {
        if now < self.taken_until {
            return (Role::Follower, None);
        }
        if self.lease.1 <= now || self.lease.0 == 0 {
            self.lease.0 += 1;
        }
        self.lease.1 = now.plus(TTL);
        (Role::Leader, Some(LeaseGrant { epoch: self.lease.0, ttl_ns: TTL }))
    }

    pub(super) fn lease_is_ours(&self, now: BootTime) -> bool {
        self.lease.1 > now
    }

    pub(super) fn create(&mut self, now: BootTime, epoch: u64, resume: Option<&Resume>) -> Grant {
        let known = self.session.take().filter(|session| now < session.alive_until);
        let same = known.filter(|s| resume.is_some_and(|r| r.session == s.name));
        let resumed = same.as_ref().is_some_and(|session| session.epoch == epoch);
        let session = same.filter(|session| session.epoch == epoch).unwrap_or_else(|| {
            self.named += 1;
            self.begun = false;
            Session {
                name: format!("s{}", self.named).into(),
                alive_until: now,
                epoch,
                next: [1; 3],
                taken: BTreeMap::new(),
            }
        });
        let from =
            Seqs { control: session.next[0], realtime: session.next[1], scan: session.next[2] };
        let name = Arc::clone(&session.name);
        self.session = Some(Session { alive_until: now.plus(TIMEOUT), ..session });
        let (role, lease) = self.grant(now);
        Grant {
            session: name,
            dialect: Dialect::Native,
            role,
            timeout_ns: TIMEOUT,
            audit_ns: self.audit_ns,
            lease,
            resumed,
            from,
            in_flight: 4,
            passes: !self.is_plain,
        }
    }

    fn live(&mut self, now: BootTime, name: &str) -> Option<&mut Session> {
        self.session.as_mut().filter(|s| &*s.name == name && now < s.alive_until)
    }

    pub(super) fn beat(&mut self, now: BootTime, name: &str, acked: &[u64]) -> BeatReply {
        match self.live(now, name) {
            Some(session) => session.alive_until = now.plus(TIMEOUT),
            None => return BeatReply::Gone,
        }
        for id in acked {
            self.orders.remove(id);
            if !self.told.contains(id) {
                self.acked_before_told.insert(*id);
            }
        }
        let (role, lease) = self.grant(now);
        let orders =
            self.orders.iter().map(|(id, task)| Order { id: *id, task: task.clone() }).collect();
        BeatReply::Alive { role, lease, orders, complete_ns: None }
    }

    /// What a held heartbeat is answered in the end.
    pub(super) fn hold(&mut self, now: BootTime, name: &str) -> HoldReply {
        if self.live(now, name).is_none() {
            return HoldReply::Gone;
        }
        let orders = self.orders.iter().map(|(id, task)| Order { id: *id, task: task.clone() });
        HoldReply::Told { orders: orders.collect() }
    }

    /// Whether a batch has to wait for others of its lane.
    pub(super) fn is_early(&mut self, now: BootTime, push: &Push) -> bool {
        let lane = Lane::ALL.iter().position(|lane| *lane == push.lane).unwrap();
        let session = self.live(now, &push.session);
        session.is_some_and(|session| session.epoch == push.epoch && push.seq > session.next[lane])
    }

    pub(super) fn push(&mut self, now: BootTime, push: &Push) -> PushReply {
        let lane = Lane::ALL.iter().position(|lane| *lane == push.lane).unwrap();
        let Some(session) = self.live(now, &push.session) else { return PushReply::Gone };
        assert_eq!(session.epoch, push.epoch);
        if push.seq < session.next[lane] {
            assert_eq!(session.taken[&(lane, push.seq)], push.events.len(), "the same again");
            return PushReply::Applied;
        }
        assert_eq!(push.seq, session.next[lane], "{:?} is out of order", push.lane);
        let poisoned = |event: &Event| matches!((event, &self.poison), (Event::Upsert { path, .. }, Some(bad)) if path == bad);
        if push.events.iter().any(poisoned) {
            return PushReply::Rejected;
        }
        let Some(session) = self.live(now, &push.session) else { return PushReply::Gone };
        session.next[lane] += 1;
        session.taken.insert((lane, push.seq), push.events.len());
        let allowed = push.lease != 0 && push.lease == self.lease.0 && now < self.lease.1;
        let mut fenced = false;
        for event in push.events.iter() {
            match event {
                Event::Cycle { .. } if !allowed => fenced = true,
                Event::Cycle { phase: CyclePhase::Begin, .. } => self.begun = true,
                Event::Cycle { phase: CyclePhase::End | CyclePhase::PassEnd { .. }, .. } => {
                    assert!(std::mem::take(&mut self.begun), "an end without a begin");
                    self.cycles += 1;
                }
                Event::Gap { scope, stamp, .. } => {
                    self.gaps += 1;
                    let since = self.open.entry(scope.clone()).or_insert(*stamp);
                    *since = (*since).max(*stamp);
                }
                event => apply(&mut self.picture, event),
            }
        }
        if fenced { PushReply::Fenced } else { PushReply::Applied }
    }
}

/// The later word counts; a deletion also of what is below.
pub(super) fn apply(picture: &mut Picture, event: &Event) {
    let mut say = |path: &ViewPath, at: BootTime, size: Option<u64>| {
        let known = picture.entry(path.clone()).or_insert((BootTime::MIN, None));
        if at >= known.0 {
            *known = (at, size);
        }
    };
    match event {
        Event::Upsert { path, stamp, facts, .. } => say(path, *stamp, Some(facts.size)),
        Event::Delete { path, stamp } => {
            let below: Vec<_> = picture.keys().filter(|at| path.contains(at)).cloned().collect();
            for path in below {
                let known = picture.get_mut(&path).unwrap();
                if *stamp >= known.0 {
                    *known = (*stamp, None);
                }
            }
        }
        Event::Listing(listing) => {
            for row in listing.blocks.iter().flat_map(crate::Block::rows) {
                say(&listing.dir.join(row.name), listing.stamp, Some(row.facts.size));
            }
        }
        Event::Rename { .. }
        | Event::Gap { .. }
        | Event::Uncovered { .. }
        | Event::Covered { .. }
        | Event::Cycle { .. }
        | Event::RootLost { .. }
        | Event::Remark(_) => {}
    }
}
