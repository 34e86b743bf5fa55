//! Which learned routes go to the kernel, which way, and under which metric, where others write some of them.

use ipnet::IpNet;

use super::Rib;
use crate::decision::DEFAULT_LOCAL_PREF;
use crate::forwarding::Gateway;
use crate::ownership::{Hand, Ownership, Unwritten};
use crate::path::{Path, Slot};

/// Which way packets for a path go.
pub(super) enum Way {
    /// To its next hop, as the kernel's routes say.
    Plain,
    /// Through a tunnel.
    Tunnel(Gateway),
    /// Somebody else sees to that, or nobody can.
    Foreign,
}

impl Rib {
    /// Has others write other routes than before.
    pub fn set_ownership(&mut self, ownership: &Ownership) {
        if self.ownership == *ownership {
            return;
        }
        self.ownership = ownership.clone();
        self.is_plain = ownership.pools.is_empty() && ownership.foreign_next_hops.is_empty();
        self.pend_all_forwarding();
    }

    /// Looks at what every destination is to be in the kernel again.
    pub(super) fn pend_all_forwarding(&mut self) {
        for id in self.destinations.ids() {
            self.forwarding_pending.insert(id);
        }
    }

    /// Returns the metric a destination's route has of its own.
    pub(super) fn wanted_metric(&self, id: u32) -> Option<u32> {
        let best = self.destinations[id].best().filter(|best| best.source != Slot::LOCAL)?;
        let local_pref = self.pool.attributes(best.accepted).local_pref;
        self.ownership.metric.of(local_pref.unwrap_or(DEFAULT_LOCAL_PREF))
    }

    /// Says why a destination that is used is not written to the kernel, if it is not ours to write or cannot be.
    pub(crate) fn unwritten(&self, id: u32) -> Option<Unwritten> {
        let destination = &self.destinations[id];
        let best = destination.best().filter(|best| best.source != Slot::LOCAL && !self.is_plain)?;
        if let Some((pool, Hand::Theirs)) = self.ownership.hand(&destination.prefix) {
            return Some(Unwritten::Pool(*pool));
        }
        let used = || destination.paths.iter().filter(|path| path.standing().forwards());
        if used().any(|path| !matches!(self.way(&destination.prefix, path), Way::Foreign)) {
            return None;
        }
        let address = self.pool.next_hops.address(self.pool.next_hop(best.accepted));
        match self.ownership.hand(&destination.prefix) {
            _ if self.ownership.foreign_next_hops.contains(&address) => Some(Unwritten::NextHop(address)),
            Some((_, Hand::Tunnel { interface, .. })) => Some(Unwritten::NoTunnel(interface.clone())),
            _ => None,
        }
    }

    /// Returns which way packets for a path go.
    pub(super) fn way(&self, prefix: &IpNet, path: &Path) -> Way {
        if self.is_plain || path.source == Slot::LOCAL || self.link_local(path.source, path.accepted) {
            return Way::Plain;
        }
        let address = self.pool.next_hops.address(self.pool.next_hop(path.accepted));
        if self.ownership.foreign_next_hops.contains(&address) {
            return Way::Foreign;
        }
        let Some((_, Hand::Tunnel { interface, except })) = self.ownership.hand(prefix) else {
            return Way::Plain;
        };
        if except.iter().any(|subnet| subnet.contains(&address)) {
            return Way::Plain;
        }
        match self.links.iter().find(|(_, name)| ***name == **interface) {
            Some((&index, _)) => Way::Tunnel(Gateway { address, interface: Some(index), onlink: true }),
            None => Way::Foreign,
        }
    }
}
