//! Sessions: opened, kept alive, closed. Unknown keys of a body are ignored, as 0.8 does.

use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use fustor_core::session::{
    Ack, Beat, Coverage, CreateError, CreateSession, Created, Exchange, LaneSeqs, NativePeer, Peer,
    Progress, Pulse, Resume, Role, SessionError,
};
use fustor_core::wire::protocol::{self as wire, CreateRequest, HeartbeatRequest};
use fustor_core::{BootTime, DirId, SessionId, Stamp, ViewPath};
use serde_json::json;
use std::sync::Arc;

use super::auth::{authenticate, forbidden};
use super::body;
use super::inlet::{Door, Inlet};
use crate::config::Grant;
use crate::http::error::{ApiError, json_body, session_gone};
use crate::net::Peer as Remote;
use crate::pipe::{Pipe, PipeCounts};

/// A heartbeat is never held longer.
const HELD_MAX: Duration = Duration::from_secs(30);

pub(super) async fn create(
    State(inlet): State<Inlet>,
    remote: Option<Extension<ConnectInfo<Remote>>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let pipe = inlet.pusher(&headers)?;
    let taken = body::read(&inlet.hub, &headers, body, body::SMALL_MAX).await?;
    let request: CreateRequest = wire::read(&taken.bytes).map_err(|error| unprocessable(&error))?;
    let client = client(&inlet, &request, remote.map(|Extension(ConnectInfo(remote))| remote));
    let asked = asked(&inlet, request, client)?;
    let is_legacy = matches!(asked.peer, Peer::Legacy);
    let created = pipe.storage().act(|roster, now| roster.create(now, asked));
    let created = created.map_err(|error| refused(&pipe, error))?;
    pipe.storage().own(created.session, pipe.id(), is_legacy);
    pipe.storage().announce();
    PipeCounts::add(&pipe.counts().opened, 1);
    tracing::info!(pipe = &**pipe.id(), session = %created.session, role = ?created.role, "session opened");
    Ok(json_body(StatusCode::OK, created_body(&inlet, &pipe, &created, is_legacy)))
}

/// Where the client is: what it says, else on the port of the views what its connection says.
fn client(inlet: &Inlet, request: &CreateRequest, remote: Option<Remote>) -> Option<String> {
    let said = request.client_info.as_ref().and_then(|client| client.client_ip.clone());
    let native = request.protocol.is_some();
    let seen = remote.map(|remote| remote.address.ip().to_string());
    match (said, &inlet.door) {
        (Some(said), _) => Some(said),
        (None, Door::Management) => seen,
        (None, Door::Receivers(_)) => seen.filter(|_| native),
    }
}

fn asked(
    inlet: &Inlet,
    request: CreateRequest,
    client: Option<String>,
) -> Result<CreateSession, ApiError> {
    let full = || ApiError::Busy("more agents than can be told apart".to_owned());
    let agent = inlet.hub.agent(&request.task_id).ok_or_else(full)?;
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|error| ApiError::Lost(error.to_string()))?;
    let timeout = request.session_timeout_seconds.filter(|seconds| *seconds > 0);
    let uri = match &request.source {
        Some(source) => Some(source.uri.clone()),
        None => request.client_info.as_ref().and_then(|client| client.source_uri.clone()),
    };
    Ok(CreateSession {
        id: SessionId(u128::from_le_bytes(bits)),
        agent,
        uri,
        client,
        timeout_ns: timeout.map(|seconds| {
            i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(fustor_core::SECOND)
        }),
        peer: peer(&request)?,
        task: request.task_id,
    })
}

fn peer(request: &CreateRequest) -> Result<Peer, ApiError> {
    let bad = |text: String| ApiError::Plain(StatusCode::UNPROCESSABLE_ENTITY, text);
    match request.protocol {
        None => return Ok(Peer::Legacy),
        Some(wire::PROTOCOL) => (),
        Some(other) => {
            let ours = wire::PROTOCOL;
            return Err(bad(format!("protocol {other} is not spoken here, only {ours}")));
        }
    }
    let missing = |what: &str| bad(format!("a session of protocol 2 needs {what:?}"));
    let agent = request.agent.clone().ok_or_else(|| missing("agent"))?;
    let source = request.source.as_ref().ok_or_else(|| missing("source"))?;
    let resume = request.resume.as_ref().and_then(|resume| {
        // An id that is none was never ours: the same as a session that nobody remembers.
        let session = resume.session_id.parse().ok()?;
        let acknowledged = LaneSeqs {
            control: fustor_core::Seq(resume.seq.control),
            realtime: fustor_core::Seq(resume.seq.realtime),
            scan: fustor_core::Seq(resume.seq.scan),
        };
        Some(Resume { session, source_epoch: resume.epoch, acknowledged })
    });
    Ok(Peer::Native(NativePeer {
        agent: agent.id,
        host: agent.host,
        version: agent.version,
        clock: BootTime(agent.clock_ns),
        root: source.root_id.into(),
        writers_watched: source.writers_watched,
        source_epoch: source.epoch,
        resume,
    }))
}

fn refused(pipe: &Pipe, error: CreateError) -> ApiError {
    let conflict = |text: String| ApiError::Plain(StatusCode::CONFLICT, text);
    match error {
        CreateError::Locked { holder } => {
            let view = pipe.settings().views.first().cloned().unwrap_or_default();
            conflict(format!(
                "View {view} is currently locked by session {holder}. Concurrent push is disabled."
            ))
        }
        error @ CreateError::Duplicate { .. } => conflict(error.to_string()),
        error @ CreateError::Full { .. } => ApiError::Busy(error.to_string()),
        error @ CreateError::Taken(_) => ApiError::Lost(error.to_string()),
    }
}

fn created_body(inlet: &Inlet, pipe: &Pipe, created: &Created, is_legacy: bool) -> Vec<u8> {
    let settings = pipe.settings();
    let seconds = created.timeout_ns.max(0).unsigned_abs() / fustor_core::SECOND.unsigned_abs();
    if matches!(inlet.door, Door::Management) && is_legacy {
        let body = json!({
            "session_id": created.session.to_string(),
            "role": role_word(created.role),
            "is_leader": created.role == Role::Leader,
            "session_timeout_seconds": seconds,
            "audit_interval_sec": settings.audit_interval_sec,
            "sentinel_interval_sec": settings.sentinel_interval_sec,
        });
        return body.to_string().into_bytes();
    }
    let limits = inlet.hub.limits();
    let from = created.resume_from;
    wire::write(&wire::CreateReply {
        session_id: created.session.to_string(),
        role: role(created.role),
        session_timeout_seconds: seconds,
        audit_interval_sec: Some(settings.audit_interval_sec),
        sentinel_interval_sec: Some(settings.sentinel_interval_sec),
        message: Some("Session created successfully".to_owned()),
        protocol: (!is_legacy).then_some(wire::PROTOCOL),
        lease: created.lease.map(grant),
        resumed: (!is_legacy).then_some(created.resumed),
        resume_from: (!is_legacy).then_some(wire::LaneSeqs {
            control: from.control.0,
            realtime: from.realtime.0,
            scan: from.scan.0,
        }),
        limits: (!is_legacy).then_some(wire::Intake {
            body_bytes: limits.body_bytes as u64,
            rows: limits.rows as u64,
            in_flight: created.in_flight,
        }),
        passes: (!is_legacy).then_some(true),
    })
}

pub(super) async fn heartbeat(
    State(mut inlet): State<Inlet>,
    Path(session): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (pipe, id) = inlet.owner(&headers, &session)?;
    let taken = body::read(&inlet.hub, &headers, body, body::SMALL_MAX).await?;
    // 0.8 takes a body that is missing or makes no sense for one that says nothing.
    let request: HeartbeatRequest = wire::read(&taken.bytes).unwrap_or_default();
    drop(taken);
    let held = request.held_ms.map(Duration::from_millis).unwrap_or_default().min(HELD_MAX);
    let sent = request.clock_ns;
    let beat = beat(request, held.is_zero());
    let lost = |error: SessionError| gone(&error);
    let mut pulse = pipe.storage().act(|roster, now| roster.beat(now, id, beat)).map_err(lost)?;
    // As the roster has noted it: it takes no other for the time of this exchange.
    let received = pulse.received;
    if !held.is_zero() && pulse.orders.is_empty() && pulse.scans.is_empty() {
        hold(&mut inlet, &pipe, id, pulse.role, held).await;
        pulse = pipe.storage().act(|roster, now| roster.answer_held(now, id)).map_err(lost)?;
    }
    let clock = sent.filter(|_| held.is_zero()).map(|t1| (t1, received));
    Ok(json_body(StatusCode::OK, pulse_body(&inlet, &pipe, id, pulse, clock)))
}

fn beat(request: HeartbeatRequest, short: bool) -> Beat {
    let exchange = request.exchange.map(|exchange| Exchange {
        t1: BootTime(exchange.t1),
        t2: Stamp(exchange.t2),
        t3: Stamp(exchange.t3),
        t4: BootTime(exchange.t4),
    });
    Beat {
        can_realtime: request.can_realtime,
        // What a held request says of clocks is as old as it was held.
        clock: request.clock_ns.filter(|_| short).map(BootTime),
        exchange: exchange.filter(|_| short),
        source_ok: request.source_ok,
        coverage: request.coverage.map(|coverage| Coverage {
            directories: coverage.directories,
            watched: coverage.watched,
            uncovered: coverage.uncovered,
        }),
        progress: request.progress.map(|progress| Progress {
            entries: progress.entries,
            directories: progress.directories,
            directories_left: progress.directories_left,
        }),
        acked: request.acked.into_iter().map(Ack::from).collect(),
    }
}

/// Waits until there is something to say. A client that goes away meanwhile may be dead, and is noted as such.
async fn hold(inlet: &mut Inlet, pipe: &Arc<Pipe>, id: SessionId, role: Role, held: Duration) {
    let until = tokio::time::Instant::now() + held;
    let mut line = Line { pipe: Arc::clone(pipe), id, open: true };
    let mut news = pipe.storage().news();
    loop {
        news.mark_unchanged();
        let told = pipe.storage().read(|roster| {
            roster.session(id).is_none() || roster.has_news(id) || roster.role(id) != role
        });
        if told || *inlet.stopping.borrow() {
            break;
        }
        let over = tokio::select! {
            changed = news.changed() => changed.is_err(),
            _ = inlet.stopping.changed() => true,
            () = tokio::time::sleep_until(until) => true,
        };
        if over {
            break;
        }
    }
    line.open = false;
}

/// A request that is held open.
struct Line {
    pipe: Arc<Pipe>,
    id: SessionId,
    open: bool,
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.open {
            self.pipe.storage().act(|roster, now| roster.hung_up(now, self.id));
        }
    }
}

fn pulse_body(
    inlet: &Inlet,
    pipe: &Pipe,
    id: SessionId,
    pulse: Pulse,
    clock: Option<(i64, Stamp)>,
) -> Vec<u8> {
    let directives = pulse.orders.into_iter().map(|order| wire::NumberedDirective {
        id: order.id,
        ask: match order.task {
            fustor_core::session::Task::Do(directive) => directive.into(),
            fustor_core::session::Task::Moved { old, new } => wire::Ask::Moved { old, new },
        },
    });
    let commands: Vec<_> = pulse
        .scans
        .into_iter()
        .map(|scan| wire::ScanCommand {
            kind: "scan".to_owned(),
            path: shown(&scan.path),
            recursive: scan.recursive,
            job_id: scan.job.to_string(),
            created_at: scan.created.0 as f64 / 1e9,
        })
        .collect();
    if matches!(inlet.door, Door::Management) && clock.is_none() && pulse.lease.is_none() {
        let body = json!({
            "status": "ok",
            "message": format!("Session {id} heartbeat updated successfully"),
            "role": role_word(pulse.role),
            "is_leader": pulse.role == Role::Leader,
            "commands": commands,
        });
        return body.to_string().into_bytes();
    }
    let other_root = "the root is not the one that is known; only heartbeats are taken";
    wire::write(&wire::HeartbeatReply {
        status: "ok".to_owned(),
        role: role(pulse.role),
        message: pulse.root_changed.then(|| other_root.to_owned()),
        can_realtime: None,
        commands,
        clock: clock.map(|(t1, received)| wire::ClockReply {
            t1,
            t2: received.0,
            t3: pipe.storage().now().wall.0,
        }),
        complete_ms: pulse.lease.and_then(|_| complete_ms(pipe)),
        lease: pulse.lease.map(grant),
        directives: directives.collect(),
    })
}

/// How long ago the last scan of everything began, if no view of the storage lacks anything after it.
fn complete_ms(pipe: &Pipe) -> Option<u64> {
    let now = pipe.storage().now().wall;
    let age = |view: &crate::host::ViewHost| {
        let snapshot = view.snapshot();
        let totals = snapshot.tree().meta(DirId::ROOT).totals;
        let lacks = totals.gaps > 0 || totals.unlisted > 0 || !snapshot.attached();
        let cycles = snapshot.cycles();
        let began = cycles.last_begin.filter(|_| cycles.completed > 0 && !lacks)?;
        Some(now.since(began).max(0).unsigned_abs() / 1_000_000)
    };
    let ages: Option<Vec<u64>> = pipe.storage().views().iter().map(age).collect();
    ages?.into_iter().max()
}

fn shown(path: &ViewPath) -> String {
    path.display().into_owned()
}

pub(super) async fn close(
    State(inlet): State<Inlet>,
    Path(session): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let there = match inlet.owner(&headers, &session) {
        Ok((pipe, id)) => {
            let there = pipe.storage().act(|roster, now| roster.close(now, id));
            PipeCounts::add(&pipe.counts().closed, u64::from(there));
            pipe.storage().announce();
            there
        }
        // Who is not there any more has ended.
        Err(ApiError::Plain(status, _)) if status == session_gone() => false,
        Err(error) => return Err(error),
    };
    let body = match (&inlet.door, there) {
        (Door::Receivers(_), _) => json!({"status": "terminated", "session_id": session}),
        (Door::Management, true) => {
            json!({"status": "ok", "message": format!("Session {session} terminated successfully")})
        }
        (Door::Management, false) => {
            json!({"status": "ok", "message": format!("Session {session} already terminated")})
        }
    };
    Ok(json_body(StatusCode::OK, body.to_string().into_bytes()))
}

/// What a key is good for.
pub(super) async fn discover(
    State(inlet): State<Inlet>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let keys = inlet.hub.keys();
    let id = match authenticate(&keys, &headers)? {
        Grant::Push { pipe } => pipe,
        Grant::Query { views } => views.into_iter().next().unwrap_or_default(),
        Grant::Admin => return Err(forbidden("an admin key belongs to no pipe and no view")),
    };
    let body = json!({"view_id": id, "status": "authorized"});
    Ok(json_body(StatusCode::OK, body.to_string().into_bytes()))
}

pub(super) fn gone(error: &SessionError) -> ApiError {
    let text = match error {
        SessionError::Expired(id) => format!("Session {id} expired in SessionManager"),
        SessionError::Unknown(_) => "Session obsoleted".to_owned(),
    };
    ApiError::Plain(session_gone(), text)
}

fn unprocessable(error: &wire::BodyError) -> ApiError {
    ApiError::Encoded(StatusCode::UNPROCESSABLE_ENTITY, error.to_json())
}

const fn role(role: Role) -> wire::Role {
    match role {
        Role::Leader => wire::Role::Leader,
        Role::Follower => wire::Role::Follower,
    }
}

pub(crate) const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
    }
}

fn grant(grant: fustor_core::session::Grant) -> wire::LeaseGrant {
    let ttl_ms = grant.ttl_ns.max(0).unsigned_abs() / 1_000_000;
    wire::LeaseGrant { epoch: grant.epoch, ttl_ms }
}
