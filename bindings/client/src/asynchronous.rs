//! The client for programs with a tokio runtime: one method for each route.

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::answers::{
    BlindSpots, Changes, Health, Job, Metadata, Page, Settled, Stats, SubtreeStats, Suspects,
    TopPage, TreeNode, ViewSession,
};
use crate::error::ClientError;
use crate::questions::{Find, List, Query, Top, Tree, base64_url};
use crate::transport::{ClientConfig, Reply, Transport};

/// A client of one fusion. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct AsyncClient(Transport);

/// One view of a fusion.
#[derive(Clone, Debug)]
pub struct AsyncView {
    transport: Transport,
    base: String,
}

impl AsyncClient {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Address`], [`ClientError::Key`], [`ClientError::Setup`].
    pub fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        Transport::new(config).map(Self)
    }

    /// A view by its name; whether there is one shows with the first question.
    #[must_use]
    pub fn view(&self, name: &str) -> AsyncView {
        let name = Query::default().add("", name.as_bytes());
        // What an escaped value may hold and a segment of a path may not.
        let name = name.as_str().trim_start_matches("?=").replace('/', "%2F");
        AsyncView { transport: self.0.clone(), base: format!("api/v1/views/{name}") }
    }

    /// Whether no route answers that it is too early.
    ///
    /// # Errors
    /// [`ClientError`] when that could not be asked.
    pub async fn is_ready(&self) -> Result<bool, ClientError> {
        match self.0.ask(Method::GET, "readyz", None, Duration::ZERO).await {
            Ok(_) => Ok(true),
            Err(ClientError::NotReady { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The figures for Prometheus, as text.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let reply = self.0.ask(Method::GET, "metrics", None, Duration::ZERO).await?;
        Ok(String::from_utf8_lossy(&reply.body).into_owned())
    }
}

#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
struct Sessions {
    active_sessions: Vec<ViewSession>,
}

/// Every method may fail with a [`ClientError`].
#[expect(clippy::missing_errors_doc, reason = "said once for all")]
impl AsyncView {
    async fn reply(&self, route: &str, query: &Query, wait: u64) -> Result<Reply, ClientError> {
        let path = format!("{}/{route}{}", self.base, query.as_str());
        self.transport.ask(Method::GET, &path, None, Duration::from_secs(wait)).await
    }

    async fn get<T: DeserializeOwned>(&self, route: &str, query: Query) -> Result<T, ClientError> {
        self.reply(route, &query, 0).await?.parse()
    }

    /// The totals of the view.
    pub async fn stats(&self) -> Result<Stats, ClientError> {
        self.get("stats", Query::default()).await
    }

    /// The totals of one path and everything below it.
    pub async fn subtree_stats(&self, path: &[u8]) -> Result<SubtreeStats, ClientError> {
        // Without a path it is another question.
        let path = if path.is_empty() { b"/" } else { path };
        self.get("stats", Query::default().path(path)).await
    }

    /// One page of one directory.
    pub async fn list(&self, list: &List) -> Result<Page, ClientError> {
        self.get("list", list.query()).await
    }

    /// One page of what satisfies conditions.
    pub async fn find(&self, find: &Find) -> Result<Page, ClientError> {
        self.get("find", find.query()).await
    }

    /// Everything known of one entry.
    pub async fn metadata(&self, path: &[u8]) -> Result<Metadata, ClientError> {
        self.get("metadata", Query::default().path(path)).await
    }

    /// Whether a subtree has been quiet for `quiet_sec`; waits up to `wait_sec` until it is.
    pub async fn settled(
        &self,
        path: &[u8],
        quiet_sec: Option<u64>,
        wait_sec: u64,
    ) -> Result<Settled, ClientError> {
        let query = Query::default().path(path).number("quiet_sec", quiet_sec);
        let query = query.number("wait_sec", Some(wait_sec));
        self.reply("settled", &query, wait_sec).await?.parse()
    }

    /// What differs since a revision that an earlier answer of this route named in [`Changes::to`].
    pub async fn changes(&self, since: &str, limit: Option<usize>) -> Result<Changes, ClientError> {
        let query = Query::default().add("since", since.as_bytes());
        self.get("changes", query.number("limit", limit)).await
    }

    /// The biggest or busiest children of a directory.
    pub async fn top(&self, top: &Top) -> Result<TopPage, ClientError> {
        self.get("top", top.query()).await
    }

    /// The nested tree.
    pub async fn tree(&self, tree: &Tree) -> Result<TreeNode, ClientError> {
        self.get("tree", tree.query()).await
    }

    /// The files whose path or name matches a pattern, as 0.8 searches.
    pub async fn search(&self, pattern: &str) -> Result<Vec<TreeNode>, ClientError> {
        self.get("search", Query::default().add("pattern", pattern.as_bytes())).await
    }

    /// What only scans know of.
    pub async fn blind_spots(&self, limit: Option<usize>) -> Result<BlindSpots, ClientError> {
        self.get("blind-spots", Query::default().number("limit", limit)).await
    }

    /// One page of what may be incomplete.
    pub async fn suspects(
        &self,
        offset: u64,
        limit: Option<usize>,
    ) -> Result<Suspects, ClientError> {
        let query = Query::default().number("offset", Some(offset)).number("limit", limit);
        let reply = self.reply("suspect-list", &query, 0).await?;
        let next = reply.header("x-fustor-next-offset").and_then(|next| next.parse().ok());
        Ok(Suspects { entries: reply.parse()?, next })
    }

    /// What the picture is worth.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.get("health", Query::default()).await
    }

    /// Who feeds the view.
    pub async fn sessions(&self) -> Result<Vec<ViewSession>, ClientError> {
        let sessions: Sessions = self.get("sessions", Query::default()).await?;
        Ok(sessions.active_sessions)
    }

    /// Scans on demand.
    pub async fn jobs(&self) -> Result<Vec<Job>, ClientError> {
        let jobs: Jobs = self.get("jobs", Query::default()).await?;
        Ok(jobs.jobs)
    }

    /// One scan on demand.
    pub async fn job(&self, id: &str) -> Result<Job, ClientError> {
        let id = Query::default().add("", id.as_bytes());
        let id = id.as_str().trim_start_matches("?=").replace('/', "%2F");
        self.get(&format!("jobs/{id}"), Query::default()).await
    }

    /// Asks for a scan.
    pub async fn scan(&self, path: &[u8], recursive: bool) -> Result<Job, ClientError> {
        let body = match std::str::from_utf8(path) {
            Ok(path) => json!({"path": path, "recursive": recursive}),
            Err(_) => json!({"path_b64": base64_url(path), "recursive": recursive}),
        };
        let path = format!("{}/scan", self.base);
        let body = Some(body.to_string());
        self.transport.ask(Method::POST, &path, body, Duration::ZERO).await?.parse()
    }
}
