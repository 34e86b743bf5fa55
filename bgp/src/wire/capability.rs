//! Capabilities (RFC 5492 §4): a code, a length, a value.
//!
//! A capability we do not know is kept as it came; one we know must have the length its RFC gives it.

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16, be_u24, be_u32};

use crate::capability::{AddPath, ExtendedNextHop, Fqdn, GracefulRestart, LongLived};
use crate::family::AfiSafi;
use crate::wire::read::{Parsed, list, whole};
use crate::wire::write::counted_u8;
use crate::wire::{EncodeError, WireError};
use crate::{Asn, Capability};

const MULTIPROTOCOL: u8 = 1;
const ROUTE_REFRESH: u8 = 2;
const EXTENDED_NEXT_HOP: u8 = 5;
const EXTENDED_MESSAGE: u8 = 6;
const ROLE: u8 = 9;
const GRACEFUL_RESTART: u8 = 64;
const FOUR_OCTET_ASN: u8 = 65;
const ADD_PATH: u8 = 69;
const ENHANCED_ROUTE_REFRESH: u8 = 70;
const LONG_LIVED_GRACEFUL_RESTART: u8 = 71;
const FQDN: u8 = 73;
const SOFTWARE_VERSION: u8 = 75;
const LINK_LOCAL_NEXT_HOP: u8 = 77;

/// The R and N bits, and the F bit of a family (RFC 4724 §3, RFC 8538 §2, RFC 9494 §3.1).
const RESTARTED: u16 = 0x8000;
const NOTIFICATION: u16 = 0x4000;
const RESTART_TIME: u16 = 0x0FFF;
const FORWARDING: u8 = 0x80;
/// The directions of ADD-PATH (RFC 7911 §4).
const RECEIVE: u8 = 1;
const SEND: u8 = 2;
const BOTH: u8 = RECEIVE | SEND;
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
        ROLE => whole(be_u8, value).map(Capability::Role),
        GRACEFUL_RESTART => graceful_restart(value).map(Capability::GracefulRestart),
        ADD_PATH => add_path(value),
        LONG_LIVED_GRACEFUL_RESTART => list(long_lived, value).map(Capability::LongLivedGracefulRestart),
        FOUR_OCTET_ASN => whole(map(be_u32, Asn), value).map(Capability::FourOctetAsn),
        // It may yet get a value: a draft's mistake must not cost the session.
        LINK_LOCAL_NEXT_HOP if value.is_empty() => Ok(Capability::LinkLocalNextHop),
        ENHANCED_ROUTE_REFRESH => empty(value, Capability::EnhancedRouteRefresh),
        // No session is worth losing over a name: what makes no sense is kept as it came.
        FQDN => Ok(fqdn(value).map_or_else(|| unknown(code, value), Capability::Fqdn)),
        SOFTWARE_VERSION => {
            Ok(software_version(value).map_or_else(|| unknown(code, value), Capability::SoftwareVersion))
        }
        _ => Ok(unknown(code, value)),
    }
}

fn unknown(code: u8, value: &[u8]) -> Capability {
    Capability::Unknown { code, value: Bytes::copy_from_slice(value) }
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

/// Reads ADD-PATH. A direction that is none makes all of it unknown (RFC 7911 §4).
fn add_path(value: &[u8]) -> Result<Capability, WireError> {
    let entry = |octets| {
        let parts = (be_u16, be_u8, be_u8);
        map(parts, |(afi, safi, direction)| match direction {
            RECEIVE | SEND | BOTH => Some(AddPath {
                family: AfiSafi { afi, safi },
                receive: direction & RECEIVE != 0,
                send: direction & SEND != 0,
            }),
            _ => None,
        })
        .parse(octets)
    };
    let entries: Option<Vec<_>> = list(entry, value)?.into_iter().collect();
    let unknown = || Capability::Unknown { code: ADD_PATH, value: Bytes::copy_from_slice(value) };
    Ok(entries.map_or_else(unknown, Capability::AddPath))
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

/// Reads a text with its length before it.
fn text(octets: &[u8]) -> Option<(&[u8], String)> {
    let (rest, text) = length_data(be_u8::<_, WireError>).parse(octets).ok()?;
    Some((rest, String::from_utf8(text.to_vec()).ok()?))
}

fn fqdn(value: &[u8]) -> Option<Fqdn> {
    let (rest, host) = text(value)?;
    let (rest, domain) = text(rest)?;
    rest.is_empty().then_some(Fqdn { host, domain })
}

fn software_version(value: &[u8]) -> Option<String> {
    let (rest, version) = text(value)?;
    rest.is_empty().then_some(version)
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
            Capability::RouteRefresh
            | Capability::ExtendedMessage
            | Capability::EnhancedRouteRefresh
            | Capability::LinkLocalNextHop => (),
            Capability::Role(role) => out.put_u8(*role),
            Capability::ExtendedNextHop(entries) => {
                for entry in entries {
                    out.put_u16(entry.family.afi);
                    out.put_u16(entry.family.safi.into());
                    out.put_u16(entry.next_hop_afi);
                }
            }
            Capability::GracefulRestart(restart) => write_graceful_restart(restart, out),
            Capability::AddPath(entries) => write_add_path(entries, out),
            Capability::LongLivedGracefulRestart(families) => write_long_lived(families, out),
            Capability::FourOctetAsn(asn) => out.put_u32(asn.0),
            Capability::Fqdn(Fqdn { host, domain }) => {
                counted_text(host, out)?;
                counted_text(domain, out)?;
            }
            Capability::SoftwareVersion(version) => counted_text(version, out)?,
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
        Capability::AddPath(_) => ADD_PATH,
        Capability::LongLivedGracefulRestart(_) => LONG_LIVED_GRACEFUL_RESTART,
        Capability::LinkLocalNextHop => LINK_LOCAL_NEXT_HOP,
        Capability::Role(_) => ROLE,
        Capability::FourOctetAsn(_) => FOUR_OCTET_ASN,
        Capability::EnhancedRouteRefresh => ENHANCED_ROUTE_REFRESH,
        Capability::Fqdn(_) => FQDN,
        Capability::SoftwareVersion(_) => SOFTWARE_VERSION,
        Capability::Unknown { code, .. } => *code,
    }
}

fn counted_text(text: &str, out: &mut BytesMut) -> Result<(), EncodeError> {
    counted_u8("capability", out, |out| {
        out.put_slice(text.as_bytes());
        Ok(())
    })
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

/// Writes the entries that name a direction: the others say nothing.
fn write_add_path(entries: &[AddPath], out: &mut BytesMut) {
    for AddPath { family, receive, send } in entries.iter().filter(|entry| entry.receive || entry.send) {
        out.put_u16(family.afi);
        out.put_u8(family.safi);
        out.put_u8(if *receive { RECEIVE } else { 0 } | if *send { SEND } else { 0 });
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
