//! Peers coming, going and being changed.

use std::sync::Arc;

use super::Rib;
use crate::export::Export;
use crate::history::Cause;
use crate::import::Import;
use crate::path::{PeerId, Slot};
use crate::peer::{NextHopMode, Peer, PeerInfo};

impl Rib {
    /// Takes in a peer whose session came up: everything best is pending for it.
    ///
    /// A peer that already is up goes down first. Of one that was [lost](Rib::peer_lost) the stale paths stay
    /// and are judged by what the session is now, but not those of a family it no longer carries, and none when
    /// either AS or the link is another. More than 65535 peers at once are not taken in.
    pub fn peer_up(&mut self, id: PeerId, info: PeerInfo) {
        let lost = self.slots.get(&id).and_then(|&slot| Some((slot, self.peer(slot)?)));
        if let Some((slot, _)) = lost.filter(|(_, peer)| peer.is_lost() && peer.info.stays_itself(&info)) {
            self.cause = Cause::SessionBack(id);
            return self.peer_back(slot, info);
        }
        self.peer_down(id);
        let vacant = self.peers.iter().position(Option::is_none).unwrap_or(self.peers.len());
        let Some(slot) = u16::try_from(vacant).ok().map(Slot).filter(|&slot| slot != Slot::LOCAL) else {
            return;
        };
        let peer =
            Peer { id, info, member: None, counts: Default::default(), stale: [0; 2], unrefreshed: [0; 2] };
        if vacant == self.peers.len() {
            self.peers.push(None);
        }
        self.peers[vacant] = Some(peer);
        self.slots.insert(id, slot);
        self.join(slot);
    }

    /// Forgets a peer, up or lost, with everything it said and was told.
    pub fn peer_down(&mut self, id: PeerId) {
        let Some(slot) = self.slots.remove(&id) else { return };
        self.cause = Cause::SessionLost(id);
        let all: Vec<_> = self.destinations.ids().collect();
        for &destination in &all {
            self.forget_paths(destination, slot, |_| true);
        }
        self.leave(slot);
        self.peers[usize::from(slot.0)] = None;
        all.into_iter().for_each(|destination| self.forget_if_unused(destination));
    }

    /// Gives a peer other policies. What it said is judged anew, what it was told is compared anew; the
    /// session does not notice.
    pub fn set_policy(&mut self, id: PeerId, import: Arc<Import>, export: Arc<Export>) {
        let Some(&slot) = self.slots.get(&id) else { return };
        let Some(peer) = self.peer_mut(slot) else { return };
        let import_changed = peer.info.import != import;
        let export_changed = peer.info.export != export;
        peer.info.import = import;
        peer.info.export = export;
        if import_changed {
            self.cause = Cause::Import(id);
            self.judge_all_again(slot);
        }
        if export_changed {
            self.regroup(slot);
        }
    }

    /// Limits how many prefixes of a family a peer may announce from its next UPDATE on.
    pub fn set_max_prefixes(&mut self, id: PeerId, limit: Option<u32>) {
        if let Some(&slot) = self.slots.get(&id)
            && let Some(peer) = self.peer_mut(slot)
        {
            peer.info.max_prefixes = limit;
        }
    }

    /// Makes an internal peer a client, or none any more: other routes are reflected to it and from it (RFC 4456).
    pub fn set_client(&mut self, id: PeerId, client: bool) {
        let Some(&slot) = self.slots.get(&id) else { return };
        let Some(peer) = self.peer_mut(slot) else { return };
        if std::mem::replace(&mut peer.info.client, client) != client {
            self.cause = Cause::Settings;
            let all: Vec<_> = self.destinations.ids().collect();
            all.into_iter().for_each(|destination| self.touch_paths(destination, slot));
            self.regroup(slot);
        }
    }

    /// Tells a peer of other next hops.
    pub fn set_next_hop(&mut self, id: PeerId, next_hop: NextHopMode) {
        let Some(&slot) = self.slots.get(&id) else { return };
        let Some(peer) = self.peer_mut(slot) else { return };
        if std::mem::replace(&mut peer.info.next_hop, next_hop) != next_hop {
            self.regroup(slot);
        }
    }

    /// Says and hears AIGP on a session, or no longer (RFC 7311 §3.3).
    pub fn set_aigp(&mut self, id: PeerId, aigp: bool) {
        let Some(&slot) = self.slots.get(&id) else { return };
        let Some(peer) = self.peer_mut(slot) else { return };
        if std::mem::replace(&mut peer.info.aigp, aigp) != aigp {
            self.cause = Cause::Import(id);
            self.judge_all_again(slot);
            self.regroup(slot);
        }
    }

    /// Has what we originate say to a peer how much fits through our link, or no longer.
    pub fn set_link_bandwidth(&mut self, id: PeerId, octets_per_second: Option<u64>) {
        let Some(&slot) = self.slots.get(&id) else { return };
        let Some(peer) = self.peer_mut(slot) else { return };
        if std::mem::replace(&mut peer.info.link_bandwidth, octets_per_second) != octets_per_second {
            self.regroup(slot);
        }
    }

    /// Takes a lost peer back in, with its stale paths.
    fn peer_back(&mut self, slot: Slot, info: PeerInfo) {
        let (families, most) = (info.families, info.add_path.most_received);
        let Some(peer) = self.peer_mut(slot) else { return };
        // What tells equally good paths apart, and what others are told of them.
        let kind = |info: &PeerInfo| (info.bgp_id, info.address, info.client);
        let renamed = kind(&peer.info) != kind(&info);
        peer.info = info;
        let of_peer = |id: &u32| self.destinations[*id].paths.iter().any(|path| path.source == slot);
        let all: Vec<_> = self.destinations.ids().filter(of_peer).collect();
        for &destination in &all {
            if !families.contains(self.destinations[destination].family()) {
                self.forget_paths(destination, slot, |_| true);
            }
            self.forget_surplus(destination, slot, most);
            if renamed {
                self.touch_paths(destination, slot);
            }
        }
        self.judge_again(&all, |other| other == slot);
        self.join(slot);
    }

    /// Forgets the paths of a peer beyond so many.
    fn forget_surplus(&mut self, id: u32, slot: Slot, most: usize) {
        let own = self.destinations[id].paths.iter().filter(|path| path.source == slot);
        let surplus: Vec<_> = own.skip(most).map(|path| path.path_id).collect();
        self.forget_paths(id, slot, |path| surplus.contains(&path.path_id));
    }

    /// Has a destination decided upon as if the paths of a peer had changed.
    pub(super) fn touch_paths(&mut self, id: u32, slot: Slot) {
        for place in 0..self.destinations[id].paths.len() {
            let path = self.destinations[id].paths[place];
            if path.source == slot {
                self.mark_dirty(id);
                self.destinations[id].touch(path.standing());
            }
        }
    }
}
