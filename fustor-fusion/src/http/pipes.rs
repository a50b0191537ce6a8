//! The pipes: what runs, and what it has counted.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::access::granted;
use super::error::ApiError;
use super::sessions::ok;
use super::state::App;
use crate::config::Grant;
use crate::pipe::Pipe;
use crate::receiver::forbidden;

/// The pipes that the key of a request has to do with.
pub(super) async fn list_pipes(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let grant = granted(&app, &headers)?;
    let pipes = app.hub().into_iter().flat_map(|hub| hub.pipes());
    let own = pipes.filter(|pipe| concerns(grant.as_ref(), pipe));
    let all: Map<String, Value> =
        own.map(|pipe| (pipe.id().to_string(), describe(&pipe))).collect();
    Ok(ok(&Value::Object(all)))
}

pub(super) async fn show_pipe(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let grant = granted(&app, &headers)?;
    let pipe = app.hub().and_then(|hub| hub.pipe(&id));
    match (pipe, grant) {
        (Some(pipe), grant) if concerns(grant.as_ref(), &pipe) => Ok(ok(&describe(&pipe))),
        (None, None | Some(Grant::Admin)) => Err(ApiError::NotFound("Pipe not found".to_owned())),
        (_, _) => Err(forbidden("the key has nothing to do with this pipe")),
    }
}

fn concerns(grant: Option<&Grant>, pipe: &Pipe) -> bool {
    match grant {
        None | Some(Grant::Admin) => true,
        Some(Grant::Push { pipe: own }) => own.as_str() == &**pipe.id(),
        Some(Grant::Query { views }) => {
            pipe.storage().views().iter().any(|view| views.contains(view.name()))
        }
    }
}

/// A pipe in the words of 0.8.
pub(crate) fn describe(pipe: &Pipe) -> Value {
    let storage = pipe.storage();
    let fed = storage.views();
    let views: Vec<&str> = fed.iter().map(crate::host::ViewHost::name).collect();
    let handlers: Vec<String> = views.iter().map(|view| format!("view-manager-{view}")).collect();
    let waiting: usize = storage.views().iter().map(|view| view.waiting().0).sum();
    let (sessions, leader, synced) = storage.read(|roster| {
        let leader = roster.leader().map(|leader| leader.to_string());
        (roster.sessions().count(), leader, format!("{:?}", roster.synced()))
    });
    let settings = pipe.settings();
    json!({
        "id": &**pipe.id(),
        "view_id": views.first(),
        "views": views,
        "storage": storage.name(),
        "receiver": settings.receiver,
        "state": "RUNNING",
        "info": null,
        "view_handlers": handlers,
        "active_sessions": sessions,
        "leader_session": leader,
        "synced": synced,
        "statistics": counts(pipe),
        "queue_size": waiting,
        "audit_interval_sec": settings.audit_interval_sec,
        "sentinel_interval_sec": settings.sentinel_interval_sec,
        "session_timeout_seconds": settings.session_timeout.as_secs(),
        "allow_concurrent_push": settings.concurrent,
    })
}

fn counts(pipe: &Pipe) -> Value {
    let counts = pipe.counts();
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    json!({
        "events_received": read(&counts.received),
        "events_processed": read(&counts.processed),
        "sessions_created": read(&counts.opened),
        "sessions_closed": read(&counts.closed),
        "errors": read(&counts.errors),
    })
}

/// What the pipe of a push key, or the pipes of a view, have counted.
pub(super) async fn show_stats(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let grant = granted(&app, &headers)?;
    let pipes = app.hub().into_iter().flat_map(|hub| hub.pipes());
    let own: Vec<_> = pipes.filter(|pipe| concerns(grant.as_ref(), pipe)).collect();
    let sum = |read: fn(&Pipe) -> &AtomicU64| -> u64 {
        own.iter().map(|pipe| read(pipe).load(Ordering::Relaxed)).sum()
    };
    let sessions: usize =
        own.iter().map(|pipe| pipe.storage().read(|roster| roster.sessions().count())).sum();
    Ok(ok(&json!({
        "events_received": sum(|pipe| &pipe.counts().received),
        "events_processed": sum(|pipe| &pipe.counts().processed),
        "errors": sum(|pipe| &pipe.counts().errors),
        "active_sessions": sessions,
    })))
}

pub(super) async fn show_config(State(app): State<App>) -> Response {
    ok(&app.service().map_or(Value::Null, |service| (service.config)()))
}

/// Reads the configuration again.
pub(super) async fn reload(State(app): State<App>) -> Result<Response, ApiError> {
    if app.service().is_none() {
        return Err(forbidden("there is no configuration to read again"));
    }
    let reading = tokio::task::spawn_blocking(move || {
        app.service().map_or(Value::Null, |service| (service.reload)())
    });
    let came = reading.await.map_err(|error| ApiError::Lost(error.to_string()))?;
    Ok(ok(&came))
}
