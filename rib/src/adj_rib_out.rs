//! Adj-RIB-Out: what was advertised, as it was, and what has yet to be.
//!
//! Nothing in here names a peer: the record serves whoever sees the same export view.

use std::sync::Arc;

use bgp::{Family, FamilySet, Nlri, PathAttributes};
use hashbrown::HashMap;

use crate::pending::Pending;
use crate::pool::{AttrId, AttributePool};

/// What to tell a peer now. What is in here counts as advertised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adverts {
    /// Prefixes to announce, grouped by what they share.
    pub announced: Vec<Advert>,
    /// Prefixes to withdraw, by family.
    pub withdrawn: Vec<(Family, Vec<Nlri>)>,
    /// The families whose initial routes all have been told, this time included: End-of-RIB comes after the
    /// rest of these adverts.
    pub end_of_rib: Vec<Family>,
    /// Whether there is more to tell.
    pub more: bool,
}

/// Prefixes of one family to announce with the same attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// What they share.
    pub attributes: Arc<PathAttributes>,
    /// Their family.
    pub family: Family,
    /// The prefixes; never empty.
    pub nlri: Vec<Nlri>,
}

impl Adverts {
    /// Tells whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.announced.is_empty() && self.withdrawn.is_empty() && self.end_of_rib.is_empty()
    }
}

const PAGE: usize = 256;

/// What was advertised: destination number to attributes, and the pending destinations.
#[derive(Default)]
pub(crate) struct AdjRibOut {
    pages: Vec<Option<Box<[AttrId; PAGE]>>>,
    /// Destinations that may have to be advertised or withdrawn.
    pub(crate) pending: Pending,
    /// The families a peer has asked for again since the last pull: however often it asks, it costs one walk.
    pub(crate) asked_again: FamilySet,
    /// Those among the advertised that are to be said again though nothing changed.
    pub(crate) again: Pending,
    /// Those that should be advertised, but no message can hold their attributes.
    pub(crate) oversized: Pending,
    /// The families whose End-of-RIB is still owed, and below which number all destinations must have been
    /// told of first.
    pub(crate) owed: FamilySet,
    initial_bound: u32,
}

impl AdjRibOut {
    /// Makes an empty record that owes End-of-RIB for these families, once all destinations below a number
    /// have been told of.
    pub(crate) fn owing(owed: FamilySet, initial_bound: u32) -> Self {
        Self { owed, initial_bound, ..Self::default() }
    }

    /// Returns what was advertised of a destination, or [`AttrId::NONE`].
    pub(crate) fn advertised(&self, id: u32) -> AttrId {
        let page = self.pages.get(id as usize / PAGE).and_then(Option::as_ref);
        page.map_or(AttrId::NONE, |page| page[id as usize % PAGE])
    }

    /// Records what is advertised now and returns what was. The counts of both are the caller's business.
    pub(crate) fn record(&mut self, id: u32, attributes: AttrId) -> AttrId {
        let page = id as usize / PAGE;
        if page >= self.pages.len() {
            self.pages.resize(page + 1, None);
        }
        let page = self.pages[page].get_or_insert_with(|| Box::new([AttrId::NONE; PAGE]));
        std::mem::replace(&mut page[id as usize % PAGE], attributes)
    }

    /// Walks the destinations advertised and their attributes, in the order of their numbers.
    pub(crate) fn records(&self) -> impl Iterator<Item = (u32, AttrId)> {
        let pages = self.pages.iter().enumerate();
        let present = pages.filter_map(|(index, page)| page.as_ref().map(|page| (index, page)));
        let all = present.flat_map(|(index, page)| {
            page.iter().enumerate().map(move |(offset, &id)| ((index * PAGE + offset) as u32, id))
        });
        all.filter(|(_, attributes)| *attributes != AttrId::NONE)
    }

    /// Puts the advertised destinations for which something holds back among the pending ones.
    pub(crate) fn say_again(&mut self, which: impl Fn(u32) -> bool) {
        for id in self.records().map(|(id, _)| id).filter(|&id| which(id)).collect::<Vec<_>>() {
            self.pending.insert(id);
            self.again.insert(id);
        }
    }

    /// Tells whether there is nothing to pull.
    pub(crate) fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.owed.is_empty() && self.asked_again.is_empty()
    }

    /// Tells whether nothing was ever told, nor is to be.
    pub(crate) fn is_blank(&self) -> bool {
        self.is_settled()
            && self.again.is_empty()
            && self.oversized.is_empty()
            && self.records().next().is_none()
    }

    /// Tells whether nothing in here refers to a destination.
    pub(crate) fn is_done_with(&self, id: u32) -> bool {
        !self.pending.contains(id) && self.advertised(id) == AttrId::NONE
    }

    /// Returns the families whose initial routes have just been told completely.
    pub(crate) fn settle_initial(&mut self) -> Vec<Family> {
        if self.pending.is_empty() || self.pending.has_passed(self.initial_bound) {
            std::mem::take(&mut self.owed).iter().collect()
        } else {
            Vec::new()
        }
    }
}

/// Sorts what is pulled into groups of equal attributes.
#[derive(Default)]
pub(crate) struct Grouping {
    pub(crate) adverts: Adverts,
    places: HashMap<(AttrId, Family), usize>,
    last: Option<((AttrId, Family), usize)>,
}

impl Grouping {
    pub(crate) fn announce(&mut self, pool: &AttributePool, id: AttrId, family: Family, nlri: Nlri) {
        let key = (id, family);
        let announced = &mut self.adverts.announced;
        let place = match self.last {
            Some((last, place)) if last == key => place,
            _ => *self.places.entry(key).or_insert_with(|| {
                announced.push(Advert { attributes: pool.shared(id), family, nlri: Vec::new() });
                announced.len() - 1
            }),
        };
        self.last = Some((key, place));
        announced[place].nlri.push(nlri);
    }

    pub(crate) fn withdraw(&mut self, family: Family, nlri: Nlri) {
        let withdrawn = &mut self.adverts.withdrawn;
        match withdrawn.iter_mut().find(|(other, _)| *other == family) {
            Some((_, list)) => list.push(nlri),
            None => withdrawn.push((family, vec![nlri])),
        }
    }
}
