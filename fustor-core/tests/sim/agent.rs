//! An agent process: its source, its client and the loop between them. Mirrors `fustor-agent/src/push/pipe.rs`.

use std::sync::Arc;

use fustor_core::client::{Action, Client, ClientConfig};
use fustor_core::session::{Beat, CreateSession, Exchange, LaneSeqs, NativePeer, Peer, Resume};
use fustor_core::{AgentId, BootTime, Lane, RootIdentity, SECOND, Seq, SessionId};

use crate::disk::ROOT;
use crate::host::Eyes;
use crate::messages::{Answer, Request};
use crate::plan::{Mount, Ns, Plan};
use crate::source::Source;

const IDENTITY: RootIdentity = RootIdentity { fs_type: 1, fs_id: 2, inode: ROOT };
/// A source with work to do that shows no progress for so long is not well.
const STALL_NS: i64 = 3 * SECOND;

/// What a pipe remembers beyond its process: `fustor-agent/src/push/state.rs`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) epoch: u64,
    pub(crate) session: Option<(Arc<str>, u64)>,
}

/// One life of it.
pub(crate) struct Process {
    pub(crate) source: Source,
    pub(crate) client: Client,
    exchange: Option<Exchange>,
    pulse: (u64, BootTime),
    /// When its parts want to be woken.
    pub(crate) watch_at: Option<Ns>,
    pub(crate) work_at: Vec<Option<Ns>>,
    pub(crate) pipe_at: Option<Ns>,
}

impl Process {
    pub(crate) fn start(
        plan: &Plan,
        name: usize,
        now: BootTime,
        micros: u64,
        memory: &mut Memory,
    ) -> Self {
        let epoch = micros.max(memory.epoch + 1);
        memory.epoch = epoch;
        let config = ClientConfig {
            seed: plan.seed ^ name as u64,
            spool_bytes: plan.spool_bytes,
            scan_bytes: plan.spool_bytes,
            batch_bytes: 256 * 1024,
            batch_events: plan.batch_events,
            ..ClientConfig::default()
        };
        let source = Source::new(plan);
        let work_at = vec![None; source.worker_count()];
        let client = Client::new(config, now, epoch, memory.session.clone());
        let pulse = (0, now);
        Self { source, client, exchange: None, pulse, watch_at: None, work_at, pipe_at: None }
    }

    /// Moves what the source has sealed to the client, as far as there is room.
    pub(crate) fn take(&mut self, now: BootTime) {
        let Self { source, client, .. } = self;
        while let Some(sealed) = source.outbox.pop(|lane| client.has_room(lane)) {
            client.sealed(now, sealed.lane, sealed.events, &sealed.done);
        }
    }

    /// Whether it would take anything.
    pub(crate) fn has_something_to_take(&self) -> bool {
        self.source.outbox.has_any(|lane| self.client.has_room(lane))
    }

    /// What the client wants done: requests to send.
    pub(crate) fn act(
        &mut self,
        plan: &Plan,
        name: usize,
        fresh: SessionId,
        eyes: &mut Eyes<'_>,
    ) -> Vec<(u64, Request)> {
        let now = eyes.boot();
        let mut requests = Vec::new();
        for action in self.client.poll(now) {
            match action {
                Action::Create { attempt, resume } => {
                    let request = create(plan, name, fresh, now, self.client.epoch(), resume);
                    requests.push((attempt, Request::Create(Box::new(request))));
                }
                Action::Beat { attempt, session, acked, .. } => {
                    let beat = self.beat(now, acked);
                    let session = id(&session);
                    requests.push((attempt, Request::Beat { session, beat }));
                }
                Action::Hold { attempt, session } => {
                    requests.push((attempt, Request::Hold { session: id(&session) }));
                }
                Action::Push(push) => {
                    let (attempt, session) = (push.attempt, id(&push.session));
                    let window_ns = plan.window_ns();
                    requests.push((attempt, Request::Push { session, push, window_ns }));
                }
                Action::Close { session } => {
                    requests.push((0, Request::Close { session: id(&session) }));
                }
                Action::Done { .. } => {}
                Action::Scan(_) => self.source.rescan(eyes),
                Action::Walk => self.source.walk(),
                Action::Perform(order) => self.source.perform(eyes, order),
            }
        }
        requests
    }

    fn beat(&mut self, now: BootTime, acked: Vec<u64>) -> Beat {
        let done = self.source.observations;
        let held_up = Lane::ALL.iter().any(|lane| !self.client.has_room(*lane));
        if done != self.pulse.0 || !self.source.has_work() || held_up {
            self.pulse = (done, now);
        }
        Beat {
            can_realtime: true,
            clock: Some(now),
            exchange: self.exchange.take(),
            source_ok: Some(now.since(self.pulse.1) < STALL_NS),
            coverage: None,
            progress: None,
            acked: acked.into_iter().map(Into::into).collect(),
        }
    }

    pub(crate) fn hear(&mut self, now: BootTime, attempt: u64, answer: Answer) {
        match answer {
            Answer::Created(reply) => self.client.created(now, attempt, reply),
            Answer::Beaten(reply, clocks) => {
                self.exchange =
                    clocks.map(|at| Exchange { t1: at.t1, t2: at.t2, t3: at.t3, t4: now });
                self.client.beaten(now, attempt, reply);
            }
            Answer::Held(reply) => self.client.held(now, attempt, reply),
            Answer::Pushed(reply) => self.client.pushed(now, attempt, reply),
        }
    }

    /// Whether all that it has seen is with fusion.
    pub(crate) fn is_clean(&self, now: BootTime) -> bool {
        let status = self.client.status(now);
        self.source.is_idle() && status.waiting == 0 && status.orders == 0
    }
}

fn id(session: &str) -> SessionId {
    session.parse().expect("fusion names sessions so")
}

fn create(
    plan: &Plan,
    name: usize,
    fresh: SessionId,
    clock: BootTime,
    source_epoch: u64,
    resume: Option<fustor_core::client::Resume>,
) -> CreateSession {
    let resume = resume.map(|resume| Resume {
        session: id(&resume.session),
        source_epoch: resume.epoch,
        acknowledged: LaneSeqs {
            control: Seq(resume.seqs.control),
            realtime: Seq(resume.seqs.realtime),
            scan: Seq(resume.seqs.scan),
        },
    });
    CreateSession {
        id: fresh,
        agent: AgentId(0),
        task: format!("agent-{name}:pipe"),
        client: None,
        uri: None,
        timeout_ns: None,
        peer: Peer::Native(NativePeer {
            agent: format!("agent-{name}"),
            host: format!("host-{name}"),
            version: String::new(),
            clock,
            root: IDENTITY,
            writers_watched: plan.mount == Mount::Local,
            source_epoch,
            resume,
        }),
    }
}
