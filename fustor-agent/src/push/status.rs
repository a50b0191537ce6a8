//! How a pipe fares, for whoever asks the running process.

use serde::Serialize;

/// One pipe.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PipeStatus {
    /// Its id.
    pub pipe: String,
    /// `connected`, `connecting`, `no root`, `closed`.
    pub state: &'static str,
    /// `leader` or `follower`; empty without a session.
    pub role: &'static str,
    /// The session.
    pub session: Option<String>,
    /// `native` or `0.8`; empty before the first session.
    pub dialect: &'static str,
    /// The observed directory.
    pub root: String,
    /// The address of fusion.
    pub fusion: String,
    /// Seconds since fusion was last heard of.
    pub silent_sec: Option<f64>,
    /// Sessions so far, and how many of them continued another.
    pub sessions: (u64, u64),
    /// Batches with fusion.
    pub batches: u64,
    /// Observations with fusion.
    pub events: u64,
    /// Observations that wait.
    pub waiting: usize,
    /// Their bytes.
    pub waiting_bytes: usize,
    /// Observations that found no room and became gaps.
    pub overflowed: u64,
    /// How often the connection on which fusion holds a heartbeat broke: one of the two went away.
    pub hung_up: u64,
    /// Scans of everything that were begun, and how many fusion has in full.
    pub scans: (u64, u64),
    /// Directories opened so far.
    pub directories: u64,
    /// Rows read so far.
    pub entries: u64,
    /// Directories known and not read yet.
    pub directories_left: u64,
    /// Directories watched.
    pub watched: u64,
    /// Whether the whole tree was gone through once, so that all of it is watched that can be.
    pub watches_all: bool,
    /// Reports that a directory is not covered.
    pub uncovered: u64,
    /// Directories that audits have looked at without opening them.
    pub looked: u64,
    /// Those of them that had not changed, and were passed over.
    pub silent: u64,
    /// Directories that are remembered for that.
    pub remembered: u64,
    /// For how many seconds, at most, a directory was not read in full; none before the first scan is through.
    pub oldest_reading_sec: Option<u64>,
    /// What went wrong last.
    pub trouble: Option<String>,
}
