//! LARGE_COMMUNITY (RFC 8092 §3, §6).

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::number::complete::be_u32;

use super::{Received, check_multiple, sorted};
use crate::wire::read::list;
use crate::wire::{CodecContext, WireError};
use crate::{LargeCommunity, PathAttributes};

pub(super) fn decode(value: &[u8], _: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    check_multiple("large communities", value, 12)?;
    let parts = (be_u32, be_u32, be_u32);
    let community = parts.map(|(global, local1, local2)| LargeCommunity { global, local1, local2 });
    received.rare.large_communities = sorted(list(community, value)?);
    Ok(())
}

pub(super) fn encode(attributes: &PathAttributes, _: &CodecContext, out: &mut BytesMut) -> Option<()> {
    for community in &attributes.rare.large_communities {
        out.put_u32(community.global);
        out.put_u32(community.local1);
        out.put_u32(community.local2);
    }
    (!attributes.rare.large_communities.is_empty()).then_some(())
}
