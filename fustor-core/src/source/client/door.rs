//! What goes in and comes out of a client.

use std::sync::Arc;

use crate::event::{Event, Lane};
use crate::path::ViewPath;
use crate::time::{BootTime, SECOND};

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Seeds the jitter of the pauses between attempts.
    pub seed: u64,
    /// Bytes of realtime observations that wait for the server. Beyond it their directories become gaps.
    pub spool_bytes: usize,
    /// Bytes of scanned directories that wait. Beyond it the scan waits: [`super::Client::has_room`].
    pub scan_bytes: usize,
    /// What one batch holds, unless one observation is larger.
    pub batch_bytes: usize,
    /// How many observations one batch holds.
    pub batch_events: usize,
    /// Time between two heartbeats of a native session.
    pub heartbeat_ns: i64,
    /// First and longest pause after a failure; in between it doubles.
    pub pause_ns: (i64, i64),
    /// Whether a leader scans everything at once. Otherwise it only watches until the first audit is due.
    pub snapshot: bool,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            spool_bytes: 64 << 20,
            scan_bytes: 8 << 20,
            batch_bytes: 2 << 20,
            batch_events: 16_384,
            heartbeat_ns: SECOND,
            pause_ns: (SECOND / 4, 30 * SECOND),
            snapshot: true,
        }
    }
}

/// What the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Numbered batches, leases, directives with ids.
    Native,
    /// Version 0.8: one batch after the other, roles in the answers, commands delivered once.
    Legacy,
}

/// Who scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Scans and audits.
    Leader,
    /// Tells only what the kernel reports, and what it is asked for.
    Follower,
}

/// One number for each lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seqs {
    /// Of [`Lane::Control`].
    pub control: u32,
    /// Of [`Lane::Realtime`].
    pub realtime: u32,
    /// Of [`Lane::Scan`].
    pub scan: u32,
}

impl Seqs {
    /// The number of one lane.
    #[must_use]
    pub const fn of(&self, lane: Lane) -> u32 {
        match lane {
            Lane::Control => self.control,
            Lane::Realtime => self.realtime,
            Lane::Scan => self.scan,
        }
    }
}

/// Which session to continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The session, as the server named it.
    pub session: Arc<str>,
    /// The life of the source that spoke in it last.
    pub epoch: u64,
    /// The last batch of each lane up to which all were acknowledged; 0: none.
    pub seqs: Seqs,
}

/// What the source is doing in the scan lane; the 0.8 dialect names its batches by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing of its own accord: listings were asked for.
    #[default]
    Idle,
    /// The first scan of everything.
    Snapshot,
    /// A later one.
    Audit,
}

/// One batch to send.
#[derive(Clone, Debug)]
pub struct Push {
    /// To be told with the reply.
    pub attempt: u64,
    /// The session.
    pub session: Arc<str>,
    /// The life of the source.
    pub epoch: u64,
    /// The lane.
    pub lane: Lane,
    /// The number in the lane.
    pub seq: u32,
    /// The lease that the sender holds; 0: none.
    pub lease: u64,
    /// The phase before the first observation.
    pub phase: Phase,
    /// The phase that begins where a scan begins.
    pub begins: Phase,
    /// The observations.
    pub events: Arc<[Event]>,
}

/// What a server asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// List a directory, and what is below it if so.
    List {
        /// The directory.
        path: ViewPath,
        /// Whether what is below is meant too.
        recursive: bool,
    },
    /// Look at one entry again.
    Recheck {
        /// The entry.
        path: ViewPath,
    },
    /// Another agent has seen a move that this host's kernel does not report.
    Moved {
        /// Where it was.
        old: ViewPath,
        /// Where it is.
        new: ViewPath,
    },
}

/// A task with the id under which it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The id.
    pub id: u64,
    /// What to do.
    pub task: Task,
}

/// A lease as a server grants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseGrant {
    /// Its number, never 0.
    pub epoch: u64,
    /// How long it is good for from the sending of the request.
    pub ttl_ns: i64,
}

/// A session as a server grants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its name.
    pub session: Arc<str>,
    /// What the server speaks.
    pub dialect: Dialect,
    /// The role.
    pub role: Role,
    /// How long the session survives without a sign of life.
    pub timeout_ns: i64,
    /// Time between two audits; `None`: no audits.
    pub audit_ns: Option<i64>,
    /// The lease of a leader.
    pub lease: Option<LeaseGrant>,
    /// Whether the server knows what this life of the source has told so far. Otherwise everything is owed anew.
    pub resumed: bool,
    /// The first batch of each lane that the server does not have; the first of all is 1.
    pub from: Seqs,
    /// Batches that may be under way at the same time.
    pub in_flight: u32,
    /// Whether the server takes audits that pass over directories that have not changed.
    pub passes: bool,
}

/// How much of the tree a scan reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Every directory, whatever was read before.
    Everything,
    /// Every directory is looked at, and read if it has changed since it was told or if its turn has come.
    Changes,
}

/// Why there is no useful answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody was reached, or the connection broke.
    Unreachable,
    /// An answer that says no for now, and when to come again if it says that.
    Refused {
        /// `Retry-After`.
        after_ns: Option<i64>,
    },
}

/// The answer to a create.
#[derive(Clone, Debug)]
pub enum CreateReply {
    /// A session.
    Granted(Grant),
    /// None.
    Failed(Failure),
}

/// What a source names as done when it has been through the whole tree to watch it.
pub const WALKED: u64 = u64::MAX;

/// The answer to a heartbeat.
#[derive(Clone, Debug)]
pub enum BeatReply {
    /// The session lives.
    Alive {
        /// The role.
        role: Role,
        /// The lease of a leader.
        lease: Option<LeaseGrant>,
        /// What to do; the same order comes again until it is acknowledged.
        orders: Vec<Order>,
        /// How long ago the scan began after which the server lacks nothing.
        complete_ns: Option<i64>,
    },
    /// The session is expired or unknown.
    Gone,
    /// No answer.
    Failed(Failure),
}

/// What became of a request that was held open.
#[derive(Clone, Debug)]
pub enum HoldReply {
    /// It was answered: in time with what there was, or at the end of its time with nothing.
    Told {
        /// What to do.
        orders: Vec<Order>,
    },
    /// Its connection broke while the server held it.
    HungUp,
    /// The session is expired or unknown.
    Gone,
    /// It was not held.
    Failed,
}

/// The answer to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushReply {
    /// Applied.
    Applied,
    /// Applied, but for the begin and end of scans: another session has the lease.
    Fenced,
    /// The session is expired or unknown.
    Gone,
    /// It will never be taken: malformed, or too large for the server.
    Rejected,
    /// No answer.
    Failed(Failure),
}

/// What the shell is to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Ask for a session.
    Create {
        /// To be told with the reply.
        attempt: u64,
        /// The session that this one continues.
        resume: Option<Resume>,
    },
    /// Send a heartbeat.
    Beat {
        /// To be told with the reply.
        attempt: u64,
        /// The session.
        session: Arc<str>,
        /// The lease held; 0: none.
        lease: u64,
        /// Orders that are done.
        acked: Vec<u64>,
    },
    /// Send a heartbeat that is answered when there is something to tell, on a connection of its own.
    Hold {
        /// To be told with the reply.
        attempt: u64,
        /// The session.
        session: Arc<str>,
    },
    /// Send a batch.
    Push(Push),
    /// Scan the whole tree.
    Scan(Reading),
    /// Watch everything, and tell nothing of what is found.
    Walk,
    /// Do what the server asks for, and tell when it is done: [`super::Client::sealed`].
    Perform(Order),
    /// An order is done and all that it found is with the server. Nothing to do in the native dialect.
    Done {
        /// The order.
        id: u64,
    },
    /// Give the session back.
    Close {
        /// The session.
        session: Arc<str>,
    },
}

/// Where a client stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Without a session since then.
    Apart {
        /// Since when.
        since: BootTime,
    },
    /// In a session.
    Joined {
        /// The role now.
        role: Role,
        /// When the last request that was answered had been sent.
        heard: BootTime,
    },
    /// Closed for good.
    Closed,
}

/// What a client has done and has before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientStatus {
    /// Where it stands.
    pub standing: Standing,
    /// Sessions granted so far, and how many of them continued another.
    pub sessions: (u64, u64),
    /// Batches acknowledged.
    pub batches: u64,
    /// Observations acknowledged.
    pub events: u64,
    /// Observations that wait.
    pub waiting: usize,
    /// Their bytes.
    pub waiting_bytes: usize,
    /// Observations that found no room and became gaps.
    pub overflowed: u64,
    /// Requests whose connection broke while the server held them.
    pub hung_up: u64,
    /// Scans of everything that were asked for, and how many the server has in full.
    pub scans: (u64, u64),
    /// Whether the source has been through the whole tree, so that it watches all of it.
    pub watches_all: bool,
    /// Orders under way.
    pub orders: usize,
}
