//! What differs between two snapshots of one view.

use fustor_core::query::{ChangeLog, Changed, Difference, Limit, PAGE_MAX, Position};
use fustor_core::{Snapshot, ViewPath};

/// A log of one step holds it whatever it occupies.
const LOG_BYTES: usize = usize::MAX;

/// What differs between two snapshots of one view, renames first. More than [`fustor_core::query::DIFFERENCE_MAX`]
/// differences are one [`fustor_core::query::Op::Resync`].
#[must_use]
pub fn differences(older: &Snapshot, newer: &Snapshot) -> Vec<Changed> {
    let mut log = ChangeLog::new(older.revision(), LOG_BYTES);
    log.append(Difference::between(older, newer));
    let limit = Limit::new(PAGE_MAX).expect("the largest page is a page");
    let mut at = Position::after(older.revision());
    let mut all = Vec::new();
    while let Ok(stretch) = log.since(at) {
        let page = stretch.page(&ViewPath::root(), limit, usize::MAX);
        all.extend(page.changes);
        let Some(next) = page.next else { break };
        at = next;
    }
    all
}
