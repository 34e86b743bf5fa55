//! Policy: ordered rules that let a route pass, change it, or stop it.
//!
//! The same walk over the rules serves whoever only wants the [`Verdict`] and whoever wants to see every rule at
//! work: there is no second account of what a policy does.

use std::borrow::Cow;
use std::net::IpAddr;

use bgp::{Asn, PathAttributes};
use ipnet::IpNet;

mod condition;
mod edit;
mod glob;
mod pattern;
mod sets;

pub use condition::{Match, Provenance};
pub use edit::{Change, Edit};
pub use glob::Glob;
pub use pattern::{NoPattern, Pattern, Tag};
pub use sets::{AsnSet, PrefixRange, PrefixSet, Tags};

/// An ordered list of rules; the first that decides has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What operators call it.
    pub name: String,
    /// The rules, in the order they are tried.
    pub rules: Vec<Rule>,
    /// What becomes of a route no rule decided on. On external sessions the default is to reject (RFC 8212).
    pub otherwise: Decision,
}

/// Whether a route passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It does.
    Accept,
    /// It does not.
    Reject,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What operators call it; may be empty.
    pub name: String,
    /// What must be true of a route, all of it, for the rule to apply.
    pub matches: Vec<Match>,
    /// What the rule changes, in this order.
    pub edits: Vec<Edit>,
    /// What the rule decides; `None` goes on to the next rule with the changes made.
    pub decision: Option<Decision>,
}

/// A route, as a policy sees it.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// The prefix.
    pub prefix: IpNet,
    /// Who announced it to us; `None` when we originate it.
    pub announcer: Option<Announcer>,
    /// The name of the interface it leaves by, where that is known.
    pub interface: Option<&'a str>,
    /// Its attributes.
    pub attributes: &'a PathAttributes,
}

/// What a policy may know of the peer a route is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcer {
    /// Its AS.
    pub asn: Asn,
    /// Its address.
    pub address: IpAddr,
    /// Whether the session crosses an AS border.
    pub external: bool,
}

/// What a policy says about a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// Whether it passes.
    pub decision: Decision,
    /// The position of the rule that decided; `None` when none did.
    pub rule: Option<usize>,
    /// The attributes with every change made, borrowed when there was none.
    pub attributes: Cow<'a, PathAttributes>,
}

impl Policy {
    /// Applies the rules to a route.
    #[must_use]
    pub fn evaluate<'a>(&self, route: Route<'a>) -> Verdict<'a> {
        self.evaluate_watched(route, |_, _| {})
    }

    /// Applies the rules to a route, and shows each rule that applied with what it made of the attributes.
    pub fn evaluate_watched<'a>(
        &self,
        route: Route<'a>,
        mut watch: impl FnMut(usize, &PathAttributes),
    ) -> Verdict<'a> {
        let mut attributes = Cow::Borrowed(route.attributes);
        for (index, rule) in self.rules.iter().enumerate() {
            let now = Route { attributes: &attributes, ..route };
            if !rule.matches.iter().all(|condition| condition.holds(&now)) {
                continue;
            }
            rule.edits.iter().for_each(|edit| edit.apply(attributes.to_mut()));
            watch(index, &attributes);
            if let Some(decision) = rule.decision {
                return Verdict { decision, rule: Some(index), attributes };
            }
        }
        Verdict { decision: self.otherwise, rule: None, attributes }
    }

    /// Tells whether two routes with equal attributes may fare differently: whether any rule looks at prefixes, or at
    /// interfaces, which are another for each route we originate.
    #[must_use]
    pub fn looks_at_prefixes(&self) -> bool {
        self.looks_at(|condition| {
            matches!(condition, Match::Prefix(_) | Match::Family(_) | Match::Interface(_))
        })
    }

    /// Tells whether a route may fare differently once its next hop leads elsewhere.
    #[must_use]
    pub fn looks_at_interfaces(&self) -> bool {
        self.looks_at(|condition| matches!(condition, Match::Interface(_)))
    }

    /// Tells whether the same route from two peers may fare differently, beyond external and internal ones.
    #[must_use]
    pub fn looks_at_announcers(&self) -> bool {
        self.looks_at(|condition| matches!(condition, Match::PeerAddress(_) | Match::PeerAsn(_)))
    }

    fn looks_at(&self, thing: impl Fn(&Match) -> bool) -> bool {
        self.rules.iter().flat_map(|rule| &rule.matches).any(|condition| thing(condition.positive()))
    }
}

#[cfg(test)]
mod tests;
