//! A configured fusion without sockets: its routers, fed by requests.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use fustor_agent::program::yaml::Report;
use fustor_fusion::config::{self, Config};
use fustor_fusion::host::{Clock, HostConfig, ViewHost};
use fustor_fusion::http::{App, Service, ViewState, router};
use fustor_fusion::pipe::Hub;
use fustor_fusion::receiver::{self, Inlet};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::fixture::Answer;

/// Two pipes with a view each, and every kind of key.
pub(crate) const TWO: &str = "
management: {api_keys: [adm1n]}
receivers:
  main:
    driver: http
    bind_host: 127.0.0.1
    port: 0
    api_keys: [{key: push-1, pipe_id: pipe-1}, {key: push-2, pipe_id: pipe-2}]
views:
  view-1: {driver: fs, api_keys: [query-1]}
  view-2: {driver: fs, api_keys: [query-2]}
pipes:
  pipe-1: {receiver: main, views: [view-1], audit_interval_sec: 15, sentinel_interval_sec: 7}
  pipe-2: {receiver: main, views: [view-2], allow_concurrent_push: false}
";

pub(crate) struct Station {
    pub(crate) hub: Arc<Hub>,
    pub(crate) hosts: BTreeMap<String, ViewHost>,
    pub(crate) views: Router,
    pub(crate) receiver: Router,
    _stop: watch::Sender<bool>,
}

/// What a configuration of one file says, or what is wrong with it.
pub(crate) fn read(text: &str) -> Result<Config, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), text).unwrap();
    let report = Report::default();
    let read = config::read(dir.path(), &report);
    let prefix = format!("{}/", dir.path().display());
    read.ok_or_else(|| {
        report.faults().iter().map(|fault| fault.to_string().replace(&prefix, "")).collect()
    })
}

impl Station {
    /// Needs a runtime.
    pub(crate) fn start(text: &str) -> Self {
        let config = read(text).unwrap_or_else(|faults| panic!("{faults:#?}"));
        let clock = Arc::new(Clock::start());
        let start = |name: &String| {
            ViewHost::start(name, HostConfig::default(), Arc::clone(&clock)).unwrap()
        };
        let hosts: BTreeMap<String, ViewHost> =
            config.views.keys().map(|name| (name.clone(), start(name))).collect();
        let hub = Hub::start(&config, &hosts, &clock).unwrap();
        let (stop, stopping) = watch::channel(false);
        let states = hosts.values().map(|host| {
            let mut state = ViewState::new(host.clone());
            state.gate_legacy_routes = true;
            state
        });
        let service = Service {
            hub: Arc::clone(&hub),
            reload: Box::new(|| json!({"reloaded": true})),
            config: Box::new(|| json!({})),
        };
        let app = App::with_service(states.collect(), stopping.clone(), service);
        let ids = config.receivers.keys().cloned().collect();
        let inlet = Inlet::receivers(Arc::clone(&hub), ids, stopping);
        let (views, receiver) = (router(app), receiver::router(inlet));
        Self { hub, hosts, views, receiver, _stop: stop }
    }

    /// A request to the port of the views.
    pub(crate) async fn ask(&self, method: Method, path: &str, key: &str, body: Vec<u8>) -> Answer {
        send(&self.views, method, path, &[("x-api-key", key)], body).await
    }

    /// A request to the receiver.
    pub(crate) async fn tell(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: Vec<u8>,
    ) -> Answer {
        send(&self.receiver, method, path, &[("x-api-key", key)], body).await
    }

    /// A GET below `view-1`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, &format!("/api/v1/views/view-1{path}"), "query-1", Vec::new()).await
    }

    /// A POST of JSON to the receiver with the key of the first pipe.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let path = format!("/api/v1/pipe/{path}");
        self.tell(Method::POST, &path, "push-1", body.to_string().into_bytes()).await
    }

    /// Opens a session of an agent of 0.8; its id.
    pub(crate) async fn open(&self, task: &str) -> String {
        let answer = self.post("session/", &json!({"task_id": task})).await;
        answer.json()["session_id"].as_str().expect("an id").to_owned()
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.hosts.values().for_each(ViewHost::stop);
        self.hub.stop();
    }
}

/// A request without a socket; a header with an empty value is left out.
pub(crate) async fn send(
    router: &Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body)).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    // A stream of events has no end.
    let endless = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
    let body = if endless { Body::empty() } else { body };
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}
