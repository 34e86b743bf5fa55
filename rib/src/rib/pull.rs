//! Handing out: to peers what they should be told, to the kernel what it should do.

use bgp::{Family, PathAttributes};
use hashbrown::HashMap;
use ipnet::IpNet;

use super::Rib;
use crate::adj_rib_out::{Adverts, Pulled};
use crate::export::{Came, Outgoing, Withheld, export};
use crate::forwarding::{ForwardingChange, ForwardingId};
use crate::path::{Path, PeerId, Slot};
use crate::peer::{Peer, PeerInfo};
use crate::pool::{AttrId, AttributePool};
use crate::update_group::Group;

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
    /// What the way to its next hop costs, where the peer is told.
    metric: Option<u32>,
    family: Family,
}

impl Memo {
    pub(super) fn release(self, pool: &mut AttributePool) {
        self.held.into_iter().for_each(|exported| pool.release(exported));
    }
}

impl Rib {
    /// Tells whether a peer has something to pull.
    #[must_use]
    pub fn has_pending(&self, id: PeerId) -> bool {
        let member = self.slots.get(&id).and_then(|&slot| self.member(slot));
        let group = member.and_then(|member| self.group(member.group));
        member
            .zip(group)
            .is_some_and(|(member, group)| !group.pending.is_empty() || member.has_pending(&group.pending))
    }

    /// Looks at up to `limit` pending destinations and returns what a peer is to be told of them, alone.
    ///
    /// What is returned counts as advertised, so it must be sent, [withheld](Self::withhold), or the session
    /// ended.
    pub fn pull(&mut self, id: PeerId, limit: usize) -> Adverts {
        self.pull_together(id, &[], limit).all_for(id)
    }

    /// Does the same, and has others hear it who are told the same and keep up: `listeners`, members of the peer's
    /// [update group](Self::update_group) that have room as well. What members miss they catch up with by pulling
    /// for themselves.
    pub fn pull_together(&mut self, id: PeerId, listeners: &[PeerId], limit: usize) -> Pulled {
        let Some(slot) = self.slot_of_up(id) else { return Pulled::default() };
        if self.member(slot).is_some_and(|member| member.lagging) {
            let own = self.catch_up(slot, limit);
            if !own.is_empty() || self.member(slot).is_some_and(|member| member.lagging) {
                return Pulled { own, ..Pulled::default() };
            }
        }
        let Some(group) = self.member(slot).map(|member| member.group) else { return Pulled::default() };
        let others = listeners.iter().filter(|&&other| other != id);
        let mut listeners: Vec<_> = others.filter_map(|id| self.slots.get(id).copied()).collect();
        listeners.push(slot);
        let waiting = self.group(group).map_or(0, |group| group.pending.len());
        let shared = self.tell_group(group, &listeners, limit);
        Pulled { shared, own: self.catch_up(slot, limit.saturating_sub(waiting)) }
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

    /// Returns what a group should know of a path, with a count for the caller.
    pub(super) fn exported(
        &mut self,
        group: &Group,
        id: u32,
        path: &Path,
        memo: &mut Memo,
    ) -> Option<AttrId> {
        let view = &group.view;
        let route = self.outgoing(id, path);
        let key = Key {
            accepted: path.accepted,
            came: route.came,
            long_lived: route.long_lived,
            announcer: view.export.looks_at_announcers().then_some(path.source),
            metric: route.metric.filter(|_| view.aigp && route.attributes.rare.aigp.is_some()),
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
        let exported = export(view, route).ok().map(|attributes| self.pool.intern(attributes));
        if !view.export.looks_at_prefixes() {
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
            metric: self.metric(path),
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
        let group = self.group_of_up(id);
        let oversized = group.zip(self.destinations.find(prefix));
        let oversized = oversized.is_some_and(|(group, destination)| group.oversized.contains(destination));
        Err(if oversized { Withheld::Oversized } else { Withheld::Pending })
    }

    /// Works out what a peer should know of a prefix, whatever it was told.
    pub(crate) fn export_afresh(&self, id: PeerId, prefix: &IpNet) -> Result<PathAttributes, Withheld> {
        let slot = self.slot_of_up(id).ok_or(Withheld::Family)?;
        let view = &self.group_of_up(id).ok_or(Withheld::Family)?.view;
        if view.takes_several(Family::of(prefix)) {
            return self.export_any_afresh(slot, view, prefix);
        }
        let id = self.destinations.find(prefix).ok_or(Withheld::NoBestPath)?;
        let best = self.destinations[id].best().ok_or(Withheld::NoBestPath)?;
        if best.source == slot {
            return Err(Withheld::OwnPath);
        }
        let attributes = export(view, self.outgoing(id, best))?;
        let itself = |peer: &Peer| peer.info.address == attributes.next_hop.address();
        if view.keeps_next_hops() && self.peer(slot).is_some_and(itself) {
            return Err(Withheld::OwnNextHop);
        }
        Ok(attributes)
    }

    fn group_of_up(&self, id: PeerId) -> Option<&Group> {
        self.group(self.member(self.slot_of_up(id)?)?.group)
    }
}

fn hold(pool: &mut AttributePool, id: Option<AttrId>) -> Option<AttrId> {
    if let Some(id) = id {
        pool.retain(id);
    }
    id
}
