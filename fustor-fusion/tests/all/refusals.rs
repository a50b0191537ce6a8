//! Every bad parameter is refused with the value at fault; nothing is widened or clamped.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use crate::fixture::{BASE, Fixture, file, run};

#[test]
fn bad_parameters_of_new_routes_are_400_and_named() {
    let fixture = Fixture::small();
    let cases = [
        ("/list?pth=/", "pth"),
        ("/list?path=/&path=/a", "path"),
        ("/list?path=", "empty"),
        ("/list?path=/a/../b", ".."),
        ("/list?path=%00", "NUL"),
        ("/list?path=%ff", "UTF-8"),
        ("/list?path=%2", "%2"),
        ("/list?path=/&path_b64=Lw==", "path_b64"),
        ("/list?path_b64=!!", "path_b64"),
        ("/list?path=/top", "/top"),
        ("/list?limit=0", "0"),
        ("/list?limit=10001", "10001"),
        ("/list?limit=-1", "-1"),
        ("/list?limit=x", "x"),
        ("/list?limit=99999999999999999999999", "99999999999999999999999"),
        ("/list?cursor=garbage", "ursor"),
        ("/list?stable=maybe", "maybe"),
        ("/list?require=some", "some"),
        ("/find?type=q", "q"),
        ("/find?min_size=-1", "-1"),
        ("/find?min_size=2&max_size=1", "min_size"),
        ("/find?newer=soon", "soon"),
        ("/find?newer=2&older=1", "newer"),
        ("/find?depth=-1", "-1"),
        ("/find?depth=0", "0"),
        ("/find?depth=4294967296", "4294967296"),
        ("/find?sort=size", "size"),
        ("/find?regex=(", "("),
        ("/find?name=a&contains=b", "contains"),
        ("/find?format=xml", "xml"),
        ("/find?cursor=garbage", "ursor"),
        ("/find?path=/top", "/top"),
        ("/metadata?depth=1", "depth"),
        ("/settled?quiet_sec=x", "x"),
        ("/settled?quiet_sec=31536001", "31536001"),
        ("/settled?wait_sec=61", "61"),
        ("/settled?wait_sec=-1", "-1"),
        ("/suspect-list?limit=0", "0"),
        ("/suspect-list?offset=x", "x"),
        ("/blind-spots?limit=10001", "10001"),
        ("/health?path=/", "path"),
        ("/stats?path=/a/../b", ".."),
    ];
    run(async {
        for (route, named) in cases {
            let answer = fixture.get(route).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{route}");
            assert!(answer.detail().contains(named), "{route}: {}", answer.detail());
        }
    });
}

#[test]
fn wrong_types_on_the_routes_of_0_8_are_422_as_fastapi_says_it() {
    let fixture = Fixture::small();
    run(async {
        let answer = fixture.get("/tree?max_depth=x").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        let message = "Input should be a valid integer, unable to parse string as an integer";
        let complaint = json!({"type": "int_parsing", "loc": ["query", "max_depth"],
                               "msg": message, "input": "x"});
        assert_eq!(answer.json(), json!({ "detail": [complaint] }));
        let flag = fixture.get("/tree?recursive=maybe").await;
        assert_eq!(flag.json()["detail"][0]["type"], "bool_parsing");
        let missing = fixture.get("/search").await;
        assert_eq!(missing.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(missing.json()["detail"][0]["type"], "missing");
    });
}

#[test]
fn what_is_not_there_is_404() {
    let fixture = Fixture::small();
    run(async {
        for route in ["/list", "/find", "/metadata", "/settled", "/tree", "/stats"] {
            let answer = fixture.get(&format!("{route}?path=/no/such")).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{route}");
            assert!(answer.detail().contains("/no/such"), "{route}");
        }
        let relative = fixture.get("/tree?path=a").await;
        assert_eq!(relative.status, StatusCode::NOT_FOUND);
        assert_eq!(fixture.get("/nothing").await.detail(), "Not Found");
        let other = Request::get("/api/v1/views/other/list").body(Body::empty()).unwrap();
        let other = fixture.send(other).await;
        assert_eq!(other.status, StatusCode::NOT_FOUND);
        assert!(other.detail().contains("other"));
    });
}

#[test]
fn a_wrong_method_is_405() {
    let fixture = Fixture::small();
    run(async {
        for path in [format!("{BASE}/list"), "/".to_owned(), "/metrics".to_owned()] {
            let answer = fixture.send(Request::post(path).body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(answer.json(), json!({"detail": "Method Not Allowed"}));
        }
    });
}

#[test]
fn an_answer_beyond_the_limit_is_refused_in_the_words_of_0_8() {
    let fixture = Fixture::new(|state| state.max_tree_items = Some(5));
    fixture.attach();
    let entries = (0..5).map(|n| file(&format!("f{n}"), n + 2, 1)).collect();
    fixture.scan(&[("/", entries)]);
    run(async {
        let answer = fixture.get("/tree").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let detail = &answer.json()["detail"];
        assert_eq!(detail["error"], "Metadata retrieval limit exceeded");
        assert_eq!(detail["view"], "view-1");
        assert_eq!((&detail["current_count"], &detail["limit"]), (&json!(6), &json!(5)));
        assert!(detail["suggestion"].is_string());
        // Only the answer counts, not the view.
        assert_eq!(fixture.get("/tree?path=/f1").await.status, StatusCode::OK);
        assert_eq!(fixture.get("/tree?max_depth=0").await.status, StatusCode::OK);
        assert_eq!(fixture.get("/search?pattern=f").await.status, StatusCode::OK);
    });
}
