//! What travels between agents and fusion, as values.

use fustor_core::client::{BeatReply, CreateReply, Failure, HoldReply, Push, PushReply};
use fustor_core::session::{Beat, CreateSession};
use fustor_core::{SECOND, SessionId};

use crate::plan::{MS, Ns};

/// A request of one life of an agent.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) agent: usize,
    pub(crate) life: u64,
    pub(crate) attempt: u64,
    pub(crate) request: Request,
}

#[derive(Clone, Debug)]
pub(crate) enum Request {
    Create(Box<CreateSession>),
    Beat { session: SessionId, beat: Beat },
    Hold { session: SessionId },
    Push { session: SessionId, push: Push, window_ns: i64 },
    Close { session: SessionId },
}

/// An answer to it.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Created(CreateReply),
    /// With the two times of fusion's half of the exchange of clocks.
    Beaten(BeatReply, Option<Clocks>),
    Held(HoldReply),
    Pushed(PushReply),
}

/// When the agent sent, when fusion received and answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    pub(crate) t1: fustor_core::BootTime,
    pub(crate) t2: fustor_core::Stamp,
    pub(crate) t3: fustor_core::Stamp,
}

impl Request {
    /// How long the agent waits for an answer. Mirrors `fustor-agent/src/push/http.rs`; other work is given up sooner
    /// than there, so that more happens in a seed.
    pub(crate) const fn patience(&self) -> Ns {
        match self {
            Self::Beat { .. } => 3 * SECOND,
            Self::Hold { .. } => 13 * SECOND,
            // A session begins with a clock that is taken for sure to a second.
            Self::Create(_) => SECOND,
            Self::Push { .. } | Self::Close { .. } => 6 * SECOND,
        }
    }

    /// What the agent makes of no answer.
    pub(crate) const fn unanswered(&self) -> Answer {
        match self {
            Self::Create(_) => Answer::Created(CreateReply::Failed(Failure::Unreachable)),
            Self::Beat { .. } => Answer::Beaten(BeatReply::Failed(Failure::Unreachable), None),
            Self::Hold { .. } => Answer::Held(HoldReply::Failed),
            Self::Push { .. } | Self::Close { .. } => {
                Answer::Pushed(PushReply::Failed(Failure::Unreachable))
            }
        }
    }
}

/// So long a heartbeat is held.
pub(crate) const HOLD_NS: Ns = 10 * SECOND;
/// What one way over a good network takes at most.
pub(crate) const WAY_NS: Ns = 5 * MS;
