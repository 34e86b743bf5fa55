//! Netlink by hand: a writer as fast as the kernel lets one be, and an ear that counts what others write.
//!
//! Messages are encoded ahead of time and sent in batches of which only the last is acknowledged. A refusal is
//! answered all the same, so that no failure goes unseen.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ipnet::IpNet;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::kernel::PROTOCOL;

/// `RTM_NEWNEXTHOP`.
pub(crate) const NEW_NEXT_HOP: u16 = 104;
/// `RTM_DELNEXTHOP`.
pub(crate) const DEL_NEXT_HOP: u16 = 105;
/// The octets of `struct nlmsghdr`.
pub(crate) const HEADER: usize = 16;
const RTA_NH_ID: u16 = 30;
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;
/// The metric of every route written here: that of `podbgpd`.
const METRIC: u32 = 20;
/// Routes of one batch: the measured best, within the default buffers.
const BATCH: usize = 1024;
const BUFFER: usize = 8 << 20;
/// Makes something new.
const NEW: libc::c_int = libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// A router and the index of the link that leads there.
pub type Hop = (IpAddr, u32);

/// How the routes say where they lead.
#[derive(Clone, Debug)]
pub enum Via {
    /// Each lists its next hops.
    Inline(Vec<Hop>),
    /// Each names a nexthop group.
    Group(u32),
}

/// Messages ready to be sent.
#[derive(Debug, Default)]
pub struct Messages {
    octets: Vec<u8>,
    /// Where each message begins.
    starts: Vec<usize>,
}

impl Messages {
    /// Encodes one new route for each prefix.
    #[must_use]
    pub fn routes(prefixes: &[IpNet], via: &Via) -> Self {
        let mut messages = Self::default();
        for prefix in prefixes {
            messages.message(libc::RTM_NEWROUTE, NEW, |octets| {
                let scope = libc::RT_SCOPE_UNIVERSE;
                octets.extend([family(prefix.addr()), prefix.prefix_len(), 0, 0, libc::RT_TABLE_MAIN]);
                octets.extend([PROTOCOL, scope, libc::RTN_UNICAST, 0, 0, 0, 0]);
                attribute(octets, libc::RTA_DST, |octets| address(octets, prefix.addr()));
                attribute(octets, libc::RTA_PRIORITY, |octets| octets.extend(METRIC.to_ne_bytes()));
                match via {
                    Via::Inline(hops) => {
                        attribute(octets, libc::RTA_MULTIPATH, |octets| {
                            hops.iter().for_each(|hop| multipath_leg(octets, hop));
                        });
                    }
                    Via::Group(id) => attribute(octets, RTA_NH_ID, |octets| octets.extend(id.to_ne_bytes())),
                }
            });
        }
        messages
    }

    /// Encodes a nexthop for each hop, with identifiers from `first` on, and behind them a group of them all;
    /// returns the group's identifier, too.
    ///
    /// # Panics
    /// With more hops than identifiers.
    #[must_use]
    pub fn group(hops: &[Hop], first: u32) -> (Self, u32) {
        let mut messages = Self::default();
        let identifiers: Vec<u32> = (first..).take(hops.len()).collect();
        for (id, (gateway, link)) in identifiers.iter().zip(hops) {
            messages.message(NEW_NEXT_HOP, NEW, |octets| {
                octets.extend([family(*gateway), 0, PROTOCOL, 0, 0, 0, 0, 0]);
                attribute(octets, NHA_ID, |octets| octets.extend(id.to_ne_bytes()));
                attribute(octets, NHA_OIF, |octets| octets.extend(link.to_ne_bytes()));
                attribute(octets, NHA_GATEWAY, |octets| address(octets, *gateway));
            });
        }
        let group = first + u32::try_from(hops.len()).expect("a handful of hops");
        messages.message(NEW_NEXT_HOP, NEW, |octets| {
            octets.extend([0, 0, PROTOCOL, 0, 0, 0, 0, 0]);
            attribute(octets, NHA_ID, |octets| octets.extend(group.to_ne_bytes()));
            attribute(octets, NHA_GROUP, |octets| {
                for id in &identifiers {
                    octets.extend(id.to_ne_bytes());
                    octets.extend([0; 4]);
                }
            });
        });
        (messages, group)
    }

    /// Appends a message: its header, what `body` writes, and padding.
    fn message(&mut self, kind: u16, flags: libc::c_int, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.octets.len();
        self.starts.push(start);
        self.octets.extend([0; 4]);
        self.octets.extend(kind.to_ne_bytes());
        self.octets.extend(((flags | libc::NLM_F_REQUEST) as u16).to_ne_bytes());
        self.octets.extend([0; 8]);
        body(&mut self.octets);
        let length = (self.octets.len() - start) as u32;
        self.octets[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        pad(&mut self.octets);
    }
}

/// A socket to write through.
#[derive(Debug)]
pub struct Writer {
    socket: OwnedFd,
    sequence: u32,
}

impl Writer {
    /// Opens it in the network namespace of the calling thread.
    ///
    /// # Errors
    /// Not allowed.
    pub fn open() -> Result<Self> {
        let socket = open(0, BUFFER)?;
        setsockopt(&socket, sockopt::SndBufForce, &BUFFER)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Has the kernel carry the messages out, batch by batch.
    ///
    /// # Errors
    /// It refused one.
    pub fn write(&mut self, messages: &mut Messages) -> Result<()> {
        let mut end = messages.octets.len();
        let mut cuts = Vec::new();
        for starts in messages.starts.chunks(BATCH).rev() {
            let (Some(&first), Some(&last)) = (starts.first(), starts.last()) else { continue };
            cuts.push((first..end, last));
            end = first;
        }
        let mut answer = vec![0; 32 * 1024];
        for (batch, last) in cuts.into_iter().rev() {
            self.sequence += 1;
            let flags = u16::from_ne_bytes([messages.octets[last + 6], messages.octets[last + 7]]);
            let flags = flags | libc::NLM_F_ACK as u16;
            messages.octets[last + 6..last + 8].copy_from_slice(&flags.to_ne_bytes());
            messages.octets[last + 8..last + 12].copy_from_slice(&self.sequence.to_ne_bytes());
            send(self.socket.as_raw_fd(), &messages.octets[batch], MsgFlags::empty())?;
            let length = recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
            for (header, body) in parts(&answer[..length]) {
                let errno = body.first_chunk().copied().map_or(0, i32::from_ne_bytes);
                if errno != 0 {
                    return Err(io::Error::from_raw_os_error(-errno)).context("the kernel refused a message");
                }
                if header.sequence != self.sequence {
                    bail!("an answer to something else");
                }
            }
        }
        Ok(())
    }
}

/// Counts the routes with our protocol number, of both families, in the namespace of the calling thread.
///
/// # Errors
/// The kernel's.
pub fn our_route_count() -> Result<usize> {
    let socket = open(0, BUFFER)?;
    let mut count = 0;
    let mut answer = vec![0; 64 * 1024];
    for family in [libc::AF_INET, libc::AF_INET6] {
        let mut request = Messages::default();
        request.message(libc::RTM_GETROUTE, libc::NLM_F_DUMP, |octets| {
            octets.push(family as u8);
            octets.extend([0; 11]);
        });
        send(socket.as_raw_fd(), &request.octets, MsgFlags::empty())?;
        'dump: loop {
            let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
            for (header, body) in parts(&answer[..length]) {
                if i32::from(header.kind) == libc::NLMSG_DONE {
                    break 'dump;
                }
                count += usize::from(body.get(5) == Some(&PROTOCOL));
            }
        }
    }
    Ok(count)
}

/// What the header of a message says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) kind: u16,
    pub(crate) sequence: u32,
    pub(crate) port: u32,
}

/// Cuts a datagram into messages.
pub(crate) fn parts(datagram: &[u8]) -> impl Iterator<Item = (Header, &[u8])> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let four = |at: usize| rest.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes);
        let length = four(0)? as usize;
        let kind = u16::from_ne_bytes(*rest.get(4..)?.first_chunk()?);
        let header = Header { kind, sequence: four(8)?, port: four(12)? };
        let body = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((header, body))
    })
}

/// Opens a netlink socket of the calling thread's namespace that hears these groups and waits half a second at most.
pub(crate) fn open(groups: u32, receive_buffer: usize) -> Result<OwnedFd> {
    let socket =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    setsockopt(&socket, sockopt::RcvBufForce, &receive_buffer)?;
    let patience = TimeVal::milliseconds(Duration::from_millis(500).as_millis() as i64);
    if groups != 0 {
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience)?;
    }
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}

fn multipath_leg(octets: &mut Vec<u8>, (gateway, link): &Hop) {
    let start = octets.len();
    octets.extend([0; 4]);
    octets.extend(link.to_ne_bytes());
    attribute(octets, libc::RTA_GATEWAY, |octets| address(octets, *gateway));
    let length = (octets.len() - start) as u16;
    octets[start..start + 2].copy_from_slice(&length.to_ne_bytes());
}

fn attribute(octets: &mut Vec<u8>, kind: u16, value: impl FnOnce(&mut Vec<u8>)) {
    let start = octets.len();
    octets.extend([0; 2]);
    octets.extend(kind.to_ne_bytes());
    value(octets);
    let length = (octets.len() - start) as u16;
    octets[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    pad(octets);
}

fn pad(octets: &mut Vec<u8>) {
    octets.resize(octets.len().next_multiple_of(4), 0);
}

fn address(octets: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => octets.extend(address.octets()),
        IpAddr::V6(address) => octets.extend(address.octets()),
    }
}

fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    family as u8
}
