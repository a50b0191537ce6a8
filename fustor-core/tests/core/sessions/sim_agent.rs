//! A native agent as the simulation plays it: it numbers batches, sends them again until they are acknowledged, counts
//! its lease from when it asked, and sometimes forgets something.

use std::collections::{BTreeMap, BTreeSet};

use fustor_core::session::{
    Beat, CreateSession, Created, Head, LaneSeqs, NativePeer, Order, Peer, Pulse, Resume, Task,
};
use fustor_core::{AgentId, BootTime, Lane, Seq, SessionId};

use super::fixture::ROOT;

/// Milliseconds of the simulation.
pub(super) type Ms = i64;

/// A batch that was sealed: life of the source, lane, number.
pub(super) type Sealed = (u64, Lane, u32);

/// What was sent and is not acknowledged.
#[derive(Debug)]
struct Spooled {
    sent: Ms,
}

#[derive(Debug, Default)]
struct Track {
    next: u32,
    spool: BTreeMap<u32, Spooled>,
}

impl Track {
    fn acknowledged(&self) -> Seq {
        Seq(self.spool.keys().next().map_or(self.next, |first| first - 1))
    }
}

#[derive(Debug)]
pub(super) struct Agent {
    pub(super) name: u16,
    pub(super) source_epoch: u64,
    /// Until when it is down.
    pub(super) down_until: Ms,
    /// Until when its network is.
    pub(super) cut_until: Ms,
    pub(super) session: Option<SessionId>,
    pub(super) last_session: Option<Resume>,
    pub(super) asking: Ms,
    /// The lease that it believes to hold, and until when.
    pub(super) lease: Option<(u64, Ms)>,
    tracks: BTreeMap<Lane, Track>,
    acked: Vec<u64>,
    seen: BTreeSet<u64>,
}

impl Agent {
    pub(super) fn new(name: u16) -> Self {
        Self {
            name,
            source_epoch: 1,
            down_until: 0,
            cut_until: 0,
            session: None,
            last_session: None,
            asking: Ms::MIN,
            lease: None,
            tracks: BTreeMap::new(),
            acked: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Dies and will come back with another life of its source, knowing its session or not.
    pub(super) fn die(&mut self, until: Ms, remembers: bool) {
        let resume = self.resume().filter(|_| remembers);
        let (name, source_epoch) = (self.name, self.source_epoch + 1);
        *self = Self { down_until: until, last_session: resume, source_epoch, ..Self::new(name) };
    }

    pub(super) fn resume(&self) -> Option<Resume> {
        let session = self.session?;
        let of = |lane| self.tracks.get(&lane).map(Track::acknowledged).unwrap_or_default();
        let acknowledged = LaneSeqs {
            control: of(Lane::Control),
            realtime: of(Lane::Realtime),
            scan: of(Lane::Scan),
        };
        Some(Resume { session, source_epoch: self.source_epoch, acknowledged })
    }

    pub(super) fn request(&self, id: SessionId, now: Ms) -> CreateSession {
        let name = self.name.to_string();
        CreateSession {
            id,
            agent: AgentId(self.name),
            task: format!("{name}:pipe"),
            client: None,
            uri: None,
            timeout_ns: None,
            peer: Peer::Native(NativePeer {
                host: format!("host-{name}"),
                agent: name,
                version: String::new(),
                clock: BootTime(now * 1_000_000),
                root: ROOT,
                writers_watched: true,
                source_epoch: self.source_epoch,
                resume: self.last_session,
            }),
        }
    }

    pub(super) fn beat(&mut self, source_ok: bool) -> Beat {
        let acked = self.acked.iter().map(|id| (*id).into()).collect();
        Beat { acked, source_ok: Some(source_ok), can_realtime: true, ..Beat::default() }
    }

    pub(super) fn created(&mut self, sent: Ms, created: &Created) {
        self.session = Some(created.session);
        self.last_session = None;
        for (lane, track) in &mut self.tracks {
            let from = created.resume_from.of(*lane).0;
            track.spool.retain(|seq, _| *seq >= from);
            for spooled in track.spool.values_mut() {
                spooled.sent = Ms::MIN;
            }
        }
        self.lease = created.lease.map(|lease| (lease.epoch, sent + lease.ttl_ns / 1_000_000));
    }

    /// Takes in an answered heartbeat. The tasks that it carries out now.
    pub(super) fn pulse(&mut self, sent: Ms, acked: &[u64], pulse: &Pulse) -> Vec<Task> {
        self.acked.retain(|id| !acked.contains(id));
        match pulse.lease {
            Some(lease) => {
                let until = sent + lease.ttl_ns / 1_000_000;
                let known = self.lease.filter(|(epoch, _)| *epoch >= lease.epoch);
                self.lease = match known {
                    Some((epoch, end)) if epoch == lease.epoch => Some((epoch, end.max(until))),
                    Some(newer) => Some(newer),
                    None => Some((lease.epoch, until)),
                };
            }
            None => self.lease = None,
        }
        pulse.orders.iter().filter_map(|order| self.carry_out(order)).collect()
    }

    fn carry_out(&mut self, order: &Order) -> Option<Task> {
        if !self.acked.contains(&order.id) {
            self.acked.push(order.id);
        }
        self.seen.insert(order.id).then(|| order.task.clone())
    }

    pub(super) fn expired(&mut self) {
        self.last_session = self.resume();
        self.session = None;
        self.lease = None;
        self.asking = Ms::MIN;
    }

    pub(super) fn seal(&mut self, lane: Lane) -> Sealed {
        let track = self.tracks.entry(lane).or_default();
        track.next += 1;
        track.spool.insert(track.next, Spooled { sent: Ms::MIN });
        (self.source_epoch, lane, track.next)
    }

    /// Forgets the newest batch of a lane, as if its spool had been damaged.
    pub(super) fn lose(&mut self, lane: Lane) {
        if let Some(track) = self.tracks.get_mut(&lane) {
            track.spool.pop_last();
        }
    }

    /// Batches to send now: up to four are under way, and what was not answered within a second goes again.
    pub(super) fn sendable(&mut self, now: Ms) -> Vec<Head> {
        let waits = |spooled: &Spooled| spooled.sent > now - 1000;
        let busy = self.tracks.values().flat_map(|t| t.spool.values()).filter(|s| waits(s)).count();
        let mut room = 4_usize.saturating_sub(busy);
        let lease = self.lease.map_or(0, |(epoch, _)| epoch);
        let mut heads = Vec::new();
        for (lane, track) in &mut self.tracks {
            for (seq, spooled) in &mut track.spool {
                if room > 0 && !waits(spooled) {
                    room -= 1;
                    spooled.sent = now;
                    let (source_epoch, lane, seq) = (self.source_epoch, *lane, Seq(*seq));
                    heads.push(Head { source_epoch, lane, seq, lease });
                }
            }
        }
        heads
    }

    pub(super) fn acknowledged(&mut self, head: Head) {
        if head.source_epoch == self.source_epoch
            && let Some(track) = self.tracks.get_mut(&head.lane)
        {
            track.spool.remove(&head.seq.0);
        }
    }

    pub(super) fn has_spool(&self) -> bool {
        self.tracks.values().any(|track| !track.spool.is_empty())
    }
}
