//! Capabilities (RFC 5492 §4): a code, a length, a value.
//!
//! A capability we do not know is kept as it came; one we know must have the length its RFC gives it.

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16, be_u24, be_u32};

use crate::capability::{ExtendedNextHop, GracefulRestart, LongLived};
use crate::family::AfiSafi;
use crate::wire::read::{Parsed, list, whole};
use crate::wire::write::counted_u8;
use crate::wire::{EncodeError, WireError};
use crate::{Asn, Capability};

const MULTIPROTOCOL: u8 = 1;
const ROUTE_REFRESH: u8 = 2;
const EXTENDED_NEXT_HOP: u8 = 5;
const EXTENDED_MESSAGE: u8 = 6;
const GRACEFUL_RESTART: u8 = 64;
const FOUR_OCTET_ASN: u8 = 65;
const LONG_LIVED_GRACEFUL_RESTART: u8 = 71;

/// The R and N bits, and the F bit of a family (RFC 4724 §3, RFC 8538 §2, RFC 9494 §3.1).
const RESTARTED: u16 = 0x8000;
const NOTIFICATION: u16 = 0x4000;
const RESTART_TIME: u16 = 0x0FFF;
const FORWARDING: u8 = 0x80;
const LONGEST_STALE_TIME: u32 = 0xFF_FFFF;

pub(super) fn decode(octets: &[u8]) -> Parsed<'_, Capability> {
    let (rest, (code, value)) = (be_u8, length_data(be_u8)).parse(octets)?;
    match read(code, value) {
        Ok(capability) => Ok((rest, capability)),
        Err(error) => Err(nom::Err::Failure(error)),
    }
}

fn read(code: u8, value: &[u8]) -> Result<Capability, WireError> {
    match code {
        MULTIPROTOCOL => {
            let reserved = be_u8;
            let family = (be_u16, reserved, be_u8).map(|(afi, _, safi)| AfiSafi { afi, safi });
            whole(family, value).map(Capability::Multiprotocol)
        }
        ROUTE_REFRESH => empty(value, Capability::RouteRefresh),
        EXTENDED_NEXT_HOP => {
            let entries = list(extended_next_hop, value)?;
            Ok(Capability::ExtendedNextHop(entries.into_iter().flatten().collect()))
        }
        EXTENDED_MESSAGE => empty(value, Capability::ExtendedMessage),
        GRACEFUL_RESTART => graceful_restart(value).map(Capability::GracefulRestart),
        LONG_LIVED_GRACEFUL_RESTART => list(long_lived, value).map(Capability::LongLivedGracefulRestart),
        FOUR_OCTET_ASN => whole(map(be_u32, Asn), value).map(Capability::FourOctetAsn),
        _ => Ok(Capability::Unknown { code, value: Bytes::copy_from_slice(value) }),
    }
}

fn empty(value: &[u8], capability: Capability) -> Result<Capability, WireError> {
    match value.len() {
        0 => Ok(capability),
        more => Err(WireError::TrailingOctets(more)),
    }
}

/// Reads an entry; `None` of a SAFI too great to be one.
fn extended_next_hop(octets: &[u8]) -> Parsed<'_, Option<ExtendedNextHop>> {
    let (rest, (afi, safi, next_hop_afi)) = (be_u16, be_u16, be_u16).parse(octets)?;
    let family = u8::try_from(safi).ok().map(|safi| AfiSafi { afi, safi });
    Ok((rest, family.map(|family| ExtendedNextHop { family, next_hop_afi })))
}

fn graceful_restart(value: &[u8]) -> Result<GracefulRestart, WireError> {
    let (families, head) = be_u16::<_, WireError>(value).map_err(|_| WireError::Truncated)?;
    let family = |octets| {
        let parts = (be_u16, be_u8, be_u8);
        map(parts, |(afi, safi, flags)| (AfiSafi { afi, safi }, flags & FORWARDING != 0)).parse(octets)
    };
    Ok(GracefulRestart {
        restarted: head & RESTARTED != 0,
        notification: head & NOTIFICATION != 0,
        restart_time: head & RESTART_TIME,
        families: list(family, families)?,
    })
}

fn long_lived(octets: &[u8]) -> Parsed<'_, LongLived> {
    let parts = (be_u16, be_u8, be_u8, be_u24);
    let entry = |(afi, safi, flags, stale_time)| LongLived {
        family: AfiSafi { afi, safi },
        forwarding: flags & FORWARDING != 0,
        stale_time,
    };
    map(parts, entry).parse(octets)
}

pub(super) fn encode(capability: &Capability, out: &mut BytesMut) -> Result<(), EncodeError> {
    out.put_u8(code(capability));
    counted_u8("capability", out, |out| {
        match capability {
            Capability::Multiprotocol(family) => {
                out.put_u16(family.afi);
                out.put_u8(0);
                out.put_u8(family.safi);
            }
            Capability::RouteRefresh | Capability::ExtendedMessage => (),
            Capability::ExtendedNextHop(entries) => {
                for entry in entries {
                    out.put_u16(entry.family.afi);
                    out.put_u16(entry.family.safi.into());
                    out.put_u16(entry.next_hop_afi);
                }
            }
            Capability::GracefulRestart(restart) => write_graceful_restart(restart, out),
            Capability::LongLivedGracefulRestart(families) => write_long_lived(families, out),
            Capability::FourOctetAsn(asn) => out.put_u32(asn.0),
            Capability::Unknown { value, .. } => out.put_slice(value),
        }
        Ok(())
    })
}

fn code(capability: &Capability) -> u8 {
    match capability {
        Capability::Multiprotocol(_) => MULTIPROTOCOL,
        Capability::RouteRefresh => ROUTE_REFRESH,
        Capability::ExtendedNextHop(_) => EXTENDED_NEXT_HOP,
        Capability::ExtendedMessage => EXTENDED_MESSAGE,
        Capability::GracefulRestart(_) => GRACEFUL_RESTART,
        Capability::LongLivedGracefulRestart(_) => LONG_LIVED_GRACEFUL_RESTART,
        Capability::FourOctetAsn(_) => FOUR_OCTET_ASN,
        Capability::Unknown { code, .. } => *code,
    }
}

fn write_graceful_restart(restart: &GracefulRestart, out: &mut BytesMut) {
    let flag = |set: bool, bit: u16| if set { bit } else { 0 };
    let bits = flag(restart.restarted, RESTARTED) | flag(restart.notification, NOTIFICATION);
    out.put_u16(bits | restart.restart_time.min(RESTART_TIME));
    for (family, preserved) in &restart.families {
        out.put_u16(family.afi);
        out.put_u8(family.safi);
        out.put_u8(if *preserved { FORWARDING } else { 0 });
    }
}

fn write_long_lived(families: &[LongLived], out: &mut BytesMut) {
    for LongLived { family, forwarding, stale_time } in families {
        out.put_u16(family.afi);
        out.put_u8(family.safi);
        out.put_u8(if *forwarding { FORWARDING } else { 0 });
        out.put_uint((*stale_time).min(LONGEST_STALE_TIME).into(), 3);
    }
}
