//! One connection pool to one fusion, and answers as they come.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, Url};
use serde::de::DeserializeOwned;

use crate::error::ClientError;

const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// An answer that is longer is refused; pages are far smaller.
const ANSWER_MAX: usize = 1 << 30;
const KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Where a fusion is and how it is asked.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The address of its views, such as `http://127.0.0.1:8101`.
    pub url: String,
    /// The query key, where one is needed.
    pub key: Option<String>,
    /// How long an answer may take; a question that waits by itself is given its wait besides.
    pub timeout: Duration,
}

impl ClientConfig {
    /// Without a key, with answers within 30 seconds.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), key: None, timeout: Duration::from_secs(30) }
    }
}

/// The connections.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    base: Url,
    http: Client,
    timeout: Duration,
}

/// An answer that is no refusal.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| ClientError::Malformed(error.to_string()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Transport {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        // A second one is refused, and the first is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let wrong = || ClientError::Address(config.url.clone());
        let mut base = Url::parse(&config.url).map_err(|_| wrong())?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(wrong());
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let mut headers = HeaderMap::new();
        if let Some(key) = &config.key {
            let mut key = HeaderValue::from_str(key).map_err(|_| ClientError::Key)?;
            key.set_sensitive(true);
            headers.insert(KEY, key);
        }
        let http = Client::builder()
            .default_headers(headers)
            .user_agent(concat!("fustor-client/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(CONNECT_PATIENCE)
            .build()
            .map_err(|error| ClientError::Setup(error.to_string()))?;
        Ok(Self { base, http, timeout: config.timeout })
    }

    /// Asks. `path` is relative and escaped; `wait` is what the question waits by itself.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        wait: Duration,
    ) -> Result<Reply, ClientError> {
        let url = self.base.join(path).map_err(|_| ClientError::Address(path.to_owned()))?;
        let mut request = self.http.request(method, url).timeout(self.timeout + wait);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.map_err(silence)?;
        let (status, after) = (response.status(), retry_after(&response));
        let headers = response.headers().clone();
        let body = read(response).await?;
        if !status.is_success() {
            return Err(ClientError::refusal(status.as_u16(), after, &body));
        }
        Ok(Reply { headers, body })
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(silence)? {
        if body.len() + chunk.len() > ANSWER_MAX {
            return Err(ClientError::Malformed(format!("more than {ANSWER_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn retry_after(response: &Response) -> Option<u64> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// An error of the connection with its causes. It never carries the key, which is a header.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn silence(error: reqwest::Error) -> ClientError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    if error.is_timeout() && !error.is_connect() {
        ClientError::Timeout(text)
    } else {
        ClientError::Unreachable(text)
    }
}
