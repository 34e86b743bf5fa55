//! What the safe import refuses beyond what is never right, since somebody knows whose it is.

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

use crate::import::RejectReason;

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

impl From<Guarded> for RejectReason {
    fn from(guarded: Guarded) -> Self {
        match guarded {
            Guarded::Services => Self::ServiceRange,
            Guarded::NodeAddress => Self::NodeAddress,
        }
    }
}

/// A guard in the shape it is asked in.
#[derive(Default)]
pub(crate) struct Fence {
    guard: Guard,
    ipv4: PrefixMap<Ipv4Net, Guarded>,
    ipv6: PrefixMap<Ipv6Net, Guarded>,
}

impl Fence {
    pub(crate) fn new(guard: Guard) -> Self {
        let mut fence = Self::default();
        for (block, &why) in &guard.refused {
            match block.trunc() {
                IpNet::V4(block) => drop(fence.ipv4.insert(block, why)),
                IpNet::V6(block) => drop(fence.ipv6.insert(block, why)),
            }
        }
        Self { guard, ..fence }
    }

    pub(crate) fn is_of(&self, guard: &Guard) -> bool {
        self.guard == *guard
    }

    /// Returns why a prefix is refused, if it is.
    pub(crate) fn judge(&self, prefix: &IpNet) -> Result<(), RejectReason> {
        if self.guard.refuse_default && prefix.prefix_len() == 0 {
            return Err(RejectReason::DefaultRoute);
        }
        let guarded = match prefix {
            IpNet::V4(prefix) => self.ipv4.get_lpm(prefix).map(|(_, why)| *why),
            IpNet::V6(prefix) => self.ipv6.get_lpm(prefix).map(|(_, why)| *why),
        };
        guarded.map_or(Ok(()), |why| Err(why.into()))
    }
}
