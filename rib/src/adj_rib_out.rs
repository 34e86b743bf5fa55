//! Adj-RIB-Out: what was advertised, as it was; and adverts, which is how it is said.
//!
//! Nothing in here names a peer: a record serves everybody who sees the same export view.

use std::sync::Arc;

use bgp::{Family, FamilySet, Nlri, PathAttributes};
use hashbrown::HashMap;

use crate::pages::Pages;
use crate::path::{PeerId, Slot};
use crate::pool::{AttrId, AttributePool};
use add_path::AddPathOut;

pub(crate) mod add_path;

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
    /// The families of which everything is being said again from here on, in answer to a refresh: BoRR comes
    /// before the rest of these adverts.
    pub refresh_begun: FamilySet,
    /// The families of which everything has been said again, this time included: EoRR comes last.
    pub refresh_ended: FamilySet,
    /// Whether there is more to tell.
    pub more: bool,
}

/// What several peers are to be told now, all of them the same but for what is their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// To whom.
    pub to: Vec<PeerId>,
    /// What, by whom it is not for.
    pub parts: Vec<Part>,
}

/// What is for everybody but some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Whose own path it is, or through whom; few, and not all of them need be among those who are told.
    pub not_for: Vec<PeerId>,
    /// What is said, of which every peer is told a prefix at most once. No End-of-RIB and no refresh: these are
    /// between two.
    pub adverts: Adverts,
}

/// What to say when a peer has room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// What it is told with others; comes first.
    pub shared: Shared,
    /// What it alone is told.
    pub own: Adverts,
}

impl Pulled {
    /// Returns all a peer is told, where it is told alone.
    #[must_use]
    pub fn all_for(self, id: PeerId) -> Adverts {
        let mut all = self.own;
        let parts =
            self.shared.parts.into_iter().filter(|part| !part.not_for.contains(&id)).collect::<Vec<_>>();
        // What is shared comes first.
        for part in parts.into_iter().rev() {
            all.announced.splice(0..0, part.adverts.announced);
            for (family, nlri) in part.adverts.withdrawn.into_iter().rev() {
                match all.withdrawn.iter_mut().find(|(other, _)| *other == family) {
                    Some((_, list)) => drop(list.splice(0..0, nlri)),
                    None => all.withdrawn.insert(0, (family, nlri)),
                }
            }
        }
        all
    }
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
    /// Returns how many prefixes are announced, once for each path.
    pub(crate) fn announcements(&self) -> usize {
        self.announced.iter().map(|advert| advert.nlri.len()).sum()
    }

    /// Returns how many prefixes are withdrawn.
    pub(crate) fn withdrawals(&self) -> usize {
        self.withdrawn.iter().map(|(_, nlri)| nlri.len()).sum()
    }

    /// Tells whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let brackets = [self.refresh_begun, self.refresh_ended];
        self.announced.is_empty()
            && self.withdrawn.is_empty()
            && self.end_of_rib.is_empty()
            && brackets.iter().all(|families| families.is_empty())
    }
}

/// What was advertised to an update group: which attributes, and whose path that was.
///
/// What a member was told follows from it: what the others were, unless the path is its own.
#[derive(Default)]
pub(crate) struct AdjRibOut {
    attributes: Pages<AttrId>,
    sources: Pages<Slot>,
    /// What was advertised of the families whose paths have identifiers; nothing of the others.
    pub(crate) add_path: AddPathOut,
}

/// What was advertised of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// The attributes, or [`AttrId::NONE`].
    pub(crate) attributes: AttrId,
    /// Whose path it was.
    pub(crate) source: Slot,
}

impl Said {
    pub(crate) const NOTHING: Self = Self { attributes: AttrId::NONE, source: Slot::LOCAL };

    pub(crate) fn is_nothing(self) -> bool {
        self.attributes == AttrId::NONE
    }
}

impl AdjRibOut {
    /// Returns what was advertised of a destination.
    pub(crate) fn said(&self, id: u32) -> Said {
        match self.attributes.get(id) {
            AttrId::NONE => Said::NOTHING,
            attributes => Said { attributes, source: self.sources.get(id) },
        }
    }

    /// Records what is advertised now. The counts of that and of what was are the caller's business.
    pub(crate) fn record(&mut self, id: u32, said: Said) {
        self.attributes.set(id, said.attributes);
        self.sources.set(id, said.source);
    }

    /// Walks what was advertised, once for each path.
    pub(crate) fn records(&self) -> impl Iterator<Item = (u32, AttrId)> {
        self.attributes.occupied().chain(self.add_path.records())
    }

    /// Tells whether nothing is advertised of a destination.
    pub(crate) fn is_silent_on(&self, id: u32) -> bool {
        self.said(id).is_nothing() && self.add_path.told(id).is_empty()
    }

    /// Makes a second record of the same. Its counts are the caller's business.
    pub(crate) fn copy(&self) -> Self {
        Self {
            attributes: self.attributes.clone(),
            sources: self.sources.clone(),
            add_path: AddPathOut::default(),
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
