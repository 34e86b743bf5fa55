//! Dropping what goes to a prefix, because its peer asks for it (RFC 7999).
//!
//! That a path is such a one is no mark on it: the peer may ask, and the path that came through its import policy
//! carries BLACKHOLE. So a policy says who may ask for what, by removing the community or refusing the route.

use super::Rib;
use crate::history::Cause;
use crate::import::is_blackhole;
use crate::path::{Path, PeerId};

impl Rib {
    /// Lets a peer have us drop what goes to its prefixes, or no longer (RFC 7999).
    pub fn set_blackhole(&mut self, id: PeerId, blackhole: bool) {
        let Some(&slot) = self.slots.get(&id) else { return };
        let Some(peer) = self.peer_mut(slot) else { return };
        if std::mem::replace(&mut peer.info.blackhole, blackhole) == blackhole {
            return;
        }
        self.cause = Cause::Import(id);
        let all: Vec<_> = self.destinations.ids().collect();
        self.judge_again(&all, |other| other == slot);
        let of_peer = |id: &u32| self.destinations[*id].paths.iter().any(|path| path.source == slot);
        for id in all.into_iter().filter(of_peer).collect::<Vec<_>>() {
            self.mark_dirty(id);
            self.forwarding_pending.insert(id);
        }
    }

    /// Tells whether what takes a path is dropped, at its peer's wish: its next hop does not matter then.
    pub(super) fn blackhole(&self, path: &Path) -> bool {
        self.peer(path.source)
            .is_some_and(|peer| is_blackhole(&peer.info, self.pool.attributes(path.accepted)))
    }
}
