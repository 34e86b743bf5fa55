//! What those who look on want to know: who the sessions are with, and the tables.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bgp::wire::CodecContext;
use bgp::{Asn, BgpId, Family};
use rib::{Adverts, Monitor, PeerId, Table};

use super::Speaker;
use crate::transport::Key;

/// A session that is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// Its connection, and with it the peer.
    pub key: Key,
    /// The peer's address.
    pub address: IpAddr,
    /// The peer's AS.
    pub asn: Asn,
    /// The peer's identifier.
    pub bgp_id: BgpId,
    /// How long it has been up.
    pub age: Duration,
}

/// What a peer's messages have to be read by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The peer's address.
    pub address: IpAddr,
    /// The peer's AS.
    pub asn: Asn,
    /// Our AS as the peer sees it.
    pub local_asn: Asn,
    /// What the session agreed on; 4-octet AS numbers while there is none.
    pub context: CodecContext,
}

/// What is counted about a peer's routes, for one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyCounts {
    /// The family.
    pub family: Family,
    /// Paths received.
    pub received: u32,
    /// Paths import refused.
    pub rejected: u32,
    /// Prefixes the peer was told of.
    pub advertised: u32,
}

impl Speaker {
    /// Returns the sessions that are up, in the order of the peers' numbers.
    pub fn sessions(&self, now: Instant) -> impl Iterator<Item = SessionFacts> {
        self.peerings.iter().filter_map(move |(&id, peering)| {
            let session = peering.machine.session()?;
            Some(SessionFacts {
                key: (id, session.connection),
                address: peering.intent.address,
                asn: session.negotiated.peer_asn,
                bgp_id: session.negotiated.peer_id,
                age: now.saturating_duration_since(session.since),
            })
        })
    }

    /// Says by what a peer's messages have to be read.
    #[must_use]
    pub fn reading(&self, peer: PeerId) -> Option<Reading> {
        let peering = self.peerings.get(&peer)?;
        let unknown = || CodecContext { four_octet_asn: true, ..CodecContext::before_open() };
        let session = peering.machine.session();
        let local_asn = self.intent.local_asn(&peering.intent);
        Some(Reading {
            address: peering.whereabouts().address,
            // Whose AS nobody knows yet says so in its OPEN.
            asn: peering.asn(local_asn).unwrap_or_default(),
            local_asn,
            context: session.map_or_else(unknown, |session| session.context.clone()),
        })
    }

    /// Finds a peer by its name.
    #[must_use]
    pub fn peer_named(&self, name: &str) -> Option<PeerId> {
        self.by_name.get(name).copied()
    }

    /// Has every message of the wanted peers told as it was: [`super::Output::Heard`].
    pub fn listen(&mut self, wanted: impl Fn(PeerId) -> bool) {
        for (&id, peering) in &mut self.peerings {
            peering.machine.listen(wanted(id));
        }
    }

    /// Returns what is counted about a peer's routes, and the UPDATEs treated as withdrawals.
    #[must_use]
    pub fn counted(&self, peer: PeerId) -> (Vec<FamilyCounts>, u64) {
        let of = |family| {
            let counts = self.rib.counts(peer, family)?;
            let (received, rejected) = (counts.received(), counts.rejected());
            Some(FamilyCounts { family, received, rejected, advertised: counts.advertised })
        };
        let treated = self.peerings.get(&peer).map_or(0, |peering| peering.treated_as_withdraw);
        (Family::ALL.into_iter().filter_map(of).collect(), treated)
    }

    /// Returns how many prefixes have a best path.
    #[must_use]
    pub fn best_paths(&self) -> u64 {
        let of =
            |id, family| self.rib.counts(id, family).map_or(0, |counts| counts.standing(rib::Standing::Best));
        let learned =
            self.rib.peers().flat_map(|(id, _)| Family::ALL.map(|family| u64::from(of(id, family))));
        learned.sum::<u64>() + self.intent.node.blocks.len() as u64
    }

    /// See [`rib::Rib::begin_monitoring`].
    pub fn begin_monitoring(&mut self, monitor: Monitor, table: Table) {
        self.rib.begin_monitoring(monitor, table);
    }

    /// See [`rib::Rib::end_monitoring`].
    pub fn end_monitoring(&mut self, monitor: Monitor, table: Table) {
        self.rib.end_monitoring(monitor, table);
    }

    /// See [`rib::Rib::forget_monitor`].
    pub fn forget_monitor(&mut self, monitor: Monitor) {
        self.rib.forget_monitor(monitor);
    }

    /// See [`rib::Rib::monitored_pending`].
    #[must_use]
    pub fn monitored_pending(&self, monitor: Monitor) -> Vec<Table> {
        self.rib.monitored_pending(monitor)
    }

    /// See [`rib::Rib::pull_monitored`].
    pub fn pull_monitored(&mut self, monitor: Monitor, table: Table, limit: usize) -> Adverts {
        self.rib.pull_monitored(monitor, table, limit)
    }
}
