//! All sessions: which of them a packet belongs to, and which names are taken.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use super::authentication::Authenticator;
use super::{
    Authentication, ControlPacket, Discard, Discards, Discriminator, Output, PORT_MULTIHOP, PORT_SINGLE_HOP,
};
use super::{Session, Settings};
use crate::jitter::Jitter;

/// How far away the other end of a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hops {
    /// On the same link (RFC 5881).
    Single,
    /// Anywhere (RFC 5883), but packets arrive with at least this hop limit; 0 takes all.
    Multi(u8),
}

impl Hops {
    /// Returns the port packets go to.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Single => PORT_SINGLE_HOP,
            Self::Multi(_) => PORT_MULTIHOP,
        }
    }

    /// Returns the least hop limit packets may arrive with (RFC 5881 §5).
    #[must_use]
    pub fn minimum_hop_limit(self) -> u8 {
        match self {
            Self::Single => u8::MAX,
            Self::Multi(least) => least,
        }
    }
}

/// Where a datagram came from, and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The address it came from.
    pub from: IpAddr,
    /// The port it came to.
    pub port: u16,
    /// The hop limit it came with.
    pub hop_limit: u8,
}

/// All sessions of a node, at most one with each address.
#[derive(Debug)]
pub struct Sessions {
    sessions: BTreeMap<IpAddr, Entry>,
    names: BTreeMap<Discriminator, IpAddr>,
    discards: Discards,
    draw: Jitter,
}

#[derive(Debug)]
struct Entry {
    hops: Hops,
    session: Session,
    authenticator: Option<Authenticator>,
    /// When a session that is not wanted any more has told the other end for long enough.
    ends: Option<Instant>,
}

impl Sessions {
    /// Makes no sessions yet. Names and jitter follow from the seed, which should differ from start to start:
    /// a peer must not take our new session for the old one.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (sessions, names) = (BTreeMap::new(), BTreeMap::new());
        Self { sessions, names, discards: Discards::default(), draw: Jitter::new(seed) }
    }

    /// Has a session with an address, a new one or the one there is with these settings.
    pub fn want(
        &mut self,
        remote: IpAddr,
        hops: Hops,
        settings: Settings,
        authentication: Option<Authentication>,
        now: Instant,
    ) {
        match self.sessions.get_mut(&remote) {
            Some(entry) if entry.hops == hops && entry.ends.is_none() => {
                entry.session.configure(settings, now)
            }
            _ => {
                self.forget(remote);
                let name = self.fresh_name();
                let session = Session::new(settings, name, self.draw.draw(), now);
                self.names.insert(name, remote);
                self.sessions.insert(remote, Entry { hops, session, authenticator: None, ends: None });
            }
        }
        self.authenticate(remote, authentication);
    }

    /// Writes a packet a session wants transmitted, as the payload of a datagram.
    pub fn encode(&mut self, remote: IpAddr, packet: &ControlPacket) -> Vec<u8> {
        let entry = self.sessions.get_mut(&remote);
        match entry.and_then(|entry| entry.authenticator.as_mut()) {
            Some(authenticator) => authenticator.sign(packet),
            None => packet.encode().to_vec(),
        }
    }

    /// Ends a session; for as long as the peer would wait it is told that this is no failure.
    pub fn unwant(&mut self, remote: IpAddr, now: Instant, out: &mut Vec<(IpAddr, Output)>) {
        let Some(entry) = self.sessions.get_mut(&remote).filter(|entry| entry.ends.is_none()) else { return };
        let multiplier = u32::from(entry.session.settings().multiplier.get());
        let mut outputs = Vec::new();
        entry.session.shut_down(now, &mut outputs);
        let patience = entry.session.transmit_interval().saturating_mul(multiplier);
        match entry.session.remote() {
            Some(_) => entry.ends = now.checked_add(patience),
            None => self.forget(remote),
        }
        out.extend(outputs.into_iter().map(|output| (remote, output)));
    }

    /// Takes the payload of a datagram.
    pub fn receive(
        &mut self,
        arrival: Arrival,
        payload: &[u8],
        now: Instant,
        out: &mut Vec<(IpAddr, Output)>,
    ) {
        if let Err(reason) = self.accept(arrival, payload, now, out) {
            self.discards.count(reason);
        }
    }

    /// Does what is due in all sessions.
    pub fn tick(&mut self, now: Instant, out: &mut Vec<(IpAddr, Output)>) {
        let mut outputs = Vec::new();
        let mut over = Vec::new();
        for (&remote, entry) in &mut self.sessions {
            if entry.ends.is_some_and(|ends| ends <= now) {
                over.push(remote);
            } else if entry.session.next_deadline().is_some_and(|deadline| deadline <= now) {
                entry.session.tick(now, &mut outputs);
            }
            out.extend(outputs.drain(..).map(|output| (remote, output)));
        }
        over.into_iter().for_each(|remote| self.forget(remote));
    }

    /// Returns when [`Sessions::tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.sessions.values().map(|entry| (entry.session.next_deadline(), entry.ends));
        deadlines.flat_map(|(session, ends)| session.into_iter().chain(ends)).min()
    }

    /// Returns the sessions that are wanted, with the addresses of their other ends.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, &Session)> {
        let wanted = self.sessions.iter().filter(|(_, entry)| entry.ends.is_none());
        wanted.map(|(&remote, entry)| (remote, &entry.session))
    }

    /// Tells whether there is a session with an address, wanted or about to end.
    #[must_use]
    pub fn has(&self, remote: IpAddr) -> bool {
        self.sessions.contains_key(&remote)
    }

    /// Returns what was dropped.
    #[must_use]
    pub fn discards(&self) -> &Discards {
        &self.discards
    }

    fn accept(
        &mut self,
        arrival: Arrival,
        payload: &[u8],
        now: Instant,
        out: &mut Vec<(IpAddr, Output)>,
    ) -> Result<(), Discard> {
        let packet = ControlPacket::decode(payload)?;
        // RFC 5880 §6.3: a packet that names a session belongs to it, wherever it comes from.
        let remote = match packet.your_discriminator {
            Some(name) => *self.names.get(&name).ok_or(Discard::UnknownSession)?,
            None => arrival.from,
        };
        let entry = self.sessions.get_mut(&remote).ok_or(Discard::UnknownSession)?;
        if entry.hops.port() != arrival.port {
            return Err(Discard::UnknownSession);
        }
        if arrival.hop_limit < entry.hops.minimum_hop_limit() {
            return Err(Discard::HopLimit);
        }
        match &mut entry.authenticator {
            Some(authenticator) => {
                let patience = entry.session.detection_time_for(&packet);
                authenticator.check(payload, &packet, patience, now)?;
            }
            None if packet.authenticated => return Err(Discard::Authentication),
            None => {}
        }
        let mut outputs = Vec::new();
        entry.session.receive(&packet, now, &mut outputs);
        out.extend(outputs.into_iter().map(|output| (remote, output)));
        Ok(())
    }

    fn authenticate(&mut self, remote: IpAddr, wanted: Option<Authentication>) {
        let sequence = u32::try_from(self.draw.draw() >> 32).unwrap_or_default();
        if let Some(entry) = self.sessions.get_mut(&remote)
            && entry.authenticator.as_ref().map(Authenticator::settings) != wanted.as_ref()
        {
            entry.authenticator = wanted.map(|wanted| Authenticator::new(wanted, sequence));
        }
    }

    fn forget(&mut self, remote: IpAddr) {
        self.sessions.remove(&remote);
        self.names.retain(|_, &mut owner| owner != remote);
    }

    fn fresh_name(&mut self) -> Discriminator {
        loop {
            let drawn = u32::try_from(self.draw.draw() >> 32).ok().and_then(Discriminator::new);
            if let Some(name) = drawn.filter(|name| !self.names.contains_key(name)) {
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests;
