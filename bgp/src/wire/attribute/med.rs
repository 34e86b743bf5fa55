//! MULTI_EXIT_DISC (RFC 4271 §5.1.4, RFC 7606 §7.4).

use bytes::{BufMut, BytesMut};
use nom::number::complete::be_u32;

use super::Received;
use crate::PathAttributes;
use crate::wire::read::whole;
use crate::wire::{CodecContext, WireError};

pub(super) fn decode(value: &[u8], _: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    received.med = Some(whole(be_u32, value)?);
    Ok(())
}

pub(super) fn encode(attributes: &PathAttributes, _: &CodecContext, out: &mut BytesMut) -> Option<()> {
    attributes.med.map(|value| out.put_u32(value))
}
