//! Bearing our own AS in the paths of a peer, in the middle of a session.

use super::Rib;
use crate::path::PeerId;

impl Rib {
    /// Says how often our own AS may be in the paths of a peer. What it said is judged anew; the session does not
    /// notice.
    pub fn allow_own_as(&mut self, id: PeerId, times: u8) {
        let Some(&slot) = self.slots.get(&id) else { return };
        let Some(peer) = self.peer_mut(slot) else { return };
        if std::mem::replace(&mut peer.info.own_as.allowed, times) != times {
            self.judge_all_again(slot);
        }
    }
}
