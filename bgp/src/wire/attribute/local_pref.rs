//! LOCAL_PREF (RFC 4271 §5.1.5, RFC 7606 §7.5).

use bytes::{BufMut, BytesMut};
use nom::number::complete::be_u32;

use super::Received;
use crate::PathAttributes;
use crate::wire::read::whole;
use crate::wire::{CodecContext, WireError};

pub(super) fn decode(value: &[u8], _: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    received.local_pref = Some(whole(be_u32, value)?);
    Ok(())
}

pub(super) fn encode(attributes: &PathAttributes, _: &CodecContext, out: &mut BytesMut) -> Option<()> {
    attributes.local_pref.map(|value| out.put_u32(value))
}
