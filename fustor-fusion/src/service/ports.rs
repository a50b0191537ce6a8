//! The ports of a process: the one of the views, and those of the receivers, which open and close while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::run::ServiceError;
use crate::config::Config;
use crate::http::{App, counted, router};
use crate::net::{Door, DoorLimits};
use crate::pipe::Hub;
use crate::receiver::{self, Inlet};

/// Connections that may wait to be accepted; the system may allow less. When a burst is larger, the others try again
/// after a second.
const BACKLOG: u32 = 4096;
/// A port that was given up a moment ago is asked for again so often, so far apart.
const ATTEMPTS: usize = 20;
const APART: Duration = Duration::from_millis(50);

/// What was bound.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Of the views.
    pub views: SocketAddr,
    /// Of the receivers, with the ids that share a port.
    pub receivers: Vec<(BTreeSet<String>, SocketAddr)>,
}

/// Where receivers listen: host and port, and for port 0, which is another one each time, the receiver.
type Place = (String, u16, String);

/// The receivers of each place.
fn places(config: &Config) -> BTreeMap<Place, BTreeSet<String>> {
    let mut places: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
    for (id, receiver) in &config.receivers {
        let port = receiver.port;
        if port == config.port && port != 0 {
            tracing::info!(receiver = id, "shares the port of the views");
            continue;
        }
        // Who shares a port has the address of the first.
        let same = places.keys().find(|(_, other, _)| *other == port && port != 0).cloned();
        let own = if port == 0 { id.clone() } else { String::new() };
        let place = same.unwrap_or_else(|| (receiver.bind_host.clone(), port, own));
        places.entry(place).or_default().insert(id.clone());
    }
    places
}

/// The listeners that a process starts with.
pub(super) struct Listeners {
    views: TcpListener,
    receivers: Vec<(Place, BTreeSet<String>, TcpListener)>,
}

impl Listeners {
    pub(super) async fn bind(config: &Config) -> Result<Self, ServiceError> {
        let views = bind(&config.host, config.port, 1).await?;
        let mut receivers = Vec::new();
        for (place, ids) in places(config) {
            let listener = bind(&place.0, place.1, 1).await?;
            receivers.push((place, ids, listener));
        }
        Ok(Self { views, receivers })
    }
}

/// An open port of receivers.
struct Port {
    ids: Arc<ArcSwap<BTreeSet<String>>>,
    address: SocketAddr,
    close: watch::Sender<bool>,
}

/// The open ports.
pub(super) struct Ports {
    views: SocketAddr,
    receivers: Mutex<BTreeMap<Place, Port>>,
    servers: Mutex<Vec<JoinHandle<()>>>,
    failed: mpsc::Sender<io::Error>,
    limits: DoorLimits,
    hub: Arc<Hub>,
    app: App,
    stopping: watch::Receiver<bool>,
    runtime: Handle,
}

impl Ports {
    /// Serves what was bound. Whoever holds the other end of `failed` hears of a server that failed. Needs a runtime.
    pub(super) fn serve(
        listeners: Listeners,
        limits: DoorLimits,
        (hub, app): (&Arc<Hub>, &App),
        stopping: watch::Receiver<bool>,
        failed: mpsc::Sender<io::Error>,
    ) -> io::Result<Self> {
        let ports = Self {
            views: listeners.views.local_addr()?,
            receivers: Mutex::default(),
            servers: Mutex::default(),
            failed,
            limits,
            hub: Arc::clone(hub),
            app: app.clone(),
            stopping,
            runtime: Handle::current(),
        };
        // Nothing is ever sent here: the port of the views is open as long as the process works.
        let (open, close) = watch::channel(false);
        ports.spawn(listeners.views, router(app.clone()), close, Some(open));
        for (place, ids, listener) in listeners.receivers {
            ports.open(place, ids, listener)?;
        }
        Ok(ports)
    }

    fn open(&self, place: Place, ids: BTreeSet<String>, listener: TcpListener) -> io::Result<()> {
        let address = listener.local_addr()?;
        let ids = Arc::new(ArcSwap::from_pointee(ids));
        let inlet = Inlet::shared(Arc::clone(&self.hub), Arc::clone(&ids), self.stopping.clone());
        let (close, closing) = watch::channel(false);
        self.spawn(listener, counted(self.app.clone(), receiver::router(inlet)), closing, None);
        lock(&self.receivers).insert(place, Port { ids, address, close });
        Ok(())
    }

    fn spawn(
        &self,
        listener: TcpListener,
        router: Router,
        mut closing: watch::Receiver<bool>,
        open: Option<watch::Sender<bool>>,
    ) {
        let (door, failed) = (Door::new(listener, self.limits), self.failed.clone());
        let mut stopping = self.stopping.clone();
        let shutdown = async move {
            let _open = open;
            // An error means that the sender is gone, which is the end as well.
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => (),
                _ = closing.wait_for(|close| *close) => (),
            }
        };
        let server = self.runtime.spawn(async move {
            if let Err(error) = crate::net::serve(door, router, shutdown).await {
                // One is enough to end the process.
                drop(failed.try_send(error));
            }
        });
        let mut servers = lock(&self.servers);
        servers.retain(|server| !server.is_finished());
        servers.push(server);
    }

    /// Opens and closes ports so that they are those of `config`; the receivers that could not be opened, and why. Not to
    /// be called on a thread of the runtime.
    pub(super) fn reopen(&self, config: &Config) -> Vec<(String, String)> {
        let wanted = places(config);
        let mut open = lock(&self.receivers);
        open.retain(|place, port| {
            let stays = wanted.contains_key(place);
            if !stays {
                port.close.send_replace(true);
            }
            stays
        });
        let mut missing = Vec::new();
        for (place, ids) in wanted {
            match open.get(&place) {
                Some(port) => port.ids.store(Arc::new(ids)),
                None => missing.push((place, ids)),
            }
        }
        drop(open);
        let mut refused = Vec::new();
        for (place, ids) in missing {
            let what =
                ids.iter().map(|id| format!("receiver {id:?}")).collect::<Vec<_>>().join(", ");
            let bound = self.runtime.block_on(bind(&place.0, place.1, ATTEMPTS));
            let _entered = self.runtime.enter();
            let opened = bound.map_err(|error| error.to_string()).and_then(|listener| {
                self.open(place, ids, listener).map_err(|error| error.to_string())
            });
            refused.extend(opened.err().map(|error| (what, error)));
        }
        refused
    }

    pub(super) fn addresses(&self) -> Addresses {
        let receivers = lock(&self.receivers);
        let receivers =
            receivers.values().map(|port| (BTreeSet::clone(&port.ids.load()), port.address));
        Addresses { views: self.views, receivers: receivers.collect() }
    }

    /// Waits for the answers under way.
    pub(super) async fn finish(&self) {
        let servers = std::mem::take(&mut *lock(&self.servers));
        for server in servers {
            // A server that panicked has been reported by the runtime.
            drop(server.await);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn bind(host: &str, port: u16, attempts: usize) -> Result<TcpListener, ServiceError> {
    let mut left = attempts;
    loop {
        left -= 1;
        match listen(host, port).await {
            Ok(listener) => return Ok(listener),
            Err(error) if left > 0 && error.kind() == io::ErrorKind::AddrInUse => {
                tokio::time::sleep(APART).await;
            }
            Err(error) => return Err(ServiceError::Listen { host: host.to_owned(), port, error }),
        }
    }
}

async fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}
