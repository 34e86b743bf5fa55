//! Routes to single addresses that somebody has laid down: by them a peer is reached whatever it announces, so they may
//! resolve next hops, and what is learned about the same prefix waits.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use ipnet::IpNet;

use super::{Keeper, soon};
use crate::handle::Change;
use crate::route::{FibRoute, NextHop, NextHopSet, Target};

/// A route laid down, and what is wanted of its prefix otherwise.
#[derive(Debug)]
pub(super) struct HostRoute {
    gateway: IpAddr,
    waits: Option<FibRoute>,
}

impl Keeper {
    pub(super) fn apply(&mut self, Change { prefix, target, metric }: Change) {
        let prefix = prefix.trunc();
        let wanted = target.map(|target| FibRoute { prefix, metric, target });
        match self.host_routes.get_mut(&prefix) {
            Some(host) => host.waits = wanted,
            None => self.want_or_not(prefix, wanted.as_ref()),
        }
    }

    pub(super) fn want_host_routes(&mut self, wanted: BTreeMap<IpAddr, IpAddr>) {
        let wanted: BTreeMap<IpNet, IpAddr> =
            wanted.into_iter().map(|(host, gateway)| (IpNet::from(host), gateway)).collect();
        let gone = self.host_routes.extract_if(.., |prefix, _| !wanted.contains_key(prefix));
        for (prefix, host) in gone.collect::<Vec<_>>() {
            self.want_or_not(prefix, host.waits.as_ref());
        }
        for (prefix, gateway) in wanted {
            let waits = match self.host_routes.get_mut(&prefix) {
                Some(host) if host.gateway == gateway => continue,
                Some(host) => host.waits.take(),
                None => self.table.wanted(prefix),
            };
            self.host_routes.insert(prefix, HostRoute { gateway, waits });
            // A set of one next hop is a set.
            if let Some(next_hops) = NextHopSet::new([NextHop::via(gateway)]) {
                self.table.want(&FibRoute { prefix, metric: None, target: Target::Forward(next_hops) });
            }
        }
        self.netlink.trust(self.host_routes.keys().copied().collect());
        soon(&mut self.resolve_at, Instant::now());
    }

    fn want_or_not(&mut self, prefix: IpNet, wanted: Option<&FibRoute>) {
        match wanted {
            Some(route) => self.table.want(route),
            None => self.table.unwant(prefix),
        }
    }
}
