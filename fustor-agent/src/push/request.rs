//! Requests under way: each is a task of its own, whose outcome comes back as a value.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fustor_core::ViewPath;
use fustor_core::client::{
    BeatReply, CreateReply, Dialect, Failure, HoldReply, Push, PushReply, Resume,
};
use fustor_core::wire::legacy::{LegacyJob, job_complete};
use fustor_core::wire::protocol as wire;
use reqwest::Method;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::body::{
    SESSION, close_path, events_path, failed_beat, failed_create, grant, heartbeat_path, is_name,
    pushed, sentinel_ns,
};
use super::http::{Answer, Body, Http, Line, Silence, Speech};
use super::legacy::{self, Request, Tasks};
use super::native::{self, Asker, Health, Observed};
use crate::clock;

/// A session that is given back is not worth a longer wait.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);

/// What came of a request.
#[derive(Debug)]
pub(super) enum Heard {
    Created {
        attempt: u64,
        reply: CreateReply,
        dialect: Option<Dialect>,
        sentinel_ns: Option<i64>,
    },
    Beaten {
        attempt: u64,
        reply: BeatReply,
        exchange: Option<wire::Exchange>,
    },
    LegacyBeaten {
        attempt: u64,
        reply: wire::HeartbeatReply,
    },
    Pushed {
        attempt: u64,
        reply: PushReply,
        /// What has to be listed since fusion cannot ask for it.
        listed: Vec<ViewPath>,
    },
    Held {
        attempt: u64,
        reply: HoldReply,
    },
    /// What fusion says against us.
    Trouble(String),
}

/// Where requests are made.
pub(super) struct Desk {
    pub(super) http: Http,
    pub(super) asker: Asker,
    pub(super) replies: mpsc::Sender<Heard>,
    pub(super) dialect: Option<Dialect>,
    /// The last complete exchange of clocks.
    pub(super) exchange: Option<wire::Exchange>,
    /// The heartbeat that fusion holds: it ends with this.
    pub(super) held: Option<Abort>,
}

/// A task that ends with whoever started it.
pub(super) struct Abort(AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Desk {
    /// Does something and hands over what came of it.
    fn spawn(&self, work: impl Future<Output = Heard> + Send + 'static) {
        drop(self.start(work));
    }

    fn start(&self, work: impl Future<Output = Heard> + Send + 'static) -> AbortHandle {
        let replies = self.replies.clone();
        let task = tokio::spawn(async move {
            // The loop has ended: nobody is interested.
            drop(replies.send(work.await).await);
        });
        task.abort_handle()
    }

    /// There is nothing to create a session for.
    pub(super) fn no_create(&self, attempt: u64) {
        let reply = CreateReply::Failed(Failure::Unreachable);
        self.spawn(
            async move { Heard::Created { attempt, reply, dialect: None, sentinel_ns: None } },
        );
    }

    pub(super) fn create(&self, attempt: u64, resume: Option<Resume>, observed: Observed) {
        let (http, asker, replies) = (self.http.clone(), self.asker.clone(), self.replies.clone());
        self.spawn(async move {
            let request = native::create(&asker, &observed, resume.as_ref(), clock::now());
            let body = Body::json(wire::write(&request));
            let answer = http.send(Line::Work, Method::POST, SESSION, Some(body)).await;
            let none = |reply| Heard::Created { attempt, reply, dialect: None, sentinel_ns: None };
            let created = match &answer {
                Ok(answer) if answer.is_ok() => read_created(answer, asker.speech),
                Ok(answer) => Err(format!("{}: {}", answer.status, answer.said())),
                Err(_) => return none(failed_create(answer)),
            };
            match created {
                Ok((reply, dialect)) => Heard::Created {
                    attempt,
                    reply: CreateReply::Granted(grant(&reply, dialect)),
                    dialect: Some(dialect),
                    sentinel_ns: sentinel_ns(&reply),
                },
                Err(text) => {
                    drop(replies.send(Heard::Trouble(text)).await);
                    none(failed_create(answer))
                }
            }
        });
    }

    pub(super) fn beat(
        &mut self,
        attempt: u64,
        session: Arc<str>,
        lease: u64,
        acked: Vec<u64>,
        health: Health,
    ) {
        let (http, dialect) = (self.http.clone(), self.dialect);
        let exchange = self.exchange.take();
        let replies = self.replies.clone();
        self.spawn(async move {
            let request = match dialect {
                Some(Dialect::Legacy) => wire::HeartbeatRequest {
                    can_realtime: health.realtime,
                    ..wire::HeartbeatRequest::default()
                },
                Some(Dialect::Native) | None => {
                    native::beat(&health, lease, acked, exchange, clock::now())
                }
            };
            let path = heartbeat_path(&session);
            let body = Body::json(wire::write(&request));
            let failed = |reply| Heard::Beaten { attempt, reply, exchange: None };
            let answer = match http.send(Line::Beat, Method::POST, &path, Some(body)).await {
                Ok(answer) if answer.is_ok() => answer,
                Ok(answer) => return failed(failed_beat(&answer)),
                Err(failure) => return failed(BeatReply::Failed(failure)),
            };
            let now = clock::now();
            match (wire::read::<wire::HeartbeatReply>(&answer.body), dialect) {
                (Ok(reply), _) if reply.status != "ok" => {
                    failed(BeatReply::Failed(answer.failure()))
                }
                (Ok(reply), Some(Dialect::Legacy)) => Heard::LegacyBeaten { attempt, reply },
                (Ok(mut reply), Some(Dialect::Native) | None) => {
                    if let Some(text) = reply.message.take() {
                        drop(replies.send(Heard::Trouble(text)).await);
                    }
                    let exchange = native::exchange(&reply, now);
                    Heard::Beaten { attempt, reply: native::beaten(reply), exchange }
                }
                (Err(error), _) => {
                    tracing::warn!(%error, "the answer to a heartbeat makes no sense");
                    failed(BeatReply::Failed(answer.failure()))
                }
            }
        });
    }

    pub(super) fn hold(&mut self, attempt: u64, session: &str, health: &Health) {
        let http = self.http.clone();
        let path = heartbeat_path(session);
        let body = Body::json(wire::write(&native::hold(health)));
        self.held = Some(Abort(self.start(async move {
            let answer = http.exchange(Line::Hold, Method::POST, &path, Some(body)).await;
            let told = |answer: &Answer| wire::read::<wire::HeartbeatReply>(&answer.body);
            let reply = match &answer {
                Ok(answer) if answer.is_ok() => match told(answer) {
                    Ok(reply) => HoldReply::Told { orders: native::orders(reply.directives) },
                    Err(_) => HoldReply::Failed,
                },
                Ok(answer) if answer.status == 419 => HoldReply::Gone,
                // Not to be reached at all is no news: the heartbeats say so too.
                Err(Silence::Broke) => HoldReply::HungUp,
                Ok(_) | Err(_) => HoldReply::Failed,
            };
            Heard::Held { attempt, reply }
        })));
    }

    pub(super) fn push(&self, push: Push, window_ns: i64) {
        let (http, dialect) = (self.http.clone(), self.dialect);
        self.spawn(async move {
            let attempt = push.attempt;
            match dialect {
                Some(Dialect::Legacy) => {
                    let listed = legacy::to_be_listed(&push.events);
                    let reply = push_legacy(&http, &push).await;
                    let listed = if reply == PushReply::Applied { listed } else { Vec::new() };
                    Heard::Pushed { attempt, reply, listed }
                }
                Some(Dialect::Native) | None => {
                    let body = native::batch(&push, window_ns, clock::now(), http.compress);
                    let path = events_path(&push.session);
                    let answer = http.send(Line::Work, Method::POST, &path, Some(body)).await;
                    let reply = outcome(answer, Dialect::Native);
                    Heard::Pushed { attempt, reply, listed: Vec::new() }
                }
            }
        });
    }

    /// Gives a session back. False: fusion may not know.
    pub(super) async fn close(&self, session: &str) -> bool {
        let path = close_path(session);
        let closing = self.http.send(Line::Beat, Method::DELETE, &path, None);
        let told = tokio::time::timeout(CLOSE_PATIENCE, closing).await;
        let given_back = matches!(&told, Ok(Ok(answer)) if answer.is_ok());
        if !given_back {
            tracing::debug!(session, ?told, "the session was not given back");
        }
        given_back
    }

    /// Tells a Python fusion that a job is done. Nobody repeats it: the job itself has been.
    pub(super) fn job_complete(&self, session: &str, job: &LegacyJob) {
        let (http, path) = (self.http.clone(), events_path(session));
        let body = Body::json(job_complete(session, job));
        tokio::spawn(async move {
            // What goes wrong is logged there.
            drop(http.send(Line::Work, Method::POST, &path, Some(body)).await);
        });
    }

    /// Looks at what a Python fusion wants looked at.
    pub(super) fn sentinel(&self, root: PathBuf) {
        let http = self.http.clone();
        tokio::spawn(async move {
            let answer = http.send(Line::Work, Method::GET, legacy::SENTINEL_TASKS, None).await;
            let Ok(answer) = answer else { return };
            let tasks = serde_json::from_slice::<Tasks>(&answer.body).unwrap_or_default();
            let looked = tokio::task::spawn_blocking(move || legacy::look(&root, tasks)).await;
            if let Ok(Some(feedback)) = looked {
                let body = Some(Body::json(feedback));
                drop(http.send(Line::Work, Method::POST, legacy::SENTINEL_FEEDBACK, body).await);
            }
        });
    }
}

fn read_created(answer: &Answer, speech: Speech) -> Result<(wire::CreateReply, Dialect), String> {
    let reply: wire::CreateReply =
        wire::read(&answer.body).map_err(|error| format!("the answer makes no sense: {error}"))?;
    if !is_name(&reply.session_id) {
        return Err(format!("{:?} is no session", reply.session_id));
    }
    match (reply.protocol, speech) {
        (Some(wire::PROTOCOL), Speech::Auto | Speech::Native) => Ok((reply, Dialect::Native)),
        (None, Speech::Auto) | (_, Speech::Legacy) => Ok((reply, Dialect::Legacy)),
        (protocol, Speech::Auto | Speech::Native) => {
            Err(format!("protocol {protocol:?} is not the one that is wanted"))
        }
    }
}

fn outcome(answer: Result<Answer, Failure>, dialect: Dialect) -> PushReply {
    match answer {
        Ok(answer) => {
            let reply = pushed(&answer, dialect);
            if reply == PushReply::Rejected {
                tracing::error!(answer.status, said = answer.said(), "fusion rejects a batch");
            }
            reply
        }
        Err(failure) => PushReply::Failed(failure),
    }
}

/// Sends all pages of a batch. When one fails all are sent again.
async fn push_legacy(http: &Http, push: &Push) -> PushReply {
    let path = events_path(&push.session);
    for request in legacy::requests(push) {
        match request {
            Request::Events(page) => {
                let body = Some(Body::json(page));
                let answer = http.send(Line::Work, Method::POST, &path, body).await;
                let reply = outcome(answer, Dialect::Legacy);
                if reply != PushReply::Applied {
                    return reply;
                }
            }
            Request::AuditEnd => {
                let answer = http.send(Line::Work, Method::POST, legacy::AUDIT_END, None).await;
                if let Err(failure) = answer {
                    return PushReply::Failed(failure);
                }
            }
        }
    }
    PushReply::Applied
}
