//! ORIGINATOR_ID (RFC 4456 §8, RFC 7606 §7.9).

use bytes::{BufMut, BytesMut};

use super::Received;
use crate::wire::read::{ipv4, whole};
use crate::wire::{CodecContext, WireError};
use crate::{BgpId, PathAttributes};

pub(super) fn decode(value: &[u8], _: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    let id = BgpId::new(whole(ipv4, value)?);
    received.rare.originator_id = Some(id.ok_or(WireError::Value { field: "identifier", got: 0 })?);
    Ok(())
}

pub(super) fn encode(attributes: &PathAttributes, _: &CodecContext, out: &mut BytesMut) -> Option<()> {
    attributes.rare.originator_id.map(|id| out.put_slice(&id.to_ipv4().octets()))
}
