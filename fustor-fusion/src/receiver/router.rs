//! Which path of a receiver leads where, and what each asks of a key.

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::{MethodRouter, any, delete, get, post};

use super::auth::Access;
use super::inlet::Inlet;
use super::{consistency, events, session};
use crate::http::error::{detail, json_body};
use crate::http::openapi;
use crate::http::table::{JSON, Route};
use crate::net::busy;

/// Every route of a receiver's port.
#[must_use]
pub fn receiver_routes() -> Vec<(Method, String, Access)> {
    let routes = shared_table().into_iter().chain([described()]);
    routes.map(|route| (route.method, route.path, route.access)).collect()
}

/// Every route for agents on the port of the views.
#[must_use]
pub fn management_routes() -> Vec<(Method, String, Access)> {
    let routes = agents_beside_views().into_iter();
    routes.map(|route| (route.method, route.path, route.access)).collect()
}

/// What agents speak to on the port of the views.
pub(crate) fn agents_beside_views() -> Vec<Route<Inlet>> {
    let mut routes = shared_table();
    let plainly = (Method::POST, "/api/v1/pipe/{session}/events");
    let handler = post(events::ingest_plainly);
    let route = Route::new(plainly, Access::Push, "takes events, in the words of 0.8", handler);
    routes.push(route.taking(JSON).refusing(EVENTS));
    routes
}

/// Refusals of what belongs to a session.
const SESSION: &[u16] = &[409, 413, 415, 419, 422, 429];
/// Refusals of events.
const EVENTS: &[u16] = &[400, 408, 409, 413, 415, 419, 422, 429, 503];

fn shared_table() -> Vec<Route<Inlet>> {
    let push = |method: Method, path: &str, about, handler: MethodRouter<Inlet>| {
        let path = format!("/api/v1/pipe/{path}");
        Route::new((method, &path), Access::Push, about, handler)
    };
    let both = |method: Method, path: &str, about, handler: MethodRouter<Inlet>| {
        let path = format!("/api/v1/pipe/{path}");
        Route::new((method, &path), Access::PushOrQuery, about, handler)
    };
    vec![
        push(Method::POST, "session/", "opens a session", post(session::create))
            .taking(JSON)
            .refusing(SESSION),
        both(Method::GET, "session/", "what the key is good for", get(session::discover)),
        push(
            Method::POST,
            "session/{session}/heartbeat",
            "keeps a session alive",
            post(session::heartbeat),
        )
        .taking(JSON)
        .refusing(SESSION),
        push(Method::DELETE, "session/{session}", "ends a session", delete(session::close))
            .refusing(&[419]),
        push(Method::POST, "ingest/{session}/events", "takes events", post(events::ingest))
            .taking(fustor_core::wire::native::CONTENT_TYPE)
            .refusing(EVENTS),
        both(
            Method::POST,
            "consistency/audit/start",
            "an audit begins, as 0.8",
            post(consistency::audit_start),
        ),
        both(
            Method::POST,
            "consistency/audit/end",
            "an audit ends, as 0.8",
            post(consistency::audit_end),
        ),
        both(
            Method::GET,
            "consistency/sentinel/tasks",
            "paths for a leader of 0.8 to look at",
            get(consistency::tasks),
        ),
        both(
            Method::POST,
            "consistency/sentinel/feedback",
            "what it found",
            post(consistency::feedback),
        )
        .taking(JSON)
        .refusing(&[413, 415, 422]),
    ]
}

/// Where this table can be read.
fn described() -> Route<Inlet> {
    let place = (Method::GET, "/openapi.json");
    Route::new(place, Access::Open, "this document", get(describe))
}

async fn describe() -> Response {
    let mut routes = shared_table();
    routes.push(described());
    let document = openapi::document("Fustor fusion: receiver", &routes);
    json_body(StatusCode::OK, document.to_string().into_bytes())
}

/// What agents speak to on a port of its own.
pub fn router(inlet: Inlet) -> Router {
    built(shared_table().into_iter().chain([described()]))
        .fallback(|| async { detail(StatusCode::NOT_FOUND, "Not Found") })
        .method_not_allowed_fallback(|| async {
            detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .layer(from_fn(busy))
        .with_state(inlet)
}

/// The same beside the views.
pub(crate) fn beside_views<S: Clone + Send + Sync + 'static>(inlet: Inlet) -> Router<S> {
    built(agents_beside_views()).with_state(inlet)
}

fn built(routes: impl IntoIterator<Item = Route<Inlet>>) -> Router<Inlet> {
    let mut router = Router::new().route("/api/v1/pipe/session", any(with_slash));
    for route in routes {
        router = router.route(&route.path, route.handler);
    }
    // Bodies are bounded where they are read, by what their route allows.
    router.layer(DefaultBodyLimit::disable())
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
