//! What agents of 0.8 report, before anything is made of it: no stamps, times in floats, two kinds of entries.

use crate::entry::Kind;
use crate::path::{PathError, ViewPath};
use crate::time::StorageTime;

/// How an agent of 0.8 came to know, as each of its events says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LegacyKind {
    /// The kernel reported it.
    #[default]
    Realtime,
    /// The scan of a new session found it.
    Snapshot,
    /// A later scan found it.
    Audit,
    /// A scan that somebody asked for found it.
    OnDemand,
}

impl LegacyKind {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Realtime => "realtime",
            Self::Snapshot => "snapshot",
            Self::Audit => "audit",
            Self::OnDemand => "on_demand_job",
        }
    }

    /// The kind with this word, if there is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Realtime, Self::Snapshot, Self::Audit, Self::OnDemand]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

/// What an agent of 0.8 says of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LegacyChange {
    /// It is there.
    Upsert(LegacyRow),
    /// It is gone.
    Delete,
}

/// The columns of 0.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LegacyRow {
    /// [`Kind::File`] or [`Kind::Dir`]: 0.8 follows symlinks and knows nothing else.
    pub kind: Kind,
    /// Size in bytes; absent is no difference to what is known.
    pub size: Option<u64>,
    /// Last change of the contents, good to some hundred nanoseconds.
    pub mtime: StorageTime,
    /// Last change of the inode; absent is no difference to what is known.
    pub ctime: Option<StorageTime>,
    /// Whether a write is finished: false only while somebody is writing.
    pub atomic: bool,
    /// An audit found the directory unchanged and did not list it.
    pub audit_skipped: bool,
}

/// One row of an event of 0.8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyObservation {
    /// What it is about.
    pub path: ViewPath,
    /// The agent's wall clock plus its idea of drift, in milliseconds; can lie far in the past. −1: none.
    pub index_ms: i64,
    /// How the agent came to know.
    pub source: LegacyKind,
    /// What it says.
    pub change: LegacyChange,
}

/// An on-demand scan that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyJob {
    /// What was scanned, as the command named it.
    pub scan_path: String,
    /// Whose command it was.
    pub job_id: String,
}

/// One request of an agent of 0.8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegacyBatch {
    /// `message`, `snapshot`, `audit`, `on_demand_job`, `job_complete` or anything else.
    pub source_type: String,
    /// Whether a snapshot or an audit ends here.
    pub is_end: bool,
    /// The scan that this request reports as done.
    pub job: Option<LegacyJob>,
    /// The rows that make sense, in order.
    pub observations: Vec<LegacyObservation>,
    /// How many events there were; a row that was refused does not lower it.
    pub event_count: u64,
    /// The first rows that make no sense.
    pub refused: Vec<RefusedRow>,
    /// How many rows and events make no sense.
    pub refused_count: u64,
}

/// A row, or an event, that is left out while its neighbours are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// Number of the event in the request.
    pub event: u64,
    /// Number of the row in the event; `None`: the event as a whole.
    pub row: Option<u64>,
    /// What is wrong with it.
    pub reason: RowFault,
}

/// What is wrong with a row or an event of 0.8.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// Something else than a JSON object.
    #[error("not an object")]
    NoObject,
    /// A key that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value of the wrong type or out of its range.
    #[error("{key} is {value}")]
    Value {
        /// Which key.
        key: &'static str,
        /// The beginning of the value, as it was sent.
        value: String,
    },
    /// A path that is no path of a view.
    #[error(transparent)]
    Path(#[from] PathError),
}
