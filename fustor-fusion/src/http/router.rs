//! Which path leads to which answer, and the server that listens for them.

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use tokio::net::TcpListener;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use super::state::App;
use super::{
    access, changes, events, find, health, jobs, legacy, ops, pipes, sessions, settled, views,
};
use crate::net::{Door, DoorLimits, busy};
use crate::receiver::{Access, Inlet, beside_views, management_routes};

/// Shorter answers are not worth compressing.
const COMPRESS_ABOVE: u64 = 4096;

/// All routes.
pub fn router(app: App) -> Router {
    let view = Router::new()
        .route("/sessions", get(sessions::list_sessions))
        .route("/jobs", get(jobs::list_jobs))
        .route("/jobs/{job}", get(jobs::show_job))
        .route("/scan", post(jobs::ask_for_scan))
        .route("/changes", get(changes::list_changes))
        .route("/events", get(events::follow_changes))
        .route("/top", get(changes::list_top))
        .route("/tree", get(legacy::show_tree))
        .route("/search", get(legacy::search))
        .route("/stats", get(legacy::show_stats))
        .route("/list", get(views::list_directory))
        .route("/find", get(find::find_entries))
        .route("/metadata", get(views::show_metadata))
        .route("/settled", get(settled::ask_settled))
        .route("/blind-spots", get(views::list_blind_spots))
        .route("/suspect-list", get(views::list_suspects))
        .route("/health", get(health::show_health))
        .route_layer(from_fn_with_state(app.clone(), access::query));
    let change = Router::new()
        .route("/reset", delete(sessions::reset))
        .route("/suspect-list", put(sessions::look_again))
        .route_layer(from_fn_with_state(app.clone(), access::admin));
    let management = Router::new()
        .route("/views", get(ops::running_views))
        .route("/pipes", get(pipes::list_pipes))
        .route("/sessions", get(sessions::list_all_sessions))
        .route("/jobs", get(jobs::list_all_jobs))
        .route("/config", get(pipes::show_config))
        .route("/reload", post(pipes::reload))
        .route_layer(from_fn_with_state(app.clone(), access::admin_or_alone));
    let agents =
        app.hub().map(|hub| beside_views(Inlet::management(Arc::clone(hub), app.stopping())));
    Router::new()
        .nest("/api/v1/views/{view}", view.merge(change))
        .nest("/api/v1/management", management)
        .route("/api/v1/pipe/pipes", get(pipes::list_pipes))
        .route("/api/v1/pipe/pipes/{pipe}", get(pipes::show_pipe))
        .route("/api/v1/pipe/stats", get(pipes::show_stats))
        .merge(agents.unwrap_or_default())
        .route("/", get(ops::welcome))
        .route("/healthz", get(ops::healthz))
        .route("/readyz", get(ops::readyz))
        .route("/metrics", get(ops::metrics))
        .fallback(ops::not_found)
        .method_not_allowed_fallback(ops::wrong_method)
        .layer(compression())
        .layer(from_fn_with_state(app.clone(), count))
        .layer(from_fn(busy))
        .with_state(app)
}

/// Has the requests of another port counted with those of the views.
pub fn counted(app: App, router: Router) -> Router {
    router.layer(from_fn_with_state(app, count))
}

/// Every route with keys, and what each asks of a key.
#[must_use]
pub fn routes() -> Vec<(Method, String, Access)> {
    let view = |path: &str| format!("/api/v1/views/{{view}}{path}");
    let ask = [
        "/tree",
        "/search",
        "/stats",
        "/list",
        "/find",
        "/metadata",
        "/settled",
        "/blind-spots",
        "/suspect-list",
        "/health",
        "/sessions",
        "/jobs",
        "/jobs/{job}",
        "/changes",
        "/events",
        "/top",
    ];
    let manage = ["/views", "/pipes", "/sessions", "/jobs", "/config"];
    let mut routes: Vec<_> =
        ask.iter().map(|path| (Method::GET, view(path), Access::Query)).collect();
    routes.push((Method::POST, view("/scan"), Access::Query));
    routes.push((Method::DELETE, view("/reset"), Access::Admin));
    routes.push((Method::PUT, view("/suspect-list"), Access::Admin));
    routes.extend(
        manage.iter().map(|path| (Method::GET, format!("/api/v1/management{path}"), Access::Admin)),
    );
    routes.push((Method::POST, "/api/v1/management/reload".to_owned(), Access::Admin));
    for path in ["/pipes", "/pipes/{pipe}", "/stats"] {
        routes.push((Method::GET, format!("/api/v1/pipe{path}"), Access::Any));
    }
    for path in ["/", "/healthz", "/readyz", "/metrics"] {
        routes.push((Method::GET, path.to_owned(), Access::Open));
    }
    let agents = management_routes().into_iter();
    routes.extend(agents.map(|(method, path, access)| (method, path.to_owned(), access)));
    routes
}

/// Serves until `shutdown` is done, then finishes the answers under way.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
    app: App,
) -> io::Result<()> {
    let door = Door::new(listener, DoorLimits::default());
    crate::net::serve(door, router(app), shutdown).await
}

/// Fast rather than small: the answers are large and the networks are local.
fn compression() -> CompressionLayer<impl Predicate> {
    let worth = SizeAbove::new(COMPRESS_ABOVE).and(NotForContentType::SSE);
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(worth)
}

async fn count(
    State(app): State<App>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    let route = path.as_ref().map_or("none", MatchedPath::as_str);
    app.metrics().count(route, response.status().as_u16());
    response
}
