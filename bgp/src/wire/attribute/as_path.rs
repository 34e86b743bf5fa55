//! AS_PATH (RFC 4271 §5.1.2, RFC 7606 §7.2) and AS4_PATH (RFC 6793).
//!
//! Between speakers of 4-octet numbers AS_PATH says all. Towards others it says AS_TRANS where a number does
//! not fit, and AS4_PATH beside it says what was meant.

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::combinator::map;
use nom::number::complete::{be_u8, be_u16, be_u32};

use super::Received;
use crate::as_path::{Segment, SegmentKind};
use crate::wire::read::{Parsed, list, octets, refuse};
use crate::wire::{CodecContext, WireError};
use crate::{AsPath, Asn, PathAttributes};

const SET: u8 = 1;
const SEQUENCE: u8 = 2;
const CONFED_SEQUENCE: u8 = 3;
const CONFED_SET: u8 = 4;

pub(super) fn decode(value: &[u8], context: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    let segments = list(|octets| segment(octets, context.four_octet_asn), value)?;
    let typed = segments.into_iter().map(|(kind, asns)| match kind {
        SET => Ok(Segment { kind: SegmentKind::Set, asns }),
        SEQUENCE => Ok(Segment { kind: SegmentKind::Sequence, asns }),
        other => Err(WireError::Value { field: "segment type", got: other.into() }),
    });
    received.as_path = Some(typed.collect::<Result<_, _>>()?);
    Ok(())
}

/// Confederation segments have no business here and are dropped, the rest is kept (RFC 6793 §6).
pub(super) fn decode_as4(value: &[u8], _: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    if value.is_empty() {
        return Err(WireError::Length { field: "path", got: 0 });
    }
    let mut path = Vec::new();
    for (kind, asns) in list(|octets| segment(octets, true), value)? {
        match kind {
            SET => path.push(Segment { kind: SegmentKind::Set, asns }),
            SEQUENCE => path.push(Segment { kind: SegmentKind::Sequence, asns }),
            CONFED_SEQUENCE | CONFED_SET => (),
            other => return Err(WireError::Value { field: "segment type", got: other.into() }),
        }
    }
    received.as4_path = Some(AsPath::from_iter(path));
    Ok(())
}

/// Reads a segment: type, count, that many AS numbers, none of them 0 (RFC 7607).
fn segment(input: &[u8], four_octet: bool) -> Parsed<'_, (u8, Vec<Asn>)> {
    let (rest, (kind, count)) = (be_u8, be_u8).parse(input)?;
    if count == 0 {
        return refuse(WireError::Length { field: "segment", got: 0 });
    }
    let size = if four_octet { 4 } else { 2 };
    let (rest, members) = octets(usize::from(count) * size).parse(rest)?;
    let asns = if four_octet {
        list(map(be_u32, Asn), members)
    } else {
        list(map(be_u16, |asn| Asn(asn.into())), members)
    };
    match asns {
        Ok(asns) if asns.contains(&Asn(0)) => refuse(WireError::Value { field: "AS", got: 0 }),
        Ok(asns) => Ok((rest, (kind, asns))),
        Err(error) => refuse(error),
    }
}

pub(super) fn encode(attributes: &PathAttributes, context: &CodecContext, out: &mut BytesMut) -> Option<()> {
    write(&attributes.as_path, context.four_octet_asn, out);
    Some(())
}

pub(super) fn encode_as4(
    attributes: &PathAttributes,
    context: &CodecContext,
    out: &mut BytesMut,
) -> Option<()> {
    let needed =
        !context.four_octet_asn && attributes.as_path.iter().any(|asn| u16::try_from(asn.0).is_err());
    needed.then(|| write(&attributes.as_path, true, out))
}

/// Writes segments, cut where a count of one octet makes it necessary.
fn write(path: &AsPath, four_octet: bool, out: &mut BytesMut) {
    for segment in path.segments() {
        for asns in segment.asns.chunks(AsPath::MAX_SEGMENT) {
            out.put_u8(match segment.kind {
                SegmentKind::Set => SET,
                SegmentKind::Sequence => SEQUENCE,
            });
            out.put_u8(u8::try_from(asns.len()).unwrap_or(u8::MAX));
            for asn in asns {
                if four_octet {
                    out.put_u32(asn.0);
                } else {
                    out.put_u16(asn.to_two_octets());
                }
            }
        }
    }
}

/// Puts the head of AS_PATH, which speakers of 2-octet numbers have prepended since, before AS4_PATH.
///
/// An AS4_PATH longer than AS_PATH is out of date and ignored (RFC 6793 §4.2.3).
pub(super) fn merge(path: &AsPath, as4: &AsPath) -> AsPath {
    let Some(mut prepended) = path.length().checked_sub(as4.length()) else {
        return path.clone();
    };
    let mut segments = Vec::new();
    for segment in path.segments() {
        let members = match segment.kind {
            _ if prepended == 0 => break,
            SegmentKind::Set => segment.asns.len(),
            SegmentKind::Sequence => segment.asns.len().min(prepended),
        };
        prepended -= if segment.kind == SegmentKind::Set { 1 } else { members };
        let asns = segment.asns.iter().copied().take(members).collect();
        segments.push(Segment { kind: segment.kind, asns });
    }
    let mut tail = as4.segments().to_vec();
    if let (Some(last), Some(first)) = (segments.last(), tail.first_mut())
        && joins(last, first)
    {
        first.asns.splice(..0, last.asns.iter().copied());
        segments.pop();
    }
    segments.into_iter().chain(tail).collect()
}

fn joins(last: &Segment, next: &Segment) -> bool {
    last.kind == SegmentKind::Sequence
        && next.kind == SegmentKind::Sequence
        && last.asns.len() + next.asns.len() <= AsPath::MAX_SEGMENT
}
