//! From the tables to the wire: adverts, as far as a peer's connection has room.
//!
//! Peers of an update group whose connections keep up are sent the same octets, written once. Of these each leaves out
//! what is about its own paths, which is why they are kept in [pieces](Piece).

use std::ops::Range;
use std::time::Instant;

use bgp::FamilySet;
use bgp::message::RouteRefresh;
use bgp::wire::{CodecContext, pack};
use bytes::{Bytes, BytesMut};
use rib::{Advert, Adverts, PeerId};

use super::{Notice, Output, Speaker, refresh};

/// How many destinations are looked at for one write. Enough to fill UPDATEs well, few enough to overshoot
/// the room of a connection only a little.
const BATCH: usize = 2048;

/// How many octets may wait for a peer that is sent what others of its group are. It is more than the room it is asked
/// about when it pulls for itself, so that peers that take turns reading stay together; and what waits is shared.
const LEEWAY: usize = 512 * 1024;

/// Octets of some UPDATEs, and those of the peers they were written for that are not to have them.
struct Piece {
    octets: Range<usize>,
    not_for: Vec<PeerId>,
}

/// UPDATEs for several peers.
#[derive(Default)]
struct Pieces {
    octets: Bytes,
    pieces: Vec<Piece>,
}

impl Pieces {
    /// Walks the octets for a peer: stretches between the pieces that are not for it.
    fn of(&self, id: PeerId) -> impl Iterator<Item = Bytes> {
        let mut stretches: Vec<Range<usize>> = Vec::new();
        for piece in self.pieces.iter().filter(|piece| !piece.not_for.contains(&id)) {
            match stretches.last_mut() {
                Some(last) if last.end == piece.octets.start => last.end = piece.octets.end,
                _ => stretches.push(piece.octets.clone()),
            }
        }
        stretches.into_iter().filter(|stretch| !stretch.is_empty()).map(|stretch| self.octets.slice(stretch))
    }
}

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
        for id in self.peerings.keys().copied().collect::<Vec<_>>() {
            while self.rib.has_pending(id) && self.has_room(id) {
                let listeners: Vec<_> = self.rib.update_group(id).filter(|&id| self.may_listen(id)).collect();
                let pulled = self.rib.pull_together(id, &listeners, BATCH);
                let Some(context) = self.context(id) else { break };
                let mut octets = BytesMut::new();
                let mut pieces = Vec::new();
                for part in &pulled.shared.parts {
                    let start = octets.len();
                    self.encode(id, &part.adverts, &context, &mut octets, out);
                    pieces.push(Piece { octets: start..octets.len(), not_for: part.not_for.clone() });
                }
                let pieces = Pieces { octets: octets.freeze(), pieces };
                for &listener in &pulled.shared.to {
                    pieces.of(listener).for_each(|octets| self.transmit(listener, octets, now, out));
                }
                self.send_own(id, &pulled.own, &context, now, out);
            }
        }
    }

    /// Sends a peer what only it is told.
    fn send_own(
        &mut self,
        id: PeerId,
        adverts: &Adverts,
        context: &CodecContext,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let session = self.peerings.get(&id).and_then(|peering| peering.machine.session());
        let brackets = session.is_some_and(|session| session.negotiated.enhanced_route_refresh);
        let bracket = |subtype, families: FamilySet, octets: &mut BytesMut| {
            let agreed = families.iter().filter(|_| brackets);
            agreed.for_each(|family| refresh::say(subtype, family, context, octets));
        };
        let mut octets = BytesMut::new();
        bracket(RouteRefresh::BEGINNING, adverts.refresh_begun, &mut octets);
        self.encode(id, adverts, context, &mut octets, out);
        bracket(RouteRefresh::END, adverts.refresh_ended, &mut octets);
        if let Some(session) = self.peerings.get_mut(&id).and_then(|peering| peering.session.as_mut()) {
            adverts.end_of_rib.iter().for_each(|&family| session.end_of_rib_sent.insert(family));
        }
        if !octets.is_empty() {
            self.transmit(id, octets.freeze(), now, out);
        }
    }

    /// Tells whether a peer's connection has room for more, and whether it is to be told anything yet.
    fn has_room(&self, id: PeerId) -> bool {
        let peering = self.peerings.get(&id);
        peering.is_some_and(|peering| peering.machine.room() > 0 && !self.is_held_back(peering))
    }

    /// Tells whether a peer may be sent what is pulled for another.
    fn may_listen(&self, id: PeerId) -> bool {
        let peering = self.peerings.get(&id).filter(|peering| peering.machine.session().is_some());
        peering.is_some_and(|peering| peering.machine.unwritten() < LEEWAY && !self.is_held_back(peering))
    }

    fn context(&self, id: PeerId) -> Option<CodecContext> {
        Some(self.peerings.get(&id)?.machine.session()?.context.clone())
    }

    /// Hands octets of a session to its state machine.
    fn transmit(&mut self, id: PeerId, octets: Bytes, now: Instant, out: &mut Vec<Output>) {
        let Some(peering) = self.peerings.get_mut(&id) else { return };
        let mut actions = std::mem::take(&mut self.actions);
        peering.machine.transmit(octets, now, &mut actions);
        for action in actions.drain(..) {
            self.act(id, action, now, out);
        }
        self.actions = actions;
    }

    /// Writes adverts as UPDATEs. Withdrawals go first: what replaces them may need their room in a table. What no
    /// message can hold is withdrawn from the peer and those told the same.
    fn encode(
        &mut self,
        id: PeerId,
        adverts: &Adverts,
        context: &CodecContext,
        octets: &mut BytesMut,
        out: &mut Vec<Output>,
    ) {
        let Written { updates, unsaid } = write(adverts, context, octets);
        self.updates_encoded += updates as u64;
        for unsaid in unsaid {
            self.rib.withhold(id, &unsaid.nlri);
            if let (Some(example), Some(peering)) = (unsaid.nlri.first(), self.peerings.get(&id)) {
                let (peer, prefixes) = (peering.name(), unsaid.nlri.len());
                out.push(Output::Notice(Notice::Oversized { peer, example: example.prefix, prefixes }));
            }
        }
    }
}

/// What became of adverts.
struct Written<'a> {
    updates: usize,
    /// Those no message can hold.
    unsaid: Vec<&'a Advert>,
}

fn write<'a>(adverts: &'a Adverts, context: &CodecContext, octets: &mut BytesMut) -> Written<'a> {
    let mut written = Written { updates: 0, unsaid: Vec::new() };
    for (family, nlri) in &adverts.withdrawn {
        written.updates += pack::withdraw(*family, nlri, context, octets);
    }
    for advert in &adverts.announced {
        let before = octets.len();
        match pack::announce(&advert.attributes, advert.family, &advert.nlri, context, octets) {
            Ok(updates) => written.updates += updates,
            Err(_) => {
                // The attributes alone overfill a message. What cannot be said must not stay said (RFC 4271 §9.2).
                octets.truncate(before);
                written.updates += pack::withdraw(advert.family, &advert.nlri, context, octets);
                written.unsaid.push(advert);
            }
        }
    }
    for &family in &adverts.end_of_rib {
        pack::end_of_rib(family, context, octets);
        written.updates += 1;
    }
    written
}
