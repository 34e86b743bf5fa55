//! What comes out: what the objects of a cluster have this node do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bgp::{Asn, BgpId};
use intent::{Guard, Intent, Originated, Ownership, PeerIntent};
use ipnet::IpNet;

use crate::event::Kind;
use crate::object::Key;

/// What the cluster has this node do, as far as it says anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Our autonomous system.
    pub asn: Option<Asn>,
    /// Our identifier.
    pub router_id: Option<BgpId>,
    /// The cluster we reflect for.
    pub cluster_id: Option<Ipv4Addr>,
    /// Where we accept connections, if the objects say so.
    pub listen: Option<BTreeSet<SocketAddr>>,
    /// The peers by name.
    pub peers: BTreeMap<String, PeerIntent>,
    /// What we originate.
    pub originated: BTreeMap<IpNet, Originated>,
    /// Addresses with the gateway each is reached by, whatever is learned.
    pub host_routes: BTreeMap<IpAddr, IpAddr>,
    /// Who writes which learned routes.
    pub ownership: Ownership,
    /// What the safe import refuses.
    pub guard: Guard,
    /// Why the node is to be drained, if it is.
    pub leave: Option<String>,
    /// What is wrong with objects, and what became of it.
    pub problems: Vec<Problem>,
}

/// Something wrong with an object, which costs that object and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The kind of the object.
    pub kind: Kind,
    /// Which one.
    pub object: Key,
    /// The path of the field, such as `spec.peerIP`; empty for the object as a whole.
    pub field: String,
    /// What is wrong, what became of it, and what to do.
    pub problem: String,
}

impl Plan {
    /// Lays the plan over what the file says.
    ///
    /// What the file names wins: a peer of the same name or at the same place, a block. What only one of the two says
    /// holds.
    #[must_use]
    pub fn onto(self, file: &Intent) -> Intent {
        let mut intent = file.clone();
        intent.node.asn = self.asn.unwrap_or(intent.node.asn);
        intent.node.router_id = self.router_id.unwrap_or(intent.node.router_id);
        intent.node.cluster_id = self.cluster_id.unwrap_or(intent.node.cluster_id);
        if let Some(listen) = self.listen {
            intent.node.listen = listen;
        }
        for (name, peer) in self.peers {
            let place = (peer.address, peer.interface.clone());
            let same = |other: &PeerIntent| (other.address, other.interface.clone()) == place;
            if !file.peers.contains_key(&name) && !file.peers.values().any(same) {
                intent.peers.insert(name, peer);
            }
        }
        intent.originated = self.originated;
        intent.originated.retain(|prefix, _| !file.node.blocks.contains(prefix));
        intent.host_routes = self.host_routes;
        intent.ownership = self.ownership;
        intent.guard = self.guard;
        intent.leave = self.leave;
        intent
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: ", self.kind, self.object)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.problem)
    }
}
