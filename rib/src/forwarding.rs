//! Forwarding: what the kernel should hold for each destination.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::num::NonZeroU16;

use hashbrown::{DefaultHashBuilder, HashTable};
use ipnet::IpNet;

/// A router to hand packets to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gateway {
    /// Its address.
    pub address: IpAddr,
    /// The index of the link it is on; always there for a link-local address.
    pub interface: Option<u32>,
    /// Whether it is taken to be on that link although no route says so: the far end of a tunnel.
    pub onlink: bool,
}

impl Gateway {
    /// Makes a gateway that is where the kernel's routes say.
    #[must_use]
    pub fn new(address: IpAddr, interface: Option<u32>) -> Self {
        Self { address, interface, onlink: false }
    }
}

/// A router with its share of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weighted {
    /// The router.
    pub gateway: Gateway,
    /// How many parts of all weights together are its, at most 256.
    pub weight: NonZeroU16,
}

/// What becomes of packets to a destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Forwarding {
    /// They go to one of these: ascending, without repetition, never empty.
    Via(Vec<Gateway>),
    /// They go to one of these in unequal shares: ascending, each gateway once, the least weights that do.
    Weighted(Vec<Weighted>),
    /// They are dropped, unless something more specific takes them: a prefix we originate, or one whose peer asks for
    /// it (RFC 7999).
    Blackhole,
}

/// A destination whose forwarding is not what was last handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardingChange {
    /// The destination.
    pub prefix: IpNet,
    /// What to do with its packets; `None` when it is none of our business any more.
    pub forwarding: Option<Forwarding>,
    /// The metric of the route, if it has one of its own.
    pub metric: Option<u32>,
}

/// What is handed out for a destination: the forwarding, and the metric if it has one of its own.
pub(crate) type Handed = (Forwarding, Option<u32>);

/// The name of a forwarding in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForwardingId(u32);

impl ForwardingId {
    /// Names nothing.
    pub(crate) const NONE: Self = Self(u32::MAX);

    pub(crate) fn is_some(self) -> bool {
        self != Self::NONE
    }
}

/// Every distinct forwarding handed out: a handful, however many destinations share them.
#[derive(Default)]
pub(crate) struct ForwardingPool {
    entries: Vec<(Option<Handed>, u32)>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl ForwardingPool {
    /// Returns the handle of a forwarding, with a count of one for the caller.
    pub(crate) fn intern(&mut self, forwarding: Handed) -> ForwardingId {
        let hash = self.hasher.hash_one(&forwarding);
        let entries = &self.entries;
        let same = |&id: &u32| entries[id as usize].0.as_ref() == Some(&forwarding);
        if let Some(&id) = self.index.find(hash, same) {
            self.entries[id as usize].1 += 1;
            return ForwardingId(id);
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push((None, 0));
            (self.entries.len() - 1) as u32
        });
        self.entries[id as usize] = (Some(forwarding), 1);
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.index.insert_unique(hash, id, |&id| {
            entries[id as usize].0.as_ref().map_or(0, |forwarding| hasher.hash_one(forwarding))
        });
        ForwardingId(id)
    }

    /// Counts one owner less.
    pub(crate) fn release(&mut self, id: ForwardingId) {
        let Some((forwarding, count)) = self.entries.get_mut(id.0 as usize) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        if let Some(forwarding) = forwarding.take() {
            let hash = self.hasher.hash_one(&forwarding);
            if let Ok(found) = self.index.find_entry(hash, |&other| other == id.0) {
                found.remove();
            }
        }
        self.free.push(id.0);
    }

    /// Returns the forwarding; `None` for [`ForwardingId::NONE`].
    pub(crate) fn forwarding(&self, id: ForwardingId) -> Option<&Forwarding> {
        self.handed(id).map(|(forwarding, _)| forwarding)
    }

    /// Returns the same with the metric.
    pub(crate) fn handed(&self, id: ForwardingId) -> Option<&Handed> {
        self.entries.get(id.0 as usize)?.0.as_ref()
    }

    /// Returns the count of owners of every forwarding in use.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (ForwardingId, u32)> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(id, (used, count))| used.as_ref().map(|_| (ForwardingId(id as u32), *count)))
    }
}
