//! The one door to the kernel.
//!
//! Two sockets: one for what we ask, where the caller waits for the answer, and one for what the kernel tells
//! by itself. The one surprise: the kernel carries out a request inside the send call, so that all answers
//! to a batch already lie in the buffer when sending returns; an answer that is not there was lost.

mod alien_ears;
mod answer;
mod ears;
mod monitor;
mod options;
mod transit;

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::packet_route::route::RouteMessage;
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::error::{Error, WriteError};
use crate::handle::Link;
use crate::message;
use crate::plan::Op;
use crate::resolve::{Resolution, Unreachable};
use crate::route::FibSettings;
use crate::table::{KernelNextHop, KernelRoute, NextHopEvent, Outcome};

pub(crate) use self::alien_ears::{AlienEars, AlienHeard};
pub(crate) use self::ears::{Ears, Heard};
pub(crate) use self::monitor::{Monitor, Notification};

/// The most writes in one batch: all their refusals fit even the default receive buffer.
pub(crate) const BATCH: usize = 200;
/// The most octets in one batch, give or take a message: well below the usual send buffer of 208 KiB.
const BATCH_OCTETS: usize = 64 * 1024;
/// The kernel fills at most 32 KiB at once.
const DATAGRAM: usize = 64 * 1024;
const REQUEST_BUFFER: i32 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a dump that the kernel says was overtaken by changes is taken again.
const DUMP_TRIES: usize = 3;

/// The socket for what we ask.
#[derive(Debug)]
pub(crate) struct Netlink {
    settings: FibSettings,
    /// Prefixes whose routes of ours may resolve next hops.
    trusted: BTreeSet<IpNet>,
    requests: Socket,
    port: u32,
    sequence: u32,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
}

impl Netlink {
    pub(crate) fn open(settings: &FibSettings) -> Result<Self, Error> {
        let step = |step| move |source| Error::Open { step, source };
        let mut requests = Socket::new(NETLINK_ROUTE).map_err(step("socket"))?;
        let port = requests.bind_auto().map_err(step("bind"))?.port_number();
        requests.set_netlink_get_strict_chk(true).map_err(step("strict check"))?;
        requests.set_ext_ack(true).map_err(step("extended ack"))?;
        requests.set_cap_ack(true).map_err(step("capped ack"))?;
        options::set_receive_buffer(&requests, REQUEST_BUFFER).map_err(step("receive buffer"))?;
        options::set_receive_timeout(&requests, PATIENCE).map_err(step("receive timeout"))?;
        let (settings, outgoing) = (settings.clone(), Vec::new());
        let incoming = Vec::with_capacity(DATAGRAM);
        let trusted = BTreeSet::new();
        let mut netlink = Self { settings, trusted, requests, port, sequence: 0, outgoing, incoming };
        if netlink.settings.install {
            netlink.check_privilege()?;
        }
        Ok(netlink)
    }

    /// Opens the other socket; it tells of everybody's changes but those made through this one.
    ///
    /// To be called inside the runtime that will listen.
    pub(crate) fn monitor(&self) -> Result<Monitor, Error> {
        Monitor::open(self.port)
    }

    /// Carries out `ops` and returns an outcome for each.
    pub(crate) fn write(&mut self, mut ops: &[Op]) -> Result<Vec<Outcome>, Error> {
        let mut outcomes = Vec::with_capacity(ops.len());
        while !ops.is_empty() {
            let (batch, rest) = ops.split_at(self.encode_batch(ops));
            self.write_batch(batch.len(), &mut outcomes)?;
            ops = rest;
        }
        Ok(outcomes)
    }

    /// Fills the outgoing buffer with as many of `ops` as one batch may hold, and returns how many.
    fn encode_batch(&mut self, ops: &[Op]) -> usize {
        self.outgoing.clear();
        let mut last = 0;
        let mut count = 0;
        for op in ops.iter().take(BATCH) {
            last = self.outgoing.len();
            self.sequence = self.sequence.wrapping_add(1);
            match op {
                Op::Route(op) => {
                    append(&mut self.outgoing, &message::request(op, &self.settings, self.sequence));
                }
                Op::NextHop(op) => {
                    let (buffer, protocol) = (&mut self.outgoing, self.settings.protocol);
                    message::next_hop::append_request(buffer, op, protocol, self.sequence);
                }
            }
            count += 1;
            if self.outgoing.len() >= BATCH_OCTETS {
                break;
            }
        }
        answer::ask_for_answer(&mut self.outgoing[last..]);
        count
    }

    /// Sends the outgoing buffer, which holds `count` writes, and appends their outcomes.
    fn write_batch(&mut self, count: usize, outcomes: &mut Vec<Outcome>) -> Result<(), Error> {
        self.send()?;
        let first = self.sequence.wrapping_add(1).wrapping_sub(count as u32);
        // Until the last answer is there, silence may mean success or loss.
        let mut refusals: Vec<Option<WriteError>> = vec![None; count];
        let complete = self.collect_answers(first, &mut refusals)?;
        let silence = if complete { Outcome::Confirmed } else { Outcome::Unknown };
        let outcome = |refusal: Option<WriteError>| refusal.map_or_else(|| silence.clone(), Outcome::Refused);
        outcomes.extend(refusals.into_iter().map(outcome));
        Ok(())
    }

    /// Reads every route of our table, or of our protocol in it.
    pub(crate) fn dump_routes(
        &mut self,
        everybody: bool,
        mut each: impl FnMut(KernelRoute),
    ) -> Result<(), Error> {
        let protocol = (!everybody).then_some(self.settings.protocol);
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let request = message::dump_request(family, self.settings.table, protocol);
            self.dump("routes", RouteNetlinkMessage::GetRoute(request), |answer| {
                if let RouteNetlinkMessage::NewRoute(route) = answer
                    && let Some(route) = message::kernel_route(&route)
                {
                    each(route);
                }
            })?;
        }
        Ok(())
    }

    /// Reads every nexthop object; `None` if this kernel has no such thing.
    pub(crate) fn dump_next_hops(&mut self) -> Result<Option<Vec<KernelNextHop>>, Error> {
        let mut all = Vec::new();
        for _ in 0..DUMP_TRIES {
            all.clear();
            self.sequence = self.sequence.wrapping_add(1);
            self.outgoing.clear();
            message::next_hop::append_dump_request(&mut self.outgoing, self.sequence);
            self.send()?;
            let consistent = self.read_dump("nexthop objects", |octets| {
                if let Some(NextHopEvent::Present(found)) = message::next_hop::event(octets) {
                    all.push(found);
                }
            });
            match consistent {
                Ok(true) => break,
                Ok(false) => {}
                Err(Error::Dump { source, .. }) if source.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(all))
    }

    /// Reads every interface.
    pub(crate) fn dump_links(&mut self, mut each: impl FnMut(Link)) -> Result<(), Error> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        self.dump("interfaces", request, |answer| {
            if let RouteNetlinkMessage::NewLink(message) = answer {
                each(link(&message));
            }
        })
    }

    /// Takes routes of ours to these prefixes for as good as anybody's when next hops are resolved.
    pub(crate) fn trust(&mut self, prefixes: BTreeSet<IpNet>) {
        self.trusted = prefixes;
    }

    /// Asks how `address` is reached.
    pub(crate) fn resolve(&mut self, address: IpAddr) -> Result<Resolution, Error> {
        let unreachable = |why| Ok(Resolution::Unreachable { why });
        if matches!(address, IpAddr::V6(address) if address.is_unicast_link_local()) {
            return unreachable(Unreachable::LinkLocal);
        }
        let request = RouteNetlinkMessage::GetRoute(message::lookup_request(address));
        let sequence = self.ask(request, 0)?;
        loop {
            self.receive(0)?;
            for octets in answer::messages(&self.incoming) {
                let Ok(answer) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(octets) else { continue };
                if answer.header.sequence_number != sequence {
                    continue;
                }
                match answer.payload {
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) => {
                        return Ok(message::resolution(&route, &self.settings, &self.trusted));
                    }
                    NetlinkPayload::Error(error) => return unreachable(refused_lookup(-error.raw_code())),
                    _ => {}
                }
            }
        }
    }

    /// Asks for something that cannot succeed; only who may not write is told so.
    fn check_privilege(&mut self) -> Result<(), Error> {
        let nothing = RouteNetlinkMessage::DelRoute(RouteMessage::default());
        let sequence = self.ask(nothing, NLM_F_ACK)?;
        self.receive(0)?;
        let refused = |answer: &answer::Answer| {
            answer.sequence == sequence && matches!(&answer.result, Err(error) if error.errno == libc::EPERM)
        };
        if answer::answers(&self.incoming).iter().any(refused) { Err(Error::Privilege) } else { Ok(()) }
    }

    /// Reads answers until the last one of the batch; `false` if it was lost.
    fn collect_answers(&mut self, first: u32, refusals: &mut [Option<WriteError>]) -> Result<bool, Error> {
        let mut complete = false;
        loop {
            match self.receive(libc::MSG_DONTWAIT) {
                Ok(()) => {}
                Err(Error::Socket(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(complete);
                }
                Err(Error::Socket(error)) if error.raw_os_error() == Some(libc::ENOBUFS) => continue,
                Err(error) => return Err(error),
            }
            for answer in answer::answers(&self.incoming) {
                let position = answer.sequence.wrapping_sub(first) as usize;
                complete |= position + 1 == refusals.len();
                if let (Some(slot), Err(error)) = (refusals.get_mut(position), answer.result) {
                    *slot = Some(error);
                }
            }
            if complete {
                return Ok(true);
            }
        }
    }

    fn dump(
        &mut self,
        what: &'static str,
        request: RouteNetlinkMessage,
        mut each: impl FnMut(RouteNetlinkMessage),
    ) -> Result<(), Error> {
        for _ in 0..DUMP_TRIES {
            self.ask(request.clone(), NLM_F_DUMP)?;
            let consistent = self.read_dump(what, |octets| {
                // A message we cannot read is about something we never write.
                let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(octets);
                if let Ok(NetlinkMessage { payload: NetlinkPayload::InnerMessage(message), .. }) = answer {
                    each(message);
                }
            })?;
            if consistent {
                break;
            }
            // Overtaken by changes: those are also notified, so the last try is good enough.
        }
        Ok(())
    }

    /// Reads the dump just asked for to its end; `false` if changes overtook it.
    fn read_dump(&mut self, what: &'static str, mut each: impl FnMut(&[u8])) -> Result<bool, Error> {
        let mut consistent = true;
        loop {
            self.receive(0)?;
            for octets in answer::messages(&self.incoming) {
                let Some(header) = answer::Header::of(octets) else { continue };
                if header.sequence != self.sequence {
                    continue;
                }
                consistent &= header.flags & NLM_F_DUMP_INTR == 0;
                match header.end {
                    None => each(octets),
                    Some(0) => return Ok(consistent),
                    Some(errno) => {
                        return Err(Error::Dump { what, source: io::Error::from_raw_os_error(errno) });
                    }
                }
            }
        }
    }

    fn ask(&mut self, payload: RouteNetlinkMessage, flags: u16) -> Result<u32, Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(payload));
        message.finalize();
        self.outgoing.clear();
        append(&mut self.outgoing, &message);
        self.send()?;
        Ok(self.sequence)
    }

    fn send(&mut self) -> Result<(), Error> {
        let kernel = SocketAddr::new(0, 0);
        uninterrupted(|| self.requests.send_to(&self.outgoing, &kernel, 0))
    }

    fn receive(&mut self, flags: i32) -> Result<(), Error> {
        self.incoming.clear();
        uninterrupted(|| self.requests.recv(&mut self.incoming, flags))
    }
}

/// Calls again what a signal interrupted.
fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> Result<(), Error> {
    loop {
        match call() {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Socket(error)),
        }
    }
}

fn link(message: &LinkMessage) -> Link {
    let name = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    });
    Link {
        index: message.header.index,
        name: name.unwrap_or_default(),
        enabled: message.header.flags.contains(LinkFlags::Up),
        up: message.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
    }
}

fn refused_lookup(errno: i32) -> Unreachable {
    match errno {
        libc::ENETUNREACH => Unreachable::NoRoute,
        libc::EINVAL | libc::EHOSTUNREACH | libc::EACCES => Unreachable::Rejected,
        errno => Unreachable::Lookup { errno },
    }
}

fn append(buffer: &mut Vec<u8>, message: &NetlinkMessage<RouteNetlinkMessage>) {
    let start = buffer.len();
    buffer.resize(start + message.buffer_len().next_multiple_of(4), 0);
    message.serialize(&mut buffer[start..]);
}
