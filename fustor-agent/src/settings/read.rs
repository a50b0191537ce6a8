//! From a directory of YAML files to a [`Config`], or to everything that is wrong with them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Config, PipeSettings, SenderSettings, SourceSettings};
use crate::config::{SCAN_WORKERS_MAX, SourceConfig};
use crate::filter::{EXCLUDES_MAX, PATTERN_MAX};
use crate::program::did_you_mean;
use crate::program::log::Level;
use crate::program::yaml::{Marked, Name, Node, Report, Table, Value, load};
use crate::push::{Compression, Speech};

/// The directory of the files below the home.
pub const CONFIG_DIR: &str = "agent-config";

/// The mappings that may be spread over several files.
const SECTIONS: &[&str] = &["sources", "senders", "pipes"];
/// A year in seconds; nothing is configured to take longer.
const YEAR: f64 = 31_536_000.0;

/// An id, what stands below it, and whether it is to be used.
struct Draft<T> {
    name: Name,
    disabled: bool,
    /// `None` after a fault.
    settings: Option<T>,
}

struct PipeDraft {
    source: Marked<String>,
    sender: Marked<String>,
    session_timeout: Option<u64>,
}

/// Reads the configuration in `dir`; `None` when something is wrong with it. What is wrong or odd stands in `report`.
#[must_use]
pub fn read(dir: &Path, report: &Report) -> Option<Config> {
    let mut root = load(dir, SECTIONS, report);
    let sources: Vec<_> = root.tables("sources", "source").into_iter().map(source).collect();
    let senders: Vec<_> = root.tables("senders", "sender").into_iter().map(sender).collect();
    let pipes: Vec<_> = root.tables("pipes", "pipe").into_iter().map(pipe).collect();
    let agent_id = root.text("agent_id");
    if let Some(id) = agent_id.as_ref().filter(|id| id.value.is_empty() || id.value.contains(':')) {
        report.fault(&id.place, "\"agent_id\" must not be empty or hold ':'");
    }
    let log_level = log_level(&mut root);
    root.without_effect(&["fs_scan_workers"]);
    root.finish();
    let mut config =
        Config { agent_id: agent_id.map(|id| id.value), log_level, ..Config::default() };
    for draft in pipes {
        if let Some(settings) = resolve(&draft, &sources, &senders, report) {
            let same = |known: &PipeSettings| {
                (&known.source, &known.sender) == (&settings.source, &settings.sender)
            };
            if let Some((other, _)) = config.pipes.iter().find(|(_, known)| same(known)) {
                let text = format!(
                    "pipes {other:?} and {:?} have the same source and sender",
                    draft.name.text
                );
                report.fault(&draft.name.place, text);
            }
            config.pipes.insert(draft.name.text, settings);
        }
    }
    report.is_fine().then_some(config)
}

/// A pipe with its source and sender, unless one of the three is disabled or wrong.
fn resolve(
    draft: &Draft<PipeDraft>,
    sources: &[Draft<SourceSettings>],
    senders: &[Draft<SenderSettings>],
    report: &Report,
) -> Option<PipeSettings> {
    let settings = draft.settings.as_ref()?;
    let observed = find("source", &draft.name, &settings.source, sources, report);
    let told = find("sender", &draft.name, &settings.sender, senders, report);
    let (observed, told) = (observed?, told?);
    if draft.disabled || observed.disabled || told.disabled {
        return None;
    }
    Some(PipeSettings {
        file: PathBuf::from(&*draft.name.place.file),
        source: observed.name.text.clone(),
        observed: observed.settings.clone()?,
        sender: told.name.text.clone(),
        told: told.settings.clone()?,
        session_timeout: settings.session_timeout,
    })
}

fn find<'d, T>(
    kind: &str,
    pipe: &Name,
    named: &Marked<String>,
    drafts: &'d [Draft<T>],
    report: &Report,
) -> Option<&'d Draft<T>> {
    let found = drafts.iter().find(|draft| draft.name.text == named.value);
    if found.is_none() {
        let known: Vec<&str> = drafts.iter().map(|draft| draft.name.text.as_str()).collect();
        let hint = did_you_mean(&named.value, &known);
        let text = format!(
            "pipe {:?} names the {kind} {:?}, which is not there{hint}",
            pipe.text, named.value
        );
        report.fault(&named.place, text);
    }
    found
}

fn source((name, mut table): (Name, Table<'_>)) -> Draft<SourceSettings> {
    let disabled = table.flag("disabled").is_some_and(|flag| flag.value);
    driver(&mut table, "fs");
    let root = table.required("uri").and_then(|uri| root_of(&table, &uri));
    let queue = table.whole("max_queue_size", 1..=10_000_000);
    table.without_effect(&["credential", "max_retries", "retry_delay_sec"]);
    let mut config = SourceConfig::new(root.clone().unwrap_or_default());
    if let Some(queue) = queue.and_then(|queue| usize::try_from(queue.value).ok()) {
        // 0.8 counts events, this counts changed paths that are coalesced: never fewer than is usual here.
        config.queue_capacity = config.queue_capacity.max(queue);
    }
    let mut snapshot = true;
    if let Some(params) = table.table("driver_params") {
        snapshot = source_params(params, &mut config);
    }
    table.finish();
    Draft { name, disabled, settings: root.map(|_| SourceSettings { config, snapshot }) }
}

/// Returns whether a leader scans everything at once.
fn source_params(mut params: Table<'_>, config: &mut SourceConfig) -> bool {
    let most = i64::try_from(SCAN_WORKERS_MAX).unwrap_or(i64::MAX);
    if let Some(workers) = params.whole("max_scan_workers", 1..=most) {
        config.scan_workers = usize::try_from(workers.value).unwrap_or(config.scan_workers);
    }
    if let Some(interval) = params.number("throttle_interval_sec", 0.0..=3600.0) {
        // Less than this is only work: whoever asks cannot tell the difference.
        config.partial_interval = seconds(interval.value).max(Duration::from_millis(100));
    }
    if let Some(hang) = params.number("hang_after_sec", 1.0..=YEAR) {
        config.hang_after = seconds(hang.value);
    }
    if let Some(within) = params.number("verify_within_sec", 0.0..=YEAR) {
        config.verify_within = Some(seconds(within.value));
    }
    if let Some(watches) = params.whole("max_watches", 1..=i64::MAX) {
        config.max_watches = usize::try_from(watches.value).ok();
    }
    if let Some(watch) = params.flag("watch") {
        config.watch = watch.value;
    }
    if let Some(one) = params.flag("one_file_system") {
        config.one_file_system = one.value;
    }
    if let Some(found) = params.text("file_pattern") {
        config.file_pattern = pattern(&params, found).unwrap_or_default();
    }
    let excluded = params.texts("exclude");
    if let Some(first) = excluded.get(EXCLUDES_MAX) {
        params.report().fault(&first.place, format!("more than {EXCLUDES_MAX} patterns"));
    }
    config.exclude =
        excluded.into_iter().filter_map(|excluded| pattern(&params, excluded)).collect();
    let mode = params.text("startup_mode");
    if let Some(mode) = mode.as_ref().filter(|mode| mode.value != "message-only") {
        let text = format!("unknown \"startup_mode\" {:?}; only \"message-only\" is", mode.value);
        params.report().fault(&mode.place, text);
    }
    params.without_effect(&["min_monitoring_window_days", "max_sync_delay_seconds"]);
    params.finish();
    mode.is_none()
}

/// A pattern that can match something.
fn pattern(table: &Table<'_>, found: Marked<String>) -> Option<String> {
    if found.value.trim_matches('/').is_empty() || found.value.len() > PATTERN_MAX {
        let text = format!("a pattern has 1 to {PATTERN_MAX} bytes, not only slashes");
        table.report().fault(&found.place, text);
        return None;
    }
    Some(found.value)
}

/// A directory; `file:` addresses are taken too.
fn root_of(table: &Table<'_>, uri: &Marked<String>) -> Option<PathBuf> {
    let path = uri.value.strip_prefix("file://").unwrap_or(&uri.value);
    if Path::new(path).is_absolute() {
        return Some(PathBuf::from(path));
    }
    let text = format!("\"uri\" must be a directory with its whole path, not {:?}", uri.value);
    table.report().fault(&uri.place, text);
    None
}

fn sender((name, mut table): (Name, Table<'_>)) -> Draft<SenderSettings> {
    let disabled = table.flag("disabled").is_some_and(|flag| flag.value);
    driver(&mut table, "fusion");
    let uri = table.required("uri");
    if let Some(uri) = uri.as_ref().filter(|uri| !is_http(&uri.value)) {
        let text = format!("\"uri\" must begin with http:// or https://, not {:?}", uri.value);
        table.report().fault(&uri.place, text);
    }
    let key = credential(&mut table);
    table.without_effect(&["batch_size", "max_retries", "retry_delay_sec", "timeout_sec"]);
    let mut settings = SenderSettings {
        uri: uri.as_ref().map_or_else(String::new, |uri| uri.value.clone()),
        key: key.clone().unwrap_or_default(),
        timeout: Duration::from_secs(30),
        speech: Speech::Auto,
        compression: Compression::Auto,
    };
    if let Some(params) = table.table("driver_params") {
        sender_params(params, &mut settings);
    }
    table.finish();
    Draft { name, disabled, settings: uri.and(key).map(|_| settings) }
}

fn is_http(uri: &str) -> bool {
    uri.starts_with("http://") || uri.starts_with("https://")
}

fn credential(table: &mut Table<'_>) -> Option<String> {
    let place = table.place().clone();
    let Some(mut credential) = table.table("credential") else {
        table.report().fault(&place, "a sender needs \"credential: {key: …}\"");
        return None;
    };
    let key = credential.required("key");
    credential.without_effect(&["user", "passwd"]);
    if let Some(key) = key.as_ref().filter(|key| !key.value.chars().all(|c| c.is_ascii_graphic())) {
        credential.report().fault(&key.place, "\"key\" has characters that no header can carry");
    }
    credential.finish();
    key.map(|key| key.value)
}

fn sender_params(mut params: Table<'_>, settings: &mut SenderSettings) {
    if let Some(timeout) = params.number("timeout", 1.0..=3600.0) {
        settings.timeout = seconds(timeout.value);
    }
    let speech = [("auto", Speech::Auto), ("native", Speech::Native), ("legacy", Speech::Legacy)];
    if let Some(chosen) = choose(&mut params, "dialect", &speech) {
        settings.speech = chosen;
    }
    let compression =
        [("auto", Compression::Auto), ("zstd", Compression::Zstd), ("none", Compression::Off)];
    if let Some(chosen) = choose(&mut params, "compression", &compression) {
        settings.compression = chosen;
    }
    params.finish();
}

/// One of several words.
fn choose<T: Copy>(
    table: &mut Table<'_>,
    key: &'static str,
    offered: &[(&'static str, T)],
) -> Option<T> {
    let word = table.text(key)?;
    let found = offered.iter().find(|(offer, _)| *offer == word.value);
    if found.is_none() {
        let known: Vec<&str> = offered.iter().map(|(offer, _)| *offer).collect();
        let hint = did_you_mean(&word.value, &known);
        table.report().fault(&word.place, format!("unknown {key:?} {:?}{hint}", word.value));
    }
    found.map(|(_, value)| *value)
}

fn pipe((name, mut table): (Name, Table<'_>)) -> Draft<PipeDraft> {
    let disabled = table.flag("disabled").is_some_and(|flag| flag.value);
    let (source, sender) = (table.required("source"), table.required("sender"));
    let timeout = table.whole("session_timeout_seconds", 1..=3600);
    // Fusion tells the intervals; attempts never end here.
    table.without_effect(&[
        "audit_interval_sec",
        "sentinel_interval_sec",
        "error_retry_interval",
        "max_consecutive_errors",
        "backoff_multiplier",
        "max_backoff_seconds",
        "fields_mapping",
    ]);
    table.finish();
    let settings = source.zip(sender).map(|(source, sender)| PipeDraft {
        source,
        sender,
        session_timeout: timeout.and_then(|timeout| u64::try_from(timeout.value).ok()),
    });
    Draft { name, disabled, settings }
}

fn driver(table: &mut Table<'_>, offered: &str) {
    let Some(driver) = table.required("driver") else { return };
    if driver.value != offered {
        let text = format!("unknown driver {:?}; only {offered:?} is offered", driver.value);
        table.report().fault(&driver.place, text);
    }
}

fn log_level(root: &mut Table<'_>) -> Level {
    let report = root.report();
    let Some(node) = root.take("logging") else { return Level::default() };
    let named = match node.value {
        Value::Text(value) => Some(Marked { value, place: node.place }),
        value @ (Value::Null
        | Value::Flag(_)
        | Value::Whole(_)
        | Value::Real(_)
        | Value::List(_)
        | Value::Map(_)) => {
            let mut table = Table::open("logging", Node { value, place: node.place }, report);
            let named = table.text("level");
            table.without_effect(&["format", "dir"]);
            table.finish();
            named
        }
    };
    let Some(named) = named else { return Level::default() };
    Level::parse(&named.value).unwrap_or_else(|| {
        let hint = did_you_mean(&named.value, Level::NAMES);
        report.fault(&named.place, format!("unknown log level {:?}{hint}", named.value));
        Level::default()
    })
}

fn seconds(number: f64) -> Duration {
    // The bounds have refused what no duration can be.
    Duration::try_from_secs_f64(number).unwrap_or_default()
}
