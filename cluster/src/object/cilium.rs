//! Cilium's resources.

use serde::{Deserialize, Serialize};

use super::Meta;

/// `cilium.io/v2 CiliumNode`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CiliumNode {
    /// Its name, which is that of the Node.
    pub metadata: Meta,
    /// What is wanted of it.
    pub spec: CiliumNodeSpec,
}

/// What is wanted of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CiliumNodeSpec {
    /// Where its pods have their addresses from.
    pub ipam: CiliumIpam,
}

/// Where the pods of a node have their addresses from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CiliumIpam {
    /// Their blocks, as text.
    #[serde(rename = "podCIDRs", skip_serializing_if = "Vec::is_empty")]
    pub pod_cidrs: Vec<String>,
}
