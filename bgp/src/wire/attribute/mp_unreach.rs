//! MP_UNREACH_NLRI (RFC 4760 §4).

use bytes::{BufMut, BytesMut};
use nom::combinator::rest;
use nom::number::complete::{be_u8, be_u16};

use super::{EXTENDED_LENGTH, MP_UNREACH, OPTIONAL, Received, mp_reach};
use crate::family::AfiSafi;
use crate::wire::nlri;
use crate::wire::read::whole;
use crate::wire::{CodecContext, WireError};
use crate::{Family, Nlri};

/// What is no longer reachable; nothing at all is End-of-RIB (RFC 4724 §2).
pub(in crate::wire) struct MpUnreach {
    pub(in crate::wire) family: Family,
    pub(in crate::wire) nlri: Vec<Nlri>,
}

pub(super) fn decode(value: &[u8], context: &CodecContext, received: &mut Received) -> Result<(), WireError> {
    let (afi, safi, prefixes) = whole((be_u16, be_u8, rest), value)?;
    let family = mp_reach::negotiated(AfiSafi { afi, safi }, context)?;
    received.mp_unreach =
        Some(MpUnreach { family, nlri: nlri::decode(family, context.received(family), prefixes)? });
    Ok(())
}

/// Writes all but the prefixes; the length must be patched at the place returned.
pub(in crate::wire) fn begin(family: Family, out: &mut BytesMut) -> usize {
    out.put_slice(&[OPTIONAL | EXTENDED_LENGTH, MP_UNREACH]);
    let length_at = out.len();
    out.put_u16(0);
    out.put_u16(family.code().afi);
    out.put_u8(family.code().safi);
    length_at
}
