//! The sessions behind a view, and what an administrator can do to it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use fustor_core::session::{Peer, Roster, Session};
use fustor_core::{Command, Lane, Stamp, ViewPath};
use serde_json::{Map, Value, json};

use super::error::{ApiError, json_body};
use super::state::{App, ViewState};
use crate::pipe::{Hub, Storage};
use crate::receiver;

pub(super) async fn list_sessions(
    State(app): State<App>,
    Path(view): Path<String>,
) -> Result<Response, ApiError> {
    known(&app, &view)?;
    let sessions: Vec<Value> = app
        .hub()
        .into_iter()
        .flat_map(|hub| {
            let storages = hub.storages_of_view(&view).into_iter();
            storages.flat_map(|storage| sessions(hub, &storage))
        })
        .collect();
    let count = sessions.len();
    Ok(ok(&json!({"view_id": view, "active_sessions": sessions, "count": count})))
}

pub(super) async fn list_all_sessions(State(app): State<App>) -> Response {
    let all = app.hub().into_iter().flat_map(|hub| {
        let storages = hub.storages().into_iter();
        storages.map(|storage| (storage.name().to_owned(), json!(sessions(hub, &storage))))
    });
    let all: Map<String, Value> = all.collect();
    ok(&json!({ "storages": all }))
}

/// The sessions of a storage in the words of 0.8, with what is new beside them.
pub(crate) fn sessions(hub: &Hub, storage: &Storage) -> Vec<Value> {
    let concurrent = hub.pipes_of(storage).iter().any(|pipe| pipe.settings().concurrent);
    storage.read(|roster| {
        roster.sessions().map(|session| describe(storage, roster, session, concurrent)).collect()
    })
}

fn describe(storage: &Storage, roster: &Roster, session: &Session, concurrent: bool) -> Value {
    let leads = roster.leader() == Some(session.id);
    let agent = match &session.peer {
        Peer::Native(native) => native.agent.as_str(),
        Peer::Legacy => session.task.split(':').next().unwrap_or_default(),
    };
    let mut body = json!({
        "session_id": session.id.to_string(),
        "task_id": session.task,
        "agent_id": agent,
        "client_ip": session.client,
        "source_uri": session.uri,
        "last_activity": session.seen.mono.0 as f64 / 1e9,
        "created_at": seconds(session.created.wall),
        "allow_concurrent_push": concurrent,
        "session_timeout_seconds": session.timeout_ns / fustor_core::SECOND,
        "role": if leads { "leader" } else { "follower" },
        "can_snapshot": leads,
        "can_audit": leads,
        "can_realtime": session.can_realtime,
        "can_send": session.may_push(),
    });
    let new = json!({
        "storage": storage.name(),
        "protocol": match &session.peer { Peer::Native(_) => 2, Peer::Legacy => 1 },
        "last_seen_at": seconds(session.seen.wall),
        "in_flight": session.in_flight(storage.now().mono),
        "root_changed": session.root_changed,
        "source_ok": session.source_ok,
        "coverage": session.coverage.map(|coverage| json!({
            "directories": coverage.directories, "watched": coverage.watched,
            "uncovered": coverage.uncovered,
        })),
        "progress": session.progress.map(|progress| json!({
            "entries": progress.entries, "directories": progress.directories,
            "directories_left": progress.directories_left,
        })),
        "host": session.native().map(|native| native.host.as_str()),
        "version": session.native().map(|native| native.version.as_str()),
    });
    if let (Some(body), Value::Object(new)) = (body.as_object_mut(), new) {
        body.extend(new);
    }
    body
}

/// Believes the agent of a storage whose root is another one than was known.
pub(super) async fn accept_root(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let storages = app.hub().map(|hub| hub.storages()).unwrap_or_default();
    let storage = storages.into_iter().find(|storage| storage.name() == name);
    let storage =
        storage.ok_or_else(|| ApiError::NotFound(format!("no storage is called {name:?}")))?;
    if !storage.act(Roster::accept_root) {
        let text = format!("no agent of storage {name:?} has another root than is known");
        return Err(ApiError::Plain(StatusCode::CONFLICT, text));
    }
    storage.announce();
    let busy = |error: crate::host::Busy| ApiError::Busy(error.to_string());
    for view in storage.views().iter() {
        let command = Command::AcceptRoot { storage: storage.id() };
        let receipt = view.submit(Lane::Control, command).map_err(busy)?;
        receipt.await.map_err(|_| ApiError::Lost("the view has stopped".to_owned()))?;
    }
    tracing::warn!(storage = name, "another root was accepted by an administrator");
    Ok(ok(&json!({"storage": name, "accepted": true})))
}

/// Forgets the picture of a view. The sessions that feed it end too: their agents open new ones and report everything.
pub(super) async fn reset(
    State(app): State<App>,
    Path(view): Path<String>,
) -> Result<Response, ApiError> {
    let state = known(&app, &view)?;
    for storage in app.hub().into_iter().flat_map(|hub| hub.storages_of_view(&view)) {
        storage.end_sessions();
    }
    let busy = |error: crate::host::Busy| ApiError::Busy(error.to_string());
    let receipt = state.host.submit(Lane::Control, Command::Reset).map_err(busy)?;
    receipt.await.map_err(|_| ApiError::Lost("the view has stopped".to_owned()))?;
    tracing::warn!(view, "reset by an administrator");
    Ok(json_body(StatusCode::NO_CONTENT, Vec::new()))
}

/// Has agents look again at paths that somebody has doubts about. What 0.8 sends beside a path is not believed.
pub(super) async fn look_again(
    State(app): State<App>,
    Path(view): Path<String>,
    body: Bytes,
) -> Result<Response, ApiError> {
    known(&app, &view)?;
    let told: Value = serde_json::from_slice(&body)
        .map_err(|error| ApiError::BadRequest(format!("the body is no JSON: {error}")))?;
    let Some(updates) = told.get("updates").and_then(Value::as_array) else {
        return Err(ApiError::BadRequest("the body needs \"updates\", a list".to_owned()));
    };
    let path = |update: &Value| -> Result<ViewPath, ApiError> {
        let path = update.get("path").and_then(Value::as_str);
        let path = path.ok_or_else(|| ApiError::BadRequest(format!("no path in {update}")))?;
        ViewPath::parse(path.as_bytes()).map_err(|error| ApiError::BadRequest(error.to_string()))
    };
    let paths = updates.iter().map(path).collect::<Result<Vec<_>, _>>()?;
    let count = app.hub().map_or(0, |hub| receiver::look_again(hub, &view, &paths));
    Ok(ok(&json!({"view_id": view, "updated_count": count, "status": "ok"})))
}

pub(super) fn known(app: &App, view: &str) -> Result<Arc<ViewState>, ApiError> {
    app.view(view).ok_or_else(|| ApiError::NotFound(format!("view {view:?} is not known")))
}

pub(super) fn seconds(stamp: Stamp) -> f64 {
    stamp.0 as f64 / 1e9
}

pub(super) fn ok(body: &Value) -> Response {
    json_body(StatusCode::OK, body.to_string().into_bytes())
}
