//! What changed between two revisions, and what is biggest or busiest.

use std::sync::Arc;

use axum::response::Response;
use fustor_core::Revision;
use fustor_core::query::{Limit, TopArgs, TopBy, changes, parse_revision, top};

use super::answer::{Asked, aside, ok};
use super::error::ApiError;
use super::views::limit;

/// Children that `/top` names when nothing is said.
const TOP: usize = 20;

pub(super) async fn list_changes(asked: Asked) -> Result<Response, ApiError> {
    asked.params.strict(&["since", "limit", "require"])?;
    let Some(since) = asked.params.text("since")? else {
        let text = "a \"since\" is missing: the X-Fustor-Revision of an earlier answer".to_owned();
        return Err(ApiError::BadRequest(text));
    };
    let since = revision(since)?;
    let limit = limit(&asked.params)?;
    let trust = asked.trust(&fustor_core::ViewPath::root(), asked.params.require()?)?;
    // The answer's own revision is what the next question will name.
    asked.view.host.pins().pin(&asked.snapshot);
    let older = if asked.snapshot.revision() == since {
        Some(Arc::clone(&asked.snapshot))
    } else {
        asked.view.host.pins().find(since)
    };
    let gone = || {
        let oldest = asked.view.host.pins().oldest().unwrap_or(asked.snapshot.revision());
        ApiError::Gone(format!("revision {since} is no longer kept; the oldest that is: {oldest}"))
    };
    let (older, newer) = (older.ok_or_else(gone)?, Arc::clone(&asked.snapshot));
    let found = aside(asked.permit()?, move |_| changes(&older, &newer, limit)).await?;
    Ok(asked.stamped(ok(&found), &trust))
}

fn revision(text: &str) -> Result<Revision, ApiError> {
    let wrong = || ApiError::BadRequest(format!("since is {text:?}, it must be a revision"));
    parse_revision(text).ok_or_else(wrong)
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
