//! The kernel's words for nexthop objects and groups, which no library of ours knows.
//!
//! `struct nhmsg` and the `NHA_` attributes are those of `linux/nexthop.h`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST};

use super::{is_link_local, is_onlink};
use crate::plan::{Member, NextHopOp};
use crate::route::NextHop;
use crate::table::{KernelNextHop, NextHopEvent, NextHopKind};

/// Something is there.
pub(crate) const RTM_NEWNEXTHOP: u16 = 104;
/// Something is gone.
pub(crate) const RTM_DELNEXTHOP: u16 = 105;
const RTM_GETNEXTHOP: u16 = 106;

const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_GROUP_TYPE: u16 = 3;
const NHA_BLACKHOLE: u16 = 4;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;
const NHA_ENCAP: u16 = 8;
const NHA_FDB: u16 = 11;
/// Packets are spread by hash, and at once anew when the group changes.
const NEXTHOP_GRP_TYPE_MPATH: u16 = 0;
/// The sender vouches for the gateway being on the link.
const RTNH_F_ONLINK: u32 = 4;
/// The two high bits of an attribute's kind say how it is written, not what it is.
const KIND: u16 = 0x3fff;

/// The lengths of `struct nlmsghdr`, `struct nhmsg` and `struct nexthop_grp`.
const HEADER: usize = 16;
const NHMSG: usize = 8;
const SHARE: usize = 8;

/// Appends the request that carries out `op`.
pub(crate) fn append_request(buffer: &mut Vec<u8>, op: &NextHopOp, protocol: u8, sequence: u32) {
    let (kind, flags) = match op {
        NextHopOp::AddObject { .. } | NextHopOp::AddGroup { .. } => {
            (RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_EXCL)
        }
        NextHopOp::ReplaceGroup { .. } => (RTM_NEWNEXTHOP, NLM_F_REPLACE),
        NextHopOp::Delete { .. } => (RTM_DELNEXTHOP, 0),
    };
    let start = begin(buffer, kind, flags, sequence);
    match op {
        NextHopOp::AddObject { id, next_hop } => {
            let family = if next_hop.address.is_some_and(|address| address.is_ipv6()) {
                libc::AF_INET6
            } else {
                libc::AF_INET
            };
            let flags = if is_onlink(next_hop) { RTNH_F_ONLINK } else { 0 };
            nhmsg(buffer, family, protocol, flags);
            attribute(buffer, NHA_ID, &id.to_ne_bytes());
            if let Some(interface) = next_hop.interface {
                attribute(buffer, NHA_OIF, &interface.to_ne_bytes());
            }
            match next_hop.address {
                Some(IpAddr::V4(address)) => attribute(buffer, NHA_GATEWAY, &address.octets()),
                Some(IpAddr::V6(address)) => attribute(buffer, NHA_GATEWAY, &address.octets()),
                None => {}
            }
        }
        NextHopOp::AddGroup { id, members } | NextHopOp::ReplaceGroup { id, members } => {
            nhmsg(buffer, libc::AF_UNSPEC, protocol, 0);
            attribute(buffer, NHA_ID, &id.to_ne_bytes());
            let shares: Vec<u8> = members.iter().flat_map(share).collect();
            attribute(buffer, NHA_GROUP, &shares);
        }
        NextHopOp::Delete { id } => {
            nhmsg(buffer, libc::AF_UNSPEC, 0, 0);
            attribute(buffer, NHA_ID, &id.to_ne_bytes());
        }
    }
    finish(buffer, start);
}

/// Appends the request for all there are. The kernel cannot choose by protocol.
pub(crate) fn append_dump_request(buffer: &mut Vec<u8>, sequence: u32) {
    let start = begin(buffer, RTM_GETNEXTHOP, NLM_F_DUMP, sequence);
    nhmsg(buffer, libc::AF_UNSPEC, 0, 0);
    finish(buffer, start);
}

/// Reads what the kernel tells of a nexthop object; `None` if the message is about something else.
pub(crate) fn event(message: &[u8]) -> Option<NextHopEvent> {
    let kind = u16_at(message, 4)?;
    let found = match kind {
        RTM_NEWNEXTHOP | RTM_DELNEXTHOP => kernel_next_hop(message)?,
        _ => return None,
    };
    Some(match kind {
        RTM_NEWNEXTHOP => NextHopEvent::Present(found),
        _ => NextHopEvent::Gone { id: found.id },
    })
}

fn kernel_next_hop(message: &[u8]) -> Option<KernelNextHop> {
    let protocol = *message.get(HEADER + 2)?;
    let mut id = None;
    let mut next_hop = NextHop { address: None, interface: None, weight: NonZeroU16::MIN, onlink: false };
    let (mut shares, mut odd) = (None, false);
    for (kind, value) in attributes(message.get(HEADER + NHMSG..)?) {
        match kind {
            NHA_ID => id = u32_at(value, 0),
            NHA_OIF => next_hop.interface = u32_at(value, 0),
            NHA_GATEWAY => next_hop.address = address(value),
            NHA_GROUP => shares = Some(value.chunks_exact(SHARE).filter_map(read_share).collect()),
            NHA_GROUP_TYPE => odd |= u16_at(value, 0) != Some(NEXTHOP_GRP_TYPE_MPATH),
            NHA_BLACKHOLE | NHA_ENCAP | NHA_FDB => odd = true,
            _ => {}
        }
    }
    let flags = u32_at(message, HEADER + 4).unwrap_or_default();
    next_hop.onlink = flags & RTNH_F_ONLINK != 0 && !is_link_local(next_hop.address);
    let kind = match shares {
        _ if odd => NextHopKind::Other,
        Some(shares) => NextHopKind::Group(shares),
        None if next_hop.address.is_some() && next_hop.interface.is_some() => NextHopKind::Single(next_hop),
        None => NextHopKind::Other,
    };
    Some(KernelNextHop { id: id?, protocol, kind })
}

fn begin(buffer: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32) -> usize {
    let start = buffer.len();
    buffer.extend([0; 4]);
    buffer.extend(kind.to_ne_bytes());
    buffer.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    buffer.extend(sequence.to_ne_bytes());
    buffer.extend([0; 4]);
    start
}

fn nhmsg(buffer: &mut Vec<u8>, family: i32, protocol: u8, flags: u32) {
    // The kernel finds the scope by itself and refuses one that is given. Families are small numbers.
    buffer.extend([family as u8, 0, protocol, 0]);
    buffer.extend(flags.to_ne_bytes());
}

fn attribute(buffer: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // The longest is a group, of at most 256 members of 8 octets.
    buffer.extend((4 + value.len() as u16).to_ne_bytes());
    buffer.extend(kind.to_ne_bytes());
    buffer.extend(value);
    buffer.resize(buffer.len().next_multiple_of(4), 0);
}

fn finish(buffer: &mut [u8], start: usize) {
    let length = (buffer.len() - start) as u32;
    buffer[start..start + 4].copy_from_slice(&length.to_ne_bytes());
}

/// `struct nexthop_grp`: the number, the weight less one, and three octets of nothing.
fn share(member: &Member) -> [u8; SHARE] {
    let [a, b, c, d] = member.id.to_ne_bytes();
    // NextHopSet keeps weights within 1 to 256.
    let weight = u8::try_from(member.next_hop.weight.get() - 1).unwrap_or(u8::MAX);
    [a, b, c, d, weight, 0, 0, 0]
}

fn read_share(share: &[u8]) -> Option<(u32, NonZeroU16)> {
    let weight = NonZeroU16::MIN.saturating_add((*share.get(4)?).into());
    Some((u32_at(share, 0)?, weight))
}

fn address(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).into())
}

fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, kind) = (usize::from(u16_at(rest, 0)?), u16_at(rest, 2)? & KIND);
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(op: &NextHopOp) -> Vec<u8> {
        let mut buffer = Vec::new();
        append_request(&mut buffer, op, 179, 1);
        buffer
    }

    #[test]
    fn what_we_write_is_what_we_read() {
        for address in ["10.0.0.1", "169.254.0.1", "fe80::1"] {
            let next_hop = NextHop::via_interface(address.parse().unwrap(), 3);
            let message = written(&NextHopOp::AddObject { id: 7, next_hop });
            let found = KernelNextHop { id: 7, protocol: 179, kind: NextHopKind::Single(next_hop) };
            assert_eq!(event(&message), Some(NextHopEvent::Present(found)));
        }
    }

    #[test]
    fn the_weights_of_a_group_survive() {
        let member = |id, weight| {
            let weight = NonZeroU16::new(weight).unwrap();
            Member { id, next_hop: NextHop { weight, ..NextHop::on_interface(1) } }
        };
        let message = written(&NextHopOp::AddGroup { id: 9, members: vec![member(1, 1), member(2, 256)] });
        let Some(NextHopEvent::Present(found)) = event(&message) else { panic!("it is there") };
        let weight = |weight| NonZeroU16::new(weight).unwrap();
        assert_eq!(found.kind, NextHopKind::Group(vec![(1, weight(1)), (2, weight(256))]));
    }

    #[test]
    fn a_deletion_names_what_is_gone() {
        assert_eq!(event(&written(&NextHopOp::Delete { id: 9 })), Some(NextHopEvent::Gone { id: 9 }));
    }

    #[test]
    fn a_cut_message_is_no_panic() {
        let whole = written(&NextHopOp::AddObject { id: 7, next_hop: NextHop::on_interface(1) });
        for end in 0..whole.len() {
            let _ = event(&whole[..end]);
        }
        assert_eq!(event(&whole[..HEADER + NHMSG]), None);
    }

    #[test]
    fn an_attribute_of_length_zero_ends_the_reading() {
        assert_eq!(attributes(&[0; 8]).count(), 0);
    }
}
