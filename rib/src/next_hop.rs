//! Next hops: which there are, and where they lead.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use smallvec::SmallVec;

use crate::forwarding::Gateway;
use crate::path::{PeerId, Slot};
use crate::rib::Rib;

/// Where a next hop leads, as the kernel's routes say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// Nobody has said yet; no better than unreachable.
    #[default]
    Unknown,
    /// There is no way to it.
    Unreachable,
    /// It is on a link of ours.
    OnLink {
        /// The index of that link, if the kernel need be told.
        interface: Option<u32>,
    },
    /// It lies behind other routers.
    Via {
        /// Those routers; none means unreachable.
        gateways: Vec<Gateway>,
        /// The interior cost to it (RFC 4271 §9.1.2.2 e).
        metric: u32,
    },
}

impl Resolution {
    /// Returns the interior cost, or `None` where there is no way.
    #[must_use]
    pub fn metric(&self) -> Option<u32> {
        match self {
            Self::Unknown | Self::Unreachable => None,
            Self::OnLink { .. } => Some(0),
            Self::Via { gateways, metric } => (!gateways.is_empty()).then_some(*metric),
        }
    }
}

impl Resolution {
    /// Returns whom packets for this next hop go to.
    pub(crate) fn gateways(&self, address: IpAddr) -> SmallVec<[Gateway; 2]> {
        match self {
            Self::Unknown | Self::Unreachable => SmallVec::new(),
            Self::OnLink { interface } => SmallVec::from_iter([Gateway::new(address, *interface)]),
            Self::Via { gateways, .. } => SmallVec::from_slice(gateways),
        }
    }
}

impl Rib {
    /// Returns the gateways that only accepted paths of this peer lead through: once they are gone, no route of ours
    /// goes there. What this costs depends on the number of next hops, not of prefixes.
    ///
    /// Of the link-local next hops of a peer on an interface, which nobody resolves, its own address is among them
    /// where nobody else is a peer on that link.
    #[must_use]
    pub fn sole_gateways(&self, id: PeerId) -> Vec<Gateway> {
        let Some(&slot) = self.slots.get(&id) else { return Vec::new() };
        let link = |slot| self.peer(slot).and_then(|peer| peer.info.interface);
        let interface = link(slot);
        let alone = self.slots.values().filter(|&&other| link(other) == interface).count() == 1;
        let itself = self.peer(slot).filter(|_| alone && interface.is_some());
        let itself = itself.map(|peer| Gateway::new(peer.info.address, interface));
        self.pool.next_hops.sole_gateways(slot, itself).into_iter().collect()
    }
}

/// Which next hops somebody should resolve from now on, and which no longer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextHopChanges {
    /// To be resolved, in ascending order.
    pub added: Vec<IpAddr>,
    /// No longer of interest, in ascending order.
    pub removed: Vec<IpAddr>,
}

/// The name of a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HopId(u32);

#[derive(Debug)]
struct Hop {
    address: IpAddr,
    /// Attribute sets that name it.
    names: u32,
    /// Accepted paths that need it resolved.
    users: u32,
    /// The same for each source that has any.
    shares: SmallVec<[(Slot, u32); 2]>,
    /// Whether whoever resolves has been told to.
    tracked: bool,
    resolution: Resolution,
    changed: bool,
}

/// Every next hop an attribute set names.
///
/// There is no index from a next hop to its destinations: a change is rare and one walk over all
/// destinations, made once for all next hops that changed, is cheaper than keeping one for every route.
#[derive(Debug, Default)]
pub(crate) struct NextHops {
    hops: Vec<Hop>,
    free: Vec<u32>,
    index: BTreeMap<IpAddr, u32>,
    /// Those that gained their first user or lost their last since the last report.
    touched: BTreeSet<IpAddr>,
    changed: bool,
}

impl NextHops {
    /// Names an address once more.
    pub(crate) fn name(&mut self, address: IpAddr) -> HopId {
        if let Some(&id) = self.index.get(&address) {
            self.hops[id as usize].names += 1;
            return HopId(id);
        }
        let hop = Hop {
            address,
            names: 1,
            users: 0,
            shares: SmallVec::new(),
            tracked: false,
            resolution: Resolution::Unknown,
            changed: false,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.hops[id as usize] = hop;
                id
            }
            None => {
                self.hops.push(hop);
                (self.hops.len() - 1) as u32
            }
        };
        self.index.insert(address, id);
        HopId(id)
    }

    /// Names it once less. One that is tracked stays until its removal has been reported.
    pub(crate) fn unname(&mut self, id: HopId) {
        let hop = &mut self.hops[id.0 as usize];
        hop.names -= 1;
        self.forget_if_unused(id.0);
    }

    /// Counts an accepted path of a source that needs it.
    pub(crate) fn join(&mut self, id: HopId, source: Slot) {
        let hop = &mut self.hops[id.0 as usize];
        hop.users += 1;
        match hop.shares.iter_mut().find(|(owner, _)| *owner == source) {
            Some((_, count)) => *count += 1,
            None => hop.shares.push((source, 1)),
        }
        if hop.users == 1 {
            self.touched.insert(hop.address);
        }
    }

    /// Counts one less.
    pub(crate) fn leave(&mut self, id: HopId, source: Slot) {
        let hop = &mut self.hops[id.0 as usize];
        hop.users -= 1;
        if let Some(place) = hop.shares.iter().position(|(owner, _)| *owner == source) {
            hop.shares[place].1 -= 1;
            if hop.shares[place].1 == 0 {
                hop.shares.swap_remove(place);
            }
        }
        if hop.users == 0 {
            self.touched.insert(hop.address);
        }
    }

    /// Returns whom packets go to by paths of this source and of no other, ascending; `itself` is one of them that
    /// nobody resolves.
    pub(crate) fn sole_gateways(&self, source: Slot, itself: Option<Gateway>) -> BTreeSet<Gateway> {
        let (mut own, mut shared) = (BTreeSet::from_iter(itself), BTreeSet::new());
        for hop in self.hops.iter().filter(|hop| hop.users > 0) {
            let is_own = hop.shares.iter().any(|(owner, _)| *owner == source);
            let is_shared = hop.shares.iter().any(|(owner, _)| *owner != source);
            let gateways = hop.resolution.gateways(hop.address);
            if is_shared {
                shared.extend(gateways);
            } else if is_own {
                own.extend(gateways);
            }
        }
        own.retain(|gateway| !shared.contains(gateway));
        own
    }

    /// Learns where a next hop leads. Those nobody names are ignored.
    pub(crate) fn resolve(&mut self, address: IpAddr, resolution: Resolution) {
        let Some(&id) = self.index.get(&address) else { return };
        let hop = &mut self.hops[id as usize];
        if hop.resolution != resolution {
            hop.resolution = resolution;
            hop.changed = true;
            self.changed = true;
        }
    }

    pub(crate) fn resolution(&self, id: HopId) -> &Resolution {
        &self.hops[id.0 as usize].resolution
    }

    /// Tells whether any next hop is reached over an interface.
    pub(crate) fn any_over(&self, index: u32) -> bool {
        let over = |gateway: &Gateway| gateway.interface == Some(index);
        self.hops.iter().any(|hop| hop.resolution.gateways(hop.address).iter().any(over))
    }

    /// Returns where an address leads, if any attribute set names it.
    pub(crate) fn find(&self, address: &IpAddr) -> Option<&Resolution> {
        self.index.get(address).map(|&id| &self.hops[id as usize].resolution)
    }

    pub(crate) fn address(&self, id: HopId) -> IpAddr {
        self.hops[id.0 as usize].address
    }

    /// Tells whether nobody has said yet where one leads that is needed.
    pub(crate) fn any_unknown(&self) -> bool {
        self.hops.iter().any(|hop| hop.users > 0 && hop.resolution == Resolution::Unknown)
    }

    /// Tells whether any resolution changed since [`NextHops::clear_changes`].
    pub(crate) fn any_changed(&self) -> bool {
        self.changed
    }

    pub(crate) fn has_changed(&self, id: HopId) -> bool {
        self.hops[id.0 as usize].changed
    }

    pub(crate) fn clear_changes(&mut self) {
        self.changed = false;
        self.hops.iter_mut().for_each(|hop| hop.changed = false);
    }

    /// Reports what changed since the last report.
    pub(crate) fn report(&mut self) -> NextHopChanges {
        let mut changes = NextHopChanges::default();
        for address in std::mem::take(&mut self.touched) {
            let Some(&id) = self.index.get(&address) else { continue };
            let hop = &mut self.hops[id as usize];
            match (hop.users > 0, hop.tracked) {
                (true, false) => {
                    hop.tracked = true;
                    changes.added.push(address);
                }
                (false, true) => {
                    hop.tracked = false;
                    hop.resolution = Resolution::Unknown;
                    changes.removed.push(address);
                    self.forget_if_unused(id);
                }
                (true, true) | (false, false) => {}
            }
        }
        changes
    }

    /// Returns each next hop with its numbers of names and of users.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (HopId, u32, u32)> {
        self.index.values().map(|&id| (HopId(id), self.hops[id as usize].names, self.hops[id as usize].users))
    }

    fn forget_if_unused(&mut self, id: u32) {
        let hop = &self.hops[id as usize];
        if hop.names == 0 && !hop.tracked {
            self.index.remove(&hop.address);
            self.touched.remove(&hop.address);
            self.free.push(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Slot = Slot(0);
    const B: Slot = Slot(1);

    fn on_link(hops: &mut NextHops, host: u8) -> (HopId, Gateway) {
        let address = IpAddr::from([10, 0, 0, host]);
        let id = hops.name(address);
        hops.resolve(address, Resolution::OnLink { interface: Some(1) });
        (id, Gateway::new(address, Some(1)))
    }

    fn sole(hops: &NextHops, source: Slot) -> Vec<Gateway> {
        hops.sole_gateways(source, None).into_iter().collect()
    }

    #[test]
    fn a_gateway_is_solely_of_a_peer_until_another_leads_through_it() {
        let mut hops = NextHops::default();
        let (first, gateway) = on_link(&mut hops, 1);
        let (other, _) = on_link(&mut hops, 2);
        hops.join(first, A);
        hops.join(first, A);
        hops.join(other, B);
        assert_eq!(sole(&hops, A), [gateway]);
        hops.join(first, B);
        assert_eq!(sole(&hops, A), []);
        hops.leave(first, B);
        hops.leave(first, A);
        assert_eq!(sole(&hops, A), [gateway]);
        hops.leave(first, A);
        assert_eq!(sole(&hops, A), []);
    }

    #[test]
    fn next_hops_behind_the_same_gateway_share_it() {
        let mut hops = NextHops::default();
        let (near, gateway) = on_link(&mut hops, 1);
        let far = IpAddr::from([192, 0, 2, 1]);
        let behind = hops.name(far);
        hops.resolve(far, Resolution::Via { gateways: vec![gateway], metric: 1 });
        hops.join(near, A);
        hops.join(behind, B);
        assert_eq!((sole(&hops, A), sole(&hops, B)), (vec![], vec![]));
        hops.leave(behind, B);
        hops.join(behind, A);
        assert_eq!(sole(&hops, A), [gateway]);
    }
}
