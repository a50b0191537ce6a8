//! What is read from files, and what is said of them.

use super::*;
use crate::program::yaml::Report;

fn load(text: &str) -> (Option<Config>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("default.yaml"), text).unwrap();
    let report = Report::default();
    let config = read(dir.path(), &report);
    let all = report.faults().into_iter().chain(report.warnings());
    let prefix = format!("{}/", dir.path().display());
    (config, all.map(|remark| remark.to_string().replace(&prefix, "")).collect())
}

/// Every key that 0.8 knows, with its default.
const LEGACY: &str = r#"
agent_id: my-node
logging: INFO
fs_scan_workers: 4
sources:
  src-1:
    driver: fs
    uri: /data
    credential: null
    max_queue_size: 1000
    max_retries: 10
    retry_delay_sec: 5
    disabled: false
    driver_params:
      min_monitoring_window_days: 30.0
      throttle_interval_sec: 5.0
      max_scan_workers: 3
      file_pattern: "*"
      startup_mode: null
      max_sync_delay_seconds: 1.0
senders:
  fus-1:
    driver: fusion
    uri: http://host:8102
    credential: {key: push-key}
    batch_size: 1000
    max_retries: 10
    retry_delay_sec: 5
    timeout_sec: 30
    disabled: false
    driver_params: {timeout: 30.0}
pipes:
  pipe-1:
    source: src-1
    sender: fus-1
    audit_interval_sec: 600
    sentinel_interval_sec: 120
    session_timeout_seconds: 30.0
    error_retry_interval: 5.0
    max_consecutive_errors: 5
    backoff_multiplier: 2.0
    max_backoff_seconds: 60.0
    disabled: false
    fields_mapping: []
"#;

#[test]
fn files_of_0_8_are_read_as_they_are() {
    let (config, said) = load(LEGACY);
    let config = config.expect("no fault");
    assert!(said.iter().all(|line| line.ends_with("has no effect")), "{said:#?}");
    assert_eq!(config.agent_id.as_deref(), Some("my-node"));
    let pipe = &config.pipes["pipe-1"];
    assert_eq!(pipe.observed.config.root, PathBuf::from("/data"));
    assert_eq!(pipe.observed.config.scan_workers, 3);
    assert_eq!(pipe.observed.config.partial_interval, Duration::from_secs(5));
    assert!(pipe.observed.snapshot);
    assert_eq!(pipe.session_timeout, Some(30));
    assert_eq!((pipe.told.uri.as_str(), pipe.told.key.as_str()), ("http://host:8102", "push-key"));
    assert_eq!(pipe.told.timeout, Duration::from_secs(30));
}

#[test]
fn patterns_are_taken_and_what_is_none_is_a_fault() {
    let with = |params: &str| LEGACY.replace("file_pattern: \"*\"", params);
    let (config, _) =
        load(&with("file_pattern: \"*.dat\"\n      exclude: [\"*.tmp\", cache/, /a/b]"));
    let source = config.expect("no fault").pipes["pipe-1"].observed.config.clone();
    assert_eq!(source.file_pattern, "*.dat");
    assert_eq!(source.exclude, ["*.tmp", "cache/", "/a/b"]);
    for wrong in ["exclude: [\"/\"]", "exclude: cache", "file_pattern: \"\"", "exclude: [[a]]"] {
        let (config, said) = load(&with(wrong));
        assert!(config.is_none(), "{wrong}: {said:?}");
    }
}

#[test]
fn what_is_disabled_is_not_started() {
    for (what, place) in [("source", "uri: /data"), ("sender", "uri: http://host:8102")] {
        let text =
            LEGACY.replace(&format!("    {place}"), &format!("    {place}\n    disabled: true"));
        let text = text.replacen("    disabled: false\n", "", 3);
        let (config, said) = load(&text);
        let Some(config) = config else { panic!("{said:#?}") };
        assert!(config.pipes.is_empty(), "{what}");
    }
}

#[test]
fn faults_name_the_line_and_what_was_probably_meant() {
    let sender = "senders: {t: {driver: fusion, uri: 'http://h', credential: {key: k}}}\n";
    let source = "sources: {s: {driver: fs, uri: /d}}\n";
    let pipe = "pipes: {p: {source: s, sender: t}}\n";
    for (text, fault) in [
        (
            format!("{source}{sender}pipes: {{p: {{source: data, sender: t}}}}\n"),
            "default.yaml:3: pipe \"p\" names the source \"data\", which is not there; known are s",
        ),
        (
            format!("{source}{sender}pipes:\n  p:\n    sorce: s\n    sender: t\n"),
            "default.yaml:5: pipe \"p\": unknown key \"sorce\"; did you mean \"source\"?",
        ),
        (
            format!("sources: {{s: {{driver: fs, uri: d}}}}\n{sender}{pipe}"),
            "default.yaml:1: \"uri\" must be a directory with its whole path, not \"d\"",
        ),
        (
            format!(
                "{source}senders: {{t: {{driver: http, uri: 'http://h', credential: {{key: k}}}}}}\n{pipe}"
            ),
            "default.yaml:2: unknown driver \"http\"; only \"fusion\" is offered",
        ),
        (
            format!(
                "{source}senders: {{t: {{driver: fusion, uri: h, credential: {{key: k}}}}}}\n{pipe}"
            ),
            "default.yaml:2: \"uri\" must begin with http:// or https://, not \"h\"",
        ),
        (
            format!("{source}senders: {{t: {{driver: fusion, uri: 'http://h'}}}}\n{pipe}"),
            "default.yaml:2: a sender needs \"credential: {key: …}\"",
        ),
        (
            format!("{source}{sender}{pipe}logging: LOUD\n"),
            "default.yaml:4: unknown log level \"LOUD\"; known are ERROR, WARNING, INFO, DEBUG, TRACE, WARN, CRITICAL",
        ),
        (
            format!(
                "{source}{sender}pipes: {{p: {{source: s, sender: t, session_timeout_seconds: 5.5}}}}\n"
            ),
            "default.yaml:3: pipe \"p\": \"session_timeout_seconds\" must be a whole number from 1 to 3600, not 5.5",
        ),
    ] {
        let (config, said) = load(&text);
        assert!(config.is_none(), "{text}");
        assert!(said.iter().any(|line| line == fault), "{fault}\n{said:#?}");
    }
}

#[test]
fn pipes_are_chosen_by_id_or_file() {
    let (config, _) = load(LEGACY);
    let config = config.unwrap();
    for (words, count) in [(&["pipe-1"][..], 1), (&["default.yaml"], 1), (&[], 1)] {
        let mut config = config.clone();
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        config.select(&words).unwrap();
        assert_eq!(config.pipes.len(), count);
    }
    let mut config = config;
    let error = config.select(&["pipe-2".to_owned()]).unwrap_err();
    assert_eq!(error.to_string(), "no pipe \"pipe-2\" is configured; did you mean \"pipe-1\"?");
}

#[test]
fn a_pipe_may_tell_changes_only() {
    let (config, _) = load(&LEGACY.replace("startup_mode: null", "startup_mode: message-only"));
    assert!(!config.expect("no fault").pipes["pipe-1"].observed.snapshot);
}

#[test]
fn two_pipes_with_the_same_source_and_sender_are_refused() {
    let (config, said) = load(&format!("{LEGACY}  pipe-2: {{source: src-1, sender: fus-1}}\n"));
    assert!(config.is_none());
    let fault = "pipes \"pipe-1\" and \"pipe-2\" have the same source and sender";
    assert!(said.iter().any(|line| line.ends_with(fault)), "{said:#?}");
    let disabled = "  pipe-2: {source: src-1, sender: fus-1, disabled: true}\n";
    let (config, said) = load(&format!("{LEGACY}{disabled}"));
    assert_eq!(config.map(|config| config.pipes.len()), Some(1), "{said:#?}");
}
