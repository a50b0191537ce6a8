//! Request bodies: bounded each and together, in time as well as in bytes.

use std::io::Read;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::http::error::ApiError;
use crate::pipe::Hub;

/// The whole body must come within this.
const WHOLE: Duration = Duration::from_secs(300);
/// The largest body of a request that carries no events.
pub(super) const SMALL_MAX: usize = 1 << 20;
/// The largest window that a compressed body may ask for, as a power of two.
const WINDOW_LOG_MAX: u32 = 27;

/// A body and its share of the memory that all bodies may take.
pub(super) struct Taken {
    pub(super) bytes: Bytes,
    shares: Vec<OwnedSemaphorePermit>,
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read(
    hub: &Hub,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Taken, ApiError> {
    let said = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let said: Option<u64> = said.and_then(|length| length.parse().ok());
    if said.is_some_and(|length| length > limit as u64) || body.size_hint().lower() > limit as u64 {
        return Err(too_large(limit));
    }
    let late = |_| ApiError::Plain(StatusCode::REQUEST_TIMEOUT, "the body came too slowly".into());
    timeout(WHOLE, collect(hub, body, limit)).await.map_err(late)?
}

async fn collect(hub: &Hub, body: Body, limit: usize) -> Result<Taken, ApiError> {
    let hint = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX).min(limit);
    let mut shares = vec![share(hub, hint)?];
    let mut room = hint;
    let mut bytes = Vec::with_capacity(hint);
    let mut parts = body.into_data_stream();
    let patience = hub.limits().slow_body;
    loop {
        let next = timeout(patience, Next(&mut parts)).await;
        let late =
            |_| ApiError::Plain(StatusCode::REQUEST_TIMEOUT, "the body came too slowly".to_owned());
        let Some(part) = next.map_err(late)? else { break };
        let broken = |_| ApiError::BadRequest("the body broke off".to_owned());
        let part = part.map_err(broken)?;
        if bytes.len() + part.len() > limit {
            return Err(too_large(limit));
        }
        if bytes.len() + part.len() > room {
            // Grows as the vector does, so that what is counted is what is held.
            let more = (bytes.len() + part.len()).max(2 * room).min(limit) - room;
            shares.push(share(hub, more)?);
            room += more;
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Taken { bytes: Bytes::from(bytes), shares })
}

/// Undoes the compression, if any. May take a while.
pub(super) fn plain(
    hub: &Hub,
    headers: &HeaderMap,
    taken: Taken,
    limit: usize,
) -> Result<Taken, ApiError> {
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity" | b"") => Ok(taken),
        Some(b"zstd") => {
            let bad = |error| broken("zstd", &error);
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(&taken.bytes[..]).map_err(bad)?;
            decoder.window_log_max(WINDOW_LOG_MAX).map_err(bad)?;
            let (out, more) = inflate(hub, decoder, "zstd", limit)?;
            Ok(taken.replaced(out, more))
        }
        Some(b"gzip" | b"x-gzip") => {
            let decoder = flate2::read::MultiGzDecoder::new(&taken.bytes[..]);
            let (out, more) = inflate(hub, decoder, "gzip", limit)?;
            Ok(taken.replaced(out, more))
        }
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            let text = format!("content encoding {other:?} is not known; gzip and zstd are");
            Err(ApiError::Plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
        }
    }
}

fn broken(coding: &str, error: &std::io::Error) -> ApiError {
    ApiError::BadRequest(format!("no valid {coding}: {error}"))
}

/// Never holds more than `limit` bytes and their share, whatever the packed bytes promise.
fn inflate(
    hub: &Hub,
    mut decoder: impl Read,
    coding: &str,
    limit: usize,
) -> Result<(Bytes, Vec<OwnedSemaphorePermit>), ApiError> {
    let mut shares = Vec::new();
    let mut out = Vec::new();
    let mut room = 0;
    let mut part = vec![0; 64 * 1024];
    loop {
        let n = decoder.read(&mut part).map_err(|error| broken(coding, &error))?;
        if n == 0 {
            break;
        }
        if out.len() + n > limit {
            return Err(too_large(limit));
        }
        if out.len() + n > room {
            let more = (out.len() + n).max(2 * room).min(limit) - room;
            shares.push(share(hub, more)?);
            room += more;
            out.reserve_exact(room - out.len());
        }
        out.extend_from_slice(&part[..n]);
    }
    Ok((Bytes::from(out), shares))
}

/// A share of the memory for bodies; given back when the request is done.
fn share(hub: &Hub, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
    let units = u32::try_from(bytes.div_ceil(Hub::BODY_UNIT)).unwrap_or(u32::MAX);
    let full = |_| ApiError::Busy("too many bodies are being received".to_owned());
    hub.bodies().clone().try_acquire_many_owned(units).map_err(full)
}

fn too_large(limit: usize) -> ApiError {
    let text = format!("the body is larger than {limit} bytes");
    ApiError::Plain(StatusCode::PAYLOAD_TOO_LARGE, text)
}

/// The next part of a stream.
struct Next<'a>(&'a mut axum::body::BodyDataStream);

impl Future for Next<'_> {
    type Output = Option<Result<Bytes, axum::Error>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.0).poll_next(context)
    }
}

impl Taken {
    /// The same body without its compression.
    fn replaced(mut self, bytes: Bytes, shares: Vec<OwnedSemaphorePermit>) -> Self {
        self.shares.extend(shares);
        Self { bytes, ..self }
    }

    /// Gives back what is held while the request goes on without its body.
    pub(super) fn release(self) -> Vec<OwnedSemaphorePermit> {
        self.shares
    }
}
