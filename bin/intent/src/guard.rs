//! What the safe import refuses beyond what is never right, since the cluster knows whose it is.

use std::collections::BTreeMap;

use ipnet::IpNet;

/// What the safe import refuses because of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Prefixes nobody may announce to this node, nor anything inside them.
    pub refused: BTreeMap<IpNet, Guarded>,
    /// Whether a default route is refused.
    pub refuse_default: bool,
}

/// Why a prefix is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarded {
    /// Services have their addresses there, and this node answers for them itself.
    Services,
    /// It is the address of a node of the cluster; a route to it from a peer could carry the very session it came by.
    NodeAddress,
}
