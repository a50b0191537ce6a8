//! `/health` of a view: what is covered, what is missing, how far behind it is.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use fustor_core::{DirId, SECOND, Snapshot, Stamp, ViewPath};
use serde_json::{Value, json};

use super::answer::Asked;
use super::error::{ApiError, json_body};
use super::state::first_scan_complete;
use crate::pipe::Storage;

/// How many gaps and uncovered directories are named; the counts are exact.
const NAMED: usize = 1000;

pub(super) async fn show_health(asked: Asked) -> Result<Response, ApiError> {
    asked.params.strict(&["require"])?;
    let trust = asked.trust(&ViewPath::root(), asked.params.require()?)?;
    let body = describe(&asked).to_string().into_bytes();
    Ok(asked.stamped(json_body(StatusCode::OK, body), &trust))
}

fn describe(asked: &Asked) -> Value {
    let snapshot = &asked.snapshot;
    let totals = snapshot.tree().meta(DirId::ROOT).totals;
    let (commands, bytes) = asked.view.host.waiting();
    let verdicts = asked.view.host.counters().verdicts();
    let cycles = snapshot.cycles();
    json!({
        "view": asked.view.host.name(),
        "revision": snapshot.revision().to_string(),
        "running": asked.view.host.running(),
        "attached": snapshot.attached(),
        "writers_watched": snapshot.writers_watched(),
        "stale_since": snapshot.stale_since().map(seconds),
        "truncated": snapshot.truncated(),
        "first_scan_complete": first_scan_complete(snapshot),
        "directories_unlisted": totals.unlisted,
        "files": totals.files,
        "directories": totals.dirs + 1,
        "bytes": totals.bytes,
        "last_change": seconds(totals.last_change),
        "suspects": totals.suspects,
        "blind_spots": totals.blind,
        "gaps": gaps(snapshot),
        "gap_directories": totals.gaps,
        "uncovered": uncovered(snapshot),
        "uncovered_count": totals.uncovered,
        "removals_held": held(snapshot),
        "conflicts": conflicts(snapshot),
        "conflict_count": snapshot.conflict_count(),
        "takeovers": snapshot.takeovers(),
        "scans": {
            "completed": cycles.completed,
            "last_begin": cycles.last_begin.map(seconds),
            "read_since": cycles.read_since.map(seconds),
            "last_end": cycles.last_end.map(seconds),
            "running_since": cycles.running_since.map(seconds),
        },
        "oldest_reading_sec": oldest_reading_sec(asked),
        "lag_sec": snapshot.lag_ns().map(|ns| ns as f64 / 1e9),
        "sessions": sessions(asked),
        "clock": storage_clock(asked),
        "backlog": {"commands": commands, "bytes": bytes,
                    "directives": asked.view.host.directives().len()},
        "observations": {"applied": verdicts.applied, "stale": verdicts.stale,
                         "buried": verdicts.buried, "queued": verdicts.queued,
                         "refused": verdicts.refused},
        "pinned_revisions": asked.view.host.pins().len(),
        "source": asked.view.source.as_ref().map(|source| source()),
    })
}

/// So long ago, at most, a directory was read in full for the last time.
fn oldest_reading_sec(asked: &Asked) -> Option<f64> {
    let since = asked.snapshot.read_since(DirId::ROOT)?;
    Some(asked.now.wall.since(since).max(0) as f64 / 1e9)
}

/// Who feeds the view, who leads, and how much they watch.
fn sessions(asked: &Asked) -> Vec<Value> {
    let hub = asked.app.hub();
    let storages = hub.map(|hub| hub.storages_of_view(asked.view.host.name())).unwrap_or_default();
    let of = |storage: &Arc<Storage>| {
        storage.read(|roster| {
            json!({
                "storage": storage.name(),
                "sessions": roster.sessions().count(),
                "leader": roster.leader().map(|leader| leader.to_string()),
                "coverage": roster.sessions().map(|session| session.coverage.map(|coverage| json!({
                    "directories": coverage.directories, "watched": coverage.watched,
                    "uncovered": coverage.uncovered,
                }))).collect::<Vec<_>>(),
            })
        })
    };
    storages.iter().map(of).collect()
}

fn storage_clock(asked: &Asked) -> Value {
    match asked.snapshot.storage_now(asked.now) {
        None => json!({"state": "unsure"}),
        Some((now, uncertainty)) => json!({
            "state": "calibrated",
            "behind_fusion_ns": asked.now.wall.0.saturating_sub(now.0),
            "uncertainty_ns": uncertainty,
        }),
    }
}

fn gaps(snapshot: &Snapshot) -> Vec<Value> {
    let gap = snapshot.gaps().take(NAMED);
    gap.map(|gap| {
        json!({"path": path(snapshot, gap.scope), "since": seconds(gap.since),
               "reason": format!("{:?}", gap.reason)})
    })
    .collect()
}

fn uncovered(snapshot: &Snapshot) -> Vec<Value> {
    let found = snapshot.uncovered().take(NAMED);
    found
        .map(|(dir, reason, since)| {
            json!({"path": path(snapshot, dir), "since": seconds(since),
                   "reason": format!("{reason:?}")})
        })
        .collect()
}

/// Directories of which a listing waits for another one, or for an administrator, to agree.
fn held(snapshot: &Snapshot) -> Vec<Option<String>> {
    snapshot.removals_held().take(NAMED).map(|dir| path(snapshot, dir)).collect()
}

/// Paths that several storages have, with the number of the storage whose entry is shown.
fn conflicts(snapshot: &Snapshot) -> Vec<Value> {
    let found = snapshot.conflicts().take(NAMED);
    found
        .map(|conflict| {
            let others: Vec<u16> = conflict.others.iter().map(|other| other.0).collect();
            json!({"path": conflict.path.display(), "owner": conflict.owner.0, "others": others})
        })
        .collect()
}

fn path(snapshot: &Snapshot, dir: DirId) -> Option<String> {
    snapshot.tree().path_of(dir).map(|path| path.display().into_owned())
}

/// Seconds since the epoch, to the microsecond, as 0.8 shows times.
fn seconds(stamp: Stamp) -> Value {
    if stamp == Stamp::MIN {
        return Value::Null;
    }
    let whole = stamp.0.div_euclid(SECOND);
    let micros = stamp.0.rem_euclid(SECOND) / 1000;
    // Exact: both parts fit the 53 bits of a double for any date of this millennium.
    json!(whole as f64 + micros as f64 / 1e6)
}
