//! The entries of an answer, one after the other.

use fustor_core::query::Entry;
use fustor_local::Walk;

use crate::edge::{Fault, FustorStatus, Out, end, guard, lent_mut};
use crate::facts::FustorEntry;

/// Entries that are taken from the snapshot at a time.
const BATCH: usize = 256;

/// The entries of an answer. To be used by one thread at a time; keeps its snapshot.
pub struct FustorEntries {
    walk: Walk,
    batch: std::vec::IntoIter<Entry>,
    /// The one that C is looking at.
    current: Option<Entry>,
}

impl FustorEntries {
    pub(crate) fn new(walk: Walk) -> Self {
        Self { walk, batch: Vec::new().into_iter(), current: None }
    }

    fn advance(&mut self) -> Option<&Entry> {
        if self.batch.len() == 0 {
            self.batch = self.walk.next_batch(BATCH).into_iter();
        }
        self.current = self.batch.next();
        self.current.as_ref()
    }
}

/// The next entry; FUSTOR_STATUS_END when there are no more. The bytes of the entry are valid until the next call with
/// these entries.
///
/// # Safety
/// `entries` is a live handle that no other thread uses; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_entries_next(
    entries: *mut FustorEntries,
    out: *mut FustorEntry,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let (entries, out) = unsafe { (lent_mut(entries, "entries")?, Out::new(out, "out")?) };
        let Some(entry) = entries.advance() else {
            return Err(Fault::new(FustorStatus::End, &"no more entries"));
        };
        out.write(FustorEntry::of(entry));
        Ok(())
    })
}

/// Ends entries; null is nothing.
///
/// # Safety
/// `entries` is null or a live handle that nobody uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_entries_free(entries: *mut FustorEntries) {
    // SAFETY: promised by C.
    unsafe { end(entries) };
}
