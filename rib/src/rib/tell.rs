//! Telling an update group: worked out once, heard by every member that keeps up.
//!
//! A destination is compared with the group's record. What comes of it is for all members but those whose own path it
//! is, or was; what each of these has to hear instead, and what a member that does not hear this has missed, is noted
//! with that member, which [catches up](super::catch_up) by itself.

use bgp::{Family, Nlri};
use smallvec::SmallVec;

use super::Rib;
use super::pull::Memo;
use crate::adj_rib_out::{Grouping, Part, Said, Shared};
use crate::path::{PeerId, Slot};
use crate::pool::AttrId;
use crate::update_group::{Group, GroupId};

/// What a group is being told, and by whom it is heard.
pub(super) struct Telling {
    hearing: Vec<Slot>,
    /// The members about whom every destination has to be asked, since they do not hear it or are not even.
    watched: Vec<Slot>,
    /// What is said, by whom it is not for.
    parts: Vec<(SmallVec<[Slot; 2]>, Grouping)>,
    pub(super) memo: Memo,
}

/// What became of a destination in a group's record.
#[derive(Clone, Copy)]
struct Turn {
    id: u32,
    before: Said,
    now: Said,
}

impl Turn {
    /// Returns what every member hears of it, with the exception of those it is not for.
    fn spoken(self) -> Option<Said> {
        (self.before.attributes != self.now.attributes).then_some(if self.now.is_nothing() {
            self.before
        } else {
            self.now
        })
    }
}

impl Rib {
    /// Looks at up to `limit` pending destinations of a group and returns what is to be said of them, and to whom: to
    /// those of `listeners` that keep up.
    pub(super) fn tell_group(&mut self, id: GroupId, listeners: &[Slot], limit: usize) -> Shared {
        let Some(mut group) = self.groups.get_mut(usize::from(id.0)).and_then(Option::take) else {
            return Shared::default();
        };
        let keeps_up = |slot: &Slot| self.member(*slot).is_some_and(|m| m.group == id && !m.lagging);
        let hearing: Vec<_> = listeners.iter().copied().filter(keeps_up).collect();
        let is_watched = |slot: &Slot| {
            !hearing.contains(slot) || self.member(*slot).is_none_or(|member| !member.is_even())
        };
        let watched = group.members.iter().copied().filter(is_watched).collect();
        let mut telling = Telling { hearing, watched, parts: Vec::new(), memo: Memo::default() };
        for _ in 0..limit {
            let Some(destination) = group.pending.take() else { break };
            group.oversized.remove(destination);
            if group.view.takes_several(self.destinations[destination].family()) {
                self.tell_paths(&mut group, destination, &mut telling);
            } else {
                self.tell(&mut group, destination, &mut telling);
            }
            self.forget_if_unused(destination);
        }
        telling.memo.release(&mut self.pool);
        for &slot in &group.members {
            if let Some(member) = self.member_mut(slot) {
                member.follow_round(&group.pending);
            }
        }
        self.groups[usize::from(id.0)] = Some(group);
        self.share(telling.hearing, telling.parts)
    }

    /// Compares what a group should know of a destination with what it was told.
    fn tell(&mut self, group: &mut Group, id: u32, telling: &mut Telling) {
        // Of its own path the only member need not even be asked.
        let concerns = |source| group.members != [source];
        let best = self.destinations[id].best().filter(|best| concerns(best.source)).copied();
        let exported =
            best.and_then(|best| Some((self.exported(group, id, &best, &mut telling.memo)?, best.source)));
        let now = exported.map_or(Said::NOTHING, |(attributes, source)| {
            // Of the only member it is not; and who joins it has everything worked out anew.
            let source = if group.members.len() == 1 { Slot::LOCAL } else { source };
            Said { attributes, source }
        });
        let turn = Turn { id, before: group.out.said(id), now };
        if turn.before == now {
            self.pool.release(now.attributes);
            return;
        }
        let (were_not, are_not) = (self.not_for(group, turn.before), self.not_for(group, now));
        let prefix = self.destinations[id].prefix;
        let family = Family::of(&prefix);
        if turn.spoken().is_some() {
            let not_for = if now.is_nothing() { &were_not } else { &are_not };
            let knowing = telling.watched.iter().filter(|slot| self.knows(**slot, turn));
            let not_for: Vec<_> = not_for.iter().chain(knowing).copied().collect();
            let part = telling.part(&not_for);
            match now.attributes {
                AttrId::NONE => part.withdraw(family, Nlri::from(prefix)),
                attributes => part.announce(&self.pool, attributes, family, Nlri::from(prefix)),
            }
        }
        let excepted = were_not.iter().chain(&are_not).filter(|slot| !telling.watched.contains(slot));
        let mut concerned: Vec<_> = telling.watched.iter().chain(excepted).copied().collect();
        concerned.dedup();
        for slot in concerned {
            self.follow(group, slot, turn, telling);
        }
        self.count_not_for(&were_not, family, |count| count - 1);
        self.count_not_for(&are_not, family, |count| count + 1);
        let advertised = &mut group.advertised[family as usize];
        *advertised += u32::from(!now.is_nothing());
        *advertised -= u32::from(!turn.before.is_nothing());
        group.out.record(id, now);
        self.monitors.note(id);
        self.pool.release(turn.before.attributes);
    }

    /// Works out what a member has heard of a destination, now that the group's record of it is another.
    fn follow(&mut self, group: &Group, slot: Slot, turn: Turn, telling: &mut Telling) {
        let Turn { id, before, now } = turn;
        let attributes = |said: Said, is_for| if is_for { said.attributes } else { AttrId::NONE };
        let Some(member) = self.member(slot) else { return };
        let differs = member.differs(id);
        let is_for = |said| self.is_for(&group.view, slot, said);
        let reached =
            telling.hearing.contains(&slot) && turn.spoken().is_some_and(is_for) && !self.knows(slot, turn);
        let wanted = attributes(now, is_for(now));
        let heard = match reached {
            true => now.attributes,
            false => differs.unwrap_or_else(|| attributes(before, is_for(before))),
        };
        self.note(slot, id, heard, wanted);
        let family = self.destinations[id].family();
        if let Some(member) = self.member_mut(slot) {
            if reached {
                member.heard_of(id, family);
            } else if heard != wanted && !telling.hearing.contains(&slot) {
                member.lagging = true;
            }
            if heard != wanted && !telling.watched.contains(&slot) {
                telling.watched.push(slot);
            }
        }
    }

    /// Tells whether a member has heard already what the others hear now.
    fn knows(&self, slot: Slot, turn: Turn) -> bool {
        self.member(slot).and_then(|member| member.differs(turn.id)) == Some(turn.now.attributes)
    }

    fn count_not_for(&mut self, slots: &[Slot], family: Family, count: impl Fn(u32) -> u32) {
        for &slot in slots {
            if let Some(member) = self.member_mut(slot) {
                let not_for = &mut member.not_for[family as usize];
                *not_for = count(*not_for);
            }
        }
    }

    /// Names the peers, and counts what they hear.
    fn share(&mut self, hearing: Vec<Slot>, parts: Vec<(SmallVec<[Slot; 2]>, Grouping)>) -> Shared {
        let named = |rib: &Self, slots: &[Slot]| -> Vec<PeerId> {
            slots.iter().filter_map(|&slot| Some(rib.peer(slot)?.id)).collect()
        };
        let to = named(self, &hearing);
        let mut shared = Shared { to, parts: Vec::new() };
        for (not_for, grouping) in parts {
            let absent = not_for.iter().filter(|slot| hearing.contains(slot)).count();
            let part = Part { not_for: named(self, &not_for), adverts: grouping.adverts };
            let times = (hearing.len() - absent) as u64;
            self.stats.advertised += times * part.adverts.announcements() as u64;
            self.stats.unadvertised += times * part.adverts.withdrawals() as u64;
            shared.parts.push(part);
        }
        shared
    }

    /// Takes note that prefixes just pulled were not advertised, but withdrawn: no message can hold their
    /// attributes. It is tried again when the best path, a policy or the session changes.
    pub fn withhold(&mut self, id: PeerId, nlri: &[Nlri]) {
        let Some(&slot) = self.slots.get(&id) else { return };
        let Some(place) = self.member(slot).map(|member| usize::from(member.group.0)) else { return };
        let Some(mut group) = self.groups.get_mut(place).and_then(Option::take) else { return };
        for nlri in nlri {
            if let Some(destination) = self.destinations.find(&nlri.prefix) {
                self.unsay(&mut group, destination, nlri.path_id);
            }
        }
        self.groups[place] = Some(group);
    }

    fn unsay(&mut self, group: &mut Group, id: u32, path_id: u32) {
        let before = match path_id {
            0 => group.out.said(id),
            _ => Said { attributes: group.out.add_path.forget(id, path_id), source: Slot::LOCAL },
        };
        if before.is_nothing() {
            return;
        }
        let family = self.destinations[id].family();
        let not_for = if path_id == 0 { self.not_for(group, before) } else { SmallVec::new() };
        let mut heard_by = 0;
        for &slot in group.members.iter().filter(|slot| !not_for.contains(slot)) {
            match self.member(slot).and_then(|member| member.differs(id)) {
                Some(heard) => self.note(slot, id, heard, AttrId::NONE),
                None => heard_by += 1,
            }
        }
        self.count_not_for(&not_for, family, |count| count - 1);
        if path_id == 0 {
            group.out.record(id, Said::NOTHING);
        }
        group.oversized.insert(id);
        group.advertised[family as usize] -= 1;
        self.stats.advertised -= heard_by;
        self.stats.unadvertised += heard_by;
        self.monitors.note(id);
        self.pool.release(before.attributes);
    }
}

impl Telling {
    /// Returns where to put what is not for these members.
    pub(super) fn part(&mut self, not_for: &[Slot]) -> &mut Grouping {
        let known = self.parts.iter().rposition(|(others, _)| others[..] == *not_for);
        let place = known.unwrap_or_else(|| {
            self.parts.push((SmallVec::from_slice(not_for), Grouping::default()));
            self.parts.len() - 1
        });
        &mut self.parts[place].1
    }
}
