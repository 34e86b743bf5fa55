//! What a run remembers for the next one, and what that one makes of it.
//!
//! Both go through all routes, which takes too long for one turn of the owner where there are many: so both are
//! walks that are taken up where they were left.

use std::collections::BTreeMap;

use bgp::{Family, FamilySet};
use ipnet::IpNet;
use rib::{PeerId, Source};

use super::{Notice, Output, Speaker};
use crate::snapshot::{Identity, Moment, PeerRecord, Prefixes, Snapshot};

/// How many prefixes are looked up in one turn.
const SLICE: usize = 4096;
/// How many prefixes that did not come back are named.
const NAMED: usize = 5;

/// A walk through all routes that makes a snapshot.
pub struct Stocktaking {
    snapshot: Snapshot,
    /// The place of each peer's record.
    places: BTreeMap<PeerId, usize>,
    /// The families still to be walked, the current one last.
    families: Vec<Family>,
    after: Option<IpNet>,
}

impl Stocktaking {
    /// Returns what was found.
    #[must_use]
    pub fn into_snapshot(self) -> Snapshot {
        self.snapshot
    }
}

/// What a peer announced before our restart, held against what it announces now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) before: usize,
    pub(super) missing: u32,
    /// A few of the missing ones.
    pub(super) named: Vec<IpNet>,
}

/// A walk through a snapshot that looks for what has not come back.
pub(super) struct RollCall {
    records: Vec<PeerRecord>,
    /// Where the list of the last record goes on.
    offset: usize,
    comparison: Comparison,
}

impl RollCall {
    pub(super) fn of(snapshot: Option<Snapshot>) -> Option<Self> {
        let mut records = snapshot?.peers;
        records.retain(|record| !record.announced.is_empty());
        (!records.is_empty()).then_some(Self { records, offset: 0, comparison: Comparison::default() })
    }
}

impl Speaker {
    /// Returns a number that is another one whenever a snapshot would be.
    #[must_use]
    pub fn news(&self) -> u64 {
        let sessions = self.peerings.values().map(|peering| {
            let stats = peering.machine.stats();
            stats.established + stats.flaps
        });
        self.rib.stats().updates + sessions.sum::<u64>() + self.intent.node.blocks.len() as u64
    }

    /// Starts a walk that makes a snapshot.
    #[must_use]
    pub fn begin_stocktaking(&self, node: Identity, taken: Moment, installed: u64) -> Stocktaking {
        let record = |(_, peering): (&PeerId, &super::Peering)| PeerRecord {
            name: peering.name(),
            up: peering.session.is_some() || peering.grace.is_some(),
            families: peering
                .machine
                .session()
                .map_or(FamilySet::NONE, |session| session.negotiated.families),
            announced: Prefixes::default(),
        };
        let snapshot = Snapshot {
            node,
            taken,
            farewell: false,
            installed,
            originated: self.intent.node.blocks.iter().copied().collect(),
            peers: self.peerings.iter().map(record).collect(),
        };
        let places = self.peerings.keys().copied().zip(0..).collect();
        Stocktaking { snapshot, places, families: Family::ALL.to_vec(), after: None }
    }

    /// Looks at so many more destinations. Tells whether that were all.
    #[must_use]
    pub fn take_stock(&self, stock: &mut Stocktaking, limit: usize) -> bool {
        let Some(&family) = stock.families.last() else { return true };
        let mut last = None;
        let mut left = limit;
        for destination in self.rib.destinations_after(family, stock.after).take(limit) {
            left -= 1;
            last = Some(destination.prefix());
            for path in destination.paths() {
                if let Source::Peer(id) = path.source()
                    && let Some(&place) = stock.places.get(&id)
                    && let Some(record) = stock.snapshot.peers.get_mut(place)
                {
                    record.announced.push(destination.prefix());
                }
            }
        }
        stock.after = last;
        if left > 0 {
            stock.families.pop();
            stock.after = None;
        }
        stock.families.is_empty()
    }

    /// Goes on looking for what has not come back since our restart, and tells of each peer it is through with.
    pub(super) fn call_roll(&mut self, out: &mut Vec<Output>) {
        let Some(roll) = &mut self.roll_call else { return };
        let Some(record) = roll.records.last() else {
            self.roll_call = None;
            return;
        };
        let id = self.by_name.get(&record.name).copied();
        for _ in 0..SLICE {
            let Some((prefix, next)) = record.announced.at(roll.offset) else {
                let peer = record.name.clone();
                let mut comparison = std::mem::take(&mut roll.comparison);
                comparison.before = record.announced.len();
                let Comparison { before, missing, ref named } = comparison;
                out.push(Output::Notice(Notice::Returned {
                    peer: peer.clone(),
                    before,
                    missing,
                    named: named.clone(),
                }));
                self.returned.insert(peer, comparison);
                roll.records.pop();
                roll.offset = 0;
                return;
            };
            roll.offset = next;
            let is_back = id.is_some_and(|id| {
                let destination = self.rib.destination(&prefix);
                destination.is_some_and(|known| known.paths().any(|path| path.source() == Source::Peer(id)))
            });
            if !is_back {
                roll.comparison.missing += 1;
                if roll.comparison.named.len() < NAMED {
                    roll.comparison.named.push(prefix);
                }
            }
        }
    }
}
