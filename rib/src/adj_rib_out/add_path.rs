//! What was advertised to a peer that takes several paths of a prefix (RFC 7911).
//!
//! The identifiers are ours to choose and mean something on one session only. A path keeps its own for as long as
//! it is advertised; one that is set free goes to the next path of the same destination, which thereby replaces
//! the path before it in one message.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::path::{Path, Slot};
use crate::pool::AttrId;

/// Which of a destination's paths: who it is from, and the identifier it has there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathKey {
    source: Slot,
    path_id: u32,
}

impl PathKey {
    pub(crate) fn of(path: &Path) -> Self {
        Self { source: path.source, path_id: path.path_id }
    }
}

/// A path a peer was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The identifier we gave it; never 0, which stands for none where there are none.
    pub(crate) path_id: u32,
    /// What was said of it.
    pub(crate) attributes: AttrId,
    key: PathKey,
}

/// The paths of one destination a peer was told of.
pub(crate) type ToldPaths = SmallVec<[Told; 2]>;

/// The paths advertised, by the number of their destination. A destination without any has no entry.
#[derive(Default)]
pub(crate) struct AddPathOut {
    destinations: BTreeMap<u32, ToldPaths>,
}

impl AddPathOut {
    /// Returns what was advertised of a destination.
    pub(crate) fn told(&self, id: u32) -> &[Told] {
        self.destinations.get(&id).map_or(&[], SmallVec::as_slice)
    }

    /// Records what is advertised now and returns what was. The counts of both are the caller's business.
    pub(crate) fn record(&mut self, id: u32, told: ToldPaths) -> ToldPaths {
        let before =
            if told.is_empty() { self.destinations.remove(&id) } else { self.destinations.insert(id, told) };
        before.unwrap_or_default()
    }

    /// Forgets one path and returns its attributes, or [`AttrId::NONE`].
    pub(crate) fn forget(&mut self, id: u32, path_id: u32) -> AttrId {
        let Some(told) = self.destinations.get_mut(&id) else { return AttrId::NONE };
        let Some(place) = told.iter().position(|told| told.path_id == path_id) else { return AttrId::NONE };
        let forgotten = told.remove(place);
        if told.is_empty() {
            self.destinations.remove(&id);
        }
        forgotten.attributes
    }

    /// Walks the paths advertised, in the order of the numbers of their destinations.
    pub(crate) fn records(&self) -> impl Iterator<Item = (u32, AttrId)> {
        self.destinations.iter().flat_map(|(&id, told)| told.iter().map(move |told| (id, told.attributes)))
    }
}

/// Gives each wanted path an identifier: the one it has, else one that is set free, else the least unused.
pub(crate) fn identify(told: &[Told], wanted: &[(PathKey, AttrId)]) -> ToldPaths {
    let kept = |key: PathKey| told.iter().find(|told| told.key == key).map(|told| told.path_id);
    let is_wanted = |told: &&Told| wanted.iter().any(|&(key, _)| key == told.key);
    let mut used: SmallVec<[u32; 8]> = told.iter().filter(is_wanted).map(|told| told.path_id).collect();
    let mut freed: SmallVec<[u32; 8]> =
        told.iter().filter(|told| !is_wanted(told)).map(|told| told.path_id).collect();
    freed.sort_unstable_by(|one, other| other.cmp(one));
    let mut least = 1;
    let mut fresh = || {
        let path_id = freed.pop().unwrap_or_else(|| {
            while used.contains(&least) {
                least += 1;
            }
            least
        });
        used.push(path_id);
        path_id
    };
    let identified = wanted.iter().map(|&(key, attributes)| {
        let path_id = kept(key).unwrap_or_else(&mut fresh);
        Told { path_id, attributes, key }
    });
    let mut identified: ToldPaths = identified.collect();
    identified.sort_unstable_by_key(|told| told.path_id);
    identified
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(source: u16) -> PathKey {
        PathKey { source: Slot(source), path_id: 7 }
    }

    fn wanted(sources: &[u16]) -> Vec<(PathKey, AttrId)> {
        sources.iter().map(|&source| (key(source), AttrId(source.into()))).collect()
    }

    fn ids(told: &[Told]) -> Vec<(u32, u16)> {
        told.iter().map(|told| (told.path_id, told.key.source.0)).collect()
    }

    #[test]
    fn a_path_keeps_its_identifier_whatever_becomes_of_the_others() {
        let first = identify(&[], &wanted(&[10, 11, 12]));
        assert_eq!(ids(&first), [(1, 10), (2, 11), (3, 12)]);
        let second = identify(&first, &wanted(&[12, 10]));
        assert_eq!(ids(&second), [(1, 10), (3, 12)]);
    }

    #[test]
    fn a_new_path_takes_the_identifier_of_one_that_goes() {
        let first = identify(&[], &wanted(&[10, 11, 12]));
        let second = identify(&first, &wanted(&[12, 20, 21, 22]));
        assert_eq!(ids(&second), [(1, 20), (2, 21), (3, 12), (4, 22)]);
    }

    #[test]
    fn a_gap_is_filled_before_the_numbers_go_on() {
        let first = identify(&[], &wanted(&[10, 11, 12]));
        let second = identify(&first, &wanted(&[12]));
        assert_eq!(ids(&identify(&second, &wanted(&[12, 20, 21]))), [(1, 20), (2, 21), (3, 12)]);
    }

    #[test]
    fn two_paths_of_one_peer_are_two() {
        let twice = [(PathKey { source: Slot(1), path_id: 0 }, AttrId(5)), (key(1), AttrId(5))];
        let told = identify(&[], &twice);
        assert_eq!(told.iter().map(|told| told.path_id).collect::<Vec<_>>(), [1, 2]);
    }
}
