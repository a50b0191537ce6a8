//! Each route on a small view: what it answers when all is well.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;

use crate::fixture::{BASE, Fixture, run};

#[test]
fn a_directory_is_listed_in_name_order() {
    let fixture = Fixture::small();
    run(async {
        let answer = fixture.get("/list?path=/a").await;
        assert_eq!(answer.status, StatusCode::OK);
        let body = answer.json();
        let names: Vec<_> =
            body["entries"].as_array().unwrap().iter().map(|entry| &entry["name"]).collect();
        assert_eq!(names, ["b", "x.txt", "y.log"]);
        assert_eq!(body["next"], json!(null));
        assert_eq!(answer.header("x-fustor-trust"), "trusted");
        assert_eq!(answer.header("x-fustor-revision"), body["revision"]);
        assert_eq!(answer.header("content-type"), "application/json");
    });
}

#[test]
fn the_same_path_can_be_asked_for_in_base64() {
    let fixture = Fixture::small();
    run(async {
        let plain = fixture.get("/list?path=%2Fa").await.json();
        assert_eq!(fixture.get("/list?path_b64=L2E=").await.json(), plain);
        assert_eq!(fixture.get("/metadata?path_b64=L2EveC50eHQ").await.status, StatusCode::OK);
    });
}

#[test]
fn a_tree_has_the_shape_of_0_8() {
    let fixture = Fixture::small();
    run(async {
        let body = fixture.get("/tree").await.json();
        assert_eq!((&body["name"], &body["path"]), (&json!(""), &json!("/")));
        assert_eq!((&body["job_id"], &body["job_pending"]), (&json!(null), &json!(false)));
        let a = &body["children"][0];
        assert_eq!((&a["path"], &a["content_type"]), (&json!("/a"), &json!("directory")));
        assert_eq!(a["children"][0]["children"][0]["path"], "/a/b/deep.txt");
        let shallow = fixture.get("/tree?max_depth=1&only_path=true").await.json();
        assert_eq!(shallow["children"].as_array().unwrap().len(), 3);
        assert!(shallow["children"][0].get("children").is_none());
        let unknown = fixture.get("/tree?path=/a&no_such_parameter=1").await;
        assert_eq!(unknown.status, StatusCode::OK);
    });
}

#[test]
fn a_dry_run_names_the_view() {
    let fixture = Fixture::small();
    run(async {
        let body = fixture.get("/tree?path=/a&dry_run=true").await.json();
        assert_eq!(body, json!({"message": "dry-run", "view_id": "view-1"}));
    });
}

#[test]
fn search_gives_files_as_an_array() {
    let fixture = Fixture::small();
    run(async {
        let body = fixture.get("/search?pattern=*.txt").await.json();
        let mut paths: Vec<_> =
            body.as_array().unwrap().iter().map(|node| node["path"].as_str().unwrap()).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["/a/b/deep.txt", "/a/x.txt"]);
    });
}

#[test]
fn stats_count_the_view_or_a_subtree() {
    let fixture = Fixture::small();
    run(async {
        let all = fixture.get("/stats").await.json();
        assert_eq!((&all["total_files"], &all["total_directories"]), (&json!(4), &json!(4)));
        assert_eq!(all["total_size"], 1310);
        let below = fixture.get("/stats?path=/a").await.json();
        assert_eq!(below["file_count"], 3);
        assert_eq!(below["total_size"], 1300);
    });
}

#[test]
fn one_entry_is_described_exactly() {
    let fixture = Fixture::small();
    run(async {
        let body = fixture.get("/metadata?path=/a/x.txt").await.json();
        assert_eq!(body["size"], 100);
        assert_eq!(body["inode"], 6);
        assert_eq!(body["modified_time_ns"], json!(1_700_000_000_123_456_789_i64));
    });
}

#[test]
fn suspects_and_blind_spots_are_empty_on_a_quiet_view() {
    let fixture = Fixture::small();
    run(async {
        assert_eq!(fixture.get("/suspect-list").await.json(), json!([]));
        let blind = fixture.get("/blind-spots").await.json();
        assert_eq!((&blind["additions_count"], &blind["deletion_count"]), (&json!(0), &json!(0)));
    });
}

#[test]
fn health_tells_what_the_view_is_worth() {
    let fixture = Fixture::small();
    run(async {
        let body = fixture.get("/health").await.json();
        assert_eq!(body["first_scan_complete"], true);
        assert_eq!(body["attached"], true);
        assert_eq!((&body["files"], &body["directories"]), (&json!(4), &json!(4)));
        assert_eq!(body["uncovered"], json!([]));
    });
}

#[test]
fn the_process_answers_for_itself() {
    let fixture = Fixture::small();
    run(async {
        let get = |path: &str| fixture.send(Request::get(path).body(Body::empty()).unwrap());
        let welcome = get("/").await.json();
        assert_eq!(welcome["message"], "Welcome to Fusion Storage Engine Ingest API");
        assert_eq!(get("/healthz").await.json(), json!({"status": "ok"}));
        assert_eq!(get("/readyz").await.status, StatusCode::OK);
        let views = get("/api/v1/management/views").await.json();
        assert_eq!(views, json!({"running_views": {"view-1": ["view-1"]}}));
        get(&format!("{BASE}/stats")).await;
        let metrics = String::from_utf8(get("/metrics").await.body).unwrap();
        for line in [
            "fustor_view_files{view=\"view-1\"} 4",
            "fustor_view_directories{view=\"view-1\"} 4",
            "fustor_requests_total{route=\"/api/v1/views/{view}/stats\",status=\"200\"} 1",
        ] {
            assert!(metrics.lines().any(|found| found == line), "{line} in\n{metrics}");
        }
        assert!(metrics.contains("fustor_process_resident_bytes"), "{metrics}");
        assert!(metrics.ends_with("# EOF\n"));
    });
}

#[test]
fn head_has_the_headers_and_no_body() {
    let fixture = Fixture::small();
    run(async {
        let request = Request::builder().method(Method::HEAD).uri(format!("{BASE}/list?path=/a"));
        let answer = fixture.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("x-fustor-trust"), "trusted");
        assert!(answer.body.is_empty());
    });
}

#[test]
fn an_unchanged_revision_is_not_sent_again() {
    let fixture = Fixture::small();
    run(async {
        for route in ["/list?path=/a", "/tree", "/search?pattern=x", "/find?path=/a"] {
            let first = fixture.get(route).await;
            let tag = first.header("etag").to_owned();
            let again = fixture.get_with(route, &[("if-none-match", &tag)]).await;
            assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{route}");
            assert!(again.body.is_empty());
            assert_eq!(again.header("etag"), tag);
            let other = fixture.get_with(route, &[("if-none-match", "W/\"1-1\"")]).await;
            assert_eq!(other.status, StatusCode::OK, "{route}");
        }
    });
}

#[test]
fn a_view_answers_before_its_first_scan_and_says_so() {
    let fixture = Fixture::new(|_| ());
    fixture.attach();
    run(async {
        for route in ["/list", "/tree", "/stats", "/search?pattern=x", "/find", "/settled"] {
            let answer = fixture.get(route).await;
            assert_eq!(answer.status, StatusCode::OK, "{route}");
            assert_eq!(answer.header("x-fustor-trust"), "syncing", "{route}");
            let sep = if route.contains('?') { '&' } else { '?' };
            let required = fixture.get(&format!("{route}{sep}require=trusted")).await;
            assert_eq!(required.status, StatusCode::SERVICE_UNAVAILABLE, "{route}");
            assert_eq!(required.header("retry-after"), "5");
        }
    });
}

#[test]
fn a_gated_view_makes_the_old_routes_wait_and_only_those() {
    let fixture = Fixture::new(|state| state.gate_legacy_routes = true);
    run(async {
        let unattached = fixture.get("/tree").await;
        assert_eq!(unattached.header("retry-after"), "10");
        assert!(unattached.detail().contains("No active leader session"));
        tokio::task::block_in_place(|| fixture.attach());
        for route in ["/tree?", "/stats?", "/search?pattern=x&"] {
            let answer = fixture.get(route).await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{route}");
            assert_eq!(answer.header("retry-after"), "5");
            assert!(answer.detail().contains("Initial snapshot sync phase"));
            let any = fixture.get(&format!("{route}require=any")).await;
            assert_eq!(any.status, StatusCode::OK, "{route}");
        }
        assert_eq!(fixture.get("/list").await.status, StatusCode::OK);
        tokio::task::block_in_place(|| fixture.scan(&[("/", vec![])]));
        assert_eq!(fixture.get("/tree").await.status, StatusCode::OK);
    });
}
