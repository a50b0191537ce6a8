//! Who may ask a view, and who may change it. Without a service behind the views nobody needs a key.

use axum::extract::{RawPathParams, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;

use super::error::ApiError;
use super::state::App;
use crate::config::Grant;
use crate::receiver::{authenticate, forbidden};

/// Lets pass who has a key of the view.
pub(super) async fn query(
    State(app): State<App>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if let Some(hub) = app.hub() {
        let view = params.iter().find(|(name, _)| *name == "view").map(|(_, view)| view);
        let grant = authenticate(&hub.keys(), request.headers())?;
        may_ask(&grant, view.unwrap_or_default())?;
    }
    Ok(next.run(request).await)
}

/// Whether who asked earlier may still ask: keys change while an answer goes on.
pub(super) fn still_may_ask(app: &App, headers: &HeaderMap, view: &str) -> bool {
    match granted(app, headers) {
        Ok(Some(grant)) => may_ask(&grant, view).is_ok(),
        Ok(None) => true,
        Err(_) => false,
    }
}

fn may_ask(grant: &Grant, view: &str) -> Result<(), ApiError> {
    match grant {
        Grant::Query { views } if views.contains(view) => Ok(()),
        Grant::Query { .. } | Grant::Push { .. } | Grant::Admin => {
            Err(forbidden("API Key not authorized for this view"))
        }
    }
}

/// Lets pass who may change things. Without a service nobody may.
pub(super) async fn admin(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if app.hub().is_none() {
        return Err(forbidden("this is not offered without keys"));
    }
    must_be_admin(&app, request.headers())?;
    Ok(next.run(request).await)
}

/// The same, but without a service everybody may look.
pub(super) async fn admin_or_alone(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if app.hub().is_some() {
        must_be_admin(&app, request.headers())?;
    }
    Ok(next.run(request).await)
}

fn must_be_admin(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    match granted(app, headers)? {
        None | Some(Grant::Admin) => Ok(()),
        Some(Grant::Push { .. } | Grant::Query { .. }) => Err(forbidden("this needs an admin key")),
    }
}

/// What the key of a request is good for; `None` without a service.
pub(super) fn granted(app: &App, headers: &HeaderMap) -> Result<Option<Grant>, ApiError> {
    let Some(hub) = app.hub() else { return Ok(None) };
    authenticate(&hub.keys(), headers).map(Some)
}
