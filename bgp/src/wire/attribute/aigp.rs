//! AIGP (RFC 7311): what the way to the next hop costs, over several ASes of one administration.

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::number::complete::{be_u8, be_u16, be_u64};

use super::Received;
use crate::PathAttributes;
use crate::attributes::Aigp;
use crate::wire::read::{Parsed, list, octets, whole};
use crate::wire::{CodecContext, WireError};

/// The TLV with the metric, and its length with its own type and length.
const METRIC: u8 = 1;
const METRIC_LENGTH: u16 = 11;

pub(super) fn decode(value: &[u8], _: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    let mut metric = None;
    let mut others = BytesMut::new();
    for (kind, value) in list(tlv, value)? {
        match (kind, metric) {
            (METRIC, None) => metric = Some(whole(be_u64, value)?),
            _ => put(kind, value, &mut others),
        }
    }
    // One without a metric says nothing, to anybody.
    received.rare.aigp = metric.map(|metric| Aigp { metric, others: others.freeze() });
    Ok(())
}

pub(super) fn encode(attributes: &PathAttributes, _: &CodecContext, out: &mut BytesMut) -> Option<()> {
    let Aigp { metric, others } = attributes.rare.aigp.as_ref()?;
    put(METRIC, &metric.to_be_bytes(), out);
    out.put_slice(others);
    Some(())
}

/// Reads a type and a value; the length counts both and itself.
fn tlv(input: &[u8]) -> Parsed<'_, (u8, &[u8])> {
    let (rest, (kind, length)) = (be_u8, be_u16).parse(input)?;
    let wrong = || nom::Err::Failure(WireError::Length { field: "AIGP TLV", got: length.into() });
    let of_value = length.checked_sub(3).ok_or_else(wrong)?;
    if kind == METRIC && length != METRIC_LENGTH {
        return Err(wrong());
    }
    let (rest, value) = octets(of_value).parse(rest)?;
    Ok((rest, (kind, value)))
}

fn put(kind: u8, value: &[u8], out: &mut BytesMut) {
    out.put_u8(kind);
    // It came with this length, or is the metric.
    out.put_u16(value.len() as u16 + 3);
    out.put_slice(value);
}
