//! Snapshots and the questions to them.

use fustor_core::query::{
    FindArgs, FindError, Kinds, NotFound, SettledArgs, settled, subtree_stats,
};
use fustor_core::{Mono, Now, Snapshot, Stamp, StorageTime, TrustState};
use fustor_local::Walk;

use crate::edge::{Fault, FustorBytes, FustorStatus, Out, bytes, end, guard, lent, path};
use crate::entries::FustorEntries;
use crate::facts::FustorFacts;

/// One state of a view: immutable, usable from any thread.
pub struct FustorSnapshot(pub(crate) Snapshot);

/// The totals of a path and everything below it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FustorStats {
    /// Entries that are not directories.
    pub files: u64,
    /// Directories below the path.
    pub directories: u64,
    /// Bytes.
    pub bytes: u64,
    /// Newest mtime of a file, in nanoseconds since 1970; INT64_MIN without files.
    pub latest_mtime_ns: i64,
    /// Entries that may be incomplete.
    pub suspects: u64,
    /// Directories that were never listed completely.
    pub unlisted: u64,
    /// Directories that cannot be read.
    pub uncovered: u64,
    /// Whether nothing is amiss with this answer.
    pub trusted: bool,
}

/// Whether a subtree has come to rest.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FustorSettled {
    /// Quiet for as long as was asked, with nothing open.
    pub settled: bool,
    /// How long it has been quiet, in nanoseconds; -1 when that is not known.
    pub quiet_for_ns: i64,
    /// Entries that may be incomplete.
    pub suspects: u64,
    /// Directories that owe a listing.
    pub gaps: u64,
    /// Directories that were never listed completely.
    pub unlisted: u64,
    /// Directories that cannot be read.
    pub uncovered: u64,
}

/// What an entry must satisfy. Start from all zero, which every entry satisfies.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FustorConditions {
    /// A glob that the name matches, if there are bytes.
    pub name: FustorBytes,
    /// Bytes that the name contains, if there are any. Excludes `name`.
    pub contains: FustorBytes,
    /// Letters of kinds such as "f,l", if there are any: f file, d directory, l symlink, o other.
    pub kinds: FustorBytes,
    /// At least so many bytes.
    pub min_size: u64,
    /// At most so many bytes; 0: no limit.
    pub max_size: u64,
    /// The mtime is at or after this, in nanoseconds since 1970; 0: whenever.
    pub newer_ns: i64,
    /// The mtime is before this; 0: whenever.
    pub older_ns: i64,
    /// At most so many levels below; 0: no limit.
    pub depth: u32,
}

fn at(now_ns: i64) -> Now {
    Now { mono: Mono(now_ns), wall: Stamp(now_ns) }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn unknown(error: NotFound) -> Fault {
    Fault::new(FustorStatus::NotFound, &error)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn refused(error: FindError) -> Fault {
    let status = match &error {
        FindError::NotFound(_) => FustorStatus::NotFound,
        FindError::NotADirectory(_) => FustorStatus::NotADirectory,
        FindError::Contradiction(..)
        | FindError::Depth
        | FindError::Pattern(_)
        | FindError::Cursor(_) => FustorStatus::Argument,
    };
    Fault::new(status, &error)
}

/// What is known of the entry at a path.
///
/// # Safety
/// `snapshot` is a live handle; `path` has `path_len` bytes; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_snapshot_lookup(
    snapshot: *const FustorSnapshot,
    path: *const u8,
    path_len: usize,
    out: *mut FustorFacts,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let (snapshot, path, out) = unsafe {
            (
                lent(snapshot, "snapshot")?,
                self::path(path, path_len, "path")?,
                Out::new(out, "out")?,
            )
        };
        let row = snapshot.0.tree().lookup(&path).ok_or_else(|| unknown(NotFound(path)))?;
        out.write(FustorFacts::of(&row.facts));
        Ok(())
    })
}

/// The totals of a path and everything below it. They are kept, not counted. `now_ns` is the wall clock.
///
/// # Safety
/// As fustor_snapshot_lookup.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_snapshot_stats(
    snapshot: *const FustorSnapshot,
    path: *const u8,
    path_len: usize,
    now_ns: i64,
    out: *mut FustorStats,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let (snapshot, path, out) = unsafe {
            (
                lent(snapshot, "snapshot")?,
                self::path(path, path_len, "path")?,
                Out::new(out, "out")?,
            )
        };
        let found = subtree_stats(&snapshot.0, at(now_ns), &path).map_err(unknown)?;
        out.write(FustorStats {
            files: found.file_count,
            directories: found.dir_count,
            bytes: found.total_size,
            latest_mtime_ns: found.latest_mtime.map_or(i64::MIN, |at| at.0),
            suspects: found.suspect_count,
            unlisted: found.unlisted_count,
            uncovered: found.uncovered_count,
            trusted: found.trust.state == TrustState::Trusted,
        });
        Ok(())
    })
}

/// Whether nothing below a path changed for `quiet_sec` seconds before `now_ns`, and nothing may have changed unseen.
///
/// # Safety
/// As fustor_snapshot_lookup.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_snapshot_settled(
    snapshot: *const FustorSnapshot,
    path: *const u8,
    path_len: usize,
    quiet_sec: u64,
    now_ns: i64,
    out: *mut FustorSettled,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let (snapshot, path, out) = unsafe {
            (
                lent(snapshot, "snapshot")?,
                self::path(path, path_len, "path")?,
                Out::new(out, "out")?,
            )
        };
        let args = SettledArgs { path, quiet_sec };
        let found = settled(&snapshot.0, at(now_ns), &args).map_err(unknown)?;
        out.write(FustorSettled {
            settled: found.settled,
            quiet_for_ns: found.quiet_for_ns.unwrap_or(-1),
            suspects: found.pending.suspects,
            gaps: found.pending.gaps,
            unlisted: found.pending.unlisted,
            uncovered: found.pending.uncovered,
        });
        Ok(())
    })
}

/// The entries of one directory, by name.
///
/// # Safety
/// As fustor_snapshot_lookup.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_snapshot_list(
    snapshot: *const FustorSnapshot,
    path: *const u8,
    path_len: usize,
    out: *mut *mut FustorEntries,
) -> FustorStatus {
    // SAFETY: promised by C.
    unsafe { open(snapshot, path, path_len, out, |args| FindArgs { depth: Some(1), ..args }) }
}

/// Everything below a directory, in path order, a directory before what it holds.
///
/// # Safety
/// As fustor_snapshot_lookup.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_snapshot_walk(
    snapshot: *const FustorSnapshot,
    path: *const u8,
    path_len: usize,
    out: *mut *mut FustorEntries,
) -> FustorStatus {
    // SAFETY: promised by C.
    unsafe { open(snapshot, path, path_len, out, |args| args) }
}

/// # Safety
/// As [`fustor_snapshot_lookup`].
unsafe fn open(
    snapshot: *const FustorSnapshot,
    path: *const u8,
    path_len: usize,
    out: *mut *mut FustorEntries,
    adjust: impl FnOnce(FindArgs) -> FindArgs,
) -> FustorStatus {
    guard(|| {
        // SAFETY: the caller's promise.
        let (snapshot, path, out) = unsafe {
            (
                lent(snapshot, "snapshot")?,
                self::path(path, path_len, "path")?,
                Out::new(out, "out")?,
            )
        };
        let args = adjust(FindArgs::below(path));
        out.give(FustorEntries::new(Walk::new(&snapshot.0, &args).map_err(refused)?));
        Ok(())
    })
}

/// The entries below a directory that satisfy every condition.
///
/// # Safety
/// As fustor_snapshot_lookup; `conditions` is readable, and so are the bytes that it names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_snapshot_find(
    snapshot: *const FustorSnapshot,
    path: *const u8,
    path_len: usize,
    conditions: *const FustorConditions,
    out: *mut *mut FustorEntries,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let (snapshot, path, conditions, out) = unsafe {
            (
                lent(snapshot, "snapshot")?,
                self::path(path, path_len, "path")?,
                lent(conditions, "conditions")?,
                Out::new(out, "out")?,
            )
        };
        // SAFETY: promised by C.
        let args = unsafe { arguments(FindArgs::below(path), conditions) }?;
        out.give(FustorEntries::new(Walk::new(&snapshot.0, &args).map_err(refused)?));
        Ok(())
    })
}

/// # Safety
/// The bytes that the conditions name are readable.
unsafe fn arguments(args: FindArgs, conditions: &FustorConditions) -> Result<FindArgs, Fault> {
    let some = |part: FustorBytes, name| {
        // SAFETY: the caller's promise.
        let bytes = unsafe { bytes(part.data, part.len, name) }?;
        Ok::<_, Fault>((!bytes.is_empty()).then(|| bytes.to_vec()))
    };
    let wrong = |error| Fault::new(FustorStatus::Argument, &error);
    let kinds = some(conditions.kinds, "kinds")?;
    let kinds = kinds.map(|kinds| Kinds::parse(&String::from_utf8_lossy(&kinds))).transpose();
    Ok(FindArgs {
        name: some(conditions.name, "name")?,
        contains: some(conditions.contains, "contains")?,
        kinds: kinds.map_err(wrong)?.unwrap_or(Kinds::ALL),
        min_size: (conditions.min_size > 0).then_some(conditions.min_size),
        max_size: (conditions.max_size > 0).then_some(conditions.max_size),
        newer: (conditions.newer_ns != 0).then_some(StorageTime(conditions.newer_ns)),
        older: (conditions.older_ns != 0).then_some(StorageTime(conditions.older_ns)),
        depth: (conditions.depth > 0).then_some(conditions.depth),
        ..args
    })
}

/// Ends a snapshot; null is nothing. Entries that came from it stay.
///
/// # Safety
/// `snapshot` is null or a live handle that nobody uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_snapshot_free(snapshot: *mut FustorSnapshot) {
    // SAFETY: promised by C.
    unsafe { end(snapshot) };
}
