//! What a source needs to know before it starts, and why it may refuse to.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// The most scan workers that make sense: beyond it a storage is only hammered.
pub const SCAN_WORKERS_MAX: usize = 64;

/// Within which time each directory is read again unless something else is configured: a day.
pub const VERIFY_WITHIN: Duration = Duration::from_secs(86_400);

/// How a source observes its root.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// The directory that becomes `/` of the view. A symlink here is followed once, at the start.
    pub root: PathBuf,
    /// Threads that read directories: 1 to [`SCAN_WORKERS_MAX`].
    pub scan_workers: usize,
    /// How many changed paths wait, coalesced, for the host. Beyond it their directories become gaps and are listed
    /// anew.
    pub queue_capacity: usize,
    /// True: what is mounted below the root is reported as not covered, since it has an identity of its own that may
    /// vanish while the root stays. False: it is read too, except where a directory is mounted inside itself.
    pub one_file_system: bool,
    /// What is not looked at, as patterns: `name` matches names anywhere, `a/b` and `/name` paths below the root, `name/`
    /// directories only. An excluded directory is reported as not covered, what is in it and everything else that is
    /// excluded is not reported. At most [`crate::EXCLUDES_MAX`] are taken.
    pub exclude: Vec<String>,
    /// What the names of files must match, and of everything else but directories; `*`: all do.
    pub file_pattern: String,
    /// Whether everything is scanned at once. Otherwise nothing is read or watched below the root before
    /// [`crate::Source::rescan`] or [`crate::Source::walk`].
    pub scan_at_start: bool,
    /// Whether the kernel is asked for changes. Without it only scans tell anything.
    pub watch: bool,
    /// At most this many watched directories; `None`: as many as the kernel allows.
    pub max_watches: Option<usize>,
    /// Within which time [`crate::Source::audit`] reads each directory again, also if it does not change: so long a write
    /// into a file may stay unseen where the kernel does not report it. Zero: it reads everything each time. `None`:
    /// [`VERIFY_WITHIN`] where directories show that they have changed ([`crate::doctor::marks_changes`]), else zero.
    pub verify_within: Option<Duration>,
    /// A worker whose system calls do not return for this long is given up and replaced.
    pub hang_after: Duration,
    /// A file that is written without being closed is reported this often, the last time after the last write.
    pub partial_interval: Duration,
}

impl SourceConfig {
    /// The defaults for one root.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            root: root.into(),
            scan_workers: cpus.min(4),
            queue_capacity: 65_536,
            one_file_system: true,
            exclude: Vec::new(),
            file_pattern: "*".to_owned(),
            scan_at_start: true,
            watch: true,
            max_watches: None,
            verify_within: None,
            hang_after: Duration::from_secs(30),
            partial_interval: Duration::from_secs(1),
        }
    }
}

/// Why a source did not start. Nothing was observed, so nothing is known to be absent.
#[derive(Debug, Error)]
pub enum StartError {
    /// The root is missing, no directory or not readable.
    #[error("root {root} cannot be opened: {error}")]
    Root {
        /// The root as configured.
        root: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The kernel gives no more instances of its notification interface (`fs.inotify.max_user_instances`).
    #[error("the kernel refuses to watch: {0}")]
    Watch(io::Error),
    /// A thread could not be started.
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
    /// The number of workers is 0 or beyond [`SCAN_WORKERS_MAX`].
    #[error("{0} scan workers; 1 to {SCAN_WORKERS_MAX} are allowed")]
    Workers(usize),
    /// More patterns than each entry can be compared with.
    #[error("{0} patterns are excluded; at most {max} may be", max = crate::EXCLUDES_MAX)]
    Excludes(usize),
    /// A queue that holds nothing.
    #[error("a queue of {0} paths; at least 1 is needed")]
    Queue(usize),
}
