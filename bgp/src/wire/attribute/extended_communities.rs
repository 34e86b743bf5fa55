//! EXTENDED COMMUNITIES (RFC 4360, RFC 7606 §7.14).

use bytes::{BufMut, BytesMut};
use nom::combinator::map;
use nom::number::complete::be_u64;

use super::{Received, check_multiple, sorted};
use crate::wire::read::list;
use crate::wire::{CodecContext, WireError};
use crate::{ExtendedCommunity, PathAttributes};

pub(super) fn decode(value: &[u8], _: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    check_multiple("extended communities", value, 8)?;
    let community = map(be_u64, |octets| ExtendedCommunity(octets.to_be_bytes()));
    received.rare.extended_communities = sorted(list(community, value)?);
    Ok(())
}

pub(super) fn encode(attributes: &PathAttributes, _: &CodecContext, out: &mut BytesMut) -> Option<()> {
    attributes.rare.extended_communities.iter().for_each(|community| out.put_slice(&community.0));
    (!attributes.rare.extended_communities.is_empty()).then_some(())
}
