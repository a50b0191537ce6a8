//! Answers for the running process: its status, its configuration, a reload, the end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use fustor_agent::program::control::Question;
use fustor_agent::program::yaml::Report;
use fustor_core::session::{Roster, Sync};
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::addresses::Addresses;
use super::reload::{Reloaded, compare};
use super::run::Options;
use crate::config::{self, Config};
use crate::http::{Describe, describe_pipe, describe_sessions};
use crate::pipe::{Hub, Storage};

/// Who knows all of a process.
pub(super) struct Steward {
    config: Mutex<Config>,
    options: Options,
    hub: Arc<Hub>,
    addresses: Addresses,
    stop: watch::Sender<bool>,
    began: Instant,
}

impl Steward {
    pub(super) fn new(
        config: Config,
        options: Options,
        hub: Arc<Hub>,
        addresses: Addresses,
        stop: watch::Sender<bool>,
    ) -> Self {
        let config = Mutex::new(config);
        Self { config, options, hub, addresses, stop, began: Instant::now() }
    }

    pub(super) const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(super) const fn addresses(&self) -> &Addresses {
        &self.addresses
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
        if let Some(unknown) = pipe.filter(|pipe| !self.hub.pipes().contains_key(*pipe)) {
            return json!({"error": format!("pipe {unknown:?} does not run here")});
        }
        let chosen =
            self.hub.pipes().values().filter(|one| pipe.is_none_or(|id| id == &**one.id()));
        let pipes: Map<String, Value> = chosen
            .map(|pipe| {
                let mut body = describe_pipe(pipe);
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
            "views_at": format!("http://{}", self.addresses.views),
            "receivers_at": self.receivers_at(),
            "pipes": pipes,
        })
    }

    fn receivers_at(&self) -> Map<String, Value> {
        let receivers = self.addresses.receivers.iter();
        receivers
            .flat_map(|(ids, address)| {
                ids.iter().map(move |id| (id.clone(), json!(format!("http://{address}"))))
            })
            .collect()
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
        self.hub.reconfigure(&next);
        if let Some(log) = &self.options.log
            && next.log_level != running.log_level
        {
            log.set_level(next.log_level);
        }
        *running = next;
        said.warnings = report.warnings().iter().map(ToString::to_string).collect();
        tracing::info!(changed = ?said.changed, refused = ?said.refused, "configuration read again");
        said
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
