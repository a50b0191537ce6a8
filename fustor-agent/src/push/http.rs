//! The connections to one fusion: one for heartbeats, one that is held open, others for everything else, so that no batch
//! delays a heartbeat.

use std::time::Duration;

use fustor_core::SECOND;
use fustor_core::client::Failure;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};
use thiserror::Error;

/// What fusion is expected to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speech {
    /// What its answer to the first request shows.
    #[default]
    Auto,
    /// This project's fusion; another one is refused.
    Native,
    /// Fustor 0.8, also with a fusion that could do better.
    Legacy,
}

/// Whether batches are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Unless fusion is on this host.
    #[default]
    Auto,
    /// Always.
    Zstd,
    /// Never.
    Off,
}

/// Where a fusion is and how it is spoken to.
#[derive(Clone, Debug)]
pub struct FusionConfig {
    /// The address of its receiver.
    pub uri: String,
    /// The push key.
    pub key: String,
    /// How long an answer may take.
    pub timeout: Duration,
    /// What it speaks.
    pub speech: Speech,
    /// Whether batches are compressed.
    pub compression: Compression,
}

/// Why nothing can be sent to it.
#[derive(Debug, Error)]
pub enum FusionError {
    /// Not an address.
    #[error("{uri:?} is no http or https address")]
    Address {
        /// As configured.
        uri: String,
    },
    /// The key cannot stand in a header.
    #[error("the key has characters that no header can carry")]
    Key,
    /// The system gives no connections.
    #[error("no connection can be set up: {0}")]
    Setup(reqwest::Error),
}

/// A heartbeat that takes longer is of no use: the lease is over.
const BEAT_PATIENCE: Duration = Duration::from_secs(3);
/// How long fusion is asked to hold a heartbeat.
pub(super) const HOLD: Duration = Duration::from_secs(10);
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// An answer that is longer is none of ours.
const ANSWER_MAX: usize = 16 << 20;

/// Which connection a request goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Heartbeats.
    Beat,
    /// The heartbeat that fusion holds.
    Hold,
    /// Everything else.
    Work,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// There was no connection.
    NotReached,
    /// The connection broke.
    Broke,
    /// It was reached and took too long.
    TooLong,
    /// What was asked for cannot stand in an address.
    NoAddress,
}

/// The connections.
#[derive(Clone, Debug)]
pub(super) struct Http {
    base: Url,
    beats: Client,
    holds: Client,
    work: Client,
    pub(super) compress: bool,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) after_ns: Option<i64>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) const fn is_ok(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    pub(super) const fn failure(&self) -> Failure {
        Failure::Refused { after_ns: self.after_ns }
    }

    /// The start of the body, for the log.
    pub(super) fn said(&self) -> String {
        String::from_utf8_lossy(&self.body[..self.body.len().min(300)]).into_owned()
    }
}

impl Http {
    pub(super) fn new(config: &FusionConfig) -> Result<Self, FusionError> {
        // A second one is refused, and the first is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let wrong = || FusionError::Address { uri: config.uri.clone() };
        let mut base = Url::parse(&config.uri).map_err(|_| wrong())?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(wrong());
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let mut key = HeaderValue::from_str(&config.key).map_err(|_| FusionError::Key)?;
        key.set_sensitive(true);
        let headers = HeaderMap::from_iter([(HEADER_KEY, key)]);
        let client = |patience: Duration| {
            Client::builder()
                .default_headers(headers.clone())
                .user_agent(concat!("fustor-agent/", env!("CARGO_PKG_VERSION")))
                .redirect(Policy::none())
                .connect_timeout(CONNECT_PATIENCE)
                .timeout(patience)
                .build()
                .map_err(FusionError::Setup)
        };
        let near = matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let compress = match config.compression {
            Compression::Auto => !near,
            Compression::Zstd => true,
            Compression::Off => false,
        };
        let beats = client(config.timeout.min(BEAT_PATIENCE))?;
        let holds = client(HOLD + BEAT_PATIENCE)?;
        Ok(Self { base, beats, holds, work: client(config.timeout)?, compress })
    }

    /// Sends one request. `Err`: there was no answer.
    pub(super) async fn send(
        &self,
        line: Line,
        method: Method,
        path: &str,
        body: Option<Body>,
    ) -> Result<Answer, Failure> {
        self.exchange(line, method, path, body).await.map_err(|silence| match silence {
            Silence::NotReached | Silence::Broke => Failure::Unreachable,
            // Coming again at once makes it worse.
            Silence::TooLong | Silence::NoAddress => Failure::Refused { after_ns: None },
        })
    }

    /// The same; `Err` says what kind of silence it was.
    pub(super) async fn exchange(
        &self,
        line: Line,
        method: Method,
        path: &str,
        body: Option<Body>,
    ) -> Result<Answer, Silence> {
        let silent = |error: reqwest::Error| {
            tracing::debug!(path, error = %Chain(&error), "no answer");
            match (error.is_connect(), error.is_timeout()) {
                (true, _) => Silence::NotReached,
                (false, true) => Silence::TooLong,
                (false, false) => Silence::Broke,
            }
        };
        let client = match line {
            Line::Beat => &self.beats,
            Line::Hold => &self.holds,
            Line::Work => &self.work,
        };
        let url = self.base.join(path).map_err(|_| Silence::NoAddress)?;
        let mut request = client.request(method, url);
        if let Some(body) = body {
            request = request.header("content-type", body.kind);
            if let Some(coding) = body.coding {
                request = request.header("content-encoding", coding);
            }
            request = request.body(body.bytes);
        }
        let response = request.send().await.map_err(silent)?;
        let (status, after_ns) = (response.status(), retry_after(&response));
        let body = read(response).await.map_err(silent)?;
        if !status.is_success() && status != StatusCode::TOO_MANY_REQUESTS {
            tracing::debug!(path, %status, said = %String::from_utf8_lossy(&body), "refused");
        }
        Ok(Answer { status: status.as_u16(), after_ns, body })
    }
}

const HEADER_KEY: reqwest::header::HeaderName =
    reqwest::header::HeaderName::from_static("x-api-key");

/// The body of a request.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) kind: &'static str,
    pub(super) coding: Option<&'static str>,
    pub(super) bytes: Vec<u8>,
}

impl Body {
    pub(super) const fn json(bytes: Vec<u8>) -> Self {
        Self { kind: "application/json", coding: None, bytes }
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_MAX {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Whole seconds; a date is taken for none.
fn retry_after(response: &Response) -> Option<i64> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let seconds: i64 = text.trim().parse().ok()?;
    Some(seconds.clamp(0, 3600) * SECOND)
}

/// An error with its causes.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
