//! Graceful shutdown (RFC 8326): how traffic is asked to leave a session before the session ends.
//!
//! A drain is no policy. It comes after every policy in both directions, so whatever an operator wrote there, a
//! drained session is the last resort, and what was before is back when the drain is called off.

use bgp::{Community, PathAttributes};

use crate::peer::PeerInfo;
use crate::update_group::ExportView;

/// How far a peer is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// What goes out says that it is about to go.
    Announced(Marks),
    /// Nothing goes out.
    Withdrawn,
}

/// What is said to external peers that do not know GRACEFUL_SHUTDOWN, beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// How many more times our AS is in the path.
    pub prepend: u8,
    /// The MED, in place of that of the policy.
    pub med: Option<u32>,
}

/// Why a path has the lowest local preference, whatever import made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lowered {
    /// Its external peer said that it is about to go (RFC 8326 §4.2).
    GracefulShutdown,
    /// We are draining its peer: our own packets are to take another way too (RFC 8326 §4.1).
    Drain,
}

impl Marks {
    /// Marks what goes out to a peer (RFC 8326 §4.1).
    pub(crate) fn apply(self, peer: &ExportView, attributes: &mut PathAttributes) {
        if let Err(place) = attributes.communities.binary_search(&Community::GRACEFUL_SHUTDOWN) {
            attributes.communities.insert(place, Community::GRACEFUL_SHUTDOWN);
        }
        if peer.external {
            attributes.as_path.prepend(peer.local_asn, self.prepend.into());
            attributes.med = self.med.or(attributes.med);
        } else {
            attributes.local_pref = Some(0);
        }
    }
}

/// Tells whether a path of this peer, as received, is to lose against every other, and why.
pub(crate) fn lowered(peer: &PeerInfo, received: &PathAttributes) -> Option<Lowered> {
    let about_to_go = || received.communities.binary_search(&Community::GRACEFUL_SHUTDOWN).is_ok();
    if peer.drain.is_some() {
        Some(Lowered::Drain)
    } else if peer.graceful_shutdown && peer.is_external() && about_to_go() {
        Some(Lowered::GracefulShutdown)
    } else {
        None
    }
}
