//! The tables themselves.
//!
//! Inputs ([`Rib::update`], [`Rib::originate`], [`Rib::next_hop`], peers coming and going) only record what
//! is said and mark destinations dirty. [`Rib::settle`] then decides once for each dirty destination, and
//! consumers pull what became of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bgp::{BgpId, Family, Nlri, Update};
use ipnet::IpNet;

use crate::decision::Rules;
use crate::destinations::{Destinations, Mark};
use crate::forwarding::ForwardingPool;
use crate::guard::{Fence, Guard};
use crate::history::{Cause, Dirty};
use crate::import::{Import, RejectReason, import};
use crate::monitor::Monitors;
use crate::next_hop::{NextHopChanges, Resolution};
use crate::origination::{Origination, Originations};
use crate::ownership::Ownership;
use crate::path::{Path, PeerId, Slot, Source, Standing};
use crate::peer::Peer;
use crate::pending::Pending;
use crate::pool::{AttrId, AttributePool};
use crate::update_group::Group;
use groups::pend_all;

pub use trial::{Step, Trial};

mod add_path;
mod audit;
mod blackhole;
mod catch_up;
mod drain;
mod groups;
mod links;
mod own_as;
mod owners;
mod peers;
mod pull;
mod refresh;
mod settle;
mod stale;
mod tell;
mod trial;

#[cfg(test)]
mod tests;

/// What holds for all peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RibSettings {
    /// Our identifier.
    pub router_id: BgpId,
    /// The identifier of the cluster we reflect for (RFC 4456 §7).
    pub cluster_id: Ipv4Addr,
    /// The most paths to forward over at once.
    pub max_paths: usize,
    /// Whether paths forwarded over together may have different AS paths of one length.
    pub multipath_relax: bool,
    /// Whether MEDs of different neighbouring ASes are compared.
    pub always_compare_med: bool,
    /// Whether somebody resolves next hops. If not, all count as reachable: a route server has no kernel.
    pub resolve: bool,
    /// Whether paths used together share by their link bandwidth, where all have one.
    pub weigh: bool,
}

impl RibSettings {
    /// The defaults: a cluster of our own, 16 paths, of any AS path of equal length, in equal shares, with next hops
    /// resolved.
    #[must_use]
    pub fn new(router_id: BgpId) -> Self {
        Self {
            router_id,
            cluster_id: router_id.to_ipv4(),
            max_paths: 16,
            multipath_relax: true,
            always_compare_med: false,
            resolve: true,
            weigh: false,
        }
    }
}

/// What an update brought about, besides routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Whether the peer has now announced more prefixes of some family than its limit.
    pub limit_exceeded: bool,
    /// The family whose initial routes all have come.
    pub end_of_rib: Option<Family>,
    /// How many paths were not taken in, since the peer has as many of their prefixes as it may.
    pub surplus: u32,
}

/// How much has been done, since the tables were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Updates received.
    pub updates: u64,
    /// Paths announced by peers.
    pub announced: u64,
    /// Paths withdrawn by peers, known to us or not.
    pub withdrawn: u64,
    /// Decisions made.
    pub decisions: u64,
    /// Changes of the best path.
    pub best_changes: u64,
    /// Prefixes advertised, each time to each peer.
    pub advertised: u64,
    /// Withdrawals sent, each time to each peer.
    pub unadvertised: u64,
    /// Forwarding changes handed out.
    pub forwarding_changes: u64,
}

/// Adj-RIB-In, Loc-RIB and Adj-RIB-Out of one speaker.
pub struct Rib {
    pub(crate) settings: RibSettings,
    pub(crate) peers: Vec<Option<Peer>>,
    pub(crate) slots: BTreeMap<PeerId, Slot>,
    pub(crate) destinations: Destinations,
    pub(crate) pool: AttributePool,
    /// Who is told the same; a place is taken again when its group is gone.
    pub(crate) groups: Vec<Option<Group>>,
    pub(crate) originations: Originations,
    fence: Fence,
    ownership: Ownership,
    /// Whether nobody else writes anything and all goes the plain way.
    is_plain: bool,
    /// The names of interfaces by their indexes.
    links: BTreeMap<u32, Arc<str>>,
    pub(crate) forwarding: ForwardingPool,
    pub(crate) forwarding_pending: Pending,
    pub(crate) monitors: Monitors,
    dirty: Vec<Dirty>,
    /// The input that is being taken in.
    cause: Cause,
    stats: Stats,
}

impl Rib {
    /// Makes empty tables.
    #[must_use]
    pub fn new(settings: RibSettings) -> Self {
        Self {
            settings,
            peers: Vec::new(),
            slots: BTreeMap::new(),
            groups: Vec::new(),
            destinations: Destinations::default(),
            pool: AttributePool::default(),
            originations: Originations::default(),
            fence: Fence::default(),
            ownership: Ownership::default(),
            is_plain: true,
            links: BTreeMap::new(),
            forwarding: ForwardingPool::default(),
            forwarding_pending: Pending::default(),
            monitors: Monitors::default(),
            dirty: Vec::new(),
            cause: Cause::Settings,
            stats: Stats::default(),
        }
    }

    /// Changes what holds for all peers. Everything is judged and decided anew.
    pub fn set_settings(&mut self, settings: RibSettings) {
        if settings == self.settings {
            return;
        }
        let other_cluster = settings.cluster_id != self.settings.cluster_id;
        self.settings = settings;
        self.cause = Cause::Settings;
        if other_cluster {
            self.groups.iter_mut().flatten().for_each(|group| pend_all(&self.destinations, group));
        }
        let all: Vec<_> = self.destinations.ids().collect();
        self.judge_again(&all, |_| true);
        for id in all {
            self.mark_dirty(id);
            self.forwarding_pending.insert(id);
        }
    }

    /// Takes in what a peer announces and withdraws. From a peer that is not up, nothing.
    pub fn update(&mut self, id: PeerId, update: Update, now: u32) -> Received {
        let mut received = Received { end_of_rib: update.end_of_rib, ..Received::default() };
        let Some(slot) = self.slot_of_up(id) else { return received };
        self.stats.updates += 1;
        self.cause = Cause::Withdrawn(id);
        for nlri in &update.withdrawn {
            self.stats.withdrawn += 1;
            self.withdraw(slot, nlri);
        }
        self.cause = Cause::Announced(id);
        for announcement in update.announced {
            let attributes = self.pool.intern(announcement.attributes);
            let mut memo = Memo::default();
            for nlri in &announcement.nlri {
                self.stats.announced += 1;
                let taken = self.announce(slot, nlri, attributes, now, &mut memo);
                received.surplus += u32::from(!taken);
            }
            memo.release(&mut self.pool);
            self.pool.release(attributes);
        }
        if let Some(peer) = self.peer(slot)
            && let Some(limit) = peer.info.max_prefixes
        {
            // What is stale the peer has not announced again: it is not to trip over its own past.
            let announced =
                peer.counts.iter().zip(peer.stale).map(|(counts, stale)| counts.received() - stale);
            received.limit_exceeded = announced.into_iter().any(|announced| announced > limit);
        }
        received
    }

    /// Originates exactly the wanted prefixes: what is new is announced, what is missing withdrawn.
    pub fn originate(&mut self, wanted: impl IntoIterator<Item = Origination>, now: u32) {
        let delta = self.originations.replace(wanted);
        self.cause = Cause::Originated;
        for prefix in delta.withdraw {
            self.withdraw(Slot::LOCAL, &Nlri::from(prefix));
        }
        for origination in delta.announce {
            let attributes = self.pool.intern(origination.attributes());
            let nlri = Nlri::from(origination.prefix);
            self.announce(Slot::LOCAL, &nlri, attributes, now, &mut Memo::default());
            self.pool.release(attributes);
        }
        for prefix in delta.touch {
            if let Some(id) = self.destinations.find(&prefix) {
                self.touch_paths(id, Slot::LOCAL);
            }
        }
        for block in delta.blocks {
            let inside = self.destinations.within(&block);
            self.judge_safe_imports_again(&inside);
        }
    }

    /// Has the safe import refuse something else than before.
    pub fn set_guard(&mut self, guard: &Guard) {
        if self.fence.is_of(guard) {
            return;
        }
        self.fence = Fence::new(guard.clone());
        self.cause = Cause::Settings;
        let all: Vec<_> = self.destinations.ids().collect();
        self.judge_safe_imports_again(&all);
    }

    /// Judges what came by the safe import at these destinations again.
    fn judge_safe_imports_again(&mut self, destinations: &[u32]) {
        let looks = |peer: &Peer| peer.info.import.looks_at_own_blocks();
        let slots: Vec<_> = self.peers.iter().map(|peer| peer.as_ref().is_some_and(looks)).collect();
        self.judge_again(destinations, |slot| slots.get(usize::from(slot.0)) == Some(&true));
    }

    /// Learns where a next hop leads.
    pub fn next_hop(&mut self, address: IpAddr, resolution: Resolution) {
        self.pool.next_hops.resolve(address, resolution);
    }

    /// Reports which next hops are to be resolved from now on, and which no longer, since the last call.
    pub fn tracked_next_hops(&mut self) -> NextHopChanges {
        if self.settings.resolve { self.pool.next_hops.report() } else { NextHopChanges::default() }
    }

    /// Tells whether some next hop's resolution is still to be learned.
    #[must_use]
    pub fn awaits_next_hops(&self) -> bool {
        self.settings.resolve && self.pool.next_hops.any_unknown()
    }

    /// Returns what has been done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Returns what holds for all peers.
    #[must_use]
    pub fn settings(&self) -> &RibSettings {
        &self.settings
    }

    /// Takes in a path; tells whether there was room for it.
    fn announce(&mut self, slot: Slot, nlri: &Nlri, attributes: AttrId, now: u32, memo: &mut Memo) -> bool {
        let id = self.destinations.enter(nlri.prefix);
        let known = self.destinations[id].position(slot, nlri.path_id);
        if known.is_none() && nlri.path_id != 0 && !self.has_room(slot, id) {
            self.forget_if_unused(id);
            return false;
        }
        if known.is_some_and(|place| self.refreshed(id, place, attributes)) {
            return true;
        }
        self.mark_dirty(id);
        let verdict = self.judge(slot, nlri.prefix, attributes, memo);
        self.pool.retain(attributes);
        let path = Path::new(slot, nlri.path_id, attributes, now);
        let place = match known {
            Some(place) => {
                self.retire(id, place);
                self.destinations[id].paths[place] = path;
                place
            }
            None => {
                self.destinations[id].paths.push(path);
                self.destinations[id].paths.len() - 1
            }
        };
        self.install_verdict(id, place, verdict);
        true
    }

    /// Tells whether a peer may have another path of a destination.
    fn has_room(&self, slot: Slot, id: u32) -> bool {
        let has = self.destinations[id].paths.iter().filter(|path| path.source == slot).count();
        self.peer(slot).is_none_or(|peer| has < peer.info.add_path.most_received)
    }

    fn withdraw(&mut self, slot: Slot, nlri: &Nlri) {
        let Some(id) = self.destinations.find(&nlri.prefix) else { return };
        if let Some(place) = self.destinations[id].position(slot, nlri.path_id) {
            self.remove_path(id, place);
        }
    }

    fn remove_path(&mut self, id: u32, place: usize) {
        self.mark_dirty(id);
        self.retire(id, place);
        self.destinations[id].paths.swap_remove(place);
    }

    /// Takes back everything that is held or counted for a path; its place in the list is the caller's.
    fn retire(&mut self, id: u32, place: usize) {
        self.set_staleness(id, place, None);
        let path = self.destinations[id].paths[place];
        self.destinations[id].touch(path.standing());
        let family = self.destinations[id].family();
        if let Some(peer) = self.peer_mut(path.source) {
            peer.counts[family as usize].subtract(path.standing());
        }
        self.drop_accepted(path.source, path.accepted);
        self.pool.release(path.received);
    }

    fn judge_all_again(&mut self, slot: Slot) {
        let all: Vec<_> = self.destinations.ids().collect();
        self.judge_again(&all, |other| other == slot);
    }

    /// Judges the paths of some sources at these destinations again, from what was received.
    fn judge_again(&mut self, destinations: &[u32], of: impl Fn(Slot) -> bool) {
        let mut memo = Memo::default();
        for &id in destinations {
            for place in 0..self.destinations[id].paths.len() {
                let path = self.destinations[id].paths[place];
                if path.source == Slot::LOCAL || !of(path.source) {
                    continue;
                }
                let verdict = self.judge(path.source, self.destinations[id].prefix, path.received, &mut memo);
                if verdict.accepted == path.accepted && verdict.same_standing(path.standing()) {
                    self.pool.release(verdict.accepted);
                    continue;
                }
                self.mark_dirty(id);
                self.destinations[id].touch(path.standing());
                let family = self.destinations[id].family();
                if let Some(peer) = self.peer_mut(path.source) {
                    peer.counts[family as usize].subtract(path.standing());
                }
                self.drop_accepted(path.source, path.accepted);
                self.install_verdict(id, place, verdict);
            }
        }
        memo.release(&mut self.pool);
    }

    /// Judges a route. The accepted handle comes with a count.
    fn judge(&mut self, slot: Slot, prefix: IpNet, received: AttrId, memo: &mut Memo) -> Verdict {
        let Some(peer) = self.peers.get(usize::from(slot.0)).and_then(Option::as_ref) else {
            // Our own: there is nothing to doubt.
            self.pool.retain(received);
            return Verdict { accepted: received, rejected: None };
        };
        let prefix_verdict = self.judge_prefix(&peer.info.import, &prefix);
        if memo.key != Some((slot, received)) || peer.info.import.looks_at_prefixes() {
            let attributes = self.pool.attributes(received);
            let judged = import(&peer.info, &self.settings, prefix, attributes, |_, _| {})
                .map(|judged| (*judged != *attributes).then(|| judged.into_owned()));
            let verdict = match judged {
                Ok(None) => {
                    self.pool.retain(received);
                    Ok(received)
                }
                Ok(Some(changed)) => Ok(self.pool.intern(changed)),
                Err(reason) => Err(reason),
            };
            memo.replace(&mut self.pool, (slot, received), verdict);
        }
        match memo.verdict.and_then(|accepted| prefix_verdict.map(|()| accepted)) {
            Ok(accepted) => {
                self.pool.retain(accepted);
                Verdict { accepted, rejected: None }
            }
            Err(reason) => Verdict { accepted: AttrId::NONE, rejected: Some(reason) },
        }
    }

    /// Judges a prefix by itself.
    fn judge_prefix(&self, import: &Import, prefix: &IpNet) -> Result<(), RejectReason> {
        match import.safe() {
            Some(_) if self.originations.covers(prefix) => Err(RejectReason::OwnBlock),
            Some(safe) => self.fence.judge(prefix).and_then(|()| safe.judge(prefix)),
            None => Ok(()),
        }
    }

    /// Gives a path its verdict, and counts it.
    fn install_verdict(&mut self, id: u32, place: usize, verdict: Verdict) {
        let destination = &mut self.destinations[id];
        let family = destination.family();
        let path = &mut destination.paths[place];
        path.accepted = verdict.accepted;
        path.set_standing(verdict.rejected.map_or(Standing::Undecided, Standing::Rejected));
        let path = *path;
        if let Some(peer) = self.peer_mut(path.source) {
            peer.counts[family as usize].add(path.standing());
        }
        if let Some(accepted) = path.accepted.some()
            && path.source != Slot::LOCAL
            && !self.link_local(path.source, accepted)
        {
            self.pool.next_hops.join(self.pool.next_hop(accepted), path.source);
        }
    }

    /// Undoes what [`Rib::install_verdict`] did for the accepted attributes.
    fn drop_accepted(&mut self, source: Slot, accepted: AttrId) {
        let Some(accepted) = accepted.some() else { return };
        if source != Slot::LOCAL && !self.link_local(source, accepted) {
            self.pool.next_hops.leave(self.pool.next_hop(accepted), source);
        }
        self.pool.release(accepted);
    }

    /// Has a destination decided upon anew. To be called before its paths change: what is best is noted.
    pub(crate) fn mark_dirty(&mut self, id: u32) {
        if self.destinations[id].mark(Mark::Dirty) {
            let before = self.destinations[id].best().map(|best| self.source(best.source));
            self.dirty.push(Dirty { id, cause: self.cause, before });
        }
    }

    pub(crate) fn peer(&self, slot: Slot) -> Option<&Peer> {
        self.peers.get(usize::from(slot.0))?.as_ref()
    }

    pub(crate) fn peer_mut(&mut self, slot: Slot) -> Option<&mut Peer> {
        self.peers.get_mut(usize::from(slot.0))?.as_mut()
    }

    /// Returns the slot of a peer whose session is up: a lost peer has one too, but nobody to talk to.
    fn slot_of_up(&self, id: PeerId) -> Option<Slot> {
        let slot = *self.slots.get(&id)?;
        self.peer(slot).filter(|peer| !peer.is_lost()).map(|_| slot)
    }

    pub(crate) fn source(&self, slot: Slot) -> Source {
        self.peer(slot).map_or(Source::Local, |peer| Source::Peer(peer.id))
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            max_paths: self.settings.max_paths,
            multipath_relax: self.settings.multipath_relax,
            always_compare_med: self.settings.always_compare_med,
        }
    }
}

/// What import says of a path.
#[derive(Clone, Copy)]
struct Verdict {
    accepted: AttrId,
    rejected: Option<RejectReason>,
}

impl Verdict {
    fn same_standing(&self, standing: Standing) -> bool {
        self.rejected == if let Standing::Rejected(reason) = standing { Some(reason) } else { None }
    }
}

/// The last verdict that did not depend on the prefix; an accepted handle is held with a count.
struct Memo {
    key: Option<(Slot, AttrId)>,
    verdict: Result<AttrId, RejectReason>,
}

impl Default for Memo {
    fn default() -> Self {
        Self { key: None, verdict: Ok(AttrId::NONE) }
    }
}

impl Memo {
    fn replace(
        &mut self,
        pool: &mut AttributePool,
        key: (Slot, AttrId),
        verdict: Result<AttrId, RejectReason>,
    ) {
        pool.release(self.verdict.unwrap_or(AttrId::NONE));
        self.key = Some(key);
        self.verdict = verdict;
    }

    fn release(self, pool: &mut AttributePool) {
        pool.release(self.verdict.unwrap_or(AttrId::NONE));
    }
}
