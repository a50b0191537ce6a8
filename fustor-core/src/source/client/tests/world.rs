//! A source, a network and a clock around one client.

use std::collections::BTreeMap;

use super::super::*;
use super::server::{Fault, Picture, Server, apply};
use crate::block::BlockBuilder;
use crate::entry::Facts;
use crate::event::{CyclePhase, Event, Lane, Listing};
use crate::key::Tier;
use crate::path::ViewPath;
use crate::time::{BootTime, SECOND, StorageTime};

const DIRS: u32 = 12;
const STEP: i64 = SECOND / 50;
const SPOOL: usize = 256 * 1024;
const SCAN: usize = 64 * 1024;
const BATCH: usize = 8 * 1024;

pub(super) fn dir(n: u32) -> ViewPath {
    ViewPath::root().join(format!("d{n}").as_bytes())
}

pub(super) fn upsert(path: &ViewPath, size: u64, stamp: BootTime) -> Event {
    let facts = Facts { size, mtime: StorageTime(stamp.0), ..Facts::default() };
    Event::Upsert { path: path.clone(), stamp, tier: Tier::Atomic, facts }
}

enum Arrival {
    Created(u64, CreateReply),
    Beaten(u64, BeatReply),
    Pushed(u64, PushReply),
    Held(u64, HoldReply),
}

enum Letter {
    Create { attempt: u64, resume: Option<Resume> },
    Beat { attempt: u64, session: std::sync::Arc<str>, acked: Vec<u64> },
    Push(Push),
    Hold { attempt: u64, session: std::sync::Arc<str> },
}

pub(super) struct World {
    pub(super) now: BootTime,
    pub(super) client: Client,
    pub(super) server: Server,
    truth: Picture,
    rng: u64,
    n: u64,
    letters: BTreeMap<(BootTime, u64), Letter>,
    arrivals: BTreeMap<(BootTime, u64), Arrival>,
    /// Directories that the scan under way has yet to list; the last is listed first.
    scan: Option<Vec<u32>>,
    /// Until then the source makes no progress.
    pub(super) scan_from: BootTime,
    pub(super) scans: u32,
    pub(super) readings: Vec<Reading>,
    pub(super) walks: u32,
    pub(super) performed: Vec<u64>,
    to_perform: Vec<Order>,
    pub(super) writing: bool,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let config = ClientConfig {
            seed,
            spool_bytes: SPOOL,
            scan_bytes: SCAN,
            batch_bytes: BATCH,
            ..ClientConfig::default()
        };
        Self {
            now: BootTime(0),
            client: Client::new(config, BootTime(0), 1, None),
            server: Server::default(),
            truth: Picture::new(),
            rng: seed | 1,
            n: 0,
            letters: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            scan: None,
            scan_from: BootTime(0),
            scans: 0,
            readings: Vec::new(),
            walks: 0,
            performed: Vec::new(),
            to_perform: Vec::new(),
            writing: true,
        }
    }

    fn dice(&mut self, n: u64) -> u64 {
        self.rng ^= self.rng << 13;
        self.rng ^= self.rng >> 7;
        self.rng ^= self.rng << 17;
        self.rng % n
    }

    fn delay(&mut self) -> i64 {
        1 + i64::try_from(self.dice(40_000_000)).unwrap()
    }

    pub(super) const fn is_scanning(&self) -> bool {
        self.scan.is_some()
    }

    pub(super) fn run_for(&mut self, ns: i64) {
        let end = self.now.plus(ns);
        while self.now < end {
            self.now = self.now.plus(STEP);
            self.write();
            self.observe();
            self.deliver();
            self.act();
            self.check_room();
            if self.client.role(self.now) == Role::Leader {
                assert!(self.server.lease_is_ours(self.now), "two lead");
            }
        }
    }

    /// Somebody changes files.
    fn write(&mut self) {
        if !self.writing || self.dice(4) != 0 {
            return;
        }
        let place = dir(u32::try_from(self.dice(u64::from(DIRS))).unwrap());
        let path = place.join(format!("f{}", self.dice(9)).as_bytes());
        self.n += 1;
        match self.dice(6) {
            0 => self.tell(Event::Delete { path, stamp: self.now }),
            _ => self.tell(upsert(&path, self.n, self.now)),
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        apply(&mut self.truth, &event);
        self.client.sealed(self.now, Lane::Realtime, vec![event], &[]);
    }

    /// The source scans and does what was ordered.
    fn observe(&mut self) {
        if !self.client.has_room(Lane::Scan) {
            return;
        }
        if let Some(order) = self.to_perform.pop() {
            self.performed.push(order.id);
            let place = dir(0).join(b"f0");
            let size = self.truth.get(&place).and_then(|known| known.1);
            let event = size.map(|size| upsert(&place, size, self.now));
            self.client.sealed(self.now, Lane::Scan, event.into_iter().collect(), &[order.id]);
        }
        let Some(left) = self.scan.as_mut().filter(|_| self.scan_from <= self.now) else { return };
        match left.pop() {
            Some(n) => {
                let listing = self.list(n);
                self.client.sealed(self.now, Lane::Scan, vec![listing], &[]);
            }
            None => {
                self.scan = None;
                let end = Event::Cycle { phase: CyclePhase::End, stamp: self.now };
                self.client.sealed(self.now, Lane::Scan, vec![end], &[]);
            }
        }
    }

    fn list(&self, n: u32) -> Event {
        let mut builder = BlockBuilder::default();
        for (path, (at, size)) in &self.truth {
            if let Some(size) = size.filter(|_| path.split().is_some_and(|(up, _)| up == dir(n))) {
                let facts = Facts { size, mtime: StorageTime(at.0), ..Facts::default() };
                builder.push(path.name(), &facts);
            }
        }
        let blocks = builder.finish(dir(n).name());
        let (facts, stamp) = (Facts::PLACEHOLDER, self.now);
        Event::Listing(Listing { dir: dir(n), stamp, complete: true, facts, blocks })
    }

    fn act(&mut self) {
        for action in self.client.poll(self.now) {
            let due = (self.now.plus(self.delay()), self.dice(u64::MAX));
            match action {
                Action::Create { attempt, resume } => {
                    self.letters.insert(due, Letter::Create { attempt, resume });
                }
                Action::Beat { attempt, session, acked, .. } => {
                    self.letters.insert(due, Letter::Beat { attempt, session, acked });
                }
                Action::Push(push) => {
                    self.letters.insert(due, Letter::Push(push));
                }
                Action::Hold { attempt, session } => {
                    let due = (due.0.plus(i64::try_from(self.dice(10)).unwrap() * SECOND), due.1);
                    self.letters.insert(due, Letter::Hold { attempt, session });
                }
                Action::Scan(reading) => {
                    self.scans += 1;
                    self.readings.push(reading);
                    assert!(self.scan.is_none(), "one scan at a time");
                    self.scan = Some((0..DIRS).collect());
                    let begin = Event::Cycle { phase: CyclePhase::Begin, stamp: self.now };
                    self.client.sealed(self.now, Lane::Scan, vec![begin], &[]);
                }
                Action::Walk => self.walks += 1,
                Action::Perform(order) => self.to_perform.push(order),
                Action::Done { id } => {
                    self.server.told.insert(id);
                }
                Action::Close { .. } => self.server.closed += 1,
            }
        }
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.letters.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let letter = entry.remove();
            if matches!(&letter, Letter::Push(push) if self.server.is_early(self.now, push)) {
                // It waits for those before it.
                self.letters.insert((self.now.plus(STEP), self.n), letter);
                self.n += 1;
                continue;
            }
            let reply = self.answer(letter);
            // An attempt that gets no answer times out.
            let patience = if matches!(reply.1, Lost::Yes) { 3 * SECOND } else { 0 };
            let due = (self.now.plus(self.delay()).plus(patience), self.dice(u64::MAX));
            self.arrivals.insert(due, reply.0);
        }
        while let Some(entry) = self.arrivals.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            match entry.remove() {
                Arrival::Created(attempt, reply) => self.client.created(self.now, attempt, reply),
                Arrival::Beaten(attempt, reply) => self.client.beaten(self.now, attempt, reply),
                Arrival::Pushed(attempt, reply) => self.client.pushed(self.now, attempt, reply),
                Arrival::Held(attempt, reply) => self.client.held(self.now, attempt, reply),
            }
        }
    }

    fn answer(&mut self, letter: Letter) -> (Arrival, Lost) {
        let fault = self.server.fault(self.now);
        let failure = match fault {
            Some(Fault::Cut | Fault::Deaf) => Failure::Unreachable,
            Some(Fault::Full) => Failure::Refused { after_ns: Some(SECOND) },
            Some(Fault::Broken) | None => Failure::Refused { after_ns: None },
        };
        let (arrives, answered) = (matches!(fault, None | Some(Fault::Deaf)), fault.is_none());
        let lost =
            if matches!(fault, Some(Fault::Cut | Fault::Deaf)) { Lost::Yes } else { Lost::No };
        let arrival = match letter {
            Letter::Create { attempt, resume } => {
                let epoch = self.client.epoch();
                let granted = arrives.then(|| {
                    CreateReply::Granted(self.server.create(self.now, epoch, resume.as_ref()))
                });
                let reply = granted.filter(|_| answered);
                Arrival::Created(attempt, reply.unwrap_or(CreateReply::Failed(failure)))
            }
            Letter::Beat { attempt, session, acked } => {
                let reply = arrives.then(|| self.server.beat(self.now, &session, &acked));
                let reply = reply.filter(|_| answered);
                Arrival::Beaten(attempt, reply.unwrap_or(BeatReply::Failed(failure)))
            }
            Letter::Hold { attempt, session } => {
                let told = self.server.hold(self.now, &session);
                Arrival::Held(attempt, if answered { told } else { HoldReply::HungUp })
            }
            Letter::Push(push) => {
                let reply = arrives.then(|| self.server.push(self.now, &push));
                let reply = reply.filter(|_| answered);
                Arrival::Pushed(push.attempt, reply.unwrap_or(PushReply::Failed(failure)))
            }
        };
        (arrival, lost)
    }

    pub(super) fn check_room(&self) {
        let bytes = self.client.status(self.now).waiting_bytes;
        // What is sealed, and gaps.
        let limit = SPOOL + SCAN + 9 * BATCH + 64 * 1024;
        assert!(bytes <= limit, "{bytes} bytes wait, at most {limit} may");
    }

    /// When everything has been delivered, the server's picture is what the source saw, but for what is owed.
    pub(super) fn settle(&mut self) {
        self.writing = false;
        self.run_for(40 * SECOND);
        if !self.client.is_closed() {
            assert_eq!(self.client.status(self.now).waiting, 0);
        }
        for (path, (at, size)) in &self.truth {
            let known = self.server.picture.get(path).and_then(|known| known.1);
            let fine = known == *size || self.server.is_owed(path, *at);
            assert!(fine, "{path}: {size:?} since {at:?}, the server has {known:?}");
        }
    }
}

enum Lost {
    Yes,
    No,
}
