//! Route refresh, in both directions (RFC 2918, RFC 7313).
//!
//! Where both sides bracket their answers, an answer also takes away: what the peer has not said again when it says
//! that this was all is forgotten, and so a withdrawal that got lost on either side is made good. Where the peer
//! does not, nothing is lost but that. A change of import policy needs neither: what a peer said is kept as it came
//! and judged again here.

use std::time::{Duration, Instant};

use bgp::message::RouteRefresh;
use bgp::wire::{self, CodecContext};
use bgp::{Family, Message};
use bytes::BytesMut;
use rib::PeerId;

use super::reload::Acted;
use super::{Notice, Output, Speaker};

/// How long a peer may take from the first bracket to the last; what it has not said again by then goes.
const COMPLETE: Duration = Duration::from_secs(360);

impl Speaker {
    /// Asks a peer for its routes again and sends it ours again; the session stays.
    pub fn peer_refresh(&mut self, name: &str, now: Instant, out: &mut Vec<Output>) -> Option<Acted> {
        let (id, peering) = self.peering_mut(name)?;
        let Some(session) = peering.machine.session() else { return Some(Acted::NoSession) };
        let families = session.negotiated.families;
        let asked = session.negotiated.route_refresh;
        let mut octets = BytesMut::new();
        for family in families.iter().filter(|_| asked) {
            say(RouteRefresh::REQUEST, family, &session.context, &mut octets);
        }
        let mut actions = Vec::new();
        if asked {
            peering.machine.transmit(octets.freeze(), now, &mut actions);
        }
        for action in actions {
            self.act(id, action, now, out);
        }
        families.iter().for_each(|family| self.rib.refresh(id, family));
        Some(if asked { Acted::Refreshed } else { Acted::SentAgain })
    }

    /// Takes what a peer says of refreshes. The state machine let through only what was agreed on.
    pub(super) fn refreshed(
        &mut self,
        id: PeerId,
        refresh: RouteRefresh,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let Some(family) = Family::from_code(refresh.family) else { return };
        let Some(session) = self.peerings.get_mut(&id).and_then(|peering| peering.session.as_mut()) else {
            return;
        };
        match refresh.subtype {
            RouteRefresh::REQUEST => {
                self.refreshes.insert((id, family));
            }
            // A peer that still owes End-of-RIB is not believed to say everything again (RFC 7313 §4.2).
            RouteRefresh::BEGINNING
                if !session.terms.announced || session.end_of_rib_received.contains(family) =>
            {
                session.refreshing.insert(family, now + COMPLETE);
                self.rib.begin_refresh(id, family);
            }
            RouteRefresh::END if session.refreshing.remove(&family).is_some() => {
                self.end_refresh(id, family, false, out);
            }
            _ => {}
        }
    }

    /// Waits no longer for peers that began to say everything again and do not come to the end.
    pub(super) fn expire_refreshes(&mut self, now: Instant, out: &mut Vec<Output>) {
        let mut late = Vec::new();
        for (&id, peering) in &mut self.peerings {
            let Some(session) = &mut peering.session else { continue };
            session.refreshing.retain(|&family, &mut until| {
                let waits = until > now;
                late.extend((!waits).then_some((id, family)));
                waits
            });
        }
        for (id, family) in late {
            self.end_refresh(id, family, true, out);
        }
    }

    fn end_refresh(&mut self, id: PeerId, family: Family, late: bool, out: &mut Vec<Output>) {
        let gone = self.rib.end_refresh(id, family);
        if let Some(peering) = self.peerings.get(&id).filter(|_| late || gone > 0) {
            out.push(Output::Notice(Notice::PeerRefreshed { peer: peering.name(), family, gone, late }));
        }
    }
}

/// Writes a ROUTE-REFRESH.
pub(super) fn say(subtype: u8, family: Family, context: &CodecContext, octets: &mut BytesMut) {
    let refresh = Message::RouteRefresh(RouteRefresh { family: family.code(), subtype });
    // A ROUTE-REFRESH has a fixed size that fits any message.
    let _ = wire::encode(&refresh, context, octets);
}
