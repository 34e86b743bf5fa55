//! Calico's resources, which are the same in both of its API groups.

use serde::{Deserialize, Serialize};

use super::Meta;

/// `BlockAffinity`: a block of pod addresses and the node it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockAffinity {
    /// Its name.
    pub metadata: Meta,
    /// What it says.
    pub spec: BlockAffinitySpec,
}

/// What a block affinity says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockAffinitySpec {
    /// `confirmed`, `pending`, `pendingDeletion`, or nothing, which is as good as confirmed.
    pub state: String,
    /// The node.
    pub node: String,
    /// The block, as text.
    pub cidr: String,
    /// `host` or `virtual`; the latter belongs to no node.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Whether it is gone: text in one group, a truth value in the other.
    #[serde(deserialize_with = "super::text_or_truth")]
    pub deleted: bool,
}

/// `IPPool`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IpPool {
    /// Its name.
    pub metadata: Meta,
    /// What it says.
    pub spec: IpPoolSpec,
}

/// What a pool says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IpPoolSpec {
    /// Its addresses, as text.
    pub cidr: String,
    /// `Never`, `Always` or `CrossSubnet`.
    #[serde(rename = "ipipMode", skip_serializing_if = "String::is_empty")]
    pub ipip_mode: String,
    /// `Never`, `Always` or `CrossSubnet`.
    #[serde(rename = "vxlanMode", skip_serializing_if = "String::is_empty")]
    pub vxlan_mode: String,
    /// Whether nothing inside is told to anybody.
    #[serde(rename = "disableBGPExport")]
    pub disable_bgp_export: bool,
}
