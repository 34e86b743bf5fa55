//! Waiting for peers to connect.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::Context as _;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::warn;

use super::{SocketEvent, dial, sockopt};
use crate::intent::Secret;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 128;

/// The addresses we listen on.
pub struct Listeners {
    events: mpsc::Sender<SocketEvent>,
    open: BTreeMap<SocketAddr, Listener>,
}

struct Listener {
    /// A second descriptor of the socket, to set keys by.
    socket: OwnedFd,
    accepting: AbortHandle,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Listeners {
    /// Makes a set that listens nowhere yet.
    #[must_use]
    pub fn new(events: mpsc::Sender<SocketEvent>) -> Self {
        Self { events, open: BTreeMap::new() }
    }

    /// Listens on exactly these addresses; those that stay are not touched.
    ///
    /// # Errors
    /// The first address that cannot be listened on, and why; the others are listened on all the same.
    pub fn listen(&mut self, addresses: &BTreeSet<SocketAddr>) -> anyhow::Result<()> {
        self.open.retain(|address, _| addresses.contains(address));
        let mut result = Ok(());
        for &address in addresses {
            if self.open.contains_key(&address) {
                continue;
            }
            match self.start(address).with_context(|| format!("cannot listen on {address}")) {
                Ok(listener) => drop(self.open.insert(address, listener)),
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }

    /// Sets or takes away the key of connections from an address to come.
    ///
    /// # Errors
    /// The first of what the kernel says.
    pub fn set_password(&self, peer: IpAddr, password: Option<&Secret>) -> io::Result<()> {
        let mut result = Ok(());
        for (address, listener) in &self.open {
            if address.is_ipv4() == peer.is_ipv4() {
                let set = sockopt::set_md5_key(&listener.socket, peer, password.map(Secret::reveal));
                result = result.and(set);
            }
        }
        result
    }

    fn start(&self, address: SocketAddr) -> io::Result<Listener> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking().cloexec(),
            Some(Protocol::TCP),
        )?;
        if address.is_ipv6() {
            // A family each: a dual-stack socket takes no MD5 key for an IPv4 peer.
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        dial::mark_as_routing(&socket, address)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let second = OwnedFd::from(socket.try_clone()?);
        let listener = TcpListener::from_std(socket.into())?;
        let accepting = tokio::spawn(accept(listener, address, self.events.clone())).abort_handle();
        Ok(Listener { socket: second, accepting })
    }
}

async fn accept(listener: TcpListener, address: SocketAddr, events: mpsc::Sender<SocketEvent>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if events.send(SocketEvent::Accepted(stream)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // Out of descriptors, most likely: wait for some to come back rather than spin.
                warn!(%address, %error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}
