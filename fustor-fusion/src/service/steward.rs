//! Answers for the running process: its status, its configuration, a reload, the end.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use fustor_agent::program::control::Question;
use fustor_agent::program::yaml::Report;
use fustor_core::session::{Roster, Sync};
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::ports::{Addresses, Ports};
use super::reload::{Reloaded, compare};
use super::run::{Options, host_config};
use crate::config::{self, Config, PipeSettings};
use crate::host::{HostConfig, ViewHost};
use crate::http::{App, Describe, ViewState, describe_pipe, describe_sessions};
use crate::pipe::{Copying, Hub, Storage};

/// Who knows all of a process.
pub(super) struct Steward {
    config: Mutex<Config>,
    options: Options,
    hub: Arc<Hub>,
    hosts: Mutex<BTreeMap<String, ViewHost>>,
    /// What is there as soon as the process serves.
    front: OnceLock<(App, Ports)>,
    stop: watch::Sender<bool>,
    began: Instant,
}

impl Steward {
    pub(super) fn new(
        config: Config,
        options: Options,
        (hub, hosts): (&Arc<Hub>, BTreeMap<String, ViewHost>),
        stop: watch::Sender<bool>,
    ) -> Self {
        let (config, hosts) = (Mutex::new(config), Mutex::new(hosts));
        let (hub, front) = (Arc::clone(hub), OnceLock::new());
        Self { config, options, hub, hosts, front, stop, began: Instant::now() }
    }

    pub(super) fn take_over(&self, app: App, ports: Ports) {
        // Nobody else does this.
        drop(self.front.set((app, ports)));
    }

    pub(super) fn addresses(&self) -> Option<Addresses> {
        self.front.get().map(|(_, ports)| ports.addresses())
    }

    /// Waits for the answers under way.
    pub(super) async fn finish(&self) {
        if let Some((_, ports)) = self.front.get() {
            ports.finish().await;
        }
    }

    fn hosts(&self) -> MutexGuard<'_, BTreeMap<String, ViewHost>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stop_views(&self) {
        self.hosts().values().for_each(ViewHost::stop);
    }

    /// A view whose writer died.
    pub(super) fn dead_view(&self) -> Option<String> {
        self.hosts().values().find(|host| !host.running()).map(|host| host.name().to_owned())
    }

    /// The views as the routes see them.
    pub(super) fn states(&self) -> Vec<ViewState> {
        self.states_of(&self.config())
    }

    fn states_of(&self, config: &Config) -> Vec<ViewState> {
        let state = |(name, host): (&String, &ViewHost)| {
            let mut state = ViewState::new(host.clone());
            state.gate_legacy_routes = true;
            state.max_tree_items = config.views.get(name).and_then(|view| view.max_tree_items);
            state.source = Some(self.describe_sources(name));
            state
        };
        self.hosts().iter().map(state).collect()
    }

    pub(super) fn config(&self) -> Config {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn answer(&self, question: Question) -> Value {
        match question {
            Question::Status { pipe } => self.status(pipe.as_deref()),
            Question::List => self.list(),
            Question::Reload => self.reload().to_json(),
            Question::Stop => {
                self.stop.send_replace(true);
                json!({"stopping": true})
            }
        }
    }

    /// What runs, and how it fares.
    fn status(&self, pipe: Option<&str>) -> Value {
        if let Some(unknown) = pipe.filter(|pipe| self.hub.pipe(pipe).is_none()) {
            return json!({"error": format!("pipe {unknown:?} does not run here")});
        }
        let chosen =
            self.hub.pipes().into_iter().filter(|one| pipe.is_none_or(|id| id == &**one.id()));
        let pipes: Map<String, Value> = chosen
            .map(|pipe| {
                let mut body = describe_pipe(&pipe);
                body["sessions"] = json!(describe_sessions(&self.hub, pipe.storage()));
                body["complete"] = json!(pipe.storage().read(Roster::synced) == Sync::Complete);
                (pipe.id().to_string(), body)
            })
            .collect();
        json!({
            "running": true,
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_sec": self.began.elapsed().as_secs(),
            "views_at": self.addresses().map(|all| format!("http://{}", all.views)),
            "receivers_at": self.receivers_at(),
            "pipes": pipes,
        })
    }

    fn receivers_at(&self) -> Map<String, Value> {
        let receivers = self.addresses().map(|all| all.receivers).unwrap_or_default();
        let each = receivers.into_iter().flat_map(|(ids, address)| {
            ids.into_iter().map(move |id| (id, json!(format!("http://{address}"))))
        });
        each.collect()
    }

    /// The configuration that runs, without its keys.
    pub(super) fn list(&self) -> Value {
        let config = self.config();
        let receivers = config.receivers.iter().map(|(id, receiver)| {
            (
                id.clone(),
                json!({"bind_host": receiver.bind_host, "port": receiver.port,
                                "keys": receiver.keys.len()}),
            )
        });
        let views = config.views.iter().map(|(id, view)| {
            (
                id.clone(),
                json!({"keys": view.keys.len(), "max_tree_items": view.max_tree_items,
                                "max_nodes": view.max_nodes,
                                "hot_file_threshold": view.hot_file_threshold.as_secs_f64()}),
            )
        });
        let pipes = config.pipes.iter().map(|(id, pipe)| {
            (
                id.clone(),
                json!({"file": pipe.file.display().to_string(),
                                "receiver": pipe.receiver, "views": pipe.views,
                                "storage": pipe.storage,
                                "session_timeout_seconds": pipe.session_timeout.as_secs(),
                                "audit_interval_sec": pipe.audit_interval_sec,
                                "sentinel_interval_sec": pipe.sentinel_interval_sec,
                                "allow_concurrent_push": pipe.concurrent}),
            )
        });
        json!({
            "host": config.host,
            "port": config.port,
            "log_level": config.log_level.directive(),
            "receivers": receivers.collect::<Map<_, _>>(),
            "views": views.collect::<Map<_, _>>(),
            "pipes": pipes.collect::<Map<_, _>>(),
        })
    }

    /// Reads the configuration again and lets take effect what can.
    pub(super) fn reload(&self) -> Reloaded {
        let report = Report::default();
        let Some(mut wanted) = config::read(&self.options.dir, &report) else {
            return Reloaded::faulty(&report.faults());
        };
        (self.options.adjust)(&mut wanted);
        // Held throughout, so that two reloads do not mix.
        let mut running = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, mut said) = compare(&running, &wanted);
        self.go_over(&running, &next, &mut said);
        if let Some(log) = &self.options.log
            && next.log_level != running.log_level
        {
            log.set_level(next.log_level);
        }
        *running = next;
        said.warnings = report.warnings().iter().map(ToString::to_string).collect();
        tracing::info!(added = ?said.added, removed = ?said.removed, changed = ?said.changed, refused = ?said.refused, "configuration read again");
        said
    }

    /// From one configuration to another: new views, other pipes, other ports, in this order, then what is no more goes.
    fn go_over(&self, running: &Config, next: &Config, said: &mut Reloaded) {
        let mut copies = Vec::new();
        for (name, settings) in
            next.views.iter().filter(|(name, _)| !running.views.contains_key(*name))
        {
            let host = host_config(settings, &next.limits);
            match self.start_view(name, &host, sibling(running, next, name)) {
                Ok(copy) => copies.extend(copy),
                Err(error) => said.refused.push((format!("view {name:?}"), error.to_string())),
            }
        }
        let copied: BTreeSet<String> = copies.iter().map(|(name, _)| name.clone()).collect();
        let copies = copies.into_iter().map(|(_, copy)| copy).collect();
        let hosts = self.hosts().clone();
        if let Err(error) = self.hub.rewire(next, &hosts, copies) {
            said.refused.push(("pipes".to_owned(), error.to_string()));
        }
        // What a view has never heard has to be told again by those who have said it before.
        let anew = unheard(running, next, &copied);
        let storages = self.hub.storages().into_iter();
        storages.filter(|one| anew.contains(one.name())).for_each(|one| one.end_sessions());
        if let Some((app, ports)) = self.front.get() {
            said.refused.extend(ports.reopen(next));
            let gone = |name: &String| !next.views.contains_key(name);
            let gone: Vec<ViewHost> =
                hosts.into_iter().filter(|(name, _)| gone(name)).map(|(_, host)| host).collect();
            self.hosts().retain(|name, _| next.views.contains_key(name));
            app.set_views(self.states_of(next));
            gone.iter().for_each(ViewHost::stop);
        }
    }

    /// Starts a view, from the state of another one if there is one that hears the same.
    fn start_view(
        &self,
        name: &str,
        host: &HostConfig,
        sibling: Option<String>,
    ) -> io::Result<Option<(String, Copying)>> {
        let mut hosts = self.hosts();
        let from = sibling.and_then(|sibling| hosts.get(&sibling).cloned());
        let (sender, receiver) = sync_channel(1);
        let copy = from.is_some().then_some(receiver);
        let clock = Arc::clone(self.hub.clock());
        let started = ViewHost::start_from(name, host.clone(), clock, copy)?;
        hosts.insert(name.to_owned(), started);
        let copying = |from| (name.to_owned(), Copying { from, host: host.clone(), sender });
        Ok(from.map(copying))
    }

    /// Reads the configuration again at each SIGHUP, as 0.8 does.
    pub(super) async fn follow_hangups(self: Arc<Self>) {
        let Ok(mut hangups) = signal(SignalKind::hangup()) else { return };
        while hangups.recv().await.is_some() {
            let steward = Arc::clone(&self);
            let reading = tokio::task::spawn_blocking(move || steward.reload());
            if let Ok(said) = reading.await
                && !said.is_complete()
            {
                tracing::error!(faults = ?said.faults, refused = ?said.refused, "reload");
            }
        }
    }

    /// What a view's `/health` says of those who feed it.
    pub(super) fn describe_sources(&self, view: &str) -> Describe {
        let (hub, view) = (Arc::clone(&self.hub), view.to_owned());
        Box::new(move || {
            let storages: Vec<Value> = hub
                .storages_of_view(&view)
                .iter()
                .map(|storage| describe_storage(&hub, storage))
                .collect();
            // Nearly always there is one, and 0.8 knows no more.
            match <[Value; 1]>::try_from(storages) {
                Ok([only]) => only,
                Err(storages) if storages.is_empty() => Value::Null,
                Err(storages) => Value::Array(storages),
            }
        })
    }
}

fn describe_storage(hub: &Hub, storage: &Storage) -> Value {
    let (leader, synced, backlog) = storage.read(|roster| {
        let leader = roster.leader().map(|leader| leader.to_string());
        (leader, format!("{:?}", roster.synced()), roster.backlog())
    });
    json!({
        "storage": storage.name(),
        "leader": leader,
        "synced": synced,
        "orders": backlog,
        "sessions": describe_sessions(hub, storage),
    })
}

/// The storages that feed a view, if all of them are there in both configurations alike.
fn feeding<'a>(config: &'a Config, view: &str) -> BTreeSet<(&'a str, bool)> {
    let feeds = |pipe: &&PipeSettings| pipe.views.iter().any(|fed| fed == view);
    config.pipes.values().filter(feeds).map(|pipe| (&*pipe.storage, pipe.coherent)).collect()
}

/// A view that has heard everything that a new one is going to hear.
fn sibling(running: &Config, next: &Config, name: &str) -> Option<String> {
    let own = feeding(next, name);
    let same = |view: &&String| feeding(running, view) == own;
    running.views.keys().find(same).filter(|_| !own.is_empty()).cloned()
}

/// The storages that have reported before, and not to all of the views that they feed now.
fn unheard<'a>(running: &Config, next: &'a Config, copied: &BTreeSet<String>) -> BTreeSet<&'a str> {
    let known: BTreeSet<(&str, bool)> =
        running.pipes.values().map(|pipe| (&*pipe.storage, pipe.coherent)).collect();
    let views = next.views.keys().filter(|view| !copied.contains(*view));
    let pairs = views.flat_map(|view| {
        let heard = feeding(running, view);
        feeding(next, view).into_iter().filter(move |storage| !heard.contains(storage))
    });
    pairs.filter(|storage| known.contains(storage)).map(|(word, _)| word).collect()
}
