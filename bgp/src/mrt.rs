//! The MRT format: tables and messages in a file (RFC 6396, RFC 8050).
//!
//! A file is records one behind the other, so that whoever writes it need never go back, and a reader can take
//! it up after the last whole one. The one surprise: in a table the MP_REACH_NLRI attribute is cut down to the
//! next hop, since the prefix stands in front of the entry (RFC 6396 §4.3.4).

use std::net::IpAddr;
use std::time::Duration;

use bytes::{BufMut, BytesMut};

use crate::fsm::State;
use crate::wire::{CodecContext, pack};
use crate::{Asn, BgpId, Family, Nlri, PathAttributes};

#[cfg(test)]
mod tests;

const TABLE_DUMP_V2: u16 = 13;
const BGP4MP_ET: u16 = 17;

/// A peer of a table, by its place in [`peer_index`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexedPeer {
    /// Its identifier.
    pub bgp_id: BgpId,
    /// Its address.
    pub address: IpAddr,
    /// Its AS.
    pub asn: Asn,
}

/// One path of a prefix.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The place of its peer in [`peer_index`].
    pub peer: u16,
    /// When it came, since the Unix epoch.
    pub at: Duration,
    /// Its identifier, where the peer gives some (RFC 7911).
    pub path_id: u32,
    /// Its attributes.
    pub attributes: &'a PathAttributes,
}

/// Both ends of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The peer's AS and address.
    pub peer: (Asn, IpAddr),
    /// Ours; an address of the other family counts as unknown.
    pub local: (Asn, IpAddr),
    /// The index of the interface; zero when not known.
    pub interface: u16,
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer to us.
    Received,
    /// From us to the peer.
    Sent,
}

/// Appends the record a table begins with: who the peers are (RFC 6396 §4.3.1).
///
/// More peers than 65535 are left out; nothing can refer to them.
pub fn peer_index(at: Duration, collector: BgpId, view: &str, peers: &[IndexedPeer], out: &mut BytesMut) {
    const FOUR_OCTET_ASN: u8 = 2;
    const IPV6: u8 = 1;
    record(at, TABLE_DUMP_V2, 1, out, |out| {
        out.put_slice(&collector.to_ipv4().octets());
        let view = view.as_bytes();
        let view = view.get(..usize::from(u16::MAX)).unwrap_or(view);
        out.put_u16(view.len() as u16);
        out.put_slice(view);
        let peers = peers.get(..usize::from(u16::MAX)).unwrap_or(peers);
        out.put_u16(peers.len() as u16);
        for peer in peers {
            out.put_u8(FOUR_OCTET_ASN | if peer.address.is_ipv6() { IPV6 } else { 0 });
            out.put_slice(&peer.bgp_id.to_ipv4().octets());
            address(peer.address, out);
            out.put_u32(peer.asn.0);
        }
    });
}

/// Appends all paths of a prefix (RFC 6396 §4.3.2, RFC 8050 §4.1); `sequence` counts the prefixes of the table.
///
/// A path whose attributes do not fit 65535 octets is left out.
pub fn rib(at: Duration, sequence: u32, prefix: &Nlri, entries: &[Entry<'_>], out: &mut BytesMut) {
    let family = Family::of(&prefix.prefix);
    let with_path_ids = entries.iter().any(|entry| entry.path_id != 0);
    let subtype = match (family, with_path_ids) {
        (Family::Ipv4, false) => 2,
        (Family::Ipv6, false) => 4,
        (Family::Ipv4, true) => 8,
        (Family::Ipv6, true) => 10,
    };
    let written: Vec<(&Entry<'_>, BytesMut)> = entries
        .iter()
        .map(|entry| {
            let mut attributes = BytesMut::new();
            pack::table_entry(entry.attributes, &mut attributes);
            (entry, attributes)
        })
        .filter(|(_, attributes)| attributes.len() <= usize::from(u16::MAX))
        .take(usize::from(u16::MAX))
        .collect();
    record(at, TABLE_DUMP_V2, subtype, out, |out| {
        out.put_u32(sequence);
        pack::prefix(prefix, out);
        // Both were bounded above.
        out.put_u16(written.len() as u16);
        for (entry, attributes) in written {
            out.put_u16(entry.peer);
            out.put_u32(seconds(entry.at));
            if with_path_ids {
                out.put_u32(entry.path_id);
            }
            out.put_u16(attributes.len() as u16);
            out.put_slice(&attributes);
        }
    });
}

/// Appends a whole message as it was on the wire (RFC 6396 §4.4.2 and §4.4.3, RFC 8050 §3).
pub fn message(
    at: Duration,
    ends: &Ends,
    direction: Direction,
    context: &CodecContext,
    octets: &[u8],
    out: &mut BytesMut,
) {
    let subtype = match (context.four_octet_asn, direction) {
        (false, Direction::Received) => 1,
        (true, Direction::Received) => 4,
        (false, Direction::Sent) => 6,
        (true, Direction::Sent) => 7,
    };
    extended(at, subtype, out, |out| {
        session(ends, context.four_octet_asn, out);
        out.put_slice(octets);
    });
}

/// Appends that a peer's state machine moved (RFC 6396 §4.4.1).
pub fn state_change(at: Duration, ends: &Ends, from: State, to: State, out: &mut BytesMut) {
    extended(at, 5, out, |out| {
        session(ends, true, out);
        out.put_u16(code(from));
        out.put_u16(code(to));
    });
}

fn code(state: State) -> u16 {
    match state {
        State::Idle => 1,
        State::Connect => 2,
        State::Active => 3,
        State::OpenSent => 4,
        State::OpenConfirm => 5,
        State::Established => 6,
    }
}

fn session(ends: &Ends, four_octet_asn: bool, out: &mut BytesMut) {
    const IPV4: u16 = 1;
    const IPV6: u16 = 2;
    for asn in [ends.peer.0, ends.local.0] {
        match four_octet_asn {
            true => out.put_u32(asn.0),
            false => out.put_u16(u16::try_from(asn.0).unwrap_or(Asn::TRANS.0 as u16)),
        }
    }
    out.put_u16(ends.interface);
    let (peer, local) = (ends.peer.1, ends.local.1);
    match peer {
        IpAddr::V4(_) => out.put_u16(IPV4),
        IpAddr::V6(_) => out.put_u16(IPV6),
    }
    address(peer, out);
    match (peer, local) {
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => address(local, out),
        (IpAddr::V4(_), IpAddr::V6(_)) => out.put_bytes(0, 4),
        (IpAddr::V6(_), IpAddr::V4(_)) => out.put_bytes(0, 16),
    }
}

fn address(address: IpAddr, out: &mut BytesMut) {
    match address {
        IpAddr::V4(address) => out.put_slice(&address.octets()),
        IpAddr::V6(address) => out.put_slice(&address.octets()),
    }
}

/// Writes a record whose time has microseconds, which count as its first four octets.
fn extended(at: Duration, subtype: u16, out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    record(at, BGP4MP_ET, subtype, out, |out| {
        out.put_u32(at.subsec_micros());
        body(out);
    });
}

fn record(at: Duration, kind: u16, subtype: u16, out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let mut octets = BytesMut::new();
    body(&mut octets);
    out.put_u32(seconds(at));
    out.put_u16(kind);
    out.put_u16(subtype);
    // At most 65535 entries of 65535 octets each.
    out.put_u32(octets.len() as u32);
    out.put_slice(&octets);
}

/// Seconds wrap in 2106, as the format has it.
fn seconds(at: Duration) -> u32 {
    at.as_secs() as u32
}
