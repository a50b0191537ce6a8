//! From a request to the picture it is answered from, and from an answer to its headers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::RequestPartsExt;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path};
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use fustor_core::query::{revision_header, trust, trust_header};
use fustor_core::wire::json::ToJson;
use fustor_core::{Now, Revision, Snapshot, Trust, TrustState, ViewPath};
use tokio::sync::OwnedSemaphorePermit;

use super::error::{ApiError, REVISION, TRUST, json_body};
use super::params::{Params, Require};
use super::state::{App, ViewState};

/// One question to one view: the picture, the moment and the parameters.
pub(super) struct Asked {
    pub(super) app: App,
    pub(super) view: Arc<ViewState>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) now: Now,
    pub(super) params: Params,
    pub(super) headers: HeaderMap,
}

impl FromRequestParts<App> for Asked {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let path: Result<Path<String>, _> = parts.extract().await;
        let Path(name) = path.map_err(|error| ApiError::BadRequest(error.to_string()))?;
        let unknown = || ApiError::NotFound(format!("view {name:?} is not known"));
        let view = app.view(&name).ok_or_else(unknown)?;
        let (snapshot, now) = view.look();
        let params = Params::parse(parts.uri.query().unwrap_or_default());
        let headers = std::mem::take(&mut parts.headers);
        Ok(Self { app: app.clone(), view, snapshot, now, params, headers })
    }
}

impl Asked {
    /// The trust in what is at and below `path`, refused if the client requires more.
    pub(super) fn trust(&self, path: &ViewPath, require: Require) -> Result<Trust, ApiError> {
        let trust = trust(&self.snapshot, self.now, path);
        match (require, &trust.state) {
            (Require::Unsaid | Require::Any, _) | (Require::Trusted, TrustState::Trusted) => {
                Ok(trust)
            }
            (
                Require::Trusted,
                TrustState::Syncing { .. } | TrustState::Stale { .. } | TrustState::Degraded,
            ) => Err(ApiError::Untrusted(trust)),
        }
    }

    /// The picture of a page: the pinned one of its cursor, else the newest if `stable=false`, else 410.
    pub(super) fn turn_to(&mut self, revision: Revision, stable: bool) -> Result<(), ApiError> {
        if self.snapshot.revision() == revision {
            return Ok(());
        }
        match self.view.host.pins().find(revision) {
            Some(snapshot) => self.snapshot = snapshot,
            None if !stable => (),
            None => {
                let text = format!("revision {revision} of the cursor is no longer kept");
                return Err(ApiError::Gone(text));
            }
        }
        Ok(())
    }

    /// Answers 304 when the client holds this revision already.
    pub(super) fn unchanged(&self, trust: &Trust) -> Option<Response> {
        let tag = etag(self.snapshot.revision());
        let held = self.headers.get_all(IF_NONE_MATCH).iter();
        let held = held.filter_map(|value| value.to_str().ok()).any(|value| {
            value.split(',').any(|one| one.trim().trim_start_matches("W/") == &tag[2..])
        });
        held.then(|| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            self.tagged(response, trust)
        })
    }

    /// An answer with its trust, its revision and a tag made of the revision.
    pub(super) fn tagged(&self, response: Response, trust: &Trust) -> Response {
        let mut response = self.stamped(response, trust);
        set(response.headers_mut(), ETAG, etag(self.snapshot.revision()));
        response
    }

    /// An answer with its trust and its revision, for what also depends on the time.
    pub(super) fn stamped(&self, response: Response, trust: &Trust) -> Response {
        stamp(response, trust, self.snapshot.revision())
    }

    /// Leave to occupy a thread for long; refused at once when too many do.
    pub(super) fn permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let busy = |_| ApiError::Busy("too many large answers at once".to_owned());
        self.app.heavy().try_acquire_owned().map_err(busy)
    }
}

/// Adds the headers that every answer of a view carries.
pub(super) fn stamp(mut response: Response, trust: &Trust, revision: Revision) -> Response {
    set(response.headers_mut(), TRUST, trust_header(trust));
    set(response.headers_mut(), REVISION, revision_header(revision));
    response
}

/// 200 with a JSON document.
pub(super) fn ok(body: &impl ToJson) -> Response {
    json_body(StatusCode::OK, body.to_json())
}

/// Runs a long question on a thread of its own; it is told to stop when the client goes away.
pub(super) async fn aside<T: Send + 'static>(
    permit: OwnedSemaphorePermit,
    question: impl FnOnce(&mut dyn FnMut() -> bool) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let gone = Arc::new(AtomicBool::new(false));
    let watching = SetOnDrop(Arc::clone(&gone));
    let task = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        question(&mut || !gone.load(Ordering::Relaxed))
    });
    let answer = task.await.map_err(|error| ApiError::Lost(error.to_string()));
    drop(watching);
    answer
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The tag is weak: a compressed answer has it too.
fn etag(revision: Revision) -> String {
    format!("W/\"{}\"", revision_header(revision))
}

fn set(headers: &mut HeaderMap, name: axum::http::HeaderName, value: String) {
    // Our own texts are visible ASCII; a header that is not is better left out than fatal.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}
