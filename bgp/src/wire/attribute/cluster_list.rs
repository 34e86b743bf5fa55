//! CLUSTER_LIST (RFC 4456 §8, RFC 7606 §7.10).

use bytes::{BufMut, BytesMut};

use super::{Received, check_multiple};
use crate::PathAttributes;
use crate::wire::read::{ipv4, list};
use crate::wire::{CodecContext, WireError};

pub(super) fn decode(value: &[u8], _: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    check_multiple("cluster list", value, 4)?;
    received.rare.cluster_list = list(ipv4, value)?;
    Ok(())
}

pub(super) fn encode(attributes: &PathAttributes, _: &CodecContext, out: &mut BytesMut) -> Option<()> {
    attributes.rare.cluster_list.iter().for_each(|cluster| out.put_slice(&cluster.octets()));
    (!attributes.rare.cluster_list.is_empty()).then_some(())
}
