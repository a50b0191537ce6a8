//! A pipe at work: the way from a receiver's key to a storage.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::storage::Storage;
use crate::config::PipeSettings;

/// A pipe.
pub struct Pipe {
    id: Arc<str>,
    storage: Arc<Storage>,
    settings: ArcSwap<PipeSettings>,
    counts: PipeCounts,
}

/// What a pipe has counted since it started.
#[derive(Debug, Default)]
pub struct PipeCounts {
    /// Events in requests that were read.
    pub received: AtomicU64,
    /// Events of batches that were applied.
    pub processed: AtomicU64,
    /// Requests that were refused, and events and rows that made no sense.
    pub errors: AtomicU64,
    /// Sessions that were opened.
    pub opened: AtomicU64,
    /// Sessions that were closed by their agents.
    pub closed: AtomicU64,
}

impl PipeCounts {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

impl Pipe {
    pub(super) fn new(id: &str, storage: Arc<Storage>, settings: PipeSettings) -> Self {
        Self {
            id: Arc::from(id),
            storage,
            settings: ArcSwap::from_pointee(settings),
            counts: PipeCounts::default(),
        }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// What its agents observe.
    #[must_use]
    pub const fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    /// What it is configured with at present.
    #[must_use]
    pub fn settings(&self) -> Arc<PipeSettings> {
        self.settings.load_full()
    }

    /// Other settings from now on.
    pub(super) fn set(&self, settings: PipeSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// What it counted.
    #[must_use]
    pub const fn counts(&self) -> &PipeCounts {
        &self.counts
    }
}
