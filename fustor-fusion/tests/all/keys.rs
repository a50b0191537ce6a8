//! Every route with every kind of key.

use axum::Router;
use axum::http::{Method, StatusCode};
use fustor_fusion::http::routes;
use fustor_fusion::receiver::{Access, receiver_routes};

use crate::fixture::run;
use crate::station::{Station, TWO, send};

const KEYS: [&str; 7] = ["", "unknown", "push-1", "push-2", "query-1", "query-2", "adm1n"];

/// What a key may get of a route about `view-1`, `pipe-1` or a session of it; `None`: anything but a refusal for the key.
fn refusal(access: Access, path: &str, key: &str) -> Option<StatusCode> {
    let own_only = path.contains('{');
    let allowed = match (access, key) {
        (Access::Open, _) => true,
        (_, "" | "unknown") => return Some(StatusCode::UNAUTHORIZED),
        (Access::Push | Access::PushOrQuery, "push-1")
        | (Access::Query | Access::PushOrQuery, "query-1")
        | (Access::Admin, "adm1n") => true,
        (Access::Push | Access::PushOrQuery, "push-2") => !own_only,
        (Access::PushOrQuery, "query-2") => !own_only,
        (Access::Any, "push-2" | "query-2") => !own_only,
        (Access::Any, _) => true,
        (Access::Push | Access::PushOrQuery | Access::Query | Access::Admin, _) => false,
    };
    (!allowed).then_some(StatusCode::FORBIDDEN)
}

async fn check(station: &Station, router: &Router, method: &Method, path: &str, access: Access) {
    for key in KEYS {
        // A fresh session each time: some routes end it.
        let session = station.open("agent:pipe").await;
        let place = path
            .replace("{view}", "view-1")
            .replace("{pipe}", "pipe-1")
            .replace("{session}", &session)
            .replace("{job}", "00000000");
        let answer = send(router, method.clone(), &place, &[("x-api-key", key)], Vec::new()).await;
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&answer.status);
        let context = format!("{method} {path} with {key:?}: {answer:?}");
        match refusal(access, path, key) {
            Some(status) => assert_eq!(answer.status, status, "{context}"),
            None => assert!(
                !refused && answer.status.as_u16() < 500 || is_not_ready(&answer.status),
                "{context}"
            ),
        }
        assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{context}");
        if refused {
            assert!(!answer.detail().contains(key) || key.is_empty(), "{context}");
        }
    }
}

/// A view that nobody has scanned says so.
fn is_not_ready(status: &StatusCode) -> bool {
    *status == StatusCode::SERVICE_UNAVAILABLE
}

#[test]
fn every_route_refuses_every_key_that_is_not_meant_for_it() {
    run(async {
        let station = Station::start(TWO);
        let mut count = 0;
        for (method, path, access) in routes() {
            check(&station, &station.views, &method, &path, access).await;
            count += 1;
        }
        for (method, path, access) in receiver_routes() {
            check(&station, &station.receiver, &method, &path, access).await;
            count += 1;
        }
        assert!(count >= 40, "{count} routes");
    });
}

#[test]
fn the_words_of_0_8_are_kept() {
    run(async {
        let station = Station::start(TWO);
        let path = "/api/v1/pipe/session/";
        let detail = async |router: &Router, method: Method, key: &str| {
            send(router, method, path, &[("x-api-key", key)], Vec::new()).await.detail()
        };
        let receiver = &station.receiver;
        assert_eq!(detail(receiver, Method::POST, "").await, "API key required");
        assert_eq!(detail(receiver, Method::POST, "x").await, "Invalid API key");
        assert_eq!(detail(receiver, Method::GET, "").await, "X-API-Key header is missing");
        assert_eq!(detail(receiver, Method::GET, "x").await, "Invalid or inactive X-API-Key");
        let found = station.tell(Method::GET, path, "push-1", Vec::new()).await.json();
        assert_eq!(found, serde_json::json!({"view_id": "pipe-1", "status": "authorized"}));
        let found = station.ask(Method::GET, path, "query-2", Vec::new()).await.json();
        assert_eq!(found["view_id"], "view-2");
        let moved = station.tell(Method::GET, path.trim_end_matches('/'), "push-1", vec![]).await;
        assert_eq!((moved.status.as_u16(), moved.header("location")), (307, path));
    });
}
