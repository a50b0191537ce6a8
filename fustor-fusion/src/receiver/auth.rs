//! Who may do what: 401 without a valid key, 403 with a key of another kind or for something else.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use fustor_core::SessionId;

use super::inlet::{Door, Inlet};
use crate::config::{Grant, KeyRing};
use crate::http::error::{ApiError, session_gone};
use crate::pipe::Pipe;

/// The header that carries a key.
const HEADER: &str = "x-api-key";

/// What a route asks of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// No key.
    Open,
    /// A key of an agent.
    Push,
    /// A key of the view that is asked.
    Query,
    /// A key of an agent or of a view.
    PushOrQuery,
    /// A key for changing things.
    Admin,
    /// Any valid key.
    Any,
}

/// What the key of a request is good for.
pub(crate) fn authenticate(keys: &KeyRing, headers: &HeaderMap) -> Result<Grant, ApiError> {
    let unauthorized = |text: &str| ApiError::Plain(StatusCode::UNAUTHORIZED, text.to_owned());
    let Some(key) = headers.get(HEADER) else {
        return Err(unauthorized("X-API-Key header is missing"));
    };
    let grant = keys.find(key.as_bytes()).cloned();
    grant.ok_or_else(|| unauthorized("Invalid or inactive X-API-Key"))
}

pub(crate) fn forbidden(text: impl Into<String>) -> ApiError {
    ApiError::Plain(StatusCode::FORBIDDEN, text.into())
}

impl Inlet {
    /// The pipe that the key of a request admits to.
    pub(super) fn pusher(&self, headers: &HeaderMap) -> Result<Arc<Pipe>, ApiError> {
        let keys = self.hub.keys();
        let grant = authenticate(&keys, headers).map_err(|error| self.reworded(error, headers))?;
        match grant {
            Grant::Push { pipe } => self.pipe(&pipe),
            Grant::Query { .. } => Err(forbidden("a query key does not open sessions")),
            Grant::Admin => Err(forbidden("an admin key does not open sessions")),
        }
    }

    fn pipe(&self, id: &str) -> Result<Arc<Pipe>, ApiError> {
        let pipe = self.hub.pipe(id);
        let here = pipe.filter(|pipe| self.serves(&pipe.settings().receiver));
        here.ok_or_else(|| forbidden(format!("pipe {id:?} is not served on this port")))
    }

    /// The pipe of a session, if the key admits to it.
    pub(super) fn owner(
        &self,
        headers: &HeaderMap,
        session: &str,
    ) -> Result<(Arc<Pipe>, SessionId), ApiError> {
        let pipe = self.pusher(headers)?;
        let gone = || ApiError::Plain(session_gone(), "Session obsoleted".to_owned());
        let id: SessionId = session.parse().map_err(|_| gone())?;
        let owner = self.hub.pipe_of_session(id).ok_or_else(gone)?;
        if owner.id() != pipe.id() {
            return Err(forbidden("the session belongs to another pipe than the key"));
        }
        Ok((pipe, id))
    }

    /// 0.8 words this differently where agents open their sessions.
    fn reworded(&self, error: ApiError, headers: &HeaderMap) -> ApiError {
        match (&self.door, error) {
            (Door::Receivers(_), ApiError::Plain(StatusCode::UNAUTHORIZED, _)) => {
                let missing = !headers.contains_key(HEADER);
                let text = if missing { "API key required" } else { "Invalid API key" };
                ApiError::Plain(StatusCode::UNAUTHORIZED, text.to_owned())
            }
            (_, error) => error,
        }
    }
}
