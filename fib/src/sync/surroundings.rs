//! Interfaces, and how next hops are reached over them.

use std::collections::BTreeMap;
use std::time::Instant;

use tracing::{debug, info, warn};

use super::{Keeper, soon};
use crate::error::Error;
use crate::handle::Link;
use crate::table::Drift;

impl Keeper {
    pub(super) fn notice_link(&mut self, link: Link, now: Instant) -> Result<Vec<Drift>, Error> {
        let before = self.links.insert(link.index, link.clone());
        if before.as_ref() == Some(&link) {
            return Ok(Vec::new());
        }
        // First of all, what hangs on it finds another way.
        let drifts = self.table.interface(link.index, link.up);
        if link.up && self.lost.remove(&link.index) {
            info!(target: "fib", interface = link.name, "interface is up again");
        }
        match before {
            Some(before) if before.up && !link.up => self.interface_lost(&link, "down", now)?,
            Some(before) if (before.enabled, before.up) != (link.enabled, link.up) => {
                self.surroundings_changed(now);
            }
            Some(_) => {}
            // No route of ours can be over an interface that has just been made.
            None => self.surroundings_improved(now),
        }
        self.outbox.link(link);
        Ok(drifts)
    }

    pub(super) fn notice_link_gone(&mut self, link: Link, now: Instant) -> Result<Vec<Drift>, Error> {
        self.links.remove(&link.index);
        let drifts = self.table.interface_gone(link.index);
        self.interface_lost(&link, "gone", now)?;
        self.lost.remove(&link.index);
        self.outbox.link(link);
        Ok(drifts)
    }

    /// What is reached over this interface has to find another way now, while packets are being lost; the other
    /// consequences may gather.
    ///
    /// Interfaces of pods come and go all day: only what next hops are reached by is worth a line.
    fn interface_lost(&mut self, link: &Link, state: &str, now: Instant) -> Result<(), Error> {
        let affected = self.next_hops.iter().filter(|(_, resolution)| resolution.leaves_by(link.index));
        let affected: Vec<_> = affected.map(|(&address, _)| address).collect();
        if !affected.is_empty() {
            warn!(target: "fib", interface = link.name, next_hops = affected.len(), "interface is {state}");
            self.lost.insert(link.index);
        }
        for address in affected {
            self.resolve(address)?;
        }
        self.surroundings_changed(now);
        Ok(())
    }

    /// The kernel drops IPv4 routes of a link that goes down without a word, so look for oneself.
    pub(super) fn surroundings_changed(&mut self, now: Instant) {
        soon(&mut self.resync_at, now);
        soon(&mut self.resolve_at, now);
    }

    /// Something is there that was not: what failed may now succeed.
    pub(super) fn surroundings_improved(&mut self, now: Instant) {
        soon(&mut self.retry_at, now);
        soon(&mut self.resolve_at, now);
    }

    pub(super) fn resolve(&mut self, address: std::net::IpAddr) -> Result<(), Error> {
        // The kernel tells of a link that is set down before its routes know.
        let is_dark = |interface: u32| self.links.get(&interface).is_some_and(|link| !link.up);
        let resolution = self.netlink.resolve(address)?.without(is_dark);
        if self.tracked.resolved(address, &resolution) {
            debug!(target: "fib", %address, %resolution, "next hop resolved");
            self.next_hops.insert(address, resolution.clone());
            self.outbox.resolved(address, resolution);
        }
        Ok(())
    }

    pub(super) fn read_links(&mut self) -> Result<Vec<Drift>, Error> {
        let mut drifts = Vec::new();
        let mut links = BTreeMap::new();
        self.netlink.dump_links(|link| {
            links.insert(link.index, link);
        })?;
        for (index, gone) in &self.links {
            if !links.contains_key(index) {
                drifts.extend(self.table.interface_gone(*index));
                self.outbox.link(Link { up: false, enabled: false, ..gone.clone() });
            }
        }
        for (index, link) in &links {
            if self.links.get(index) != Some(link) {
                drifts.extend(self.table.interface(*index, link.up));
                self.outbox.link(link.clone());
            }
        }
        self.links = links;
        Ok(drifts)
    }
}
