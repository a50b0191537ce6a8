//! Which path leads to which answer, and the server that listens for them.

use std::future::Future;
use std::io;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use super::state::App;
use super::{find, health, legacy, ops, settled, views};
use crate::net::{Door, DoorLimits, busy};

/// Shorter answers are not worth compressing.
const COMPRESS_ABOVE: u64 = 4096;

/// All routes.
pub fn router(app: App) -> Router {
    let view = Router::new()
        .route("/tree", get(legacy::show_tree))
        .route("/search", get(legacy::search))
        .route("/stats", get(legacy::show_stats))
        .route("/list", get(views::list_directory))
        .route("/find", get(find::find_entries))
        .route("/metadata", get(views::show_metadata))
        .route("/settled", get(settled::ask_settled))
        .route("/blind-spots", get(views::list_blind_spots))
        .route("/suspect-list", get(views::list_suspects))
        .route("/health", get(health::show_health));
    Router::new()
        .nest("/api/v1/views/{view}", view)
        .route("/api/v1/management/views", get(ops::running_views))
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
