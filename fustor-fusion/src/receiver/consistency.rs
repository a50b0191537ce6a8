//! The consistency signals of 0.8: audits, and the paths that its sentinel is to look at.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use fustor_core::query::{Limit, SentinelArgs, sentinel};
use fustor_core::session::{Finding, Peer};
use fustor_core::{Directive, Lane, SessionId, StorageTime, ViewPath};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::{authenticate, forbidden};
use super::body;
use super::inlet::Inlet;
use super::outcome::{apply, not_admitted};
use crate::config::Grant;
use crate::http::error::{ApiError, json_body};
use crate::pipe::{Hub, Pipe};

/// Paths of one page of tasks.
const TASKS: usize = 1000;

/// The begin of an audit; its events say so too, and those count.
pub(super) async fn audit_start(
    State(inlet): State<Inlet>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let views = views(&inlet, &headers)?.len();
    Ok(ok(&json!({"status": "audit_started", "drivers_handled": views})))
}

/// The end of an audit: all that was answered before is applied already.
pub(super) async fn audit_end(
    State(inlet): State<Inlet>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let views = views(&inlet, &headers)?.len();
    Ok(ok(&json!({"status": "audit_ended", "drivers_handled": views})))
}

/// One page of paths for the agent that leads.
pub(super) async fn tasks(
    State(inlet): State<Inlet>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let pipe = pipe(&inlet, &headers)?;
    let Some(pipe) = pipe else { return Ok(ok(&json!({}))) };
    let storage = pipe.storage();
    let (Some(session), Some(view)) = (asked_session(&pipe), storage.views().first()) else {
        return Ok(ok(&json!({})));
    };
    let Some(peer) = storage.legacy(session) else { return Ok(ok(&json!({}))) };
    let mut peer = peer.lock().unwrap_or_else(PoisonError::into_inner);
    let limit = Limit::new(TASKS).unwrap_or_default();
    let args = SentinelArgs { limit, offset: peer.offset(), storage: Some(storage.id()) };
    let now = storage.now();
    let page = sentinel(&view.snapshot(), now, &args);
    peer.asked(now, page.next);
    drop(peer);
    if page.paths.is_empty() {
        return Ok(ok(&json!({})));
    }
    let paths: Vec<_> = page.paths.iter().map(|path| path.display()).collect();
    Ok(ok(&json!({"type": "suspect_check", "paths": paths, "view_id": view.name()})))
}

#[derive(Deserialize)]
struct Feedback {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    updates: Vec<Value>,
}

/// What an agent found where it was asked to look.
pub(super) async fn feedback(
    State(inlet): State<Inlet>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let pipe = pipe(&inlet, &headers)?;
    let taken = body::read(&inlet.hub, &headers, body, inlet.hub.limits().body_bytes).await?;
    let told: Feedback = read(&taken.bytes)?;
    if told.kind.as_deref() != Some("suspect_update") {
        return Ok(ok(&json!({"status": "ignored", "reason": "unknown_type"})));
    }
    let findings: Vec<Finding> = told.updates.iter().filter_map(finding).collect();
    let mut updated = 0;
    if let Some((pipe, session)) =
        pipe.and_then(|pipe| Some((asked_session(&pipe)?, pipe))).map(|(s, p)| (p, s))
    {
        tell(&pipe, session, findings).await?;
        updated = pipe.storage().views().len();
    }
    Ok(ok(&json!({"status": "processed", "drivers_updated": updated})))
}

async fn tell(
    pipe: &Arc<Pipe>,
    session: SessionId,
    findings: Vec<Finding>,
) -> Result<(), ApiError> {
    let storage = pipe.storage();
    let admitted = storage.act(|roster, now| roster.admit_legacy(now, session, Lane::Scan));
    let admission = admitted.map_err(|error| not_admitted(pipe, &error))?;
    let Some(peer) = storage.legacy(session) else {
        storage.act(|roster, _| roster.abandoned(session, Lane::Scan, admission.origin.seq));
        return Ok(());
    };
    let batch = {
        let peer = peer.lock().unwrap_or_else(PoisonError::into_inner);
        peer.feedback(storage.now(), &admission, findings)
    };
    apply(pipe, session, Lane::Scan, admission, batch).await.map(drop)
}

/// One update; `None` when it makes no sense, which costs its neighbours nothing.
fn finding(update: &Value) -> Option<Finding> {
    let path = ViewPath::parse(update.get("path")?.as_str()?.as_bytes()).ok()?;
    if update.get("status").and_then(Value::as_str) == Some("missing") {
        return Some(Finding::Missing { path });
    }
    let seconds = update.get("mtime").or_else(|| update.get("current_mtime"))?.as_f64()?;
    let ns = (seconds * 1e9).round();
    if !(-9e18..9e18).contains(&ns) {
        return None;
    }
    let size = update.get("size").and_then(Value::as_u64);
    Some(Finding::Exists { path, size, mtime: StorageTime(ns as i64) })
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    fustor_core::wire::protocol::read(bytes)
        .map_err(|error| ApiError::Encoded(StatusCode::UNPROCESSABLE_ENTITY, error.to_json()))
}

/// The views that the key of a request is about.
fn views(inlet: &Inlet, headers: &HeaderMap) -> Result<BTreeSet<String>, ApiError> {
    let keys = inlet.hub.keys();
    match authenticate(&keys, headers)? {
        Grant::Push { pipe } => {
            let pipe = inlet.hub.pipes().get(&pipe);
            let here = pipe.filter(|pipe| inlet.serves(&pipe.settings().receiver));
            let pipe = here.ok_or_else(|| forbidden("the pipe of the key is not served here"))?;
            Ok(pipe.storage().views().iter().map(|view| view.name().to_owned()).collect())
        }
        Grant::Query { views } => Ok(views),
        Grant::Admin => Err(forbidden("an admin key belongs to no pipe and no view")),
    }
}

/// The pipe that the key of a request is about; `None` when nothing feeds its view. Of several storages in a view, the
/// first whose agent looks at paths.
fn pipe(inlet: &Inlet, headers: &HeaderMap) -> Result<Option<Arc<Pipe>>, ApiError> {
    let views = views(inlet, headers)?;
    let hub = &inlet.hub;
    if let Grant::Push { pipe } = authenticate(&hub.keys(), headers)? {
        return Ok(hub.pipes().get(&pipe).cloned());
    }
    let storages = views.iter().flat_map(|view| hub.storages_of_view(view));
    let pipes: Vec<_> = storages.filter_map(|storage| hub.pipes_of(storage).next()).collect();
    let asked = pipes.iter().find(|pipe| asked_session(pipe).is_some());
    Ok(asked.or(pipes.first()).map(|pipe| Arc::clone(pipe)))
}

/// The session that looks at paths: the leader, if it is an agent of 0.8.
fn asked_session(pipe: &Pipe) -> Option<SessionId> {
    pipe.storage().read(|roster| {
        let leader = roster.session(roster.leader()?)?;
        matches!(leader.peer, Peer::Legacy).then_some(leader.id)
    })
}

/// Has the agents of a view look at these paths again; how many they are.
pub(crate) fn look_again(hub: &Hub, view: &str, paths: &[ViewPath]) -> usize {
    let mut count = 0;
    for storage in hub.storages_of_view(view) {
        let id = storage.id();
        let wish = |path: &ViewPath| Directive::Recheck { storage: id, path: path.clone() };
        storage.act(|roster, now| roster.direct(now, paths.iter().map(wish).collect()));
        storage.announce();
        count = paths.len();
    }
    count
}

fn ok(body: &Value) -> Response {
    json_body(StatusCode::OK, body.to_string().into_bytes())
}
