//! Prefix to record, in some thirty octets a prefix.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

use super::targets::TargetId;

/// Wish and reality for one prefix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) wanted: TargetId,
    pub(super) installed: TargetId,
    /// Waits in the queue of things to plan.
    pub(super) queued: bool,
    /// Has been wanted in this run.
    pub(super) claimed: bool,
    /// Has been found by the running resync.
    pub(super) seen: bool,
    /// Was right once and then found missing or changed.
    pub(super) drifted: bool,
    /// Is counted among those that are as wanted.
    pub(super) right: bool,
    /// Is counted among those to be written.
    pub(super) unfinished: bool,
}

impl Entry {
    const EMPTY: Self = Self {
        wanted: TargetId::NONE,
        installed: TargetId::NONE,
        queued: false,
        claimed: false,
        seen: false,
        drifted: false,
        right: false,
        unfinished: false,
    };

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted != TargetId::NONE
    }

    pub(super) fn is_installed(&self) -> bool {
        self.installed != TargetId::NONE
    }

    pub(super) fn is_leftover(&self) -> bool {
        self.is_installed() && !self.is_wanted() && !self.claimed
    }
}

/// Where a record is, for as long as its prefix is not removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(u32);

/// All prefixes of both families. The maps hold slab indexes: a small value keeps a prefix map small.
#[derive(Debug, Default)]
pub(super) struct Entries {
    v4: PrefixMap<Ipv4Net, u32>,
    v6: PrefixMap<Ipv6Net, u32>,
    slab: Vec<Entry>,
    free: Vec<u32>,
}

impl Entries {
    pub(super) fn find(&self, prefix: IpNet) -> Option<Entry> {
        self.index(prefix).map(|index| self.slab[index as usize])
    }

    pub(super) fn find_mut(&mut self, prefix: IpNet) -> Option<&mut Entry> {
        self.index(prefix).map(|index| &mut self.slab[index as usize])
    }

    /// Returns where the record of `prefix` is; a new one is empty.
    pub(super) fn place(&mut self, prefix: IpNet) -> Place {
        Place(match self.index(prefix) {
            Some(index) => index,
            None => self.insert(prefix),
        })
    }

    /// Returns where the record of `prefix` is, if there is one.
    pub(super) fn find_place(&self, prefix: IpNet) -> Option<Place> {
        self.index(prefix).map(Place)
    }

    pub(super) fn at(&mut self, place: Place) -> &mut Entry {
        &mut self.slab[place.0 as usize]
    }

    pub(super) fn remove(&mut self, prefix: IpNet) {
        let index = match prefix {
            IpNet::V4(prefix) => self.v4.remove(&prefix),
            IpNet::V6(prefix) => self.v6.remove(&prefix),
        };
        if let Some(index) = index {
            self.slab[index as usize] = Entry::EMPTY;
            self.free.push(index);
        }
    }

    /// Goes through all prefixes, IPv4 first, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (IpNet, Entry)> + '_ {
        self.iter_after(None)
    }

    /// Goes through the prefixes behind one that need not be there, or through all.
    pub(super) fn iter_after(&self, after: Option<IpNet>) -> impl Iterator<Item = (IpNet, Entry)> + '_ {
        let v4 = match after {
            None => Some(self.v4.iter()),
            Some(IpNet::V4(after)) => Some(self.v4.iter_from(&after, false)),
            Some(IpNet::V6(_)) => None,
        };
        let v6 = match after {
            Some(IpNet::V6(after)) => self.v6.iter_from(&after, false),
            Some(IpNet::V4(_)) | None => self.v6.iter(),
        };
        let v4 = v4.into_iter().flatten().map(|(prefix, index)| (IpNet::V4(prefix), *index));
        let v6 = v6.map(|(prefix, index)| (IpNet::V6(prefix), *index));
        v4.chain(v6).map(|(prefix, index)| (prefix, self.slab[index as usize]))
    }

    /// Returns the prefixes that cover `address`, the shortest first.
    pub(super) fn covering(&self, address: IpAddr) -> Vec<IpNet> {
        match IpNet::from(address) {
            IpNet::V4(host) => self.v4.cover(&host).map(|(prefix, _)| IpNet::V4(prefix)).collect(),
            IpNet::V6(host) => self.v6.cover(&host).map(|(prefix, _)| IpNet::V6(prefix)).collect(),
        }
    }

    /// Goes through the records alone, those of forgotten prefixes included.
    pub(super) fn records(&self) -> &[Entry] {
        &self.slab
    }

    pub(super) fn forget_seen(&mut self) {
        for entry in &mut self.slab {
            entry.seen = false;
        }
    }

    fn index(&self, prefix: IpNet) -> Option<u32> {
        match prefix {
            IpNet::V4(prefix) => self.v4.get(&prefix).copied(),
            IpNet::V6(prefix) => self.v6.get(&prefix).copied(),
        }
    }

    fn insert(&mut self, prefix: IpNet) -> u32 {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slab.push(Entry::EMPTY);
                // The address space of a kernel's memory ends long before 2^32 routes.
                (self.slab.len() - 1) as u32
            }
        };
        match prefix {
            IpNet::V4(prefix) => self.v4.insert(prefix, index),
            IpNet::V6(prefix) => self.v6.insert(prefix, index),
        };
        index
    }

    #[cfg(test)]
    pub(super) fn octets(&self) -> usize {
        self.v4.mem_size() + self.v6.mem_size() + self.slab.capacity() * size_of::<Entry>()
    }
}
