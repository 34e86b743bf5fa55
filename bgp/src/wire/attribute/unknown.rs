//! Attributes of types that have no row (RFC 4271 §5, §9).

use bytes::Bytes;

use super::{OPTIONAL, PARTIAL, Raw, Received, TRANSITIVE};
use crate::attributes::UnknownAttribute;
use crate::wire::WireError;

/// Keeps what is to be passed on; drops the optional that goes no further than to us.
pub(super) fn decode(attribute: &Raw<'_>, received: &mut Received) -> Result<(), WireError> {
    if attribute.flags & OPTIONAL == 0 {
        return Err(WireError::UnrecognizedWellKnown);
    }
    if attribute.flags & TRANSITIVE != 0 {
        received.rare.unknown.push(UnknownAttribute {
            code: attribute.code,
            partial: attribute.flags & PARTIAL != 0,
            // A copy: the octets of the whole message should not live as long as the route.
            value: Bytes::copy_from_slice(attribute.value),
        });
    }
    Ok(())
}
