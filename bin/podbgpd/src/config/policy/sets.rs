//! `[set.NAME]`: long lists, written once and named where a list may stand.

use std::cell::Cell;
use std::collections::BTreeMap;

use bgp::{Community, ExtendedCommunity, LargeCommunity};
use rib::policy::{AsnSet, PrefixSet, Tags};

use super::super::reader::{Table, Value, suggestion};
use super::values::{any, as_range, pattern, prefix_range};

/// The sets of a file, and which of them are used.
pub(in super::super) struct Sets<'a>(BTreeMap<&'a str, NamedSet<'a>>);

struct NamedSet<'a> {
    /// `None` after a mistake was noted.
    members: Option<Members>,
    place: Value<'a>,
    used: Cell<bool>,
}

/// What a set has, by the keys it is written under.
#[derive(Default)]
pub(super) struct Members {
    prefixes: Option<PrefixSet>,
    as_numbers: Option<AsnSet>,
    communities: Option<Tags<Community>>,
    extended_communities: Option<Tags<ExtendedCommunity>>,
    large_communities: Option<Tags<LargeCommunity>>,
}

/// What a set can be used as.
pub(super) trait Kind: Clone {
    /// The key its members are written under.
    const KEY: &'static str;

    /// Returns the members of this kind.
    fn of(members: &Members) -> Option<&Self>;
}

/// Reads all sets.
pub(in super::super) fn read<'a>(table: Option<&Table<'a>>) -> Sets<'a> {
    let entries = table.into_iter().flat_map(Table::entries);
    let set = |place: Value<'a>| NamedSet { members: members(&place), place, used: Cell::new(false) };
    Sets(entries.map(|(name, place)| (name, set(place))).collect())
}

fn members(place: &Value<'_>) -> Option<Members> {
    let before = place.mistakes();
    let mut table = place.table()?;
    let members = Members {
        prefixes: table.optional("prefixes", |value| any(value, prefix_range).map(PrefixSet::from_iter)),
        as_numbers: table.optional("as-numbers", |value| any(value, as_range).map(AsnSet::from_iter)),
        communities: table.optional("communities", |value| any(value, pattern).map(Tags::from_iter)),
        extended_communities: table
            .optional("extended-communities", |value| any(value, pattern).map(Tags::from_iter)),
        large_communities: table
            .optional("large-communities", |value| any(value, pattern).map(Tags::from_iter)),
    };
    table.finish();
    (place.mistakes() == before).then_some(members)
}

impl Sets<'_> {
    /// Reads a list or the name of a set.
    pub(super) fn list_or_set<T, S: Kind + FromIterator<T>>(
        &self,
        value: &Value<'_>,
        read: impl Fn(&Value<'_>) -> Option<T>,
    ) -> Option<S> {
        if value.is_text() { self.named(value) } else { any(value, read).map(S::from_iter) }
    }

    /// Reads the name of a set.
    pub(super) fn named<S: Kind>(&self, value: &Value<'_>) -> Option<S> {
        let text = value.text()?;
        let Some(set) = self.0.get(text) else {
            let names: Vec<&str> = self.0.keys().copied().collect();
            let hint = match names.is_empty() || !is_name(text) {
                true => "put it in brackets, [ ... ], unless it is to be the name of a [set.NAME]".to_owned(),
                false => suggestion(text, &names),
            };
            return value.refuse("is not the name of a set in this file", hint);
        };
        set.used.set(true);
        let members = set.members.as_ref()?;
        match S::of(members) {
            Some(found) => Some(found.clone()),
            None => value.refuse_beside(
                format!("the set {text:?} has no {}", S::KEY),
                format!("add {} to the set, or name another", S::KEY),
                set.place.span(),
                "the set is here",
            ),
        }
    }

    /// Notes the sets no rule uses.
    pub(in super::super) fn warn_of_unused(&self) {
        for set in self.0.values().filter(|set| !set.used.get()) {
            set.place.warn("no rule uses this set", "name it where a rule has a list");
        }
    }
}

/// Tells whether a text looks like the name of a set rather than like one of its members.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && !text.contains([':', '/'])
}

impl Kind for PrefixSet {
    const KEY: &'static str = "prefixes";

    fn of(members: &Members) -> Option<&Self> {
        members.prefixes.as_ref()
    }
}

impl Kind for AsnSet {
    const KEY: &'static str = "as-numbers";

    fn of(members: &Members) -> Option<&Self> {
        members.as_numbers.as_ref()
    }
}

impl Kind for Tags<Community> {
    const KEY: &'static str = "communities";

    fn of(members: &Members) -> Option<&Self> {
        members.communities.as_ref()
    }
}

impl Kind for Tags<ExtendedCommunity> {
    const KEY: &'static str = "extended-communities";

    fn of(members: &Members) -> Option<&Self> {
        members.extended_communities.as_ref()
    }
}

impl Kind for Tags<LargeCommunity> {
    const KEY: &'static str = "large-communities";

    fn of(members: &Members) -> Option<&Self> {
        members.large_communities.as_ref()
    }
}
