//! MP_REACH_NLRI (RFC 4760 §3, RFC 2545, RFC 8950, RFC 7606 §7.11).

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};
use nom::combinator::rest;
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16};

use super::{EXTENDED_LENGTH, MP_REACH, OPTIONAL, Received};
use crate::family::AfiSafi;
use crate::wire::nlri;
use crate::wire::read::whole;
use crate::wire::{CodecContext, WireError};
use crate::{Family, NextHop, Nlri};

/// What became reachable.
pub(in crate::wire) struct MpReach {
    pub(in crate::wire) next_hop: NextHop,
    pub(in crate::wire) nlri: Vec<Nlri>,
}

pub(super) fn decode(value: &[u8], context: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    let (afi, safi, next_hop, _reserved, prefixes) =
        whole((be_u16, be_u8, length_data(be_u8), be_u8, rest), value)?;
    let family = negotiated(AfiSafi { afi, safi }, context)?;
    let next_hop = read_next_hop(family, next_hop, context)?;
    received.mp_reach =
        Some(MpReach { next_hop, nlri: nlri::decode(family, context.received(family), prefixes)? });
    Ok(())
}

/// Returns the family these numbers name, if the session carries it.
pub(super) fn negotiated(code: AfiSafi, context: &CodecContext) -> Result<Family, WireError> {
    Family::from_code(code)
        .filter(|&family| context.families.contains(family))
        .ok_or(WireError::FamilyNotNegotiated(code))
}

fn read_next_hop(family: Family, octets: &[u8], context: &CodecContext) -> Result<NextHop, WireError> {
    let wrong = WireError::Length { field: "next hop", got: octets.len() };
    let ipv6 = family == Family::Ipv6 || context.extended_next_hop.contains(family);
    if let (Family::Ipv4, Ok(address)) = (family, <[u8; 4]>::try_from(octets)) {
        return Ok(NextHop::V4(Ipv4Addr::from(address)));
    }
    match octets.as_chunks::<16>() {
        ([global], []) if ipv6 => Ok(NextHop::V6 { global: Ipv6Addr::from(*global), link_local: None }),
        ([global, link_local], []) if ipv6 => Ok(pair(Ipv6Addr::from(*global), Ipv6Addr::from(*link_local))),
        _ => Err(wrong),
    }
}

/// Makes sense of 32 octets. Speakers without a global address send zeros for it, speakers without a
/// link-local one for that, whatever RFC 2545 §3 says.
fn pair(global: Ipv6Addr, link_local: Ipv6Addr) -> NextHop {
    match (global.is_unspecified(), link_local.is_unicast_link_local()) {
        (true, true) => NextHop::V6 { global: link_local, link_local: None },
        (false, true) => NextHop::V6 { global, link_local: Some(link_local) },
        (_, false) => NextHop::V6 { global, link_local: None },
    }
}

/// Writes all but the prefixes; the length must be patched at the place returned.
pub(in crate::wire) fn begin(family: Family, next_hop: NextHop, out: &mut BytesMut) -> usize {
    out.put_slice(&[OPTIONAL | EXTENDED_LENGTH, MP_REACH]);
    let length_at = out.len();
    out.put_u16(0);
    out.put_u16(family.code().afi);
    out.put_u8(family.code().safi);
    write_next_hop(next_hop, out);
    out.put_u8(0);
    length_at
}

/// Writes the attribute without family and prefixes, as tables in files have it (RFC 6396 §4.3.4).
pub(in crate::wire) fn next_hop_alone(next_hop: NextHop, out: &mut BytesMut) {
    super::put(OPTIONAL, MP_REACH, out, |out| {
        write_next_hop(next_hop, out);
        Some(())
    });
}

/// Writes the length and the address or addresses.
fn write_next_hop(next_hop: NextHop, out: &mut BytesMut) {
    match next_hop {
        NextHop::V4(address) => {
            out.put_u8(4);
            out.put_slice(&address.octets());
        }
        NextHop::V6 { global, link_local: None } => {
            out.put_u8(16);
            out.put_slice(&global.octets());
        }
        NextHop::V6 { global, link_local: Some(link_local) } => {
            out.put_u8(32);
            out.put_slice(&global.octets());
            out.put_slice(&link_local.octets());
        }
    }
}
