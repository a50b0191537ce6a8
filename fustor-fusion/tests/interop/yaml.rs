//! Configuration files of 0.8 as they are.

use std::fs;

use fustor_agent::program::yaml::Report;
use fustor_agent::settings;

use crate::bed::peers::{Make, fusion};
use crate::bed::site::{QUIET, Site};

/// Every key that the fusion of 0.8 reads, and some that its tools write.
const FUSION: &str = "\
host: 0.0.0.0
port: 8101
session_cleanup_interval: 5.0
logging: {level: INFO, format: '%(message)s', dir: null}
receivers:
  http-main:
    driver: http
    bind_host: 0.0.0.0
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

/// Every key that the agent of 0.8 reads.
const AGENT: &str = "\
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
      max_scan_workers: 4
      file_pattern: '*'
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
    session_timeout_seconds: null
    error_retry_interval: 5.0
    max_consecutive_errors: 5
    backoff_multiplier: 2.0
    max_backoff_seconds: 60.0
    disabled: false
    fields_mapping: []
";

#[test]
fn every_key_of_0_8_is_read_by_both_programs() {
    let site = Site::new(QUIET);
    let home = site.fusion_home();
    let validate = || {
        let ended = fusion(Make::Ours).arg("validate").env("FUSTOR_HOME", &home).output().unwrap();
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    };
    assert_eq!(validate(), (Some(0), String::new()), "what 0.8's tools write has no odd key");
    fs::write(home.join("fusion-config/default.yaml"), FUSION).unwrap();
    let (code, said) = validate();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.lines().all(|line| line.contains("has no effect")), "{said}");

    let home = site.agent_home("agent");
    let read = || {
        let report = Report::default();
        let config = settings::read(&home.join(settings::CONFIG_DIR), &report);
        let pipes = config.map(|config| config.pipes.len());
        let told = |remarks: Vec<_>| -> Vec<String> {
            remarks.iter().map(fustor_agent::program::yaml::Remark::to_string).collect()
        };
        (pipes, told(report.faults()), told(report.warnings()))
    };
    assert_eq!(read(), (Some(1), Vec::new(), Vec::new()));
    fs::write(home.join("agent-config/default.yaml"), AGENT).unwrap();
    let (pipes, faults, warnings) = read();
    assert_eq!((pipes, faults), (Some(1), Vec::new()));
    assert!(warnings.iter().all(|warning| warning.contains("has no effect")), "{warnings:?}");
}
