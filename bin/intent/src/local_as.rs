//! Going by another AS towards a peer (RFC 7705).

use rib::own_as::{Behind, OwnAs, Shown};

use super::{Intent, PeerIntent};

/// How much the paths show of the two numbers, as the file writes it.
pub const MODES: [(&str, Shown); 3] =
    [("replace", Shown::Nothing), ("no-prepend", Shown::Sent), ("prepend", Shown::Both)];

/// Returns a mode as the file writes it.
#[must_use]
pub fn word(shown: Shown) -> &'static str {
    MODES.iter().find(|(_, mode)| *mode == shown).map_or("replace", |(word, _)| word)
}

impl Intent {
    /// Returns what the paths of a peer say of our own AS, and may say.
    #[must_use]
    pub fn own_as(&self, peer: &PeerIntent) -> OwnAs {
        let masked = self.local_asn(peer) != self.node.asn;
        let behind = masked.then_some(Behind { asn: self.node.asn, shown: peer.local_asn_mode });
        OwnAs { allowed: peer.allow_own_as, behind }
    }
}
