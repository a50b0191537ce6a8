//! The types at the door of the sessions: what agents say, what they are answered, and the limits.

use crate::event::{Directive, Lane, RootIdentity};
use crate::id::{AgentId, JobId, Origin, Seq, SessionId, StorageId};
use crate::path::ViewPath;
use crate::rules::{Rule, Rules};
use crate::time::{BootTime, ClockMap, SECOND, Stamp};

/// How long sessions and leases live and how much one agent may have under way. Every value is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterConfig {
    /// A session that is silent for this long ends; an agent may ask for more, up to [`TIMEOUT_MAX_NS`].
    pub timeout_ns: i64,
    /// How long a lease lasts without a heartbeat of its holder.
    pub lease_ttl_ns: i64,
    /// The same for agents of 0.8, whose heartbeats are rarer.
    pub legacy_lease_ttl_ns: i64,
    /// A leader whose source has stood still for this long, with work to do, loses the lease when another can lead.
    pub source_stall_ns: i64,
    /// Whether several sessions may push, each with several batches under way. Otherwise one session, one batch.
    pub concurrent: bool,
    /// Batches of one session that may be under way.
    pub in_flight: u32,
    /// Sessions at a time.
    pub max_sessions: usize,
    /// A rule that is switched off.
    #[cfg(feature = "mutants")]
    pub broken: Option<Rule>,
}

/// A session lasts at most this long without a sign of life, whatever its agent asks for.
pub const TIMEOUT_MAX_NS: i64 = 3600 * SECOND;
/// What an agent of 0.8 is told as its session timeout: it beats three times in it. Its session is kept for the
/// configured time all the same.
pub const LEGACY_TIMEOUT_ANSWER_NS: i64 = 6 * SECOND;

impl Default for RosterConfig {
    fn default() -> Self {
        Self {
            timeout_ns: 30 * SECOND,
            lease_ttl_ns: 3 * SECOND,
            legacy_lease_ttl_ns: 6 * SECOND,
            source_stall_ns: 3 * SECOND,
            concurrent: true,
            in_flight: 4,
            max_sessions: 1024,
            #[cfg(feature = "mutants")]
            broken: None,
        }
    }
}

impl RosterConfig {
    /// The rules that hold.
    #[cfg(feature = "mutants")]
    pub(super) const fn rules(&self) -> Rules {
        Rules::but(self.broken)
    }

    /// The rules that hold: all of them.
    #[cfg(not(feature = "mutants"))]
    #[expect(clippy::unused_self, reason = "the other half of a pair")]
    pub(super) const fn rules(&self) -> Rules {
        Rules::ALL
    }

    /// Whether a rule holds; a test may switch one off.
    pub(super) fn holds(&self, rule: Rule) -> bool {
        self.rules().hold(rule)
    }

    /// How long a session lives whose agent asks for this.
    pub(super) fn timeout(&self, asked_ns: Option<i64>) -> i64 {
        let longest = TIMEOUT_MAX_NS.max(self.timeout_ns);
        asked_ns.unwrap_or(self.timeout_ns).max(self.timeout_ns).min(longest)
    }
}

/// What an agent asks for when it opens a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSession {
    /// The id of the session, should a new one come about: 128 random bits of the shell.
    pub id: SessionId,
    /// The agent, numbered by the shell per name.
    pub agent: AgentId,
    /// `agent:pipe`, as the agent calls itself.
    pub task: String,
    /// Where the request came from.
    pub client: Option<String>,
    /// What the agent observes, in its own words.
    pub uri: Option<String>,
    /// The timeout that the agent asks for; the longer of this and the configured one counts.
    pub timeout_ns: Option<i64>,
    /// What kind of agent it is.
    pub peer: Peer,
}

/// The two kinds of agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Fustor 0.8: no clock, no root identity, no numbered batches, no lease.
    Legacy,
    /// This project's agent.
    Native(NativePeer),
}

/// What a native agent says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativePeer {
    /// Its name.
    pub agent: String,
    /// The host it runs on.
    pub host: String,
    /// Its version.
    pub version: String,
    /// Its clock, just before it sent the request.
    pub clock: BootTime,
    /// What its root is.
    pub root: RootIdentity,
    /// Whether it sees every change that anybody makes to its storage.
    pub writers_watched: bool,
    /// Which life of its source this is; greater than those before.
    pub source_epoch: u64,
    /// The session that it wants to go on with.
    pub resume: Option<Resume>,
}

/// Where an agent stood when it last heard from fusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Its session then.
    pub session: SessionId,
    /// The life of its source then.
    pub source_epoch: u64,
    /// The last batch of each lane up to which everything was acknowledged; 0 for none.
    pub acknowledged: LaneSeqs,
}

/// One sequence number per lane. The first batch of a lane has number 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneSeqs {
    /// Of [`Lane::Control`].
    pub control: Seq,
    /// Of [`Lane::Realtime`].
    pub realtime: Seq,
    /// Of [`Lane::Scan`].
    pub scan: Seq,
}

impl LaneSeqs {
    /// The number of one lane.
    #[must_use]
    pub const fn of(self, lane: Lane) -> Seq {
        match lane {
            Lane::Control => self.control,
            Lane::Realtime => self.realtime,
            Lane::Scan => self.scan,
        }
    }
}

/// Whether a session has the duties of its storage: cycles, audits, sentinel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It holds the lease.
    Leader,
    /// Another one does, or nobody.
    Follower,
}

/// The right to the duties of a storage, as the holder is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which lease this is; never given to two sessions.
    pub epoch: u64,
    /// For how long, counted by the holder from when it sent the request that this answers.
    pub ttl_ns: i64,
}

/// The answer to [`CreateSession`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The session: the one that was asked to be resumed where it still lives, else the id that the shell supplied.
    pub session: SessionId,
    /// Its role.
    pub role: Role,
    /// The lease, when it leads and is a native agent.
    pub lease: Option<Grant>,
    /// The timeout to answer.
    pub timeout_ns: i64,
    /// Whether fusion knows this life of the source, so that the spool is all it needs. When false the agent must
    /// report everything anew.
    pub resumed: bool,
    /// The first batch of each lane that fusion does not have.
    pub resume_from: LaneSeqs,
    /// Its root is not the one that is known: heartbeats only.
    pub root_changed: bool,
    /// Batches that it may have under way.
    pub in_flight: u32,
}

/// Why no session was opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// One session only, and there is one. 409.
    #[error("locked by session {holder}: concurrent push is disabled")]
    Locked {
        /// The session that is there.
        holder: SessionId,
    },
    /// A second live instance of one agent. 409.
    #[error("agent {agent} runs on {other} already; this instance is on {host}")]
    Duplicate {
        /// The agent.
        agent: String,
        /// Where the refused instance runs.
        host: String,
        /// Where the live one runs.
        other: String,
    },
    /// No room for another session. 429.
    #[error("{limit} sessions are open already")]
    Full {
        /// The limit.
        limit: usize,
    },
    /// The id that the shell supplied is in use.
    #[error("session {0} exists already")]
    Taken(SessionId),
}

/// Why a session does not answer. 419.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Never seen, or long forgotten, or replaced by its agent.
    #[error("session {0} is not known")]
    Unknown(SessionId),
    /// It was silent for too long.
    #[error("session {0} has expired")]
    Expired(SessionId),
}

/// A heartbeat. The default is one that says nothing but "I live".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// Whether the agent reports changes as they happen.
    pub can_realtime: bool,
    /// Its clock, just before it sent this.
    pub clock: Option<BootTime>,
    /// The four times of an earlier exchange, now that the agent knows the last of them. Not of a held request.
    pub exchange: Option<Exchange>,
    /// Whether its source makes progress, or has nothing to do; `None` says nothing.
    pub source_ok: Option<bool>,
    /// What it watches.
    pub coverage: Option<Coverage>,
    /// How far its scan is.
    pub progress: Option<Progress>,
    /// Orders that were carried out since the last heartbeat that was answered.
    pub acked: Vec<Ack>,
}

/// The four times of one exchange between an agent and fusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The agent sends.
    pub t1: BootTime,
    /// Fusion receives.
    pub t2: Stamp,
    /// Fusion answers.
    pub t3: Stamp,
    /// The agent receives.
    pub t4: BootTime,
}

/// How much of its storage an agent watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Directories known.
    pub directories: u64,
    /// Directories watched.
    pub watched: u64,
    /// Directories that are not covered at all.
    pub uncovered: u64,
}

/// How far a scan is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries found.
    pub entries: u64,
    /// Directories listed.
    pub directories: u64,
    /// Directories known to be left.
    pub directories_left: u64,
}

/// How an order ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Carried out.
    Completed,
    /// Carried out in part, and why not further.
    Partial(String),
    /// Not carried out, and why.
    Failed(String),
}

/// One order that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The number of the order.
    pub id: u64,
    /// How it ended.
    pub ending: Ending,
}

impl From<u64> for Ack {
    fn from(id: u64) -> Self {
        Self { id, ending: Ending::Completed }
    }
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// The session's role.
    pub role: Role,
    /// The lease, when it leads and is a native agent.
    pub lease: Option<Grant>,
    /// When the heartbeat came, for the exchange of clocks; the shell adds when it answers.
    pub received: Stamp,
    /// What a native agent has to do, new and redelivered.
    pub orders: Vec<Order>,
    /// What an agent of 0.8 has to do; each is delivered once.
    pub scans: Vec<ScanCommand>,
    /// Its root is not the one that is known.
    pub root_changed: bool,
}

/// One thing to do, delivered until it is acknowledged by its number and carried out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number, unique in the life of the roster.
    pub id: u64,
    /// What to do.
    pub task: Task,
}

/// What an agent is to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// What a view asks for.
    Do(Directive),
    /// Another agent of the storage reported this rename, and it was applied.
    Moved {
        /// Where it was.
        old: ViewPath,
        /// Where it is.
        new: ViewPath,
    },
}

/// A scan on demand in the words of 0.8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanCommand {
    /// The job that it belongs to.
    pub job: JobId,
    /// What to scan.
    pub path: ViewPath,
    /// Whether to descend.
    pub recursive: bool,
    /// When it was asked for.
    pub created: Stamp,
}

/// What the roster must know of a sealed batch before it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The life of the source that sealed it.
    pub source_epoch: u64,
    /// Its lane.
    pub lane: Lane,
    /// Its number in that lane.
    pub seq: Seq,
    /// The epoch of the lease that the sender believes to hold; 0 for none.
    pub lease: u64,
}

/// How a batch is to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Whether it is to be applied. When false it was applied before and is acknowledged again; nothing is under way
    /// then, and neither [`super::Roster::applied`] nor [`super::Roster::abandoned`] follows.
    pub fresh: bool,
    /// Who sealed it. Its `seq`, with the lane, names it in [`super::Roster::applied`].
    pub origin: Origin,
    /// How the agent's clock maps to fusion's. For an agent of 0.8 the identity: it has no clock that could be mapped.
    pub clock: ClockMap,
    /// The storage that was observed.
    pub storage: StorageId,
    /// What of its duties counts.
    pub duties: Duties,
}

/// Whether the begin and end of cycles in a batch count. Evidence always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duties {
    /// The sender holds the lease.
    Allowed,
    /// It does not: they are dropped, and if there were any the answer is 409 with this epoch.
    Refused {
        /// The lease as it is now; 0 before the first.
        epoch: u64,
    },
}

/// Why a batch was not admitted. It may be sent again in each case but `StaleSource` and `RootChanged`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// 419.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// As many batches as are allowed are under way. 429, or 409 when the limit is one for all.
    #[error("{limit} batches of session {holder} are under way already")]
    InFlight {
        /// The limit.
        limit: u32,
        /// Whose batches those are.
        holder: SessionId,
    },
    /// This very batch is being applied just now. 429.
    #[error("batch {seq} is being applied")]
    Pending {
        /// Its number.
        seq: Seq,
    },
    /// Too far beyond the first batch that is missing. 429.
    #[error("batch {seq} is too far ahead of {expected}, which is missing")]
    Ahead {
        /// Its number.
        seq: Seq,
        /// The first one that is missing.
        expected: Seq,
    },
    /// Batches are numbered from 1. 422.
    #[error("batches are numbered from 1")]
    Unnumbered,
    /// Sealed by another life of the source than the session's. 409.
    #[error("sealed by life {sent} of the source; the session belongs to life {current}")]
    StaleSource {
        /// Whose batch it is.
        sent: u64,
        /// Whose session it is.
        current: u64,
    },
    /// The session's root is not the one that is known: heartbeats only. 409.
    #[error("the root is not the one that is known")]
    RootChanged,
    /// A batch of the other kind of agent than the session's. 409.
    #[error("the session belongs to the other kind of agent")]
    OtherKind,
}

/// How far a storage is, for the readiness that 0.8 knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sync {
    /// Nobody holds the lease.
    NoLeader,
    /// The leader has not completed a cycle yet.
    Syncing,
    /// It has.
    Complete,
}
