//! `BGPFilter`: rules for routes that come and go.
//!
//! A rule with a field that is not known, or with a value that cannot be one, is not read as the rule without it: that
//! would apply to more than was meant.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AsNumber, Unknown};
use crate::object::{Meta, null_as_default};

/// `BGPFilter`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BgpFilter {
    /// Its name.
    pub metadata: Meta,
    /// What it says.
    pub spec: BgpFilterSpec,
}

/// What a filter says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BgpFilterSpec {
    /// Rules for IPv4 routes that go.
    #[serde(
        rename = "exportV4",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub export_v4: Vec<ReadRule>,
    /// Rules for IPv4 routes that come.
    #[serde(
        rename = "importV4",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub import_v4: Vec<ReadRule>,
    /// Rules for IPv6 routes that go.
    #[serde(
        rename = "exportV6",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub export_v6: Vec<ReadRule>,
    /// Rules for IPv6 routes that come.
    #[serde(
        rename = "importV6",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub import_v6: Vec<ReadRule>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A rule, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ReadRule {
    /// It could.
    Read(Box<FilterRule>),
    /// It could not: this is what there is.
    Odd(Value),
}

/// A rule: what must be true of a route, all of it, and what becomes of the route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FilterRule {
    /// `Accept` or `Reject`.
    pub action: String,
    /// A block, compared as the operator says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    /// `Equal`, `NotEqual`, `In` or `NotIn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_operator: Option<String>,
    /// How long prefixes inside the block may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_length: Option<PrefixLength>,
    /// `RemotePeers`: the route came over BGP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The interface packets leave by, with wildcards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// `eBGP` or `iBGP`: the kind of session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_type: Option<String>,
    /// A community that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub communities: Option<Communities>,
    /// What the AS path begins with.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub as_path_prefix: Vec<AsNumber>,
    /// The metric LOCAL_PREF stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Changes to the route.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Operation>,
}

/// How long prefixes may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrefixLength {
    /// The shortest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
}

/// Communities, of which there must be one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Communities {
    /// The community, of two or three numbers.
    pub values: Vec<String>,
}

/// A change to a route; one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Operation {
    /// A community comes in addition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_community: Option<AddCommunity>,
    /// The AS path begins with these.
    #[serde(rename = "prependASPath", skip_serializing_if = "Option::is_none")]
    pub prepend_as_path: Option<PrependAsPath>,
    /// LOCAL_PREF stands for this metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_priority: Option<SetPriority>,
}

/// Adds a community.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddCommunity {
    /// The community, of two or three numbers.
    pub value: String,
}

/// Prepends to the AS path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrependAsPath {
    /// What the path begins with afterwards, in this order.
    pub prefix: Vec<AsNumber>,
}

/// Sets the priority.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SetPriority {
    /// The metric.
    pub value: i64,
}
