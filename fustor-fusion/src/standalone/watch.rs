//! `watch`: from directories and an address to a running service, and back to nothing on a signal.

use std::future::Future;
use std::io::{self, Write, stderr};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use fustor_agent::Source;
use serde_json::json;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch as signal;

use super::feed::{Feed, FeedConfig, FeedError};
use super::naming::name_views;
use super::progress::Progress;
use crate::host::{Clock, HostConfig, ViewHost};
use crate::http::{App, Describe, ViewState, serve};

/// Answers under way at a signal have so long to finish.
const GRACE: Duration = Duration::from_secs(5);

/// What to watch and where to answer.
#[derive(Clone, Debug)]
pub struct WatchConfig {
    /// The directories; each becomes a view.
    pub dirs: Vec<PathBuf>,
    /// The name of the view when there is one directory.
    pub view: Option<String>,
    /// Host and port to listen on; port 0 takes any free one.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How many entries an answer of `/tree` or `/search` may have; 0: no limit.
    pub max_tree_items: u64,
    /// A file that changed less than so long ago may be incomplete.
    pub hot_file_threshold: Duration,
    /// How often everything is read again.
    pub audit_interval: Duration,
    /// Within which time also what looks unchanged is read again; `None`: as the file system allows.
    pub verify_within: Option<Duration>,
    /// Whether the kernel is asked for changes.
    pub watch: bool,
    /// What is not looked at.
    pub exclude: Vec<String>,
    /// Called once when every first scan is complete: a moment to give memory back.
    pub settled_in: fn(),
}

/// Why the service did not start or ended early.
#[derive(Debug, Error)]
pub enum WatchError {
    /// A directory cannot be watched.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The address cannot be listened on.
    #[error("cannot listen on {host}:{port}: {error}")]
    Listen {
        /// The host as given.
        host: String,
        /// The port as given.
        port: u16,
        /// What the system said.
        error: io::Error,
    },
    /// A view's thread cannot be started.
    #[error("cannot start view {view}: {error}")]
    Start {
        /// The view.
        view: String,
        /// What the system said.
        error: io::Error,
    },
    /// The server failed.
    #[error("the server failed: {0}")]
    Serve(io::Error),
    /// The writer of a view died.
    #[error("view {0} has died")]
    Died(String),
}

/// Watches and serves until `shutdown` is done.
///
/// # Errors
/// [`WatchError`], each a single line that names what is at fault.
pub async fn watch(
    config: WatchConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), WatchError> {
    let listener = listen(&config).await?;
    let address = listener.local_addr().map_err(WatchError::Serve)?;
    let clock = Arc::new(Clock::start());
    let mut views = Views::start(&config, &clock)?;
    let (stop, stopping) = signal::channel(false);
    let app = App::new(views.states(&config), stopping.clone());
    announce(address, &views.hosts);
    let serving = tokio::spawn(serve(listener, stopped(stopping), app));
    let outcome = tokio::select! {
        () = shutdown => Ok(()),
        died = follow(views.hosts.clone(), config.settled_in) => Err(WatchError::Died(died)),
    };
    stop.send_replace(true);
    let served = tokio::time::timeout(GRACE, serving).await;
    views.stop();
    match served {
        Ok(Ok(Err(error))) => return Err(WatchError::Serve(error)),
        Ok(Err(error)) => return Err(WatchError::Serve(io::Error::other(error))),
        Ok(Ok(Ok(()))) => (),
        Err(_) => tracing::warn!("answers under way were cut off after {GRACE:?}"),
    }
    outcome
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

async fn listen(config: &WatchConfig) -> Result<TcpListener, WatchError> {
    let bound = TcpListener::bind((config.host.as_str(), config.port)).await;
    bound.map_err(|error| WatchError::Listen {
        host: config.host.clone(),
        port: config.port,
        error,
    })
}

async fn stopped(mut stopping: signal::Receiver<bool>) {
    // An error means that the sender is gone, which is the end as well.
    drop(stopping.wait_for(|stop| *stop).await);
}

/// The running views and their agents.
struct Views {
    hosts: Vec<ViewHost>,
    feeds: Vec<Feed>,
}

impl Views {
    fn start(config: &WatchConfig, clock: &Arc<Clock>) -> Result<Self, WatchError> {
        let names = name_views(&config.dirs, config.view.as_deref());
        let mut views = Self { hosts: Vec::new(), feeds: Vec::new() };
        for (name, root) in names.into_iter().zip(&config.dirs) {
            if let Err(error) = views.add(config, &name, root, clock) {
                views.stop();
                return Err(error);
            }
        }
        Ok(views)
    }

    fn add(
        &mut self,
        config: &WatchConfig,
        name: &str,
        root: &Path,
        clock: &Arc<Clock>,
    ) -> Result<(), WatchError> {
        let mut settings = HostConfig::default();
        settings.view.hot_threshold_ns = nanoseconds(config.hot_file_threshold);
        settings.view.audit_interval_ns = nanoseconds(config.audit_interval);
        let host = ViewHost::start(name, settings, Arc::clone(clock))
            .map_err(|error| WatchError::Start { view: name.to_owned(), error })?;
        self.hosts.push(host.clone());
        let feed = FeedConfig {
            root: root.to_owned(),
            watch: config.watch,
            exclude: config.exclude.clone(),
            audit_interval: config.audit_interval,
            verify_within: config.verify_within,
        };
        let feed = Feed::start(&host, &feed)?;
        if feed.shared_storage() && config.watch {
            tracing::warn!(
                view = name,
                "{} is on a shared file system: changes by other hosts are seen by audits only",
                root.display()
            );
        }
        self.feeds.push(feed);
        Ok(())
    }

    fn states(&self, config: &WatchConfig) -> Vec<ViewState> {
        let limit = (config.max_tree_items > 0).then_some(config.max_tree_items);
        let views =
            self.hosts.iter().zip(&self.feeds).zip(&config.dirs).map(|((host, feed), root)| {
                let mut state = ViewState::new(host.clone());
                state.max_tree_items = limit;
                state.source = Some(describe(config, root, Arc::downgrade(feed.source())));
                state
            });
        views.collect()
    }

    fn stop(&mut self) {
        for host in &self.hosts {
            host.stop();
        }
        for feed in self.feeds.drain(..) {
            feed.stop();
        }
    }
}

/// What a view's agent says of itself. It does not keep the agent alive.
fn describe(config: &WatchConfig, root: &Path, source: Weak<Source>) -> Describe {
    let root = root.display().to_string();
    let (watch, audit) = (config.watch, config.audit_interval.as_secs());
    Box::new(move || {
        let progress = source.upgrade().map(|source| source.progress()).unwrap_or_default();
        let errors = progress.errors;
        json!({
            "root": root,
            "watch": watch,
            "audit_interval_sec": audit,
            "watches": progress.watches,
            "entries_read": progress.entries,
            "directories_read": progress.directories,
            "directories_left": progress.directories_left,
            "directories_looked_at": progress.looked,
            "directories_unchanged": progress.silent,
            "oldest_reading_sec": progress.oldest_reading.map(|age| age.as_secs()),
            "queue": progress.queue_len,
            "errors": {"unreadable": errors.unreadable, "failing": errors.failing,
                       "hanging": errors.hanging, "restless": errors.restless},
        })
    })
}

/// Reports on the views for ever; returns the name of one that died.
async fn follow(hosts: Vec<ViewHost>, settled_in: fn()) -> String {
    let mut all: Vec<Progress> = hosts.iter().cloned().map(Progress::new).collect();
    let mut scanning = all.len();
    loop {
        if let Some(dead) = hosts.iter().find(|host| !host.running()) {
            return dead.name().to_owned();
        }
        let finished = all.iter_mut().map(Progress::look).filter(|finished| *finished).count();
        scanning -= finished;
        if finished > 0 && scanning == 0 {
            settled_in();
        }
        let pause = all.iter().map(Progress::pause).min().unwrap_or(GRACE);
        tokio::time::sleep(pause).await;
    }
}

fn announce(address: SocketAddr, hosts: &[ViewHost]) {
    let mut text = format!("listening on http://{address}\n");
    for host in hosts {
        let base = format!("http://{address}/api/v1/views/{}", host.name());
        text.push_str(&format!(
            "try:\n  curl -s '{base}/stats'\n  curl -s '{base}/list?path=/'\n  curl -s \
             '{base}/find?contains=log&type=f&limit=20'\n  curl -s \
             '{base}/settled?path=/&quiet_sec=10&wait_sec=60'\n"
        ));
    }
    // A closed standard error is no reason to stop serving.
    drop(stderr().write_all(text.as_bytes()));
}
