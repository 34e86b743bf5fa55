//! How many prefixes a peer may announce: a word before it is too many, and when it may come back after (RFC 4486).

use std::time::Instant;

use bgp::Family;
use bgp::fsm::{Event, StopReason};
use rib::PeerId;

use super::peering::Peering;
use super::{Notice, Output, Speaker};
use crate::intent::PeerIntent;

/// A peer that is kept away because it announced too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Excess {
    /// When it may come back; `None` when an operator says.
    pub(super) until: Option<Instant>,
}

impl Excess {
    /// Begins to keep a peer away.
    fn of(peer: &PeerIntent, now: Instant) -> Self {
        Self { until: peer.max_prefixes_restart.map(|time| now + time) }
    }
}

impl Speaker {
    /// Warns of a peer that comes near its limit, once until it is away from it again.
    pub(super) fn watch_limit(&mut self, id: PeerId, out: &mut Vec<Output>) {
        let Some(peering) = self.peerings.get_mut(&id) else { return };
        let Some(threshold) = peering.intent.warning_threshold() else { return };
        let limit = peering.intent.max_prefixes.unwrap_or_default();
        for family in Family::ALL {
            let prefixes = self.rib.counts(id, family).map_or(0, |counts| counts.received());
            let is_known = peering.near_limit.contains(family);
            if prefixes < threshold {
                peering.near_limit.remove(family);
            } else if !is_known {
                peering.near_limit.insert(family);
                let peer = peering.name();
                out.push(Output::Notice(Notice::NearMaxPrefixes { peer, family, prefixes, limit }));
            }
        }
    }

    /// Ends the session of a peer that announced too much.
    pub(super) fn keep_away(&mut self, id: PeerId, now: Instant, out: &mut Vec<Output>) {
        let Some(peering) = self.peerings.get(&id) else { return };
        let limit = peering.intent.max_prefixes.unwrap_or_default();
        let exceeds =
            |family: &Family| self.rib.counts(id, *family).is_some_and(|counts| counts.received() > limit);
        // One of them does, or we would not be here.
        let family = Family::ALL.into_iter().find(exceeds).unwrap_or(Family::Ipv4);
        self.peer_event(id, Event::Stop { reason: StopReason::MaxPrefixes { family, limit } }, now, out);
        if let Some(peering) = self.peerings.get_mut(&id) {
            peering.excess = Some(Excess::of(&peering.intent, now));
        }
    }

    /// Lets the peers come back whose time away is over.
    pub(super) fn end_excesses(&mut self, now: Instant, out: &mut Vec<Output>) {
        let over =
            |peering: &Peering| peering.excess.and_then(|excess| excess.until).is_some_and(|end| end <= now);
        let back = self.peerings.iter().filter(|(_, peering)| over(peering)).map(|(&id, _)| id);
        for id in back.collect::<Vec<_>>() {
            if let Some(peering) = self.peerings.get_mut(&id) {
                peering.excess = None;
                if peering.is_wanted() {
                    self.peer_event(id, Event::Start, now, out);
                }
            }
        }
    }

    /// Returns when the next of them comes back.
    pub(super) fn next_return(&self) -> Option<Instant> {
        self.peerings.values().filter_map(|peering| peering.excess?.until).min()
    }

    /// Lets a peer come back whose limit is another now.
    pub(super) fn limit_changed(
        &mut self,
        id: PeerId,
        before: &PeerIntent,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let Some(peering) = self.peerings.get_mut(&id).filter(|peering| peering.excess.is_some()) else {
            return;
        };
        if peering.intent.max_prefixes != before.max_prefixes && peering.is_wanted() {
            self.peer_event(id, Event::Start, now, out);
        } else if peering.intent.max_prefixes_restart != before.max_prefixes_restart {
            peering.excess = Some(Excess::of(&peering.intent, now));
        }
    }
}
