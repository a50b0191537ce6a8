//! The questions of 0.8: `/tree`, `/search` and `/stats`, with its parameters, bodies and refusals.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::Response;
use fustor_core::ViewPath;
use fustor_core::query::{
    SearchArgs, SearchError, SearchStream, TreeArgs, TreeError, TreeJob, TreeStream, legacy_path,
    search_while, stats, subtree_stats, tree,
};
use serde_json::json;

use super::answer::{Asked, aside, ok};
use super::error::{ApiError, json_body};
use super::jobs;
use super::params::Require;
use super::state::first_scan_complete;
use super::stream::body;

/// A tree of at most so many entries is answered in one piece, without a thread.
const INLINE_ENTRIES: u64 = 1000;

pub(super) async fn show_tree(asked: Asked) -> Result<Response, ApiError> {
    let require = gate(&asked)?;
    let recursive = asked.params.legacy_flag("recursive", true)?;
    let only_path = asked.params.legacy_flag("only_path", false)?;
    let dry_run = asked.params.legacy_flag("dry_run", false)?;
    let max_depth = asked.params.legacy_int("max_depth")?;
    let mut on_demand = false;
    // The manuals of 0.8 call it by the other two names.
    for name in ["on_demand_scan", "force_real_time", "force-real-time"] {
        on_demand |= asked.params.legacy_flag(name, false)?;
    }
    let path = tree_path(&asked)?;
    let trust = asked.trust(&path, require)?;
    if dry_run {
        let body = json!({"message": "dry-run", "view_id": asked.view.host.name()});
        let response = json_body(StatusCode::OK, body.to_string().into_bytes());
        return Ok(asked.stamped(response, &trust));
    }
    let job = if on_demand {
        let id = jobs::scan(&asked.app, asked.view.host.name(), &path, recursive);
        TreeJob { id: id.map(|id| id.to_string()), pending: id.is_some() }
    } else {
        if let Some(unchanged) = asked.unchanged(&trust) {
            return Ok(unchanged);
        }
        TreeJob::default()
    };
    let limit = asked.view.max_tree_items;
    let pending = job.id.clone();
    let args = TreeArgs { path, recursive, max_depth, only_path, limit, job: Some(job) };
    let found = match (open_tree(&asked, args).await, pending) {
        (Err(ApiError::NotFound(_)), Some(job)) => {
            let message = "Path not found, but a find has been triggered and is pending.";
            let body = json!({"job_id": job, "job_pending": true, "message": message});
            let response = json_body(StatusCode::OK, body.to_string().into_bytes());
            return Ok(asked.stamped(response, &trust));
        }
        (found, _) => found?,
    };
    let response = if found.entry_count() <= INLINE_ENTRIES {
        json_body(StatusCode::OK, collect(found))
    } else {
        stream_tree(&asked, found)?
    };
    Ok(asked.tagged(response, &trust))
}

/// Counting the entries down to a depth looks at every directory above it, so that is done aside.
async fn open_tree(asked: &Asked, args: TreeArgs) -> Result<TreeStream, ApiError> {
    let (snapshot, now) = (Arc::clone(&asked.snapshot), asked.now);
    let found = if args.max_depth.is_some_and(|depth| depth > 1) {
        aside(asked.permit()?, move |_| tree(&snapshot, now, &args)).await?
    } else {
        tree(&snapshot, now, &args)
    };
    found.map_err(|error| match error {
        TreeError::NotFound(path) => ApiError::no_path(&path),
        TreeError::LimitExceeded(exceeded) => ApiError::limit(asked.view.host.name(), &exceeded),
    })
}

fn collect(mut tree: TreeStream) -> Vec<u8> {
    let mut body = tree.next_chunk().unwrap_or_default();
    while let Some(chunk) = tree.next_chunk() {
        body.extend_from_slice(&chunk);
    }
    body
}

fn stream_tree(asked: &Asked, mut tree: TreeStream) -> Result<Response, ApiError> {
    let body = body(asked.permit()?, move |chunks| {
        while let Some(chunk) = tree.next_chunk() {
            chunks.send(chunk)?;
        }
        Ok(())
    });
    let mut response = json_body(StatusCode::OK, Vec::new());
    *response.body_mut() = body;
    Ok(response)
}

fn tree_path(asked: &Asked) -> Result<ViewPath, ApiError> {
    let Some(bytes) = asked.params.path_bytes()? else { return Ok(ViewPath::root()) };
    let shown = String::from_utf8_lossy(&bytes);
    legacy_path(&bytes).ok_or_else(|| {
        ApiError::NotFound(format!("path not found or not yet synchronised: {shown}"))
    })
}

pub(super) async fn search(asked: Asked) -> Result<Response, ApiError> {
    let require = gate(&asked)?;
    let Some(pattern) = asked.params.bytes("pattern") else {
        return Err(ApiError::field("missing", "pattern", "Field required", None));
    };
    let pattern = String::from_utf8_lossy(pattern).into_owned();
    let trust = asked.trust(&ViewPath::root(), require)?;
    if let Some(unchanged) = asked.unchanged(&trust) {
        return Ok(unchanged);
    }
    let args = SearchArgs { pattern, limit: asked.view.max_tree_items };
    let (snapshot, now) = (Arc::clone(&asked.snapshot), asked.now);
    let deadline = asked.view.deadline;
    let late = Instant::now() + deadline;
    let found = aside(asked.permit()?, move |wanted| {
        let mut found =
            search_while(&snapshot, now, &args, &mut || wanted() && Instant::now() < late)?;
        let first = found.next_chunk().unwrap_or_default();
        let second = found.next_chunk();
        Ok((first, second, found))
    });
    let name = asked.view.host.name();
    let (first, second, found) = found.await?.map_err(|error| refusal(name, deadline, &error))?;
    Ok(asked.tagged(stream_array(&asked, first, second, found)?, &trust))
}

fn refusal(view: &str, deadline: Duration, error: &SearchError) -> ApiError {
    match error {
        SearchError::LimitExceeded(exceeded) => ApiError::limit(view, exceeded),
        SearchError::Interrupted(_) => ApiError::NotReady {
            retry_after: 5,
            detail: format!("the search took longer than {} s", deadline.as_secs()),
        },
        SearchError::Pattern(error) => {
            let message = error.to_string();
            ApiError::field("value_error", "pattern", &message, None)
        }
    }
}

/// An array that fits one chunk is answered at once, a longer one is streamed.
fn stream_array(
    asked: &Asked,
    first: Vec<u8>,
    second: Option<Vec<u8>>,
    mut rest: SearchStream,
) -> Result<Response, ApiError> {
    let Some(second) = second else { return Ok(json_body(StatusCode::OK, first)) };
    let body = body(asked.permit()?, move |chunks| {
        chunks.send(first)?;
        chunks.send(second)?;
        while let Some(chunk) = rest.next_chunk() {
            chunks.send(chunk)?;
        }
        Ok(())
    });
    let mut response = json_body(StatusCode::OK, Vec::new());
    *response.body_mut() = body;
    Ok(response)
}

pub(super) async fn show_stats(asked: Asked) -> Result<Response, ApiError> {
    let require = gate(&asked)?;
    let path = asked.params.path()?;
    let trust = asked.trust(&path, require)?;
    let response = if asked.params.path_bytes()?.is_some() {
        ok(&subtree_stats(&asked.snapshot, asked.now, &path)?)
    } else {
        ok(&stats(&asked.snapshot, asked.now, asked.snapshot.lag_ns()))
    };
    Ok(asked.stamped(response, &trust))
}

/// 0.8 answers nothing until its first scan is complete, and clients of it rely on that.
fn gate(asked: &Asked) -> Result<Require, ApiError> {
    let require = asked.params.require()?;
    let open = !asked.view.gate_legacy_routes || require == Require::Any;
    if open || first_scan_complete(&asked.snapshot) {
        return Ok(require);
    }
    let name = asked.view.host.name();
    if !asked.snapshot.attached() {
        let detail = format!(
            "View '{name}': No active leader session. Ensure at least one agent is running."
        );
        return Err(ApiError::NotReady { retry_after: 10, detail });
    }
    let detail = format!(
        "View '{name}': Initial snapshot sync phase in progress (Leader is scanning storage)"
    );
    Err(ApiError::NotReady { retry_after: 5, detail })
}
