//! The dialect of this project: what is asked of a fusion, and what its answers mean.

use fustor_core::client::{BeatReply, Order, Push, Resume, Task};
use fustor_core::wire::native::{BatchHead, CONTENT_TYPE, encode};
use fustor_core::wire::protocol as wire;
use fustor_core::{BootTime, RootIdentity, Seq};

use super::body::{lease, role};
use super::http::{Body, HOLD, Speech};
use crate::source::Progress;

/// Smaller batches are not worth a compressor.
const COMPRESSED_MIN: usize = 4096;
/// Names and times shrink to a third at this level; higher ones cost more time than they save.
const LEVEL: i32 = 1;

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) agent: String,
    pub(super) host: String,
    pub(super) pipe: String,
    pub(super) uri: String,
    pub(super) session_timeout: Option<u64>,
    pub(super) speech: Speech,
}

/// What it observes.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    pub(super) root: RootIdentity,
    pub(super) writers_watched: bool,
    pub(super) epoch: u64,
}

/// The request for a session. A fusion of 0.8 overlooks what it does not know.
pub(super) fn create(
    asker: &Asker,
    observed: &Observed,
    resume: Option<&Resume>,
    now: BootTime,
) -> wire::CreateRequest {
    let plain = wire::CreateRequest {
        task_id: format!("{}:{}", asker.agent, asker.pipe),
        source_type: Some("fs".to_owned()),
        session_timeout_seconds: asker.session_timeout,
        client_info: Some(wire::Client { source_uri: Some(asker.uri.clone()), client_ip: None }),
        ..wire::CreateRequest::default()
    };
    if asker.speech == Speech::Legacy {
        return plain;
    }
    wire::CreateRequest {
        protocol: Some(wire::PROTOCOL),
        agent: Some(wire::AgentIdentity {
            id: asker.agent.clone(),
            host: asker.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            clock_ns: now.0,
        }),
        source: Some(wire::SourceIdentity {
            root_id: (&observed.root).into(),
            uri: asker.uri.clone(),
            writers_watched: observed.writers_watched,
            epoch: observed.epoch,
        }),
        resume: resume.map(|resume| wire::ResumeFrom {
            session_id: resume.session.to_string(),
            epoch: resume.epoch,
            seq: wire::LaneSeqs {
                control: resume.seqs.control,
                realtime: resume.seqs.realtime,
                scan: resume.seqs.scan,
            },
        }),
        ..plain
    }
}

/// How the source fares, for a heartbeat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Health {
    pub(super) realtime: bool,
    pub(super) ok: bool,
    pub(super) progress: Progress,
}

pub(super) fn beat(
    health: &Health,
    lease: u64,
    acked: Vec<u64>,
    exchange: Option<wire::Exchange>,
    now: BootTime,
) -> wire::HeartbeatRequest {
    let Progress { entries, directories, directories_left, watches, uncovered, .. } =
        health.progress;
    wire::HeartbeatRequest {
        can_realtime: health.realtime,
        clock_ns: Some(now.0),
        exchange,
        lease: Some(lease),
        source_ok: Some(health.ok),
        coverage: Some(wire::Coverage { directories, watched: watches, uncovered }),
        progress: Some(wire::Progress { entries, directories, directories_left }),
        acked,
        ..wire::HeartbeatRequest::default()
    }
}

/// A heartbeat that fusion is to hold. It acknowledges nothing and says nothing of clocks.
pub(super) fn hold(health: &Health) -> wire::HeartbeatRequest {
    let held_ms = u64::try_from(HOLD.as_millis()).unwrap_or(0);
    wire::HeartbeatRequest {
        can_realtime: health.realtime,
        held_ms: Some(held_ms),
        ..wire::HeartbeatRequest::default()
    }
}

/// What fusion asks for.
pub(super) fn orders(directives: Vec<wire::NumberedDirective>) -> Vec<Order> {
    let order = |directive: wire::NumberedDirective| Order {
        id: directive.id,
        task: match directive.ask {
            wire::Ask::List { path, recursive } => Task::List { path, recursive },
            wire::Ask::Recheck { path } => Task::Recheck { path },
            wire::Ask::Moved { old, new } => Task::Moved { old, new },
        },
    };
    directives.into_iter().map(order).collect()
}

pub(super) fn beaten(reply: wire::HeartbeatReply) -> BeatReply {
    BeatReply::Alive {
        role: role(reply.role),
        lease: lease(reply.lease),
        orders: orders(reply.directives),
    }
}

/// The four times of an exchange that ended at `now`.
pub(super) fn exchange(reply: &wire::HeartbeatReply, now: BootTime) -> Option<wire::Exchange> {
    let clock = reply.clock?;
    Some(wire::Exchange { t1: clock.t1, t2: clock.t2, t3: clock.t3, t4: now.0 })
}

/// A batch as bytes.
pub(super) fn batch(push: &Push, window_ns: i64, now: BootTime, compress: bool) -> Body {
    let head = BatchHead {
        source_epoch: push.epoch,
        lane: push.lane,
        seq: Seq(push.seq),
        lease: push.lease,
        sent: now,
        cache_window_ns: window_ns,
    };
    let bytes = encode(&head, &push.events);
    if compress && bytes.len() >= COMPRESSED_MIN {
        match zstd::bulk::compress(&bytes, LEVEL) {
            Ok(packed) => return Body { kind: CONTENT_TYPE, coding: Some("zstd"), bytes: packed },
            Err(error) => tracing::warn!(%error, "a batch cannot be compressed"),
        }
    }
    Body { kind: CONTENT_TYPE, coding: None, bytes }
}
