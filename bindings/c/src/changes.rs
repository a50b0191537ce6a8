//! What differs between two snapshots, one difference after the other.

use fustor_core::query::{Changed, Op};
use fustor_local::differences;

use crate::edge::{Fault, FustorBytes, FustorStatus, Out, end, guard, lent, lent_mut};
use crate::snapshot::FustorSnapshot;

/// It is new, or other than it was.
pub const FUSTOR_CHANGE_UPSERT: u8 = 0;
/// It is gone, with all below it.
pub const FUSTOR_CHANGE_REMOVE: u8 = 1;
/// A directory has another path, with all below it.
pub const FUSTOR_CHANGE_RENAME: u8 = 2;
/// More than is told one by one: everything may differ.
pub const FUSTOR_CHANGE_RESYNC: u8 = 3;

/// The differences between two snapshots. To be used by one thread at a time.
pub struct FustorChanges {
    changes: Vec<Changed>,
    at: usize,
}

/// One difference. Its bytes belong to the changes that it came from.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FustorChange {
    /// To which path something happened.
    pub path: FustorBytes,
    /// Of a rename: the path it had. Else without bytes.
    pub old_path: FustorBytes,
    /// One of FUSTOR_CHANGE_*.
    pub op: u8,
}

impl FustorChange {
    fn of(changed: &Changed) -> Self {
        let bytes = |bytes: &[u8]| FustorBytes { data: bytes.as_ptr(), len: bytes.len() };
        let (op, old_path): (_, &[u8]) = match &changed.op {
            Op::Upsert => (FUSTOR_CHANGE_UPSERT, b""),
            Op::Remove => (FUSTOR_CHANGE_REMOVE, b""),
            Op::Rename { from } => (FUSTOR_CHANGE_RENAME, from),
            Op::Resync => (FUSTOR_CHANGE_RESYNC, b""),
        };
        Self { path: bytes(&changed.path), old_path: bytes(old_path), op }
    }
}

/// What differs between two snapshots of one view, renames first. More than 65 536 of them are told as one
/// FUSTOR_CHANGE_RESYNC.
///
/// # Safety
/// `older` and `newer` are live handles; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_snapshot_changes(
    older: *const FustorSnapshot,
    newer: *const FustorSnapshot,
    out: *mut *mut FustorChanges,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let (older, newer, out) =
            unsafe { (lent(older, "older")?, lent(newer, "newer")?, Out::new(out, "out")?) };
        if older.0.revision().incarnation != newer.0.revision().incarnation {
            return Err(Fault::new(FustorStatus::Argument, &"the snapshots are of two views"));
        }
        let changes = differences(&older.0, &newer.0);
        out.give(FustorChanges { changes, at: 0 });
        Ok(())
    })
}

/// The next difference; FUSTOR_STATUS_END when there are no more. Its bytes are valid until the changes are freed.
///
/// # Safety
/// `changes` is a live handle that no other thread uses; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_changes_next(
    changes: *mut FustorChanges,
    out: *mut FustorChange,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let (changes, out) = unsafe { (lent_mut(changes, "changes")?, Out::new(out, "out")?) };
        let Some(changed) = changes.changes.get(changes.at) else {
            return Err(Fault::new(FustorStatus::End, &"no more changes"));
        };
        changes.at += 1;
        out.write(FustorChange::of(changed));
        Ok(())
    })
}

/// Ends changes; null is nothing.
///
/// # Safety
/// `changes` is null or a live handle that nobody uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_changes_free(changes: *mut FustorChanges) {
    // SAFETY: promised by C.
    unsafe { end(changes) };
}
