//! Which path of a receiver leads where, and what each asks of a key.

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::{any, delete, get, post};

use super::auth::Access;
use super::inlet::Inlet;
use super::{consistency, events, session};
use crate::http::error::detail;
use crate::net::busy;

/// Every route of a receiver's port.
pub fn receiver_routes() -> Vec<(Method, &'static str, Access)> {
    let mut routes = shared_routes();
    routes.push((Method::POST, "/api/v1/pipe/ingest/{session}/events", Access::Push));
    routes
}

/// Every route for agents on the port of the views.
pub fn management_routes() -> Vec<(Method, &'static str, Access)> {
    let mut routes = shared_routes();
    routes.push((Method::POST, "/api/v1/pipe/ingest/{session}/events", Access::Push));
    routes.push((Method::POST, "/api/v1/pipe/{session}/events", Access::Push));
    routes
}

fn shared_routes() -> Vec<(Method, &'static str, Access)> {
    vec![
        (Method::POST, "/api/v1/pipe/session/", Access::Push),
        (Method::GET, "/api/v1/pipe/session/", Access::PushOrQuery),
        (Method::POST, "/api/v1/pipe/session/{session}/heartbeat", Access::Push),
        (Method::DELETE, "/api/v1/pipe/session/{session}", Access::Push),
        (Method::POST, "/api/v1/pipe/consistency/audit/start", Access::PushOrQuery),
        (Method::POST, "/api/v1/pipe/consistency/audit/end", Access::PushOrQuery),
        (Method::GET, "/api/v1/pipe/consistency/sentinel/tasks", Access::PushOrQuery),
        (Method::POST, "/api/v1/pipe/consistency/sentinel/feedback", Access::PushOrQuery),
    ]
}

/// What agents speak to on a port of its own.
pub fn router(inlet: Inlet) -> Router {
    shared(Router::new())
        .fallback(|| async { detail(StatusCode::NOT_FOUND, "Not Found") })
        .method_not_allowed_fallback(|| async {
            detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .layer(from_fn(busy))
        .with_state(inlet)
}

/// The same beside the views.
pub(crate) fn beside_views<S: Clone + Send + Sync + 'static>(inlet: Inlet) -> Router<S> {
    shared(Router::new())
        .route("/api/v1/pipe/{session}/events", post(events::ingest_plainly))
        .with_state(inlet)
}

fn shared(router: Router<Inlet>) -> Router<Inlet> {
    router
        .route("/api/v1/pipe/session/", post(session::create).get(session::discover))
        .route("/api/v1/pipe/session", any(with_slash))
        .route("/api/v1/pipe/session/{session}/heartbeat", post(session::heartbeat))
        .route("/api/v1/pipe/session/{session}", delete(session::close))
        .route("/api/v1/pipe/ingest/{session}/events", post(events::ingest))
        .route("/api/v1/pipe/consistency/audit/start", post(consistency::audit_start))
        .route("/api/v1/pipe/consistency/audit/end", post(consistency::audit_end))
        .route("/api/v1/pipe/consistency/sentinel/tasks", get(consistency::tasks))
        .route("/api/v1/pipe/consistency/sentinel/feedback", post(consistency::feedback))
        // Bodies are bounded where they are read, by what their route allows.
        .layer(DefaultBodyLimit::disable())
}

async fn with_slash(uri: Uri) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(place) = HeaderValue::try_from(format!("{}/{query}", uri.path())) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}
