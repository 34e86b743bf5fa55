//! Peers nobody lists: they come with a connection from a range and are forgotten once nothing is left of them.
//!
//! Such a peer is in the intent like any other, so a reload, a drain and whoever looks see no difference. What
//! makes it different is only that it counts against the limit of its range, and that it ends.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bgp::fsm::{Event, State};
use rib::PeerId;

use super::peering::Peering;
use super::{Notice, Output, Speaker};
use crate::addresses::LocalEnd;
use crate::intent::{Intent, ListenRange, PeerIntent, range};
use crate::transport::Place;

impl Speaker {
    /// Decides about somebody who connected.
    pub(super) fn accepted(&mut self, from: Place, end: LocalEnd, now: Instant, out: &mut Vec<Output>) {
        let peer = match self.admit(from, now, out) {
            Ok(peer) => peer,
            Err(why) => return out.extend([Output::Refuse, Output::Notice(why)]),
        };
        self.settle_at(peer, Some(from), now, out);
        let before = out.len();
        self.peer_event(peer, Event::Incoming, now, out);
        for output in &out[before..] {
            if let Output::Accept((_, conn), _) = output
                && let Some(peering) = self.peerings.get_mut(&peer)
            {
                peering.ends.insert(*conn, end);
            }
        }
    }

    /// Finds the peer at a place; somebody in a range that has room becomes one.
    fn admit(&mut self, from: Place, now: Instant, out: &mut Vec<Output>) -> Result<PeerId, Notice> {
        if let Some(peer) = self.peer_at(from) {
            return Ok(peer);
        }
        let range = self.range_of(from).ok_or(Notice::Stranger(from))?;
        if self.members(&range.name).count() >= range.limit as usize {
            let (range, limit) = (range.name.clone(), range.limit);
            return Err(Notice::RangeFull { range, limit, from: from.address });
        }
        let peer = range.peer_at(from.address);
        Ok(self.join(peer, now, out))
    }

    /// Makes peers again of those that a range had before our restart: they are waited for like any other.
    pub(super) fn recall(&mut self, names: &[String], now: Instant, out: &mut Vec<Output>) {
        for name in names {
            let Some((range, address)) = name.split_once('/') else { continue };
            let (Some(range), Ok(address)) = (self.intent.ranges.get(range), address.parse::<IpAddr>())
            else {
                continue;
            };
            let is_new = !self.by_place.contains_key(&address.into());
            let has_room = self.members(&range.name).count() < range.limit as usize;
            if is_new && has_room && range.covers(address) {
                self.join(range.peer_at(address), now, out);
            }
        }
    }

    /// Keeps the peers of ranges in an intent that was made without knowing them.
    pub(super) fn keep_members(&self, intent: &mut Intent) {
        intent.peers.retain(|_, peer| peer.range.is_none());
        let members = self.intent.peers.values().filter(|peer| peer.range.is_some());
        let listed = |address| intent.peers.values().any(|peer| peer.address == address);
        let kept = members.filter(|peer| !listed(peer.address)).filter_map(|peer| {
            let range = range::narrowest(intent.ranges.values(), peer.address)?;
            // In another range it is another peer: its name says so.
            (peer.range.as_ref() == Some(&range.name)).then(|| range.peer_at(peer.address))
        });
        let kept: Vec<PeerIntent> = kept.collect();
        intent.peers.extend(kept.into_iter().map(|peer| (peer.name.clone(), peer)));
    }

    /// Forgets the peers of ranges of which nothing is left.
    pub(super) fn forget_members(&mut self, now: Instant, out: &mut Vec<Output>) {
        let gone = self
            .peerings
            .values()
            .filter(|peering| self.forgotten_at(peering).is_some_and(|forgotten| forgotten <= now));
        for name in gone.map(Peering::name).collect::<Vec<_>>() {
            self.remove_peer(&name, now, out);
            self.intent.peers.remove(&name);
            self.sign(out);
        }
    }

    /// Returns when the next of them is to be forgotten.
    pub(super) fn next_forgotten(&self) -> Option<Instant> {
        self.peerings.values().filter_map(|peering| self.forgotten_at(peering)).min()
    }

    /// Tells when a peer of a range is forgotten, if things stay as they are. One an operator holds down stays, and
    /// so does one that is kept away for its excess.
    fn forgotten_at(&self, peering: &Peering) -> Option<Instant> {
        let range = peering.intent.range.as_ref()?;
        let is_held = peering.held_down || peering.excess.is_some();
        if peering.machine.state() > State::Active || peering.grace.is_some() || is_held {
            return None;
        }
        let linger = self.intent.ranges.get(range).map_or(Duration::ZERO, |range| range.linger);
        let since = peering.machine.stats().last_transition.unwrap_or(self.epoch);
        Some(since + linger)
    }

    /// Finds the range a place is in. An address that counts on one link only is in none.
    pub(super) fn range_of(&self, place: Place) -> Option<&ListenRange> {
        let open = self.intent.ranges.values().filter(|range| !range.peer.shutdown);
        range::narrowest(open, place.address).filter(|_| place.interface.is_none())
    }

    fn members<'a>(&'a self, range: &'a str) -> impl Iterator<Item = &'a Peering> {
        self.peerings.values().filter(move |peering| peering.intent.range.as_deref() == Some(range))
    }

    fn join(&mut self, peer: PeerIntent, now: Instant, out: &mut Vec<Output>) -> PeerId {
        self.intent.peers.insert(peer.name.clone(), peer.clone());
        self.sign_as_range(&peer);
        self.add_peer(peer, now, out)
    }
}
