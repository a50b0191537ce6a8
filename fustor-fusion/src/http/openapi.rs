//! `/openapi.json`: the table of routes as a document.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::table::{Kind, Param, Route};
use crate::receiver::Access;

/// The document of these routes.
pub(crate) fn document<S>(title: &str, routes: &[Route<S>]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let entry = paths.entry(route.path.clone()).or_insert_with(|| json!({}));
        entry[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    let detail = json!({
        "type": "object", "required": ["detail"], "properties": {"detail": {}},
    });
    let key = json!({"type": "apiKey", "in": "header", "name": "X-API-Key"});
    json!({
        "openapi": "3.1.0",
        "info": {"title": title, "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"schemas": {"Refusal": detail}, "securitySchemes": {"key": key}},
    })
}

fn operation<S>(route: &Route<S>) -> Value {
    let in_path = route.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
    });
    let params: Vec<Value> = in_path.chain(route.params.iter().map(parameter)).collect();
    let mut body = json!({
        "summary": route.about,
        "operationId": format!("{} {}", route.method, route.path),
        "parameters": params,
        "responses": responses(route),
    });
    if route.access != Access::Open {
        body["security"] = json!([{"key": []}]);
        body["description"] = json!(format!("Needs {}.", who(route.access)));
    }
    if let Some(kind) = route.body {
        body["requestBody"] = json!({"content": {kind: {}}});
    }
    body
}

fn parameter(param: &Param) -> Value {
    let schema = match param.kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Base64 => json!({"type": "string", "contentEncoding": "base64"}),
        Kind::Number => json!({"type": "integer"}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Word(words) => json!({"type": "string", "enum": words}),
    };
    json!({"name": param.name, "in": "query", "required": param.is_required, "schema": schema})
}

const fn who(access: Access) -> &'static str {
    match access {
        Access::Open => "no key",
        Access::Push => "a push key of the pipe",
        Access::Query => "a query key of the view",
        Access::PushOrQuery => "a push or a query key",
        Access::Admin => "an admin key",
        Access::Any => "any valid key",
    }
}

fn responses<S>(route: &Route<S>) -> Value {
    let own: &[u16] = if route.params.is_empty() { &[] } else { &[400] };
    let keys: &[u16] = match route.access {
        Access::Open => &[],
        Access::Any => &[401],
        Access::Push | Access::Query | Access::PushOrQuery | Access::Admin => &[401, 403],
    };
    let mut all = Map::from_iter([("2XX".to_owned(), json!({"description": "as asked"}))]);
    for status in own.iter().chain(keys).chain(route.refusals) {
        let schema = json!({"$ref": "#/components/schemas/Refusal"});
        let body = json!({"application/json": {"schema": schema}});
        let told = json!({"description": reason(*status), "content": body});
        all.insert(status.to_string(), told);
    }
    Value::Object(all)
}

fn reason(status: u16) -> &'static str {
    // 0.8 chose this one; it stands in no register.
    if status == 419 {
        return "Session unknown or expired";
    }
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("-")
}
