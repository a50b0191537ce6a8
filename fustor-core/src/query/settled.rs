//! Whether a subtree has come to rest: nothing changed for a while, and nothing may have changed unseen.

use std::fmt;

use crate::entry::{Marks, Row};
use crate::id::{DirId, Revision};
use crate::key::Tier;
use crate::path::ViewPath;
use crate::query::entry::NotFound;
use crate::query::trust::nearest_dir;
use crate::rules::Rule;
use crate::snapshot::{Snapshot, Trust, TrustReason, TrustState};
use crate::time::{Now, SECOND, Stamp};

/// How long a subtree must have been quiet when nothing is said: as long as a file that was just written counts as
/// possibly incomplete.
pub const QUIET_DEFAULT_SEC: u64 = 30;

/// Directories below one that are looked at one by one, for listings later than what is known of the whole.
const LISTED_MAX: usize = 1024;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledArgs {
    /// The subtree.
    pub path: ViewPath,
    /// How long it must have been quiet, in seconds.
    pub quiet_sec: u64,
}

/// What the knowledge of quiet rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Every writer is watched: no event means no change.
    Realtime,
    /// The last time that everything was listed.
    Listing,
}

/// What is still open in a subtree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Entries that may be incomplete.
    pub suspects: u64,
    /// Directories that owe a listing because of a gap.
    pub gaps: u64,
    /// Directories that were never listed completely.
    pub unlisted: u64,
    /// Directories that are not watched or cannot be read.
    pub uncovered: u64,
}

/// Why a subtree does not count as settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettledReason {
    /// It changed a moment ago, or was not looked at since.
    NotQuiet,
    /// It was never looked at as a whole.
    NeverVerified,
    /// Entries may be incomplete.
    Suspects,
    /// Something may have been missed.
    Gaps,
    /// Directories were never listed completely.
    Unlisted,
    /// Directories are not watched or cannot be read, here or above.
    Uncovered,
    /// Nobody feeds the view.
    Stale,
    /// The view as a whole is in doubt; the trust says why.
    Degraded,
}

impl fmt::Display for SettledReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotQuiet => "not_quiet",
            Self::NeverVerified => "never_verified",
            Self::Suspects => "suspects",
            Self::Gaps => "gaps",
            Self::Unlisted => "unlisted",
            Self::Uncovered => "uncovered",
            Self::Stale => "stale",
            Self::Degraded => "degraded",
        })
    }
}

/// Whether a subtree has come to rest, and what that rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// Quiet for as long as was asked, with nothing open: exactly when there are no reasons.
    pub settled: bool,
    /// Nanoseconds between the last change and `as_of`; `None` when either is not known.
    pub quiet_for_ns: Option<i64>,
    /// When anything last changed.
    pub last_change: Option<Stamp>,
    /// Up to when a change would be known.
    pub as_of: Option<Stamp>,
    /// What that rests on.
    pub basis: Basis,
    /// What is open.
    pub pending: Pending,
    /// Why it is not settled.
    pub reasons: Vec<SettledReason>,
    /// The revision that this was read from.
    pub revision: Revision,
    /// How far it can be trusted.
    pub trust: Trust,
}

/// Whether the subtree at a path has come to rest; O(depth), whatever its size, but for a bounded look at the directories
/// of a small one whose writers are not all watched.
///
/// # Errors
/// [`NotFound`] when nothing is known there.
pub fn settled(snapshot: &Snapshot, now: Now, args: &SettledArgs) -> Result<Settled, NotFound> {
    let row = snapshot.tree().lookup(&args.path).ok_or_else(|| NotFound(args.path.clone()))?;
    let dir = nearest_dir(snapshot, &args.path);
    let trust = snapshot.trust(now, dir);
    let mut pending = pending(snapshot, &row, dir);
    if !snapshot.rules().hold(Rule::SuspectsAreUnsettled) {
        pending.suspects = 0;
    }
    let (basis, as_of) = as_of(snapshot, now, dir);
    let last_change = last_change(snapshot, &row, dir);
    let quiet_for_ns = as_of.zip(last_change).map(|(as_of, change)| as_of.since(change));
    let wanted = i64::try_from(args.quiet_sec).unwrap_or(i64::MAX).saturating_mul(SECOND);
    let mut reasons = Vec::new();
    if quiet_for_ns.is_some_and(|quiet| quiet < wanted) {
        reasons.push(SettledReason::NotQuiet);
    }
    if as_of.is_none() {
        reasons.push(SettledReason::NeverVerified);
    }
    open(&pending, &trust, &mut reasons);
    Ok(Settled {
        settled: reasons.is_empty(),
        quiet_for_ns,
        last_change,
        as_of,
        basis,
        pending,
        reasons,
        revision: snapshot.revision(),
        trust,
    })
}

fn pending(snapshot: &Snapshot, row: &Row<'_>, dir: DirId) -> Pending {
    let meta = snapshot.tree().meta(dir);
    if row.child == DirId::NONE {
        return Pending {
            suspects: u64::from(row.marks.has(Marks::SUSPECT)),
            gaps: u64::from(meta.owes_listing()),
            unlisted: u64::from(meta.awaits_listing()),
            uncovered: 0,
        };
    }
    Pending {
        suspects: u64::from(meta.totals.suspects),
        gaps: u64::from(meta.totals.gaps),
        unlisted: u64::from(meta.totals.unlisted),
        uncovered: u64::from(meta.totals.uncovered),
    }
}

/// Up to when a change would be known. A listing proves only what stood still until it began, and that a directory has
/// not changed proves nothing of writes into its files: so it is the oldest listing of what is below. What a cache may have
/// answered counts from as much earlier.
fn as_of(snapshot: &Snapshot, now: Now, dir: DirId) -> (Basis, Option<Stamp>) {
    if snapshot.writers_watched_below(dir) || !snapshot.rules().hold(Rule::SilenceProvesLittle) {
        return (Basis::Realtime, Some(now.wall));
    }
    (Basis::Listing, snapshot.read_since(dir).max(snapshot.listed_since(dir, LISTED_MAX)))
}

/// A file's own change is the later of its times, which the storage wrote; it cannot lie after the observation. That of a
/// directory counts beside what is below it: an empty one has nothing else, and its times move with its entries.
fn last_change(snapshot: &Snapshot, row: &Row<'_>, dir: DirId) -> Option<Stamp> {
    let window_ns = if row.key.tier() == Tier::Scan { snapshot.window_below(dir) } else { 0 };
    let seen = row.key.stamp().plus(window_ns);
    let own = Stamp(row.facts.mtime.max(row.facts.ctime).0).min(seen);
    let at = if row.child == DirId::NONE {
        own
    } else {
        own.max(snapshot.tree().meta(row.child).totals.last_change)
    };
    Some(at).filter(|at| *at > Stamp::MIN)
}

fn open(pending: &Pending, trust: &Trust, reasons: &mut Vec<SettledReason>) {
    let above = trust.reasons.contains(&TrustReason::Uncovered);
    let counts = [
        (pending.suspects > 0, SettledReason::Suspects),
        (pending.gaps > 0, SettledReason::Gaps),
        (pending.unlisted > 0, SettledReason::Unlisted),
        (pending.uncovered > 0 || above, SettledReason::Uncovered),
    ];
    reasons.extend(counts.into_iter().filter(|(open, _)| *open).map(|(_, reason)| reason));
    match trust.state {
        TrustState::Trusted | TrustState::Syncing { .. } => {}
        TrustState::Stale { .. } => reasons.push(SettledReason::Stale),
        TrustState::Degraded => reasons.push(SettledReason::Degraded),
    }
}
