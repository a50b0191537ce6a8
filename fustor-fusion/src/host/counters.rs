//! What a host has counted since it started: read by `/metrics` and the progress line without asking the writer.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use fustor_core::{Stamp, Verdicts};

/// Counters of one view. Each is exact; together they are no snapshot.
#[derive(Debug, Default)]
pub struct Counters {
    applied: AtomicU64,
    stale: AtomicU64,
    buried: AtomicU64,
    queued: AtomicU64,
    refused: AtomicU64,
    commands: AtomicU64,
    publications: AtomicU64,
    published_at: AtomicI64,
    busy: AtomicU64,
    dropped_inline: AtomicU64,
}

impl Counters {
    /// How the observations fared so far.
    #[must_use]
    pub fn verdicts(&self) -> Verdicts {
        Verdicts {
            applied: self.applied.load(Ordering::Relaxed),
            stale: self.stale.load(Ordering::Relaxed),
            buried: self.buried.load(Ordering::Relaxed),
            queued: self.queued.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// Commands applied.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands.load(Ordering::Relaxed)
    }

    /// Snapshots published.
    #[must_use]
    pub fn publications(&self) -> u64 {
        self.publications.load(Ordering::Relaxed)
    }

    /// When the newest snapshot was published.
    #[must_use]
    pub fn published_at(&self) -> Stamp {
        Stamp(self.published_at.load(Ordering::Relaxed))
    }

    /// Commands turned away because the inbox was full.
    #[must_use]
    pub fn busy(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }

    /// Snapshots that the writer had to free itself because the reaper was behind.
    #[must_use]
    pub fn freed_by_writer(&self) -> u64 {
        self.dropped_inline.load(Ordering::Relaxed)
    }

    pub(super) fn count_command(&self, verdicts: Verdicts) {
        self.commands.fetch_add(1, Ordering::Relaxed);
        self.applied.fetch_add(verdicts.applied, Ordering::Relaxed);
        self.stale.fetch_add(verdicts.stale, Ordering::Relaxed);
        self.buried.fetch_add(verdicts.buried, Ordering::Relaxed);
        self.queued.fetch_add(verdicts.queued, Ordering::Relaxed);
        self.refused.fetch_add(verdicts.refused, Ordering::Relaxed);
    }

    pub(super) fn count_publication(&self, at: Stamp) {
        self.publications.fetch_add(1, Ordering::Relaxed);
        self.published_at.store(at.0, Ordering::Relaxed);
    }

    pub(super) fn count_busy(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_freed_by_writer(&self) {
        self.dropped_inline.fetch_add(1, Ordering::Relaxed);
    }
}
