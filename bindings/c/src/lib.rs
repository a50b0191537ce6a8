//! The C library: `fustor.h`, written from this file and those below it.
//!
//! Conventions. A function that can fail returns a [`FustorStatus`]; [`fustor_last_error`] says more. Results come last
//! and are untouched on failure. Every pointer is checked for null. A handle is owned by its caller from `_new` (or the
//! function that gave it) to `_free`. No panic crosses the edge.

mod changes;
mod edge;
mod entries;
mod events;
mod facts;
mod snapshot;
mod view;

pub use changes::{
    FUSTOR_CHANGE_REMOVE, FUSTOR_CHANGE_RENAME, FUSTOR_CHANGE_RESYNC, FUSTOR_CHANGE_UPSERT,
    FustorChange, FustorChanges, fustor_changes_free, fustor_changes_next, fustor_snapshot_changes,
};
pub use edge::{FustorBytes, FustorStatus, fustor_last_error, fustor_version};
pub use entries::{FustorEntries, fustor_entries_free, fustor_entries_next};
pub use events::{
    FustorEvents, fustor_events_add_delete, fustor_events_add_listing, fustor_events_add_row,
    fustor_events_add_upsert, fustor_events_free, fustor_events_new,
};
pub use facts::{
    FUSTOR_KIND_BLOCK_DEVICE, FUSTOR_KIND_CHAR_DEVICE, FUSTOR_KIND_DIRECTORY, FUSTOR_KIND_FIFO,
    FUSTOR_KIND_FILE, FUSTOR_KIND_SOCKET, FUSTOR_KIND_SYMLINK, FUSTOR_KIND_UNKNOWN, FustorEntry,
    FustorFacts,
};
pub use snapshot::{
    FustorConditions, FustorSettled, FustorSnapshot, FustorStats, fustor_snapshot_find,
    fustor_snapshot_free, fustor_snapshot_list, fustor_snapshot_lookup, fustor_snapshot_settled,
    fustor_snapshot_stats, fustor_snapshot_walk,
};
pub use view::{
    FustorScanOptions, FustorScanProgress, FustorVerdicts, FustorView, fustor_view_apply,
    fustor_view_attach, fustor_view_detach, fustor_view_free, fustor_view_new, fustor_view_scan,
    fustor_view_snapshot,
};
