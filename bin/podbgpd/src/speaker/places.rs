//! Where peers are: those with an address there, those on a link where the link says.
//!
//! A link is known to operators by name and to the kernel by index; a name may come and go, and mean another index
//! each time. A peer whose link is not there has no place and no session. One without an address is where somebody
//! was last heard on its link. It moves when it has no session and somebody else is heard: at once after the link
//! was down, for the cable may lead elsewhere now; otherwise when it has been silent for a while, so that a stranger
//! on the link cannot keep two from finding each other.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bgp::fsm::{Event, StopReason};
use rib::PeerId;

use super::peering::Peering;
use super::{Notice, Output, Speaker};
use crate::transport::Place;

/// How long a peer may be silent before somebody else on its link is the peer: three of the usual intervals of
/// advertisements, and a little.
const SILENCE: Duration = Duration::from_secs(35);

impl Speaker {
    /// Tells whether somebody at this place is a peer, or would be one.
    #[must_use]
    pub fn knows(&self, place: Place) -> bool {
        self.peer_at(place).is_some() || self.range_of(place).is_some()
    }

    /// Finds the peer that is at a place, or is looked for on its link.
    pub(super) fn peer_at(&self, place: Place) -> Option<PeerId> {
        let missing = |peering: &Peering| peering.place.is_none() && peering.is_wanted();
        let looked_for = || self.peer_on(place.interface?).filter(|id| missing(&self.peerings[id]));
        self.by_place.get(&place).copied().or_else(looked_for)
    }

    /// Somebody on a link said where he is.
    pub(super) fn found_at(&mut self, place: Place, now: Instant, out: &mut Vec<Output>) {
        let Some(id) = place.interface.and_then(|link| self.peer_on(link)) else { return };
        // A peer of the file may be on the same link by an address of its own.
        if self.by_place.get(&place).is_some_and(|&owner| owner != id) {
            return;
        }
        let Some(peering) = self.peerings.get_mut(&id) else { return };
        let silent = peering.heard.is_none_or(|heard| now.saturating_duration_since(heard) >= SILENCE);
        let moves = peering.place.is_none() || silent && peering.machine.session().is_none();
        if moves || peering.place == Some(place) {
            peering.heard = Some(now);
            self.settle_at(id, Some(place), now, out);
        }
    }

    /// Has the peers of links follow their links.
    pub(super) fn follow_names(&mut self, now: Instant, out: &mut Vec<Output>) {
        let ids: Vec<PeerId> = self.peerings.keys().copied().collect();
        for id in ids {
            let Some(peering) = self.peerings.get_mut(&id) else { continue };
            let Some(name) = &peering.intent.interface else { continue };
            let link = self.ground.index(name);
            if !link.is_some_and(|link| self.ground.is_up(link)) {
                peering.heard = None;
            }
            let place = self.place(id);
            self.settle_at(id, place, now, out);
        }
    }

    /// Notes where a peer is whose intent is new.
    pub(super) fn place_anew(&mut self, id: PeerId) {
        let place = self.place(id);
        if let Some(peering) = self.peerings.get_mut(&id) {
            peering.place = place;
            // Another peer may have the old place by now.
            self.by_place.retain(|_, &mut owner| owner != id);
            self.by_place.extend(place.map(|place| (place, id)));
        }
    }

    /// Has a peer be elsewhere, or nowhere.
    pub(super) fn settle_at(
        &mut self,
        id: PeerId,
        place: Option<Place>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let Some(peering) = self.peerings.get(&id).filter(|peering| peering.place != place) else { return };
        let interface = peering.intent.interface.clone().unwrap_or_default();
        if peering.place.is_some() {
            let reason = match place {
                Some(_) => StopReason::NeighbourFailed(interface.clone()),
                None => StopReason::InterfaceDown(interface.clone()),
            };
            self.peer_event(id, Event::Stop { reason }, now, out);
        }
        let Some(peering) = self.peerings.get_mut(&id) else { return };
        peering.place = place;
        let (peer, wanted) = (peering.name(), peering.is_wanted());
        let learned = peering.intent.is_unnumbered();
        self.by_place.retain(|_, &mut owner| owner != id);
        let Some(place) = place else { return };
        self.by_place.insert(place, id);
        self.sign(out);
        if learned {
            out.push(Output::Notice(Notice::Found { peer, address: place.address, interface }));
        }
        if wanted {
            self.peer_event(id, Event::Start, now, out);
        }
    }

    /// Asks to have the links looked at whose peers have no address, when they are others than before.
    pub(super) fn seek(&mut self, out: &mut Vec<Output>) {
        let wanted =
            self.peerings.values().filter(|peering| peering.intent.is_unnumbered() && peering.is_wanted());
        let links = wanted.filter_map(|peering| self.ground.index(peering.intent.interface.as_deref()?));
        let sought: BTreeSet<u32> = links.filter(|&link| self.ground.is_up(link)).collect();
        if sought != self.sought {
            out.push(Output::Seek(sought.clone()));
            self.sought = sought;
        }
    }

    /// Says where a peer is, as far as its intent and the links tell.
    fn place(&self, id: PeerId) -> Option<Place> {
        let peering = self.peerings.get(&id)?;
        let address = peering.intent.address;
        let Some(name) = &peering.intent.interface else { return Some(address.into()) };
        let link = self.ground.index(name)?;
        match peering.intent.is_unnumbered() {
            true => peering.place.filter(|place| place.interface == Some(link)),
            false => Some(Place::on_link(address, link)),
        }
    }

    /// Finds the peer without an address whose link this is.
    fn peer_on(&self, link: u32) -> Option<PeerId> {
        let is_it = |peering: &Peering| {
            let name = peering.intent.interface.as_deref().filter(|_| peering.intent.is_unnumbered());
            name.is_some_and(|name| self.ground.index(name) == Some(link))
        };
        self.peerings.iter().find(|(_, peering)| is_it(peering)).map(|(&id, _)| id)
    }
}
