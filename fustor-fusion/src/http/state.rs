//! What the routes share: the views, the counters and the signal to stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fustor_core::{Now, Snapshot};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use super::metrics::Metrics;
use crate::host::ViewHost;
use crate::pipe::Hub;

/// So many answers are streamed or searched for at the same time; each occupies a thread.
const MAX_HEAVY: usize = 64;

/// So many clients follow the changes of views at the same time; each occupies a connection.
const MAX_STREAMS: usize = 256;

/// Tells what a source says about itself.
pub type Describe = Box<dyn Fn() -> Value + Send + Sync>;

/// A view as the routes see it.
pub struct ViewState {
    /// The running view.
    pub host: ViewHost,
    /// Whether `/tree`, `/search` and `/stats` answer 503 until the first complete scan, as 0.8 does.
    pub gate_legacy_routes: bool,
    /// How many entries an answer of `/tree` or `/search` may have; `None`: no limit.
    pub max_tree_items: Option<u64>,
    /// How long one page of `/find` or one `/search` may take.
    pub deadline: Duration,
    /// What the source of the view says about itself, for `/health`.
    pub source: Option<Describe>,
}

impl ViewState {
    /// A view with the limits of 0.8 and without its gate.
    #[must_use]
    pub fn new(host: ViewHost) -> Self {
        Self {
            host,
            gate_legacy_routes: false,
            max_tree_items: Some(fustor_core::query::TREE_ITEMS_DEFAULT),
            deadline: Duration::from_secs(10),
            source: None,
        }
    }

    /// The picture and the moment that one request is answered from.
    #[must_use]
    pub fn look(&self) -> (Arc<Snapshot>, Now) {
        (self.host.snapshot(), self.host.clock().now())
    }
}

/// Whether every directory was listed or reported once.
#[must_use]
pub(super) fn first_scan_complete(snapshot: &Snapshot) -> bool {
    snapshot.cycles().completed > 0
}

/// What all routes share. Clones speak to the same one.
#[derive(Clone)]
pub struct App {
    shared: Arc<Shared>,
}

struct Shared {
    views: BTreeMap<String, Arc<ViewState>>,
    metrics: Metrics,
    heavy: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
    service: Option<Service>,
}

/// What stands behind the views when agents report from elsewhere. Without it nobody needs a key.
pub struct Service {
    /// The pipes, and the keys.
    pub hub: Arc<Hub>,
    /// Reads the configuration again and says what came of it.
    pub reload: Describe,
    /// The configuration, without its keys.
    pub config: Describe,
}

impl App {
    /// The interface to these views. `stopping` turns true when waiting requests should be answered at once.
    #[must_use]
    pub fn new(views: Vec<ViewState>, stopping: watch::Receiver<bool>) -> Self {
        let views: BTreeMap<_, _> =
            views.into_iter().map(|view| (view.host.name().to_owned(), Arc::new(view))).collect();
        let metrics = Metrics::new(views.values().cloned().collect());
        let heavy = Arc::new(Semaphore::new(MAX_HEAVY));
        let streams = Arc::new(Semaphore::new(MAX_STREAMS));
        Self {
            shared: Arc::new(Shared { views, metrics, heavy, streams, stopping, service: None }),
        }
    }

    /// The same for views that agents feed from elsewhere, with keys.
    #[must_use]
    pub fn with_service(
        views: Vec<ViewState>,
        stopping: watch::Receiver<bool>,
        service: Service,
    ) -> Self {
        let mut app = Self::new(views, stopping);
        // Nobody else has a clone yet.
        if let Some(shared) = Arc::get_mut(&mut app.shared) {
            shared.service = Some(service);
        }
        app
    }

    pub(super) fn service(&self) -> Option<&Service> {
        self.shared.service.as_ref()
    }

    pub(super) fn hub(&self) -> Option<&Arc<Hub>> {
        self.service().map(|service| &service.hub)
    }

    pub(super) fn view(&self, name: &str) -> Option<&Arc<ViewState>> {
        self.shared.views.get(name)
    }

    pub(super) fn views(&self) -> impl Iterator<Item = (&String, &Arc<ViewState>)> {
        self.shared.views.iter()
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    pub(super) fn heavy(&self) -> Arc<Semaphore> {
        Arc::clone(&self.shared.heavy)
    }

    pub(super) fn streams(&self) -> Arc<Semaphore> {
        Arc::clone(&self.shared.streams)
    }

    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.shared.stopping.clone()
    }
}
