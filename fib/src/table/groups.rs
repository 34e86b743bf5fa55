//! The kernel's nexthop objects and groups, as far as they are ours.
//!
//! An object is one next hop; a group spreads packets over objects; routes hang on groups. Ours are told by the
//! protocol number and by a number within [`IDS`]. A group is found by what it holds: routes that want the same
//! next hops hang on the same one.
//!
//! **What can go wrong.** The kernel deletes a group with its last member, and all routes with their group.
//! Therefore a member is deleted only if every group of it has another one left, and a group only if no route
//! hangs on it. A route to a single next hop names it and needs no object; it hangs on a group of one only where
//! that group has shrunk under it, which is then right and left alone. The kernel also drops every object of an
//! interface that goes down or loses carrier, and tells nobody: [`Groups::interface_lost`] does the same here.
//!
//! The one surprise: what is here is only what the kernel confirmed or told. What has been asked for is in the
//! [`NextHopOp`] itself, which its answer brings back.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;

use super::outages::{Hop, hop};
use crate::plan::{Member, NextHopOp};
use crate::route::{NextHop, NextHopSet, Target};

/// The numbers of our objects and groups.
pub(super) const IDS: RangeInclusive<u32> = 179_000_000..=179_999_999;

/// A nexthop object or group as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelNextHop {
    /// Its number.
    pub id: u32,
    /// Whose it is.
    pub protocol: u8,
    /// What it stands for.
    pub kind: NextHopKind,
}

/// What a nexthop object stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHopKind {
    /// One way out.
    Single(NextHop),
    /// A share of packets, of a weight, for each of these objects.
    Group(Vec<(u32, std::num::NonZeroU16)>),
    /// Something we never write.
    Other,
}

/// What the kernel tells about a nexthop object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHopEvent {
    /// It is there, new or changed.
    Present(KernelNextHop),
    /// It is not there any more.
    Gone {
        /// Its number.
        id: u32,
    },
}

#[derive(Debug)]
struct Group {
    id: u32,
    members: Vec<Member>,
    /// What the members amount to.
    content: Target,
    /// How many routes hang on it.
    routes: usize,
    /// Whether its routes have been found to want different things.
    divided: bool,
}

/// What came of a change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Aftermath {
    /// Groups that are gone, whose routes are gone with them.
    pub(super) vanished: Vec<u32>,
    /// What groups with routes held before they came to hold something else, or nothing.
    pub(super) spoilt: Vec<Target>,
}

impl Aftermath {
    fn join(&mut self, other: Self) {
        self.vanished.extend(other.vanished);
        self.spoilt.extend(other.spoilt);
    }
}

/// What the kernel has of ours for routes to hang on.
#[derive(Debug, Default)]
pub(super) struct Groups {
    objects: BTreeMap<u32, NextHop>,
    slots: Vec<Option<Group>>,
    free: Vec<u32>,
    by_id: HashMap<u32, u32>,
    by_content: HashMap<Target, u32>,
    /// Numbers of ours that somebody else uses.
    taken: BTreeSet<u32>,
    last_id: Option<u32>,
    /// What the kernel would not make a group of although it has the objects.
    refused: HashSet<Target>,
    /// What somebody took from under us and is to be counted when it is back.
    missed: HashSet<Target>,
    /// Something may be there that nobody needs.
    untidy: bool,
}

/// What there is.
impl Groups {
    pub(super) fn objects(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn groups(&self) -> usize {
        self.by_id.len()
    }

    /// Returns the slot of the group with this number.
    pub(super) fn slot(&self, id: u32) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// Returns the number of a group that holds exactly this.
    pub(super) fn find(&self, content: &Target) -> Option<u32> {
        let slot = *self.by_content.get(content)?;
        self.group(slot).map(|group| group.id)
    }

    /// Returns what the group in this slot holds.
    pub(super) fn content(&self, slot: u32) -> Option<&Target> {
        self.group(slot).map(|group| &group.content)
    }

    /// Tells whether the routes of a group may all want the same.
    pub(super) fn may_agree(&self, slot: u32) -> bool {
        self.group(slot).is_some_and(|group| !group.divided)
    }

    pub(super) fn is_refused(&self, content: &Target) -> bool {
        self.refused.contains(content)
    }

    /// Tells whether all that a group is to hold is there.
    pub(super) fn has_objects(&self, members: &[Member]) -> bool {
        members.iter().all(|member| self.objects.contains_key(&member.id))
    }

    pub(super) fn is_untidy(&self) -> bool {
        self.untidy
    }

    fn group(&self, slot: u32) -> Option<&Group> {
        self.slots.get(slot as usize)?.as_ref()
    }

    fn group_mut(&mut self, slot: u32) -> Option<&mut Group> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    fn occupied(&self) -> impl Iterator<Item = (u32, &Group)> {
        (0..).zip(&self.slots).filter_map(|(slot, group)| Some((slot, group.as_ref()?)))
    }

    fn object(&self, wanted: Hop) -> Option<u32> {
        self.objects.iter().find(|(_, next_hop)| hop(next_hop) == wanted).map(|(id, _)| *id)
    }
}

/// Who hangs on what.
impl Groups {
    pub(super) fn join(&mut self, slot: u32) {
        if let Some(group) = self.group_mut(slot) {
            group.routes += 1;
        }
    }

    pub(super) fn leave(&mut self, slot: u32) {
        if let Some(group) = self.group_mut(slot) {
            group.routes -= 1;
            self.untidy |= group.routes == 0;
        }
    }

    /// Notes that the routes of a group want different things.
    pub(super) fn divide(&mut self, slot: u32) {
        if let Some(group) = self.group_mut(slot) {
            group.divided = true;
        }
    }

    /// Wishes have changed: those that differed may agree now.
    pub(super) fn reconcile(&mut self) {
        for group in self.slots.iter_mut().flatten() {
            group.divided = false;
        }
    }
}

/// What to write.
impl Groups {
    /// Returns the next writes on the way to a group of these next hops: the objects it lacks, or else itself.
    ///
    /// Not both at once: the number of an object may turn out to be somebody else's.
    pub(super) fn make(&mut self, next_hops: &NextHopSet) -> Vec<NextHopOp> {
        self.members(next_hops).map_or_else(
            |lacking| lacking,
            |members| vec![NextHopOp::AddGroup { id: self.fresh_id(), members }],
        )
    }

    /// Returns the next writes that make the group in this slot hold these next hops.
    pub(super) fn reshape(&mut self, slot: u32, next_hops: &NextHopSet) -> Vec<NextHopOp> {
        let Some(id) = self.group(slot).map(|group| group.id) else { return Vec::new() };
        let members = self.members(next_hops);
        members.map_or_else(|lacking| lacking, |members| vec![NextHopOp::ReplaceGroup { id, members }])
    }

    /// Returns the writes that take next hops out of every group that can do without them.
    ///
    /// That is one per next hop. Only where a group holds nothing else is its member left in place, and then the
    /// other groups of that member are shrunk one by one.
    pub(super) fn lose(&self, lost: &[Hop]) -> Vec<NextHopOp> {
        let is_lost = |member: &Member| lost.contains(&hop(&member.next_hop));
        let (stuck, shrinking): (Vec<&Group>, Vec<&Group>) = self
            .occupied()
            .map(|(_, group)| group)
            .filter(|group| group.members.iter().any(is_lost))
            .partition(|group| group.members.iter().all(is_lost));
        let needed: BTreeSet<u32> =
            stuck.iter().flat_map(|group| &group.members).map(|member| member.id).collect();
        let shrink = |group: &&Group| {
            let members = group.members.iter().filter(|member| !is_lost(member)).copied().collect();
            NextHopOp::ReplaceGroup { id: group.id, members }
        };
        let holds_needed = |group: &&&Group| group.members.iter().any(|member| needed.contains(&member.id));
        let replaced = shrinking.iter().filter(holds_needed).map(shrink);
        let doomed = |(id, next_hop): (&u32, &NextHop)| {
            (lost.contains(&hop(next_hop)) && !needed.contains(id)).then_some(NextHopOp::Delete { id: *id })
        };
        self.objects.iter().filter_map(doomed).chain(replaced).collect()
    }

    /// Returns the writes that delete what nothing hangs on.
    pub(super) fn tidy(&mut self) -> Vec<NextHopOp> {
        self.untidy = false;
        let idle = |(_, group): (u32, &Group)| (group.routes == 0).then_some(group.id);
        let idle: BTreeSet<u32> = self.occupied().filter_map(idle).collect();
        let needed: BTreeSet<u32> = self
            .occupied()
            .filter(|(_, group)| group.routes > 0)
            .flat_map(|(_, group)| group.members.iter().map(|member| member.id))
            .collect();
        let spare = self.objects.keys().copied().filter(|id| !needed.contains(id));
        idle.iter().copied().chain(spare).map(|id| NextHopOp::Delete { id }).collect()
    }

    /// Finds the objects of these next hops, or returns the writes that make those that are lacking.
    fn members(&mut self, next_hops: &NextHopSet) -> Result<Vec<Member>, Vec<NextHopOp>> {
        let mut members = Vec::new();
        let mut lacking = Vec::new();
        for &next_hop in next_hops.as_slice() {
            match self.object(hop(&next_hop)) {
                Some(id) => members.push(Member { id, next_hop }),
                None => lacking.push(NextHopOp::AddObject { id: self.fresh_id(), next_hop }),
            }
        }
        if lacking.is_empty() { Ok(members) } else { Err(lacking) }
    }

    /// Returns a number nobody uses, as far as we know. Goes round, so that a number stays unused for long.
    fn fresh_id(&mut self) -> u32 {
        let mut id = self.last_id.unwrap_or(*IDS.end());
        // A million numbers for a handful of groups: the search is short.
        loop {
            id = if id >= *IDS.end() { *IDS.start() } else { id + 1 };
            if !self.taken.contains(&id) && !self.objects.contains_key(&id) && !self.by_id.contains_key(&id) {
                self.last_id = Some(id);
                return id;
            }
        }
    }
}

/// What the kernel says.
impl Groups {
    /// Learns that a write was carried out; `true` as second if it put right what somebody had spoilt.
    pub(super) fn confirmed(&mut self, op: &NextHopOp) -> (Aftermath, bool) {
        match op {
            NextHopOp::AddObject { id, next_hop } => {
                self.objects.insert(*id, *next_hop);
                (Aftermath::default(), false)
            }
            NextHopOp::AddGroup { id, members } | NextHopOp::ReplaceGroup { id, members } => {
                let aftermath = self.group_is(*id, members.clone());
                let repaired = content(members).is_some_and(|content| self.missed.remove(&content));
                (aftermath, repaired)
            }
            NextHopOp::Delete { id } => (self.gone(*id), false),
        }
    }

    /// Learns that a number of ours is somebody else's.
    pub(super) fn taken(&mut self, id: u32) {
        self.taken.insert(id);
    }

    /// Notes what the kernel would not make a group of.
    pub(super) fn refused(&mut self, members: &[Member]) {
        self.refused.extend(content(members));
    }

    /// Lets every group be tried again; `true` if there was one that had been refused.
    pub(super) fn retry(&mut self) -> bool {
        let any = !self.refused.is_empty();
        self.refused.clear();
        any
    }

    /// Learns that something is there, new or changed; `ours` if it carries our protocol number.
    pub(super) fn present(&mut self, found: &KernelNextHop, ours: bool) -> Aftermath {
        if !IDS.contains(&found.id) {
            return Aftermath::default();
        }
        match &found.kind {
            _ if !ours => {
                let aftermath = self.gone(found.id);
                self.taken.insert(found.id);
                aftermath
            }
            NextHopKind::Single(next_hop) => {
                let mut aftermath = Aftermath::default();
                if self.objects.get(&found.id).is_some_and(|known| hop(known) != hop(next_hop)) {
                    // Groups of it now lead elsewhere than we thought.
                    aftermath = self.gone(found.id);
                }
                self.objects.insert(found.id, *next_hop);
                aftermath
            }
            NextHopKind::Group(shares) => {
                let member = |&(id, weight): &(u32, _)| {
                    Some(Member { id, next_hop: NextHop { weight, ..*self.objects.get(&id)? } })
                };
                match shares.iter().map(member).collect::<Option<Vec<Member>>>() {
                    Some(members) => self.group_is(found.id, members),
                    None => self.gone(found.id),
                }
            }
            NextHopKind::Other => self.gone(found.id),
        }
    }

    /// Learns that an object or a group is gone.
    pub(super) fn gone(&mut self, id: u32) -> Aftermath {
        self.taken.remove(&id);
        if self.objects.remove(&id).is_some() {
            self.untidy = true;
            return self.shrink(|member| member.id == id);
        }
        let Some(slot) = self.slot(id) else { return Aftermath::default() };
        let content = self.group(slot).filter(|group| group.routes > 0).map(|group| group.content.clone());
        Aftermath { vanished: vec![slot], spoilt: content.into_iter().collect() }
    }

    /// Learns all there is.
    pub(super) fn replace_all(&mut self, all: &[KernelNextHop], protocol: u8) -> Aftermath {
        let mut aftermath = Aftermath::default();
        let found: BTreeSet<u32> = all.iter().map(|found| found.id).collect();
        let known = self.objects.keys().chain(self.by_id.keys()).chain(&self.taken);
        let missing: Vec<u32> = known.copied().filter(|id| !found.contains(id)).collect();
        let is_group = |found: &&KernelNextHop| matches!(found.kind, NextHopKind::Group(_));
        let (groups, singles): (Vec<_>, Vec<_>) = all.iter().partition(is_group);
        for found in singles.into_iter().chain(groups) {
            aftermath.join(self.present(found, found.protocol == protocol));
        }
        for id in missing {
            aftermath.join(self.gone(id));
        }
        aftermath.vanished.sort_unstable();
        aftermath.vanished.dedup();
        // Whether a route hangs on what has been found is told by the routes.
        self.untidy = true;
        aftermath
    }

    /// Forgets what is over an interface that went down, as the kernel does without a word.
    pub(super) fn interface_lost(&mut self, index: u32) -> Aftermath {
        let before = self.objects.len();
        self.objects.retain(|_, next_hop| next_hop.interface != Some(index));
        if self.objects.len() == before {
            return Aftermath::default();
        }
        self.shrink(|member| member.next_hop.interface == Some(index))
    }

    /// Notes that what is gone was taken by somebody, so that its return is a repair.
    pub(super) fn miss(&mut self, target: &Target) {
        self.missed.insert(target.clone());
    }

    /// Forgets a group on which no route hangs any more.
    pub(super) fn forget(&mut self, slot: u32) {
        if let Some(group) = self.slots.get_mut(slot as usize).and_then(Option::take) {
            self.by_id.remove(&group.id);
            self.free.push(slot);
            self.untidy = true;
            self.unindex(slot, &group.content);
        }
    }

    fn group_is(&mut self, id: u32, members: Vec<Member>) -> Aftermath {
        let Some(content) = content(&members) else { return self.gone(id) };
        let mut aftermath = Aftermath::default();
        let slot = match self.slot(id) {
            Some(slot) => {
                let Some(group) = self.group_mut(slot) else { return aftermath };
                group.members = members;
                if group.content == content {
                    return aftermath;
                }
                let before = std::mem::replace(&mut group.content, content.clone());
                if group.routes > 0 {
                    aftermath.spoilt.push(before.clone());
                }
                self.unindex(slot, &before);
                slot
            }
            None => {
                let group = Group { id, members, content: content.clone(), routes: 0, divided: false };
                let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
                match self.slots.get_mut(slot as usize) {
                    Some(place) => *place = Some(group),
                    None => self.slots.push(Some(group)),
                }
                self.by_id.insert(id, slot);
                slot
            }
        };
        self.by_content.entry(content).or_insert(slot);
        aftermath
    }

    /// Takes members out of all groups; what is left without any is gone.
    fn shrink(&mut self, goes: impl Fn(&Member) -> bool) -> Aftermath {
        let mut aftermath = Aftermath::default();
        let affected: Vec<(u32, u32, Vec<Member>)> = self
            .occupied()
            .filter(|(_, group)| group.members.iter().any(&goes))
            .map(|(slot, group)| (slot, group.id, group.members.clone()))
            .collect();
        for (slot, id, mut members) in affected {
            members.retain(|member| !goes(member));
            aftermath.join(match members.is_empty() {
                false => self.group_is(id, members),
                true => {
                    let content = self.content(slot).cloned();
                    Aftermath { vanished: vec![slot], spoilt: content.into_iter().collect() }
                }
            });
        }
        aftermath
    }

    /// Makes others that hold the same be found instead of the one in `slot`.
    fn unindex(&mut self, slot: u32, content: &Target) {
        if self.by_content.get(content) == Some(&slot) {
            self.by_content.remove(content);
            let other = self.occupied().find(|(other, group)| *other != slot && group.content == *content);
            if let Some((other, _)) = other {
                self.by_content.insert(content.clone(), other);
            }
        }
    }
}

fn content(members: &[Member]) -> Option<Target> {
    NextHopSet::new(members.iter().map(|member| member.next_hop)).map(Target::Forward)
}
