//! Taking up and calling off what RFC 8326 asks for, in the middle of a session.

use super::Rib;
use crate::drain::Drain;
use crate::history::Cause;
use crate::path::PeerId;

impl Rib {
    /// Drains a peer, or no longer. What it said loses against every other path from now on, what it is told says
    /// so or is withdrawn; the session does not notice.
    pub fn set_drain(&mut self, id: PeerId, drain: Option<Drain>) {
        let Some(&slot) = self.slots.get(&id) else { return };
        let Some(peer) = self.peer_mut(slot) else { return };
        let before = std::mem::replace(&mut peer.info.drain, drain);
        if before.is_some() != drain.is_some() {
            self.cause = Cause::Drained(id);
            self.judge_all_again(slot);
        }
        if before != drain {
            self.regroup(slot);
        }
    }

    /// Heeds GRACEFUL_SHUTDOWN of a peer, or no longer.
    pub fn set_graceful_shutdown(&mut self, id: PeerId, heed: bool) {
        let Some(&slot) = self.slots.get(&id) else { return };
        let Some(peer) = self.peer_mut(slot) else { return };
        if std::mem::replace(&mut peer.info.graceful_shutdown, heed) != heed {
            self.cause = Cause::Import(id);
            self.judge_all_again(slot);
        }
    }
}
