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
use tokio::net::TcpListener;

use super::connection::Connection;
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

/// A listener with limits.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    limits: DoorLimits,
    registry: Registry,
}

impl Door {
    /// Puts limits on a listener.
    #[must_use]
    pub fn new(listener: TcpListener, limits: DoorLimits) -> Self {
        Self { listener, limits, registry: Registry::new() }
    }
}

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
        let seat = self.registry.admit(self.limits.connections);
        (Connection::new(stream, self.limits, seat), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
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
