//! Which AS a peer may say it is.

use std::fmt;

use crate::Asn;

/// Which AS a peer may say it is in its OPEN.
///
/// Whether the session is internal follows from this and our own AS alone, so it is known before the session: TTL,
/// GTSM and the like need not wait for the OPEN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerAs {
    /// This one.
    Is(Asn),
    /// Any but ours; which one, its OPEN tells.
    External,
    /// Ours.
    Internal,
}

impl PeerAs {
    /// Tells whether a peer of this AS may have a session with us, who are `local`.
    #[must_use]
    pub fn admits(self, asn: Asn, local: Asn) -> bool {
        match self {
            Self::Is(expected) => asn == expected,
            Self::External => asn != local,
            Self::Internal => asn == local,
        }
    }

    /// Tells whether the session is internal when we are `local`.
    #[must_use]
    pub fn is_internal(self, local: Asn) -> bool {
        match self {
            Self::Is(expected) => expected == local,
            Self::External => false,
            Self::Internal => true,
        }
    }

    /// Returns the AS, where it is known before the OPEN.
    #[must_use]
    pub fn known(self, local: Asn) -> Option<Asn> {
        match self {
            Self::Is(expected) => Some(expected),
            Self::External => None,
            Self::Internal => Some(local),
        }
    }
}

impl From<Asn> for PeerAs {
    fn from(asn: Asn) -> Self {
        Self::Is(asn)
    }
}

impl fmt::Display for PeerAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(asn) => asn.fmt(f),
            Self::External => f.write_str("external"),
            Self::Internal => f.write_str("internal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Asn = Asn(65_001);
    const OTHER: Asn = Asn(65_002);

    #[test]
    fn an_external_peer_may_be_anybody_but_us() {
        assert!(PeerAs::External.admits(OTHER, OURS));
        assert!(!PeerAs::External.admits(OURS, OURS));
        assert_eq!(PeerAs::External.known(OURS), None);
    }

    #[test]
    fn an_internal_peer_is_us_whoever_we_are() {
        assert!(PeerAs::Internal.admits(OURS, OURS));
        assert!(!PeerAs::Internal.admits(OTHER, OURS));
        assert_eq!(PeerAs::Internal.known(OTHER), Some(OTHER));
    }

    #[test]
    fn a_named_as_is_that_and_no_other() {
        assert!(PeerAs::Is(OTHER).admits(OTHER, OURS));
        assert!(!PeerAs::Is(OTHER).admits(OURS, OURS));
        assert!(PeerAs::Is(OURS).is_internal(OURS));
    }
}
