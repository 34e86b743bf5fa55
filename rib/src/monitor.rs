//! Monitoring: somebody outside is told whole tables, and then how they change.
//!
//! A station is a consumer like any other: it pulls, what it was told is recorded, and what it has yet to hear is
//! a set of destinations. So it gets a table and its changes by the same way, a station that is slow sees the
//! newest state and costs no more memory than the tables themselves, and nothing is said twice.
//!
//! The one limit: of several paths a peer announced of one prefix (RFC 7911) only the first is told.

use std::collections::BTreeMap;

use bgp::{Family, FamilySet, Nlri};

use crate::adj_rib_out::{Adverts, Grouping};
use crate::pages::Pages;
use crate::path::{Path, PeerId, Slot};
use crate::pending::{Pending, Round};
use crate::pool::AttrId;
use crate::rib::Rib;

/// A station, as the owner of the tables numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monitor(pub u32);

/// A table that can be monitored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// What a peer announced in its session, as it did. What is stale was not.
    Received(PeerId),
    /// The same after import.
    Accepted(PeerId),
    /// The best paths.
    Best,
    /// What a peer was told.
    Advertised(PeerId),
}

/// All stations, each with what it was told of its tables.
#[derive(Default)]
pub(crate) struct Monitors(BTreeMap<Monitor, BTreeMap<Table, Told>>);

/// What a station was told of a table, and what it has yet to hear of it.
#[derive(Default)]
struct Told {
    record: Pages<AttrId>,
    pending: Pending,
    /// The families whose End-of-RIB is still owed, and how far telling had got when it began.
    owed: FamilySet,
    since: Round,
}

impl Told {
    fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.owed.is_empty()
    }

    fn is_done_with(&self, id: u32) -> bool {
        !self.pending.contains(id) && self.record.get(id) == AttrId::NONE
    }
}

impl Monitors {
    /// Takes note that something about a destination may have changed. Costs nothing without stations.
    pub(crate) fn note(&mut self, id: u32) {
        self.0.values_mut().flat_map(BTreeMap::values_mut).for_each(|told| told.pending.insert(id));
    }

    pub(crate) fn is_done_with(&self, id: u32) -> bool {
        self.0.values().flat_map(BTreeMap::values).all(|told| told.is_done_with(id))
    }

    /// Walks all handles held.
    pub(crate) fn records(&self) -> impl Iterator<Item = AttrId> {
        self.0.values().flat_map(BTreeMap::values).flat_map(|told| told.record.occupied().map(|(_, id)| id))
    }
}

impl Rib {
    /// Begins to tell a station of a table, from its first route on.
    pub fn begin_monitoring(&mut self, monitor: Monitor, table: Table) {
        self.end_monitoring(monitor, table);
        let mut told = Told { owed: self.families_of(table), ..Told::default() };
        self.destinations.ids().for_each(|id| told.pending.insert(id));
        told.since = told.pending.here();
        self.monitors.0.entry(monitor).or_default().insert(table, told);
    }

    /// Ends that, and forgets what the station was told.
    pub fn end_monitoring(&mut self, monitor: Monitor, table: Table) {
        let Some(tables) = self.monitors.0.get_mut(&monitor) else { return };
        let Some(told) = tables.remove(&table) else { return };
        if tables.is_empty() {
            self.monitors.0.remove(&monitor);
        }
        told.record.occupied().for_each(|(_, attributes)| self.pool.release(attributes));
        for id in self.destinations.ids().collect::<Vec<_>>() {
            self.forget_if_unused(id);
        }
    }

    /// Ends all a station is told.
    pub fn forget_monitor(&mut self, monitor: Monitor) {
        let tables = self.monitors.0.get(&monitor).into_iter().flat_map(BTreeMap::keys);
        for table in tables.copied().collect::<Vec<_>>() {
            self.end_monitoring(monitor, table);
        }
    }

    /// Returns the tables there is something to pull of, for a station.
    #[must_use]
    pub fn monitored_pending(&self, monitor: Monitor) -> Vec<Table> {
        let tables = self.monitors.0.get(&monitor).into_iter().flatten();
        tables.filter(|(_, told)| !told.is_settled()).map(|(&table, _)| table).collect()
    }

    /// Looks at up to `limit` pending destinations of a table and returns what a station is to be told of them.
    /// End-of-RIB means that it has been told the whole table once.
    ///
    /// What is returned counts as told.
    pub fn pull_monitored(&mut self, monitor: Monitor, table: Table, limit: usize) -> Adverts {
        let tables = self.monitors.0.get_mut(&monitor);
        let Some(told) = tables.and_then(|tables| tables.get_mut(&table)) else { return Adverts::default() };
        // Put back below: an empty one stands in for it, which no destination waits for.
        let mut told = std::mem::take(told);
        let mut grouping = Grouping::default();
        let mut looked_at = Vec::new();
        while looked_at.len() < limit
            && let Some(id) = told.pending.take()
        {
            looked_at.push(id);
            let wanted = self.wanted_of(table, id);
            let before = told.record.get(id);
            if wanted == before {
                continue;
            }
            let prefix = self.destinations[id].prefix;
            let (family, nlri) = (Family::of(&prefix), Nlri::from(prefix));
            match wanted.some() {
                Some(attributes) => {
                    self.pool.retain(attributes);
                    grouping.announce(&self.pool, attributes, family, nlri);
                }
                None => grouping.withdraw(family, nlri),
            }
            told.record.set(id, wanted);
            self.pool.release(before);
        }
        let mut adverts = grouping.adverts;
        if told.pending.has_come_round(told.since) {
            adverts.end_of_rib = std::mem::take(&mut told.owed).iter().collect();
        }
        adverts.more = !told.pending.is_empty();
        if let Some(place) = self.monitors.0.get_mut(&monitor).and_then(|tables| tables.get_mut(&table)) {
            *place = told;
        }
        looked_at.into_iter().for_each(|id| self.forget_if_unused(id));
        adverts
    }

    fn families_of(&self, table: Table) -> FamilySet {
        match table {
            Table::Best => FamilySet::ALL,
            Table::Received(peer) | Table::Accepted(peer) | Table::Advertised(peer) => self
                .slots
                .get(&peer)
                .and_then(|&slot| self.peer(slot))
                .map_or(FamilySet::NONE, |peer| peer.info.families),
        }
    }

    /// Returns what a table has of a destination, without a count.
    fn wanted_of(&self, table: Table, id: u32) -> AttrId {
        let of = |peer: PeerId| self.slots.get(&peer).copied();
        match table {
            Table::Best => self.destinations[id].best().map_or(AttrId::NONE, |best| best.accepted),
            Table::Received(peer) => {
                of(peer).and_then(|slot| self.fresh(slot, id)).map_or(AttrId::NONE, |path| path.received)
            }
            Table::Accepted(peer) => {
                of(peer).and_then(|slot| self.fresh(slot, id)).map_or(AttrId::NONE, |path| path.accepted)
            }
            Table::Advertised(peer) => {
                let told = of(peer).and_then(|slot| self.told(slot, id).next());
                told.map_or(AttrId::NONE, |(_, attributes)| attributes)
            }
        }
    }

    fn fresh(&self, slot: Slot, id: u32) -> Option<&Path> {
        let paths = self.destinations[id].paths.iter();
        paths.filter(|path| path.source == slot && path.staleness.is_none()).min_by_key(|path| path.path_id)
    }
}
