//! Which of two connections to the same peer survives (RFC 4271 §6.8, RFC 6286 §2.3).

use crate::{Asn, BgpId};

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    /// This speaker dialled.
    Us,
    /// The peer did.
    Peer,
}

/// The connection that got its OPEN first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rival {
    pub(super) opener: Opener,
    pub(super) standing: Standing,
}

/// What would be lost with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing: only its OPEN has come.
    Confirming,
    /// A session.
    Established,
    /// A session with a peer that has said it keeps forwarding over a restart.
    Restartable,
}

/// Tells whether a connection that has just got its OPEN displaces the one that got it before.
///
/// A session that is up stays, unless the peer announced graceful restart in it and opens another connection:
/// then it has restarted, and what we hold for the session is half a connection (RFC 4724 §5). Without a
/// session the connection opened by the speaker with the higher identifier stays,
/// of two equal identifiers the one with the higher AS. The RFC knows no case where both were opened by the
/// same speaker; then it has given up the older, even if we have not heard of that yet.
pub(super) fn displaces(newcomer: Opener, rival: Rival, ours: (BgpId, Asn), theirs: (BgpId, Asn)) -> bool {
    match rival.standing {
        Standing::Established => false,
        Standing::Restartable => newcomer == Opener::Peer,
        Standing::Confirming => {
            let favourite = if ours > theirs { Opener::Us } else { Opener::Peer };
            newcomer == rival.opener || newcomer == favourite
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn speaker(id: u8, asn: u32) -> (BgpId, Asn) {
        (BgpId::new(Ipv4Addr::new(10, 0, 0, id)).unwrap(), Asn(asn))
    }

    const CONFIRMING: fn(Opener) -> Rival = |opener| Rival { opener, standing: Standing::Confirming };

    #[test]
    fn the_connection_of_the_higher_identifier_stays_whichever_came_first() {
        let (low, high) = (speaker(1, 65_002), speaker(2, 65_001));
        assert!(displaces(Opener::Us, CONFIRMING(Opener::Peer), high, low));
        assert!(!displaces(Opener::Peer, CONFIRMING(Opener::Us), high, low));
        assert!(displaces(Opener::Peer, CONFIRMING(Opener::Us), low, high));
        assert!(!displaces(Opener::Us, CONFIRMING(Opener::Peer), low, high));
    }

    #[test]
    fn the_higher_as_decides_between_equal_identifiers() {
        let (low, high) = (speaker(1, 65_001), speaker(1, 65_002));
        assert!(displaces(Opener::Us, CONFIRMING(Opener::Peer), high, low));
        assert!(displaces(Opener::Peer, CONFIRMING(Opener::Us), low, high));
    }

    #[test]
    fn a_session_that_is_up_stays() {
        let rival = Rival { opener: Opener::Peer, standing: Standing::Established };
        assert!(!displaces(Opener::Us, rival, speaker(2, 1), speaker(1, 2)));
        assert!(!displaces(Opener::Peer, rival, speaker(1, 1), speaker(2, 2)));
    }

    #[test]
    fn a_peer_that_restarts_gracefully_displaces_its_session_but_we_do_not() {
        let rival = Rival { opener: Opener::Us, standing: Standing::Restartable };
        assert!(displaces(Opener::Peer, rival, speaker(2, 1), speaker(1, 2)));
        assert!(!displaces(Opener::Us, rival, speaker(2, 1), speaker(1, 2)));
    }

    #[test]
    fn of_two_connections_of_one_speaker_the_newer_stays() {
        assert!(displaces(Opener::Peer, CONFIRMING(Opener::Peer), speaker(2, 1), speaker(1, 2)));
    }
}
