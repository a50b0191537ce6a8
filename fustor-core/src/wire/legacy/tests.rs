//! Tests of 0.8 events: what was captured reads, odd rows cost only themselves, and what we write reads back.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::block::BlockBuilder;
use crate::entry::{Facts, Kind};
use crate::event::{CyclePhase, Event, Listing};
use crate::key::Tier;
use crate::path::{PathError, ViewPath};
use crate::time::{BootTime, ClockMap, SECOND, StorageTime};

fn decode(text: &str) -> LegacyBatch {
    decode_events(text.as_bytes(), &Limits::default()).unwrap()
}

fn error(text: &str) -> (usize, String) {
    match decode_events(text.as_bytes(), &Limits::default()).unwrap_err() {
        LegacyError::Body(error) => (error.offset, error.message),
        other @ LegacyError::TooMuch { .. } => panic!("{other}"),
    }
}

fn path(text: &str) -> ViewPath {
    ViewPath::parse(text.as_bytes()).unwrap()
}

/// A request of one event with these rows.
fn update(rows: &str) -> String {
    format!(
        r#"{{"events":[{{"event_type":"update","fields":[],"rows":[{rows}],"index":7,"event_schema":"fs","table":"files","message_source":"audit"}}]}}"#
    )
}

fn faults(rows: &str) -> Vec<RowFault> {
    let batch = decode(&update(rows));
    assert_eq!(batch.refused_count, batch.refused.len() as u64);
    batch.refused.into_iter().map(|refused| refused.reason).collect()
}

#[test]
fn a_captured_snapshot_reads() {
    let batch = decode(
        r#"{"session_id":"4a87","events":[{"event_type":"update","fields":["path","file_name","size","modified_time","created_time","is_directory"],
 "rows":[{"path":"/","file_name":"","size":4096,"modified_time":1795329268.4401903,"created_time":1795329268.4401903,"is_directory":true},
         {"path":"/c/old.dat","file_name":"old.dat","size":0,"modified_time":1577836800.0,"created_time":1795329268.4601903,"is_directory":false}],
 "index":1795329268887,"event_schema":"fs","table":"files","message_source":"snapshot"}],"source_type":"snapshot","is_end":true}"#,
    );
    assert_eq!(
        (batch.source_type.as_str(), batch.is_end, batch.event_count),
        ("snapshot", true, 1)
    );
    assert_eq!((batch.refused_count, batch.job), (0, None));
    let time = |ns| StorageTime(1_795_329_268 * SECOND + ns);
    let root = LegacyRow {
        kind: Kind::Dir,
        size: Some(4096),
        mtime: time(440_190_300),
        ctime: Some(time(440_190_300)),
        atomic: true,
        audit_skipped: false,
    };
    let file = LegacyRow {
        kind: Kind::File,
        size: Some(0),
        mtime: StorageTime(1_577_836_800 * SECOND),
        ctime: Some(time(460_190_300)),
        ..root
    };
    let observation = |text, row| LegacyObservation {
        path: path(text),
        index_ms: 1_795_329_268_887,
        source: LegacyKind::Snapshot,
        change: LegacyChange::Upsert(row),
    };
    assert_eq!(batch.observations, [observation("/", root), observation("/c/old.dat", file)]);
}

#[test]
fn captured_realtime_audit_and_job_requests_read() {
    let batch = decode(
        r#"{"events":[{"event_type":"delete","fields":["path"],"rows":[{"path":"/a/new.txt"}],"index":1795329305109,"event_schema":"fs","table":"files","message_source":"realtime"}],"source_type":"message","is_end":false}"#,
    );
    assert_eq!(batch.observations[0].change, LegacyChange::Delete);
    assert_eq!(batch.observations[0].source, LegacyKind::Realtime);
    let batch = decode(&update(
        r#"{"path":"/c","size":1,"modified_time":1.5,"is_directory":true,"audit_skipped":true,"is_atomic_write":false}"#,
    ));
    let LegacyChange::Upsert(row) = batch.observations[0].change else { panic!("an upsert") };
    assert!(row.audit_skipped && !row.atomic && row.ctime.is_none());
    assert_eq!(batch.observations[0].source, LegacyKind::Audit);
    let batch = decode(
        r#"{"events":[],"source_type":"job_complete","is_end":false,"metadata":{"scan_path":"/blind","job_id":"a5265f03","more":[1]}}"#,
    );
    let job = LegacyJob { scan_path: "/blind".to_owned(), job_id: "a5265f03".to_owned() };
    assert_eq!(batch.job, Some(job));
    let batch =
        decode(r#"{"events":[],"source_type":"audit","metadata":{"job_id":"x"},"is_end":true}"#);
    assert_eq!((batch.job, batch.is_end, batch.event_count), (None, true, 0));
}

#[test]
fn defaults_are_those_of_0_8() {
    let batch = decode(
        r#"{"events":[{"event_type":"insert","rows":[{"file_path":"x//y/","modified_time":5,"is_dir":1}],"event_schema":"fs","event_id":null,"metadata":{}}],"is_end":null,"metadata":null}"#,
    );
    assert_eq!((batch.source_type.as_str(), batch.is_end), ("message", false));
    let seen = &batch.observations[0];
    assert_eq!((seen.index_ms, seen.source, &seen.path), (-1, LegacyKind::Realtime, &path("/x/y")));
    let LegacyChange::Upsert(row) = seen.change else { panic!("an upsert") };
    assert_eq!((row.kind, row.size, row.mtime), (Kind::Dir, None, StorageTime(5 * SECOND)));
    assert!(row.atomic);
}

#[test]
fn an_odd_row_is_refused_alone() {
    let value = |key, value: &str| RowFault::Value { key, value: value.to_owned() };
    let good = r#"{"path":"/good","modified_time":1}"#;
    let cases = [
        (r#"{"modified_time":1}"#, RowFault::Missing("path")),
        (r#"{"path":null,"modified_time":1}"#, RowFault::Missing("path")),
        (r#"{"path":"/a"}"#, RowFault::Missing("modified_time")),
        (r#"{"path":7,"modified_time":1}"#, value("path", "7")),
        (r#"{"path":["/a"],"modified_time":1}"#, value("path", r#"["/a"]"#)),
        (r#"{"path":"\ud800","modified_time":1}"#, value("path", r#""\ud800""#)),
        (r#"{"path":"","modified_time":1}"#, PathError::Empty.into()),
        (r#"{"path":"/a/../b","modified_time":1}"#, PathError::Dots("/a/../b".to_owned()).into()),
        (r#"{"path":"/a\u0000","modified_time":1}"#, PathError::Nul("/a\0".to_owned()).into()),
        (r#"{"path":"/a","modified_time":"1"}"#, value("modified_time", "\"1\"")),
        (r#"{"path":"/a","modified_time":1e300}"#, value("modified_time", "1e300")),
        (r#"{"path":"/a","modified_time":1,"created_time":{}}"#, value("created_time", "{}")),
        (r#"{"path":"/a","modified_time":1,"size":-1}"#, value("size", "-1")),
        (r#"{"path":"/a","modified_time":1,"size":1.5}"#, value("size", "1.5")),
        (r#"{"path":"/a","modified_time":1,"is_directory":"no"}"#, value("is_directory", "\"no\"")),
        ("7", RowFault::NoObject),
        ("null", RowFault::NoObject),
        ("\"x\"", RowFault::NoObject),
        ("[{}]", RowFault::NoObject),
    ];
    for (row, fault) in cases {
        let rows = format!("{good},{row},{good}");
        assert_eq!(faults(&rows), [fault], "{row}");
        let batch = decode(&update(&rows));
        assert_eq!((batch.observations.len(), batch.refused[0].row), (2, Some(1)), "{row}");
    }
    let long = format!("/{}", "n".repeat(300));
    let row = format!(r#"{{"path":"{long}","modified_time":1}}"#);
    assert_eq!(faults(&row), [PathError::NameTooLong(300).into()]);
}

#[test]
fn an_odd_event_is_refused_alone() {
    let good = r#"{"event_type":"delete","rows":[{"path":"/a"}],"event_schema":"fs"}"#;
    let cases = [
        (r#"{"event_type":"delete","rows":[{"path":"/a"},{},{}]}"#, "event_schema is missing", 3),
        (r#"{"event_type":"delete","rows":[],"event_schema":"db"}"#, "event_schema is \"db\"", 1),
        (r#"{"rows":[],"event_schema":"fs"}"#, "event_type is missing", 1),
        (r#"{"event_type":"burn","rows":[],"event_schema":"fs"}"#, "event_type is \"burn\"", 1),
        (r#"{"event_type":"delete","event_schema":"fs"}"#, "rows is missing", 1),
        (
            r#"{"event_type":"delete","rows":{"path":[[]]},"event_schema":"fs"}"#,
            "rows is missing",
            1,
        ),
        (
            r#"{"event_type":"delete","rows":[],"event_schema":"fs","message_source":"me"}"#,
            "message_source is \"me\"",
            1,
        ),
        (r#"{"event_type":"delete","rows":[],"event_schema":"fs","index":1.5}"#, "index is 1.5", 1),
        ("[]", "not an object", 1),
        ("null", "not an object", 1),
    ];
    for (event, fault, count) in cases {
        let batch = decode(&format!(r#"{{"events":[{good},{event},{good}]}}"#));
        assert_eq!((batch.observations.len(), batch.event_count), (2, 3), "{event}");
        assert_eq!((batch.refused_count, batch.refused.len()), (count, 1), "{event}");
        assert_eq!((batch.refused[0].event, batch.refused[0].row), (1, None));
        assert_eq!(batch.refused[0].reason.to_string(), fault);
    }
}

#[test]
fn a_request_of_another_form_is_an_error_with_its_place() {
    let no_list = "events is no list".to_owned();
    assert_eq!(error("{}").1, no_list);
    assert_eq!(error(r#"{"events":{}}"#).1, no_list);
    assert_eq!(error(r#"{"events":null,"is_end":true}"#).1, no_list);
    assert_eq!(error(r#"{"events":[],"is_end":"soon"}"#).1, "is_end is \"soon\"");
    assert_eq!(error("[]").1, "not an object");
    assert_eq!(error("").0, 0);
    assert_eq!(error("{\"events\":[],\n\"x\":tru}").0, 21);
    assert_eq!(error("{\"events\":[]} x").1, "trailing characters");
    let broken = decode_events(b"{\"events\":[],\"x\":\"\xff\"}", &Limits::default()).unwrap_err();
    assert_eq!(broken.to_string(), "byte 18: not UTF-8");
    let whole = update(r#"{"path":"/a","modified_time":1}"#);
    for cut in 0..whole.len() {
        assert!(error(&whole[..cut]).0 <= cut, "cut at {cut}");
    }
}

#[test]
fn depth_is_bounded() {
    for open in [
        "[",
        "{\"x\":",
        "{\"events\":[",
        "{\"events\":[{\"rows\":[",
        "{\"events\":[{\"rows\":[{\"path\":",
        "{\"metadata\":{\"job_id\":",
    ] {
        let (offset, _) = error(&open.repeat(100_000));
        assert!(offset <= open.len() * 100_000);
        error(&format!("{open}{}", "[".repeat(100_000)));
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(faults(&deep), [RowFault::NoObject]);
    let row = format!(r#"{{"path":{deep},"x":{deep},"modified_time":1}}"#);
    assert_eq!(faults(&row), [RowFault::Value { key: "path", value: "[".repeat(80) }]);
}

#[test]
fn limits_hold_at_their_edge() {
    let row = r#"{"path":"/a","modified_time":1}"#;
    let text = update(&[row; 3].join(","));
    let exact = Limits { bytes: text.len(), events: 1, rows: 3 };
    let decode =
        |limits| decode_events(text.as_bytes(), &limits).map(|batch| batch.observations.len());
    let much = |what, limit| Err(LegacyError::TooMuch { what, limit });
    assert_eq!(decode(exact), Ok(3));
    assert_eq!(decode(Limits { bytes: exact.bytes - 1, ..exact }), much("bytes", exact.bytes - 1));
    assert_eq!(decode(Limits { rows: 2, ..exact }), much("rows", 2));
    assert_eq!(decode(Limits { events: 0, ..exact }), much("events", 0));
    let batch =
        decode_events(update(&["0"; 1000].join(",")).as_bytes(), &Limits::default()).unwrap();
    assert_eq!((batch.refused.len(), batch.refused_count), (64, 1000));
}

/// Path, whether it is gone, and mtime in seconds.
type Plain = (Vec<u8>, bool, i64);

/// Plain and slow: what a request means, from a whole tree of values, and how many rows mean nothing.
fn reference(body: &Value) -> Option<(Vec<Plain>, u64)> {
    let (mut seen, mut refused) = (Vec::new(), 0);
    for event in body.get("events")?.as_array()? {
        let rows = event.get("rows").and_then(Value::as_array);
        let delete = match event.get("event_type").and_then(Value::as_str) {
            Some("insert" | "update") => Some(false),
            Some("delete") => Some(true),
            _ => None,
        };
        let fine = event.get("event_schema") == Some(&json!("fs"))
            && event.get("index").is_none_or(|index| index.is_null() || index.is_i64());
        let (Some(rows), Some(delete), true) = (rows, delete, fine) else {
            refused += rows.map_or(1, |rows| rows.len().max(1)) as u64;
            continue;
        };
        for row in rows {
            let path = row.get("path").and_then(Value::as_str);
            let path = path.and_then(|path| ViewPath::parse(path.as_bytes()).ok());
            let mtime = row.get("modified_time").and_then(Value::as_i64);
            let optional = |key: &str, fine: fn(&Value) -> bool| {
                row.get(key).is_none_or(|value| value.is_null() || fine(value))
            };
            let odd =
                !optional("size", Value::is_u64) || !optional("is_directory", Value::is_boolean);
            match path {
                Some(path) if delete => seen.push((path.as_bytes().to_vec(), true, 0)),
                Some(path) if mtime.is_some() && !odd => {
                    seen.push((path.as_bytes().to_vec(), false, mtime.unwrap()));
                }
                _ => refused += 1,
            }
        }
    }
    Some((seen, refused))
}

fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (2..1000_i64).prop_map(Value::from),
        "[a-z/.]{0,4}".prop_map(Value::from),
        Just(json!([1, {"a": "b"}])),
        Just(json!({"path": "/x"})),
    ]
}

/// An object with some of these keys, most with a value of the right kind.
fn object(keys: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let member = |(key, right): (&'static str, BoxedStrategy<Value>)| {
        let value = prop_oneof![9 => right, 1 => odd_value()];
        prop::option::weighted(0.9, value).prop_map(move |value| value.map(|value| (key, value)))
    };
    let members: Vec<_> = keys.into_iter().map(member).collect();
    let object = members.prop_map(|members| {
        let named = members.into_iter().flatten().map(|(key, value)| (key.to_owned(), value));
        Value::Object(named.collect())
    });
    prop_oneof![19 => object, 1 => odd_value()].boxed()
}

fn request() -> BoxedStrategy<Value> {
    let of = |value: Value| Just(value).boxed();
    let row = object(vec![
        ("path", "(/[a-zé\"\\\\]{1,3}){1,3}".prop_map(Value::from).boxed()),
        ("size", any::<u64>().prop_map(Value::from).boxed()),
        ("modified_time", (0..9_000_000_000_i64).prop_map(Value::from).boxed()),
        ("is_directory", any::<bool>().prop_map(Value::from).boxed()),
        ("parent_path", of(json!("/a"))),
    ]);
    let event = object(vec![
        ("event_type", prop::sample::select(vec![json!("update"), json!("delete")]).boxed()),
        ("rows", vec(row, 0..4).prop_map(Value::from).boxed()),
        ("index", any::<i64>().prop_map(Value::from).boxed()),
        ("event_schema", of(json!("fs"))),
        ("table", of(json!("files"))),
    ]);
    object(vec![
        ("events", vec(event, 0..4).prop_map(Value::from).boxed()),
        ("session_id", of(json!("s"))),
    ])
}

proptest! {
    #[test]
    fn requests_mean_what_a_plain_reading_finds(request in request()) {
        let text = request.to_string();
        let read = decode_events(text.as_bytes(), &Limits::default()).ok().map(|batch| {
            let plain = |seen: &LegacyObservation| match seen.change {
                LegacyChange::Delete => (seen.path.as_bytes().to_vec(), true, 0),
                LegacyChange::Upsert(row) => {
                    (seen.path.as_bytes().to_vec(), false, row.mtime.0 / SECOND)
                }
            };
            (batch.observations.iter().map(plain).collect(), batch.refused_count)
        });
        prop_assert_eq!(read, reference(&request));
    }
}

const CLOCK: ClockMap = ClockMap { offset_ns: 1000 * SECOND, uncertainty_ns: 0 };

fn facts(kind: Kind, mtime: i64) -> Facts {
    let (mtime, ctime) = (StorageTime(mtime), StorageTime(mtime + SECOND));
    Facts { kind, size: 5, mtime, ctime, ..Facts::default() }
}

fn upsert(path: &[u8], tier: Tier) -> Event {
    let path = ViewPath::parse(path).unwrap();
    Event::Upsert {
        path,
        stamp: BootTime(5 * SECOND),
        tier,
        facts: facts(Kind::File, 1_500_000_000),
    }
}

fn listing(dir: &str, complete: bool) -> Event {
    let mut builder = BlockBuilder::default();
    builder.push(b"sub", &facts(Kind::Dir, 3 * SECOND));
    builder.push(b"link", &facts(Kind::Symlink, 4 * SECOND));
    let dir = path(dir);
    let blocks = builder.finish(dir.name());
    let facts = facts(Kind::Dir, 1_795_329_268_460_000_000);
    Event::Listing(Listing { dir, stamp: BootTime(SECOND), complete, facts, blocks })
}

fn pages(events: &[Event], source_type: &str, is_end: bool) -> Vec<String> {
    let pages = encode_events("sid", events, CLOCK, source_type, is_end);
    pages.into_iter().map(|page| String::from_utf8(page).unwrap()).collect()
}

#[test]
fn a_realtime_page_is_written_as_0_8_writes_it() {
    let gone = Event::Delete { path: path("/a/b"), stamp: BootTime(6 * SECOND) };
    let events = [upsert(b"/a/\xff\xfe.c", Tier::Atomic), upsert(b"/x", Tier::Partial), gone];
    let expected = concat!(
        r#"{"session_id":"sid","events":[{"event_type":"update","fields":["path","file_name","size","modified_time","created_time","is_directory"],"rows":["#,
        r#"{"path":"/a/??.c","file_name":"??.c","size":5,"modified_time":1.5,"created_time":2.5,"is_directory":false,"is_atomic_write":true},"#,
        r#"{"path":"/x","file_name":"x","size":5,"modified_time":1.5,"created_time":2.5,"is_directory":false,"is_atomic_write":false}],"#,
        r#""index":1005000,"event_schema":"fs","table":"files","message_source":"realtime"},"#,
        r#"{"event_type":"delete","fields":["path"],"rows":[{"path":"/a/b"}],"index":1006000,"event_schema":"fs","table":"files","message_source":"realtime"}],"#,
        r#""source_type":"message","is_end":false}"#,
    );
    assert_eq!(pages(&events, "message", false), [expected]);
}

#[test]
fn in_an_audit_only_a_complete_listing_judges_its_directory() {
    let rows = |complete| {
        let text = pages(&[listing("/d", complete)], "audit", true).remove(0);
        let batch = decode(&text);
        assert!(batch.is_end && batch.source_type == "audit");
        batch
            .observations
            .into_iter()
            .map(|seen| {
                let LegacyChange::Upsert(row) = seen.change else { panic!("an upsert") };
                (seen.path.to_string(), row.kind, row.audit_skipped, row.mtime.0)
            })
            .collect::<Vec<_>>()
    };
    let exact = 1_795_329_268_460_000_000;
    let complete = rows(true);
    assert_eq!((complete[0].1, complete[0].2), (Kind::Dir, false));
    assert!(complete[0].3 > exact && complete[0].3 < exact + 1000, "{}", complete[0].3);
    assert_eq!(complete[1], ("/d/link".to_owned(), Kind::File, false, 4 * SECOND));
    assert_eq!(complete[2], ("/d/sub".to_owned(), Kind::Dir, true, 3 * SECOND));
    assert_eq!(rows(false)[0], ("/d".to_owned(), Kind::Dir, true, exact));
}

#[test]
fn rows_of_a_scan_have_all_six_columns_and_the_root_has_no_name() {
    let text = pages(&[listing("/", true)], "snapshot", false).remove(0);
    let page: Value = serde_json::from_str(&text).unwrap();
    let columns = ["path", "file_name", "size", "modified_time", "created_time", "is_directory"];
    let events = page["events"].as_array().unwrap();
    let rows: Vec<&Value> =
        events.iter().flat_map(|event| event["rows"].as_array().unwrap()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!((&rows[0]["path"], &rows[0]["file_name"]), (&json!("/"), &json!("")));
    assert_eq!((&rows[2]["path"], &rows[2]["file_name"]), (&json!("/sub"), &json!("sub")));
    for row in rows {
        assert!(columns.iter().all(|column| !row[*column].is_null()), "{row}");
    }
}

#[test]
fn scans_say_what_they_belong_to() {
    let sources = |source_type| {
        let events = [listing("/", true), upsert(b"/x", Tier::Scan)];
        let batch = decode(&pages(&events, source_type, false)[0]);
        assert!(batch.observations.iter().all(|seen| seen.source == batch.observations[0].source));
        batch.observations[0].source
    };
    assert_eq!(sources("snapshot"), LegacyKind::Snapshot);
    assert_eq!(sources("audit"), LegacyKind::Audit);
    assert_eq!(sources("on_demand_job"), LegacyKind::OnDemand);
    assert_eq!(sources("message"), LegacyKind::Snapshot);
}

#[test]
fn a_rename_is_a_deletion_and_an_update() {
    let facts = facts(Kind::Dir, 0);
    let renamed = Event::Rename { old: path("/a"), new: path("/b"), stamp: BootTime(0), facts };
    let batch = decode(&pages(&[renamed], "message", false)[0]);
    let seen: Vec<_> = batch.observations.iter().map(|seen| seen.path.to_string()).collect();
    assert_eq!(seen, ["/a", "/b"]);
    assert_eq!(batch.observations[0].change, LegacyChange::Delete);
}

#[test]
fn pages_are_full_and_the_last_one_ends() {
    let events: Vec<Event> =
        (0..=PAGE_ROWS).map(|i| upsert(format!("/{i}").as_bytes(), Tier::Scan)).collect();
    let batches: Vec<_> =
        pages(&events, "snapshot", true).iter().map(|page| decode(page)).collect();
    let sizes: Vec<_> =
        batches.iter().map(|batch| (batch.observations.len(), batch.is_end)).collect();
    assert_eq!(sizes, [(PAGE_ROWS, false), (1, true)]);
    assert_eq!(batches[0].event_count, 100);
    assert_eq!(pages(&events[1..], "snapshot", true).len(), 1);
    let end = Event::Cycle { phase: CyclePhase::End, stamp: BootTime(0) };
    assert_eq!(pages(std::slice::from_ref(&end), "snapshot", false), Vec::<String>::new());
    assert_eq!(
        pages(&[end], "snapshot", true),
        [r#"{"session_id":"sid","events":[],"source_type":"snapshot","is_end":true}"#]
    );
    let job = LegacyJob { scan_path: "/a\"b".to_owned(), job_id: "a5265f03".to_owned() };
    let done = String::from_utf8(job_complete("sid", &job)).unwrap();
    assert_eq!(decode(&done).job, Some(job));
}
