//! Fast external failover: a session ends the moment its link, its address or its neighbour is lost.
//!
//! The hold timer would find out too, long after every packet sent that way was dropped; and a link that returns
//! before it fires would draw traffic to a peer that may have forgotten us. Here a session is over the interface
//! that has its local address and, by that address, the peer on the link. One that is not over any, because the
//! peer is behind a router or our end is a loopback address, only ends with its address.
//!
//! The path is what failed, so nobody may go on forwarding over it: no routes are kept for a graceful restart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use bgp::fsm::{Event, State, StopReason};
use fib::{Address, Link, Sight};
use rib::PeerId;

use super::peering::{self, Peering};
use super::{Output, Speaker};
use crate::transport::Place;

/// The node's links and addresses, as last told.
#[derive(Default)]
pub(super) struct Ground {
    links: BTreeMap<u32, Link>,
    addresses: BTreeSet<Address>,
    /// The neighbours whose failure we asked to be told of.
    heeded: BTreeSet<IpAddr>,
}

impl Ground {
    /// Tells whether `remote` is on the link of `interface` for somebody who has the address `local` there, or
    /// any address when that is not known.
    fn is_on_link(&self, interface: u32, local: Option<IpAddr>, remote: IpAddr) -> bool {
        self.addresses.iter().any(|address| {
            address.interface == interface
                && local.is_none_or(|local| local == address.address)
                && address.on_link.contains(&remote)
        })
    }

    /// Tells whether a peer at a place is reached over `interface`, from `local` where that is known.
    fn leads_to(&self, interface: u32, local: Option<IpAddr>, place: Place) -> bool {
        match place.interface {
            Some(link) => link == interface,
            None => self.is_on_link(interface, local, place.address),
        }
    }

    /// Returns the index of an interface of this name.
    pub(super) fn index(&self, name: &str) -> Option<u32> {
        self.links.values().find(|link| link.name == name).map(|link| link.index)
    }

    pub(super) fn is_up(&self, interface: u32) -> bool {
        self.links.get(&interface).is_some_and(|link| link.up)
    }

    /// Returns the name of the interface a peer is reached over, from our own address where that is known.
    pub(super) fn link_of(&self, place: Place, own: Option<IpAddr>) -> Option<&str> {
        let here = self.addresses.iter().filter(|address| own.is_none_or(|own| own == address.address));
        let on_link = |address: &&Address| address.on_link.contains(&place.address);
        let interface = place.interface.or_else(|| {
            let of_own = || own.and_then(|_| here.clone().next());
            here.clone().find(on_link).or_else(of_own).map(|address| address.interface)
        });
        self.links.get(&interface?).map(|link| &*link.name)
    }

    fn has_address(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|known| known.address == address)
    }

    fn name(&self, interface: u32) -> String {
        self.links.get(&interface).map_or_else(|| format!("#{interface}"), |link| link.name.clone())
    }
}

/// What the kernel's side has been told to leave, and has to be told again among the changes: behind those that are
/// older, which may still name it, and ahead of those that follow from the loss.
#[derive(Default)]
pub(super) struct Losses {
    /// Said ahead of the changes, not yet among them.
    untold: Vec<fib::NextHop>,
    /// Whether the changes that follow from a loss are still being told.
    unsettled: bool,
}

impl Losses {
    fn lose(&mut self, next_hops: Vec<fib::NextHop>) {
        self.untold.extend(next_hops);
    }

    /// Returns what has to be said before the next changes.
    pub(super) fn before_changes(&mut self) -> Option<fib::Command> {
        if self.untold.is_empty() {
            return None;
        }
        self.unsettled = true;
        Some(fib::Command::Lose(std::mem::take(&mut self.untold)))
    }

    /// Returns what has to be said once no change is left.
    pub(super) fn after_changes(&mut self) -> Option<fib::Command> {
        std::mem::take(&mut self.unsettled).then_some(fib::Command::Settled)
    }
}

impl Speaker {
    /// Ends the sessions that lost what they stand on, and looks at once for those that may come back.
    pub(super) fn follow_sights(&mut self, mut sights: Vec<Sight>, now: Instant, out: &mut Vec<Output>) {
        // The IPv6 addresses of a link go just before it does, and the link is the better reason.
        sights.sort_by_key(|sight| !matches!(sight, Sight::Link(_) | Sight::LinkGone(_)));
        for sight in sights {
            match sight {
                Sight::Link(link) => {
                    self.rib.name_link(link.index, Some(&link.name));
                    let before = self.ground.links.insert(link.index, link.clone());
                    match before {
                        Some(before) if before.up && !link.up => self.link_lost(&link, now, out),
                        Some(before) if !before.up && link.up => self.path_up(link.index, true, now, out),
                        _ => {}
                    }
                }
                Sight::LinkGone(link) => {
                    self.link_lost(&link, now, out);
                    self.ground.links.remove(&link.index);
                    self.rib.name_link(link.index, None);
                }
                Sight::Address(address) => {
                    self.ground.addresses.insert(address);
                    self.path_up(address.interface, false, now, out);
                }
                Sight::AddressGone(address) => {
                    self.ground.addresses.remove(&address);
                    self.address_lost(address.address, now, out);
                }
                Sight::NeighbourFailed { interface, address } => {
                    self.neighbour_lost(interface, address, now, out);
                }
            }
        }
        self.follow_names(now, out);
    }

    /// Returns the names of the interfaces that have peers on the link.
    #[must_use]
    pub fn uplinks(&self) -> Vec<String> {
        let peers = || self.peerings.values().filter_map(|peering| peering.place);
        let leads_to_one =
            |interface: &u32| peers().any(|place| self.ground.leads_to(*interface, None, place));
        let uplinks: BTreeSet<u32> = self.ground.links.keys().copied().filter(leads_to_one).collect();
        uplinks.into_iter().map(|interface| self.ground.name(interface)).collect()
    }

    /// Asks to be told of the neighbours whose failure matters, when they are others than before.
    pub(super) fn heed_neighbours(&mut self, out: &mut Vec<Output>) {
        let heeded = self.hasty().filter(|(_, peering)| peering.is_wanted());
        let heeded: BTreeSet<IpAddr> =
            heeded.filter_map(|(_, peering)| Some(peering.place?.address)).collect();
        if heeded != self.ground.heeded {
            out.push(Output::Heed(heeded.clone()));
            self.ground.heeded = heeded;
        }
    }

    /// Stops forwarding over whom only this peer's paths lead through, ahead of the routes themselves: how long those
    /// take depends on how many there are. To be called while the tables still have the paths.
    pub(super) fn lose_gateways(&mut self, id: PeerId, out: &mut Vec<Output>) {
        let lost: Vec<_> = self.rib.sole_gateways(id).into_iter().map(peering::next_hop).collect();
        if !lost.is_empty() {
            out.push(Output::Lose(lost.clone()));
            self.losses.lose(lost);
        }
    }

    fn link_lost(&mut self, link: &Link, now: Instant, out: &mut Vec<Output>) {
        let over_it = self.hasty().filter(|(_, peering)| self.is_over(peering, link.index));
        let reason = StopReason::InterfaceDown(link.name.clone());
        self.end(over_it.map(|(id, _)| id).collect(), &reason, now, out);
    }

    fn address_lost(&mut self, address: IpAddr, now: Instant, out: &mut Vec<Output>) {
        // Another interface may have it too, or have it now.
        if self.ground.has_address(address) {
            return;
        }
        let from_it = self.hasty().filter(|(_, peering)| peering.local_addresses().any(|own| own == address));
        self.end(from_it.map(|(id, _)| id).collect(), &StopReason::AddressGone(address), now, out);
    }

    fn neighbour_lost(&mut self, interface: u32, address: IpAddr, now: Instant, out: &mut Vec<Output>) {
        let lost = self.hasty().filter(|(_, peering)| {
            peering.place.is_some_and(|place| place.address == address) && self.is_over(peering, interface)
        });
        let reason = StopReason::NeighbourFailed(self.ground.name(interface));
        self.end(lost.map(|(id, _)| id).collect(), &reason, now, out);
    }

    /// Ends sessions, and has them looked for again.
    fn end(&mut self, ids: Vec<PeerId>, reason: &StopReason, now: Instant, out: &mut Vec<Output>) {
        for id in ids {
            self.peer_event(id, Event::Stop { reason: reason.clone() }, now, out);
            self.peer_event(id, Event::Start, now, out);
        }
    }

    /// Dials the peers on an interface that came up, or got an address, without waiting. What is being dialled
    /// went nowhere if the link was down; otherwise it is under way.
    fn path_up(&mut self, interface: u32, dial_anew: bool, now: Instant, out: &mut Vec<Output>) {
        let is_up = self.ground.is_up(interface);
        let waiting = self.hasty().filter(|(_, peering)| {
            let intent = &peering.intent;
            is_up
                && peering.is_wanted()
                && (dial_anew || peering.machine.state() != State::Connect)
                && peering
                    .place
                    .is_some_and(|place| self.ground.leads_to(interface, intent.local_address, place))
        });
        for id in waiting.map(|(id, _)| id).collect::<Vec<_>>() {
            self.peer_event(id, Event::PathUp, now, out);
        }
    }

    /// The peers whose sessions are to end fast.
    fn hasty(&self) -> impl Iterator<Item = (PeerId, &Peering)> {
        let all = self.peerings.iter().map(|(&id, peering)| (id, peering));
        all.filter(|(_, peering)| self.intent.fails_over_fast(&peering.intent))
    }

    fn is_over(&self, peering: &Peering, interface: u32) -> bool {
        let Some(place) = peering.place else { return false };
        peering.local_addresses().any(|local| self.ground.leads_to(interface, Some(local), place))
    }
}

impl Peering {
    /// Our addresses of the connections there are.
    fn local_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.ends.values().filter_map(|end| end.towards(self.whereabouts().address))
    }
}
