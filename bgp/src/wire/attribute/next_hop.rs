//! NEXT_HOP (RFC 4271 §5.1.3, RFC 7606 §7.3): of the IPv4 routes outside MP_REACH_NLRI.
//!
//! Whether the address can be a next hop at all is for the RIB to judge.

use bytes::{BufMut, BytesMut};

use super::Received;
use crate::wire::read::{ipv4, whole};
use crate::wire::{CodecContext, WireError};
use crate::{NextHop, PathAttributes};

pub(super) fn decode(value: &[u8], _: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    received.next_hop = Some(NextHop::V4(whole(ipv4, value)?));
    Ok(())
}

pub(super) fn encode(attributes: &PathAttributes, _: &CodecContext, out: &mut BytesMut) -> Option<()> {
    match attributes.next_hop {
        NextHop::V4(address) => {
            out.put_slice(&address.octets());
            Some(())
        }
        NextHop::V6 { .. } => None,
    }
}
