//! ORIGIN (RFC 4271 §5.1.1, RFC 7606 §7.1).

use bytes::{BufMut, BytesMut};
use nom::number::complete::be_u8;

use super::Received;
use crate::PathAttributes;
use crate::attributes::Origin;
use crate::wire::read::whole;
use crate::wire::{CodecContext, WireError};

pub(super) fn decode(value: &[u8], _: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    received.origin = Some(match whole(be_u8, value)? {
        0 => Origin::Igp,
        1 => Origin::Egp,
        2 => Origin::Incomplete,
        other => return Err(WireError::Value { field: "origin", got: other.into() }),
    });
    Ok(())
}

pub(super) fn encode(attributes: &PathAttributes, _: &CodecContext, out: &mut BytesMut) -> Option<()> {
    out.put_u8(match attributes.origin {
        Origin::Igp => 0,
        Origin::Egp => 1,
        Origin::Incomplete => 2,
    });
    Some(())
}
