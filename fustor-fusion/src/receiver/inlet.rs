//! What the handlers of one port share.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::pipe::Hub;

/// A port that agents speak to.
#[derive(Clone)]
pub struct Inlet {
    pub(super) hub: Arc<Hub>,
    pub(super) door: Door,
    pub(super) stopping: watch::Receiver<bool>,
}

/// Which port it is: 0.8 words some answers differently on its two kinds of ports.
#[derive(Clone)]
pub(super) enum Door {
    /// The port of these receivers: only keys of their pipes are good for anything here.
    Receivers(Arc<ArcSwap<BTreeSet<String>>>),
    /// The port of the views: keys of all pipes.
    Management,
}

impl Inlet {
    /// A port for agents of these receivers.
    #[must_use]
    pub fn receivers(
        hub: Arc<Hub>,
        receivers: BTreeSet<String>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self::shared(hub, Arc::new(ArcSwap::from_pointee(receivers)), stopping)
    }

    /// The same for receivers that may change.
    pub(crate) fn shared(
        hub: Arc<Hub>,
        receivers: Arc<ArcSwap<BTreeSet<String>>>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self { hub, door: Door::Receivers(receivers), stopping }
    }

    /// The port of the views, where sessions can be had too.
    #[must_use]
    pub fn management(hub: Arc<Hub>, stopping: watch::Receiver<bool>) -> Self {
        Self { hub, door: Door::Management, stopping }
    }

    /// Whether agents of this receiver speak here.
    pub(super) fn serves(&self, receiver: &str) -> bool {
        match &self.door {
            Door::Receivers(receivers) => receivers.load().contains(receiver),
            Door::Management => true,
        }
    }
}
