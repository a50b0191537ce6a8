//! Frees old snapshots on a thread of its own: dropping the last reference to a large picture takes a while.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use fustor_core::Snapshot;

/// How many old snapshots may wait.
const MAX_WAITING: usize = 64;

pub(super) struct Reaper {
    sender: SyncSender<Arc<Snapshot>>,
    thread: JoinHandle<()>,
}

impl Reaper {
    pub(super) fn start(view: &str) -> io::Result<Self> {
        let (sender, receiver) = sync_channel::<Arc<Snapshot>>(MAX_WAITING);
        let thread = std::thread::Builder::new()
            .name(format!("reap {view}"))
            .stack_size(256 * 1024)
            .spawn(move || receiver.into_iter().for_each(drop))?;
        Ok(Self { sender, thread })
    }

    /// Frees a snapshot elsewhere; gives it back when too many wait already.
    pub(super) fn free(&self, snapshot: Arc<Snapshot>) -> Option<Arc<Snapshot>> {
        match self.sender.try_send(snapshot) {
            Ok(()) => None,
            Err(TrySendError::Full(snapshot) | TrySendError::Disconnected(snapshot)) => {
                Some(snapshot)
            }
        }
    }

    pub(super) fn stop(self) {
        drop(self.sender);
        // A panic while freeing memory has been reported by the runtime; nothing is left to do about it.
        drop(self.thread.join());
    }
}
