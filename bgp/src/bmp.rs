//! The BGP Monitoring Protocol: what a station is told (RFC 7854, 8671, 9069).
//!
//! Only this direction exists: a station never speaks. A message is a header, for most kinds the header of the
//! peer it is about, and often a BGP message as it was on the wire. The one surprise: routes are not told in a
//! format of their own but as UPDATEs, so whoever sends them encodes with [`update_context`], whatever the
//! session itself had negotiated.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{BufMut, BytesMut};

use crate::family::AfiSafi;
use crate::wire::CodecContext;
use crate::{Asn, BgpId, FamilySet};

#[cfg(test)]
mod tests;

const VERSION: u8 = 3;
/// Version, length and type.
const HEADER: usize = 6;

/// Which table a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// What a peer announced, before or after import policy (RFC 7854 §5).
    AdjRibIn {
        /// Whether it is after.
        post_policy: bool,
    },
    /// What a peer is told, before or after export policy (RFC 8671).
    AdjRibOut {
        /// Whether it is after.
        post_policy: bool,
    },
    /// What was chosen (RFC 9069). The peer is then ourselves, and the address zero.
    LocRib,
}

impl View {
    /// The peer type and the flags but that of the address (RFC 7854 §4.2, RFC 8671 §4, RFC 9069 §4.1).
    fn octets(self) -> (u8, u8) {
        const POST_POLICY: u8 = 0x40;
        const ADJ_RIB_OUT: u8 = 0x10;
        const LOC_RIB_INSTANCE: u8 = 3;
        let policy = |post: bool| if post { POST_POLICY } else { 0 };
        match self {
            Self::AdjRibIn { post_policy } => (0, policy(post_policy)),
            Self::AdjRibOut { post_policy } => (0, policy(post_policy) | ADJ_RIB_OUT),
            Self::LocRib => (LOC_RIB_INSTANCE, 0),
        }
    }
}

/// Whom a message is about, and when it became true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerHeader {
    /// The table.
    pub view: View,
    /// The peer's address; of no meaning for Loc-RIB.
    pub address: IpAddr,
    /// The peer's AS; ours for Loc-RIB.
    pub asn: Asn,
    /// The peer's identifier; ours for Loc-RIB.
    pub bgp_id: BgpId,
    /// The time since the Unix epoch; zero when nobody knows.
    pub at: Duration,
}

/// Why a session is over (RFC 7854 §4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down<'a> {
    /// We ended it with this NOTIFICATION, a whole message.
    LocalNotification(&'a [u8]),
    /// We ended it without one, for this event of RFC 4271 §8.1; zero when none fits.
    Local(u16),
    /// The peer ended it with this NOTIFICATION, a whole message.
    RemoteNotification(&'a [u8]),
    /// The peer ended it without one.
    Remote,
    /// The station will hear no more of this peer, though its session may go on.
    NotMonitored,
}

/// Something counted (RFC 7854 §4.8, RFC 8671 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// Prefixes import refused, ever.
    Rejected(u32),
    /// Routes in Adj-RIB-In now.
    AdjRibIn(u64),
    /// Routes in Loc-RIB now.
    LocRib(u64),
    /// Routes of a family in Adj-RIB-In now.
    AdjRibInOf(AfiSafi, u64),
    /// UPDATEs treated as withdrawals, ever (RFC 7606).
    TreatedAsWithdraw(u32),
    /// Routes of a family in Adj-RIB-Out after policy now.
    AdjRibOutOf(AfiSafi, u64),
}

/// Why a station hears no more (RFC 7854 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    /// Somebody here wants it so.
    AdministrativelyClosed = 0,
    /// No reason is given.
    Unspecified = 1,
    /// We lack what it takes.
    OutOfResources = 2,
    /// The station is told already, over another connection.
    Redundant = 3,
}

/// Returns how the UPDATEs of [`route_monitoring`] are encoded: with 4-octet AS numbers, as the flags say.
#[must_use]
pub fn update_context(internal: bool) -> CodecContext {
    CodecContext {
        four_octet_asn: true,
        extended_messages: true,
        families: FamilySet::ALL,
        extended_next_hop: FamilySet::ALL,
        add_path_receive: FamilySet::NONE,
        add_path_send: FamilySet::NONE,
        internal,
    }
}

/// Appends the first message of a connection: who speaks (§4.3).
pub fn initiation(name: &str, description: &str, out: &mut BytesMut) {
    const SYSTEM_DESCRIPTION: u16 = 1;
    const SYSTEM_NAME: u16 = 2;
    message(4, out, |out| {
        text(SYSTEM_DESCRIPTION, description, out);
        text(SYSTEM_NAME, name, out);
    });
}

/// Appends the last message of a connection (§4.5).
pub fn termination(reason: Termination, out: &mut BytesMut) {
    const REASON: u16 = 1;
    message(5, out, |out| {
        out.put_u16(REASON);
        out.put_u16(2);
        out.put_u16(reason as u16);
    });
}

/// Appends that a session is up (§4.10), with both OPENs as they were on the wire.
pub fn peer_up(
    peer: &PeerHeader,
    local: SocketAddr,
    remote_port: u16,
    (sent, received): (&[u8], &[u8]),
    out: &mut BytesMut,
) {
    message(3, out, |out| {
        header(peer, out);
        address(local.ip(), out);
        out.put_u16(local.port());
        out.put_u16(remote_port);
        out.put_slice(sent);
        out.put_slice(received);
        if peer.view == View::LocRib {
            // The name of the table (RFC 9069 §4.4).
            text(3, "global", out);
        }
    });
}

/// Appends that a session is over (§4.9).
pub fn peer_down(peer: &PeerHeader, down: Down<'_>, out: &mut BytesMut) {
    message(2, out, |out| {
        header(peer, out);
        match down {
            Down::LocalNotification(notification) => {
                out.put_u8(1);
                out.put_slice(notification);
            }
            Down::Local(event) => {
                out.put_u8(2);
                out.put_u16(event);
            }
            Down::RemoteNotification(notification) => {
                out.put_u8(3);
                out.put_slice(notification);
            }
            Down::Remote => out.put_u8(4),
            Down::NotMonitored => out.put_u8(5),
        }
    });
}

/// Appends one UPDATE, a whole message (§4.6).
pub fn route_monitoring(peer: &PeerHeader, update: &[u8], out: &mut BytesMut) {
    message(0, out, |out| {
        header(peer, out);
        out.put_slice(update);
    });
}

/// Appends counters (§4.8).
pub fn statistics(peer: &PeerHeader, counted: &[Statistic], out: &mut BytesMut) {
    message(1, out, |out| {
        header(peer, out);
        // A handful, each at most fifteen octets.
        out.put_u32(counted.len() as u32);
        for statistic in counted {
            match *statistic {
                Statistic::Rejected(count) => counter(0, count, out),
                Statistic::TreatedAsWithdraw(count) => counter(11, count, out),
                Statistic::AdjRibIn(count) => gauge(7, None, count, out),
                Statistic::LocRib(count) => gauge(8, None, count, out),
                Statistic::AdjRibInOf(family, count) => gauge(9, Some(family), count, out),
                Statistic::AdjRibOutOf(family, count) => gauge(17, Some(family), count, out),
            }
        }
    });
}

fn counter(kind: u16, count: u32, out: &mut BytesMut) {
    out.put_u16(kind);
    out.put_u16(4);
    out.put_u32(count);
}

fn gauge(kind: u16, family: Option<AfiSafi>, count: u64, out: &mut BytesMut) {
    out.put_u16(kind);
    out.put_u16(if family.is_some() { 11 } else { 8 });
    if let Some(AfiSafi { afi, safi }) = family {
        out.put_u16(afi);
        out.put_u8(safi);
    }
    out.put_u64(count);
}

fn message(kind: u8, out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let mut octets = BytesMut::new();
    body(&mut octets);
    out.reserve(HEADER + octets.len());
    out.put_u8(VERSION);
    // Two BGP messages and some texts of 64 KiB at most.
    out.put_u32((HEADER + octets.len()) as u32);
    out.put_u8(kind);
    out.put_slice(&octets);
}

fn header(peer: &PeerHeader, out: &mut BytesMut) {
    const IPV6: u8 = 0x80;
    let (kind, flags) = peer.view.octets();
    let loc_rib = peer.view == View::LocRib;
    out.put_u8(kind);
    out.put_u8(flags | if peer.address.is_ipv6() && !loc_rib { IPV6 } else { 0 });
    // The distinguisher: there is one instance.
    out.put_u64(0);
    if loc_rib {
        out.put_bytes(0, 16);
    } else {
        address(peer.address, out);
    }
    out.put_u32(peer.asn.0);
    out.put_slice(&peer.bgp_id.to_ipv4().octets());
    // Seconds wrap in 2106, as the format has it.
    out.put_u32(peer.at.as_secs() as u32);
    out.put_u32(peer.at.subsec_micros());
}

/// Sixteen octets; an IPv4 address is in the last four.
fn address(address: IpAddr, out: &mut BytesMut) {
    match address {
        IpAddr::V4(address) => {
            out.put_bytes(0, 12);
            out.put_slice(&address.octets());
        }
        IpAddr::V6(address) => out.put_slice(&address.octets()),
    }
}

fn text(kind: u16, text: &str, out: &mut BytesMut) {
    let octets = text.as_bytes();
    let octets = octets.get(..usize::from(u16::MAX)).unwrap_or(octets);
    out.put_u16(kind);
    out.put_u16(octets.len() as u16);
    out.put_slice(octets);
}
