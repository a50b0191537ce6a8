//! Which path leads to which answer, and the server that listens for them.

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post, put};
use tokio::net::TcpListener;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use super::state::App;
use super::table::{self, JSON, Route};
use super::{
    access, changes, events, find, health, jobs, legacy, openapi, ops, pipes, sessions, settled,
    views,
};
use crate::net::{Door, DoorLimits, busy};
use crate::receiver::{Access, Inlet, agents_beside_views, beside_views, management_routes};

/// Where the routes of a view lie.
const VIEW: &str = "/api/v1/views/{view}";
/// Shorter answers are not worth compressing.
const COMPRESS_ABOVE: u64 = 4096;

/// All routes.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in table() {
        let guarded = match route.access {
            Access::Query => {
                route.handler.route_layer(from_fn_with_state(app.clone(), access::query))
            }
            // Without a service behind the views there are no keys: everybody may look, and nobody change.
            Access::Admin if route.method == Method::GET => {
                route.handler.route_layer(from_fn_with_state(app.clone(), access::admin_or_alone))
            }
            Access::Admin => {
                route.handler.route_layer(from_fn_with_state(app.clone(), access::admin))
            }
            // Their handlers look at the key, if there is one.
            Access::Any | Access::Open | Access::Push | Access::PushOrQuery => route.handler,
        };
        router = router.route(&route.path, guarded);
    }
    let agents =
        app.hub().map(|hub| beside_views(Inlet::management(Arc::clone(hub), app.stopping())));
    router
        .merge(agents.unwrap_or_default())
        .fallback(ops::not_found)
        .method_not_allowed_fallback(ops::wrong_method)
        .layer(compression())
        .layer(from_fn_with_state(app.clone(), count))
        .layer(from_fn(busy))
        .with_state(app)
}

/// What the port of the views offers beside the routes of agents.
fn table() -> Vec<Route<App>> {
    of_views().into_iter().chain(of_the_process()).collect()
}

/// Refusals of what reads much.
const LARGE: &[u16] = &[404, 429, 503];
/// Refusals of pages.
const PAGED: &[u16] = &[404, 410, 429, 503];

fn of_views() -> Vec<Route<App>> {
    let ask = |path: &str, about, handler: MethodRouter<App>| {
        let path = format!("{VIEW}{path}");
        Route::new((Method::GET, &path), Access::Query, about, handler).refusing(&[404, 503])
    };
    let tell = |(method, path): (Method, &str), access, about, handler: MethodRouter<App>| {
        Route::new((method, &format!("{VIEW}{path}")), access, about, handler)
    };
    vec![
        ask("/tree", "nested entries, as 0.8", get(legacy::show_tree))
            .with(table::TREE)
            .refusing(&[404, 422, 429, 503]),
        ask("/search", "files by pattern, as 0.8", get(legacy::search))
            .with(table::SEARCH)
            .refusing(&[422, 429, 503]),
        ask("/stats", "totals of the view or of a subtree", get(legacy::show_stats))
            .with(table::AT_PATH),
        ask("/list", "one directory, in pages", get(views::list_directory))
            .with(table::LIST)
            .refusing(PAGED),
        ask("/find", "entries below a directory, in pages", get(find::find_entries))
            .with(table::FIND)
            .refusing(PAGED),
        ask("/metadata", "all that is known of one entry", get(views::show_metadata))
            .with(table::AT_PATH),
        ask("/settled", "whether a directory has come to rest", get(settled::ask_settled))
            .with(table::SETTLED),
        ask("/changes", "what changed since a revision", get(changes::list_changes))
            .with(table::CHANGES)
            .refusing(&[410, 429, 503]),
        ask("/events", "the same as server-sent events", get(events::follow_changes))
            .with(table::EVENTS)
            .refusing(&[410, 429, 503]),
        ask("/top", "the biggest or busiest children", get(changes::list_top))
            .with(table::TOP)
            .refusing(LARGE),
        ask("/blind-spots", "what nobody watched", get(views::list_blind_spots)).with(table::BLIND),
        ask("/suspect-list", "what may be incomplete", get(views::list_suspects))
            .with(table::SUSPECTS),
        ask("/health", "what the picture is worth", get(health::show_health)).with(table::HEALTH),
        ask("/sessions", "who feeds the view", get(sessions::list_sessions)),
        ask("/jobs", "scans on demand", get(jobs::list_jobs)),
        ask("/jobs/{job}", "one scan on demand", get(jobs::show_job)),
        tell((Method::POST, "/scan"), Access::Query, "asks for a scan", post(jobs::ask_for_scan))
            .taking(JSON)
            .refusing(&[400, 404, 422, 429, 503]),
        tell(
            (Method::DELETE, "/reset"),
            Access::Admin,
            "forgets the view",
            delete(sessions::reset),
        )
        .refusing(&[404, 503]),
        tell(
            (Method::PUT, "/suspect-list"),
            Access::Admin,
            "has agents look at paths again",
            put(sessions::look_again),
        )
        .taking(JSON)
        .refusing(&[400, 404, 413, 422]),
    ]
}

fn of_the_process() -> Vec<Route<App>> {
    let admin = |path: &str, about, handler: MethodRouter<App>| {
        Route::new((Method::GET, path), Access::Admin, about, handler)
    };
    let open = |path: &str, about, handler: MethodRouter<App>| {
        Route::new((Method::GET, path), Access::Open, about, handler)
    };
    let any = |path: &str, about, handler: MethodRouter<App>| {
        Route::new((Method::GET, path), Access::Any, about, handler)
    };
    vec![
        admin("/api/v1/management/views", "the views", get(ops::running_views)),
        admin("/api/v1/management/pipes", "the pipes", get(pipes::list_pipes)),
        admin("/api/v1/management/sessions", "all sessions", get(sessions::list_all_sessions)),
        admin("/api/v1/management/jobs", "all scans on demand", get(jobs::list_all_jobs)),
        admin("/api/v1/management/config", "the configuration", get(pipes::show_config)),
        Route::new(
            (Method::POST, "/api/v1/management/reload"),
            Access::Admin,
            "reads the configuration again",
            post(pipes::reload),
        ),
        Route::new(
            (Method::POST, "/api/v1/management/storages/{storage}/accept-root"),
            Access::Admin,
            "believes an agent whose root is another one than was known",
            post(sessions::accept_root),
        )
        .refusing(&[404, 409, 429]),
        Route::new(
            (Method::POST, "/api/v1/management/views/{view}/accept-removals"),
            Access::Admin,
            "agrees to what the removal guard holds of a directory",
            post(jobs::accept_removals),
        )
        .taking(JSON)
        .refusing(&[400, 404, 429]),
        any("/api/v1/pipe/pipes", "the pipes of the key", get(pipes::list_pipes)),
        any("/api/v1/pipe/pipes/{pipe}", "one pipe", get(pipes::show_pipe)).refusing(&[403, 404]),
        any("/api/v1/pipe/stats", "what they have counted", get(pipes::show_stats)),
        open("/", "greeting", get(ops::welcome)),
        open("/healthz", "life", get(ops::healthz)).refusing(&[503]),
        open("/readyz", "readiness", get(ops::readyz)).refusing(&[503]),
        open("/metrics", "figures for Prometheus", get(ops::metrics)),
        open("/openapi.json", "this document", get(describe)),
    ]
}

async fn describe(State(app): State<App>) -> Response {
    let mut document = openapi::document("Fustor fusion: views", &table());
    if app.hub().is_some() {
        let agents = openapi::document("", &agents_beside_views());
        let paths = document["paths"].as_object_mut().into_iter();
        for (paths, more) in paths.zip(agents["paths"].as_object()) {
            paths.extend(more.clone());
        }
    }
    sessions::ok(&document)
}

/// Has the requests of another port counted with those of the views.
pub fn counted(app: App, router: Router) -> Router {
    router.layer(from_fn_with_state(app, count))
}

/// Every route with keys, and what each asks of a key.
#[must_use]
pub fn routes() -> Vec<(Method, String, Access)> {
    let own = table().into_iter().map(|route| (route.method, route.path, route.access));
    own.chain(management_routes()).collect()
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
