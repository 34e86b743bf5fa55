//! `[policy.NAME]`: the shape of policies in the file.
//!
//! A match or an edit is a line in [`MATCHES`] or [`EDITS`], and an arm where `rib` applies it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use bgp::{Community, Family, LargeCommunity, NextHop};
use rib::policy::{Decision, Edit, Match, Policy, PrefixRange, Rule};

use super::node::{asn, prefix};
use super::reader::{Table, Value, suggestion};

/// What a rule can ask of a route: the key, and what its value means.
const MATCHES: &[Reading<Match>] = &[
    ("prefix", |value| any(value, prefix_range).map(Match::Prefix)),
    ("family", |value| value.choice(&[("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)]).map(Match::Family)),
    ("community", |value| any(value, community).map(Match::Community)),
    ("large-community", |value| any(value, large_community).map(Match::LargeCommunity)),
    ("as-path-contains", |value| asn(value).map(Match::AsPathContains)),
    ("as-path-origin", |value| asn(value).map(Match::AsPathOrigin)),
    ("as-path-neighbor", |value| asn(value).map(Match::AsPathNeighbor)),
    ("as-path-length", |value| path_length(value).map(Match::AsPathLength)),
    ("next-hop", |value| any(value, prefix).map(Match::NextHop)),
    ("source", |value| value.choice(&[("originated", true), ("learned", false)]).map(Match::Originated)),
];

/// What a rule can change in a route, in the order it is done.
const EDITS: &[Reading<Edit>] = &[
    ("set-local-pref", |value| value.number(0..=u32::MAX).map(Edit::LocalPref)),
    ("set-med", |value| med(value).map(Edit::Med)),
    ("set-next-hop", |value| next_hop(value).map(Edit::NextHop)),
    ("set-community", |value| value.list(community).map(Edit::ReplaceCommunities)),
    ("add-community", |value| any(value, community).map(Edit::AddCommunities)),
    ("remove-community", |value| any(value, community).map(Edit::RemoveCommunities)),
    ("set-large-community", |value| value.list(large_community).map(Edit::ReplaceLargeCommunities)),
    ("add-large-community", |value| any(value, large_community).map(Edit::AddLargeCommunities)),
    ("remove-large-community", |value| any(value, large_community).map(Edit::RemoveLargeCommunities)),
    ("prepend", prepend),
];

/// A key and how its value is read.
type Reading<T> = (&'static str, fn(&Value<'_>) -> Option<T>);

/// What stands for a built-in policy where the name of a policy may stand.
const BUILT_IN: [&str; 4] = ["safe", "originated", "all", "none"];
const DECISIONS: [(&str, Decision); 2] = [("accept", Decision::Accept), ("reject", Decision::Reject)];
/// The most times one AS is put in front of a path.
const MAX_PREPEND: u8 = 32;
/// The longest AS path worth asking for.
const MAX_PATH_LENGTH: u16 = 4096;

/// The policies of a file, and which of them are used.
pub(super) struct Policies<'a>(BTreeMap<&'a str, Entry<'a>>);

struct Entry<'a> {
    /// `None` after a mistake was noted.
    policy: Option<Arc<Policy>>,
    place: Value<'a>,
    used: Cell<bool>,
}

/// Reads all policies.
pub(super) fn read<'a>(table: Option<&Table<'a>>) -> Policies<'a> {
    let entries = table.into_iter().flat_map(Table::entries);
    Policies(entries.map(|(name, place)| (name, Entry::read(name, place))).collect())
}

impl Policies<'_> {
    /// Reads what is either one of a few words or the name of a policy.
    pub(super) fn choose<T: Clone>(
        &self,
        value: &Value<'_>,
        words: &[(&str, T)],
        policy: impl Fn(Arc<Policy>) -> T,
    ) -> Option<T> {
        let text = value.text()?;
        if let Some((_, choice)) = words.iter().find(|(word, _)| *word == text) {
            return Some(choice.clone());
        }
        match self.0.get(text) {
            Some(entry) => {
                entry.used.set(true);
                entry.policy.clone().map(policy)
            }
            None => {
                let known = words.iter().map(|(word, _)| *word).chain(self.0.keys().copied());
                value.refuse(
                    "is neither built in nor the name of a policy in this file",
                    suggestion(text, &known.collect::<Vec<_>>()),
                )
            }
        }
    }

    /// Notes the policies no peer uses.
    pub(super) fn warn_of_unused(&self) {
        for entry in self.0.values().filter(|entry| !entry.used.get()) {
            entry.place.warn("no peer uses this policy", "name it in a peer's import or export");
        }
    }
}

impl<'a> Entry<'a> {
    fn read(name: &str, place: Value<'a>) -> Self {
        let policy = place.table().and_then(|table| policy(name, &place, table));
        Self { policy: policy.map(Arc::new), place, used: Cell::new(false) }
    }
}

fn policy(name: &str, place: &Value<'_>, mut table: Table<'_>) -> Option<Policy> {
    if BUILT_IN.contains(&name) {
        place.refuse::<()>(format!("{name:?} is built in"), "give the policy another name");
    }
    let otherwise = table.optional("otherwise", |value| value.choice(&DECISIONS)).unwrap_or(Decision::Reject);
    let rules = table.optional("rule", rules);
    table.finish();
    if rules.is_none() {
        place.warn("has no rules", format!("add [[policy.{name}.rule]]"));
    }
    Some(Policy { name: name.to_owned(), rules: rules.unwrap_or_default(), otherwise })
}

fn rules(value: &Value<'_>) -> Option<Vec<Rule>> {
    let mut rules: Vec<Rule> = Vec::new();
    for item in value.items()? {
        if rules.iter().any(|rule| rule.matches.is_empty() && rule.decision.is_some()) {
            item.warn("is never reached", "a rule before it decides on every route");
        }
        rules.extend(item.table().and_then(rule));
    }
    Some(rules)
}

fn rule(mut table: Table<'_>) -> Option<Rule> {
    let name = table.optional("name", Value::text).unwrap_or_default().to_owned();
    let mut matches = read_all(MATCHES, &mut table);
    if let Some(mut not) = table.table("not") {
        matches.extend(read_all(MATCHES, &mut not).into_iter().map(|other| Match::Not(Box::new(other))));
        not.finish();
    }
    let edits = read_all(EDITS, &mut table);
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
fn read_all<T>(readings: &[Reading<T>], table: &mut Table<'_>) -> Vec<T> {
    readings.iter().filter_map(|(name, read)| table.optional(name, read)).collect()
}

/// Reads a list of alternatives, of which there must be one.
fn any<T>(value: &Value<'_>, read: impl Fn(&Value<'_>) -> Option<T>) -> Option<Vec<T>> {
    let items = value.items()?;
    if items.is_empty() {
        return value.refuse("is empty", "write at least one, or leave the key out");
    }
    Some(items.iter().filter_map(read).collect())
}

/// Reads a prefix by itself, or a table with the block and how long prefixes inside it may be.
fn prefix_range(value: &Value<'_>) -> Option<PrefixRange> {
    if !value.is_table() {
        return prefix(value).map(PrefixRange::exactly);
    }
    let mut table = value.table()?;
    let within = table.required("within", "\"10.0.0.0/8\"", prefix);
    let (least, most) = within.map_or((0, 128), |within| (within.prefix_len(), within.max_prefix_len()));
    let ge = table.optional("ge", |value| value.number(least..=most));
    let le = table.optional("le", |value| value.number(ge.unwrap_or(least)..=most));
    table.finish();
    let lengths = match (ge, le) {
        (None, Some(le)) => least..=le,
        (ge, le) => ge.unwrap_or(least)..=le.unwrap_or(most),
    };
    Some(PrefixRange { within: within?, lengths })
}

fn community(value: &Value<'_>) -> Option<Community> {
    value.parse("a community", "asn:value, each 0 to 65535, or a well-known name such as \"no-export\"")
}

fn large_community(value: &Value<'_>) -> Option<LargeCommunity> {
    value.parse("a large community", "global:local1:local2, each 0 to 4294967295")
}

/// Reads the length of an AS path, or a table with the least and the greatest.
fn path_length(value: &Value<'_>) -> Option<RangeInclusive<usize>> {
    if !value.is_table() {
        let length = usize::from(value.number(0..=MAX_PATH_LENGTH)?);
        return Some(length..=length);
    }
    let mut table = value.table()?;
    let ge = table.optional("ge", |value| value.number(0..=MAX_PATH_LENGTH)).unwrap_or(0);
    let le = table.optional("le", |value| value.number(ge..=MAX_PATH_LENGTH)).unwrap_or(MAX_PATH_LENGTH);
    table.finish();
    Some(usize::from(ge)..=usize::from(le))
}

/// Reads a MED, or the word that removes it.
fn med(value: &Value<'_>) -> Option<Option<u32>> {
    if value.is_number() { value.number(0..=u32::MAX).map(Some) } else { value.choice(&[("none", None)]) }
}

fn next_hop(value: &Value<'_>) -> Option<NextHop> {
    let address: IpAddr = value.parse("an IP address", "one such as \"10.0.0.1\" or \"fd00::1\"")?;
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return value.refuse("is no next hop", "write the address of a router");
    }
    Some(match address {
        IpAddr::V4(address) => NextHop::V4(address),
        IpAddr::V6(global) => NextHop::V6 { global, link_local: None },
    })
}

fn prepend(value: &Value<'_>) -> Option<Edit> {
    let mut table = value.table()?;
    let asn = table.required("asn", "64512", asn);
    let times = table.optional("times", |value| value.number(1..=MAX_PREPEND)).unwrap_or(1);
    table.finish();
    Some(Edit::Prepend(asn?, times))
}
