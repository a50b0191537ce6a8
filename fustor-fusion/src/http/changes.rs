//! What changed between two revisions, and what is biggest or busiest.

use std::sync::Arc;

use axum::response::Response;
use fustor_core::query::{Forgotten, Limit, Position, TopArgs, TopBy, top};
use serde_json::json;

use super::answer::{Asked, aside, ok, stamp};
use super::error::ApiError;
use super::views::limit;

/// Children that `/top` names when nothing is said.
const TOP: usize = 20;

/// So many changes are looked through for one answer; a page that has none of its path says where to go on.
const EXAMINE: usize = 1 << 18;

pub(super) async fn list_changes(asked: Asked) -> Result<Response, ApiError> {
    asked.params.strict(&["since", "path", "path_b64", "limit", "require"])?;
    let Some(since) = asked.params.text("since")? else {
        let text = "a \"since\" is missing: the X-Fustor-Revision of an earlier answer".to_owned();
        return Err(ApiError::BadRequest(text));
    };
    let since = position("since", since)?;
    let path = asked.params.path()?;
    let limit = limit(&asked.params)?;
    let trust = asked.trust(&path, asked.params.require()?)?;
    let (history, newest) = (Arc::clone(asked.view.host.history()), Arc::clone(&asked.snapshot));
    let found = aside(asked.permit()?, move |_| {
        history.advance(&newest);
        history.page(since, &path, limit, EXAMINE)
    });
    let found = found.await?.map_err(|forgotten| ApiError::Forgotten(gone(since, forgotten)))?;
    let revision = found.to;
    Ok(stamp(ok(&found), &trust, revision))
}

/// A revision, or a place that an answer named.
pub(super) fn position(name: &str, text: &str) -> Result<Position, ApiError> {
    let wrong = || ApiError::BadRequest(format!("{name} is {text:?}, it must be a revision"));
    Position::parse(text).ok_or_else(wrong)
}

/// The body that says how far the log reaches.
pub(super) fn gone(since: Position, Forgotten { oldest }: Forgotten) -> String {
    let detail = format!("revision {since} is no longer kept; the oldest that is: {oldest}");
    json!({"detail": detail, "oldest": oldest.to_string()}).to_string()
}

pub(super) async fn list_top(asked: Asked) -> Result<Response, ApiError> {
    asked.params.strict(&["path", "path_b64", "by", "limit", "require"])?;
    let path = asked.params.path()?;
    let by = asked.params.text("by")?.map_or(Ok(TopBy::Size), TopBy::parse)?;
    let limit = match asked.params.bytes("limit") {
        Some(_) => limit(&asked.params)?,
        None => Limit::new(TOP)?,
    };
    let trust = asked.trust(&path, asked.params.require()?)?;
    let args = TopArgs { path, by, limit };
    let (snapshot, now) = (Arc::clone(&asked.snapshot), asked.now);
    let found = aside(asked.permit()?, move |_| top(&snapshot, now, &args)).await??;
    Ok(asked.stamped(ok(&found), &trust))
}
