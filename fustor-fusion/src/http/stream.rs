//! Bodies that are written on a thread of their own while the client reads.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_core::Stream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// How many chunks may wait for the client.
const CHUNKS_AHEAD: usize = 4;
/// A client that takes no chunk for so long is gone.
const STALLED: Duration = Duration::from_secs(60);

/// Where the writer of a body leaves its chunks.
pub(super) struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
}

/// The client went away or stopped reading: nothing more needs to be written.
pub(super) struct Abandoned;

impl Chunks {
    /// Hands over a chunk, waiting until the client has room for it.
    pub(super) fn send(&self, chunk: Vec<u8>) -> Result<(), Abandoned> {
        if chunk.is_empty() {
            return Ok(());
        }
        let chunk = match self.sender.try_send(Ok(Bytes::from(chunk))) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Full(chunk)) => chunk,
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(Abandoned),
        };
        let sending = self.sender.send_timeout(chunk, STALLED);
        match self.runtime.block_on(sending) {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(Abandoned),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                tracing::info!("a client took no data for {STALLED:?}; its answer is cut off");
                Err(Abandoned)
            }
        }
    }
}

/// A body that `write` fills. When it is abandoned or panics, the connection breaks, so that a client never takes a
/// part for the whole.
pub(super) fn body(
    permit: OwnedSemaphorePermit,
    write: impl FnOnce(&Chunks) -> Result<(), Abandoned> + Send + 'static,
) -> Body {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let chunks = Chunks { sender: sender.clone(), runtime: Handle::current() };
    let task = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        write(&chunks)
    });
    drop(tokio::spawn(async move {
        if !matches!(task.await, Ok(Ok(()))) {
            let broken = io::Error::other("the answer was cut off");
            // If nobody listens any more, nobody needs to be told.
            drop(sender.send(Err(broken)).await);
        }
    }));
    Body::from_stream(Receiving(receiver))
}

pub(super) struct Receiving(pub(super) mpsc::Receiver<io::Result<Bytes>>);

impl Stream for Receiving {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
