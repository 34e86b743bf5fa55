//! `[policy.NAME]`: the shape of policies in the file.
//!
//! A match or an edit is a line in [`MATCHES`] or [`EDITS`], and an arm where `rib` applies it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rib::policy::{AsnSet, Change, Decision, Edit, Match, Policy, Rule};

use super::node::{asn, prefix};
use super::reader::{Table, Value, suggestion};
use values::{
    FAMILIES, PROVENANCES, any, as_range, bounds, difference, glob, next_hop, number, or_none, origin,
    path_length, pattern, prefix_range, prepend, private_as, single_as, tag,
};

mod cases;
pub(super) mod sets;
mod values;

use sets::Sets;

/// What a rule can ask of a route: the key, and what its value means.
const MATCHES: &[Reading<Match>] = &[
    ("prefix", |value, sets| sets.list_or_set(value, prefix_range).map(Match::Prefix)),
    ("family", |value, _| value.choice(&FAMILIES).map(Match::Family)),
    ("community", |value, sets| sets.list_or_set(value, pattern).map(Match::Community)),
    ("extended-community", |value, sets| sets.list_or_set(value, pattern).map(Match::ExtendedCommunity)),
    ("large-community", |value, sets| sets.list_or_set(value, pattern).map(Match::LargeCommunity)),
    ("as-path-contains", |value, sets| as_set(value, sets).map(Match::AsPathContains)),
    ("as-path-origin", |value, sets| as_set(value, sets).map(Match::AsPathOrigin)),
    ("as-path-neighbor", |value, sets| as_set(value, sets).map(Match::AsPathNeighbor)),
    ("as-path-prefix", |value, _| any(value, asn).map(Match::AsPathPrefix)),
    ("as-path-length", |value, _| path_length(value).map(Match::AsPathLength)),
    ("origin", |value, _| origin(value).map(Match::Origin)),
    ("local-pref", |value, _| bounds(value).map(Match::LocalPref)),
    ("med", |value, _| or_none(value, bounds).map(Match::Med)),
    ("next-hop", |value, _| any(value, prefix).map(Match::NextHop)),
    ("interface", |value, _| glob(value).map(Match::Interface)),
    ("source", |value, _| value.choice(&PROVENANCES).map(Match::Provenance)),
    ("peer-address", |value, _| any(value, prefix).map(Match::PeerAddress)),
    ("peer-asn", |value, sets| as_set(value, sets).map(Match::PeerAsn)),
];

/// What a rule can change in a route, in the order it is done.
const EDITS: &[Reading<Edit>] = &[
    ("set-origin", |value, _| origin(value).map(Edit::Origin)),
    ("set-local-pref", |value, _| number(value).map(Edit::LocalPref)),
    ("add-local-pref", |value, _| difference(value).map(Edit::AddLocalPref)),
    ("set-med", |value, _| or_none(value, number).map(Edit::Med)),
    ("add-med", |value, _| difference(value).map(Edit::AddMed)),
    ("set-aigp", |value, _| or_none(value, number).map(|cost| Edit::Aigp(cost.map(u64::from)))),
    ("set-next-hop", |value, _| next_hop(value).map(Edit::NextHop)),
    ("set-community", |value, _| value.list(tag).map(Change::Replace).map(Edit::Communities)),
    ("remove-community", |value, sets| {
        sets.list_or_set(value, pattern).map(Change::Remove).map(Edit::Communities)
    }),
    ("add-community", |value, _| any(value, tag).map(Change::Add).map(Edit::Communities)),
    ("set-extended-community", |value, _| {
        value.list(tag).map(Change::Replace).map(Edit::ExtendedCommunities)
    }),
    ("remove-extended-community", |value, sets| {
        sets.list_or_set(value, pattern).map(Change::Remove).map(Edit::ExtendedCommunities)
    }),
    ("add-extended-community", |value, _| any(value, tag).map(Change::Add).map(Edit::ExtendedCommunities)),
    ("set-large-community", |value, _| value.list(tag).map(Change::Replace).map(Edit::LargeCommunities)),
    ("remove-large-community", |value, sets| {
        sets.list_or_set(value, pattern).map(Change::Remove).map(Edit::LargeCommunities)
    }),
    ("add-large-community", |value, _| any(value, tag).map(Change::Add).map(Edit::LargeCommunities)),
    ("private-as", |value, _| private_as(value)),
    ("prepend", |value, _| prepend(value)),
];

/// A key and how its value is read.
type Reading<T> = (&'static str, fn(&Value<'_>, &Sets<'_>) -> Option<T>);

/// What stands for a built-in policy where the name of a policy may stand.
const BUILT_IN: [&str; 4] = ["safe", "originated", "all", "none"];
const DECISIONS: [(&str, Decision); 2] = [("accept", Decision::Accept), ("reject", Decision::Reject)];

/// The policies of a file, and which of them are used.
pub(super) struct Policies<'a>(BTreeMap<&'a str, Entry<'a>>);

struct Entry<'a> {
    /// `None` after a mistake was noted.
    policy: Option<Arc<Policy>>,
    place: Value<'a>,
    used: Cell<bool>,
}

/// Reads all policies.
pub(super) fn read<'a>(table: Option<&Table<'a>>, sets: &Sets<'_>) -> Policies<'a> {
    let entries = table.into_iter().flat_map(Table::entries);
    Policies(entries.map(|(name, place)| (name, Entry::read(name, place, sets))).collect())
}

impl Policies<'_> {
    /// Reads what is one of a few words, the name of a policy, or a list of names: one policy with the rules of all.
    pub(super) fn choose<T: Clone>(
        &self,
        value: &Value<'_>,
        words: &[(&str, T)],
        policy: impl Fn(Arc<Policy>) -> T,
    ) -> Option<T> {
        if value.is_list() {
            let policies = any(value, |item| Some(self.named(item, &[])))?;
            return chain(policies.into_iter().collect::<Option<Vec<_>>>()?).map(policy);
        }
        let text = value.text()?;
        if let Some((_, choice)) = words.iter().find(|(word, _)| *word == text) {
            return Some(choice.clone());
        }
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.named(value, &words).map(policy)
    }

    /// Reads a list that begins with a word and goes on with names of policies. `None` when it is no such list, and
    /// within that, when there is a mistake in it.
    pub(super) fn behind(&self, word: &str, value: &Value<'_>) -> Option<Option<Arc<Policy>>> {
        let items = if value.is_list() { value.items()? } else { return None };
        let (first, rest) = items.split_first().filter(|(_, rest)| !rest.is_empty())?;
        if !first.is_text() || first.text()? != word {
            return None;
        }
        let policies: Vec<_> = rest.iter().map(|item| self.named(item, &[])).collect();
        Some(policies.into_iter().collect::<Option<Vec<_>>>().and_then(chain))
    }

    /// Reads the name of a policy; some words may stand in its place.
    fn named(&self, value: &Value<'_>, words: &[&str]) -> Option<Arc<Policy>> {
        let text = value.text()?;
        if let Some(entry) = self.0.get(text) {
            entry.used.set(true);
            return entry.policy.clone();
        }
        if words.is_empty() && BUILT_IN.contains(&text) {
            return value.refuse("is built in, and goes with no other", "write it alone, without brackets");
        }
        let known: Vec<&str> = words.iter().copied().chain(self.0.keys().copied()).collect();
        let problem = match words.is_empty() {
            true => "is not the name of a policy in this file",
            false => "is neither built in nor the name of a policy in this file",
        };
        value.refuse(problem, suggestion(text, &known))
    }

    /// Notes the policies no peer uses.
    pub(super) fn warn_of_unused(&self) {
        for entry in self.0.values().filter(|entry| !entry.used.get()) {
            entry.place.warn("no peer uses this policy", "name it in a peer's import or export");
        }
    }
}

/// Makes one policy of several: the rules of all, in their order, and what the last does otherwise. Each rule says
/// which policy it is of.
fn chain(policies: Vec<Arc<Policy>>) -> Option<Arc<Policy>> {
    let last = policies.last()?;
    if policies.len() == 1 {
        return Some(Arc::clone(last));
    }
    let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
    let rules = policies.iter().flat_map(|policy| {
        policy.rules.iter().enumerate().map(|(index, rule)| {
            let name = match rule.name.as_str() {
                "" => (index + 1).to_string(),
                name => name.to_owned(),
            };
            Rule { name: format!("{}: {name}", policy.name), ..rule.clone() }
        })
    });
    let (name, otherwise) = (names.join(", "), last.otherwise);
    Some(Arc::new(Policy { name, rules: rules.collect(), otherwise }))
}

impl<'a> Entry<'a> {
    fn read(name: &str, place: Value<'a>, sets: &Sets<'_>) -> Self {
        let policy = place.table().and_then(|table| policy(name, &place, table, sets));
        Self { policy: policy.map(Arc::new), place, used: Cell::new(false) }
    }
}

fn policy(name: &str, place: &Value<'_>, mut table: Table<'_>, sets: &Sets<'_>) -> Option<Policy> {
    let before = place.mistakes();
    if BUILT_IN.contains(&name) {
        place.refuse::<()>(format!("{name:?} is built in"), "give the policy another name");
    }
    let otherwise = table.optional("otherwise", |value| value.choice(&DECISIONS)).unwrap_or(Decision::Reject);
    let (rules, places) = table.optional("rule", |value| rules(value, sets)).unwrap_or_default();
    let cases = table.entry("test");
    table.finish();
    if places.is_empty() {
        place.warn("has no rules", format!("add [[policy.{name}.rule]]"));
    }
    let policy = Policy { name: name.to_owned(), rules, otherwise };
    if let Some(cases) = cases {
        cases::try_all(&cases, (place.mistakes() == before).then_some(&policy), &places);
    }
    Some(policy)
}

/// Reads the rules, and where they are.
fn rules(value: &Value<'_>, sets: &Sets<'_>) -> Option<(Vec<Rule>, Vec<Range<usize>>)> {
    let mut rules: Vec<Rule> = Vec::new();
    let items = value.items()?;
    for item in &items {
        if rules.iter().any(|rule| rule.matches.is_empty() && rule.decision.is_some()) {
            item.warn("is never reached", "a rule before it decides on every route");
        }
        rules.extend(item.table().and_then(|table| rule(table, sets)));
    }
    Some((rules, items.iter().map(Value::span).collect()))
}

fn rule(mut table: Table<'_>, sets: &Sets<'_>) -> Option<Rule> {
    let name = table.optional("name", Value::text).unwrap_or_default().to_owned();
    let mut matches = read_all(MATCHES, &mut table, sets);
    if let Some(mut not) = table.table("not") {
        let others = read_all(MATCHES, &mut not, sets);
        matches.extend(others.into_iter().map(|other| Match::Not(Box::new(other))));
        not.finish();
    }
    let edits = read_all(EDITS, &mut table, sets);
    let decision = table.required("then", "\"accept\"", |value| {
        value.choice(&[
            ("accept", Some(Decision::Accept)),
            ("reject", Some(Decision::Reject)),
            ("next", None),
        ])
    });
    table.finish();
    Some(Rule { name, matches, edits, decision: decision? })
}

/// Reads those keys of a table that are in the list, in its order.
fn read_all<T>(readings: &[Reading<T>], table: &mut Table<'_>, sets: &Sets<'_>) -> Vec<T> {
    readings.iter().filter_map(|(name, read)| table.optional(name, |value| read(value, sets))).collect()
}

/// Reads an AS or a range, a list of them, or the name of a set.
fn as_set(value: &Value<'_>, sets: &Sets<'_>) -> Option<AsnSet> {
    let single = value.is_number()
        || value.is_text() && value.text()?.starts_with(|first: char| first.is_ascii_digit());
    if single { single_as(value) } else { sets.list_or_set(value, as_range) }
}
