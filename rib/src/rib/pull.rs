//! Handing out: to peers what they should be told, to the kernel what it should do.

use bgp::{Family, Nlri, PathAttributes};
use hashbrown::HashMap;
use ipnet::IpNet;

use super::Rib;
use crate::adj_rib_out::{AdjRibOut, Adverts, Grouping};
use crate::export::{Outgoing, Withheld, export};
use crate::forwarding::{ForwardingChange, ForwardingId};
use crate::path::{Path, PeerId, Slot, Source};
use crate::pool::{AttrId, AttributePool};

/// What was worked out in one pull for equal attributes; each handle is held with a count.
#[derive(Default)]
struct Memo {
    exported: HashMap<Key, Option<AttrId>>,
    held: Vec<AttrId>,
    last: Option<(Key, Option<AttrId>)>,
}

/// Everything an export depends on but the prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    accepted: AttrId,
    originated: bool,
    external: bool,
    long_lived: bool,
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
        let mut out = std::mem::take(&mut peer.out);
        let asked_again = std::mem::take(&mut out.asked_again);
        if !asked_again.is_empty() {
            out.say_again(|id| asked_again.contains(self.destinations[id].family()));
        }
        let mut grouping = Grouping::default();
        let mut memo = Memo::default();
        for _ in 0..limit {
            let Some(destination) = out.pending.take() else { break };
            self.tell(slot, destination, &mut out, &mut grouping, &mut memo);
            self.forget_if_unused(destination);
        }
        memo.held.into_iter().for_each(|exported| self.pool.release(exported));
        let mut adverts = grouping.adverts;
        adverts.end_of_rib = out.settle_initial();
        adverts.more = !out.pending.is_empty();
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
            let told = peer.out.record(destination, AttrId::NONE);
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
            let wanted = self.wanted_forwarding(id);
            let before = self.destinations[id].forwarding;
            if self.forwarding.forwarding(before) == wanted.as_ref() {
                self.forget_if_unused(id);
                continue;
            }
            self.forwarding.release(before);
            self.destinations[id].forwarding =
                wanted.clone().map_or(ForwardingId::NONE, |wanted| self.forwarding.intern(wanted));
            let prefix = self.destinations[id].prefix;
            changes.push(ForwardingChange { prefix, forwarding: wanted });
            self.forget_if_unused(id);
        }
        self.stats.forwarding_changes += changes.len() as u64;
        changes
    }

    /// Compares what a peer should know of a destination with what it was told.
    fn tell(&mut self, slot: Slot, id: u32, out: &mut AdjRibOut, grouping: &mut Grouping, memo: &mut Memo) {
        let wanted = self.exported(slot, id, memo).unwrap_or(AttrId::NONE);
        let told = out.advertised(id);
        let again = out.again.remove(id);
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

    /// Returns what a peer should know of a destination, with a count for the caller.
    fn exported(&mut self, slot: Slot, id: u32, memo: &mut Memo) -> Option<AttrId> {
        let destination = &self.destinations[id];
        let best = *destination.best()?;
        let peer = self.peer(slot)?;
        if best.source == slot {
            return None;
        }
        let route = self.outgoing(id, &best);
        let key = Key {
            accepted: best.accepted,
            originated: route.source == Source::Local,
            external: route.external,
            long_lived: route.long_lived,
            family: destination.family(),
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

    pub(crate) fn outgoing(&self, id: u32, best: &Path) -> Outgoing<'_> {
        Outgoing {
            prefix: self.destinations[id].prefix,
            source: self.source(best.source),
            external: self.peer(best.source).is_some_and(|peer| peer.info.is_external()),
            long_lived: best.is_long_lived(),
            attributes: self.pool.attributes(best.accepted),
        }
    }

    /// Says what a peer was told of a prefix, or why nothing: the record, never a
    /// recomputation.
    ///
    /// # Errors
    ///
    /// Returns why the peer was told nothing.
    pub fn explain_export(&self, id: PeerId, prefix: &IpNet) -> Result<&PathAttributes, Withheld> {
        if let Some(told) = self.advertised_of(id, prefix) {
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
        let peer = self.slot_of_up(id).and_then(|slot| self.peer(slot)).ok_or(Withheld::Family)?;
        let id = self.destinations.find(prefix).ok_or(Withheld::NoBestPath)?;
        let best = self.destinations[id].best().ok_or(Withheld::NoBestPath)?;
        let route = self.outgoing(id, best);
        if route.source == Source::Peer(peer.id) {
            return Err(Withheld::OwnPath);
        }
        export(&peer.info, route)
    }
}

fn hold(pool: &mut AttributePool, id: Option<AttrId>) -> Option<AttrId> {
    if let Some(id) = id {
        pool.retain(id);
    }
    id
}
