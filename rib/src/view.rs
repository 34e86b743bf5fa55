//! Borrowed views: what the tables hold, for whoever asks.

use std::net::IpAddr;

use bgp::{Family, Nlri, PathAttributes};
use ipnet::IpNet;

use crate::destinations::Destination;
use crate::drain::{Lowered, lowered};
use crate::forwarding::Forwarding;
use crate::import::import;
use crate::ownership::Unwritten;
use crate::path::{Path, PeerId, Source, Staleness, Standing};
use crate::peer::{PeerCounts, PeerInfo};
use crate::rib::Rib;

/// A destination: a prefix somebody has said something about.
#[derive(Clone, Copy)]
pub struct DestinationView<'a> {
    rib: &'a Rib,
    id: u32,
    destination: &'a Destination,
}

/// One path of a destination.
#[derive(Clone, Copy)]
pub struct PathView<'a> {
    rib: &'a Rib,
    prefix: IpNet,
    path: &'a Path,
}

impl Rib {
    /// Walks the destinations of a family in the order of their prefixes.
    pub fn destinations(&self, family: Family) -> impl Iterator<Item = DestinationView<'_>> {
        self.destinations_after(family, None)
    }

    /// Walks the destinations of a family behind a prefix, which need not be there any more.
    pub fn destinations_after(
        &self,
        family: Family,
        after: Option<IpNet>,
    ) -> impl Iterator<Item = DestinationView<'_>> {
        let ids = self.destinations.in_order(family, after);
        ids.map(|id| self.view(id)).filter(DestinationView::is_occupied)
    }

    /// Returns the destination of exactly this prefix.
    #[must_use]
    pub fn destination(&self, prefix: &IpNet) -> Option<DestinationView<'_>> {
        let id = self.destinations.find(prefix)?;
        Some(self.view(id)).filter(DestinationView::is_occupied)
    }

    /// Returns the destination packets to an address belong to: the most specific that has a best path.
    #[must_use]
    pub fn longest_match(&self, address: IpAddr) -> Option<DestinationView<'_>> {
        let usable = |id: u32| self.destinations[id].best().is_some();
        self.destinations.longest_match(address, usable).map(|id| self.view(id))
    }

    /// Walks the peers that are up or lost, in the order of their numbers.
    pub fn peers(&self) -> impl Iterator<Item = (PeerId, &PeerInfo)> {
        let up = self.slots.iter().filter_map(|(&id, &slot)| Some((id, self.peer(slot)?)));
        up.map(|(id, peer)| (id, &peer.info))
    }

    /// Returns how the paths of a peer stand; `None` when it is neither up nor lost.
    #[must_use]
    pub fn counts(&self, id: PeerId, family: Family) -> Option<PeerCounts> {
        let peer = self.peer(*self.slots.get(&id)?)?;
        Some(self.counts_of(peer, family))
    }

    /// Walks what a peer was told, in the order of the prefixes: the record, never a recomputation.
    pub fn advertised(&self, id: PeerId, family: Family) -> impl Iterator<Item = (Nlri, &PathAttributes)> {
        let told = self.slots.get(&id).into_iter().flat_map(move |&slot| {
            let ids = self.destinations.in_order(family, None);
            ids.flat_map(move |id| self.told(slot, id).map(move |told| (id, told)))
        });
        told.map(|(id, (path_id, attributes))| {
            let prefix = self.destinations[id].prefix;
            (Nlri { prefix, path_id }, self.pool.attributes(attributes))
        })
    }

    /// Walks what a peer was told of a prefix: a path, or several with their identifiers.
    pub fn advertised_of(&self, id: PeerId, prefix: &IpNet) -> impl Iterator<Item = (u32, &PathAttributes)> {
        let slot = self.slots.get(&id).copied();
        let told = slot.zip(self.destinations.find(prefix)).map(|(slot, id)| self.told(slot, id));
        told.into_iter().flatten().map(|(path_id, attributes)| (path_id, self.pool.attributes(attributes)))
    }

    /// Returns how many destinations there are, with those gone that some consumer has yet to hear of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.destinations.len()
    }

    /// Tells whether there is no destination.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many distinct sets of attributes are in use.
    #[must_use]
    pub fn attribute_sets(&self) -> usize {
        self.pool.len()
    }

    fn view(&self, id: u32) -> DestinationView<'_> {
        DestinationView { rib: self, id, destination: &self.destinations[id] }
    }
}

impl<'a> DestinationView<'a> {
    /// Returns the prefix.
    #[must_use]
    pub fn prefix(&self) -> IpNet {
        self.destination.prefix
    }

    /// Walks all paths: the best first, then those used with it, then the rest.
    pub fn paths(&self) -> impl Iterator<Item = PathView<'a>> {
        let mut paths: Vec<_> = self.destination.paths.iter().collect();
        paths.sort_by_key(|path| (path.standing(), self.rib.source(path.source), path.path_id));
        let Self { rib, destination: &Destination { prefix, .. }, .. } = *self;
        paths.into_iter().map(move |path| PathView { rib, prefix, path })
    }

    /// Returns the best path.
    #[must_use]
    pub fn best(&self) -> Option<PathView<'a>> {
        self.destination.best().map(|path| PathView { rib: self.rib, prefix: self.prefix(), path })
    }

    /// Returns what the kernel should do with packets to the prefix, handed out or not.
    #[must_use]
    pub fn wanted_forwarding(&self) -> Option<Forwarding> {
        self.rib.wanted_forwarding(self.id)
    }

    /// Says why the kernel is asked for nothing of a prefix that is used, if others write its route or nobody can.
    #[must_use]
    pub fn unwritten(&self) -> Option<Unwritten> {
        self.rib.unwritten(self.id)
    }

    /// Returns the forwarding last handed out.
    #[must_use]
    pub fn forwarding(&self) -> Option<&'a Forwarding> {
        self.rib.forwarding.forwarding(self.destination.forwarding)
    }

    fn is_occupied(&self) -> bool {
        !self.destination.paths.is_empty()
    }
}

impl<'a> PathView<'a> {
    /// Returns where the path is from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.rib.source(self.path.source)
    }

    /// Returns the path identifier the peer gave it.
    #[must_use]
    pub fn path_id(&self) -> u32 {
        self.path.path_id
    }

    /// Returns the attributes as received (Adj-RIB-In).
    #[must_use]
    pub fn received(&self) -> &'a PathAttributes {
        self.rib.pool.attributes(self.path.received)
    }

    /// Returns the attributes after import; `None` when the path was rejected.
    #[must_use]
    pub fn accepted(&self) -> Option<&'a PathAttributes> {
        self.path.accepted.some().map(|accepted| self.rib.pool.attributes(accepted))
    }

    /// Returns when the path was received in this shape, in seconds since the owner's epoch.
    #[must_use]
    pub fn since(&self) -> u32 {
        self.path.since
    }

    /// Returns the position of the rule of the import policy that decided on the path; `None` when none did
    /// or there is no policy.
    #[must_use]
    pub fn import_rule(&self) -> Option<usize> {
        let info = &self.rib.peer(self.path.source)?.info;
        let policy = info.import.policy()?;
        let mut last = None;
        let watch = |rule, _: &PathAttributes| last = rule;
        // What comes of it is on record; only the way there is not.
        let _ = import(info, &self.rib.settings, self.prefix, self.received(), watch);
        last.filter(|&rule| policy.rules.get(rule).is_some_and(|rule| rule.decision.is_some()))
    }

    /// Tells whether the path's session was lost and it has not been announced again since.
    #[must_use]
    pub fn stale(&self) -> Option<Staleness> {
        self.path.staleness
    }

    /// Tells whether the path has the lowest preference because somebody is about to go, and who.
    #[must_use]
    pub fn lowered(&self) -> Option<Lowered> {
        lowered(&self.rib.peer(self.path.source)?.info, self.received())
    }

    /// Returns how the path stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.path.standing()
    }
}
