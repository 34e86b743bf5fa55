//! UPDATE (RFC 4271 §4.3).

use bytes::{BufMut, Bytes, BytesMut};

use crate::notification::UpdateError;
use crate::wire::{CodecContext, DecodeError, Decoded, EncodeError, WireError};
use crate::{Family, Message, Update};

pub(super) fn decode(body: &[u8], _context: &CodecContext) -> Result<Decoded, DecodeError> {
    if body == [0; 4] {
        let end_of_rib = Some(Family::Ipv4);
        return Ok(Message::Update(Update { end_of_rib, ..Update::default() }).into());
    }
    Err(DecodeError::Update {
        attribute: 0,
        error: WireError::Truncated,
        subcode: UpdateError::MalformedAttributeList,
        data: Bytes::new(),
    })
}

pub(super) fn encode(
    _update: &Update,
    _context: &CodecContext,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    out.put_bytes(0, 4);
    Ok(())
}
