//! Events of agents of 0.8.

use std::sync::{Arc, PoisonError};

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use fustor_core::wire::legacy::{LegacyBatch, LegacyError, LegacyKind, decode_events};
use fustor_core::wire::protocol::{legacy_count, phase_done};
use fustor_core::{JobId, Lane, SessionId};

use super::body::Taken;
use super::events::{count, digest, limits};
use super::inlet::Inlet;
use super::outcome::{apply, not_admitted};
use crate::http::error::{ApiError, json_body, session_gone};
use crate::pipe::Pipe;

pub(super) async fn take(
    inlet: &Inlet,
    pipe: &Arc<Pipe>,
    id: SessionId,
    headers: HeaderMap,
    taken: Taken,
) -> Result<Response, ApiError> {
    let limits = limits(&inlet.hub);
    let read = move |bytes: &[u8]| decode_events(bytes, &limits).map_err(unprocessable);
    let (told, _shares) = digest(&inlet.hub, headers, taken, read).await?;
    count(pipe, id, told.event_count, told.refused_count);
    for refused in told.refused.iter().take(3) {
        tracing::debug!(session = %id, event = refused.event, row = ?refused.row, reason = %refused.reason, "refused");
    }
    let (lane, events) = (lane(&told), told.event_count);
    let storage = pipe.storage();
    let admitted = storage.act(|roster, now| roster.admit_legacy(now, id, lane));
    let admission = admitted.map_err(|error| not_admitted(pipe, &error))?;
    let Some(peer) = storage.legacy(id) else {
        storage.act(|roster, _| roster.abandoned(id, lane, admission.origin.seq));
        return Err(ApiError::Plain(session_gone(), "Session obsoleted".to_owned()));
    };
    let translated = {
        let mut peer = peer.lock().unwrap_or_else(PoisonError::into_inner);
        peer.translate(storage.now(), &admission, told)
    };
    apply(pipe, id, lane, admission, translated.batch).await?;
    let Some(done) = translated.done else {
        return Ok(json_body(StatusCode::OK, legacy_count(events)));
    };
    if let Ok(job) = done.job_id.parse::<JobId>() {
        storage.act(|roster, now| roster.complete_legacy_job(now, id, job));
    }
    Ok(json_body(StatusCode::OK, phase_done()))
}

/// What the kernel reported goes before what a scan found.
fn lane(told: &LegacyBatch) -> Lane {
    let first = told.observations.first().map(|observation| observation.source);
    match (told.source_type.as_str(), first) {
        ("snapshot" | "audit", _)
        | (_, Some(LegacyKind::Snapshot | LegacyKind::Audit | LegacyKind::OnDemand)) => Lane::Scan,
        (_, Some(LegacyKind::Realtime) | None) => Lane::Realtime,
    }
}

fn unprocessable(error: LegacyError) -> ApiError {
    match error {
        LegacyError::Body(error) => {
            ApiError::Encoded(StatusCode::UNPROCESSABLE_ENTITY, error.to_json())
        }
        error @ LegacyError::TooMuch { .. } => {
            ApiError::Plain(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
        }
    }
}
