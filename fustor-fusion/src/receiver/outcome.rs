//! A batch on its way into the views: whatever becomes of its sender's connection, its place is given back.

use std::sync::Arc;

use axum::http::StatusCode;
use fustor_core::session::{Admission, AdmitError, Duties};
use fustor_core::{Batch, CyclePhase, Event, Lane, SessionId, Verdicts};

use super::session::gone;
use crate::http::error::ApiError;
use crate::pipe::{ApplyError, Pipe, PipeCounts};

/// Applies an admitted batch, to the end even if nobody waits for the answer any more.
pub(super) async fn apply(
    pipe: &Arc<Pipe>,
    session: SessionId,
    lane: Lane,
    admission: Admission,
    batch: Batch,
) -> Result<Verdicts, ApiError> {
    let pipe = Arc::clone(pipe);
    let task = tokio::spawn(async move {
        let events = batch.events.len() as u64;
        let follows = Follows::of(&batch, admission.duties);
        let applied = match batch.events.is_empty() {
            true => Ok(Verdicts::default()),
            false => pipe.storage().apply(lane, batch).await,
        };
        let seq = admission.origin.seq;
        match applied {
            Ok(_) => {
                pipe.storage().act(|roster, now| {
                    roster.applied(now, session, lane, seq);
                    follows.tell(roster, now, session);
                });
                if !follows.renames.is_empty() {
                    pipe.storage().announce();
                }
                PipeCounts::add(&pipe.counts().processed, events);
            }
            Err(_) => pipe.storage().act(|roster, _| roster.abandoned(session, lane, seq)),
        }
        applied
    });
    let applied = task.await.map_err(|error| ApiError::Lost(error.to_string()))?;
    applied.map_err(|error| match error {
        ApplyError::Busy => ApiError::Busy(error.to_string()),
        ApplyError::Stopped => ApiError::NotReady { retry_after: 5, detail: error.to_string() },
    })
}

/// What the sessions must be told once a batch is applied.
struct Follows {
    cycle_ended: bool,
    renames: Vec<(fustor_core::ViewPath, fustor_core::ViewPath)>,
}

impl Follows {
    fn of(batch: &Batch, duties: Duties) -> Self {
        let end = |event: &Event| matches!(event, Event::Cycle { phase: CyclePhase::End, .. });
        let renames = batch.events.iter().filter_map(|event| match event {
            Event::Rename { old, new, .. } => Some((old.clone(), new.clone())),
            Event::Upsert { .. }
            | Event::Delete { .. }
            | Event::Listing(_)
            | Event::Gap { .. }
            | Event::Uncovered { .. }
            | Event::Covered { .. }
            | Event::Cycle { .. }
            | Event::RootLost { .. }
            | Event::Remark(_) => None,
        });
        Self {
            cycle_ended: duties == Duties::Allowed && batch.events.iter().any(end),
            renames: renames.collect(),
        }
    }

    fn tell(
        &self,
        roster: &mut fustor_core::session::Roster,
        now: fustor_core::Now,
        session: SessionId,
    ) {
        if self.cycle_ended {
            roster.cycle_ended(now, session);
        }
        for (old, new) in &self.renames {
            roster.moved(now, session, old, new);
        }
    }
}

/// Why a batch was not admitted, in the words of HTTP.
pub(super) fn not_admitted(pipe: &Pipe, error: &AdmitError) -> ApiError {
    let conflict = |text: String| ApiError::Plain(StatusCode::CONFLICT, text);
    match error {
        AdmitError::Session(error) => gone(error),
        AdmitError::InFlight { .. } if !pipe.settings().concurrent => conflict(error.to_string()),
        AdmitError::InFlight { .. } | AdmitError::Pending { .. } | AdmitError::Ahead { .. } => {
            ApiError::Busy(error.to_string())
        }
        AdmitError::Unnumbered => {
            ApiError::Plain(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        }
        AdmitError::StaleSource { .. } | AdmitError::RootChanged | AdmitError::OtherKind => {
            conflict(error.to_string())
        }
    }
}
