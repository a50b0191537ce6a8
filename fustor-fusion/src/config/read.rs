//! From a directory of YAML files to a [`Config`], or to everything that is wrong with them.

use std::path::Path;
use std::time::Duration;

use fustor_agent::program::did_you_mean;
use fustor_agent::program::log::Level;
use fustor_agent::program::yaml::{Marked, Name, Node, Report, Table, Value, load};

use super::check;
use super::keys::Digest;
use super::settings::{Config, Limits, PipeSettings, PushKey, ReceiverSettings, ViewSettings};

/// The directory of the files below the home.
pub const CONFIG_DIR: &str = "fusion-config";

/// The mappings that may be spread over several files.
const SECTIONS: &[&str] = &["receivers", "views", "pipes"];
/// A year in seconds; nothing is configured to take longer.
const YEAR: f64 = 31_536_000.0;

/// Reads the configuration in `dir`; `None` when something is wrong with it. What is wrong or odd stands in `report`.
#[must_use]
pub fn read(dir: &Path, report: &Report) -> Option<Config> {
    let mut root = load(dir, SECTIONS, report);
    let drafts = Drafts {
        receivers: receivers(&mut root),
        views: views(&mut root),
        pipes: pipes(&mut root),
        admin_keys: admin_keys(&mut root),
    };
    let base = Config {
        host: root.text("host").map_or_else(|| Config::default().host, |host| host.value),
        port: port(&mut root, "port", 8101),
        log_level: log_level(&mut root),
        limits: Limits { history_bytes: history(&mut root), ..limits(&mut root) },
        ..Config::default()
    };
    root.without_effect(&["session_cleanup_interval", "management_api_key"]);
    root.finish();
    let config = check::resolve(base, drafts, report);
    report.is_fine().then_some(config)
}

/// An id and what stands below it, with the places that faults name.
pub(super) struct Draft<T> {
    pub(super) name: Name,
    pub(super) disabled: bool,
    pub(super) settings: T,
}

/// What was read, before the parts are looked at together.
pub(super) struct Drafts {
    pub(super) receivers: Vec<Draft<ReceiverDraft>>,
    pub(super) views: Vec<Draft<ViewDraft>>,
    pub(super) pipes: Vec<Draft<PipeDraft>>,
    pub(super) admin_keys: Vec<Marked<Digest>>,
}

pub(super) struct ReceiverDraft {
    pub(super) settings: ReceiverSettings,
    /// The keys again, with the places where they and their pipes stand.
    pub(super) keys: Vec<(Marked<Digest>, Marked<String>)>,
}

pub(super) struct ViewDraft {
    pub(super) settings: ViewSettings,
    pub(super) keys: Vec<Marked<Digest>>,
}

pub(super) struct PipeDraft {
    pub(super) settings: PipeSettings,
    pub(super) receiver: Option<Marked<String>>,
    pub(super) views: Vec<Marked<String>>,
}

fn receivers(root: &mut Table<'_>) -> Vec<Draft<ReceiverDraft>> {
    let tables = root.tables("receivers", "receiver");
    tables.into_iter().map(|(name, table)| receiver(name, table)).collect()
}

fn receiver(name: Name, mut table: Table<'_>) -> Draft<ReceiverDraft> {
    driver(&mut table, &["http"], "http");
    table.without_effect(&["host"]);
    let keys: Vec<_> =
        table.list("api_keys").into_iter().filter_map(|node| push_key(node, &table)).collect();
    let bind_host = table.text("bind_host").map_or_else(|| "0.0.0.0".to_owned(), |host| host.value);
    let settings = ReceiverSettings {
        bind_host,
        port: port(&mut table, "port", 8102),
        keys: keys
            .iter()
            .map(|(key, pipe)| PushKey { digest: key.value, pipe: pipe.value.clone() })
            .collect(),
    };
    refuse_tls(&mut table);
    let disabled = table.flag("disabled").is_some_and(|flag| flag.value);
    table.finish();
    Draft { name, disabled, settings: ReceiverDraft { settings, keys } }
}

fn push_key(node: Node, receiver: &Table<'_>) -> Option<(Marked<Digest>, Marked<String>)> {
    let mut table = Table::open("an item of \"api_keys\"", node, receiver.report());
    let key = table.required("key").and_then(|key| digest(key, &table));
    let pipe = table.required("pipe_id");
    table.finish();
    key.zip(pipe)
}

fn digest(text: Marked<String>, table: &Table<'_>) -> Option<Marked<Digest>> {
    match Digest::parse(&text.value) {
        Ok(value) => Some(Marked { value, place: text.place }),
        Err(error) => {
            table.report().fault(&text.place, error.to_string());
            None
        }
    }
}

fn digests(table: &mut Table<'_>, key: &'static str) -> Vec<Marked<Digest>> {
    table.texts(key).into_iter().filter_map(|text| digest(text, table)).collect()
}

fn views(root: &mut Table<'_>) -> Vec<Draft<ViewDraft>> {
    let tables = root.tables("views", "view");
    tables.into_iter().map(|(name, table)| view(name, table)).collect()
}

fn view(name: Name, mut table: Table<'_>) -> Draft<ViewDraft> {
    driver(&mut table, &["fs"], "fs");
    let keys = digests(&mut table, "api_keys");
    let disabled = table.flag("disabled").is_some_and(|flag| flag.value);
    let mut settings = table.table("driver_params").map(view_params).unwrap_or_default();
    settings.keys = keys.iter().map(|key| key.value).collect();
    table.finish();
    Draft { name, disabled, settings: ViewDraft { settings, keys } }
}

fn view_params(mut table: Table<'_>) -> ViewSettings {
    let mut settings = ViewSettings::default();
    if let Some(threshold) = table.number("hot_file_threshold", 0.0..=YEAR) {
        // 0.8 took 0 for "not said".
        if threshold.value > 0.0 {
            settings.hot_file_threshold = seconds(threshold.value);
        }
    }
    if let Some(items) = table.whole("max_tree_items", i64::MIN..=i64::MAX) {
        settings.max_tree_items = u64::try_from(items.value).ok().filter(|items| *items > 0);
    }
    if let Some(mut consistency) = table.table("consistency") {
        if let Some(ttl) = consistency.number("tombstone_ttl_seconds", 1.0..=YEAR) {
            settings.tombstone_ttl = seconds(ttl.value);
        }
        consistency.finish();
    }
    if let Some(mut limits) = table.table("limits") {
        if let Some(nodes) = limits.whole("max_nodes", 0..=i64::MAX) {
            settings.max_nodes = nodes.value.unsigned_abs();
        }
        limits.without_effect(&["max_memory_mb"]);
        limits.finish();
    }
    table.finish();
    settings
}

fn pipes(root: &mut Table<'_>) -> Vec<Draft<PipeDraft>> {
    let tables = root.tables("pipes", "pipe");
    tables.into_iter().map(|(name, table)| pipe(name, table)).collect()
}

fn pipe(name: Name, mut table: Table<'_>) -> Draft<PipeDraft> {
    let receiver = table.required("receiver");
    let views = table.texts("views");
    if views.is_empty() {
        let text = format!("pipe {:?} needs \"views\", a list of at least one view", name.text);
        table.report().fault(&name.place, text);
    }
    let audit = table.number("audit_interval_sec", 0.0..=YEAR);
    let sentinel = table.number("sentinel_interval_sec", 0.0..=YEAR);
    let timeout = table.whole("session_timeout_seconds", 1..=3600 * 24 * 365);
    let settings = PipeSettings {
        file: name.place.file.clone(),
        receiver: receiver.as_ref().map(|receiver| receiver.value.clone()).unwrap_or_default(),
        views: views.iter().map(|view| view.value.clone()).collect(),
        storage: table.text("storage").map_or_else(|| name.text.clone(), |storage| storage.value),
        coherent: table.flag("coherent").is_some_and(|flag| flag.value),
        concurrent: table.flag("allow_concurrent_push").is_none_or(|flag| flag.value),
        session_timeout: Duration::from_secs(timeout.map_or(30, |n| n.value.unsigned_abs())),
        audit_interval_sec: audit.map_or(600.0, |number| number.value),
        sentinel_interval_sec: sentinel.map_or(120.0, |number| number.value),
    };
    let disabled = table.flag("disabled").is_some_and(|flag| flag.value);
    table.finish();
    Draft { name, disabled, settings: PipeDraft { settings, receiver, views } }
}

fn admin_keys(root: &mut Table<'_>) -> Vec<Marked<Digest>> {
    let Some(mut table) = root.table("management") else { return Vec::new() };
    let keys = digests(&mut table, "api_keys");
    refuse_tls(&mut table);
    table.finish();
    keys
}

fn limits(root: &mut Table<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(mut table) = root.table("limits") else { return limits };
    let mut read = |key: &'static str, most: i64| {
        table.whole(key, 1..=most).map(|number| {
            // The bounds make it positive and small enough for any machine that runs this.
            usize::try_from(number.value).unwrap_or(usize::MAX)
        })
    };
    if let Some(mb) = read("body_mb", 1024) {
        limits.body_bytes = mb << 20;
    }
    if let Some(mb) = read("bodies_mb", 1 << 20) {
        limits.bodies_bytes = mb << 20;
    }
    limits.rows = read("rows", 1 << 24).unwrap_or(limits.rows);
    limits.connections = read("connections", 1 << 20).unwrap_or(limits.connections);
    let time = |seconds: usize| Duration::from_secs(seconds as u64);
    limits.idle = read("idle_seconds", 86_400).map_or(limits.idle, time);
    limits.slow_body = read("slow_body_seconds", 86_400).map_or(limits.slow_body, time);
    limits.sessions = read("sessions", 1 << 20).unwrap_or(limits.sessions);
    let in_flight = read("in_flight", 64).and_then(|n| u32::try_from(n).ok());
    limits.in_flight = in_flight.unwrap_or(limits.in_flight);
    if limits.bodies_bytes < limits.body_bytes {
        let text = "\"bodies_mb\", of all requests, must not be less than \"body_mb\", of one";
        table.report().fault(table.place(), text);
    }
    table.finish();
    limits
}

fn history(root: &mut Table<'_>) -> usize {
    let default = Limits::default().history_bytes;
    let Some(mut table) = root.table("history") else { return default };
    let bytes = table.whole("max_bytes", 0..=1 << 40);
    table.finish();
    // The bounds make it positive.
    bytes.map_or(default, |bytes| usize::try_from(bytes.value).unwrap_or(usize::MAX))
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

fn driver(table: &mut Table<'_>, offered: &[&str], default: &str) {
    let Some(driver) = table.text("driver") else { return };
    if !offered.contains(&driver.value.as_str()) {
        let text = format!("unknown driver {:?}; only {default:?} is offered", driver.value);
        table.report().fault(&driver.place, text);
    }
}

fn refuse_tls(table: &mut Table<'_>) {
    if let Some(node) = table.take("tls") {
        let text = "TLS is not offered; put a proxy in front and bind to 127.0.0.1";
        table.report().fault(&node.place, text);
    }
}

fn port(table: &mut Table<'_>, key: &'static str, default: u16) -> u16 {
    table.whole(key, 0..=65_535).map_or(default, |port| {
        // The bounds are those of the type.
        u16::try_from(port.value).unwrap_or(default)
    })
}

/// The bounds leave only numbers of seconds that a duration holds.
fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX)
}
