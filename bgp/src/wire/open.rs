//! OPEN and its optional parameters (RFC 4271 §4.2, RFC 9072).

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::multi::{length_data, length_value};
use nom::number::complete::{be_u8, be_u16};

use crate::wire::read::{Parsed, ipv4, list, whole};
use crate::wire::write::{check_max, counted_u8, counted_u16};
use crate::wire::{DecodeError, EncodeError, OpenFault, WireError, capability};
use crate::{Asn, BgpId, Capability, HoldTime, Open};

const VERSION: u8 = 4;
/// The parameter that holds capabilities (RFC 5492 §4).
const CAPABILITIES: u8 = 2;
/// Stands in place of the first parameter's type to say that lengths are of two octets (RFC 9072 §2).
const EXTENDED: u8 = 255;

pub(super) fn decode(body: &[u8]) -> Result<Open, DecodeError> {
    Ok(read(body)?)
}

fn read(body: &[u8]) -> Result<Open, OpenFault> {
    // The version goes first: of another version's OPEN the rest may be anything.
    match body.split_first() {
        Some((&VERSION, _)) => (),
        Some((&version, _)) => return Err(OpenFault::Version(version)),
        None => return Err(WireError::Truncated.into()),
    }
    let fixed = (be_u8, be_u16, be_u16, ipv4);
    let (_, field, seconds, id, parameters) = whole(
        (fixed, parameters).map(|((version, asn, hold, id), rest)| (version, asn, hold, id, rest)),
        body,
    )?;
    let mut capabilities = Vec::new();
    for (kind, value) in parameters {
        if kind != CAPABILITIES {
            return Err(OpenFault::Parameter(kind));
        }
        capabilities.extend(list(capability::decode, value)?);
    }
    Ok(Open {
        asn: asn(field, &capabilities)?,
        bgp_id: BgpId::new(id).ok_or(OpenFault::BgpId)?,
        hold_time: HoldTime::new(seconds).ok_or(OpenFault::HoldTime(seconds))?,
        capabilities,
    })
}

/// Reads the parameters in whichever form they came: the first type tells.
///
/// RFC 9072 §2 wants the short length ignored once the long form is recognised.
fn parameters(octets: &[u8]) -> Parsed<'_, Vec<(u8, &[u8])>> {
    match octets {
        [length, EXTENDED, extended @ ..] if *length > 0 => {
            let parameter = |octets| (be_u8, length_data(be_u16)).parse(octets);
            length_value(be_u16, all(parameter)).parse(extended)
        }
        _ => {
            let parameter = |octets| (be_u8, length_data(be_u8)).parse(octets);
            length_value(be_u8, all(parameter)).parse(octets)
        }
    }
}

/// Turns a reader of one into a reader of all there is.
fn all<'a, T>(
    parser: impl Fn(&'a [u8]) -> Parsed<'a, T>,
) -> impl Parser<&'a [u8], Output = Vec<T>, Error = WireError> {
    move |octets| list(&parser, octets).map(|values| (&[][..], values)).map_err(nom::Err::Failure)
}

/// Judges the two places that name the sender's AS (RFC 6793 §4.2.1, RFC 7607).
///
/// AS_TRANS is nobody's AS, so alone it is refused. Beside a number that would have fitted it is needless but
/// names nobody else; FRR lets it pass too.
fn asn(field: u16, capabilities: &[Capability]) -> Result<Asn, OpenFault> {
    let capability = capabilities.iter().find_map(|capability| match capability {
        Capability::FourOctetAsn(asn) => Some(*asn),
        _ => None,
    });
    let fixed = Asn(field.into());
    let asn = capability.unwrap_or(fixed);
    let agrees = fixed == asn || fixed == Asn::TRANS;
    if field == 0 || asn.is_reserved() || !agrees {
        return Err(OpenFault::PeerAs { field, capability: capability.map(|asn| asn.0) });
    }
    Ok(asn)
}

pub(super) fn encode(open: &Open, out: &mut BytesMut) -> Result<(), EncodeError> {
    out.put_u8(VERSION);
    out.put_u16(open.asn.to_two_octets());
    out.put_u16(open.hold_time.seconds());
    out.put_slice(&open.bgp_id.to_ipv4().octets());
    let mut capabilities = BytesMut::new();
    for capability in &open.capabilities {
        capability::encode(capability, &mut capabilities)?;
    }
    check_max("capabilities", capabilities.len(), u16::MAX.into())?;
    let parameter_header = 2;
    if capabilities.is_empty() {
        out.put_u8(0);
        Ok(())
    } else if capabilities.len() + parameter_header <= u8::MAX.into() {
        counted_u8("optional parameters", out, |out| {
            out.put_u8(CAPABILITIES);
            counted_u8("capabilities", out, |out| {
                out.put_slice(&capabilities);
                Ok(())
            })
        })
    } else {
        out.put_u8(u8::MAX);
        out.put_u8(EXTENDED);
        counted_u16("optional parameters", out, |out| {
            out.put_u8(CAPABILITIES);
            counted_u16("capabilities", out, |out| {
                out.put_slice(&capabilities);
                Ok(())
            })
        })
    }
}

#[cfg(test)]
mod tests;
