//! The types at the door of a view: what agents report, what a view asks for, what it answers.

mod legacy;
mod sealed;

use crate::block::Block;
use crate::entry::Facts;
use crate::id::{Origin, StorageId};
use crate::key::Tier;
use crate::path::ViewPath;
use crate::time::{BootTime, ClockMap, Stamp, StorageTime};

pub use legacy::{
    LegacyBatch, LegacyChange, LegacyJob, LegacyKind, LegacyObservation, LegacyRow, RefusedRow,
    RowFault,
};
pub use sealed::BatchHead;

/// One observation of a source. Every `stamp` is the agent's clock read *before* the observation was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An `lstat` of one path.
    Upsert {
        /// What was looked at.
        path: ViewPath,
        /// Before the `lstat`.
        stamp: BootTime,
        /// Who says so.
        tier: Tier,
        /// What `lstat` said.
        facts: Facts,
    },
    /// The kernel said that the entry is gone, and `lstat` has confirmed it.
    Delete {
        /// What is gone, with all that was below it.
        path: ViewPath,
        /// The last moment at which the kernel queue was known to be drained.
        stamp: BootTime,
    },
    /// The kernel said that an entry, with all below it, has another name.
    Rename {
        /// Where it was.
        old: ViewPath,
        /// Where it is.
        new: ViewPath,
        /// Before the `lstat` of `new`.
        stamp: BootTime,
        /// What `lstat` of `new` said.
        facts: Facts,
    },
    /// The entries of one directory.
    Listing(Listing),
    /// Something may have been missed below `scope`.
    Gap {
        /// The subtree concerned.
        scope: ViewPath,
        /// When the loss was noticed; only listings begun later repair it.
        stamp: BootTime,
        /// Why.
        reason: GapReason,
    },
    /// A directory is not watched or cannot be read.
    Uncovered {
        /// The directory; everything below it is concerned.
        dir: ViewPath,
        /// When that was found.
        stamp: BootTime,
        /// Why.
        reason: UncoveredReason,
    },
    /// A directory that was uncovered is watched again.
    Covered {
        /// The directory.
        dir: ViewPath,
    },
    /// A scan of the whole tree begins or ends.
    Cycle {
        /// Begin or end.
        phase: CyclePhase,
        /// When.
        stamp: BootTime,
    },
    /// The source's root is gone (unmounted, replaced): nothing that follows says anything about its contents.
    RootLost {
        /// When that was noticed.
        stamp: BootTime,
    },
    /// What only agents of 0.8 say; refused in a batch of [`Fidelity::Exact`].
    Remark(Remark),
}

/// What agents of 0.8 say of absence, and of single files: it proves less than a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// The scan that is running has read this directory; what it found there are upserts of their own.
    Read {
        /// The directory.
        dir: ViewPath,
        /// Which scan.
        sweep: Sweep,
    },
    /// Somebody looked at this path and found it.
    Checked {
        /// What was looked at.
        path: ViewPath,
        /// When it was asked for, which is before anybody looked.
        stamp: BootTime,
        /// Its size, if that was said.
        size: Option<u64>,
        /// Its mtime.
        mtime: StorageTime,
    },
    /// Somebody looked at this path and found nothing.
    Missing {
        /// What was looked for.
        path: ViewPath,
        /// When it was asked for, which is before anybody looked.
        stamp: BootTime,
    },
}

/// The two scans of the whole tree that 0.8 knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sweep {
    /// Of a session that begins: every directory is read.
    Snapshot,
    /// Later ones: directories with an old mtime are passed over.
    Audit,
}

/// The entries of one directory, as one reading of it found them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The directory.
    pub dir: ViewPath,
    /// Before the directory was opened; the rows share it.
    pub stamp: BootTime,
    /// Whether every entry was read without error and the directory stood still meanwhile. Only a complete listing
    /// proves that what it lacks is gone.
    pub complete: bool,
    /// What `fstat` of the directory said.
    pub facts: Facts,
    /// The rows, ascending by name over all blocks: one block of at most [`crate::CHUNK_ROWS`] rows, or several when
    /// the directory is larger. Fusion's own columns hold nothing yet.
    pub blocks: Vec<Block>,
}

/// Why something may have been missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapReason {
    /// The kernel's event queue overflowed.
    KernelOverflow,
    /// The agent's own queue overflowed.
    AgentOverflow,
    /// A rename whose other half is not known.
    HalfRename,
    /// The agent was away.
    AgentAbsent,
    /// A rename that came too late to be applied as a move.
    StaleRename,
}

/// Why a directory is not covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UncoveredReason {
    /// The kernel's limit of watches is reached: audited only.
    WatchLimit,
    /// No permission to read it.
    Unreadable,
    /// Reading it gives an error (`EIO`, `ESTALE` …).
    Failing,
    /// It lies on another file system than the root.
    OtherFileSystem,
    /// Reading it takes longer than the deadline.
    Hanging,
    /// Deeper than [`crate::DEPTH_MAX`], or its path is longer than [`crate::PATH_MAX`].
    TooDeep,
    /// It is mounted a second time inside itself.
    Loop,
    /// Its entries changed during each of several readings, so that none was complete.
    Restless,
    /// The configuration of its agent says that it is none of our business. Nothing is missed there.
    Excluded,
}

/// The two ends of a scan of the whole tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CyclePhase {
    /// The scan begins.
    Begin,
    /// The scan ends: every directory was listed or reported.
    End,
    /// The scan ends: every directory was looked at, and listed or reported if it had changed. That one has not changed
    /// proves its names and nothing of what its files hold.
    PassEnd {
        /// Since when every directory that is not reported was listed at least once.
        read_since: BootTime,
    },
}

impl CyclePhase {
    /// Whether a scan ends, however much of it was read.
    #[must_use]
    pub const fn is_end(self) -> bool {
        match self {
            Self::Begin => false,
            Self::End | Self::PassEnd { .. } => true,
        }
    }
}

/// Which queue observations travel in, the most urgent first. Each lane numbers its sealed batches by itself and keeps
/// their order; realtime never waits behind a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Gaps, coverage, the loss of a root; attachments, resets and ticks: never behind observations.
    Control,
    /// What the kernel reported.
    Realtime,
    /// What scans found, with the begin and end of their cycles.
    Scan,
}

impl Lane {
    /// Every lane, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Control, Self::Realtime, Self::Scan];
}

/// How much the rows of a batch say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fidelity {
    /// All that `lstat` said, to the nanosecond, of names as they are.
    #[default]
    Exact,
    /// What agents of 0.8 say: symlinks are followed, special files are files, inode, links and owner are not told,
    /// times went through floats, and in names each byte that is not UTF-8 is a `?`. Columns that are not told hold
    /// [`Facts::UNTOLD_SIZE`], [`Facts::UNTOLD_TIME`] and 0. Reconciled with what is known when it is applied.
    Legacy,
}

/// What one agent sealed together: applied together, acknowledged together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The storage that was observed.
    pub storage: StorageId,
    /// Who sealed it, for identity and tie-break.
    pub origin: Origin,
    /// How the agent's clock maps to fusion's.
    pub clock: ClockMap,
    /// How old an attribute may be when the agent's mount answers from its cache, in nanoseconds; 0 for a mount that
    /// is coherent.
    pub cache_window_ns: i64,
    /// How much its rows say.
    pub fidelity: Fidelity,
    /// The observations, in any order.
    pub events: Vec<Event>,
}

/// What changes a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Observations of an agent.
    Batch(Batch),
    /// A deadline of the view has come.
    Tick,
    /// Forget everything.
    Reset,
    /// The view shows these storages and no others. Without it the storages are those that commands have named.
    Storages(Vec<StorageId>),
    /// A storage's agent is attached or gone.
    Attach {
        /// The storage.
        storage: StorageId,
        /// What its root is; `None` when its agent cannot say, which leaves what was known.
        root: Option<RootIdentity>,
        /// Whether every host that writes to the storage is watched, so that silence proves rest.
        writers_watched: bool,
    },
    /// The agent of a storage went away.
    Detach {
        /// The storage.
        storage: StorageId,
    },
    /// An administrator accepts that a storage has another root than was known: the one that was refused last, or the one
    /// that attaches next.
    AcceptRoot {
        /// The storage.
        storage: StorageId,
    },
    /// An administrator accepts what the removal guard holds at this directory.
    AcceptRemovals {
        /// The directory.
        path: ViewPath,
    },
}

/// What makes a root the same root after a restart or on another host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RootIdentity {
    /// `statfs` type of the file system.
    pub fs_type: u64,
    /// `statfs` id of the file system.
    pub fs_id: u64,
    /// Inode of the root directory.
    pub inode: u64,
}

/// What a view asks its agents to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Directive {
    /// List this directory and send a `Listing`.
    List {
        /// The storage.
        storage: StorageId,
        /// The directory.
        path: ViewPath,
        /// Whether subdirectories are to be listed too.
        recursive: bool,
    },
    /// `lstat` this path with forced sync and send an `Upsert` of tier `Scan`; when it is gone, list its parent.
    Recheck {
        /// The storage.
        storage: StorageId,
        /// The entry.
        path: ViewPath,
    },
}

/// What became of an observation. Arbitration is total: every observation gets one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It changed the tree or its evidence.
    Applied,
    /// Newer evidence of the same path is known.
    Stale,
    /// A later deletion or listing says that it is gone.
    Buried,
    /// Too old to be judged, or held by the removal guard: a listing was queued.
    Queued,
    /// It cannot be true, or there is no room.
    Refused(Refusal),
}

/// Why an observation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The root cannot be deleted, renamed or be anything but a directory.
    Root,
    /// A directory cannot move into itself.
    IntoItself,
    /// The storage's root is not the one the view knows.
    RootChanged,
    /// The view is at its limit of entries.
    Full,
    /// The blocks of a listing overlap or are out of order.
    Malformed,
}

/// How many observations got which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// [`Verdict::Applied`].
    pub applied: u64,
    /// [`Verdict::Stale`].
    pub stale: u64,
    /// [`Verdict::Buried`].
    pub buried: u64,
    /// [`Verdict::Queued`].
    pub queued: u64,
    /// [`Verdict::Refused`].
    pub refused: u64,
}

impl Verdicts {
    /// Counts one verdict.
    pub const fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Applied => self.applied += 1,
            Verdict::Stale => self.stale += 1,
            Verdict::Buried => self.buried += 1,
            Verdict::Queued => self.queued += 1,
            Verdict::Refused(_) => self.refused += 1,
        }
    }

    /// Adds the counts of another command.
    pub const fn add(&mut self, other: Self) {
        self.applied += other.applied;
        self.stale += other.stale;
        self.buried += other.buried;
        self.queued += other.queued;
        self.refused += other.refused;
    }
}

/// What a command did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// How the observations fared. One upsert, deletion, rename, gap or listing row counts as one.
    pub verdicts: Verdicts,
    /// What the agents should do next.
    pub directives: Vec<Directive>,
    /// When the view next wants a [`Command::Tick`].
    pub next_deadline: Option<Stamp>,
}
