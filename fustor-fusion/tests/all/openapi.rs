//! `/openapi.json` says what the routers do: the same routes, and of each route of our own the same parameters.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use fustor_fusion::http::routes;
use fustor_fusion::receiver::receiver_routes;
use serde_json::Value;

use crate::fixture::{Fixture, run};
use crate::station::{Station, TWO};

fn told(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

fn lines(routes: &[(Method, String, fustor_fusion::receiver::Access)]) -> BTreeSet<String> {
    routes.iter().map(|(method, path, _)| format!("{method} {path}")).collect()
}

#[test]
fn both_ports_tell_their_routes() {
    run(async {
        let station = Station::start(TWO);
        let views = station.ask(Method::GET, "/openapi.json", "", Vec::new()).await.json();
        assert_eq!(told(&views), lines(&routes()));
        let receiver = station.tell(Method::GET, "/openapi.json", "", Vec::new()).await.json();
        assert_eq!(told(&receiver), lines(&receiver_routes()));
        let list = &views["paths"]["/api/v1/views/{view}/list"]["get"];
        for status in ["400", "401", "403", "404", "410"] {
            assert!(list["responses"][status].is_object(), "{status}");
        }
    });
}

/// Routes of 0.8 take parameters that they do not know, and those without parameters have nothing to compare.
const LENIENT: [&str; 3] = ["/tree", "/search", "/stats"];

#[test]
fn a_route_of_our_own_names_the_parameters_that_it_takes() {
    let fixture = Fixture::small();
    run(async {
        let request = axum::http::Request::get("/openapi.json").body(axum::body::Body::empty());
        let document = fixture.send(request.unwrap()).await.json();
        let mut compared = 0;
        for (path, operations) in document["paths"].as_object().unwrap() {
            let Some(route) = path.strip_prefix("/api/v1/views/{view}") else { continue };
            let params = operations["get"]["parameters"].as_array().into_iter().flatten();
            let params: BTreeSet<&str> = params
                .filter(|param| param["in"] == "query")
                .map(|param| param["name"].as_str().unwrap())
                .collect();
            if params.is_empty() || LENIENT.contains(&route) {
                continue;
            }
            let answer = fixture.get(&format!("{route}?nonsense=1")).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{route}");
            let detail = answer.detail();
            let known = detail.split_once("known are ").unwrap_or_else(|| panic!("{detail}")).1;
            assert_eq!(known.split(", ").collect::<BTreeSet<_>>(), params, "{route}");
            compared += 1;
        }
        assert!(compared >= 10, "{compared} routes");
    });
}
