//! `BGPPeer`: peers of some nodes.

use serde::{Deserialize, Serialize};

use super::{AsNumber, Password, Unknown};
use crate::object::{Meta, null_as_default};

/// `BGPPeer`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BgpPeer {
    /// Its name.
    pub metadata: Meta,
    /// What it says.
    pub spec: BgpPeerSpec,
}

/// What a peer says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BgpPeerSpec {
    /// The node that has the peer; with [`node_selector`](Self::node_selector) empty too, all have it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// The nodes that have the peer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node_selector: String,
    /// Where the peer is: an address, perhaps with a port.
    #[serde(rename = "peerIP", skip_serializing_if = "String::is_empty")]
    pub peer_ip: String,
    /// The AS of the peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_number: Option<AsNumber>,
    /// The AS we say we are.
    #[serde(rename = "localASNumber", skip_serializing_if = "Option::is_none")]
    pub local_as_number: Option<AsNumber>,
    /// The nodes that are the peer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub peer_selector: String,
    /// Whether an external peer is told next hops as they came; of no effect beside
    /// [`next_hop_mode`](Self::next_hop_mode).
    pub keep_original_next_hop: bool,
    /// `Auto`, `Self` or `Keep`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next_hop_mode: String,
    /// The password of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// `UseNodeIP` or `None`: where we dial from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_address: String,
    /// How long the peer is asked to wait for us.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub max_restart_time: String,
    /// The time between two KEEPALIVEs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub keepalive_time: String,
    /// How often our own AS may be in the peer's paths.
    #[serde(rename = "numAllowedLocalASNumbers", skip_serializing_if = "Option::is_none")]
    pub num_allowed_local_as_numbers: Option<i64>,
    /// How many hops away packets may come from; not checked if 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_security: Option<i64>,
    /// The gateway the peer is behind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reachable_by: String,
    /// The names of the filters, in their order.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// The workloads that are the peer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub local_workload_selector: String,
    /// `Auto` or `Manual`: whether nodes that are the peer have one back.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reverse_peering: String,
    /// Fields of other versions.
    #[serde(flatten)]
    pub unknown: Unknown,
}
