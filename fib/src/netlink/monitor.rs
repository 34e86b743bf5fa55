//! What the kernel tells by itself.

use std::io;

use rtnetlink::packet_core::{NLM_F_REPLACE, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::rule::RuleMessage;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};

use super::{DATAGRAM, answer, link, options};
use crate::error::Error;
use crate::handle::Link;
use crate::message;
use crate::table::{KernelEvent, NextHopEvent};

/// Room for some ten thousand notifications.
const BUFFER: i32 = 8 << 20;

/// The bit of `RTNLGRP_NEXTHOP`, which is too young to have an old-style name.
const NEXTHOPS: u32 = 1 << 31;
/// The bits of `RTNLGRP_IPV4_RULE` and `RTNLGRP_IPV6_RULE`.
const RULES: u32 = 1 << 7 | 1 << 18;

/// The socket that hears of routes, nexthop objects, interfaces and addresses.
pub(crate) struct Monitor(TokioSocket);

/// One thing the kernel told.
#[derive(Debug)]
pub(crate) enum Notification {
    Route(KernelEvent),
    NextHop(NextHopEvent),
    /// A rule came, or went.
    Rule(RuleMessage, bool),
    Link(Link),
    LinkGone(Link),
    AddressAdded,
    AddressGone,
    /// The buffer was full: nobody knows what was told.
    Overrun,
}

impl Monitor {
    pub(super) fn open(own_port: u32) -> Result<Self, Error> {
        let step = |step| move |source| Error::Open { step, source };
        let groups = [
            libc::RTMGRP_LINK,
            libc::RTMGRP_IPV4_IFADDR,
            libc::RTMGRP_IPV6_IFADDR,
            libc::RTMGRP_IPV4_ROUTE,
            libc::RTMGRP_IPV6_ROUTE,
        ];
        let groups = groups.into_iter().fold(NEXTHOPS | RULES, |all, group| all | group.cast_unsigned());
        let mut monitor = TokioSocket::new(NETLINK_ROUTE).map_err(step("monitor socket"))?;
        let socket = monitor.socket_mut();
        options::ignore_writes_of(socket, own_port).map_err(step("monitor filter"))?;
        options::set_receive_buffer(socket, BUFFER).map_err(step("monitor receive buffer"))?;
        socket.bind(&SocketAddr::new(0, groups)).map_err(step("monitor bind"))?;
        Ok(Self(monitor))
    }

    /// Waits for the next datagram. Nothing is lost if the wait is given up.
    pub(crate) async fn hear(&self, buffer: &mut Vec<u8>) -> io::Result<Vec<Notification>> {
        buffer.clear();
        buffer.reserve(DATAGRAM);
        match self.0.recv(buffer).await {
            Ok(()) => Ok(answer::messages(buffer).filter_map(notification).collect()),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(vec![Notification::Overrun]),
            Err(error) => Err(error),
        }
    }
}

fn notification(octets: &[u8]) -> Option<Notification> {
    if let Some(event) = message::next_hop::event(octets) {
        return Some(Notification::NextHop(event));
    }
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(octets).ok()?;
    let replaced = message.header.flags & NLM_F_REPLACE != 0;
    let NetlinkPayload::InnerMessage(payload) = message.payload else { return None };
    match payload {
        RouteNetlinkMessage::NewRoute(route) => {
            let route = message::kernel_route(&route)?;
            Some(Notification::Route(KernelEvent::Present { route, replaced }))
        }
        RouteNetlinkMessage::DelRoute(route) => {
            Some(Notification::Route(KernelEvent::Gone(message::kernel_route(&route)?)))
        }
        RouteNetlinkMessage::NewRule(rule) => Some(Notification::Rule(rule, true)),
        RouteNetlinkMessage::DelRule(rule) => Some(Notification::Rule(rule, false)),
        RouteNetlinkMessage::NewLink(message) => Some(Notification::Link(link(&message))),
        RouteNetlinkMessage::DelLink(message) => {
            Some(Notification::LinkGone(Link { up: false, enabled: false, ..link(&message) }))
        }
        RouteNetlinkMessage::NewAddress(_) => Some(Notification::AddressAdded),
        RouteNetlinkMessage::DelAddress(_) => Some(Notification::AddressGone),
        _ => None,
    }
}
