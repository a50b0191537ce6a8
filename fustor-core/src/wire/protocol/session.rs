//! Creating a session and keeping it alive.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::{Seconds, null_is_default, read, seconds, some_seconds};
use super::directive::NumberedDirective;
use crate::event::{Lane, RootIdentity};
use crate::id::Seq;

/// The version of what native agents add to 0.8.
pub const PROTOCOL: u32 = 2;

/// `POST …/session/`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CreateRequest {
    /// `<agent>:<agent's pipe>`.
    pub task_id: String,
    /// `fs`; means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_type: Option<String>,
    /// How long the session is to be kept without a sign of life; whole seconds.
    #[serde(default, deserialize_with = "some_seconds", skip_serializing_if = "Option::is_none")]
    pub session_timeout_seconds: Option<Seconds>,
    /// Where the agent says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_info: Option<Client>,
    /// [`PROTOCOL`]; absent: an agent of 0.8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u32>,
    /// Who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentIdentity>,
    /// What it observes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceIdentity>,
    /// The session to be continued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<ResumeFrom>,
}

/// What 0.8 knows of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The observed directory.
    #[serde(default)]
    pub source_uri: Option<String>,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<String>,
}

/// Who a native agent is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentIdentity {
    /// Its configured name.
    pub id: String,
    /// Its host.
    pub host: String,
    /// Its program's version.
    pub version: String,
    /// Its clock when it asked.
    pub clock_ns: i64,
}

/// What a native agent observes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceIdentity {
    /// What makes the root the same root on another host.
    pub root_id: RootId,
    /// The observed directory.
    pub uri: String,
    /// Whether every host that writes is watched.
    #[serde(default)]
    pub writers_watched: bool,
    /// Which life of the source.
    pub epoch: u64,
}

/// A [`RootIdentity`] as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootId {
    /// `statfs` type.
    pub fs_type: u64,
    /// `statfs` id.
    pub fs_id: u64,
    /// Inode of the root.
    pub inode: u64,
}

impl From<RootId> for RootIdentity {
    fn from(id: RootId) -> Self {
        Self { fs_type: id.fs_type, fs_id: id.fs_id, inode: id.inode }
    }
}

impl From<&RootIdentity> for RootId {
    fn from(id: &RootIdentity) -> Self {
        Self { fs_type: id.fs_type, fs_id: id.fs_id, inode: id.inode }
    }
}

/// A number for each lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneSeqs {
    /// [`Lane::Control`].
    #[serde(default)]
    pub control: u32,
    /// [`Lane::Realtime`].
    #[serde(default)]
    pub realtime: u32,
    /// [`Lane::Scan`].
    #[serde(default)]
    pub scan: u32,
}

impl LaneSeqs {
    /// The number of one lane.
    #[must_use]
    pub const fn of(self, lane: Lane) -> Seq {
        Seq(match lane {
            Lane::Control => self.control,
            Lane::Realtime => self.realtime,
            Lane::Scan => self.scan,
        })
    }

    /// These with another number for one lane.
    #[must_use]
    pub const fn with(mut self, lane: Lane, seq: Seq) -> Self {
        match lane {
            Lane::Control => self.control = seq.0,
            Lane::Realtime => self.realtime = seq.0,
            Lane::Scan => self.scan = seq.0,
        }
        self
    }
}

/// The session that an agent wants to continue, and how far it got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeFrom {
    /// The session.
    pub session_id: String,
    /// The life of the source that sealed the batches.
    pub epoch: u64,
    /// The last batch of each lane that was acknowledged.
    #[serde(default)]
    pub seq: LaneSeqs,
}

/// What a session may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It scans and audits.
    Leader,
    /// It reports what the kernel says, and waits.
    #[default]
    Follower,
}

/// The answer to [`CreateRequest`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CreateReply {
    /// The session.
    pub session_id: String,
    /// What it may do.
    pub role: Role,
    /// After how long a silence it ends. Agents of 0.8 send a heartbeat every third of it.
    #[serde(deserialize_with = "seconds")]
    pub session_timeout_seconds: Seconds,
    /// How often the leader audits.
    #[serde(default)]
    pub audit_interval_sec: Option<f64>,
    /// How often the leader asks for sentinel tasks.
    #[serde(default)]
    pub sentinel_interval_sec: Option<f64>,
    /// For people.
    #[serde(default)]
    pub message: Option<String>,
    /// [`PROTOCOL`]; absent: a fusion of 0.8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u32>,
    /// The lease, for a leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseGrant>,
    /// Whether an earlier session goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<bool>,
    /// The first batch of each lane that fusion does not have; a lane begins with 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_from: Option<LaneSeqs>,
    /// What fusion takes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Intake>,
    /// Whether an audit may pass over directories that have not changed, and say so at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passes: Option<bool>,
}

/// A lease that was granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseGrant {
    /// Its number.
    pub epoch: u64,
    /// How long it lasts, counted from when the request was sent.
    pub ttl_ms: u64,
}

/// What fusion takes at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// Bytes of a body.
    pub body_bytes: u64,
    /// Rows of a batch.
    pub rows: u64,
    /// Batches of a session on the way.
    pub in_flight: u32,
}

/// `POST …/session/{id}/heartbeat`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeartbeatRequest {
    /// Whether the agent's source reports what the kernel says.
    #[serde(default, deserialize_with = "null_is_default")]
    pub can_realtime: bool,
    /// What later agents of 0.8 say of themselves; shown to people, never acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_status: Option<Value>,
    /// The agent's clock when it asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ns: Option<i64>,
    /// The four times of the heartbeat before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
    /// The epoch of the lease that the agent believes to hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<u64>,
    /// Whether the source makes progress; absent: nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ok: Option<bool>,
    /// How much is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// How far a scan has got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The directives that are done.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub acked: Vec<u64>,
    /// For how long the answer may be held back while there is nothing to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_ms: Option<u64>,
}

impl HeartbeatRequest {
    /// Reads a body as 0.8 does: one that makes no sense is as good as none.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        read(bytes).unwrap_or_default()
    }
}

/// Four readings of two clocks: sent and received back by the agent's (`t1`, `t4`), received and answered by fusion's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The agent sent, in nanoseconds of its clock.
    pub t1: i64,
    /// Fusion received, in nanoseconds since 1970.
    pub t2: i64,
    /// Fusion answered.
    pub t3: i64,
    /// The agent received.
    pub t4: i64,
}

/// How much of a tree is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Directories that are known.
    pub directories: u64,
    /// Those with a watch.
    pub watched: u64,
    /// Those that cannot be watched or read.
    pub uncovered: u64,
}

/// How far a scan has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Entries found.
    pub entries: u64,
    /// Directories listed.
    pub directories: u64,
    /// Directories known and not yet listed.
    pub directories_left: u64,
}

/// The answer to [`HeartbeatRequest`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeartbeatReply {
    /// `ok`; agents of 0.8 take everything else for an error.
    pub status: String,
    /// What the session may do.
    #[serde(default)]
    pub role: Role,
    /// For people; null from 0.8.
    #[serde(default)]
    pub message: Option<String>,
    /// Always null.
    #[serde(default)]
    pub can_realtime: Option<bool>,
    /// On-demand scans for agents of 0.8, each told once.
    #[serde(default)]
    pub commands: Vec<ScanCommand>,
    /// Three of the four times of this exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockReply>,
    /// The lease, for a leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseGrant>,
    /// For a leader: how long ago, in milliseconds, the last scan began, if it left nothing to be listed in any view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_ms: Option<u64>,
    /// What native agents are to do; told again until acknowledged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directives: Vec<NumberedDirective>,
}

/// What fusion adds to an exchange of clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReply {
    /// What the agent's clock said when it sent, given back.
    pub t1: i64,
    /// Fusion received.
    pub t2: i64,
    /// Fusion answers.
    pub t3: i64,
}

/// A command of 0.8.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScanCommand {
    /// `scan`; agents of 0.8.17 know nothing else.
    #[serde(rename = "type")]
    pub kind: String,
    /// What to scan.
    #[serde(default)]
    pub path: String,
    /// Whether subdirectories too.
    #[serde(default)]
    pub recursive: bool,
    /// What to name when it is done.
    #[serde(default)]
    pub job_id: String,
    /// When it was asked for, in seconds since 1970.
    #[serde(default)]
    pub created_at: f64,
}
