//! Our own AS in AS paths: how often it may come back, and what a session under another AS shows of it (RFC 7705).
//!
//! The surprise is that both of our AS numbers count as ours when a session goes by a second one: a path that has
//! been through either has been here.

use bgp::{AsPath, Asn, PathAttributes};

use crate::peer::PeerInfo;
use crate::update_group::ExportView;

/// What is said and borne of our own AS on a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnAs {
    /// How often it may be in a path before that is a loop; 0 is RFC 4271 §9.1.2.
    pub allowed: u8,
    /// What is behind the AS the peer sees; `None` when that is the node's own.
    pub behind: Option<Behind>,
}

/// The node's own AS, on a session that goes by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The node's own AS.
    pub asn: Asn,
    /// How much of this the paths show.
    pub shown: Shown,
}

/// How much paths show of the fact that we go by two AS numbers. Only external sessions say anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// Nothing: the AS of the session stands for us both ways ("Replace Old AS", RFC 7705 §3.3).
    #[default]
    Nothing,
    /// What we send has come through both ("No Prepend Inbound", RFC 7705 §3.2).
    Sent,
    /// What we receive has come through the AS of the session as well ("Local AS", RFC 7705 §3.1).
    Both,
}

impl OwnAs {
    /// Tells whether a path has been here more often than is borne.
    pub(crate) fn is_loop(self, local: Asn, path: &AsPath) -> bool {
        let too_often = |asn| path.count(asn) > usize::from(self.allowed);
        too_often(local) || self.behind.is_some_and(|behind| too_often(behind.asn))
    }
}

/// Puts into a path what an external peer must see of us.
pub(crate) fn sign(peer: &ExportView, attributes: &mut PathAttributes) {
    if let Some(behind) = peer.behind.filter(|behind| behind.shown != Shown::Nothing) {
        attributes.as_path.prepend(behind.asn, 1);
    }
    attributes.as_path.prepend(peer.local_asn, 1);
}

/// Returns the AS that has to be put into the paths of a peer, if any.
pub(crate) fn countersign(peer: &PeerInfo) -> Option<Asn> {
    let shows = peer.own_as.behind.is_some_and(|behind| behind.shown == Shown::Both);
    (shows && peer.is_external()).then_some(peer.local_asn)
}
