//! Route refresh in both directions (RFC 2918, RFC 7313).
//!
//! A peer that asks is told everything it was told again, between two brackets. A peer that brackets what it says
//! means that what it does not say again is gone; a bracket that opens makes what it has said *unrefreshed*, which is
//! still as good as any, and one that closes has the rest forgotten.

use bgp::{Family, FamilySet};

use super::Rib;
use crate::history::Cause;
use crate::member::Member;
use crate::path::{PeerId, Slot, Staleness};

impl Rib {
    /// Has everything of a family that was advertised to a peer advertised again (RFC 2918). Asked for again
    /// before the answer is complete, it is answered once more, afterwards: no flood of questions keeps an answer
    /// from its end.
    pub fn refresh(&mut self, id: PeerId, family: Family) {
        if let Some(slot) = self.slot_of_up(id)
            && let Some(member) = self.member_mut(slot)
        {
            member.asked_again.insert(family);
        }
    }

    /// Takes note that a peer begins to say everything of a family again (BoRR, RFC 7313 §4.2).
    pub fn begin_refresh(&mut self, id: PeerId, family: Family) {
        let Some(slot) = self.slot_of_up(id) else { return };
        // Costs a walk only where something has been said since the last one.
        let index = family as usize;
        let fresh = |peer: &crate::peer::Peer| {
            peer.counts[index].received() - peer.stale[index] - peer.unrefreshed[index]
        };
        if self.peer(slot).is_none_or(|peer| fresh(peer) == 0) {
            return;
        }
        for destination in self.destinations.ids().collect::<Vec<_>>() {
            if self.destinations[destination].family() == family {
                self.restale(destination, slot, None, Some(Staleness::Unrefreshed));
            }
        }
    }

    /// Takes note that a peer has said everything of a family again (EoRR, RFC 7313 §4.2), or is not waited for any
    /// longer: forgets what it has not, and returns how many paths that were.
    pub fn end_refresh(&mut self, id: PeerId, family: Family) -> usize {
        let Some(&slot) = self.slots.get(&id) else { return 0 };
        let mut forgotten = 0;
        self.cause = Cause::StaleSwept(id);
        if self.peer(slot).is_some_and(|peer| peer.unrefreshed[family as usize] > 0) {
            for destination in self.destinations.ids().collect::<Vec<_>>() {
                if self.destinations[destination].family() == family {
                    forgotten += self.forget_paths(destination, slot, |path| {
                        path.staleness == Some(Staleness::Unrefreshed)
                    });
                }
            }
        }
        forgotten
    }

    /// Returns how many paths of a peer have not been said again while it says everything again, by family.
    #[must_use]
    pub fn unrefreshed(&self, id: PeerId) -> [u32; 2] {
        self.slots.get(&id).and_then(|&slot| self.peer(slot)).map_or([0; 2], |peer| peer.unrefreshed)
    }

    /// Begins the answers that are due to a peer, and returns their families.
    pub(super) fn begin_answers(&mut self, slot: Slot) -> FamilySet {
        let begun = self.member_mut(slot).map_or(FamilySet::NONE, Member::begin_answers);
        if !begun.is_empty() {
            let is_told = |&id: &u32| {
                begun.contains(self.destinations[id].family()) && self.told(slot, id).next().is_some()
            };
            for id in self.destinations.ids().filter(is_told).collect::<Vec<_>>() {
                let family = self.destinations[id].family();
                if let Some(member) = self.member_mut(slot) {
                    member.say_again(id, family);
                }
            }
        }
        begun
    }

    /// Gives the paths of a source that are stale in one way another staleness.
    pub(super) fn restale(&mut self, id: u32, slot: Slot, from: Option<Staleness>, to: Option<Staleness>) {
        for place in 0..self.destinations[id].paths.len() {
            let path = &self.destinations[id].paths[place];
            if path.source == slot && path.staleness == from {
                self.set_staleness(id, place, to);
            }
        }
    }
}
