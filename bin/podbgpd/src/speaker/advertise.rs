//! From the tables to the wire: adverts, as far as a peer's connection has room.

use std::time::Instant;

use bgp::FamilySet;
use bgp::message::RouteRefresh;
use bgp::wire::{CodecContext, pack};
use bytes::BytesMut;
use rib::{Advert, Adverts};

use super::{Notice, Output, Speaker, refresh};

/// How many destinations are looked at for one write. Enough to fill UPDATEs well, few enough to overshoot
/// the room of a connection only a little.
const BATCH: usize = 2048;

impl Speaker {
    /// Tells whether there is somebody to say something to.
    #[must_use]
    pub fn has_listeners(&self) -> bool {
        self.peerings.values().any(|peering| peering.session.is_some())
    }

    /// Tells whether every peer with a session has been told all there was to say.
    #[must_use]
    pub fn has_said_everything(&self) -> bool {
        self.peerings.iter().all(|(&id, peering)| peering.session.is_none() || !self.rib.has_pending(id))
    }

    /// Sends every peer what is pending for it and its connection has room for.
    pub(super) fn advertise(&mut self, now: Instant, out: &mut Vec<Output>) {
        let mut actions = std::mem::take(&mut self.actions);
        let pending = self
            .peerings
            .iter()
            .filter(|(id, peering)| self.rib.has_pending(**id) && !self.is_held_back(peering));
        for id in pending.map(|(&id, _)| id).collect::<Vec<_>>() {
            let Some(peering) = self.peerings.get_mut(&id) else { continue };
            while peering.machine.room() > 0 && self.rib.has_pending(id) {
                let Some(session) = peering.machine.session() else { break };
                let adverts = self.rib.pull(id, BATCH);
                let mut octets = BytesMut::new();
                let bracket = |subtype, families: FamilySet, octets: &mut BytesMut| {
                    let agreed = families.iter().filter(|_| session.negotiated.enhanced_route_refresh);
                    agreed.for_each(|family| refresh::say(subtype, family, &session.context, octets));
                };
                bracket(RouteRefresh::BEGINNING, adverts.refresh_begun, &mut octets);
                for unsaid in encode(&adverts, &session.context, &mut octets) {
                    self.rib.withhold(id, &unsaid.nlri);
                    if let Some(example) = unsaid.nlri.first() {
                        let (peer, prefixes) = (peering.name(), unsaid.nlri.len());
                        let notice = Notice::Oversized { peer, example: example.prefix, prefixes };
                        out.push(Output::Notice(notice));
                    }
                }
                bracket(RouteRefresh::END, adverts.refresh_ended, &mut octets);
                if let Some(session) = &mut peering.session {
                    adverts.end_of_rib.iter().for_each(|&family| session.end_of_rib_sent.insert(family));
                }
                if !octets.is_empty() {
                    peering.machine.transmit(octets.freeze(), now, &mut actions);
                }
            }
            for action in actions.drain(..) {
                self.act(id, action, now, out);
            }
        }
        self.actions = actions;
    }
}

/// Writes adverts as UPDATEs and returns those no message can hold, which it withdraws. Withdrawals go first:
/// what replaces them may need their room in a table.
fn encode<'a>(adverts: &'a Adverts, context: &CodecContext, octets: &mut BytesMut) -> Vec<&'a Advert> {
    let mut unsaid = Vec::new();
    for (family, nlri) in &adverts.withdrawn {
        pack::withdraw(*family, nlri, context, octets);
    }
    for advert in &adverts.announced {
        let before = octets.len();
        if pack::announce(&advert.attributes, advert.family, &advert.nlri, context, octets).is_err() {
            // The attributes alone overfill a message. What cannot be said must not stay said (RFC 4271 §9.2).
            octets.truncate(before);
            pack::withdraw(advert.family, &advert.nlri, context, octets);
            unsaid.push(advert);
        }
    }
    for &family in &adverts.end_of_rib {
        pack::end_of_rib(family, context, octets);
    }
    unsaid
}
