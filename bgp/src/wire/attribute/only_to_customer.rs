//! ONLY_TO_CUSTOMER (RFC 9234 §5).

use bytes::{BufMut, BytesMut};
use nom::number::complete::be_u32;

use super::Received;
use crate::wire::read::whole;
use crate::wire::{CodecContext, WireError};
use crate::{Asn, PathAttributes};

pub(super) fn decode(value: &[u8], _: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    received.rare.only_to_customer = Some(Asn(whole(be_u32, value)?));
    Ok(())
}

pub(super) fn encode(attributes: &PathAttributes, _: &CodecContext, out: &mut BytesMut) -> Option<()> {
    attributes.rare.only_to_customer.map(|asn| out.put_u32(asn.0))
}
