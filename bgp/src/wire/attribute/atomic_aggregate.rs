//! ATOMIC_AGGREGATE (RFC 4271 §5.1.6, RFC 7606 §7.6): it is there or it is not.

use bytes::BytesMut;

use super::Received;
use crate::PathAttributes;
use crate::wire::{CodecContext, WireError};

pub(super) fn decode(value: &[u8], _: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    if !value.is_empty() {
        return Err(WireError::TrailingOctets(value.len()));
    }
    received.atomic_aggregate = true;
    Ok(())
}

pub(super) fn encode(attributes: &PathAttributes, _: &CodecContext, _: &mut BytesMut) -> Option<()> {
    attributes.atomic_aggregate.then_some(())
}
