//! Handing out: to peers what they should be told, to the kernel what it should do.

use bgp::{Family, Nlri, PathAttributes};
use hashbrown::HashMap;
use ipnet::IpNet;

use super::Rib;
use crate::adj_rib_out::{AdjRibOut, Adverts, Grouping};
use crate::export::{Came, Outgoing, Withheld, export};
use crate::forwarding::{ForwardingChange, ForwardingId};
use crate::path::{Path, PeerId, Slot};
use crate::peer::PeerInfo;
use crate::pool::{AttrId, AttributePool};

/// What was worked out in one pull for equal attributes; each handle is held with a count.
#[derive(Default)]
pub(super) struct Memo {
    exported: HashMap<Key, Option<AttrId>>,
    held: Vec<AttrId>,
    last: Option<(Key, Option<AttrId>)>,
}

/// Everything an export depends on but the prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    accepted: AttrId,
    came: Came,
    long_lived: bool,
    /// Who announced it, where the policy looks at that.
    announcer: Option<Slot>,
    family: Family,
}

impl Rib {
    /// Tells whether a peer has something to pull.
    #[must_use]
    pub fn has_pending(&self, id: PeerId) -> bool {
        let peer = self.slots.get(&id).and_then(|&slot| self.peer(slot));
        peer.is_some_and(|peer| !peer.out.is_settled())
    }

    /// Looks at up to `limit` pending destinations and returns what the peer is to be told of them.
    ///
    /// What is returned counts as advertised, so it must be sent, [withheld](Self::withhold), or the session
    /// ended.
    pub fn pull(&mut self, id: PeerId, limit: usize) -> Adverts {
        let Some(slot) = self.slot_of_up(id) else { return Adverts::default() };
        let Some(peer) = self.peer_mut(slot) else { return Adverts::default() };
        let several = peer.info.add_path.send;
        let mut out = std::mem::take(&mut peer.out);
        let begun = self.begin_answers(&mut out);
        let mut grouping = Grouping::default();
        let mut memo = Memo::default();
        for _ in 0..limit {
            let Some(destination) = out.pending.take() else { break };
            if several.contains(self.destinations[destination].family()) {
                self.tell_paths(slot, destination, &mut out, &mut grouping, &mut memo);
            } else {
                self.tell(slot, destination, &mut out, &mut grouping, &mut memo);
            }
            self.forget_if_unused(destination);
        }
        memo.held.into_iter().for_each(|exported| self.pool.release(exported));
        let mut adverts = grouping.adverts;
        adverts.end_of_rib = out.settle_initial();
        adverts.refresh_begun = begun;
        adverts.refresh_ended = out.end_answers();
        adverts.more = !out.is_settled();
        if let Some(peer) = self.peer_mut(slot) {
            peer.out = out;
        }
        adverts
    }

    /// Takes note that prefixes just pulled were not advertised, but withdrawn: no message can hold their
    /// attributes. It is tried again when the best path, a policy or the session changes.
    pub fn withhold(&mut self, id: PeerId, nlri: &[Nlri]) {
        let Some(&slot) = self.slots.get(&id) else { return };
        for nlri in nlri {
            let Some(destination) = self.destinations.find(&nlri.prefix) else { continue };
            let Some(peer) = self.peer_mut(slot) else { return };
            let told = match nlri.path_id {
                0 => peer.out.record(destination, AttrId::NONE),
                path_id => peer.out.add_path.forget(destination, path_id),
            };
            if told == AttrId::NONE {
                continue;
            }
            peer.out.oversized.insert(destination);
            peer.counts[Family::of(&nlri.prefix) as usize].advertised -= 1;
            self.stats.advertised -= 1;
            self.stats.unadvertised += 1;
            self.monitors.note(destination);
            self.pool.release(told);
        }
    }

    /// Tells whether there are forwarding changes to pull.
    #[must_use]
    pub fn has_pending_forwarding(&self) -> bool {
        !self.forwarding_pending.is_empty()
    }

    /// Looks at up to `limit` pending destinations and returns those whose forwarding is not what was handed
    /// out last.
    pub fn pull_forwarding(&mut self, limit: usize) -> Vec<ForwardingChange> {
        let mut changes = Vec::new();
        for _ in 0..limit {
            let Some(id) = self.forwarding_pending.take() else { break };
            let wanted = self.wanted_forwarding(id).map(|forwarding| (forwarding, self.wanted_metric(id)));
            let before = self.destinations[id].forwarding;
            if self.forwarding.handed(before) == wanted.as_ref() {
                self.forget_if_unused(id);
                continue;
            }
            self.forwarding.release(before);
            self.destinations[id].forwarding =
                wanted.clone().map_or(ForwardingId::NONE, |wanted| self.forwarding.intern(wanted));
            let prefix = self.destinations[id].prefix;
            let (forwarding, metric) = wanted.unzip();
            changes.push(ForwardingChange { prefix, forwarding, metric: metric.flatten() });
            self.forget_if_unused(id);
        }
        self.stats.forwarding_changes += changes.len() as u64;
        changes
    }

    /// Compares what a peer should know of a destination with what it was told.
    fn tell(&mut self, slot: Slot, id: u32, out: &mut AdjRibOut, grouping: &mut Grouping, memo: &mut Memo) {
        let best = self.destinations[id].best().filter(|best| best.source != slot).copied();
        let wanted = best.and_then(|best| self.exported(slot, id, &best, memo)).unwrap_or(AttrId::NONE);
        let told = out.advertised(id);
        let again = out.again[self.destinations[id].family() as usize].remove(id);
        out.oversized.remove(id);
        if wanted == told && !(again && wanted != AttrId::NONE) {
            self.pool.release(wanted);
            return;
        }
        let prefix = self.destinations[id].prefix;
        let (family, nlri) = (Family::of(&prefix), Nlri::from(prefix));
        if wanted == AttrId::NONE {
            grouping.withdraw(family, nlri);
            self.stats.unadvertised += 1;
        } else {
            grouping.announce(&self.pool, wanted, family, nlri);
            self.stats.advertised += 1;
        }
        out.record(id, wanted);
        self.monitors.note(id);
        self.pool.release(told);
        if let Some(peer) = self.peer_mut(slot) {
            let advertised = &mut peer.counts[family as usize].advertised;
            *advertised += u32::from(told == AttrId::NONE);
            *advertised -= u32::from(wanted == AttrId::NONE);
        }
    }

    /// Returns what a peer should know of a path, with a count for the caller.
    pub(super) fn exported(&mut self, slot: Slot, id: u32, path: &Path, memo: &mut Memo) -> Option<AttrId> {
        let peer = self.peer(slot)?;
        let route = self.outgoing(id, path);
        let key = Key {
            accepted: path.accepted,
            came: route.came,
            long_lived: route.long_lived,
            announcer: peer.info.export.looks_at_announcers().then_some(path.source),
            family: self.destinations[id].family(),
        };
        if let Some((last, exported)) = memo.last
            && last == key
        {
            return hold(&mut self.pool, exported);
        }
        if let Some(&exported) = memo.exported.get(&key) {
            memo.last = Some((key, exported));
            return hold(&mut self.pool, exported);
        }
        let looks_at_prefixes = peer.info.export.looks_at_prefixes();
        let exported = export(&peer.info, route).ok().map(|attributes| self.pool.intern(attributes));
        if !looks_at_prefixes {
            memo.held.extend(hold(&mut self.pool, exported));
            memo.exported.insert(key, exported);
            memo.last = Some((key, exported));
        }
        exported
    }

    pub(super) fn outgoing(&self, id: u32, path: &Path) -> Outgoing<'_> {
        let announcer = self.peer(path.source).map(|peer| &peer.info);
        Outgoing {
            prefix: self.destinations[id].prefix,
            came: Came::from(announcer),
            announcer: announcer.map(PeerInfo::announcer),
            interface: self.interface_of(id, path),
            long_lived: path.is_long_lived(),
            cluster_id: self.settings.cluster_id,
            attributes: self.pool.attributes(path.accepted),
        }
    }

    /// Says what a peer was told of a prefix, or why nothing: the record, never a recomputation. Of several paths
    /// it is the one with the lowest identifier.
    ///
    /// # Errors
    ///
    /// Returns why the peer was told nothing.
    pub fn explain_export(&self, id: PeerId, prefix: &IpNet) -> Result<&PathAttributes, Withheld> {
        if let Some((_, told)) = self.advertised_of(id, prefix).next() {
            return Ok(told);
        }
        self.export_afresh(id, prefix)?;
        let oversized = self.slots.get(&id).and_then(|&slot| self.peer(slot)).is_some_and(|peer| {
            self.destinations.find(prefix).is_some_and(|destination| peer.out.oversized.contains(destination))
        });
        Err(if oversized { Withheld::Oversized } else { Withheld::Pending })
    }

    /// Works out what a peer should know of a prefix, whatever it was told.
    pub(crate) fn export_afresh(&self, id: PeerId, prefix: &IpNet) -> Result<PathAttributes, Withheld> {
        let slot = self.slot_of_up(id).ok_or(Withheld::Family)?;
        let peer = self.peer(slot).ok_or(Withheld::Family)?;
        if peer.info.add_path.send.contains(Family::of(prefix)) {
            return self.export_any_afresh(slot, prefix);
        }
        let id = self.destinations.find(prefix).ok_or(Withheld::NoBestPath)?;
        let best = self.destinations[id].best().ok_or(Withheld::NoBestPath)?;
        if best.source == slot {
            return Err(Withheld::OwnPath);
        }
        export(&peer.info, self.outgoing(id, best))
    }
}

fn hold(pool: &mut AttributePool, id: Option<AttrId>) -> Option<AttrId> {
    if let Some(id) = id {
        pool.retain(id);
    }
    id
}
