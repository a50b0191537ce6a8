//! Answers as types. Members that are not known yet are passed over, so that a newer fusion can be asked.

use fustor_core::query::decode_base64;
use serde::Deserialize;
use serde_json::{Map, Value};

/// How far an answer can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Trust {
    /// `trusted`, `syncing`, `stale` or `degraded`.
    pub state: String,
    /// What is amiss.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Since when nobody feeds the view.
    pub since_ns: Option<i64>,
}

impl Trust {
    /// Whether nothing is amiss.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.state == "trusted"
    }
}

/// One entry of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// The name, readable; empty for the root.
    pub name: String,
    /// The whole path, readable.
    pub path: String,
    /// The whole path exactly, when it is not UTF-8.
    pub path_b64: Option<String>,
    /// `directory` or `file`, as 0.8 says.
    pub content_type: String,
    /// What it is, when it is neither a directory nor a regular file.
    pub kind: Option<String>,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
    /// Last change of the contents, in nanoseconds since 1970.
    #[serde(default)]
    pub modified_time_ns: i64,
    /// Last change of the inode.
    #[serde(default)]
    pub created_time_ns: i64,
    /// Whether it may be incomplete.
    #[serde(default)]
    pub integrity_suspect: bool,
    /// Whether only scans have seen it.
    #[serde(default)]
    pub agent_missing: bool,
    /// The inode.
    #[serde(default)]
    pub inode: u64,
    /// Names of the inode.
    #[serde(default)]
    pub nlink: u32,
    /// Permission bits.
    #[serde(default)]
    pub mode: u32,
    /// Owner.
    #[serde(default)]
    pub uid: u32,
    /// Group.
    #[serde(default)]
    pub gid: u32,
}

impl Entry {
    /// The whole path as it is.
    #[must_use]
    pub fn path_bytes(&self) -> Vec<u8> {
        exact(&self.path, self.path_b64.as_deref())
    }

    /// What it is: `directory`, `file`, `symlink`, `fifo`, `socket`, `block_device`, `char_device` or `unknown`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or(&self.content_type)
    }
}

fn exact(path: &str, b64: Option<&str>) -> Vec<u8> {
    let bytes = b64.and_then(|text| decode_base64("path_b64", text).ok());
    bytes.unwrap_or_else(|| path.as_bytes().to_vec())
}

/// One page of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Page {
    /// The revision that answered.
    pub revision: String,
    /// How far it can be trusted.
    pub trust: Trust,
    /// The entries.
    pub entries: Vec<Entry>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// The totals of a view.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Stats {
    /// Entries that are not directories.
    pub total_files: u64,
    /// Directories, with the root.
    pub total_directories: u64,
    /// Bytes.
    pub total_size: u64,
    /// How far the newest applied observation was behind its application.
    pub latency_ms: f64,
    /// How far the view lies behind the storage.
    pub staleness_seconds: f64,
    /// Whether anything is known by scans only.
    pub has_blind_spot: bool,
    /// Entries that may be incomplete.
    pub suspect_file_count: u64,
    /// Scans of the whole tree so far.
    pub audit_cycle_count: u64,
    /// Whether one is going on.
    pub is_auditing: bool,
    /// Whether entries were refused for want of room.
    #[serde(default)]
    pub truncated: bool,
    /// The revision that answered.
    pub revision: String,
}

/// The totals of one path and everything below it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SubtreeStats {
    /// Entries that are not directories.
    pub file_count: u64,
    /// Directories below the path.
    pub dir_count: u64,
    /// Bytes.
    pub total_size: u64,
    /// Newest mtime of a file, in nanoseconds.
    pub latest_mtime_ns: Option<i64>,
    /// When anything here last changed.
    pub last_change_ns: Option<i64>,
    /// Entries that may be incomplete.
    pub suspect_count: u64,
    /// Entries known by scans only.
    pub blind_spot_count: u64,
    /// Directories that owe a listing.
    pub gap_count: u64,
    /// Directories that were never listed completely.
    pub unlisted_count: u64,
    /// Directories that are not watched or cannot be read.
    pub uncovered_count: u64,
    /// The revision that answered.
    pub revision: String,
    /// How far it can be trusted.
    pub trust: Trust,
}

/// What is below a directory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Totals {
    /// Entries that are not directories.
    pub files: u64,
    /// Directories.
    pub dirs: u64,
    /// Bytes.
    pub bytes: u64,
    /// When anything last changed.
    pub last_change_ns: Option<i64>,
}

/// Everything known of one entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    /// The entry.
    #[serde(flatten)]
    pub entry: Entry,
    /// Until when it counts as possibly incomplete.
    pub suspect_until_ns: Option<i64>,
    /// When it was last observed.
    pub confirmed_at_ns: Option<i64>,
    /// Of a directory: when its newest complete listing began.
    pub listed_at_ns: Option<i64>,
    /// Of a directory: what is below it.
    pub below: Option<Totals>,
    /// The revision that answered.
    pub revision: String,
    /// How far it can be trusted.
    pub trust: Trust,
}

/// What is still open in a subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Pending {
    /// Entries that may be incomplete.
    pub suspects: u64,
    /// Directories that owe a listing.
    pub gaps: u64,
    /// Directories that were never listed completely.
    pub unlisted: u64,
    /// Directories that are not watched or cannot be read.
    pub uncovered: u64,
}

/// Whether a subtree has come to rest.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Settled {
    /// Quiet for as long as was asked, with nothing open.
    pub settled: bool,
    /// How long it has been quiet.
    pub quiet_for_sec: Option<f64>,
    /// When anything last changed.
    pub last_change_ns: Option<i64>,
    /// Up to when a change would be known.
    pub as_of_ns: Option<i64>,
    /// `realtime` or `listing`.
    pub basis: String,
    /// What is open.
    pub pending: Pending,
    /// Why it is not settled.
    pub reasons: Vec<String>,
    /// The revision that answered.
    pub revision: String,
    /// How far it can be trusted.
    pub trust: Trust,
}

/// One difference between two revisions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Change {
    /// `upsert`, `remove`, `rename` or `resync`: more than is told one by one.
    pub op: String,
    /// The path, readable.
    pub path: String,
    /// The path exactly, when it is not UTF-8.
    pub path_b64: Option<String>,
    /// Of a rename: the path it had, readable.
    pub from: Option<String>,
    /// The same exactly, when it is not UTF-8.
    pub from_b64: Option<String>,
}

impl Change {
    /// The path as it is.
    #[must_use]
    pub fn path_bytes(&self) -> Vec<u8> {
        exact(&self.path, self.path_b64.as_deref())
    }

    /// Of a rename: the path it had, as it is.
    #[must_use]
    pub fn from_bytes(&self) -> Option<Vec<u8>> {
        self.from.as_deref().map(|from| exact(from, self.from_b64.as_deref()))
    }
}

/// What differs between two revisions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Changes {
    /// The older revision.
    pub from: String,
    /// The newer one: what to ask with once there is no `next`.
    pub to: String,
    /// The differences.
    pub changes: Vec<Change>,
    /// What to ask with for the next page.
    pub next: Option<String>,
}

/// A child and its measure.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TopEntry {
    /// The child.
    #[serde(flatten)]
    pub entry: Entry,
    /// Asked by size: the bytes.
    pub total_size: Option<u64>,
    /// Asked by files: how many.
    pub file_count: Option<u64>,
    /// Asked by change: when, in nanoseconds.
    pub last_change_ns: Option<i64>,
}

/// The greatest children of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TopPage {
    /// The children, the greatest first.
    pub entries: Vec<TopEntry>,
    /// The revision that answered.
    pub revision: String,
    /// How far it can be trusted.
    pub trust: Trust,
}

/// An entry with what is below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TreeNode {
    /// The entry.
    #[serde(flatten)]
    pub entry: Entry,
    /// What it holds; `None` where the answer does not go further.
    pub children: Option<Vec<Self>>,
}

/// What only scans know of.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct BlindSpots {
    /// How many entries only scans have seen.
    pub additions_count: u64,
    /// The first of them.
    pub additions: Vec<Entry>,
    /// How many removals only scans have found.
    pub deletion_count: u64,
    /// The paths of the first of them, readable.
    pub deletions: Vec<String>,
    /// Whether there are more than are named.
    pub truncated: bool,
}

/// An entry that may be incomplete.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Suspect {
    /// The path, readable.
    pub path: String,
    /// The path exactly, when it is not UTF-8.
    pub path_b64: Option<String>,
    /// When it is looked at again, in seconds since 1970.
    pub suspect_until: f64,
}

/// One page of entries that may be incomplete.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspects {
    /// The entries, the earliest deadline first.
    pub entries: Vec<Suspect>,
    /// The offset of the next page.
    pub next: Option<u64>,
}

/// What the picture of a view is worth.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Health {
    /// The view.
    pub view: String,
    /// The revision that answered.
    pub revision: String,
    /// Whether an agent feeds it.
    pub attached: bool,
    /// Whether the first scan is through.
    pub first_scan_complete: bool,
    /// Entries that are not directories.
    pub files: u64,
    /// Directories, with the root.
    pub directories: u64,
    /// Bytes.
    pub bytes: u64,
    /// Everything else that fusion says.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A session that feeds a view.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ViewSession {
    /// Its id.
    pub session_id: String,
    /// The agent.
    pub agent_id: String,
    /// `leader` or `follower`.
    pub role: String,
    /// Everything else that fusion says.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// How far a scan on demand is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct JobProgress {
    /// Pipes that are done.
    pub completed_pipes: u64,
    /// Pipes in all.
    pub total_pipes: u64,
    /// The same in percent.
    pub percentage: f64,
}

/// A scan on demand.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Job {
    /// Its id.
    pub job_id: String,
    /// What is scanned, readable.
    #[serde(default)]
    pub path: String,
    /// Whether what is below is scanned too.
    #[serde(default)]
    pub recursive: bool,
    /// `PENDING`, `RUNNING`, `COMPLETED`, `PARTIAL` or `FAILED`.
    #[serde(default)]
    pub status: String,
    /// Why it did not do everything.
    pub reason: Option<String>,
    /// How far it is.
    pub progress: Option<JobProgress>,
}
