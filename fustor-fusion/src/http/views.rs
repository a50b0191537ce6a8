//! The short questions to a view: one directory, one entry, its totals, what is suspect or blind.

use axum::http::HeaderValue;
use axum::response::Response;
use fustor_core::ViewPath;
use fustor_core::query::{
    BlindArgs, Cursor, Limit, ListArgs, PAGE_DEFAULT, SuspectArgs, blind_spots, list, metadata,
    suspects,
};

use super::answer::{Asked, aside, ok};
use super::error::ApiError;
use super::params::Params;

/// A page of more rows than this is built on a thread of its own.
const INLINE_ROWS: usize = 1000;

pub(super) async fn list_directory(mut asked: Asked) -> Result<Response, ApiError> {
    asked.params.strict(&["path", "path_b64", "limit", "cursor", "stable", "require"])?;
    let path = asked.params.path()?;
    let limit = limit(&asked.params)?;
    let cursor = cursor(&mut asked)?;
    let trust = asked.trust(&path, asked.params.require()?)?;
    if let Some(unchanged) = asked.unchanged(&trust) {
        return Ok(unchanged);
    }
    let args = ListArgs { path, limit, cursor };
    let page = if limit.get() <= INLINE_ROWS {
        list(&asked.snapshot, asked.now, &args)?
    } else {
        let (snapshot, now) = (asked.snapshot.clone(), asked.now);
        aside(asked.permit()?, move |_| list(&snapshot, now, &args)).await??
    };
    if page.next.is_some() {
        asked.view.host.pins().pin(&asked.snapshot);
    }
    Ok(asked.tagged(ok(&page), &trust))
}

pub(super) async fn show_metadata(asked: Asked) -> Result<Response, ApiError> {
    asked.params.strict(&["path", "path_b64", "require"])?;
    let path = asked.params.path()?;
    let trust = asked.trust(&path, asked.params.require()?)?;
    let entry = metadata(&asked.snapshot, asked.now, &path)?;
    Ok(asked.stamped(ok(&entry), &trust))
}

pub(super) async fn list_suspects(asked: Asked) -> Result<Response, ApiError> {
    asked.params.strict(&["limit", "offset", "require"])?;
    let offset = asked.params.number("offset", u64::from(u32::MAX))?.unwrap_or(0);
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let args = SuspectArgs { limit: limit(&asked.params)?, offset };
    let trust = asked.trust(&ViewPath::root(), asked.params.require()?)?;
    let page = suspects(&asked.snapshot, asked.now, &args);
    let mut response = asked.stamped(ok(&page), &trust);
    // The body is the bare array of 0.8, so the next page is told beside it.
    if let Some(next) = page.next {
        response.headers_mut().insert("x-fustor-next-offset", HeaderValue::from(next));
    }
    Ok(response)
}

pub(super) async fn list_blind_spots(asked: Asked) -> Result<Response, ApiError> {
    asked.params.strict(&["limit", "require"])?;
    let args = BlindArgs { limit: limit(&asked.params)? };
    let trust = asked.trust(&ViewPath::root(), asked.params.require()?)?;
    let (snapshot, now) = (asked.snapshot.clone(), asked.now);
    let found = aside(asked.permit()?, move |_| blind_spots(&snapshot, now, &args)).await?;
    Ok(asked.stamped(ok(&found), &trust))
}

pub(super) fn limit(params: &Params) -> Result<Limit, ApiError> {
    let given = params.number("limit", u64::MAX)?;
    let rows = given.map_or(PAGE_DEFAULT, |n| usize::try_from(n).unwrap_or(usize::MAX));
    Ok(Limit::new(rows)?)
}

/// The cursor given, with the picture turned to its revision.
pub(super) fn cursor(asked: &mut Asked) -> Result<Option<Cursor>, ApiError> {
    let stable = asked.params.flag("stable")?.unwrap_or(true);
    let Some(text) = asked.params.text("cursor")? else { return Ok(None) };
    let cursor = Cursor::parse(text)?;
    asked.turn_to(cursor.revision(), stable)?;
    Ok(Some(cursor))
}
