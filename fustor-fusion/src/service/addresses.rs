//! Where a process listens: the port of the views, and those of the receivers.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use super::run::ServiceError;
use crate::config::Config;

/// Connections that may wait to be accepted; the system may allow less. When a burst is larger, the others try again
/// after a second.
const BACKLOG: u32 = 4096;

/// What was bound.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Of the views.
    pub views: SocketAddr,
    /// Of the receivers, with the ids that share a port.
    pub receivers: Vec<(BTreeSet<String>, SocketAddr)>,
}

/// The listeners of a process.
pub(super) struct Listeners {
    pub(super) views: TcpListener,
    /// Receivers on the port of the views have no listener of their own.
    pub(super) receivers: Vec<(BTreeSet<String>, TcpListener)>,
}

impl Listeners {
    pub(super) async fn bind(config: &Config) -> Result<Self, ServiceError> {
        let views = bind(&config.host, config.port).await?;
        let mut ports: BTreeMap<(u16, usize), (String, BTreeSet<String>)> = BTreeMap::new();
        for (n, (id, receiver)) in config.receivers.iter().enumerate() {
            let port = receiver.port;
            if port == config.port && port != 0 {
                tracing::info!(receiver = id, "shares the port of the views");
                continue;
            }
            // Port 0 is another one each time.
            let key = (port, if port == 0 { n } else { 0 });
            let entry = ports.entry(key);
            let (_, ids) = entry.or_insert_with(|| (receiver.bind_host.clone(), BTreeSet::new()));
            ids.insert(id.clone());
        }
        let mut receivers = Vec::new();
        for ((port, _), (host, ids)) in ports {
            receivers.push((ids, bind(&host, port).await?));
        }
        Ok(Self { views, receivers })
    }

    pub(super) fn addresses(&self) -> io::Result<Addresses> {
        let receivers = self
            .receivers
            .iter()
            .map(|(ids, listener)| listener.local_addr().map(|address| (ids.clone(), address)));
        Ok(Addresses {
            views: self.views.local_addr()?,
            receivers: receivers.collect::<io::Result<_>>()?,
        })
    }
}

async fn bind(host: &str, port: u16) -> Result<TcpListener, ServiceError> {
    let bound = listen(host, port).await;
    bound.map_err(|error| ServiceError::Listen { host: host.to_owned(), port, error })
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
