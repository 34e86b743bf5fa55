//! One ICMP echo, as ping sends it.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::net::Namespace;

/// Sends one echo request from a namespace and returns the round-trip time of its reply.
///
/// # Errors
/// No reply within the limit.
pub fn ping(from: &Namespace, to: IpAddr, limit: Duration) -> Result<Duration> {
    from.run(|| echo(to, limit)).with_context(|| format!("no reply from {to} to {}", from.name()))
}

/// The kernel fills in the identifier and the checksum of such a socket, and gives us only replies to it.
fn echo(to: IpAddr, limit: Duration) -> Result<Duration> {
    const SEQUENCE: [u8; 2] = [0, 1];
    let (domain, protocol, request, reply) = match to {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8, 0),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128, 129),
    };
    let mut socket = Socket::new(domain, Type::DGRAM, Some(protocol))?;
    socket.set_read_timeout(Some(limit))?;
    socket.connect(&SocketAddr::new(to, 0).into())?;
    let start = Instant::now();
    socket.write_all(&[&[request, 0, 0, 0, 0, 0][..], &SEQUENCE, b"podbgp"].concat())?;
    let mut answer = [0; 64];
    loop {
        let length = match socket.read(&mut answer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        };
        if length >= 8 && answer[0] == reply && answer[6..8] == SEQUENCE {
            return Ok(start.elapsed());
        }
    }
}
