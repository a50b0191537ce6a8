//! The client that waits for its answers. Not for use within a tokio runtime, where waiting would panic.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use crate::answers::{
    BlindSpots, Changes, Health, Job, Metadata, Page, Settled, Stats, SubtreeStats, Suspects,
    TopPage, TreeNode, ViewSession,
};
use crate::asynchronous::{AsyncClient, AsyncView};
use crate::error::ClientError;
use crate::pages::{Entries, Follow};
use crate::questions::{Find, List, Top, Tree};
use crate::transport::ClientConfig;

/// A client of one fusion. Cheap to clone; clones share their connections and one thread that serves them.
#[derive(Clone, Debug)]
pub struct Client {
    runtime: Arc<Runtime>,
    client: AsyncClient,
}

/// One view of a fusion.
#[derive(Clone, Debug)]
pub struct ViewHandle {
    runtime: Arc<Runtime>,
    view: AsyncView,
}

impl Client {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Address`], [`ClientError::Key`], [`ClientError::Setup`].
    pub fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("fustor-client")
            .enable_all()
            .build()
            .map_err(|error| ClientError::Setup(error.to_string()))?;
        Ok(Self { runtime: Arc::new(runtime), client: AsyncClient::new(config)? })
    }

    /// A view by its name; whether there is one shows with the first question.
    #[must_use]
    pub fn view(&self, name: &str) -> ViewHandle {
        ViewHandle { runtime: Arc::clone(&self.runtime), view: self.client.view(name) }
    }

    /// Whether no route answers that it is too early.
    ///
    /// # Errors
    /// [`ClientError`] when that could not be asked.
    pub fn is_ready(&self) -> Result<bool, ClientError> {
        self.runtime.block_on(self.client.is_ready())
    }

    /// The figures for Prometheus, as text.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn metrics(&self) -> Result<String, ClientError> {
        self.runtime.block_on(self.client.metrics())
    }
}

/// Every method may fail with a [`ClientError`]; [`AsyncView`] says what each asks.
#[expect(clippy::missing_errors_doc, reason = "said once for all")]
impl ViewHandle {
    /// The totals of the view.
    pub fn stats(&self) -> Result<Stats, ClientError> {
        self.runtime.block_on(self.view.stats())
    }

    /// The totals of one path and everything below it.
    pub fn subtree_stats(&self, path: &[u8]) -> Result<SubtreeStats, ClientError> {
        self.runtime.block_on(self.view.subtree_stats(path))
    }

    /// One page of one directory.
    pub fn list(&self, list: &List) -> Result<Page, ClientError> {
        self.runtime.block_on(self.view.list(list))
    }

    /// All entries of one directory.
    #[must_use]
    pub fn list_all(&self, list: List) -> Entries {
        Entries::list(self.clone(), list)
    }

    /// One page of what satisfies conditions.
    pub fn find(&self, find: &Find) -> Result<Page, ClientError> {
        self.runtime.block_on(self.view.find(find))
    }

    /// Everything that satisfies conditions.
    #[must_use]
    pub fn find_all(&self, find: Find) -> Entries {
        Entries::find(self.clone(), find)
    }

    /// Everything known of one entry.
    pub fn metadata(&self, path: &[u8]) -> Result<Metadata, ClientError> {
        self.runtime.block_on(self.view.metadata(path))
    }

    /// Whether a subtree has been quiet for `quiet_sec`; waits up to `wait_sec` until it is.
    pub fn settled(
        &self,
        path: &[u8],
        quiet_sec: Option<u64>,
        wait_sec: u64,
    ) -> Result<Settled, ClientError> {
        self.runtime.block_on(self.view.settled(path, quiet_sec, wait_sec))
    }

    /// What differs since a revision.
    pub fn changes(&self, since: &str, limit: Option<usize>) -> Result<Changes, ClientError> {
        self.runtime.block_on(self.view.changes(since, limit))
    }

    /// What changes from now on.
    pub fn follow(&self) -> Result<Follow, ClientError> {
        Follow::begin(self)
    }

    /// The biggest or busiest children of a directory.
    pub fn top(&self, top: &Top) -> Result<TopPage, ClientError> {
        self.runtime.block_on(self.view.top(top))
    }

    /// The nested tree.
    pub fn tree(&self, tree: &Tree) -> Result<TreeNode, ClientError> {
        self.runtime.block_on(self.view.tree(tree))
    }

    /// The files whose path or name matches a pattern, as 0.8 searches.
    pub fn search(&self, pattern: &str) -> Result<Vec<TreeNode>, ClientError> {
        self.runtime.block_on(self.view.search(pattern))
    }

    /// What only scans know of.
    pub fn blind_spots(&self, limit: Option<usize>) -> Result<BlindSpots, ClientError> {
        self.runtime.block_on(self.view.blind_spots(limit))
    }

    /// One page of what may be incomplete.
    pub fn suspects(&self, offset: u64, limit: Option<usize>) -> Result<Suspects, ClientError> {
        self.runtime.block_on(self.view.suspects(offset, limit))
    }

    /// What the picture is worth.
    pub fn health(&self) -> Result<Health, ClientError> {
        self.runtime.block_on(self.view.health())
    }

    /// Who feeds the view.
    pub fn sessions(&self) -> Result<Vec<ViewSession>, ClientError> {
        self.runtime.block_on(self.view.sessions())
    }

    /// Scans on demand.
    pub fn jobs(&self) -> Result<Vec<Job>, ClientError> {
        self.runtime.block_on(self.view.jobs())
    }

    /// One scan on demand.
    pub fn job(&self, id: &str) -> Result<Job, ClientError> {
        self.runtime.block_on(self.view.job(id))
    }

    /// Asks for a scan.
    pub fn scan(&self, path: &[u8], recursive: bool) -> Result<Job, ClientError> {
        self.runtime.block_on(self.view.scan(path, recursive))
    }
}
