//! Targets shared by many routes, each kept once.

use std::collections::HashMap;

use crate::route::Target;

/// A target's number; stable as long as somebody holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TargetId(u32);

impl TargetId {
    /// Stands for no target.
    pub(super) const NONE: Self = Self(u32::MAX);
    /// Stands for something in the kernel that we never write.
    pub(super) const ODD: Self = Self(u32::MAX - 1);

    fn is_real(self) -> bool {
        self != Self::NONE && self != Self::ODD
    }
}

#[derive(Debug)]
struct Shared {
    target: Target,
    holders: u32,
}

/// The pool. A number is what a kernel nexthop group will hang on.
#[derive(Debug, Default)]
pub(super) struct Targets {
    shared: Vec<Option<Shared>>,
    free: Vec<u32>,
    ids: HashMap<Target, u32>,
}

impl Targets {
    /// Returns the number of `target`, held once more.
    pub(super) fn intern(&mut self, target: &Target) -> TargetId {
        if let Some(&id) = self.ids.get(target) {
            return self.hold(TargetId(id));
        }
        let shared = Shared { target: target.clone(), holders: 1 };
        let id = match self.free.pop() {
            Some(id) => {
                self.shared[id as usize] = Some(shared);
                id
            }
            None => {
                self.shared.push(Some(shared));
                // Two per prefix at most, and there are fewer than 2^31 of those.
                (self.shared.len() - 1) as u32
            }
        };
        self.ids.insert(target.clone(), id);
        TargetId(id)
    }

    /// Holds `id` once more.
    pub(super) fn hold(&mut self, id: TargetId) -> TargetId {
        if let Some(Some(shared)) = self.shared.get_mut(id.0 as usize) {
            shared.holders += 1;
        }
        id
    }

    /// Lets go of `id` once.
    pub(super) fn release(&mut self, id: TargetId) {
        if !id.is_real() {
            return;
        }
        let slot = &mut self.shared[id.0 as usize];
        if let Some(shared) = slot {
            shared.holders -= 1;
            if shared.holders == 0 {
                self.ids.remove(&shared.target);
                *slot = None;
                self.free.push(id.0);
            }
        }
    }

    /// Returns the target of a real number.
    pub(super) fn target(&self, id: TargetId) -> Option<&Target> {
        self.shared.get(id.0 as usize)?.as_ref().map(|shared| &shared.target)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }
}
