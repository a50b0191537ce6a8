//! The routes about the process itself: welcome, health, readiness, metrics, the list of views.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::error::{ApiError, detail, json_body};
use super::state::{App, first_scan_complete};

pub(super) async fn welcome() -> Response {
    json(
        StatusCode::OK,
        &json!({"message": "Welcome to Fusion Storage Engine Ingest API",
                "version": env!("CARGO_PKG_VERSION")}),
    )
}

/// Alive: every view still has its writer.
pub(super) async fn healthz(State(app): State<App>) -> Response {
    let views = app.views();
    let dead = views.iter().filter(|(_, view)| !view.host.running());
    let dead: Vec<&str> = dead.map(|(name, _)| name.as_str()).collect();
    if dead.is_empty() {
        return json(StatusCode::OK, &json!({"status": "ok"}));
    }
    json(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "failed", "views": dead}))
}

/// Ready: no route answers 503 for want of a first scan.
pub(super) async fn readyz(State(app): State<App>) -> Response {
    let mut ready = true;
    let mut views = Map::new();
    for (name, view) in app.views().iter() {
        let complete = first_scan_complete(&view.host.snapshot());
        ready &= view.host.running() && (complete || !view.gate_legacy_routes);
        views.insert(name.clone(), json!({"first_scan_complete": complete}));
    }
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &json!({"ready": ready, "views": views}))
}

pub(super) async fn metrics(State(app): State<App>) -> Result<Response, ApiError> {
    let text = app.metrics().text().map_err(|error| ApiError::Lost(error.to_string()))?;
    let mut response = Response::new(text.into());
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

pub(super) async fn running_views(State(app): State<App>) -> Response {
    let views: Map<String, Value> =
        app.views().keys().map(|name| (name.clone(), json!([name]))).collect();
    json(StatusCode::OK, &json!({ "running_views": views }))
}

pub(super) async fn not_found() -> Response {
    detail(StatusCode::NOT_FOUND, "Not Found")
}

pub(super) async fn wrong_method() -> Response {
    detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

fn json(status: StatusCode, body: &Value) -> Response {
    json_body(status, body.to_string().into_bytes())
}
