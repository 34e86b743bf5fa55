//! The attribute pool: each set of path attributes is kept once and named by a number.
//!
//! Handles are counted by hand: whoever stores an [`AttrId`] owns one count of it and gives it back with
//! [`AttributePool::release`]. Only paths, Adj-RIB-Outs and short-lived memos store them, and the audit of
//! the tables recounts every one.

use std::hash::BuildHasher;
use std::sync::Arc;

use bgp::PathAttributes;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::next_hop::{HopId, NextHops};

/// The name of an attribute set in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AttrId(pub(crate) u32);

impl AttrId {
    /// Names nothing.
    pub(crate) const NONE: Self = Self(u32::MAX);

    /// Returns the handle unless it names nothing.
    pub(crate) fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

struct Entry {
    attributes: Arc<PathAttributes>,
    hash: u64,
    count: u32,
    next_hop: HopId,
}

/// Every attribute set in use, and the next hops they name.
#[derive(Default)]
pub(crate) struct AttributePool {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The next hops the sets name; a next hop lives as long as a set names it.
    pub(crate) next_hops: NextHops,
}

impl AttributePool {
    /// Returns the handle of these attributes, with a count of one for the caller.
    pub(crate) fn intern(&mut self, attributes: PathAttributes) -> AttrId {
        let hash = self.hasher.hash_one(&attributes);
        let entries = &self.entries;
        let same = |&id: &u32| entries[id as usize].as_ref().is_some_and(|e| *e.attributes == attributes);
        if let Some(&id) = self.index.find(hash, same) {
            self.retain(AttrId(id));
            return AttrId(id);
        }
        let next_hop = self.next_hops.name(attributes.next_hop.address());
        let entry = Entry { attributes: Arc::new(attributes), hash, count: 1, next_hop };
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            (self.entries.len() - 1) as u32
        });
        self.entries[id as usize] = Some(entry);
        let entries = &self.entries;
        self.index.insert_unique(hash, id, |&id| entries[id as usize].as_ref().map_or(0, |e| e.hash));
        AttrId(id)
    }

    /// Counts one more owner.
    pub(crate) fn retain(&mut self, id: AttrId) {
        self.entry_mut(id).count += 1;
    }

    /// Counts one more owner, unless it is of [`AttrId::NONE`].
    pub(crate) fn retain_some(&mut self, id: AttrId) {
        id.some().into_iter().for_each(|id| self.retain(id));
    }

    /// Counts one owner less; the last one takes the set along. Does nothing for [`AttrId::NONE`].
    pub(crate) fn release(&mut self, id: AttrId) {
        let Some(id) = id.some() else { return };
        let entry = self.entry_mut(id);
        entry.count -= 1;
        if entry.count > 0 {
            return;
        }
        let (hash, next_hop) = (entry.hash, entry.next_hop);
        if let Ok(found) = self.index.find_entry(hash, |&other| other == id.0) {
            found.remove();
        }
        self.entries[id.0 as usize] = None;
        self.free.push(id.0);
        self.next_hops.unname(next_hop);
    }

    /// Returns the attributes.
    pub(crate) fn attributes(&self, id: AttrId) -> &PathAttributes {
        &self.entry(id).attributes
    }

    /// Returns the attributes to be kept beyond the life of the handle.
    pub(crate) fn shared(&self, id: AttrId) -> Arc<PathAttributes> {
        Arc::clone(&self.entry(id).attributes)
    }

    /// Returns the next hop the attributes name.
    pub(crate) fn next_hop(&self, id: AttrId) -> HopId {
        self.entry(id).next_hop
    }

    /// Returns how many sets there are.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Returns the count of owners of every set in use.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (AttrId, u32)> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(id, entry)| entry.as_ref().map(|entry| (AttrId(id as u32), entry.count)))
    }

    fn entry(&self, id: AttrId) -> &Entry {
        // A handle is only ever held together with a count, and a counted entry is occupied.
        self.entries[id.0 as usize].as_ref().expect("a held handle names an occupied entry")
    }

    fn entry_mut(&mut self, id: AttrId) -> &mut Entry {
        // As in `entry`.
        self.entries[id.0 as usize].as_mut().expect("a held handle names an occupied entry")
    }
}
