//! A roster, a clock in seconds, and agents with one letter.

use fustor_core::session::{
    Admission, AdmitError, Beat, CreateError, CreateSession, Created, Head, LaneSeqs, NativePeer,
    Peer, Pulse, Resume, Roster, RosterConfig, SessionError,
};
use fustor_core::{
    AgentId, BootTime, Command, Event, GapReason, Lane, Mono, Now, RootIdentity, SECOND, Seq,
    SessionId, Stamp, StorageId, ViewPath,
};

pub(super) const STORAGE: StorageId = StorageId(1);
pub(super) const ROOT: RootIdentity = RootIdentity { fs_type: 1, fs_id: 2, inode: 3 };
pub(super) const OTHER_ROOT: RootIdentity = RootIdentity { fs_type: 1, fs_id: 2, inode: 4 };

pub(super) fn at(seconds: f64) -> Now {
    let ns = (seconds * SECOND as f64) as i64;
    Now { mono: Mono(ns), wall: Stamp(1_700_000_000 * SECOND + ns) }
}

pub(super) fn path(text: &str) -> ViewPath {
    ViewPath::parse(text.as_bytes()).expect("a path of a test")
}

pub(super) fn seq(realtime: u32) -> LaneSeqs {
    LaneSeqs { realtime: Seq(realtime), ..LaneSeqs::default() }
}

/// A request of a native agent called `name` on a host of the same name, in life 1 of its source.
pub(super) fn native(session: u128, name: char) -> CreateSession {
    CreateSession {
        id: SessionId(session),
        agent: AgentId(name as u16),
        task: format!("{name}:pipe"),
        client: None,
        uri: None,
        timeout_ns: None,
        peer: Peer::Native(NativePeer {
            agent: name.to_string(),
            host: format!("host-{name}"),
            version: "1".to_owned(),
            clock: BootTime(0),
            root: ROOT,
            writers_watched: true,
            source_epoch: 1,
            resume: None,
        }),
    }
}

pub(super) fn legacy(session: u128, name: char) -> CreateSession {
    CreateSession { peer: Peer::Legacy, ..native(session, name) }
}

/// The request with its native part changed.
pub(super) fn with(mut request: CreateSession, f: impl FnOnce(&mut NativePeer)) -> CreateSession {
    if let Peer::Native(native) = &mut request.peer {
        f(native);
    }
    request
}

pub(super) fn resume(session: u128, source_epoch: u64, acknowledged: LaneSeqs) -> Option<Resume> {
    Some(Resume { session: SessionId(session), source_epoch, acknowledged })
}

/// What the views were told, in short.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    Attach { known: bool, watched: bool },
    OtherRoot,
    Detach,
    Gap(char, GapReason),
}

pub(super) struct House {
    pub(super) roster: Roster,
}

impl House {
    pub(super) fn new() -> Self {
        Self::with(RosterConfig::default())
    }

    pub(super) fn with(config: RosterConfig) -> Self {
        #[cfg(feature = "mutants")]
        let config = {
            let mut config = config;
            config.broken = super::mutants::broken();
            config
        };
        Self { roster: Roster::new(STORAGE, config) }
    }

    pub(super) fn try_create(
        &mut self,
        seconds: f64,
        request: CreateSession,
    ) -> Result<Created, CreateError> {
        self.roster.create(at(seconds), request)
    }

    pub(super) fn create(&mut self, seconds: f64, request: CreateSession) -> Created {
        self.try_create(seconds, request).expect("a session")
    }

    pub(super) fn try_beat(&mut self, seconds: f64, session: u128) -> Result<Pulse, SessionError> {
        self.roster.beat(at(seconds), SessionId(session), Beat::default())
    }

    pub(super) fn beat(&mut self, seconds: f64, session: u128) -> Pulse {
        self.try_beat(seconds, session).expect("the session lives")
    }

    pub(super) fn beat_source(&mut self, seconds: f64, session: u128, source_ok: bool) -> Pulse {
        let beat = Beat { source_ok: Some(source_ok), ..Beat::default() };
        self.roster.beat(at(seconds), SessionId(session), beat).expect("the session lives")
    }

    /// Beats of these sessions each second of the span.
    pub(super) fn beats(&mut self, span: std::ops::Range<u32>, sessions: &[u128]) {
        for second in span {
            for session in sessions {
                self.beat(f64::from(second), *session);
            }
        }
    }

    pub(super) fn admit(
        &mut self,
        seconds: f64,
        session: u128,
        seq: u32,
    ) -> Result<Admission, AdmitError> {
        self.admit_as(seconds, session, seq, 1, 0)
    }

    pub(super) fn admit_as(
        &mut self,
        seconds: f64,
        session: u128,
        seq: u32,
        source_epoch: u64,
        lease: u64,
    ) -> Result<Admission, AdmitError> {
        let head = Head { source_epoch, lane: Lane::Realtime, seq: Seq(seq), lease };
        self.roster.admit(at(seconds), SessionId(session), head)
    }

    pub(super) fn applied(&mut self, seconds: f64, session: u128, seq: u32) {
        self.roster.applied(at(seconds), SessionId(session), Lane::Realtime, Seq(seq));
    }

    /// Admits and applies.
    pub(super) fn push(&mut self, seconds: f64, session: u128, seq: u32) {
        assert!(self.admit(seconds, session, seq).expect("admitted").fresh, "{seq}");
        self.applied(seconds, session, seq);
    }

    pub(super) fn tick(&mut self, seconds: f64) {
        self.roster.tick(at(seconds));
    }

    pub(super) fn leader(&self) -> Option<u128> {
        self.roster.leader().map(|id| id.0)
    }

    pub(super) fn told(&mut self) -> Vec<Told> {
        self.roster.take_effects().into_iter().map(told).collect()
    }
}

fn told(effect: Command) -> Told {
    match effect {
        Command::Attach { root: Some(root), .. } if root != ROOT => Told::OtherRoot,
        Command::Attach { root, writers_watched: watched, .. } => {
            Told::Attach { known: root.is_some(), watched }
        }
        Command::Detach { .. } => Told::Detach,
        Command::Batch(batch) => match batch.events.as_slice() {
            [Event::Gap { scope, reason, .. }] if scope.is_root() => {
                Told::Gap(char::from(batch.origin.agent.0 as u8), *reason)
            }
            other => panic!("{other:?}"),
        },
        other @ (Command::Tick
        | Command::Reset
        | Command::Storages(_)
        | Command::AcceptRoot { .. }
        | Command::AcceptRemovals { .. }) => {
            panic!("{other:?}")
        }
    }
}
