//! From a batch to its effect in every view of a storage.

use std::time::Duration;

use fustor_core::{Batch, Command, Lane, Verdicts};
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::storage::Storage;
use crate::host::{Busy, ViewHost};

/// A batch waits so long for room in a view before its sender is told to come again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a batch was not applied everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// A view has no room; the batch may come again, also where it was applied.
    #[error("a view is busy")]
    Busy,
    /// Every view has stopped.
    #[error("the view has stopped")]
    Stopped,
}

impl Storage {
    /// Applies a batch to every view that runs and waits until its effect can be read; what became of it in the first.
    ///
    /// # Errors
    /// [`ApplyError`]
    pub async fn apply(&self, lane: Lane, batch: Batch) -> Result<Verdicts, ApplyError> {
        let until = Instant::now() + PATIENCE;
        let _pass = self.gate.read().await;
        let views = self.views();
        let [only] = &views[..] else { return apply_to_all(&views, lane, batch, until).await };
        apply(only.clone(), lane, batch, until).await
    }
}

async fn apply_to_all(
    views: &[ViewHost],
    lane: Lane,
    batch: Batch,
    until: Instant,
) -> Result<Verdicts, ApplyError> {
    let mut tasks = JoinSet::new();
    for (i, view) in views.iter().enumerate() {
        let (view, batch) = (view.clone(), batch.clone());
        tasks.spawn(async move { (i, apply(view, lane, batch, until).await) });
    }
    let mut first: Option<(usize, Verdicts)> = None;
    let mut busy = false;
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok((i, Ok(verdicts))) => {
                if first.is_none_or(|(known, _)| i < known) {
                    first = Some((i, verdicts));
                }
            }
            Ok((_, Err(ApplyError::Busy))) => busy = true,
            // One view that has stopped does not hold up the others.
            Ok((_, Err(ApplyError::Stopped))) => (),
            Err(error) => tracing::error!(%error, "a task that applies a batch died"),
        }
    }
    match (busy, first) {
        (true, _) => Err(ApplyError::Busy),
        (false, Some((_, verdicts))) => Ok(verdicts),
        (false, None) => Err(ApplyError::Stopped),
    }
}

async fn apply(
    view: ViewHost,
    lane: Lane,
    batch: Batch,
    until: Instant,
) -> Result<Verdicts, ApplyError> {
    match view.submit_until(lane, Command::Batch(batch), until).await {
        Ok(receipt) => {
            receipt.await.map(|applied| applied.verdicts).map_err(|_| ApplyError::Stopped)
        }
        Err(Busy::Full { .. }) => Err(ApplyError::Busy),
        Err(Busy::Closed) => Err(ApplyError::Stopped),
    }
}
