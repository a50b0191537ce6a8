//! `/metrics`: what Prometheus scrapes, read from the views at the moment of the scrape.

use std::fmt;
use std::sync::Arc;

use fustor_core::DirId;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::state::ViewState;
use crate::process;

/// The registry and the counters that requests move.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: u16,
}

impl Metrics {
    pub(super) fn new(views: Vec<Arc<ViewState>>) -> Self {
        let mut registry = Registry::with_prefix("fustor");
        let requests = Family::default();
        registry.register("requests", "Requests by route and status", Family::clone(&requests));
        registry.register_collector(Box::new(Views(views)));
        registry.register_collector(Box::new(Process));
        Self { registry, requests }
    }

    pub(super) fn count(&self, route: &str, status: u16) {
        self.requests.get_or_create(&RequestLabels { route: route.to_owned(), status }).inc();
    }

    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

struct Views(Vec<Arc<ViewState>>);

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} views", self.0.len())
    }
}

/// A number read from a view.
type Reading = fn(&ViewState) -> u64;

const GAUGES: [(&str, &str, Reading); 14] = [
    ("files", "Entries that are not directories", |view| root(view).files),
    ("directories", "Directories, the root included", |view| root(view).dirs + 1),
    ("bytes", "Sum of the sizes of all files", |view| root(view).bytes),
    ("suspects", "Entries that may be incomplete", |view| root(view).suspects.into()),
    ("gap_directories", "Directories that owe a listing", |view| root(view).gaps.into()),
    ("unlisted_directories", "Never completely listed", |view| root(view).unlisted.into()),
    ("uncovered_directories", "Not watched or not readable", |view| root(view).uncovered.into()),
    ("revision", "Number of the newest picture", |view| view.host.snapshot().revision().n),
    ("inbox_commands", "Commands that wait", |view| view.host.waiting().0 as u64),
    ("inbox_bytes", "Bytes that wait", |view| view.host.waiting().1 as u64),
    ("pinned_revisions", "Revisions kept for cursors", |view| view.host.pins().len() as u64),
    ("history_bytes", "About what the log of changes occupies", |view| {
        view.host.history().bytes() as u64
    }),
    ("followers", "Who follows the changes", |view| view.host.history().followers() as u64),
    ("running", "Whether the writer works", |view| view.host.running().into()),
];

const COUNTERS: [(&str, &str, Reading); 6] = [
    ("commands", "Commands applied", |view| view.host.counters().commands()),
    ("publications", "Pictures published", |view| view.host.counters().publications()),
    ("history_changes", "Changes told in the log", |view| view.host.history().told()),
    ("history_microseconds", "Time that the log of changes has taken", |view| {
        u64::try_from(view.host.history().spent().as_micros()).unwrap_or(u64::MAX)
    }),
    ("inbox_full", "Commands turned away", |view| view.host.counters().busy()),
    ("freed_by_writer", "Pictures that the writer had to free", |view| {
        view.host.counters().freed_by_writer()
    }),
];

fn root(view: &ViewState) -> fustor_core::Totals {
    view.host.snapshot().tree().meta(DirId::ROOT).totals
}

impl Collector for Views {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, help, read) in GAUGES {
            let name = format!("view_{name}");
            let kind = ConstGauge::new(0u64).metric_type();
            let mut family = encoder.encode_descriptor(&name, help, None, kind)?;
            for view in &self.0 {
                let labels = [("view", view.host.name())];
                ConstGauge::new(read(view)).encode(family.encode_family(&labels)?)?;
            }
        }
        for (name, help, read) in COUNTERS {
            let name = format!("view_{name}");
            let kind = ConstCounter::new(0u64).metric_type();
            let mut family = encoder.encode_descriptor(&name, help, None, kind)?;
            for view in &self.0 {
                let labels = [("view", view.host.name())];
                ConstCounter::new(read(view)).encode(family.encode_family(&labels)?)?;
            }
        }
        self.encode_verdicts(&mut encoder)?;
        self.encode_ages(&mut encoder)
    }
}

impl Views {
    fn encode_verdicts(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = ConstCounter::new(0u64).metric_type();
        let help = "Observations by what became of them";
        let mut family = encoder.encode_descriptor("view_observations", help, None, kind)?;
        for view in &self.0 {
            let verdicts = view.host.counters().verdicts();
            for (verdict, count) in [
                ("applied", verdicts.applied),
                ("stale", verdicts.stale),
                ("buried", verdicts.buried),
                ("queued", verdicts.queued),
                ("refused", verdicts.refused),
            ] {
                let labels = [("view", view.host.name()), ("verdict", verdict)];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn encode_ages(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = ConstGauge::new(0f64).metric_type();
        let help = "Seconds since the newest picture was published";
        let mut family =
            encoder.encode_descriptor("view_snapshot_age_seconds", help, None, kind)?;
        for view in &self.0 {
            let published = view.host.counters().published_at();
            let age = view.host.clock().now().wall.since(published) as f64 / 1e9;
            let labels = [("view", view.host.name())];
            ConstGauge::new(age).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(usage) = process::usage() else { return Ok(()) };
        let rss = ConstGauge::new(usage.resident_bytes);
        let kind = rss.metric_type();
        rss.encode(encoder.encode_descriptor(
            "process_resident_bytes",
            "Resident memory",
            None,
            kind,
        )?)?;
        let cpu = ConstCounter::<f64>::new(usage.cpu_seconds);
        let kind = cpu.metric_type();
        cpu.encode(encoder.encode_descriptor(
            "process_cpu_seconds",
            "Processor time used",
            None,
            kind,
        )?)
    }
}
