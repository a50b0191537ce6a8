//! A batch on its way into the views: whatever becomes of its sender's connection, its place is given back.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use fustor_core::session::{Admission, AdmitError, Duties, Head};
use fustor_core::{Batch, Event, Lane, SessionId, Verdicts};
use tokio::time::Instant;

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
        pipe.storage().move_on();
        applied
    });
    let applied = task.await.map_err(|error| ApiError::Lost(error.to_string()))?;
    applied.map_err(|error| match error {
        ApplyError::Busy => ApiError::Busy(error.to_string()),
        ApplyError::Stopped => ApiError::NotReady { retry_after: 5, detail: error.to_string() },
    })
}

/// A batch that came before others of its lane waits so long for them.
const TURN: Duration = Duration::from_secs(20);
/// How often it looks whether its session is still there.
const LOOK: Duration = Duration::from_secs(1);

/// Waits until a batch is the next one of its lane, so that none overtakes another whichever connection is quicker.
pub(super) async fn await_turn(pipe: &Pipe, id: SessionId, head: Head) -> Result<(), ApiError> {
    let until = Instant::now() + TURN;
    let mut moves = pipe.storage().moves();
    loop {
        moves.mark_unchanged();
        let (ahead, limit) =
            pipe.storage().read(|roster| (roster.ahead(id, head), roster.in_flight()));
        if ahead == 0 {
            return Ok(());
        }
        if ahead >= limit || Instant::now() >= until {
            let (seq, first) = (head.seq.0, head.seq.0 - ahead);
            return Err(ApiError::Busy(format!("batch {seq} came before batch {first}")));
        }
        tokio::select! {
            _ = moves.changed() => (),
            () = tokio::time::sleep(LOOK) => (),
        }
    }
}

/// What the sessions must be told once a batch is applied.
struct Follows {
    cycle_began: bool,
    cycle_ended: bool,
    renames: Vec<(fustor_core::ViewPath, fustor_core::ViewPath)>,
}

impl Follows {
    fn of(batch: &Batch, duties: Duties) -> Self {
        let has = |end: bool| {
            let is = |e: &Event| matches!(e, Event::Cycle { phase, .. } if phase.is_end() == end);
            duties == Duties::Allowed && batch.events.iter().any(is)
        };
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
        Self { cycle_began: has(false), cycle_ended: has(true), renames: renames.collect() }
    }

    fn tell(
        &self,
        roster: &mut fustor_core::session::Roster,
        now: fustor_core::Now,
        session: SessionId,
    ) {
        if self.cycle_began {
            roster.cycle_began(now, session);
        }
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
