//! Sealed batches of native agents.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use fustor_core::session::{Admission, Duties, Head};
use fustor_core::wire::native::{DecodeError, DecodeFault, decode};
use fustor_core::wire::protocol::{EventsReply, RefusedItem, StaleEpoch, write};
use fustor_core::{Batch, Event, Fidelity, SessionId, Verdicts};

use super::body::Taken;
use super::events::{count, digest, limits};
use super::inlet::Inlet;
use super::outcome::{apply, await_turn, not_admitted};
use crate::http::error::{ApiError, json_body};
use crate::pipe::Pipe;

pub(super) async fn take(
    inlet: &Inlet,
    pipe: &Arc<Pipe>,
    id: SessionId,
    headers: HeaderMap,
    taken: Taken,
) -> Result<Response, ApiError> {
    let limits = limits(&inlet.hub);
    let read = move |bytes: &[u8]| decode(bytes, &limits).map_err(|error| damaged(&error));
    let (decoded, _shares) = digest(&inlet.hub, headers, taken, read).await?;
    let events = decoded.events.len() as u64 + decoded.refused_count;
    count(pipe, id, events, decoded.refused_count);
    let head = Head {
        source_epoch: decoded.head.source_epoch,
        lane: decoded.head.lane,
        seq: decoded.head.seq,
        lease: decoded.head.lease,
    };
    await_turn(pipe, id, head).await?;
    let admitted = pipe.storage().act(|roster, now| roster.admit(now, id, head));
    let admission = admitted.map_err(|error| not_admitted(pipe, &error))?;
    let (batch, refused_duties) = sealed(decoded.events, &admission, decoded.head.cache_window_ns);
    let verdicts = match admission.fresh {
        true => apply(pipe, id, head.lane, admission, batch).await?,
        false => Verdicts::default(),
    };
    if let Some(epoch) = refused_duties {
        return Ok(json_body(StatusCode::CONFLICT, write(&StaleEpoch::now(epoch))));
    }
    let refused = decoded.refused.iter().map(|refused| RefusedItem {
        index: refused.index as u64,
        reason: refused.fault.to_string(),
    });
    let reply = EventsReply {
        status: "ok".to_owned(),
        count: events,
        verdicts: verdicts.into(),
        seq: head.seq.0,
        refused: refused.collect(),
    };
    Ok(json_body(StatusCode::OK, write(&reply)))
}

/// The batch without the duties that do not count; the epoch that is valid, if there were any of those.
fn sealed(mut events: Vec<Event>, admission: &Admission, window: i64) -> (Batch, Option<u64>) {
    let refused = match admission.duties {
        Duties::Allowed => None,
        Duties::Refused { epoch } => {
            let before = events.len();
            events.retain(|event| !matches!(event, Event::Cycle { .. }));
            (events.len() < before).then_some(epoch)
        }
    };
    let batch = Batch {
        storage: admission.storage,
        origin: admission.origin,
        clock: admission.clock,
        cache_window_ns: window,
        fidelity: Fidelity::Exact,
        events,
    };
    (batch, refused)
}

fn damaged(error: &DecodeError) -> ApiError {
    let status = match error.fault {
        DecodeFault::TooLarge { .. }
        | DecodeFault::TooManyEvents { .. }
        | DecodeFault::TooManyRows { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    ApiError::Plain(status, error.to_string())
}
