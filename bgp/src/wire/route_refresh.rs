//! ROUTE-REFRESH (RFC 2918, RFC 7313).

use bytes::{BufMut, Bytes, BytesMut};

use crate::family::AfiSafi;
use crate::message::RouteRefresh;
use crate::wire::DecodeError;

/// The octet between AFI and SAFI, reserved in RFC 2918, is the subtype of RFC 7313.
pub(super) fn decode(body: &[u8]) -> Result<RouteRefresh, DecodeError> {
    let [high, low, subtype, safi] = *body else {
        return Err(DecodeError::RouteRefresh { body: Bytes::copy_from_slice(body) });
    };
    let family = AfiSafi { afi: u16::from_be_bytes([high, low]), safi };
    Ok(RouteRefresh { family, subtype })
}

pub(super) fn encode(refresh: RouteRefresh, out: &mut BytesMut) {
    out.put_u16(refresh.family.afi);
    out.put_u8(refresh.subtype);
    out.put_u8(refresh.family.safi);
}
