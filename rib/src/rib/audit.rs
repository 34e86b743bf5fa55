//! The audit: recounts everything that is counted as it goes, and compares.

use std::collections::BTreeMap;

use bgp::Family;

use super::Rib;
use crate::path::{Slot, Staleness};
use crate::peer::{Peer, PeerCounts};
use crate::pool::AttrId;

impl Rib {
    /// Recounts every handle, next hop and path, and returns the first count that is wrong.
    ///
    /// For tests, after anything; it takes a walk over all tables.
    ///
    /// # Errors
    ///
    /// Returns what is counted wrongly.
    pub fn audit(&self) -> Result<(), String> {
        self.audit_attributes()?;
        self.audit_next_hops()?;
        self.audit_forwarding()?;
        self.audit_peers()
    }

    fn audit_attributes(&self) -> Result<(), String> {
        let mut held: BTreeMap<u32, u32> = BTreeMap::new();
        let mut hold = |id: AttrId| {
            if let Some(id) = id.some() {
                *held.entry(id.0).or_default() += 1;
            }
        };
        for id in self.destinations.ids() {
            self.destinations[id].paths.iter().for_each(|path| {
                hold(path.received);
                hold(path.accepted);
            });
        }
        for group in self.groups.iter().flatten() {
            group.out.records().for_each(|(_, attributes)| hold(attributes));
        }
        for (_, member) in self.members() {
            member.heard().for_each(|(_, attributes)| hold(attributes));
        }
        self.monitors.records().for_each(&mut hold);
        let counted: BTreeMap<u32, u32> = self.pool.counts().map(|(id, count)| (id.0, count)).collect();
        same("attribute sets", &held, &counted)
    }

    fn audit_next_hops(&self) -> Result<(), String> {
        let mut held: BTreeMap<String, (u32, u32)> = BTreeMap::new();
        for (id, _) in self.pool.counts() {
            held.entry(format!("{:?}", self.pool.next_hop(id))).or_default().0 += 1;
        }
        for id in self.destinations.ids() {
            for path in &self.destinations[id].paths {
                if let Some(accepted) = path.accepted.some()
                    && path.source != Slot::LOCAL
                    && !self.link_local(path.source, accepted)
                {
                    held.entry(format!("{:?}", self.pool.next_hop(accepted))).or_default().1 += 1;
                }
            }
        }
        let hops = self.pool.next_hops.counts().map(|(id, names, users)| (format!("{id:?}"), (names, users)));
        let counted: BTreeMap<_, _> = hops.filter(|(_, counts)| *counts != (0, 0)).collect();
        same("next hops", &held, &counted)
    }

    fn audit_forwarding(&self) -> Result<(), String> {
        let mut held: BTreeMap<String, u32> = BTreeMap::new();
        for id in self.destinations.ids().filter(|&id| self.destinations[id].forwarding.is_some()) {
            *held.entry(format!("{:?}", self.destinations[id].forwarding)).or_default() += 1;
        }
        let counted = self.forwarding.counts().map(|(id, count)| (format!("{id:?}"), count)).collect();
        same("forwardings", &held, &counted)
    }

    fn audit_peers(&self) -> Result<(), String> {
        let none = || [(PeerCounts::default(), 0, 0); 2];
        let mut counts: BTreeMap<u16, [(PeerCounts, u32, u32); 2]> =
            self.slots.values().map(|slot| (slot.0, none())).collect();
        for id in self.destinations.ids() {
            let family = self.destinations[id].family() as usize;
            for path in self.destinations[id].paths.iter().filter(|path| path.source != Slot::LOCAL) {
                let of_peer = counts.get_mut(&path.source.0).ok_or("a path of a peer that is not up")?;
                let (by_standing, stale, unrefreshed) = &mut of_peer[family];
                by_standing.add(path.standing());
                *stale += u32::from(path.staleness.is_some_and(Staleness::is_kept));
                *unrefreshed += u32::from(path.staleness == Some(Staleness::Unrefreshed));
            }
            for &slot in self.slots.values() {
                let told = self.told(slot, id).count() as u32;
                if let Some(of_peer) = counts.get_mut(&slot.0) {
                    of_peer[family].0.advertised += told;
                }
            }
        }
        let peers = self.slots.values().filter_map(|&slot| Some((slot, self.peer(slot)?)));
        let both = |peer: &Peer| {
            [0, 1].map(|family| {
                let counts = self.counts_of(peer, Family::ALL[family]);
                (counts, peer.stale[family], peer.unrefreshed[family])
            })
        };
        let counted = peers.map(|(slot, peer)| (slot.0, both(peer)));
        same("paths", &counts, &counted.collect())
    }
}

fn same<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    what: &str,
    held: &BTreeMap<K, V>,
    counted: &BTreeMap<K, V>,
) -> Result<(), String> {
    if held == counted {
        return Ok(());
    }
    let wrong = held.keys().chain(counted.keys()).find(|key| held.get(key) != counted.get(key));
    let value = |map: &BTreeMap<K, V>| wrong.and_then(|key| map.get(key)).map(|value| format!("{value:?}"));
    Err(format!("{what}: {wrong:?} is held {:?} but counted {:?}", value(held), value(counted)))
}
