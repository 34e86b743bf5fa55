//! Telling one peer what only it has to hear: what it missed, what it asked for again, and End-of-RIB.

use bgp::{Family, Nlri};

use super::Rib;
use crate::adj_rib_out::{Adverts, Grouping};
use crate::path::Slot;
use crate::pool::AttrId;

impl Rib {
    /// Looks at up to `limit` destinations a member differs in or is to hear of again, and returns what it is to be
    /// told of them. What its group is about to reconsider comes with the group.
    pub(super) fn catch_up(&mut self, slot: Slot, limit: usize) -> Adverts {
        let mut grouping = Grouping::default();
        let begun = self.begin_answers(slot);
        for _ in 0..limit {
            let Some((id, again)) = self.next_alone(slot) else { break };
            self.tell_alone(slot, id, again, &mut grouping);
            self.forget_if_unused(id);
        }
        let mut adverts = grouping.adverts;
        adverts.refresh_begun = begun;
        self.stats.advertised += adverts.announcements() as u64;
        self.stats.unadvertised += adverts.withdrawals() as u64;
        let place = self.member(slot).map(|member| usize::from(member.group.0));
        let Some(group) = place.and_then(|place| self.groups.get(place)?.as_ref()) else { return adverts };
        let peer = self.peers.get_mut(usize::from(slot.0)).and_then(Option::as_mut);
        let Some(member) = peer.and_then(|peer| peer.member.as_mut()) else { return adverts };
        member.caught_up(&group.pending);
        member.follow_round(&group.pending);
        adverts.end_of_rib = member.settle_initial();
        adverts.refresh_ended = member.end_answers();
        adverts.more = !group.pending.is_empty() || member.has_pending(&group.pending);
        adverts
    }

    fn next_alone(&mut self, slot: Slot) -> Option<(u32, bool)> {
        let place = usize::from(self.member(slot)?.group.0);
        let group = self.groups.get(place)?.as_ref()?;
        let member = self.peers.get_mut(usize::from(slot.0))?.as_mut()?.member.as_mut()?;
        member.take(&group.pending)
    }

    fn tell_alone(&mut self, slot: Slot, id: u32, again: bool, grouping: &mut Grouping) {
        let prefix = self.destinations[id].prefix;
        let family = Family::of(&prefix);
        let Some(member) = self.member(slot) else { return };
        let Some(group) = self.group(member.group) else { return };
        for told in group.out.add_path.told(id).iter().filter(|_| again) {
            grouping.announce(&self.pool, told.attributes, family, Nlri { prefix, path_id: told.path_id });
        }
        let (heard, wanted) = (member.differs(id), self.wanted(group, slot, id));
        if heard.is_none() && !again {
            return;
        }
        if wanted != AttrId::NONE {
            grouping.announce(&self.pool, wanted, family, Nlri::from(prefix));
        } else if heard.is_some() {
            grouping.withdraw(family, Nlri::from(prefix));
        }
        self.note(slot, id, wanted, wanted);
        self.monitors.note(id);
    }
}
