//! `[[policy.NAME.test]]`: what a policy is meant to do with a route, tried while the file is read.
//!
//! A policy that does something else is a mistake in the file like any other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use bgp::{NextHop, PathAttributes};
use ipnet::IpNet;
use rib::policy::{Announcer, Decision, Policy, Provenance, Route, Verdict};

use super::super::node::{asn, prefix};
use super::super::reader::{Table, Value};
use super::DECISIONS;
use super::values::{PROVENANCES, as_path, next_hop, number, or_none, origin, tag};

/// An attribute of a route under test: its key, how it is read into the others, and how it is shown.
struct Attribute {
    key: &'static str,
    read: fn(&Value<'_>, &mut PathAttributes) -> Option<()>,
    show: fn(&PathAttributes) -> String,
}

/// What can be said of the attributes of a route.
const ATTRIBUTES: &[Attribute] = &[
    Attribute {
        key: "origin",
        read: |value, attributes| origin(value).map(|origin| attributes.origin = origin),
        show: |attributes| attributes.origin.name().to_owned(),
    },
    Attribute {
        key: "as-path",
        read: |value, attributes| as_path(value).map(|path| attributes.as_path = path),
        show: |attributes| match attributes.as_path.is_empty() {
            true => "empty".to_owned(),
            false => attributes.as_path.to_string(),
        },
    },
    Attribute {
        key: "next-hop",
        read: |value, attributes| next_hop(value).map(|next_hop| attributes.next_hop = next_hop),
        show: |attributes| attributes.next_hop.address().to_string(),
    },
    Attribute {
        key: "local-pref",
        read: |value, attributes| or_none(value, number).map(|number| attributes.local_pref = number),
        show: |attributes| number_or_none(attributes.local_pref),
    },
    Attribute {
        key: "med",
        read: |value, attributes| or_none(value, number).map(|number| attributes.med = number),
        show: |attributes| number_or_none(attributes.med),
    },
    Attribute {
        key: "community",
        read: |value, attributes| value.list(tag).map(|tags| attributes.communities = ordered(tags)),
        show: |attributes| list(&attributes.communities),
    },
    Attribute {
        key: "extended-community",
        read: |value, attributes| {
            let tags = ordered(value.list(tag)?);
            attributes.rare.edit(|rare| rare.extended_communities = tags);
            Some(())
        },
        show: |attributes| list(&attributes.rare.extended_communities),
    },
    Attribute {
        key: "large-community",
        read: |value, attributes| {
            let tags = ordered(value.list(tag)?);
            attributes.rare.edit(|rare| rare.large_communities = tags);
            Some(())
        },
        show: |attributes| list(&attributes.rare.large_communities),
    },
];

/// Tries every case of a policy. Its rules are at these places in the file; without a policy, which is one with a
/// mistake, the cases are only read.
pub(super) fn try_all(cases: &Value<'_>, policy: Option<&Policy>, rules: &[Range<usize>]) {
    for case in cases.items().unwrap_or_default() {
        try_one(&case, policy, rules);
    }
}

fn try_one(case: &Value<'_>, policy: Option<&Policy>, rules: &[Range<usize>]) -> Option<()> {
    let before = case.mistakes();
    let mut table = case.table()?;
    let prefix = table.required("prefix", "\"10.0.0.0/8\"", prefix);
    let attributes = given(&mut table, prefix);
    let announcer = announcer(&mut table, &attributes);
    let interface = table.optional("interface", Value::text);
    let expect_place = table.entry("expect");
    let expect = table.required("expect", "\"accept\"", |value| value.choice(&DECISIONS));
    let rule = table.entry("rule");
    let becomes = table.table("becomes");
    table.finish();
    let (policy, prefix, place) = (policy?, prefix?, expect_place?);
    if case.mistakes() > before {
        return None;
    }
    let verdict = policy.evaluate(Route { prefix, announcer, interface, attributes: &attributes });
    if Some(verdict.decision) == expect {
        if let Some(rule) = &rule {
            compare_rule(rule, &verdict, policy, rules);
        }
        if let Some(becomes) = becomes {
            compare_attributes(becomes, &verdict.attributes);
        }
    } else {
        let decided = if verdict.decision == Decision::Accept { "accepted" } else { "rejected" };
        complain(&place, format!("the route is {decided}"), &verdict, rules);
    }
    Some(())
}

/// Reads the attributes of the route.
fn given(table: &mut Table<'_>, prefix: Option<IpNet>) -> PathAttributes {
    let nowhere = match prefix {
        Some(IpNet::V6(_)) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        Some(IpNet::V4(_)) | None => IpAddr::from(Ipv4Addr::UNSPECIFIED),
    };
    let mut attributes = PathAttributes::originated(NextHop::from(nowhere));
    for Attribute { key, read, .. } in ATTRIBUTES {
        table.optional(key, |value| read(value, &mut attributes));
    }
    attributes
}

/// Reads who announced the route: an external peer of the first AS in its path, unless said otherwise.
fn announcer(table: &mut Table<'_>, attributes: &PathAttributes) -> Option<Announcer> {
    let source = table.optional("source", |value| value.choice(&PROVENANCES));
    let peer_asn = table.optional("peer-asn", asn);
    let address = table.optional("peer-address", |value| {
        value.parse("an IP address", "the address of the peer, such as \"10.203.30.1\"")
    });
    let external = match source {
        Some(Provenance::Originated) => return None,
        Some(Provenance::Internal) => false,
        Some(Provenance::Learned | Provenance::External) | None => true,
    };
    Some(Announcer {
        asn: peer_asn.or(attributes.as_path.neighbor()).unwrap_or_default(),
        address: address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        external,
    })
}

/// Compares the rule that decided with the one expected, a name or a number.
fn compare_rule(expected: &Value<'_>, verdict: &Verdict<'_>, policy: &Policy, rules: &[Range<usize>]) {
    let right = if expected.is_number() {
        let Some(number) = expected.number(1..=u32::MAX) else { return };
        verdict.rule.is_some_and(|rule| u32::try_from(rule + 1) == Ok(number))
    } else {
        let Some(name) = expected.text() else { return };
        verdict.rule.and_then(|rule| policy.rules.get(rule)).is_some_and(|rule| rule.name == name)
    };
    if !right {
        complain(expected, "another rule decides on the route".to_owned(), verdict, rules);
    }
}

/// Says what is different, with the place of the rule that decided.
fn complain(place: &Value<'_>, problem: String, verdict: &Verdict<'_>, rules: &[Range<usize>]) {
    let hint = "change the policy, or what the test expects";
    match verdict.rule.and_then(|rule| Some((rule, rules.get(rule)?.clone()))) {
        Some((rule, span)) => {
            let problem = format!("{problem}: rule {} decides", rule + 1);
            place.refuse_beside::<()>(problem, hint, span, "this rule decides")
        }
        None => place.refuse::<()>(format!("{problem}: no rule decides"), hint),
    };
}

/// Compares the attributes that are written down with those of the route.
fn compare_attributes(mut expected: Table<'_>, actual: &PathAttributes) {
    for Attribute { key, read, show } in ATTRIBUTES {
        expected.optional(key, |value| {
            let mut wanted = actual.clone();
            read(value, &mut wanted)?;
            if wanted == *actual {
                return Some(());
            }
            value.refuse(
                format!("the route's is {}", show(actual)),
                "change the policy, or what the test expects",
            )
        });
    }
    expected.finish();
}

fn ordered<T: Ord>(mut tags: Vec<T>) -> Vec<T> {
    tags.sort_unstable();
    tags.dedup();
    tags
}

fn list<T: ToString>(tags: &[T]) -> String {
    let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
    format!("[{}]", tags.join(", "))
}

fn number_or_none(number: Option<u32>) -> String {
    number.map_or("none".to_owned(), |number| number.to_string())
}
