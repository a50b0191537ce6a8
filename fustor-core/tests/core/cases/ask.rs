//! Queries in cases.

use fustor_core::Snapshot;

use super::check::Stage;

/// Asks a query and compares the answer.
pub(super) fn ask(_stage: &Stage, _snapshot: &Snapshot, text: &str) -> Result<(), String> {
    Err(format!("no such query: {text:?}"))
}
