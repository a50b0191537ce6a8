//! Long polls: they end when the directory rests, when their time is over and when the process stops.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use fustor_core::{Event, GapReason, ViewPath};

use crate::fixture::{Fixture, dir, file, run};

#[test]
fn a_settled_directory_is_answered_at_once() {
    let fixture = Fixture::small();
    run(async {
        let answer = fixture.get("/settled?path=/a&quiet_sec=0&wait_sec=60").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.json()["settled"], true, "{:?}", answer.json());
    });
}

#[test]
fn a_wait_that_is_over_says_what_is_missing() {
    let fixture = Fixture::new(|_| ());
    fixture.attach();
    run(async {
        let answer = fixture.get("/settled?path=/&quiet_sec=0&wait_sec=1").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.json()["settled"], false);
        assert!(!answer.json()["reasons"].as_array().unwrap().is_empty());
    });
}

#[test]
fn a_change_of_the_picture_wakes_who_waits() {
    let fixture = Fixture::new(|_| ());
    fixture.attach();
    run(async {
        let began = Instant::now();
        let waiting = fixture.get("/settled?path=/a&quiet_sec=0&wait_sec=60");
        let feeding = async {
            tokio::task::yield_now().await;
            tokio::task::block_in_place(|| {
                fixture.scan(&[("/", vec![dir("a", 2)]), ("/a", vec![file("x", 3, 1)])]);
            });
        };
        let (answer, ()) = tokio::join!(waiting, feeding);
        assert_eq!(answer.json()["settled"], true, "{:?}", answer.json());
        assert!(began.elapsed() < Duration::from_secs(55), "nobody was woken");
    });
}

#[test]
fn an_open_gap_keeps_a_directory_unsettled() {
    let fixture = Fixture::small();
    let scope = ViewPath::parse(b"/a").unwrap();
    let stamp = fixture.stamp();
    fixture.batch(vec![Event::Gap { scope, stamp, reason: GapReason::KernelOverflow }]);
    run(async {
        assert_eq!(fixture.get("/settled?path=/a&quiet_sec=0").await.json()["settled"], false);
        assert!(fixture.get("/list?path=/a").await.header("x-fustor-trust").contains("gap"));
        assert_eq!(fixture.get("/list?path=/empty").await.header("x-fustor-trust"), "trusted");
    });
}

#[test]
fn stopping_answers_who_waits() {
    let fixture = Fixture::new(|_| ());
    fixture.attach();
    run(async {
        let waiting = fixture.get("/settled?path=/&quiet_sec=0&wait_sec=60");
        let stopping = async { fixture.stop.send_replace(true) };
        let began = Instant::now();
        let (answer, _) = tokio::join!(waiting, stopping);
        assert_eq!(answer.json()["settled"], false);
        assert!(began.elapsed() < Duration::from_secs(55), "nobody was woken");
    });
}
