//! Who is told the same: peers joining update groups, leaving them, and coming to see something else.

use bgp::Family;
use smallvec::SmallVec;

use super::Rib;
use crate::adj_rib_out::Said;
use crate::destinations::Destinations;
use crate::member::{Member, Remembered};
use crate::path::{PeerId, Slot};
use crate::peer::{Peer, PeerCounts};
use crate::pool::AttrId;
use crate::update_group::{ExportView, Group, GroupId};

impl Rib {
    /// Returns the peers that are told the same as this one, itself included; none when it is not up.
    pub fn update_group(&self, id: PeerId) -> impl Iterator<Item = PeerId> {
        let group = self.slots.get(&id).and_then(|&slot| self.group(self.member(slot)?.group));
        let members = group.into_iter().flat_map(|group| &group.members);
        members.filter_map(|&slot| Some(self.peer(slot)?.id))
    }

    /// Returns how many update groups there are.
    #[must_use]
    pub fn update_groups(&self) -> usize {
        self.groups.iter().flatten().count()
    }

    /// Makes a peer whose session came up a member of the group that sees what it sees.
    pub(super) fn join(&mut self, slot: Slot) {
        let Some((view, families)) = self.peer(slot).map(|peer| (self.view_of(peer), peer.info.families))
        else {
            return;
        };
        let id = match self.group_of(&view) {
            Some(known) => {
                self.admit(slot, known);
                known
            }
            None => {
                let mut group = Group::new(view, slot);
                pend_all(&self.destinations, &mut group);
                self.found(group)
            }
        };
        let Some(group) = self.group(id) else { return };
        let member = Member::owing(families, id, &group.pending);
        self.enter(slot, member, |_| AttrId::NONE);
    }

    /// Forgets what a peer was told, and what is pending for it.
    pub(super) fn leave(&mut self, slot: Slot) {
        let Some(member) = self.peer_mut(slot).and_then(|peer| peer.member.take()) else { return };
        member.heard().for_each(|(_, attributes)| self.pool.release(attributes));
        self.dismiss(slot, member.group);
    }

    /// Looks whether a peer sees something else now, and if so has it told.
    pub(super) fn regroup(&mut self, slot: Slot) {
        let Some(peer) = self.peer(slot) else { return };
        let (Some(from), view) = (peer.member.as_ref().map(|member| member.group), self.view_of(peer)) else {
            return;
        };
        let Some(group) = self.group(from).filter(|group| group.view != view) else { return };
        let known = self.group_of(&view);
        if known.is_none() && group.members.len() == 1 {
            // Which next hops are its own address is asked, or not, from now on.
            let other_question = group.view.keeps_next_hops() != view.keeps_next_hops();
            let told = other_question.then(|| self.take_told(slot)).flatten();
            if let Some(group) = self.groups[usize::from(from.0)].as_mut() {
                group.view = view;
                pend_all(&self.destinations, group);
            }
            return self.move_to(slot, from, told);
        }
        let to = match known {
            Some(known) => {
                self.admit(slot, known);
                known
            }
            None => {
                // What the others have heard is what it has heard: it goes on from there.
                let (out, advertised) = (group.out.copy(), group.advertised);
                out.records().for_each(|(_, attributes)| self.pool.retain(attributes));
                let mut group = Group { out, advertised, ..Group::new(view, slot) };
                pend_all(&self.destinations, &mut group);
                self.found(group)
            }
        };
        let told = self.take_told(slot);
        self.move_to(slot, to, told);
        self.dismiss(slot, from);
    }

    /// Returns a member taken out of its group and what it was told, by the numbers of the destinations, each
    /// with a count.
    fn take_told(&mut self, slot: Slot) -> Option<(Member, Vec<(u32, AttrId)>)> {
        let all = self.destinations.ids().map(|id| (id, self.told_once(slot, id)));
        let told: Vec<_> = all.filter(|(_, told)| *told != AttrId::NONE).collect();
        told.iter().for_each(|&(_, told)| self.pool.retain(told));
        let member = self.peer_mut(slot)?.member.take()?;
        member.heard().for_each(|(_, attributes)| self.pool.release(attributes));
        Some((member, told))
    }

    /// Has a member go on in a group from what it was told.
    fn move_to(&mut self, slot: Slot, to: GroupId, told: Option<(Member, Vec<(u32, AttrId)>)>) {
        let (Some((member, told)), Some(group)) = (told, self.group(to)) else { return };
        let member = member.moved(to, &group.pending);
        let mut known = told.iter().peekable();
        self.enter(slot, member, |id| {
            // Both walks go by the numbers of the destinations.
            known.next_if(|(other, _)| *other == id).map_or(AttrId::NONE, |&(_, told)| told)
        });
        told.into_iter().for_each(|(_, told)| self.pool.release(told));
    }

    /// Makes a peer a member, behind in whatever it was not told as the group was.
    fn enter(&mut self, slot: Slot, mut member: Member, mut told: impl FnMut(u32) -> AttrId) {
        let Some(group) = self.group(member.group) else { return };
        let mut retained = Vec::new();
        for id in self.destinations.ids() {
            let (said, heard) = (group.out.said(id), told(id));
            let is_for = self.is_for(&group.view, slot, said);
            if !said.is_nothing() && !is_for {
                member.not_for[self.destinations[id].family() as usize] += 1;
            }
            let wanted = if is_for { said.attributes } else { AttrId::NONE };
            if heard != wanted {
                retained.push(member.note(id, heard, wanted).now);
                member.lagging = true;
            }
        }
        retained.into_iter().for_each(|attributes| self.pool.retain_some(attributes));
        if let Some(peer) = self.peer_mut(slot) {
            peer.member = Some(member);
        }
    }

    /// Lets a peer into a group there is. What concerned none of the members there were may concern this one.
    fn admit(&mut self, slot: Slot, id: GroupId) {
        let Some(group) = self.groups.get_mut(usize::from(id.0)).and_then(Option::as_mut) else { return };
        if group.members.len() == 1 {
            pend_all(&self.destinations, group);
        }
        group.members.push(slot);
    }

    fn found(&mut self, group: Group) -> GroupId {
        let vacant = self.groups.iter().position(Option::is_none).unwrap_or(self.groups.len());
        if vacant == self.groups.len() {
            self.groups.push(None);
        }
        self.groups[vacant] = Some(group);
        // There are no more groups than peers, and those are numbered by 16 bits.
        GroupId(vacant as u16)
    }

    /// Takes a peer out of a group, and the group along when it was the last one.
    fn dismiss(&mut self, slot: Slot, id: GroupId) {
        let Some(group) = self.group_mut(id) else { return };
        group.members.retain(|&member| member != slot);
        if group.members.is_empty()
            && let Some(group) = self.groups[usize::from(id.0)].take()
        {
            group.out.records().for_each(|(_, attributes)| self.pool.release(attributes));
        }
    }

    /// Has it worked out anew what to say of a destination: to everybody, or else only to those who take several
    /// paths of it.
    pub(super) fn pend(&mut self, id: u32, best_changed: bool) {
        let family = self.destinations[id].family();
        for group in self.groups.iter_mut().flatten() {
            if group.view.families.contains(family) && (best_changed || group.view.takes_several(family)) {
                group.pending.insert(id);
            }
        }
    }

    /// Tells whether what was said to a group is for this member: not its own path, nor through itself.
    pub(super) fn is_for(&self, view: &ExportView, slot: Slot, said: Said) -> bool {
        if said.is_nothing() || said.source == slot {
            return false;
        }
        let through = || self.pool.attributes(said.attributes).next_hop.address();
        !view.keeps_next_hops() || self.peer(slot).is_none_or(|peer| peer.info.address != through())
    }

    /// Returns the members of a group for whom something is not.
    pub(super) fn not_for(&self, group: &Group, said: Said) -> SmallVec<[Slot; 2]> {
        if said.is_nothing() {
            return SmallVec::new();
        }
        if group.view.keeps_next_hops() {
            let members = group.members.iter().copied();
            return members.filter(|&slot| !self.is_for(&group.view, slot, said)).collect();
        }
        let is_member = group.members.contains(&said.source);
        SmallVec::from_iter(is_member.then_some(said.source))
    }

    /// Walks what a peer was told of a destination: identifiers, 0 where there are none, and attributes.
    pub(crate) fn told(&self, slot: Slot, id: u32) -> impl Iterator<Item = (u32, AttrId)> {
        let only = self.told_once(slot, id).some().map(|attributes| (0, attributes));
        let group = self.member(slot).and_then(|member| self.group(member.group));
        let several = group.into_iter().flat_map(move |group| group.out.add_path.told(id));
        only.into_iter().chain(several.map(|told| (told.path_id, told.attributes)))
    }

    fn told_once(&self, slot: Slot, id: u32) -> AttrId {
        let Some(member) = self.member(slot) else { return AttrId::NONE };
        let Some(group) = self.group(member.group) else { return AttrId::NONE };
        member.differs(id).unwrap_or_else(|| self.wanted(group, slot, id))
    }

    /// Returns what a member should have been told of a destination by what is on record.
    pub(super) fn wanted(&self, group: &Group, slot: Slot, id: u32) -> AttrId {
        let said = group.out.said(id);
        if self.is_for(&group.view, slot, said) { said.attributes } else { AttrId::NONE }
    }

    /// Returns how the paths of a peer stand, and how many it has been told of.
    pub(crate) fn counts_of(&self, peer: &Peer, family: Family) -> PeerCounts {
        let mut counts = peer.counts[family as usize];
        counts.advertised = self.count_advertised(peer, family);
        counts
    }

    fn count_advertised(&self, peer: &Peer, family: Family) -> u32 {
        let Some(member) = &peer.member else { return 0 };
        let (Some(group), Some(&slot)) = (self.group(member.group), self.slots.get(&peer.id)) else {
            return 0;
        };
        let (mut more, mut less) = (0, member.not_for[family as usize]);
        for id in member.behind().filter(|&id| self.destinations[id].family() == family) {
            more += u32::from(member.differs(id).and_then(AttrId::some).is_some());
            less += u32::from(self.wanted(group, slot, id) != AttrId::NONE);
        }
        group.advertised[family as usize] + more - less
    }

    /// Records what a member was told of a destination, and what it should have been.
    pub(super) fn note(&mut self, slot: Slot, id: u32, heard: AttrId, wanted: AttrId) {
        let Some(member) = self.member_mut(slot) else { return };
        let Remembered { before, now } = member.note(id, heard, wanted);
        self.pool.retain_some(now);
        self.pool.release(before);
    }

    pub(super) fn member(&self, slot: Slot) -> Option<&Member> {
        self.peer(slot)?.member.as_ref()
    }

    pub(super) fn member_mut(&mut self, slot: Slot) -> Option<&mut Member> {
        self.peer_mut(slot)?.member.as_mut()
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (Slot, &Member)> {
        self.slots.values().filter_map(|&slot| Some((slot, self.member(slot)?)))
    }

    pub(super) fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(usize::from(id.0))?.as_ref()
    }

    pub(super) fn group_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        self.groups.get_mut(usize::from(id.0))?.as_mut()
    }

    fn group_of(&self, view: &ExportView) -> Option<GroupId> {
        let same = |group: &Option<Group>| group.as_ref().is_some_and(|group| group.view == *view);
        self.groups.iter().position(same).map(|place| GroupId(place as u16))
    }

    fn view_of(&self, peer: &Peer) -> ExportView {
        ExportView::of(peer.id, &peer.info)
    }
}

/// Has it worked out anew what to say to a group, of everything.
pub(super) fn pend_all(destinations: &Destinations, group: &mut Group) {
    let families = group.view.families;
    let all = destinations.ids().filter(|&id| families.contains(destinations[id].family()));
    all.for_each(|id| group.pending.insert(id));
}
