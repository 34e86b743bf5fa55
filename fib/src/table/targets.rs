//! Targets shared by many routes, each kept once.
//!
//! The one surprise: what is wished for may be less than what was asked for. While a next hop is out of use the
//! wish does without it, as long as something is left; so one change here stands for a change of every route.

use std::collections::HashMap;

use super::outages::{Hop, Outages, hop};
use crate::route::{NextHopGroups, Target};

/// A target's number, or a group's; stable as long as somebody holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TargetId(u32);

impl TargetId {
    /// Stands for no target.
    pub(super) const NONE: Self = Self(u32::MAX);
    /// Stands for something in the kernel that we never write.
    pub(super) const ODD: Self = Self(u32::MAX - 1);
    /// Marks the slot of a group.
    const GROUP: u32 = 1 << 31;

    /// Stands for whatever the group in this slot holds.
    pub(super) fn group(slot: u32) -> Self {
        Self(slot | Self::GROUP)
    }

    /// Returns the slot of a group.
    pub(super) fn slot(self) -> Option<u32> {
        (self.0 & Self::GROUP != 0 && self != Self::NONE && self != Self::ODD)
            .then_some(self.0 & !Self::GROUP)
    }

    fn is_target(self) -> bool {
        self.0 & Self::GROUP == 0
    }
}

#[derive(Debug)]
struct Shared {
    target: Target,
    /// What is left of it while some next hops are out of use; none if all of it.
    rest: Option<Target>,
    /// Next hops that were lost after it was asked for.
    forsaken: Vec<Hop>,
    holders: u32,
    /// How many routes want it.
    wishers: u32,
    /// Whether its routes are many enough for a group.
    crowded: bool,
}

impl Shared {
    fn wish(&self) -> &Target {
        self.rest.as_ref().unwrap_or(&self.target)
    }

    /// Works out what is left; nothing at all is no help, so that changes nothing. `true` if that is news.
    fn reassess(&mut self, outages: &Outages) -> bool {
        let Target::Forward(next_hops) = &self.target else { return false };
        let stays = |next_hop: &_| outages.is_usable(next_hop) && !self.forsaken.contains(&hop(next_hop));
        if next_hops.as_slice().iter().all(stays) {
            return self.rest.take().is_some();
        }
        let Some(rest) = next_hops.retain(stays).map(Target::Forward) else { return false };
        let news = *self.wish() != rest;
        self.rest = Some(rest);
        news
    }
}

/// The pool.
#[derive(Debug, Default)]
pub(super) struct Targets {
    shared: Vec<Option<Shared>>,
    free: Vec<u32>,
    ids: HashMap<Target, u32>,
}

impl Targets {
    /// Returns the number of `target`, held once more.
    pub(super) fn intern(&mut self, target: &Target, outages: &Outages) -> TargetId {
        if let Some(&id) = self.ids.get(target) {
            return self.hold(TargetId(id));
        }
        let (target, forsaken) = (target.clone(), Vec::new());
        self.ids.insert(target.clone(), self.free.last().copied().unwrap_or(self.shared.len() as u32));
        let mut shared = Shared { target, rest: None, forsaken, holders: 1, wishers: 0, crowded: false };
        if !outages.is_empty() {
            shared.reassess(outages);
        }
        let id = match self.free.pop() {
            Some(id) => {
                self.shared[id as usize] = Some(shared);
                id
            }
            None => {
                self.shared.push(Some(shared));
                // Two per prefix at most, and there are fewer than 2^30 of those.
                (self.shared.len() - 1) as u32
            }
        };
        TargetId(id)
    }

    /// Holds `id` once more.
    pub(super) fn hold(&mut self, id: TargetId) -> TargetId {
        if let Some(shared) = self.find_mut(id) {
            shared.holders += 1;
        }
        id
    }

    /// Lets go of `id` once.
    pub(super) fn release(&mut self, id: TargetId) {
        let Some(shared) = self.find_mut(id) else { return };
        shared.holders -= 1;
        if shared.holders > 0 {
            return;
        }
        let target = self.shared[id.0 as usize].take().map(|shared| shared.target);
        self.free.push(id.0);
        // A later one of the same content may have taken its place.
        if let Some(target) = target
            && self.ids.get(&target) == Some(&id.0)
        {
            self.ids.remove(&target);
        }
    }

    /// Counts one more route that wants `id`; `true` if that makes it worth a group.
    pub(super) fn wanted(&mut self, id: TargetId) -> bool {
        let Some(shared) = self.find_mut(id) else { return false };
        shared.wishers += 1;
        shared.wishers == NextHopGroups::MANY && !std::mem::replace(&mut shared.crowded, true)
    }

    /// Counts one less; `true` if it is not worth a group any more.
    pub(super) fn unwanted(&mut self, id: TargetId) -> bool {
        let Some(shared) = self.find_mut(id) else { return false };
        shared.wishers -= 1;
        shared.wishers < NextHopGroups::FEW && std::mem::take(&mut shared.crowded)
    }

    pub(super) fn is_crowded(&self, id: TargetId) -> bool {
        self.find(id).is_some_and(|shared| shared.crowded)
    }

    /// Returns the target of a real number as it was asked for.
    pub(super) fn target(&self, id: TargetId) -> Option<&Target> {
        self.find(id).map(|shared| &shared.target)
    }

    /// Returns what is left of it at the moment.
    pub(super) fn wish(&self, id: TargetId) -> Option<&Target> {
        self.find(id).map(Shared::wish)
    }

    /// Tells whether any target leaves by this interface.
    pub(super) fn leave_by(&self, index: u32) -> bool {
        let leaves = |target: &Target| match target {
            Target::Blackhole => false,
            Target::Forward(next_hops) => next_hops.as_slice().iter().any(|hop| hop.interface == Some(index)),
        };
        self.ids.keys().any(leaves)
    }

    /// Works out anew what is left of each target; `true` if anything changed.
    pub(super) fn reassess(&mut self, outages: &Outages) -> bool {
        self.shared.iter_mut().flatten().fold(false, |news, shared| shared.reassess(outages) | news)
    }

    /// Takes a next hop away from all that was asked for so far. Who asks for it from now on means it.
    pub(super) fn forsake(&mut self, lost: Hop) {
        for shared in self.shared.iter_mut().flatten() {
            let Target::Forward(next_hops) = &shared.target else { continue };
            if next_hops.as_slice().iter().any(|next_hop| hop(next_hop) == lost) {
                if !shared.forsaken.contains(&lost) {
                    shared.forsaken.push(lost);
                }
                self.ids.remove(&shared.target);
            }
        }
    }

    /// Takes everything for meant that was asked for so far.
    pub(super) fn unforsake(&mut self) {
        for (id, shared) in (0..).zip(self.shared.iter_mut()) {
            if let Some(shared) = shared
                && !std::mem::take(&mut shared.forsaken).is_empty()
            {
                self.ids.entry(shared.target.clone()).or_insert(id);
            }
        }
    }

    fn find(&self, id: TargetId) -> Option<&Shared> {
        if id.is_target() { self.shared.get(id.0 as usize)?.as_ref() } else { None }
    }

    fn find_mut(&mut self, id: TargetId) -> Option<&mut Shared> {
        if id.is_target() { self.shared.get_mut(id.0 as usize)?.as_mut() } else { None }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }
}
