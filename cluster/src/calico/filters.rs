//! `BGPFilter`s as rules of a policy.
//!
//! A rule that is not understood rejects every route that gets as far as it: neither what it would have rejected nor what
//! comes after it can be known.

use std::ops::RangeInclusive;

use bgp::Family;
use ipnet::IpNet;
use rib::policy::{Change, Decision, Edit, Glob, Match, PrefixRange, PrefixSet, Provenance, Rule};

use super::configuration::{TOP, metric};
use super::read::{self, AnyCommunity};
use super::report::Report;
use crate::event::Kind;
use crate::object::Key;
use crate::object::calico::bgp_filter::{FilterRule, Operation, PrefixLength, ReadRule};
use crate::prefix::shown;
use crate::store::Objects;

/// Which of a filter's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    Import,
    Export,
}

/// Where a rule is to be applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) direction: Direction,
    pub(super) family: Family,
    pub(super) external: bool,
}

/// Reports names that are no filter's.
pub(super) fn missing(objects: &Objects, peer: &Key, names: &[String], report: &mut Report) {
    for name in names.iter().filter(|name| objects.bgp_filters.get(&Key::of(name)).is_none()) {
        let problem = format!("there is no BGPFilter {name}; what it was to filter is not filtered");
        report.add(Kind::CalicoPeer, peer, "spec.filters", problem);
    }
}

/// Returns the rules of filters, in their order. A name that is no filter's is passed over, as Calico does.
pub(super) fn rules(objects: &Objects, names: &[String], place: Place, report: &mut Report) -> Vec<Rule> {
    let mut rules = Vec::new();
    for name in names {
        let key = Key::of(name);
        let Some(filter) = objects.bgp_filters.get(&key) else { continue };
        report.unknown(Kind::BgpFilter, &key, &filter.spec.unknown);
        let (field, list) = match (place.direction, place.family) {
            (Direction::Export, Family::Ipv4) => ("exportV4", &filter.spec.export_v4),
            (Direction::Export, Family::Ipv6) => ("exportV6", &filter.spec.export_v6),
            (Direction::Import, Family::Ipv4) => ("importV4", &filter.spec.import_v4),
            (Direction::Import, Family::Ipv6) => ("importV6", &filter.spec.import_v6),
        };
        for (index, one) in list.iter().enumerate() {
            let title = format!("{name} {field}[{index}]");
            match compile(one, &title, place) {
                Ok(rule) => rules.extend(rule),
                Err((part, problem)) => {
                    let field = format!("spec.{field}[{index}]{part}");
                    let problem = format!("{problem}; routes that get as far as this rule are rejected");
                    report.add(Kind::BgpFilter, &key, field, problem);
                    rules.push(reject(format!("{title} (not understood)"), Vec::new()));
                }
            }
        }
    }
    rules
}

/// Makes a rule that rejects.
pub(super) fn reject(name: impl Into<String>, matches: Vec<Match>) -> Rule {
    Rule { name: name.into(), matches, edits: Vec::new(), decision: Some(Decision::Reject) }
}

/// Makes a rule that accepts.
pub(super) fn accept(name: impl Into<String>, matches: Vec<Match>) -> Rule {
    Rule { name: name.into(), matches, edits: Vec::new(), decision: Some(Decision::Accept) }
}

/// A part of a rule, and what is wrong with it.
type Odd = (&'static str, String);

/// Returns what a rule is at a place, if it applies there at all.
fn compile(rule: &ReadRule, title: &str, place: Place) -> Result<Option<Rule>, Odd> {
    let rule = match rule {
        ReadRule::Read(rule) => rule,
        ReadRule::Odd(value) => {
            let why = serde_json::from_value::<FilterRule>(value.clone()).err();
            return Err(("", why.map_or_else(|| "is no rule".to_owned(), |why| why.to_string())));
        }
    };
    let decision = match rule.action.as_str() {
        "Accept" => Decision::Accept,
        "Reject" => Decision::Reject,
        other => return Err((".action", format!("{} is neither Accept nor Reject", shown(other)))),
    };
    let Some(matches) = matches(rule, place)? else { return Ok(None) };
    if decision == Decision::Reject && !rule.operations.is_empty() {
        return Err((".operations", "a rule that rejects changes nothing".to_owned()));
    }
    let mut edits = Vec::new();
    for operation in &rule.operations {
        edits.extend(operation_edits(operation).map_err(|problem| (".operations", problem))?);
    }
    Ok(Some(Rule { name: title.to_owned(), matches, edits, decision: Some(decision) }))
}

/// Returns what a rule asks of a route; `None` where it cannot be true of any on the session.
fn matches(rule: &FilterRule, place: Place) -> Result<Option<Vec<Match>>, Odd> {
    let mut matches = Vec::new();
    match rule.peer_type.as_deref() {
        None => {}
        Some("eBGP") if place.external => {}
        Some("iBGP") if !place.external => {}
        Some("eBGP" | "iBGP") => return Ok(None),
        Some(other) => return Err((".peerType", format!("{} is neither eBGP nor iBGP", shown(other)))),
    }
    matches.extend(prefix(rule, place.family)?);
    match rule.source.as_deref() {
        None => {}
        Some("RemotePeers") => matches.push(Match::Provenance(Provenance::Learned)),
        Some(other) => return Err((".source", format!("{} is not RemotePeers", shown(other)))),
    }
    if let Some(text) = &rule.interface {
        let glob = text.parse::<Glob>();
        let glob = glob.map_err(|_| (".interface", format!("{} is no name of interfaces", shown(text))))?;
        matches.push(Match::Interface(glob));
    }
    if let Some(communities) = &rule.communities {
        let [text] = &communities.values[..] else {
            return Err((".communities", "values must be one community".to_owned()));
        };
        matches.push(match read::community(text).map_err(|problem| (".communities", problem))? {
            AnyCommunity::Standard(community) => Match::Community([community].into()),
            AnyCommunity::Large(community) => Match::LargeCommunity([community].into()),
        });
    }
    if !rule.as_path_prefix.is_empty() {
        let asns = rule.as_path_prefix.iter().map(|number| number.asn()).collect::<Result<_, _>>();
        matches.push(Match::AsPathPrefix(asns.map_err(|problem| (".asPathPrefix", problem))?));
    }
    if let Some(priority) = rule.priority {
        let local_pref = TOP - metric(priority).map_err(|problem| (".priority", problem))?;
        matches.push(Match::LocalPref(local_pref..=local_pref));
    }
    Ok(Some(matches))
}

fn prefix(rule: &FilterRule, family: Family) -> Result<Option<Match>, Odd> {
    let (Some(block), Some(operator)) = (&rule.cidr, &rule.match_operator) else {
        return match (&rule.cidr, &rule.match_operator, &rule.prefix_length) {
            (None, None, None) => Ok(None),
            (None, None, Some(_)) => Err((".prefixLength", "means nothing without cidr".to_owned())),
            _ => Err((".matchOperator", "cidr and matchOperator need each other".to_owned())),
        };
    };
    let block = read::prefix(block).map_err(|problem| (".cidr", problem))?;
    if Family::of(&block) != family {
        return Err((".cidr", format!("{block} is of the other family")));
    }
    let (exact, negated) = match operator.as_str() {
        "Equal" => (true, false),
        "NotEqual" => (true, true),
        "In" => (false, false),
        "NotIn" => (false, true),
        other => {
            return Err((
                ".matchOperator",
                format!("{} is none of Equal, NotEqual, In, NotIn", shown(other)),
            ));
        }
    };
    let allowed = lengths(block, rule.prefix_length.as_ref())?;
    // With a length beside it, `Equal` is the block itself if it is of such a length.
    let lengths = match exact {
        true if allowed.contains(&block.prefix_len()) => block.prefix_len()..=block.prefix_len(),
        true => RangeInclusive::new(1, 0),
        false => allowed,
    };
    let set = Match::Prefix(PrefixSet::from_iter([PrefixRange { within: block, lengths }]));
    Ok(Some(if negated { Match::Not(Box::new(set)) } else { set }))
}

/// Returns the lengths of prefixes inside a block that are meant.
fn lengths(block: IpNet, said: Option<&PrefixLength>) -> Result<RangeInclusive<u8>, Odd> {
    let most = block.max_prefix_len();
    let bound = |bound: Option<i64>, default: u8| match bound.map(u8::try_from) {
        None => Ok(default),
        Some(Ok(length)) if length <= most => Ok(length),
        Some(_) => Err((".prefixLength", format!("must be within 0 to {most}"))),
    };
    let least = bound(said.and_then(|said| said.min), 0)?.max(block.prefix_len());
    Ok(least..=bound(said.and_then(|said| said.max), most)?)
}

fn operation_edits(operation: &Operation) -> Result<Vec<Edit>, String> {
    match (&operation.add_community, &operation.prepend_as_path, &operation.set_priority) {
        (Some(add), None, None) => Ok(vec![add_community(read::community(&add.value)?)]),
        (None, Some(prepend), None) => {
            let asns = prepend.prefix.iter().rev().map(|number| number.asn());
            let edits = asns.map(|asn| asn.map(|asn| Edit::Prepend(asn, 1)));
            edits.collect()
        }
        (None, None, Some(set)) => Ok(vec![Edit::LocalPref(TOP - metric(set.value)?)]),
        _ => Err("each must be one of addCommunity, prependASPath and setPriority".to_owned()),
    }
}

/// Makes the edit that adds a community.
pub(super) fn add_community(community: AnyCommunity) -> Edit {
    match community {
        AnyCommunity::Standard(community) => Edit::Communities(Change::Add(vec![community])),
        AnyCommunity::Large(community) => Edit::LargeCommunities(Change::Add(vec![community])),
    }
}
