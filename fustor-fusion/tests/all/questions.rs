//! Any parameters of any question: an answer or a refusal, never a failure of ours.

use std::panic::AssertUnwindSafe;

use axum::http::StatusCode;
use bolero::check;

use crate::fixture::{Answer, Fixture};

/// Inputs of one run besides the corpus.
const INPUTS: usize = 8000;
const ROUTES: [&str; 14] = [
    "/tree",
    "/search",
    "/stats",
    "/list",
    "/find",
    "/metadata",
    "/settled",
    "/changes",
    "/top",
    "/blind-spots",
    "/suspect-list",
    "/health",
    "/jobs",
    "/sessions",
];
const NAMES: [&str; 32] = [
    "path",
    "path_b64",
    "name",
    "contains",
    "regex",
    "type",
    "min_size",
    "max_size",
    "newer",
    "older",
    "depth",
    "limit",
    "cursor",
    "stable",
    "sort",
    "format",
    "require",
    "recursive",
    "max_depth",
    "only_path",
    "dry_run",
    "on_demand_scan",
    "force_real_time",
    "pattern",
    "quiet_sec",
    "since",
    "by",
    "offset",
    "member",
    "PATH",
    "",
    "x",
];
/// What is near to something that means something.
const VALUES: [&str; 48] = [
    "/",
    "/a",
    "/a/b",
    "/a/x.txt",
    "/top",
    "/no",
    "a",
    "",
    ".",
    "..",
    "/a/../a",
    "//",
    "*",
    "*.txt",
    "[a-",
    "[!a]*",
    "a{1000}{1000}",
    "(",
    "(a|b)*$",
    "\\p{L}+",
    "(?i)X",
    "0",
    "1",
    "2",
    "-1",
    "+1",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "1e3",
    "1.5",
    "1.0000000001",
    "-9223372036.854775808",
    "9999999999999",
    "true",
    "false",
    "True",
    "maybe",
    "f",
    "d,l",
    "f,f,",
    "json",
    "ndjson",
    "any",
    "trusted",
    "size",
    "L2E=",
    "Lw",
];

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02x}")).collect()
}

/// A question from an input: a route, then names and values, each behind a byte that says what it is.
fn question(bytes: &[u8], given: &[String]) -> String {
    let mut rest = bytes.iter();
    let mut byte = || rest.next().copied();
    let mut text = ROUTES[usize::from(byte().unwrap_or(0)) % ROUTES.len()].to_owned();
    let mut joint = '?';
    while let Some(choice) = byte() {
        text.push(joint);
        joint = '&';
        text.push_str(NAMES[usize::from(choice) % NAMES.len()]);
        text.push('=');
        let value = byte().unwrap_or(0);
        match value {
            0..=191 => {
                text.push_str(&escaped(VALUES[usize::from(value) % VALUES.len()].as_bytes()));
            }
            192..=207 => text.push_str(&given[usize::from(value) % given.len()]),
            // Raw, and perhaps broken.
            208..=215 => text.push_str(
                ["%", "%2", "%zz", "a=b", "+", "%00", "%ff", "%c3%a4"][usize::from(value - 208)],
            ),
            216..=255 => {
                let some: Vec<u8> = (216..=value).filter_map(|_| byte()).collect();
                text.push_str(&escaped(&some));
            }
        }
    }
    text
}

fn judge(question: &str, answer: &Answer) {
    const KNOWN: [StatusCode; 7] = [
        StatusCode::OK,
        StatusCode::NOT_MODIFIED,
        StatusCode::BAD_REQUEST,
        StatusCode::NOT_FOUND,
        StatusCode::GONE,
        StatusCode::UNPROCESSABLE_ENTITY,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    let shown = String::from_utf8_lossy(&answer.body);
    assert!(KNOWN.contains(&answer.status), "{question}: {} {shown}", answer.status);
    let is_json = |part: &[u8]| serde_json::from_slice::<serde_json::Value>(part).is_ok();
    let mut lines = answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    assert!(is_json(&answer.body) || lines.all(is_json), "{question}: {shown}");
}

#[test]
fn any_parameters_are_answered_or_refused() {
    let fixture = Fixture::small();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
    // What panics ends the test; nothing is looked at afterwards.
    let ask = AssertUnwindSafe(|question: &str| runtime.block_on(fixture.get(question)));
    // What earlier answers gave to go on with.
    let page = ask("/list?limit=1");
    let revision = page.header("x-fustor-revision").to_owned();
    let given = [page.json()["next"].as_str().expect("more").to_owned(), revision];
    check!().with_iterations(INPUTS).with_max_len(64).for_each(|bytes: &[u8]| {
        let question = question(bytes, &given);
        judge(&question, &(*ask)(&question));
    });
}
