//! TCP: the only place that touches BGP's sockets, and one that knows nothing of BGP.
//!
//! Octets are opaque here. A dialler, a reader and a writer task per connection carry them between the kernel
//! and the owner task; every queue is bounded, so a reader that finds the owner busy stops reading, and a peer
//! that stops reading is noticed by the state machine's send-hold timer rather than by our memory.
//!
//! ```text
//!   listen ──Accepted──►┐                        ┌──► writer task ──► kernel
//!   dial ────Connected─►├── owner task ── links ─┤
//!   reader ──Received──►┘                        └──► abort, close
//! ```

mod dial;
mod listen;
mod place;
mod pump;
mod signing;
mod sockopt;
mod tcp_ao;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use bgp::fsm::ConnId;
use bytes::Bytes;
use rib::PeerId;
use socket2::Socket;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

pub(crate) use dial::mark_as_routing;
pub use listen::Listeners;
pub use place::{Place, Stretch};
use pump::Connection;
pub use signing::Signing;
pub use sockopt::Measured;
pub(crate) use sockopt::hear_only;

/// How many connections may say their last words at a time; further ones are cut off. Nobody should be able to
/// make us keep descriptors by connecting over and over.
const FAREWELLS: usize = 256;

/// Names one TCP connection of one peer.
pub type Key = (PeerId, ConnId);

/// How connections with a peer are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The peer's address and port, with the interface of a link-local address.
    pub remote: SocketAddr,
    /// The address to dial from; the kernel's choice without.
    pub local: Option<IpAddr>,
    /// The hop limit of what we send.
    pub send_ttl: u8,
    /// The least hop limit we accept (RFC 5082); 0 accepts all.
    pub minimum_ttl: u8,
    /// What signs segments.
    pub signing: Option<Signing>,
}

impl Endpoint {
    /// Sets the options a socket needs before it dials.
    fn secure(&self, socket: &Socket) -> io::Result<()> {
        signing::change(socket, self.remote.ip().into(), None, self.signing.as_ref())?;
        self.limit_hops(socket)
    }

    /// Refuses an incoming connection that began too far away: what has come before the limit was set was not
    /// checked, and a peer on the link began with a packet from the link (RFC 5082 §3).
    fn check_first_packet(&self, socket: &impl AsFd) -> io::Result<()> {
        let arrived = sockopt::first_hop_limit(socket).filter(|&arrived| arrived < self.minimum_ttl);
        arrived.map_or(Ok(()), |arrived| {
            let why = format!("a packet with TTL {arrived} came from too far away (GTSM)");
            Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
        })
    }

    fn limit_hops(&self, socket: &impl AsFd) -> io::Result<()> {
        sockopt::set_hop_limit(socket, self.remote.ip(), self.send_ttl, self.minimum_ttl)
    }
}

/// What happens on sockets.
#[derive(Debug)]
pub enum SocketEvent {
    /// Somebody connected to us.
    Accepted(TcpStream),
    /// A connection we asked for is there.
    Connected(Key, TcpStream),
    /// A connection we asked for cannot be had.
    ConnectFailed(Key, io::Error),
    /// Octets came.
    Received(Key, Bytes),
    /// The kernel took this many octets.
    Written(Key, usize),
    /// The connection is over.
    Closed(Key, String),
}

/// All connections there are.
pub struct Transport {
    events: mpsc::Sender<SocketEvent>,
    links: HashMap<Key, Link>,
    closing: JoinSet<()>,
}

enum Link {
    Dialling(AbortHandle),
    Open(Connection),
}

impl Transport {
    /// Makes a transport that reports to the owner task.
    #[must_use]
    pub fn new(events: mpsc::Sender<SocketEvent>) -> Self {
        Self { events, links: HashMap::new(), closing: JoinSet::new() }
    }

    /// Begins to dial; [`SocketEvent::Connected`] or [`SocketEvent::ConnectFailed`] will follow.
    pub fn connect(&mut self, key: Key, endpoint: Endpoint) {
        let events = self.events.clone();
        let task = tokio::spawn(async move {
            let event = match dial::dial(&endpoint).await {
                Ok(stream) => SocketEvent::Connected(key, stream),
                Err(error) => SocketEvent::ConnectFailed(key, error),
            };
            // The owner is gone only when the daemon stops.
            let _ = events.send(event).await;
        });
        self.links.insert(key, Link::Dialling(task.abort_handle()));
    }

    /// Tells whether the owner still wants a connection it once asked for.
    #[must_use]
    pub fn wants(&self, key: Key) -> bool {
        self.links.contains_key(&key)
    }

    /// Takes over a connection that is there. One we dialled has its endpoint's options already; one that
    /// was accepted gets them now.
    ///
    /// # Errors
    /// What the kernel says when it refuses the endpoint's options.
    pub fn open(&mut self, key: Key, stream: TcpStream, endpoint: Option<&Endpoint>) -> io::Result<()> {
        if let Some(endpoint) = endpoint {
            signing::expect(&stream, endpoint.signing.as_ref())?;
            endpoint.limit_hops(&stream)?;
            endpoint.check_first_packet(&stream)?;
        }
        let connection = Connection::start(key, stream, self.events.clone())?;
        self.links.insert(key, Link::Open(connection));
        Ok(())
    }

    /// Hands octets to a connection's writer.
    ///
    /// # Errors
    /// [`Overrun`] when the writer is further behind than its queue is long.
    pub fn transmit(&self, key: Key, octets: Bytes) -> Result<(), Overrun> {
        match self.links.get(&key) {
            Some(Link::Open(connection)) => connection.transmit(octets),
            // Closed between the decision and here; the state machine hears of it by Closed.
            Some(Link::Dialling(_)) | None => Ok(()),
        }
    }

    /// Tells what TCP has measured of a connection, if it is there.
    #[must_use]
    pub fn measured(&self, key: Key) -> Option<Measured> {
        match self.links.get(&key)? {
            Link::Open(connection) => connection.measured().ok(),
            Link::Dialling(_) => None,
        }
    }

    /// Closes a connection once what was transmitted is out, or gives up a dial. One that is gone already stays
    /// gone.
    pub fn close(&mut self, key: Key) {
        match self.links.remove(&key) {
            Some(Link::Dialling(task)) => task.abort(),
            Some(Link::Open(connection)) => {
                while self.closing.try_join_next().is_some() {}
                if self.closing.len() < FAREWELLS {
                    self.closing.spawn(connection.close());
                } else {
                    connection.abort();
                }
            }
            None => {}
        }
    }

    /// Waits until every connection that was closed has said its last words.
    pub async fn drain(&mut self) {
        while self.closing.join_next().await.is_some() {}
    }

    /// Changes what signs the open connections with a peer, without closing them.
    ///
    /// # Errors
    /// The first of what the kernel says.
    pub fn rekey(&self, peer: Place, before: Option<&Signing>, wanted: Option<&Signing>) -> io::Result<()> {
        let mut result = Ok(());
        for link in self.links.values() {
            if let Link::Open(connection) = link
                && connection.peer() == peer
            {
                result = result.and(connection.rekey(before, wanted));
            }
        }
        result
    }
}

/// Says that a connection's queue is full.
#[derive(Debug, PartialEq, Eq)]
pub struct Overrun;

#[cfg(test)]
mod tests;
