//! Scans on demand: asked for, listed, looked up.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use fustor_core::session::{Job, JobStatus};
use fustor_core::{Command, JobId, Lane, ViewPath};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::sessions::{known, ok, seconds};
use super::state::App;
use crate::pipe::Storage;

pub(super) async fn list_jobs(
    State(app): State<App>,
    Path(view): Path<String>,
) -> Result<Response, ApiError> {
    known(&app, &view)?;
    let jobs: Vec<Value> =
        storages(&app, &view).iter().flat_map(|storage| jobs(storage, &view)).collect();
    Ok(ok(&json!({ "jobs": jobs })))
}

pub(super) async fn list_all_jobs(State(app): State<App>) -> Response {
    let storages = app.hub().into_iter().flat_map(|hub| hub.storages());
    let all: Map<String, Value> = storages
        .map(|storage| {
            let view = storage.views().first().map(|view| view.name().to_owned());
            (storage.name().to_owned(), json!(jobs(&storage, &view.unwrap_or_default())))
        })
        .collect();
    ok(&json!({ "storages": all }))
}

pub(super) async fn show_job(
    State(app): State<App>,
    Path((view, job)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    known(&app, &view)?;
    let found = job.parse::<JobId>().ok().and_then(|id| find(&app, &view, id));
    let missing = || ApiError::NotFound(format!("Agent job '{job}' not found"));
    Ok(ok(&found.ok_or_else(missing)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    path_b64: Option<String>,
    #[serde(default = "yes")]
    recursive: bool,
}

const fn yes() -> bool {
    true
}

impl Wanted {
    fn path(&self) -> Result<ViewPath, ApiError> {
        let bytes = match (&self.path, &self.path_b64) {
            (Some(_), Some(_)) => {
                let text = "path and path_b64 exclude each other, both are given";
                return Err(ApiError::BadRequest(text.to_owned()));
            }
            (Some(path), None) => path.as_bytes().to_vec(),
            (None, Some(path)) => fustor_core::query::decode_base64("path_b64", path)?,
            (None, None) => return Err(ApiError::BadRequest("a path is missing".to_owned())),
        };
        ViewPath::parse(&bytes).map_err(|error| ApiError::BadRequest(error.to_string()))
    }
}

pub(super) async fn ask_for_scan(
    State(app): State<App>,
    Path(view): Path<String>,
    body: Bytes,
) -> Result<Response, ApiError> {
    known(&app, &view)?;
    let wanted: Wanted = serde_json::from_slice(&body)
        .map_err(|error| ApiError::BadRequest(format!("the body makes no sense: {error}")))?;
    let path = wanted.path()?;
    let id = scan(&app, &view, &path, wanted.recursive).ok_or_else(|| ApiError::NotReady {
        retry_after: 10,
        detail: format!("no agent of view {view:?} can take another job"),
    })?;
    let found = find(&app, &view, id);
    Ok(ok(&found.unwrap_or_else(|| json!({"job_id": id.to_string()}))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Agreed {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    path_b64: Option<String>,
}

/// Agrees to what the removal guard holds of a directory, or would hold of its next listing.
pub(super) async fn accept_removals(
    State(app): State<App>,
    Path(view): Path<String>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let state = known(&app, &view)?;
    let Agreed { path, path_b64 } = serde_json::from_slice(&body)
        .map_err(|error| ApiError::BadRequest(format!("the body makes no sense: {error}")))?;
    let path = Wanted { path, path_b64, recursive: false }.path()?;
    if state.host.snapshot().tree().dir(&path).is_none() {
        return Err(ApiError::NotFound(format!("no directory {} is known", path.display())));
    }
    let shown = path.display().into_owned();
    let command = Command::AcceptRemovals { path };
    let busy = |error: crate::host::Busy| ApiError::Busy(error.to_string());
    let receipt = state.host.submit(Lane::Control, command).map_err(busy)?;
    receipt.await.map_err(|_| ApiError::Lost("the view has stopped".to_owned()))?;
    tracing::warn!(view, path = shown, "removals were accepted by an administrator");
    Ok(ok(&json!({"view_id": view, "path": shown, "accepted": true})))
}

/// Asks every storage of a view for a scan; the job of the first, `None` when nobody could do it.
pub(super) fn scan(app: &App, view: &str, path: &ViewPath, recursive: bool) -> Option<JobId> {
    let mut first = None;
    for storage in storages(app, view) {
        let id = storage.act(|roster, now| roster.scan(now, path, recursive));
        first = first.or(id);
        storage.announce();
    }
    first
}

fn storages(app: &App, view: &str) -> Vec<Arc<Storage>> {
    app.hub().map(|hub| hub.storages_of_view(view)).unwrap_or_default()
}

fn find(app: &App, view: &str, id: JobId) -> Option<Value> {
    storages(app, view)
        .iter()
        .find_map(|storage| storage.read(|roster| roster.job(id).map(|job| describe(job, view))))
}

fn jobs(storage: &Storage, view: &str) -> Vec<Value> {
    storage.read(|roster| roster.jobs().map(|job| describe(job, view)).collect())
}

/// A job in the words of 0.8; `reason` says why one that ended did not do everything.
fn describe(job: &Job, view: &str) -> Value {
    let (status, reason) = match &job.status {
        JobStatus::Running if job.runner.is_none() => ("PENDING", None),
        JobStatus::Running => ("RUNNING", None),
        JobStatus::Completed => ("COMPLETED", None),
        JobStatus::Partial { reason } => ("PARTIAL", Some(reason)),
        JobStatus::Failed { reason } => ("FAILED", Some(reason)),
    };
    let done = u8::from(!job.is_running());
    json!({
        "job_id": job.id.to_string(),
        "view_id": view,
        "path": job.path.display(),
        "recursive": job.recursive,
        "status": status,
        "reason": reason,
        "progress": {"completed_pipes": done, "total_pipes": 1,
                     "percentage": f64::from(done) * 100.0},
        "created_at": seconds(job.created),
        "completed_at": job.ended.map(seconds),
    })
}
