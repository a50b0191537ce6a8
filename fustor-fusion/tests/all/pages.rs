//! Pages: concatenated they are the whole, on one revision, and a revision that is gone is said to be gone.

use axum::http::StatusCode;
use fustor_core::{Event, Kind, Tier, ViewPath};
use serde_json::Value;

use crate::fixture::{Fixture, facts, file, run};

fn many() -> Fixture {
    let fixture = Fixture::new(|_| ());
    fixture.attach();
    fixture.scan(&[("/", (0..25).map(|n| file(&format!("f{n:02}"), n + 2, n)).collect())]);
    fixture
}

fn add(fixture: &Fixture, path: &str) {
    let path = ViewPath::parse(path.as_bytes()).unwrap();
    let facts = facts(Kind::File, 99, 1);
    let stamp = fixture.stamp();
    fixture.batch(vec![Event::Upsert { path, stamp, tier: Tier::Atomic, facts }]);
}

fn names(page: &Value) -> Vec<String> {
    let name = |entry: &Value| entry["path"].as_str().unwrap().to_owned();
    page["entries"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn pages_of_one_revision_make_the_whole_even_while_it_changes() {
    let fixture = many();
    run(async {
        for route in ["/list", "/find"] {
            let whole = fixture.get(&format!("{route}?path=/")).await.json();
            let mut page = fixture.get(&format!("{route}?path=/&limit=10")).await.json();
            let mut found = names(&page);
            let mut pages = 1;
            while let Some(cursor) = page["next"].as_str() {
                tokio::task::block_in_place(|| add(&fixture, &format!("{route}-{pages}")));
                page =
                    fixture.get(&format!("{route}?path=/&limit=10&cursor={cursor}")).await.json();
                assert_eq!(page["revision"], whole["revision"]);
                found.extend(names(&page));
                pages += 1;
            }
            assert_eq!(found, names(&whole));
            assert!(pages >= 3);
        }
    });
}

#[test]
fn a_cursor_of_another_life_is_gone_unless_the_client_does_not_mind() {
    let fixture = many();
    let other = many();
    run(async {
        let page = other.get("/list?path=/&limit=10").await.json();
        let cursor = page["next"].as_str().unwrap();
        let gone = fixture.get(&format!("/list?path=/&limit=10&cursor={cursor}")).await;
        assert_eq!(gone.status, StatusCode::GONE);
        let on = fixture.get(&format!("/list?path=/&limit=10&stable=false&cursor={cursor}")).await;
        assert_eq!(names(&on.json())[0], "/f10");
    });
}

#[test]
fn a_cursor_of_another_question_is_refused() {
    let fixture = many();
    run(async {
        let page = fixture.get("/find?path=/&limit=10").await.json();
        let cursor = page["next"].as_str().unwrap();
        let answer =
            fixture.get(&format!("/find?path=/&contains=f&limit=10&cursor={cursor}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    });
}
