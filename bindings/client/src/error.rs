//! Why there is no answer, or not the one that was asked for.

use serde_json::Value;
use thiserror::Error;

/// Why a question has no answer. A refusal carries what fusion said.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    /// Not an address.
    #[error("{0:?} is no http or https address")]
    Address(String),
    /// The key cannot stand in a header.
    #[error("the key has characters that no header can carry")]
    Key,
    /// The system gives no connections or threads.
    #[error("no connection can be set up: {0}")]
    Setup(String),
    /// There was no connection, or it broke.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// No answer came in time.
    #[error("no answer in time: {0}")]
    Timeout(String),
    /// 400, 409, 413, 415, 422: the question makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// 401: no valid key. 403: a key for something else.
    #[error("{status}: {detail}")]
    Auth {
        /// 401 or 403.
        status: u16,
        /// What fusion said.
        detail: String,
    },
    /// 404: nothing is known there.
    #[error("{0}")]
    NotFound(String),
    /// 410: the revision is no longer kept; begin again.
    #[error("{0}")]
    Gone(String),
    /// 400: the answer would have more entries than the view allows.
    #[error("the answer has {current_count} entries or more, at most {limit} are allowed")]
    LimitExceeded {
        /// Entries of the answer, as far as they were counted.
        current_count: u64,
        /// The limit.
        limit: u64,
    },
    /// 429: too much at once.
    #[error("{detail}")]
    Busy {
        /// When to come back, in seconds.
        retry_after: Option<u64>,
        /// What fusion said.
        detail: String,
    },
    /// 503: not yet, or less than was required.
    #[error("{detail}")]
    NotReady {
        /// When to come back, in seconds.
        retry_after: Option<u64>,
        /// What fusion said.
        detail: String,
    },
    /// Any other status.
    #[error("status {status}: {detail}")]
    Status {
        /// The status.
        status: u16,
        /// What was said.
        detail: String,
    },
    /// The answer is none of fusion's.
    #[error("the answer makes no sense: {0}")]
    Malformed(String),
}

impl ClientError {
    /// What a refusal says.
    pub(crate) fn refusal(status: u16, retry_after: Option<u64>, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body)
            .unwrap_or_else(|_| Value::String(shown(&String::from_utf8_lossy(body))));
        let found = body.get("detail").unwrap_or(&body);
        let number = |key| found.get(key).and_then(Value::as_u64);
        if let (400, Some(current_count), Some(limit)) =
            (status, number("current_count"), number("limit"))
        {
            return Self::LimitExceeded { current_count, limit };
        }
        let detail = match found {
            Value::String(text) => text.clone(),
            other => shown(&other.to_string()),
        };
        match status {
            400 | 409 | 413 | 415 | 422 => Self::BadRequest(detail),
            401 | 403 => Self::Auth { status, detail },
            404 => Self::NotFound(detail),
            410 => Self::Gone(detail),
            429 => Self::Busy { retry_after, detail },
            503 => Self::NotReady { retry_after, detail },
            _ => Self::Status { status, detail },
        }
    }
}

/// As much of a text as a message can hold.
fn shown(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_error() {
        let refusal = |status, body: &str| ClientError::refusal(status, Some(3), body.as_bytes());
        let detail = || "x".to_owned();
        let cases = [
            (400, ClientError::BadRequest(detail())),
            (401, ClientError::Auth { status: 401, detail: detail() }),
            (403, ClientError::Auth { status: 403, detail: detail() }),
            (404, ClientError::NotFound(detail())),
            (410, ClientError::Gone(detail())),
            (422, ClientError::BadRequest(detail())),
            (429, ClientError::Busy { retry_after: Some(3), detail: detail() }),
            (503, ClientError::NotReady { retry_after: Some(3), detail: detail() }),
            (500, ClientError::Status { status: 500, detail: detail() }),
        ];
        for (status, expected) in cases {
            assert_eq!(refusal(status, r#"{"detail":"x"}"#), expected);
        }
        let limit = r#"{"detail":{"error":"x","view":"v","current_count":7,"limit":5}}"#;
        assert_eq!(refusal(400, limit), ClientError::LimitExceeded { current_count: 7, limit: 5 });
        assert_eq!(refusal(502, "<html>").to_string(), "status 502: <html>");
        assert_eq!(refusal(422, r#"{"detail":[1]}"#), ClientError::BadRequest("[1]".into()));
    }
}
