//! Connecting to a peer.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};

use super::Endpoint;

/// Connects, for as long as the kernel tries; the state machine's ConnectRetry timer ends it sooner.
pub(super) async fn dial(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(endpoint.remote),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    mark_as_routing(&socket, endpoint.remote)?;
    endpoint.secure(&socket)?;
    if let Some(local) = endpoint.local {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    let stream = TcpSocket::from_std_stream(socket.into()).connect(endpoint.remote).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Marks what goes out as network control (DSCP CS6), as routers do, so that a full link lets it through.
pub(crate) fn mark_as_routing(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    const CS6: u32 = 0xC0;
    match address {
        SocketAddr::V4(_) => socket.set_tos_v4(CS6),
        SocketAddr::V6(_) => socket.set_tclass_v6(CS6),
    }
}
