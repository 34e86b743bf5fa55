//! Graceful restart: the paths of a peer whose session is over, but who may still forward and be back.
//!
//! A stale path is a path like any other: it forwards, may be best and is advertised (RFC 4724 §4.2). Only once
//! it is kept for long does it lose against all others, and go to those alone who know what that means (RFC 9494
//! §4.3). Timers, F bits and what may be kept are the caller's; here is what follows for the tables.

use bgp::{Community, Family, FamilySet};

use super::Rib;
use crate::history::Cause;
use crate::path::{Path, PeerId, Slot, Staleness};
use crate::pool::AttrId;

impl Rib {
    /// Takes note that a session is over but the peer may be back. Its paths of the kept families become stale
    /// and stay in use, the others are forgotten, and so is what it was told: [`Rib::peer_up`] or
    /// [`Rib::peer_down`] follows.
    ///
    /// A path that still is stale from the time before is forgotten (RFC 4724 §4.2: a peer that never gets as
    /// far as End-of-RIB cannot keep it), unless it is long-lived, which only its own time ends (RFC 9494 §4.2).
    /// Who wants those of a long-lived family kept calls [`Rib::begin_long_lived`] before.
    pub fn peer_lost(&mut self, id: PeerId, kept: FamilySet) {
        let Some(&slot) = self.slots.get(&id) else { return };
        let Some(peer) = self.peer_mut(slot) else { return };
        // Of a peer already lost nothing has come since that could be more stale than it was.
        let was_up = !peer.is_lost();
        self.cause = Cause::SessionLost(id);
        let all: Vec<_> = self.destinations.ids().collect();
        for &destination in &all {
            let keeps = kept.contains(self.destinations[destination].family());
            self.forget_paths(destination, slot, |path| {
                !keeps || was_up && path.staleness == Some(Staleness::Stale)
            });
            if keeps {
                self.restale(destination, slot, None, Some(Staleness::Stale));
                self.restale(destination, slot, Some(Staleness::Unrefreshed), Some(Staleness::Stale));
            }
        }
        self.leave(slot);
        all.into_iter().for_each(|destination| self.forget_if_unused(destination));
    }

    /// Forgets what of a peer and family still is stale, long-lived or not, and returns how many paths that
    /// were: after End-of-RIB, when the time is up, or when the peer has not preserved forwarding after all.
    pub fn sweep_stale(&mut self, id: PeerId, family: Family) -> usize {
        let Some(&slot) = self.slots.get(&id) else { return 0 };
        let mut swept = 0;
        self.cause = Cause::StaleSwept(id);
        for destination in self.stale_destinations(slot, family) {
            swept +=
                self.forget_paths(destination, slot, |path| path.staleness.is_some_and(Staleness::is_kept));
        }
        swept
    }

    /// Makes the stale paths of a peer and family long-lived: those that carry NO_LLGR are forgotten, the others
    /// lose against everything else from now on and carry LLGR_STALE when advertised (RFC 9494 §4.2).
    pub fn begin_long_lived(&mut self, id: PeerId, family: Family) {
        let Some(&slot) = self.slots.get(&id) else { return };
        self.cause = Cause::LongLived(id);
        for destination in self.stale_destinations(slot, family) {
            let pool = &self.pool;
            let carries = |handle: AttrId| {
                handle.some().is_some_and(|handle| pool.attributes(handle).carries(Community::NO_LLGR))
            };
            let declined: Vec<_> = self.destinations[destination]
                .paths
                .iter()
                .filter(|path| carries(path.received) || carries(path.accepted))
                .map(|path| path.path_id)
                .collect();
            self.forget_paths(destination, slot, |path| {
                path.staleness == Some(Staleness::Stale) && declined.contains(&path.path_id)
            });
            self.grow_long_lived(destination, slot);
        }
    }

    /// Returns how many paths of a peer are stale, by family.
    #[must_use]
    pub fn stale(&self, id: PeerId) -> [u32; 2] {
        self.slots.get(&id).and_then(|&slot| self.peer(slot)).map_or([0; 2], |peer| peer.stale)
    }

    /// Hears a path again that has not changed: if it was stale, it is fresh. Tells whether that was all there was
    /// to do.
    ///
    /// A long-lived path is another one when it is fresh, so that is not all.
    pub(super) fn refreshed(&mut self, id: u32, place: usize, received: AttrId) -> bool {
        let path = self.destinations[id].paths[place];
        if path.is_long_lived() || path.received != received {
            return false;
        }
        self.set_staleness(id, place, None);
        self.monitors.note(id);
        true
    }

    fn grow_long_lived(&mut self, id: u32, slot: Slot) {
        for place in 0..self.destinations[id].paths.len() {
            let path = self.destinations[id].paths[place];
            if path.source == slot && path.staleness == Some(Staleness::Stale) {
                self.mark_dirty(id);
                self.set_staleness(id, place, Some(Staleness::LongLived));
                self.destinations[id].touch(path.standing());
            }
        }
    }

    /// Changes the staleness of a path, and counts it.
    pub(super) fn set_staleness(&mut self, id: u32, place: usize, staleness: Option<Staleness>) {
        let destination = &mut self.destinations[id];
        let family = destination.family() as usize;
        let path = &mut destination.paths[place];
        let (before, source) = (path.staleness, path.source);
        if before == staleness {
            return;
        }
        path.staleness = staleness;
        if let Some(peer) = self.peer_mut(source) {
            let kept = |staleness: Option<Staleness>| u32::from(staleness.is_some_and(Staleness::is_kept));
            let unrefreshed = |staleness| u32::from(staleness == Some(Staleness::Unrefreshed));
            peer.stale[family] += kept(staleness);
            peer.stale[family] -= kept(before);
            peer.unrefreshed[family] += unrefreshed(staleness);
            peer.unrefreshed[family] -= unrefreshed(before);
        }
    }

    /// Forgets the paths of a source at a destination for which something holds; returns how many.
    pub(super) fn forget_paths(&mut self, id: u32, slot: Slot, goes: impl Fn(&Path) -> bool) -> usize {
        let doomed = |path: &Path| path.source == slot && goes(path);
        let mut forgotten = 0;
        while let Some(place) = self.destinations[id].paths.iter().position(&doomed) {
            self.remove_path(id, place);
            forgotten += 1;
        }
        forgotten
    }

    /// Finds the destinations of a family at which a peer has stale paths.
    fn stale_destinations(&self, slot: Slot, family: Family) -> Vec<u32> {
        if self.peer(slot).is_none_or(|peer| peer.stale[family as usize] == 0) {
            return Vec::new();
        }
        let stale = |path: &Path| path.source == slot && path.staleness.is_some_and(Staleness::is_kept);
        let has_stale = |&id: &u32| {
            let destination = &self.destinations[id];
            destination.family() == family && destination.paths.iter().any(stale)
        };
        self.destinations.ids().filter(has_stale).collect()
    }
}
