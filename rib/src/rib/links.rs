//! The names of interfaces, for policies that look at them.

use std::net::IpAddr;
use std::sync::Arc;

use bgp::PathAttributes;
use ipnet::IpNet;

use super::Rib;
use crate::next_hop::Resolution;
use crate::path::{Path, Slot};
use crate::peer::PeerInfo;

impl Rib {
    /// Learns what an interface is called, or that it is gone.
    pub fn name_link(&mut self, index: u32, name: Option<&str>) {
        let before = match name {
            Some(name) if self.links.get(&index).is_some_and(|known| **known == *name) => return,
            Some(name) => self.links.insert(index, Arc::from(name)),
            None => self.links.remove(&index),
        };
        let tunnels = |name: &str| self.ownership.tunnels_through(name);
        if name.is_some_and(tunnels) || before.as_deref().is_some_and(tunnels) {
            self.pend_all_forwarding();
        }
        // Interfaces of pods come and go all day, and no next hop is ever behind one.
        if self.pool.next_hops.any_over(index) {
            let all: Vec<_> = self.destinations.ids().collect();
            self.pend_for_interfaces(&all);
        }
    }

    /// Returns the name of the interface packets for a path leave by: of one kernel route if we only speak of it, else
    /// that of the next hop, the first if there are several.
    pub(super) fn interface_of(&self, id: u32, path: &Path) -> Option<&str> {
        if path.source == Slot::LOCAL {
            return self.kernel_interface(&self.destinations[id].prefix);
        }
        if self.link_local(path.source, path.accepted) {
            return self.name_of(self.peer(path.source)?.info.interface);
        }
        self.way_out(self.pool.next_hops.resolution(self.pool.next_hop(path.accepted)))
    }

    /// Returns the same for a route that is only tried.
    pub(super) fn interface_in_trial(
        &self,
        prefix: &IpNet,
        from: Option<&PeerInfo>,
        attributes: &PathAttributes,
    ) -> Option<&str> {
        let Some(peer) = from else { return self.kernel_interface(prefix) };
        match attributes.next_hop.address() {
            IpAddr::V6(address) if address.is_unicast_link_local() => self.name_of(peer.interface),
            address @ (IpAddr::V4(_) | IpAddr::V6(_)) => self.way_out(self.pool.next_hops.find(&address)?),
        }
    }

    /// Has it worked out anew what to say of these destinations to everybody whose export looks at interfaces.
    pub(super) fn pend_for_interfaces(&mut self, destinations: &[u32]) {
        let (groups, all) = (self.groups.iter_mut().flatten(), &self.destinations);
        for group in groups.filter(|group| group.view.export.looks_at_interfaces()) {
            let families = group.view.families;
            for &id in destinations.iter().filter(|&&id| families.contains(all[id].family())) {
                group.pending.insert(id);
            }
        }
    }

    fn kernel_interface(&self, prefix: &IpNet) -> Option<&str> {
        self.originations.origination(prefix)?.kernel.as_ref().map(|route| &*route.interface)
    }

    fn way_out(&self, resolution: &Resolution) -> Option<&str> {
        match resolution {
            Resolution::OnLink { interface } => self.name_of(*interface),
            Resolution::Via { gateways, .. } => self.name_of(gateways.first()?.interface),
            Resolution::Unknown | Resolution::Unreachable => None,
        }
    }

    fn name_of(&self, index: Option<u32>) -> Option<&str> {
        self.links.get(&index?).map(|name| &**name)
    }
}
