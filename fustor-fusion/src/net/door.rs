//! A listener that admits a bounded number of connections and watches over each, and the server behind it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use bytes::Bytes;
use futures_core::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::{Connection, LINGER};
use super::registry::{Activity, Registry};

/// What one door allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorLimits {
    /// Connections at a time.
    pub connections: usize,
    /// How long a connection may be without a request; the head of the next one must be complete by then.
    pub idle: Duration,
    /// How long the other end may take nothing of an answer.
    pub stuck: Duration,
}

impl Default for DoorLimits {
    fn default() -> Self {
        Self { connections: 4096, idle: Duration::from_secs(75), stuck: Duration::from_secs(75) }
    }
}

/// So many newcomers are told at the same time that there is no place; the others find their connection closed.
const REGRETS: usize = 64;

/// What a newcomer hears when every connection is at work.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
    Content-Length: 34\r\nRetry-After: 1\r\nConnection: close\r\n\r\n\
    {\"detail\":\"too many connections\"}\n";

/// A listener with limits.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    limits: DoorLimits,
    registry: Registry,
    /// Leave to tell a newcomer that there is no place.
    regrets: Arc<Semaphore>,
}

impl Door {
    /// Puts limits on a listener.
    #[must_use]
    pub fn new(listener: TcpListener, limits: DoorLimits) -> Self {
        let regrets = Arc::new(Semaphore::new(REGRETS));
        Self { listener, limits, registry: Registry::new(), regrets }
    }
}

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection keeps its delay");
            }
            if let Some(place) = self.registry.admit(self.limits.connections) {
                return (Connection::new(stream, self.limits, place), address);
            }
            if let Ok(leave) = Arc::clone(&self.regrets).try_acquire_owned() {
                drop(tokio::spawn(regret(stream, leave)));
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Tells a newcomer that there is no place. What it has to say is read and thrown away, because bytes that nobody read
/// would make the system throw away the answer instead.
async fn regret(mut stream: TcpStream, leave: OwnedSemaphorePermit) {
    let telling = async {
        stream.write_all(FULL).await?;
        stream.shutdown().await?;
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    // Who hears nothing of it finds the connection closed.
    drop(tokio::time::timeout(LINGER, telling).await);
    drop(leave);
}

/// Who is at the other end of a request's connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address.
    pub address: SocketAddr,
    activity: Arc<Activity>,
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self { address: *stream.remote_addr(), activity: Arc::clone(&stream.io().activity) }
    }
}

/// Serves until `shutdown` is done, then finishes the answers under way.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    door: Door,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let service = router.into_make_service_with_connect_info::<Peer>();
    axum::serve(door, service).with_graceful_shutdown(shutdown).await
}

/// A layer that tells the connection of each request that it is at work, until its answer is complete.
pub async fn busy(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    let Some(ConnectInfo(peer)) = peer else { return next.run(request).await };
    let working = Working::new(Arc::clone(&peer.activity));
    let response = next.run(request).await;
    working.0.answered(response.status().is_client_error());
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| {
        Body::from_stream(Until { body: Box::pin(body.into_data_stream()), _working: working })
    })
}

/// One request under way.
struct Working(Arc<Activity>);

impl Working {
    fn new(activity: Arc<Activity>) -> Self {
        activity.begin();
        Self(activity)
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A streamed body, at work until it is sent or given up.
struct Until {
    body: Pin<Box<axum::body::BodyDataStream>>,
    _working: Working,
}

impl Stream for Until {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.body.as_mut().poll_next(context)
    }
}
