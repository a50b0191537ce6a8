//! From a configuration to a running process, and back to nothing on a signal.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, Write, stderr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use fustor_agent::program::control::Control;
use fustor_agent::program::log::Log;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::addresses::{Addresses, Listeners};
use super::steward::Steward;
use crate::config::{Config, Limits, ViewSettings};
use crate::host::{Clock, HostConfig, ViewHost};
use crate::http::{App, Service, ViewState, counted, router};
use crate::net::{Door, DoorLimits};
use crate::pipe::{Hub, HubError};
use crate::receiver::{self, Inlet};

/// Answers under way at a signal have so long to finish.
const GRACE: Duration = Duration::from_secs(5);
/// How often the writers are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What a process is started with beside its configuration.
pub struct Options {
    /// The directory of the files that the configuration was read from.
    pub dir: PathBuf,
    /// Makes of a configuration what the command line says: other ports, some of the pipes.
    pub adjust: Box<dyn Fn(&mut Config) + Send + Sync>,
    /// Where questions about the process are asked; `None`: nowhere.
    pub socket: Option<PathBuf>,
    /// The log, whose level can change.
    pub log: Option<Log>,
}

/// Why the process did not start or ended early.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// An address cannot be listened on.
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
    /// The pipes cannot be started.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A server failed.
    #[error("a server failed: {0}")]
    Serve(io::Error),
    /// The writer of a view died.
    #[error("view {0} has died")]
    Died(String),
}

/// Serves until `shutdown` is done or somebody asks for the end.
///
/// # Errors
/// [`ServiceError`], each a single line that names what is at fault.
pub async fn run(
    config: Config,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServiceError> {
    let listeners = Listeners::bind(&config).await?;
    let addresses = listeners.addresses().map_err(ServiceError::Serve)?;
    let clock = Arc::new(Clock::start());
    let hosts = start_views(&config, &clock)?;
    let hub = Hub::start(&config, &hosts, &clock).inspect_err(|_| stop_views(&hosts))?;
    let (stop, stopping) = watch::channel(false);
    let socket = options.socket.clone();
    let steward =
        Arc::new(Steward::new(config, options, Arc::clone(&hub), addresses, stop.clone()));
    let control = socket.and_then(|path| control(&path, &steward));
    let mut servers = serve(listeners, &steward, &hosts, &stopping);
    steward.announce();
    let hangups = tokio::spawn(Arc::clone(&steward).follow_hangups());
    let outcome = tokio::select! {
        () = shutdown => Ok(()),
        () = stopped(stopping) => Ok(()),
        died = follow(&hosts) => Err(ServiceError::Died(died)),
        ended = servers.join_next() => Err(ServiceError::Serve(why(ended))),
    };
    stop.send_replace(true);
    hangups.abort();
    let all = async { while servers.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all).await.is_err() {
        tracing::warn!("answers under way were cut off after {GRACE:?}");
    }
    // The socket goes last, so that who waits for the end sees it.
    stop_views(&hosts);
    hub.stop();
    drop(control);
    outcome
}

fn why(ended: Option<Result<io::Result<()>, tokio::task::JoinError>>) -> io::Error {
    match ended {
        Some(Ok(Err(error))) => error,
        Some(Err(error)) => io::Error::other(error),
        Some(Ok(Ok(()))) | None => io::Error::other("it ended by itself"),
    }
}

fn control(path: &std::path::Path, steward: &Arc<Steward>) -> Option<Control> {
    let answering = Arc::clone(steward);
    match Control::start(path, move |question| answering.answer(question)) {
        Ok(control) => Some(control),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "nobody can ask this process for its status");
            None
        }
    }
}

fn start_views(
    config: &Config,
    clock: &Arc<Clock>,
) -> Result<BTreeMap<String, ViewHost>, ServiceError> {
    let mut hosts = BTreeMap::new();
    for (name, settings) in &config.views {
        match ViewHost::start(name, host_config(settings, &config.limits), Arc::clone(clock)) {
            Ok(host) => {
                hosts.insert(name.clone(), host);
            }
            Err(error) => {
                stop_views(&hosts);
                return Err(ServiceError::Start { view: name.clone(), error });
            }
        }
    }
    Ok(hosts)
}

fn stop_views(hosts: &BTreeMap<String, ViewHost>) {
    hosts.values().for_each(ViewHost::stop);
}

fn host_config(settings: &ViewSettings, limits: &Limits) -> HostConfig {
    let ns = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    let mut config = HostConfig { history_bytes: limits.history_bytes, ..HostConfig::default() };
    config.view.hot_threshold_ns = ns(settings.hot_file_threshold);
    config.view.tombstone_ttl_ns = ns(settings.tombstone_ttl);
    config.view.max_nodes = settings.max_nodes;
    config
}

fn serve(
    listeners: Listeners,
    steward: &Arc<Steward>,
    hosts: &BTreeMap<String, ViewHost>,
    stopping: &watch::Receiver<bool>,
) -> JoinSet<io::Result<()>> {
    let hub = steward.hub();
    let Limits { connections, idle, .. } = *hub.limits();
    let limits = DoorLimits { connections, idle, ..DoorLimits::default() };
    let mut servers = JoinSet::new();
    let mut serve = |listener: TcpListener, router: Router| {
        let door = Door::new(listener, limits);
        servers.spawn(crate::net::serve(door, router, stopped(stopping.clone())));
    };
    let (reloading, shown) = (Arc::clone(steward), Arc::clone(steward));
    let service = Service {
        hub: Arc::clone(hub),
        reload: Box::new(move || reloading.reload().to_json()),
        config: Box::new(move || shown.list()),
    };
    let states = steward.states(hosts);
    let app = App::with_service(states, stopping.clone(), service);
    serve(listeners.views, router(app.clone()));
    for (ids, listener) in listeners.receivers {
        let inlet = Inlet::receivers(Arc::clone(hub), ids, stopping.clone());
        serve(listener, counted(app.clone(), receiver::router(inlet)));
    }
    servers
}

impl Steward {
    fn states(&self, hosts: &BTreeMap<String, ViewHost>) -> Vec<ViewState> {
        let config = self.config();
        let states = hosts.iter().map(|(name, host)| {
            let mut state = ViewState::new(host.clone());
            state.gate_legacy_routes = true;
            state.max_tree_items = config.views.get(name).and_then(|view| view.max_tree_items);
            state.source = Some(self.describe_sources(name));
            state
        });
        states.collect()
    }

    fn announce(&self) {
        let Addresses { views, receivers } = self.addresses();
        let mut text = format!("views: listening on http://{views}\n");
        for (ids, address) in receivers {
            let ids = ids.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            text.push_str(&format!("receiver {ids}: listening on http://{address}\n"));
        }
        // A closed standard error is no reason to stop serving.
        drop(stderr().write_all(text.as_bytes()));
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the end as well.
    drop(stopping.wait_for(|stop| *stop).await);
}

/// Looks at the writers for ever; returns the name of a view whose writer died.
async fn follow(hosts: &BTreeMap<String, ViewHost>) -> String {
    loop {
        if let Some(dead) = hosts.values().find(|host| !host.running()) {
            return dead.name().to_owned();
        }
        tokio::time::sleep(LOOK).await;
    }
}
