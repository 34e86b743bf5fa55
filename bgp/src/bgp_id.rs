//! The BGP identifier.

use std::fmt;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;

/// A speaker's identifier: any 32 bits but zero (RFC 6286).
///
/// Ordered as an unsigned number in network order, which is how collisions (RFC 4271 §6.8) and the last
/// steps of the decision process compare it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BgpId(NonZeroU32);

impl BgpId {
    /// Makes an identifier of what a speaker says of itself; `None` for zero (RFC 6286 §2.1).
    #[must_use]
    pub fn new(address: Ipv4Addr) -> Option<Self> {
        NonZeroU32::new(address.to_bits()).map(Self)
    }

    /// Returns the identifier in the dotted form it is written in.
    #[must_use]
    pub fn to_ipv4(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.0.get())
    }
}

impl fmt::Display for BgpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_ipv4().fmt(f)
    }
}

impl fmt::Debug for BgpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BgpId({self})")
    }
}
