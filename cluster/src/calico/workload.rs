//! Workloads of this node that speak BGP with it, as Felix finds them.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::object::null_as_default;

/// A workload of this node that is a peer: what Felix writes into a file of its folder `endpoint-status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LocalWorkload {
    /// Our end of its link.
    pub iface_name: String,
    /// Its IPv4 addresses, each with a mask.
    #[serde(deserialize_with = "null_as_default")]
    pub ipv4_nets: Vec<String>,
    /// Its IPv6 addresses, each with a mask.
    #[serde(deserialize_with = "null_as_default")]
    pub ipv6_nets: Vec<String>,
    /// The name of the `BGPPeer` that means it; empty for a workload that is no peer.
    pub bgp_peer_name: String,
}

impl LocalWorkload {
    /// Reads one from a file of Felix's.
    ///
    /// # Errors
    /// What is wrong with it, and where in the text.
    pub fn read(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Returns the first address of each family.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        [&self.ipv4_nets, &self.ipv6_nets].into_iter().filter_map(|nets| {
            let net: IpNet = nets.first()?.parse().ok()?;
            Some(net.addr())
        })
    }
}
