//! The socket that hears of routes others have, and of what they need to be understood.
//!
//! It also carries the requests to read everything, so that answers and notifications come in one order.

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use rtnetlink::packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};

use super::{DATAGRAM, answer, append, link, options};
use crate::error::Error;
use crate::message;

/// Room for some ten thousand notifications.
const BUFFER: i32 = 8 << 20;
const MAIN: u32 = 254;
/// The sequence numbers of the readings, in their order.
const LINKS: u32 = 1;
const IPV4: u32 = 2;
const IPV6: u32 = 3;

/// One thing heard.
#[derive(Debug)]
pub(crate) enum AlienHeard {
    Link {
        index: u32,
        name: String,
        enabled: bool,
    },
    LinkGone(u32),
    /// A route that goes somewhere.
    Route {
        prefix: IpNet,
        metric: u32,
        interface: u32,
        gateway: Option<IpAddr>,
        protocol: u8,
    },
    RouteGone {
        prefix: IpNet,
        metric: u32,
    },
    /// Routes may have gone with an address, of which the kernel tells nothing.
    AddressGone,
    LinksRead,
    AllRead,
    /// Changes overtook the reading, and something may be missing in it.
    Overtaken,
    /// The buffer was full: nobody knows what was told.
    Overrun,
}

/// The socket. Of the routes of one protocol, which is ours, notifications do not get through to it.
pub(crate) struct AlienEars {
    socket: TokioSocket,
    protocol: u8,
    /// Whether the reading that is under way was overtaken by changes.
    overtaken: bool,
}

impl AlienEars {
    /// To be called inside the runtime that will listen.
    pub(crate) fn open(protocol: u8) -> Result<Self, Error> {
        let step = |step| move |source| Error::Open { step, source };
        let groups =
            [libc::RTMGRP_LINK, libc::RTMGRP_IPV4_IFADDR, libc::RTMGRP_IPV4_ROUTE, libc::RTMGRP_IPV6_ROUTE];
        let groups = groups.into_iter().fold(0, |all, group| all | group.cast_unsigned());
        let mut socket = TokioSocket::new(NETLINK_ROUTE).map_err(step("socket for others' routes"))?;
        let inner = socket.socket_mut();
        inner.set_netlink_get_strict_chk(true).map_err(step("strict check for others' routes"))?;
        options::ignore_routes_of(inner, protocol).map_err(step("filter of others' routes"))?;
        options::set_receive_buffer(inner, BUFFER).map_err(step("receive buffer for others' routes"))?;
        inner.bind(&SocketAddr::new(0, groups)).map_err(step("bind for others' routes"))?;
        Ok(Self { socket, protocol, overtaken: false })
    }

    /// Asks for every link; [`AlienHeard::LinksRead`] comes behind the last.
    pub(crate) fn read_links(&mut self) -> Result<(), Error> {
        self.overtaken = false;
        self.ask(RouteNetlinkMessage::GetLink(LinkMessage::default()), LINKS)
    }

    /// Asks for every route of the main table; [`AlienHeard::AllRead`] comes behind the last.
    pub(crate) fn read_routes(&mut self) -> Result<(), Error> {
        self.read_family(AddressFamily::Inet, IPV4)
    }

    /// Waits for the next datagram. Nothing is lost if the wait is given up.
    pub(crate) async fn hear(&mut self, buffer: &mut Vec<u8>) -> Result<Vec<AlienHeard>, Error> {
        buffer.clear();
        buffer.reserve(DATAGRAM);
        match self.socket.recv(buffer).await {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                return Ok(vec![AlienHeard::Overrun]);
            }
            Err(error) => return Err(Error::Socket(error)),
        }
        let mut all = Vec::new();
        for octets in answer::messages(buffer) {
            if self.is_ours(octets) {
                continue;
            }
            let Ok(heard) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(octets) else { continue };
            let NetlinkMessage { header, payload, .. } = heard;
            self.overtaken |= header.flags & NLM_F_DUMP_INTR != 0;
            match payload {
                NetlinkPayload::Error(error) => {
                    return Err(Error::Dump { what: "others' routes", source: error.to_io() });
                }
                NetlinkPayload::Done(done) if done.code != 0 => {
                    let source = io::Error::from_raw_os_error(-done.code);
                    return Err(Error::Dump { what: "others' routes", source });
                }
                NetlinkPayload::Done(_) => all.extend(self.done(header.sequence_number)?),
                NetlinkPayload::InnerMessage(message) => all.extend(told(&message)),
                _ => {}
            }
        }
        Ok(all)
    }

    /// Goes on from one reading to the next.
    fn done(&mut self, sequence: u32) -> Result<Option<AlienHeard>, Error> {
        match sequence {
            LINKS => return Ok(Some(AlienHeard::LinksRead)),
            IPV4 => {
                self.read_family(AddressFamily::Inet6, IPV6)?;
                return Ok(None);
            }
            _ => {}
        }
        // Read again at once: what was overtaken says nothing of what is gone.
        Ok(Some(if self.overtaken { AlienHeard::Overtaken } else { AlienHeard::AllRead }))
    }

    fn read_family(&mut self, family: AddressFamily, sequence: u32) -> Result<(), Error> {
        let request = message::dump_request(family, MAIN, None);
        self.ask(RouteNetlinkMessage::GetRoute(request), sequence)
    }

    fn ask(&mut self, payload: RouteNetlinkMessage, sequence: u32) -> Result<(), Error> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        header.sequence_number = sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(payload));
        message.finalize();
        let mut octets = Vec::new();
        append(&mut octets, &message);
        let kernel = SocketAddr::new(0, 0);
        self.socket.socket_mut().send_to(&octets, &kernel, 0).map(drop).map_err(Error::Socket)
    }

    /// Looks whether a message is about a route of ours without reading all of it: of those there may be a million.
    fn is_ours(&self, octets: &[u8]) -> bool {
        /// Offsets in `struct nlmsghdr`, and behind it in `struct rtmsg`.
        const TYPE: usize = 4;
        const PROTOCOL: usize = 16 + 5;
        let kind = octets.get(TYPE..TYPE + 2).map(|octets| u16::from_ne_bytes([octets[0], octets[1]]));
        matches!(kind, Some(libc::RTM_NEWROUTE | libc::RTM_DELROUTE))
            && octets.get(PROTOCOL) == Some(&self.protocol)
    }
}

fn told(message: &RouteNetlinkMessage) -> Option<AlienHeard> {
    match message {
        RouteNetlinkMessage::NewLink(message) => {
            let link = link(message);
            let own = message.header.interface_family != AddressFamily::Bridge;
            own.then_some(AlienHeard::Link { index: link.index, name: link.name, enabled: link.enabled })
        }
        RouteNetlinkMessage::DelLink(message) => {
            let own = message.header.interface_family != AddressFamily::Bridge;
            own.then_some(AlienHeard::LinkGone(message.header.index))
        }
        RouteNetlinkMessage::DelAddress(_) => Some(AlienHeard::AddressGone),
        RouteNetlinkMessage::NewRoute(route) => {
            let way = message::way_out(route);
            let route = message::kernel_route(route).filter(|route| route.table == MAIN)?;
            let (prefix, metric, protocol) = (route.prefix, route.metric, route.protocol);
            // It may have taken the place of one that goes somewhere.
            let Some((interface, gateway)) = way.filter(|_| !message::is_of_kernel(protocol)) else {
                return Some(AlienHeard::RouteGone { prefix, metric });
            };
            Some(AlienHeard::Route { prefix, metric, interface, gateway, protocol })
        }
        RouteNetlinkMessage::DelRoute(route) => {
            let route = message::kernel_route(route).filter(|route| route.table == MAIN)?;
            Some(AlienHeard::RouteGone { prefix: route.prefix, metric: route.metric })
        }
        _ => None,
    }
}
