//! Trying a policy: what would become of a route, and why.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::query::{bad_request, escape, parsed, set, unescape};
use crate::{AttributesView, ErrorView, ReasonView};

/// Which way a route goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the peer to us.
    Import,
    /// From us to the peer.
    Export,
}

impl Direction {
    /// Returns the direction as queries and JSON spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Export => "export",
        }
    }
}

/// A route to try on a peer's policy, as in `GET /v1/policy/test`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyTest {
    /// The name of the peer whose policy it is.
    pub peer: String,
    /// Which of its policies.
    pub direction: Direction,
    /// The prefix of the route.
    pub prefix: IpNet,
    /// The name of the peer the route is from, on its way out; ours if `None`.
    pub from: Option<String>,
    /// What is said of the route; if nothing, the one in the tables is taken, where there is one.
    pub attributes: GivenAttributes,
}

/// The attributes of a route to try, as people write them; the daemon reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenAttributes {
    /// `igp`, `egp` or `incomplete`.
    pub origin: Option<String>,
    /// AS numbers with spaces between, a set in braces.
    pub as_path: Option<String>,
    /// The next hop.
    pub next_hop: Option<IpAddr>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// Communities.
    pub communities: Vec<String>,
    /// Extended communities.
    pub extended_communities: Vec<String>,
    /// Large communities.
    pub large_communities: Vec<String>,
}

impl GivenAttributes {
    /// Tells whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl PolicyTest {
    pub(crate) fn target(&self) -> String {
        let given = &self.attributes;
        let one = |key, value: &Option<String>| value.clone().map(|value| (key, value));
        let many =
            |key, values: &[String]| values.iter().map(|value| (key, value.clone())).collect::<Vec<_>>();
        let pairs = [
            ("peer", self.peer.clone()),
            ("direction", self.direction.name().to_owned()),
            ("prefix", self.prefix.to_string()),
        ]
        .into_iter()
        .chain(one("from", &self.from))
        .chain(one("origin", &given.origin))
        .chain(one("as_path", &given.as_path))
        .chain(one("next_hop", &given.next_hop.map(|address| address.to_string())))
        .chain(one("med", &given.med.map(|med| med.to_string())))
        .chain(one("local_pref", &given.local_pref.map(|local_pref| local_pref.to_string())))
        .chain(many("community", &given.communities))
        .chain(many("extended_community", &given.extended_communities))
        .chain(many("large_community", &given.large_communities));
        let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key}={}", escape(&value))).collect();
        format!("/v1/policy/test?{}", pairs.join("&"))
    }

    pub(crate) fn from_query(query: &str) -> Result<Self, ErrorView> {
        let (mut peer, mut direction, mut prefix, mut from) = (None, None, None, None);
        let mut given = GivenAttributes::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = unescape(value)?;
            match key {
                "peer" => set(&mut peer, key, value)?,
                "direction" => set(&mut direction, key, direction_of(&value)?)?,
                "prefix" => set(&mut prefix, key, parsed::<IpNet>(key, &value, "10.1.2.0/24")?.trunc())?,
                "from" => set(&mut from, key, value)?,
                "origin" => set(&mut given.origin, key, value)?,
                "as_path" => set(&mut given.as_path, key, value)?,
                "next_hop" => set(&mut given.next_hop, key, parsed(key, &value, "10.1.2.3")?)?,
                "med" => set(&mut given.med, key, parsed(key, &value, "100")?)?,
                "local_pref" => set(&mut given.local_pref, key, parsed(key, &value, "100")?)?,
                "community" => given.communities.push(value),
                "extended_community" => given.extended_communities.push(value),
                "large_community" => given.large_communities.push(value),
                _ => return Err(bad_request(format!("unknown parameter `{key}`"))),
            }
        }
        let missing = |key: &str| {
            bad_request(format!("{key} is missing")).with_hint("add peer=, direction= and prefix=")
        };
        Ok(Self {
            peer: peer.ok_or_else(|| missing("peer"))?,
            direction: direction.ok_or_else(|| missing("direction"))?,
            prefix: prefix.ok_or_else(|| missing("prefix"))?,
            from,
            attributes: given,
        })
    }
}

fn direction_of(value: &str) -> Result<Direction, ErrorView> {
    let direction = [Direction::Import, Direction::Export].into_iter().find(|one| one.name() == value);
    direction.ok_or_else(|| bad_request(format!("direction: `{value}` is neither import nor export")))
}

/// What would become of a route, as in `GET /v1/policy/test`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyTestView {
    /// The name of the peer.
    pub peer: String,
    /// Which way the route goes.
    pub direction: Direction,
    /// The prefix.
    pub prefix: IpNet,
    /// The name of the policy, or the built-in word.
    pub policy: String,
    /// Which route was tried.
    pub route: TriedRoute,
    /// The name of the peer it is from; `null` for ours.
    pub from: Option<String>,
    /// Whether the peer has a session. Without one, what only a session tells is guessed from the configuration.
    pub session: bool,
    /// Whether the route passes.
    pub accepted: bool,
    /// The rule that decided; `null` if none did, or there is no policy.
    pub rule: Option<PolicyRuleView>,
    /// Why it does not pass; `null` if it does.
    pub reason: Option<ReasonView>,
    /// What happened on the way, in this order: each rule that applied, and what the protocol makes of the route.
    pub steps: Vec<PolicyStepView>,
    /// The attributes in the end; `null` if the route does not pass.
    pub attributes: Option<AttributesView>,
}

/// Which route was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriedRoute {
    /// The one in the tables.
    Table,
    /// The one described.
    Given,
    /// A plain one: nothing was said, and the tables have none.
    Plain,
}

/// A rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRuleView {
    /// Its number, from 1.
    pub number: u32,
    /// Its name; `null` if it has none.
    pub name: Option<String>,
}

/// A step on the way of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStepView {
    /// The rule that applied; `null` for what the protocol does.
    pub rule: Option<PolicyRuleView>,
    /// What it changed.
    pub changes: Vec<AttributeChangeView>,
}

/// A change of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeChangeView {
    /// The name of the field in the attributes, such as `local_pref`.
    pub attribute: String,
    /// What it was; empty if it was not there.
    pub before: String,
    /// What it is; empty if it is not there.
    pub after: String,
}
