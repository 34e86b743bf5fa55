//! ICMPv6 with hop limits: 255 out, the hop limit and the interface of what comes in.

use std::io::{self, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd as _;

use nix::cmsg_space;
use nix::libc::in6_pktinfo;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Type};
use tokio::io::unix::AsyncFd;

use super::message::{ADVERTISEMENT, HOP_LIMIT, Message, SOLICITATION};
use crate::transport::hear_only;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 0, 0, 2);
/// More than a link's usual MTU; what is longer is no advertisement of a switch.
const PAYLOAD: usize = 2048;

/// Where solicitations and advertisements go out and come in, on all links.
pub(super) struct Socket(AsyncFd<socket2::Socket>);

/// What a neighbour said.
pub(super) struct Packet {
    pub(super) message: Message,
    pub(super) from: Ipv6Addr,
    pub(super) interface: u32,
}

impl Socket {
    /// Opens it. Takes CAP_NET_RAW.
    #[allow(unsafe_code)]
    pub(super) fn open() -> io::Result<Self> {
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = socket2::Socket::new(Domain::IPV6, kind, Some(Protocol::ICMPV6))?;
        hear_only(&socket, &[SOLICITATION, ADVERTISEMENT])?;
        setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        socket.set_multicast_hops_v6(HOP_LIMIT.into())?;
        // Our own advertisements are no news.
        socket.set_multicast_loop_v6(false)?;
        // SAFETY: the socket owns its descriptor, and nobody closes or replaces it while the AsyncFd owns the socket.
        Ok(Self(unsafe { AsyncFd::register(socket) }?))
    }

    /// Hears what is said to routers on a link.
    pub(super) fn join(&self, link: u32) -> io::Result<()> {
        self.0.get_ref().join_multicast_v6(&ALL_ROUTERS, link)
    }

    /// Hears it no longer.
    pub(super) fn leave(&self, link: u32) {
        // The kernel forgets it with the interface.
        let _ = self.0.get_ref().leave_multicast_v6(&ALL_ROUTERS, link);
    }

    /// Says something to everybody on a link.
    pub(super) fn send(&self, link: u32, message: Message) -> io::Result<()> {
        let group = match message {
            Message::Solicitation => ALL_ROUTERS,
            Message::Advertisement => ALL_NODES,
        };
        let to = SocketAddrV6::new(group, 0, 0, link);
        self.0.get_ref().send_to(&message.write(), &to.into()).map(drop)
    }

    /// Waits for a packet; `None` of one that is no neighbour's.
    pub(super) async fn receive(&self) -> io::Result<Option<Packet>> {
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(|socket| receive(socket.get_ref())) {
                Ok(result) => return result,
                Err(_would_block) => {}
            }
        }
    }
}

fn receive(socket: &socket2::Socket) -> io::Result<Option<Packet>> {
    let mut payload = [0; PAYLOAD];
    let mut control = cmsg_space!(i32, in6_pktinfo);
    let (length, from, hop_limit, interface) = {
        let mut parts = [IoSliceMut::new(&mut payload)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        let (mut hop_limit, mut interface) = (None, None);
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::Ipv6HopLimit(limit) => hop_limit = u8::try_from(limit).ok(),
                ControlMessageOwned::Ipv6PacketInfo(info) => interface = Some(info.ipi6_ifindex),
                _ => {}
            }
        }
        (message.bytes, message.address.map(|address| address.ip()), hop_limit, interface)
    };
    let (Some(from), Some(hop_limit), Some(interface)) = (from, hop_limit, interface) else {
        return Ok(None);
    };
    let message = Message::read(payload.get(..length).unwrap_or_default(), from, hop_limit);
    Ok(message.map(|message| Packet { message, from, interface }))
}
