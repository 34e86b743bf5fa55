//! Waiting for peers to connect.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use ipnet::IpNet;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::warn;

use super::{Signing, SocketEvent, Stretch, dial, signing, sockopt};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 128;

/// The addresses we listen on.
pub struct Listeners {
    events: mpsc::Sender<SocketEvent>,
    open: BTreeMap<SocketAddr, Listener>,
    /// What signs the segments of peers, for the sockets to come.
    signings: BTreeMap<Stretch, Signing>,
}

struct Listener {
    /// A second descriptor of the socket, to set keys and to shut down by.
    socket: Socket,
    accepting: AbortHandle,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
        // The task lets go of its descriptor later, and the address may be wanted by another socket at once.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Listeners {
    /// Makes a set that listens nowhere yet.
    #[must_use]
    pub fn new(events: mpsc::Sender<SocketEvent>) -> Self {
        Self { events, open: BTreeMap::new(), signings: BTreeMap::new() }
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

    /// Sets or takes away what signs connections from somewhere to come, and returns what did before.
    ///
    /// The kernel knows keys by address alone: peers with one link-local address on several links need one key.
    ///
    /// # Errors
    /// The first of what the kernel says.
    pub fn sign(&mut self, of: Stretch, wanted: Option<&Signing>) -> (Option<Signing>, io::Result<()>) {
        let told = self.of_prefix(of.prefix).cloned();
        let before = match wanted {
            Some(wanted) => self.signings.insert(of, wanted.clone()),
            None => self.signings.remove(&of),
        };
        let wanted = self.of_prefix(of.prefix);
        let mut result = Ok(());
        for (address, listener) in &self.open {
            if address.is_ipv4() == of.prefix.addr().is_ipv4() {
                let changed = signing::change(&listener.socket, of.prefix, told.as_ref(), wanted);
                result = result.and(changed);
            }
        }
        (before, result)
    }

    /// Returns what the kernel is told to sign with: of one address on several links, the first's.
    fn of_prefix(&self, prefix: IpNet) -> Option<&Signing> {
        self.signings.iter().find(|(of, _)| of.prefix == prefix).map(|(_, signing)| signing)
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
        sockopt::keep_first_packets(&socket)?;
        // Before the first connection can come in: it would be let in unsigned.
        let family = |prefix: &IpNet| prefix.addr().is_ipv4() == address.is_ipv4();
        let prefixes: BTreeSet<IpNet> = self.signings.keys().map(|of| of.prefix).filter(family).collect();
        for of in prefixes {
            match signing::change(&socket, of, None, self.of_prefix(of)) {
                // Connections are looked at once more when they are there, and nobody else need suffer.
                Err(error) if matches!(self.of_prefix(of), Some(Signing::Ao(_))) => {
                    warn!(target: "session", %address, peer = %of, %error, "cannot set the TCP-AO keys; sessions with this peer will not come up");
                }
                result => result?,
            }
        }
        socket.listen(BACKLOG)?;
        let second = socket.try_clone()?;
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
                warn!(target: "node", %address, %error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}
