//! COMMUNITIES (RFC 1997, RFC 7606 §7.8).

use bytes::{BufMut, BytesMut};
use nom::combinator::map;
use nom::number::complete::be_u32;

use super::{Received, check_multiple, sorted};
use crate::wire::read::list;
use crate::wire::{CodecContext, WireError};
use crate::{Community, PathAttributes};

pub(super) fn decode(value: &[u8], _: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    check_multiple("communities", value, 4)?;
    received.communities = sorted(list(map(be_u32, Community), value)?);
    Ok(())
}

pub(super) fn encode(attributes: &PathAttributes, _: &CodecContext, out: &mut BytesMut) -> Option<()> {
    attributes.communities.iter().for_each(|community| out.put_u32(community.0));
    (!attributes.communities.is_empty()).then_some(())
}
