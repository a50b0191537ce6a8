//! Answers to requests that carry events.

use serde::{Deserialize, Serialize};

use crate::event::Verdicts;

/// The answer to a native batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsReply {
    /// `ok`.
    pub status: String,
    /// How many events the batch had.
    pub count: u64,
    /// How its observations fared.
    #[serde(default)]
    pub verdicts: VerdictCounts,
    /// The batch that was applied.
    pub seq: u32,
    /// The first events that were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedItem>,
}

/// [`Verdicts`] as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictCounts {
    /// [`Verdicts::applied`].
    pub applied: u64,
    /// [`Verdicts::stale`].
    pub stale: u64,
    /// [`Verdicts::buried`].
    pub buried: u64,
    /// [`Verdicts::queued`].
    pub queued: u64,
    /// [`Verdicts::refused`].
    pub refused: u64,
}

impl From<Verdicts> for VerdictCounts {
    fn from(verdicts: Verdicts) -> Self {
        let Verdicts { applied, stale, buried, queued, refused } = verdicts;
        Self { applied, stale, buried, queued, refused }
    }
}

/// An event that was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedItem {
    /// Its number in the batch.
    pub index: u64,
    /// Why.
    pub reason: String,
}

/// The body of a 409 for duties under a lease that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleEpoch {
    /// `stale_epoch`.
    pub error: String,
    /// The epoch that is valid.
    pub epoch: u64,
}

impl StaleEpoch {
    /// The body that names the valid epoch.
    #[must_use]
    pub fn now(epoch: u64) -> Self {
        Self { error: "stale_epoch".to_owned(), epoch }
    }
}

/// What 0.8 answers to events.
#[must_use]
pub fn legacy_count(count: u64) -> Vec<u8> {
    format!("{{\"status\":\"ok\",\"count\":{count}}}").into_bytes()
}

/// What 0.8 answers to the report of a finished scan.
#[must_use]
pub fn phase_done() -> Vec<u8> {
    b"{\"status\":\"ok\",\"phase\":\"job_complete\"}".to_vec()
}
