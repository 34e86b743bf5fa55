//! The destinations: every prefix anybody has said something about.

use std::net::IpAddr;
use std::ops::{Index, IndexMut};

use bgp::Family;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;
use smallvec::SmallVec;

use crate::forwarding::ForwardingId;
use crate::path::{Path, Slot, Standing};

/// Everything known about one prefix.
pub(crate) struct Destination {
    /// All its paths: candidates and rejected ones.
    pub(crate) paths: SmallVec<[Path; 2]>,
    pub(crate) prefix: IpNet,
    /// What was last handed out for forwarding.
    pub(crate) forwarding: ForwardingId,
    marks: u8,
}

/// Something that is true of a destination for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    /// It waits for the decision.
    Dirty = 1,
    /// Its best path has gone or changed in itself since the last decision.
    BestTouched = 2,
    /// Any path in use has.
    ForwardingTouched = 4,
}

const _: () = assert!(size_of::<Option<Destination>>() == 72);

impl Destination {
    /// Returns the place of a source's path.
    pub(crate) fn position(&self, source: Slot, path_id: u32) -> Option<usize> {
        self.paths.iter().position(|path| path.source == source && path.path_id == path_id)
    }

    /// Returns the best path of the last decision.
    pub(crate) fn best(&self) -> Option<&Path> {
        self.paths.iter().find(|path| path.standing() == Standing::Best)
    }

    /// Notes that a path is about to change or go.
    pub(crate) fn touch(&mut self, standing: Standing) {
        if standing == Standing::Best {
            self.mark(Mark::BestTouched);
        }
        if standing.forwards() {
            self.mark(Mark::ForwardingTouched);
        }
    }

    pub(crate) fn is(&self, mark: Mark) -> bool {
        self.marks & mark as u8 != 0
    }

    /// Sets a mark; tells whether it was not there.
    pub(crate) fn mark(&mut self, mark: Mark) -> bool {
        let fresh = self.marks & mark as u8 == 0;
        self.marks |= mark as u8;
        fresh
    }

    /// Takes a mark away; tells whether it was there.
    pub(crate) fn unmark(&mut self, mark: Mark) -> bool {
        let there = self.marks & mark as u8 != 0;
        self.marks &= !(mark as u8);
        there
    }

    pub(crate) fn family(&self) -> Family {
        Family::of(&self.prefix)
    }
}

/// The number of destinations that are allocated together: growing never moves the others.
const PAGE: usize = 1024;

/// All destinations, by number and by prefix.
#[derive(Default)]
pub(crate) struct Destinations {
    pages: Vec<Vec<Option<Destination>>>,
    free: Vec<u32>,
    v4: PrefixMap<Ipv4Net, u32>,
    v6: PrefixMap<Ipv6Net, u32>,
}

impl Destinations {
    /// Returns the number of a prefix's destination, made if need be.
    pub(crate) fn enter(&mut self, prefix: IpNet) -> u32 {
        let (pages, free) = (&mut self.pages, &mut self.free);
        let make = || allocate(pages, free, prefix);
        match prefix {
            IpNet::V4(prefix) => *self.v4.entry(prefix).or_insert_with(make),
            IpNet::V6(prefix) => *self.v6.entry(prefix).or_insert_with(make),
        }
    }

    /// Returns the number of a prefix's destination.
    pub(crate) fn find(&self, prefix: &IpNet) -> Option<u32> {
        match prefix {
            IpNet::V4(prefix) => self.v4.get(prefix).copied(),
            IpNet::V6(prefix) => self.v6.get(prefix).copied(),
        }
    }

    /// Forgets a destination.
    pub(crate) fn remove(&mut self, id: u32) {
        let place = &mut self.pages[id as usize / PAGE][id as usize % PAGE];
        let Some(destination) = place.take() else { return };
        self.free.push(id);
        match destination.prefix {
            IpNet::V4(prefix) => drop(self.v4.remove(&prefix)),
            IpNet::V6(prefix) => drop(self.v6.remove(&prefix)),
        }
    }

    /// Returns the most specific destination for an address for which a condition holds.
    pub(crate) fn longest_match(&self, address: IpAddr, holds: impl Fn(u32) -> bool) -> Option<u32> {
        match IpNet::from(address) {
            IpNet::V4(host) => self.v4.cover_values(&host).copied().filter(|&id| holds(id)).last(),
            IpNet::V6(host) => self.v6.cover_values(&host).copied().filter(|&id| holds(id)).last(),
        }
    }

    /// Returns the destinations inside a block, itself included.
    pub(crate) fn within(&self, block: &IpNet) -> Vec<u32> {
        match block {
            IpNet::V4(block) => self.v4.children(block).map(|(_, &id)| id).collect(),
            IpNet::V6(block) => self.v6.children(block).map(|(_, &id)| id).collect(),
        }
    }

    /// Walks the destinations of a family in the order of their prefixes, those behind a prefix or all.
    pub(crate) fn in_order(
        &self,
        family: Family,
        after: Option<IpNet>,
    ) -> Box<dyn Iterator<Item = u32> + '_> {
        match (family, after) {
            (Family::Ipv4, Some(IpNet::V4(after))) => {
                Box::new(self.v4.iter_from(&after, false).map(|(_, &id)| id))
            }
            (Family::Ipv6, Some(IpNet::V6(after))) => {
                Box::new(self.v6.iter_from(&after, false).map(|(_, &id)| id))
            }
            (Family::Ipv4, _) => Box::new(self.v4.values().copied()),
            (Family::Ipv6, _) => Box::new(self.v6.values().copied()),
        }
    }

    /// Walks all destinations in the order of their numbers, which is the fastest.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        let all = self.pages.iter().flatten().enumerate();
        all.filter_map(|(id, destination)| destination.as_ref().map(|_| id as u32))
    }

    pub(crate) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }
}

impl Index<u32> for Destinations {
    type Output = Destination;

    fn index(&self, id: u32) -> &Destination {
        // Numbers are dropped by every holder before the destination is removed: see `Rib::forget_if_unused`.
        self.pages[id as usize / PAGE][id as usize % PAGE]
            .as_ref()
            .expect("a held number names a destination")
    }
}

impl IndexMut<u32> for Destinations {
    fn index_mut(&mut self, id: u32) -> &mut Destination {
        // As in `index`.
        self.pages[id as usize / PAGE][id as usize % PAGE]
            .as_mut()
            .expect("a held number names a destination")
    }
}

fn allocate(pages: &mut Vec<Vec<Option<Destination>>>, free: &mut Vec<u32>, prefix: IpNet) -> u32 {
    let destination =
        Some(Destination { paths: SmallVec::new(), prefix, forwarding: ForwardingId::NONE, marks: 0 });
    if let Some(id) = free.pop() {
        pages[id as usize / PAGE][id as usize % PAGE] = destination;
        return id;
    }
    if pages.last().is_none_or(|last| last.len() == PAGE) {
        pages.push(Vec::with_capacity(PAGE));
    }
    let page = pages.len() - 1;
    pages[page].push(destination);
    (page * PAGE + pages[page].len() - 1) as u32
}
