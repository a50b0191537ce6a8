//! Requests with events: whose they are, how large they may be, and which of the two languages they speak.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use fustor_core::SessionId;
use fustor_core::wire::native::{self, Limits};
use serde_json::json;

use super::body::{self, Taken};
use super::inlet::Inlet;
use super::{legacy, native as frames};
use crate::http::error::{ApiError, json_body};
use crate::pipe::{Hub, Pipe, PipeCounts};

/// A body larger than this is read on a thread of its own, so that it does not hold up heartbeats.
const INLINE: usize = 32 * 1024;

/// The answer of `ingest`.
pub(super) async fn ingest(
    State(inlet): State<Inlet>,
    Path(session): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    take(&inlet, &session, headers, body).await
}

/// The same on the port of the views, where 0.8 answers in other words.
pub(super) async fn ingest_plainly(
    State(inlet): State<Inlet>,
    Path(session): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    take(&inlet, &session, headers, body).await?;
    Ok(json_body(StatusCode::OK, json!({"success": true}).to_string().into_bytes()))
}

async fn take(
    inlet: &Inlet,
    session: &str,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (pipe, id) = inlet.owner(&headers, session)?;
    // A session that is gone is told so before its body has to travel.
    let touched = pipe.storage().act(|roster, now| roster.touch(now, id));
    touched.map_err(|error| super::session::gone(&error))?;
    let taken = body::read(&inlet.hub, &headers, body, inlet.hub.limits().body_bytes).await?;
    let answer = if is_native(&headers) {
        frames::take(inlet, &pipe, id, headers, taken).await
    } else {
        legacy::take(inlet, &pipe, id, headers, taken).await
    };
    if answer.is_err() {
        PipeCounts::add(&pipe.counts().errors, 1);
    }
    answer
}

fn is_native(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.split(|byte| *byte == b';')
        .next()
        .is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(native::CONTENT_TYPE.as_bytes()))
}

/// The bounds of one request.
pub(super) fn limits(hub: &Hub) -> Limits {
    let limits = hub.limits();
    Limits { bytes: limits.body_bytes, rows: limits.rows, ..Limits::default() }
}

/// Does what may take long with a body where it holds nobody up. Its share of memory is given back when it is done.
pub(super) async fn digest<T: Send + 'static>(
    hub: &Arc<Hub>,
    headers: HeaderMap,
    taken: Taken,
    read: impl FnOnce(&[u8]) -> Result<T, ApiError> + Send + 'static,
) -> Result<(T, Vec<tokio::sync::OwnedSemaphorePermit>), ApiError> {
    let large = taken.bytes.len() > INLINE;
    let shared = Arc::clone(hub);
    let work = move || {
        let taken = body::plain(&shared, &headers, taken, shared.limits().body_bytes)?;
        let value = read(&taken.bytes)?;
        Ok((value, taken.release()))
    };
    if large {
        let task = tokio::task::spawn_blocking(work);
        return task.await.map_err(|error| ApiError::Lost(error.to_string()))?;
    }
    work()
}

/// Counts what came.
pub(super) fn count(pipe: &Pipe, id: SessionId, events: u64, refused: u64) {
    PipeCounts::add(&pipe.counts().received, events);
    if refused > 0 {
        PipeCounts::add(&pipe.counts().errors, refused);
        tracing::warn!(pipe = &**pipe.id(), session = %id, refused, "rows were refused");
    }
}
