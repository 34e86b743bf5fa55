//! Deciding, and telling the consumers that something is pending.

use std::net::{IpAddr, Ipv6Addr};

use bgp::{Community, FamilySet, NextHop};
use smallvec::SmallVec;

use super::Rib;
use super::owners::Way;
use crate::decision::{Candidate, Neighbor, Standings, decide};
use crate::destinations::Mark;
use crate::forwarding::{Forwarding, Gateway};
use crate::history::{BestChange, Cause, Dirty};
use crate::next_hop::Resolution;
use crate::path::{Path, Slot, Source, Standing};
use crate::pool::AttrId;
use crate::weights::{bandwidth, share};

impl Rib {
    /// Decides on everything that changed since the last time.
    pub fn settle(&mut self) {
        self.settle_and_tell(|_| ());
    }

    /// Does the same, and tells of each best path that changed.
    pub fn settle_and_tell(&mut self, mut tell: impl FnMut(BestChange)) {
        self.follow_next_hops();
        let peers = self.peers.iter().flatten();
        let several = peers.flat_map(|peer| peer.info.add_path.send.iter()).collect();
        for dirty in std::mem::take(&mut self.dirty) {
            self.decide(dirty, several).into_iter().for_each(&mut tell);
        }
    }

    /// Marks the destinations whose next hops lead elsewhere now.
    fn follow_next_hops(&mut self) {
        if !self.pool.next_hops.any_changed() {
            return;
        }
        self.cause = Cause::NextHop;
        let (pool, destinations) = (&self.pool, &self.destinations);
        let changed = |path: &Path| {
            path.accepted.some().is_some_and(|accepted| pool.next_hops.has_changed(pool.next_hop(accepted)))
        };
        let concerned = destinations.ids().filter(|&id| destinations[id].paths.iter().any(changed));
        let concerned: Vec<_> = concerned.collect();
        for &id in &concerned {
            self.mark_dirty(id);
            self.forwarding_pending.insert(id);
            let accumulates = |best: &Path| self.pool.attributes(best.accepted).rare.aigp.is_some();
            if self.destinations[id].best().is_some_and(accumulates) {
                // What peers are told of it says how far it is.
                self.pend(id, true);
            }
        }
        self.pool.next_hops.clear_changes();
        self.pend_for_interfaces(&concerned);
    }

    /// Decides on a destination, and says what became of its best path if that changed. Some peers are told of all
    /// paths of `several` families, so that for them anything is news.
    fn decide(&mut self, dirty: Dirty, several: FamilySet) -> Option<BestChange> {
        let id = dirty.id;
        self.stats.decisions += 1;
        let standings = self.standings(id);
        let destination = &mut self.destinations[id];
        destination.unmark(Mark::Dirty);
        let mut best_changed = destination.unmark(Mark::BestTouched);
        let mut forwarding_changed = destination.unmark(Mark::ForwardingTouched);
        let family = destination.family();
        let candidates = destination.paths.iter_mut().filter(|path| path.accepted != AttrId::NONE);
        for (path, standing) in candidates.zip(standings) {
            let before = path.standing();
            if before == standing {
                continue;
            }
            best_changed |= (before == Standing::Best) != (standing == Standing::Best);
            forwarding_changed |= before.forwards() != standing.forwards();
            path.set_standing(standing);
            if let Some(peer) = self.peers.get_mut(usize::from(path.source.0)).and_then(Option::as_mut) {
                peer.counts[family as usize].subtract(before);
                peer.counts[family as usize].add(standing);
            }
        }
        if best_changed {
            self.stats.best_changes += 1;
        }
        if best_changed || several.contains(family) {
            self.pend(id, best_changed);
        }
        if forwarding_changed || best_changed {
            self.forwarding_pending.insert(id);
        }
        self.monitors.note(id);
        let change = best_changed.then(|| self.best_change(dirty)).flatten();
        self.forget_if_unused(id);
        change
    }

    /// Says what became of the best path, if there was one or is one now.
    fn best_change(&self, Dirty { id, cause, before }: Dirty) -> Option<BestChange> {
        let destination = &self.destinations[id];
        let after = destination.best().map(|best| self.source(best.source));
        let slot = match before.filter(|_| before != after) {
            Some(Source::Local) => Some(Slot::LOCAL),
            Some(Source::Peer(peer)) => self.slots.get(&peer).copied(),
            None => None,
        };
        let former = destination.paths.iter().find(|path| Some(path.source) == slot).map(Path::standing);
        let prefix = destination.prefix;
        (before.is_some() || after.is_some()).then_some(BestChange { prefix, cause, before, after, former })
    }

    /// Decides among the candidates of a destination, in their order.
    fn standings(&self, id: u32) -> Standings {
        let paths = &self.destinations[id].paths;
        let mut accepted = paths.iter().filter(|path| path.accepted != AttrId::NONE);
        let (first, second) = (accepted.next(), accepted.next());
        match (first, second) {
            (None, _) => Standings::new(),
            (Some(only), None) => {
                let usable = only.source == Slot::LOCAL || self.metric(only).is_some();
                SmallVec::from_elem(if usable { Standing::Best } else { Standing::Unreachable }, 1)
            }
            (Some(_), Some(_)) => {
                let accepted = paths.iter().filter(|path| path.accepted != AttrId::NONE);
                let candidates: SmallVec<[_; 4]> = accepted.map(|path| self.candidate(path)).collect();
                decide(&candidates, self.rules())
            }
        }
    }

    pub(super) fn candidate(&self, path: &Path) -> Candidate<'_> {
        let neighbor = self.peer(path.source).map(|peer| Neighbor {
            external: peer.info.is_external(),
            bgp_id: peer.info.bgp_id.to_ipv4().to_bits(),
            address: peer.info.address,
        });
        let attributes = self.pool.attributes(path.accepted);
        // Our own say it, if they do, for the receiver.
        let said = neighbor.is_some() && attributes.carries(Community::LLGR_STALE);
        let long_lived = path.is_long_lived() || said;
        Candidate { attributes, neighbor, long_lived, path_id: path.path_id, metric: self.metric(path) }
    }

    /// Returns the interior cost of a path's next hop, or `None` when there is no way to it.
    pub(super) fn metric(&self, path: &Path) -> Option<u32> {
        if !self.settings.resolve || self.link_local(path.source, path.accepted) || self.blackhole(path) {
            return Some(0);
        }
        self.pool.next_hops.resolution(self.pool.next_hop(path.accepted)).metric()
    }

    /// Tells whether a path is forwarded over its peer's link by a link-local address.
    ///
    /// Such an address is reachable as long as the session is, and means nothing without the link, so it is
    /// never resolved.
    pub(super) fn link_local(&self, source: Slot, accepted: AttrId) -> bool {
        let on_a_link = self.peer(source).is_some_and(|peer| peer.info.interface.is_some());
        on_a_link && link_local_address(self.pool.attributes(accepted).next_hop).is_some()
    }

    /// Works out what the kernel should do with packets to a destination.
    ///
    /// What is not ours to write, the kernel is asked for nothing of.
    pub(crate) fn wanted_forwarding(&self, id: u32) -> Option<Forwarding> {
        if !self.is_plain && self.unwritten(id).is_some() {
            return None;
        }
        let destination = &self.destinations[id];
        let mut gateways = Vec::new();
        let mut legs = self.settings.weigh.then(Vec::new);
        for path in destination.paths.iter().filter(|path| path.standing().forwards()) {
            if path.source == Slot::LOCAL {
                let ours = self.originations.origination(&destination.prefix);
                return ours.filter(|ours| ours.blackhole).map(|_| Forwarding::Blackhole);
            }
            if self.blackhole(path) {
                return Some(Forwarding::Blackhole);
            }
            let before = gateways.len();
            match self.way(&destination.prefix, path) {
                Way::Plain => self.add_gateways(path, &mut gateways),
                Way::Tunnel(gateway) => gateways.push(gateway),
                Way::Foreign => {}
            }
            let said = bandwidth(self.pool.attributes(path.accepted));
            legs = legs.zip(said).map(|(mut legs, bandwidth)| {
                let each = f64::from(bandwidth) / (gateways.len() - before) as f64;
                legs.extend(gateways[before..].iter().map(|&gateway| (gateway, each)));
                legs
            });
        }
        if let Some(shared) = legs.and_then(share) {
            return Some(shared);
        }
        gateways.sort_unstable();
        gateways.dedup();
        (!gateways.is_empty()).then_some(Forwarding::Via(gateways))
    }

    fn add_gateways(&self, path: &Path, gateways: &mut Vec<Gateway>) {
        let interface = self.peer(path.source).and_then(|peer| peer.info.interface);
        let link_local = link_local_address(self.pool.attributes(path.accepted).next_hop);
        if let (Some(address), Some(_)) = (link_local, interface) {
            gateways.push(Gateway::new(IpAddr::V6(address), interface));
            return;
        }
        let hop = self.pool.next_hop(path.accepted);
        let address = self.pool.next_hops.address(hop);
        match self.pool.next_hops.resolution(hop) {
            Resolution::OnLink { interface } => gateways.push(Gateway::new(address, *interface)),
            Resolution::Via { gateways: through, .. } => gateways.extend_from_slice(through),
            Resolution::Unknown | Resolution::Unreachable if !self.settings.resolve => {
                gateways.push(Gateway::new(address, None));
            }
            Resolution::Unknown | Resolution::Unreachable => {}
        }
    }

    /// Forgets a destination that has no paths once no consumer refers to it any more. Every consumer asks for
    /// this when it is done with one, so the last one to notice succeeds.
    pub(crate) fn forget_if_unused(&mut self, id: u32) {
        let destination = &self.destinations[id];
        if !destination.paths.is_empty() || destination.is(Mark::Dirty) {
            return;
        }
        let forwarded = destination.forwarding.is_some() || self.forwarding_pending.contains(id);
        if !forwarded
            && self.monitors.is_done_with(id)
            && self.groups.iter().flatten().all(|group| group.is_done_with(id))
            && self.members().all(|(_, member)| member.is_done_with(id))
        {
            self.destinations.remove(id);
        }
    }
}

fn link_local_address(next_hop: NextHop) -> Option<Ipv6Addr> {
    match next_hop {
        NextHop::V4(_) => None,
        NextHop::V6 { link_local: Some(address), .. } => Some(address),
        NextHop::V6 { global, link_local: None } => global.is_unicast_link_local().then_some(global),
    }
}
