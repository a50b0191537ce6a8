//! What can go wrong with a request, and the status and body that say so.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use fustor_core::query::{
    ArgError, CursorError, FindError, LimitExceeded, ListError, NotFound, trust_header,
};
use fustor_core::wire::json;
use fustor_core::{Trust, ViewPath};
use serde_json::{Value, json};

/// How the trust of an answer is told.
pub(crate) const TRUST: HeaderName = HeaderName::from_static("x-fustor-trust");
/// How the revision of an answer is told.
pub(crate) const REVISION: HeaderName = HeaderName::from_static("x-fustor-revision");

/// A refusal. Each carries the value at fault.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ApiError {
    /// 400: a parameter is unknown, malformed, contradictory or out of range.
    BadRequest(String),
    /// 422 in the shape of FastAPI, for the routes of 0.8.
    Unprocessable(Value),
    /// 404.
    NotFound(String),
    /// 410: the revision of a cursor is no longer kept.
    Gone(String),
    /// 410: the log of changes does not reach back so far.
    Forgotten(String),
    /// 400 with the body of 0.8, already encoded: the answer would have too many entries.
    Limit(Vec<u8>),
    /// 503: not yet.
    NotReady { retry_after: u32, detail: String },
    /// 503: the answer exists but is less than the client requires.
    Untrusted(Trust),
    /// 429: too much at once.
    Busy(String),
    /// 500: a task of ours ended without an answer.
    Lost(String),
    /// Any other status with a text.
    Plain(StatusCode, String),
    /// Any other status with a body that is encoded already.
    Encoded(StatusCode, Vec<u8>),
}

/// 419: the session is unknown or has expired. Not in any standard; 0.8 chose it.
pub(crate) fn session_gone() -> StatusCode {
    StatusCode::from_u16(419).unwrap_or(StatusCode::GONE)
}

impl ApiError {
    pub(crate) fn limit(view: &str, exceeded: &LimitExceeded) -> Self {
        Self::Limit(json::limit_detail(view, exceeded))
    }

    pub(crate) fn no_path(path: &ViewPath) -> Self {
        Self::NotFound(format!("path not found or not yet synchronised: {path}"))
    }

    /// One complaint of FastAPI about a query parameter.
    pub(crate) fn field(kind: &str, name: &str, message: &str, input: Option<&str>) -> Self {
        let complaint =
            json!({"type": kind, "loc": ["query", name], "msg": message, "input": input});
        Self::Unprocessable(json!({ "detail": [complaint] }))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::BadRequest(text) => detail(StatusCode::BAD_REQUEST, &text),
            Self::Unprocessable(body) => {
                json_body(StatusCode::UNPROCESSABLE_ENTITY, body.to_string().into_bytes())
            }
            Self::NotFound(text) => detail(StatusCode::NOT_FOUND, &text),
            Self::Gone(text) => detail(StatusCode::GONE, &text),
            Self::Forgotten(body) => json_body(StatusCode::GONE, body.into_bytes()),
            Self::Limit(body) => json_body(StatusCode::BAD_REQUEST, body),
            Self::NotReady { retry_after, detail: text } => {
                later(detail(StatusCode::SERVICE_UNAVAILABLE, &text), retry_after)
            }
            Self::Untrusted(trust) => untrusted(&trust),
            Self::Busy(text) => later(detail(StatusCode::TOO_MANY_REQUESTS, &text), 1),
            Self::Lost(text) => detail(StatusCode::INTERNAL_SERVER_ERROR, &text),
            Self::Plain(status, text) => detail(status, &text),
            Self::Encoded(status, body) => json_body(status, body),
        }
    }
}

impl From<ArgError> for ApiError {
    fn from(error: ArgError) -> Self {
        Self::BadRequest(error.to_string())
    }
}

impl From<CursorError> for ApiError {
    fn from(error: CursorError) -> Self {
        Self::BadRequest(error.to_string())
    }
}

impl From<NotFound> for ApiError {
    fn from(NotFound(path): NotFound) -> Self {
        Self::no_path(&path)
    }
}

impl From<ListError> for ApiError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::NotFound(path) => Self::no_path(&path),
            ListError::NotADirectory(_) | ListError::Cursor(_) => {
                Self::BadRequest(error.to_string())
            }
        }
    }
}

impl From<FindError> for ApiError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::NotFound(path) => Self::no_path(&path),
            FindError::NotADirectory(_)
            | FindError::Depth
            | FindError::Pattern(_)
            | FindError::Contradiction(..)
            | FindError::Cursor(_) => Self::BadRequest(error.to_string()),
        }
    }
}

/// `{"detail": text}` with a status.
pub(crate) fn detail(status: StatusCode, text: &str) -> Response {
    json_body(status, json::detail(text))
}

/// A JSON document with a status.
pub(crate) fn json_body(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn later(mut response: Response, seconds: u32) -> Response {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn untrusted(trust: &Trust) -> Response {
    let text = trust_header(trust);
    let body = format!("the answer is not trusted but {text}");
    let mut response = later(detail(StatusCode::SERVICE_UNAVAILABLE, &body), 5);
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().insert(TRUST, value);
    }
    response
}
