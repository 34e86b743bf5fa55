//! UDP as BFD wants it: a hop limit of 255 out, the hop limit of what comes in.
//!
//! The kernel checks the hop limit (`IP_MINTTL`) for TCP only; for UDP it tells us, and we check.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use bgp::bfd::{Arrival, Hops, SOURCE_PORTS};
use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use crate::transport::mark_as_routing;

/// More than any control packet has.
pub(super) const PAYLOAD: usize = 256;
/// How many source ports are tried before we give up; nearly all of them are free.
const ATTEMPTS: u32 = 64;
/// The hop limit of all we send (RFC 5881 §5).
const HOP_LIMIT: u8 = 255;

/// Where packets of one family and one distance come in.
pub(super) struct Receiver {
    socket: UdpSocket,
    port: u16,
}

impl Receiver {
    /// Listens on a port, on every address of one family.
    pub(super) fn open(is_ipv4: bool, port: u16) -> io::Result<Self> {
        let socket = socket(SocketAddr::new(unspecified(is_ipv4), port))?;
        match is_ipv4 {
            true => setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?,
            false => setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?,
        }
        Ok(Self { socket: socket.into(), port })
    }

    /// Takes a packet, if one has come: its length in `payload`, and where it came from.
    pub(super) fn receive(&self, payload: &mut [u8]) -> io::Result<Option<(usize, Arrival)>> {
        let mut control = cmsg_space!(i32);
        let mut parts = [IoSliceMut::new(payload)];
        let fd = self.socket.as_raw_fd();
        let received = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT);
        let message = match received {
            Ok(message) => message,
            Err(nix::Error::EAGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Without its hop limit a packet might come from anywhere.
        let hop_limit = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4Ttl(limit) | ControlMessageOwned::Ipv6HopLimit(limit) => {
                u8::try_from(limit).ok()
            }
            _ => None,
        });
        let from = message.address.as_ref().and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
        });
        let from = from.ok_or(io::ErrorKind::InvalidData)?;
        let arrival = Arrival { from, port: self.port, hop_limit: hop_limit.unwrap_or_default() };
        Ok(Some((message.bytes, arrival)))
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Where the packets of one session go out, always from the same port (RFC 5881 §4).
pub(super) struct Sender {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Sender {
    /// Takes a free port. `draw` gives numbers without order.
    pub(super) fn open(
        remote: IpAddr,
        local: Option<IpAddr>,
        hops: Hops,
        mut draw: impl FnMut() -> u64,
    ) -> io::Result<Self> {
        let from = local.unwrap_or(unspecified(remote.is_ipv4()));
        let ports = u64::from(SOURCE_PORTS.end() - SOURCE_PORTS.start()) + 1;
        let mut attempt = || {
            let offset = u16::try_from(draw() % ports).unwrap_or_default();
            let socket = socket(SocketAddr::new(from, SOURCE_PORTS.start() + offset))?;
            match remote {
                IpAddr::V4(_) => socket.set_ttl_v4(HOP_LIMIT.into())?,
                IpAddr::V6(_) => socket.set_unicast_hops_v6(HOP_LIMIT.into())?,
            }
            mark_as_routing(&socket, SocketAddr::new(remote, 0))?;
            Ok(Self { socket: socket.into(), to: SocketAddr::new(remote, hops.port()) })
        };
        let mut result = attempt();
        for _ in 1..ATTEMPTS {
            match &result {
                Err(error) if io::Error::kind(error) == io::ErrorKind::AddrInUse => result = attempt(),
                _ => break,
            }
        }
        result
    }

    pub(super) fn send(&self, payload: &[u8]) -> io::Result<()> {
        self.socket.send_to(payload, self.to).map(drop)
    }
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let kind = Type::DGRAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

fn unspecified(is_ipv4: bool) -> IpAddr {
    if is_ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}
