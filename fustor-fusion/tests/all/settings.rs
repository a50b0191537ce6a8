//! The configuration: what 0.8 wrote is read as it is, and what is wrong is told with its place.

use fustor_fusion::config::{Digest, Grant, KeyRing};

use crate::station::{TWO, read};

/// A configuration that has no fault, with one line changed or added.
fn with(line: &str) -> String {
    format!("{}\n{line}\n", TWO.trim_start())
}

#[test]
fn the_example_of_0_8_is_read_as_it_is() {
    let text = "
host: 0.0.0.0
port: 8101
session_cleanup_interval: 5.0
logging: INFO
receivers:
  http-main:
    driver: http
    host: 0.0.0.0
    port: 8102
    disabled: false
    api_keys:
      - {key: push-key, pipe_id: pipe-1}
views:
  view-1:
    driver: fs
    api_keys: [query-key]
    disabled: false
    driver_params:
      hot_file_threshold: 30.0
      max_tree_items: 100000
      consistency: {tombstone_ttl_seconds: 3600}
      limits: {max_nodes: 0}
pipes:
  pipe-1:
    receiver: http-main
    views: [view-1]
    allow_concurrent_push: true
    session_timeout_seconds: 30
    audit_interval_sec: 600
    sentinel_interval_sec: 120
";
    let config = read(text).unwrap();
    assert_eq!((config.host.as_str(), config.port), ("0.0.0.0", 8101));
    assert_eq!(config.views["view-1"].max_tree_items, Some(100_000));
    assert_eq!(config.pipes["pipe-1"].storage, "pipe-1");
    let receiver = &config.receivers["http-main"];
    assert_eq!((receiver.bind_host.as_str(), receiver.port), ("0.0.0.0", 8102));
    let ring = KeyRing::new(&config);
    assert_eq!(ring.find(b"push-key"), Some(&Grant::Push { pipe: "pipe-1".into() }));
    assert!(matches!(ring.find(b"query-key"), Some(Grant::Query { .. })));
    assert_eq!(ring.find(b""), None);
}

#[test]
fn a_minimal_configuration_has_the_defaults() {
    let config = read("").unwrap();
    assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 8101));
    assert_eq!(config.limits.in_flight, 4);
}

#[test]
fn keys_may_be_hashed() {
    let hash = "sha256:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
    let config = read(&TWO.replace("query-1", hash)).unwrap();
    assert_eq!(config.views["view-1"].keys, [Digest::of(b"password")]);
}

#[test]
fn zero_and_less_mean_what_they_meant() {
    let params = "driver_params: {hot_file_threshold: 0, max_tree_items: -1}";
    let text = TWO.replace("api_keys: [query-1]", &format!("api_keys: [query-1], {params}"));
    let config = read(&text).unwrap();
    let view = &config.views["view-1"];
    assert_eq!((view.hot_file_threshold.as_secs(), view.max_tree_items), (30, None));
}

#[test]
fn what_is_disabled_does_not_run() {
    let text = TWO.replace("api_keys: [query-2]", "api_keys: [query-2], disabled: yes");
    let config = read(&text).unwrap();
    assert!(!config.views.contains_key("view-2") && !config.pipes.contains_key("pipe-2"));
    assert_eq!(KeyRing::new(&config).find(b"push-2"), None);
}

#[test]
fn every_fault_is_told_with_its_line_and_a_suggestion() {
    let cases: [(&str, &str); 23] = [
        ("recievers: {}", "a.yaml:15: unknown key \"recievers\"; did you mean \"receivers\"?"),
        ("port: 70000", "a.yaml:15: \"port\" must be a whole number from 0 to 65535, not 70000"),
        ("port: '8101'", "not \"8101\""),
        ("host: 1", "a.yaml:15: \"host\" must be text, not 1; put it in quotes"),
        ("logging: VERBOS", "a.yaml:15: unknown log level \"VERBOS\"; known are ERROR"),
        ("logging: {levle: INFO}", "logging: unknown key \"levle\"; did you mean \"level\"?"),
        ("views: {}", "\"views\" is given twice, first in line 8"),
        ("limits: {body_mb: 0}", "\"body_mb\" must be a whole number from 1 to 1024, not 0"),
        ("limits: {body_mb: 1024, bodies_mb: 1}", "\"bodies_mb\", of all requests"),
        ("management: {api_keys: [x]}", "\"management\" is given twice"),
        ("port: [", "no valid YAML"),
        ("-> driver: http -> driver: htp", "unknown driver \"htp\"; only \"http\" is offered"),
        ("-> driver: fs, -> driver: forest-fs,", "unknown driver \"forest-fs\""),
        ("-> pipe_id: pipe-2 -> pipe_id: pipe-3", "names pipe \"pipe-3\", which is not defined"),
        ("-> key: push-2, -> ", "needs \"key\""),
        ("-> key: push-2 -> key: push-1", "good for something else already, see a.yaml:7"),
        ("-> key: push-2 -> key: query-1", "a.yaml:9: this key is good for something else"),
        ("-> key: push-2 -> key: 'sha256:12'", "64 hexadecimal digits"),
        ("-> [adm1n] -> ['']", "a key is empty"),
        ("-> views: [view-2] -> views: [veiw-2]", "did you mean \"view-"),
        ("-> views: [view-2] -> views: []", "needs \"views\", a list of at least one view"),
        ("-> receiver: main, views: [view-2] -> receiver: mian, views: [view-2]", "\"main\"?"),
        ("-> port: 0 -> tls: {cert: a, key: b}", "TLS is not offered"),
    ];
    for (change, wanted) in cases {
        let text = match change.strip_prefix("-> ") {
            Some(change) => {
                let (old, new) = change.split_once(" -> ").expect("an old and a new text");
                assert!(TWO.contains(old), "{old}");
                TWO.trim_start().replacen(old, new, 1)
            }
            None => with(change),
        };
        let faults = read(&text).expect_err(change);
        assert!(faults.iter().any(|fault| fault.contains(wanted)), "{change}: {faults:#?}");
        assert!(faults.iter().all(|fault| fault.starts_with("a.yaml:")), "{faults:#?}");
    }
}

#[test]
fn pipes_of_one_storage_must_agree_about_it() {
    let shared = |more: &str| {
        let text = TWO.replace("views: [view-1],", "views: [view-1], storage: s,");
        text.replace("views: [view-2], allow_concurrent_push: false", more)
    };
    assert!(read(&shared("views: [view-1], storage: s")).is_ok());
    let faults = read(&shared("views: [view-2], storage: s")).unwrap_err();
    assert!(faults[0].contains("must agree in views"), "{faults:?}");
}
