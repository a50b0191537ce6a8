//! The settings of a process, its receivers, views and pipes. Values of [`super::read()`] refer to each other correctly.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fustor_agent::program::log::Level;
use fustor_core::query::TREE_ITEMS_DEFAULT;

use super::keys::Digest;
use crate::host::HISTORY_BYTES;

/// Everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where questions are answered.
    pub host: String,
    /// The port of that.
    pub port: u16,
    /// How much is logged.
    pub log_level: Level,
    /// Who may change things.
    pub admin_keys: Vec<Digest>,
    /// What one process takes upon itself.
    pub limits: Limits,
    /// Where agents report, by id; the disabled ones are left out.
    pub receivers: BTreeMap<String, ReceiverSettings>,
    /// The pictures, by id; the disabled ones are left out.
    pub views: BTreeMap<String, ViewSettings>,
    /// What binds the two, by id. Each names a receiver and at least one view of the above.
    pub pipes: BTreeMap<String, PipeSettings>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8101,
            log_level: Level::Info,
            admin_keys: Vec::new(),
            limits: Limits::default(),
            receivers: BTreeMap::new(),
            views: BTreeMap::new(),
            pipes: BTreeMap::new(),
        }
    }
}

/// Bounds on what strangers and agents can cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body, not compressed.
    pub body_bytes: usize,
    /// Bytes of all bodies that are being received or applied.
    pub bodies_bytes: usize,
    /// Rows of one batch.
    pub rows: usize,
    /// Connections of one port.
    pub connections: usize,
    /// How long a connection may be without a request.
    pub idle: Duration,
    /// How long nothing of a body may come.
    pub slow_body: Duration,
    /// Sessions of one storage.
    pub sessions: usize,
    /// Batches of one session that are under way.
    pub in_flight: u32,
    /// Bytes of the log of changes of one view.
    pub history_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            bodies_bytes: 512 << 20,
            rows: 1 << 20,
            connections: 4096,
            idle: Duration::from_secs(75),
            slow_body: Duration::from_secs(30),
            sessions: 1024,
            in_flight: 4,
            history_bytes: HISTORY_BYTES,
        }
    }
}

/// Where agents report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverSettings {
    /// The address.
    pub bind_host: String,
    /// The port.
    pub port: u16,
    /// Who may report, and into which pipe.
    pub keys: Vec<PushKey>,
}

/// A key that admits agents to one pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushKey {
    /// The key.
    pub digest: Digest,
    /// The pipe.
    pub pipe: String,
}

/// A picture and its limits.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewSettings {
    /// Who may ask.
    pub keys: Vec<Digest>,
    /// A file that changed less than so long ago may be incomplete.
    pub hot_file_threshold: Duration,
    /// Most entries in one answer of `/tree` or `/search`; `None`: no limit.
    pub max_tree_items: Option<u64>,
    /// How long a deletion repels older evidence.
    pub tombstone_ttl: Duration,
    /// Most entries of the view; 0: no limit.
    pub max_nodes: u64,
}

impl Default for ViewSettings {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            hot_file_threshold: Duration::from_secs(30),
            max_tree_items: Some(TREE_ITEMS_DEFAULT),
            tombstone_ttl: Duration::from_secs(3600),
            max_nodes: 0,
        }
    }
}

/// What binds agents to views.
#[derive(Clone, Debug, PartialEq)]
pub struct PipeSettings {
    /// The file that defines it.
    pub file: Arc<Path>,
    /// Where its agents report.
    pub receiver: String,
    /// What they feed, the primary view first.
    pub views: Vec<String>,
    /// What they observe: pipes with the same word share leader, lease and evidence. The pipe's own id unless said.
    pub storage: String,
    /// Whether what agents of 0.8 report was read past every cache.
    pub coherent: bool,
    /// Whether several sessions may push at a time.
    pub concurrent: bool,
    /// A session that is silent for so long ends.
    pub session_timeout: Duration,
    /// How often the leader reads everything again.
    pub audit_interval_sec: f64,
    /// How often the leader of 0.8 asks for suspects, at the most.
    pub sentinel_interval_sec: f64,
}

impl PipeSettings {
    /// Whether two pipes of one storage agree in everything that their storage has only once.
    #[must_use]
    pub fn shares_storage_with(&self, other: &Self) -> bool {
        self.views == other.views
            && self.coherent == other.coherent
            && self.concurrent == other.concurrent
            && self.session_timeout == other.session_timeout
    }
}
