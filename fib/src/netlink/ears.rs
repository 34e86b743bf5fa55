//! The socket that hears of links, addresses and neighbours.
//!
//! It also carries the requests to read them, so that answers and notifications come in one order and none can
//! be older than what is already known.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use rtnetlink::packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage};
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::{DATAGRAM, answer, append, link, options};
use crate::error::Error;
use crate::handle::Link;
use crate::watch::Address;

/// Room for some thousand notifications.
const BUFFER: i32 = 2 << 20;
/// How long a wait lasts at most: whoever listens looks up now and then.
const PATIENCE: Duration = Duration::from_millis(500);
/// The sequence numbers of the two readings.
const LINKS: u32 = 1;
const ADDRESSES: u32 = 2;

/// A socket that hears of links, addresses and neighbours, and of nothing else.
pub(crate) struct Ears(Socket);

/// One thing heard.
#[derive(Debug)]
pub(crate) enum Heard {
    Link(Link),
    LinkGone(u32),
    Address(Address),
    AddressGone(Address),
    NeighbourFailed {
        interface: u32,
        address: IpAddr,
    },
    /// The reading of the links has ended.
    LinksRead,
    /// And so has that of the addresses.
    AllRead,
    /// Changes overtook the reading, and something may be missing in it.
    Overtaken,
    /// The buffer was full: nobody knows what was told.
    Overrun,
}

impl Ears {
    pub(crate) fn open() -> Result<Self, Error> {
        let step = |step| move |source| Error::Open { step, source };
        let groups =
            [libc::RTMGRP_LINK, libc::RTMGRP_IPV4_IFADDR, libc::RTMGRP_IPV6_IFADDR, libc::RTMGRP_NEIGH];
        let groups = groups.into_iter().fold(0, |all, group| all | group.cast_unsigned());
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(step("watching socket"))?;
        options::only_failed_neighbours(&socket).map_err(step("neighbour filter"))?;
        options::set_receive_buffer(&socket, BUFFER).map_err(step("watching receive buffer"))?;
        options::set_receive_timeout(&socket, PATIENCE).map_err(step("watching timeout"))?;
        socket.bind(&SocketAddr::new(0, groups)).map_err(step("watching bind"))?;
        Ok(Self(socket))
    }

    /// Asks for every link; [`Heard::LinksRead`] comes behind the last.
    pub(crate) fn read_links(&self) -> Result<(), Error> {
        self.ask(RouteNetlinkMessage::GetLink(LinkMessage::default()), LINKS)
    }

    /// Asks for every address; [`Heard::AllRead`] comes behind the last.
    pub(crate) fn read_addresses(&self) -> Result<(), Error> {
        self.ask(RouteNetlinkMessage::GetAddress(AddressMessage::default()), ADDRESSES)
    }

    /// Waits a little for the next datagram.
    pub(crate) fn hear(&mut self, buffer: &mut Vec<u8>) -> Result<Vec<Heard>, Error> {
        Ok(self.receive(buffer, 0)?.unwrap_or_default())
    }

    /// Takes the next datagram if there is one.
    pub(crate) fn hear_more(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<Heard>>, Error> {
        self.receive(buffer, libc::MSG_DONTWAIT)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>, flags: i32) -> Result<Option<Vec<Heard>>, Error> {
        buffer.clear();
        buffer.reserve(DATAGRAM);
        match self.0.recv(buffer, flags) {
            Ok(_) => answer::messages(buffer).filter_map(heard).collect::<Result<_, _>>().map(Some),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(Some(vec![Heard::Overrun])),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(Error::Socket(error)),
        }
    }

    fn ask(&self, payload: RouteNetlinkMessage, sequence: u32) -> Result<(), Error> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        header.sequence_number = sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(payload));
        message.finalize();
        let mut octets = Vec::new();
        append(&mut octets, &message);
        self.0.send_to(&octets, &SocketAddr::new(0, 0), 0).map(drop).map_err(Error::Socket)
    }
}

fn heard(octets: &[u8]) -> Option<Result<Heard, Error>> {
    let NetlinkMessage { header, payload, .. } =
        NetlinkMessage::<RouteNetlinkMessage>::deserialize(octets).ok()?;
    let reading = if header.sequence_number == LINKS { "links" } else { "addresses" };
    match payload {
        NetlinkPayload::Error(error) => Some(Err(Error::Dump { what: reading, source: error.to_io() })),
        NetlinkPayload::Done(_) if header.flags & NLM_F_DUMP_INTR != 0 => Some(Ok(Heard::Overtaken)),
        NetlinkPayload::Done(_) if header.sequence_number == LINKS => Some(Ok(Heard::LinksRead)),
        NetlinkPayload::Done(_) => Some(Ok(Heard::AllRead)),
        NetlinkPayload::InnerMessage(message) => told(&message).map(Ok),
        _ => None,
    }
}

fn told(message: &RouteNetlinkMessage) -> Option<Heard> {
    match message {
        RouteNetlinkMessage::NewLink(message) => is_interface(message).then(|| Heard::Link(link(message))),
        RouteNetlinkMessage::DelLink(message) => {
            is_interface(message).then_some(Heard::LinkGone(message.header.index))
        }
        RouteNetlinkMessage::NewAddress(message) => {
            Some(Heard::Address(address(message).filter(|_| !is_tentative(message))?))
        }
        RouteNetlinkMessage::DelAddress(message) => Some(Heard::AddressGone(address(message)?)),
        RouteNetlinkMessage::NewNeighbour(message) => failed(message),
        _ => None,
    }
}

/// A bridge tells of its ports by messages of the same kind; a port that leaves it is still an interface.
fn is_interface(message: &LinkMessage) -> bool {
    message.header.interface_family != AddressFamily::Bridge
}

fn address(message: &AddressMessage) -> Option<Address> {
    let (mut local, mut other) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => other = Some(*address),
            _ => {}
        }
    }
    // IPv6 has no local address unless there is another end.
    let other = other.or(local)?;
    let on_link = IpNet::new(other, message.header.prefix_len).ok()?.trunc();
    Some(Address { interface: message.header.index, address: local.unwrap_or(other), on_link })
}

/// Tells whether an address is still being checked for duplicates, or is one: it serves nobody.
fn is_tentative(message: &AddressMessage) -> bool {
    let unusable = AddressHeaderFlags::Tentative | AddressHeaderFlags::Dadfailed;
    let unusable_too = AddressFlags::Tentative | AddressFlags::Dadfailed;
    let says_so = |attribute: &AddressAttribute| match attribute {
        AddressAttribute::Flags(flags) => flags.intersects(unusable_too),
        _ => false,
    };
    message.header.flags.intersects(unusable) || message.attributes.iter().any(says_so)
}

fn failed(message: &NeighbourMessage) -> Option<Heard> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(IpAddr::V4(*address)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => Some(IpAddr::V6(*address)),
        _ => None,
    });
    Some(Heard::NeighbourFailed { interface: message.header.ifindex, address: address? })
}
