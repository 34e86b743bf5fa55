//! A member of an update group: where what it was told differs from the group's record, and what only it is owed.
//!
//! A member that keeps up differs in nothing. One whose connection had no room, or that came late, is *behind* in some
//! destinations; for those, and only for those, it is remembered what it last heard. It catches up by itself, so a
//! slow peer neither holds the others nor misses anything.

use std::collections::BTreeMap;

use bgp::{Family, FamilySet};

use crate::pending::{Pending, Round};
use crate::pool::AttrId;
use crate::update_group::GroupId;

pub(crate) struct Member {
    pub(crate) group: GroupId,
    /// Whether it does not hear what the group is told, until it has caught up.
    pub(crate) lagging: bool,
    /// Destinations of which it was told something else than the record says it should have been.
    behind: Pending,
    /// What it was told of those, each with a count; nothing where it was told nothing.
    heard: BTreeMap<u32, AttrId>,
    /// How many paths of the group's record are not for it, by family.
    pub(crate) not_for: [u32; 2],
    /// The families it has asked for again and got no answer begun: however often it asks, it costs one walk.
    pub(crate) asked_again: FamilySet,
    /// The families of which everything is being said again.
    answering: FamilySet,
    /// Those among the advertised that are to be said again though nothing changed, by family.
    again: [Pending; 2],
    /// The families whose End-of-RIB is still owed, and what has to be told before.
    owed: FamilySet,
    waits: Wait,
}

/// What comes before End-of-RIB.
enum Wait {
    /// The group has yet to work out what was pending when the member came.
    Group(Round),
    /// The member has yet to hear what it was behind in then.
    Member(Round),
}

impl Member {
    /// Makes a member that was told nothing and is owed End-of-RIB for these families once what is pending has been
    /// told.
    pub(crate) fn owing(owed: FamilySet, group: GroupId, pending: &Pending) -> Self {
        Self {
            group,
            lagging: false,
            behind: Pending::default(),
            heard: BTreeMap::new(),
            not_for: [0; 2],
            asked_again: FamilySet::NONE,
            answering: FamilySet::NONE,
            again: Default::default(),
            owed,
            waits: Wait::Group(pending.here()),
        }
    }

    /// Makes it a member of another group. What it was told is the caller's business; what it is owed stays.
    pub(crate) fn moved(self, group: GroupId, pending: &Pending) -> Self {
        let Self { asked_again, answering, again, owed, .. } = self;
        Self { asked_again, answering, again, ..Self::owing(owed, group, pending) }
    }

    /// Returns what it was told of a destination, if that is something else than it should have been.
    pub(crate) fn differs(&self, id: u32) -> Option<AttrId> {
        self.behind.contains(id).then(|| self.heard.get(&id).copied().unwrap_or(AttrId::NONE))
    }

    /// Records what it was told of a destination and what it should have been. Returns what was remembered of it;
    /// the counts of that and of `heard`, if it is another, are the caller's business.
    pub(crate) fn note(&mut self, id: u32, heard: AttrId, wanted: AttrId) -> Remembered {
        let before = self.heard.remove(&id).unwrap_or(AttrId::NONE);
        if heard == wanted {
            self.behind.remove(id);
            return Remembered { before, now: AttrId::NONE };
        }
        self.behind.insert(id);
        if heard != AttrId::NONE {
            self.heard.insert(id, heard);
        }
        Remembered { before, now: heard }
    }

    /// Walks the destinations it is behind in.
    pub(crate) fn behind(&self) -> impl Iterator<Item = u32> {
        self.behind.iter()
    }

    /// Walks what it was told of those.
    pub(crate) fn heard(&self) -> impl Iterator<Item = (u32, AttrId)> {
        self.heard.iter().map(|(&id, &attributes)| (id, attributes))
    }

    /// Takes note that a destination has just been told of.
    pub(crate) fn heard_of(&mut self, id: u32, family: Family) {
        self.again[family as usize].remove(id);
    }

    /// Tells whether what the group is told needs no more looking at this member.
    pub(crate) fn is_even(&self) -> bool {
        !self.lagging && self.behind.is_empty() && self.again.iter().all(Pending::is_empty)
    }

    /// Tells whether there is something to tell this member alone. What the group has pending comes with the group.
    pub(crate) fn has_pending(&self, group: &Pending) -> bool {
        !self.owed.is_empty() || !self.asked_again.is_empty() || self.has_destinations(group)
    }

    fn has_destinations(&self, group: &Pending) -> bool {
        self.behind.exceeds(group) || self.again.iter().any(|again| again.exceeds(group))
    }

    /// Takes out the next destination to tell this member alone of, and says whether it has to be told in any case.
    pub(crate) fn take(&mut self, group: &Pending) -> Option<(u32, bool)> {
        // It stays behind until it has been told: see `note`.
        let late = self.behind.take_but(group).inspect(|&id| self.behind.insert(id));
        if let Some(id) = late {
            return Some((id, self.again.iter_mut().any(|again| again.remove(id))));
        }
        self.again.iter_mut().find_map(|again| again.take_but(group)).map(|id| (id, true))
    }

    /// Takes note that it has been told what there was for it alone.
    pub(crate) fn caught_up(&mut self, group: &Pending) {
        self.lagging &= self.has_destinations(group);
    }

    /// Begins the answers to what was asked again, and returns their families. None begins while one of its family
    /// goes on, nor before End-of-RIB (RFC 7313 §4.1).
    pub(crate) fn begin_answers(&mut self) -> FamilySet {
        let waits = |family| self.answering.contains(family) || self.owed.contains(family);
        let begun: FamilySet = self.asked_again.iter().filter(|&family| !waits(family)).collect();
        for family in begun.iter() {
            self.asked_again.remove(family);
            self.answering.insert(family);
        }
        begun
    }

    /// Has a destination said again though nothing changed.
    pub(crate) fn say_again(&mut self, id: u32, family: Family) {
        self.again[family as usize].insert(id);
    }

    /// Returns the families of which everything has just been said again.
    pub(crate) fn end_answers(&mut self) -> FamilySet {
        let again = &self.again;
        let ended: FamilySet =
            self.answering.iter().filter(|&family| again[family as usize].is_empty()).collect();
        ended.iter().for_each(|family| self.answering.remove(family));
        ended
    }

    /// Takes note of how far the group has got with what was pending when this member came.
    pub(crate) fn follow_round(&mut self, group: &Pending) {
        if let Wait::Group(since) = self.waits
            && group.has_come_round(since)
        {
            self.waits = Wait::Member(self.behind.here());
        }
    }

    /// Returns the families whose initial routes have just been told completely.
    pub(crate) fn settle_initial(&mut self) -> Vec<Family> {
        match self.waits {
            Wait::Member(since) if self.behind.has_come_round(since) => {
                std::mem::take(&mut self.owed).iter().collect()
            }
            Wait::Member(_) | Wait::Group(_) => Vec::new(),
        }
    }

    /// Tells whether nothing in here refers to a destination.
    pub(crate) fn is_done_with(&self, id: u32) -> bool {
        !self.behind.contains(id) && !self.again.iter().any(|again| again.contains(id))
    }
}

/// What a member remembers of a destination before and after: handles, one of which may stand for nothing.
pub(crate) struct Remembered {
    pub(crate) before: AttrId,
    pub(crate) now: AttrId,
}
