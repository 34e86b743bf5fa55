//! AGGREGATOR (RFC 4271 §5.1.7, RFC 7606 §7.7) and AS4_AGGREGATOR (RFC 6793).

use bytes::{BufMut, BytesMut};
use nom::combinator::map;
use nom::number::complete::{be_u16, be_u32};

use super::Received;
use crate::attributes::Aggregator;
use crate::wire::read::{ipv4, whole};
use crate::wire::{CodecContext, WireError};
use crate::{Asn, PathAttributes};

pub(super) fn decode(value: &[u8], context: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    received.rare.aggregator = Some(if context.four_octet_asn { long(value)? } else { short(value)? });
    Ok(())
}

pub(super) fn decode_as4(value: &[u8], _: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    received.as4_aggregator = Some(long(value)?);
    Ok(())
}

fn long(value: &[u8]) -> Result<Aggregator, WireError> {
    check(whole((map(be_u32, Asn), ipv4), value)?)
}

fn short(value: &[u8]) -> Result<Aggregator, WireError> {
    check(whole((map(be_u16, |asn| Asn(asn.into())), ipv4), value)?)
}

/// Refuses AS 0 (RFC 7607 §2).
fn check((asn, address): (Asn, std::net::Ipv4Addr)) -> Result<Aggregator, WireError> {
    match asn {
        Asn(0) => Err(WireError::Value { field: "AS", got: 0 }),
        _ => Ok(Aggregator { asn, address }),
    }
}

pub(super) fn encode(attributes: &PathAttributes, context: &CodecContext, out: &mut BytesMut) -> Option<()> {
    let aggregator = attributes.rare.aggregator?;
    if context.four_octet_asn {
        out.put_u32(aggregator.asn.0);
    } else {
        out.put_u16(aggregator.asn.to_two_octets());
    }
    out.put_slice(&aggregator.address.octets());
    Some(())
}

pub(super) fn encode_as4(
    attributes: &PathAttributes,
    context: &CodecContext,
    out: &mut BytesMut,
) -> Option<()> {
    let aggregator = attributes.rare.aggregator?;
    let needed = !context.four_octet_asn && u16::try_from(aggregator.asn.0).is_err();
    needed.then(|| {
        out.put_u32(aggregator.asn.0);
        out.put_slice(&aggregator.address.octets());
    })
}
