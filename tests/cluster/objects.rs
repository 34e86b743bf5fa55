//! The objects of a cluster of two nodes, as controllers write them.

use std::net::IpAddr;

use ipnet::IpNet;
use lab::rack::plan::{NodeId, TorId};
use serde_json::{Value, json};
use support::apiserver::CALICO_GROUPS;

/// Whose objects tell a node its blocks and its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The Node object, and BGPPeers of ours.
    Node,
    /// Calico's.
    Calico,
}

impl Source {
    /// Both.
    pub(crate) const BOTH: [Self; 2] = [Self::Node, Self::Calico];

    /// Returns all objects there are before the first daemon starts.
    pub(crate) fn objects(self) -> Vec<Value> {
        let nodes = NodeId::BOTH.into_iter().map(|id| self.node(id));
        let peers = NodeId::BOTH.into_iter().flat_map(|id| self.peers(id));
        let mut objects: Vec<Value> = nodes.chain(peers).collect();
        if self == Self::Calico {
            let without_mesh = json!({"nodeToNodeMeshEnabled": false});
            objects.push(calico("BGPConfiguration", "default", &without_mesh));
            for (name, cidr) in [("v4", "10.20.0.0/16"), ("v6", "fd00:20:30::/48")] {
                let spec =
                    json!({"cidr": cidr, "ipipMode": "Never", "vxlanMode": "Never", "nodeSelector": "all()"});
                objects.push(calico("IPPool", name, &spec));
            }
            objects
                .extend(NodeId::BOTH.into_iter().flat_map(|id| id.blocks().map(|block| affinity(id, block))));
        }
        objects
    }

    fn node(self, id: NodeId) -> Value {
        let mut node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": id.name(), "labels": {"kubernetes.io/hostname": id.name()}},
            "spec": {},
        });
        match self {
            Self::Node => node["spec"]["podCIDRs"] = json!(id.blocks()),
            Self::Calico => {
                let [v4, v6] = id.addresses(TorId::A);
                node["metadata"]["annotations"] = json!({
                    "projectcalico.org/IPv4Address": v4,
                    "projectcalico.org/IPv6Address": v6,
                    "projectcalico.org/ASNumber": id.asn().to_string(),
                });
            }
        }
        node
    }

    /// The sessions of a node with the first switch, one for each family.
    fn peers(self, id: NodeId) -> Vec<Value> {
        let peer = |at: IpNet| {
            let (at, family) = (at.addr(), if at.addr().is_ipv4() { "ipv4" } else { "ipv6" });
            let name = format!("{}-{}-{family}", TorId::A.name(), id.name());
            match self {
                Self::Node => json!({
                    "apiVersion": "podbgp.io/v1alpha1",
                    "kind": "BGPPeer",
                    "metadata": {"name": name},
                    "spec": {
                        "nodeSelector": {"matchLabels": {"kubernetes.io/hostname": id.name()}},
                        "address": at,
                        "asn": TorId::A.asn(),
                        "families": [family],
                        "connectRetrySeconds": 1,
                    },
                }),
                Self::Calico => {
                    let spec = json!({"node": id.name(), "peerIP": at, "asNumber": TorId::A.asn()});
                    calico("BGPPeer", &name, &spec)
                }
            }
        };
        TorId::A.addresses(id).map(peer).into()
    }
}

/// Returns the word the file has for whose objects these are.
pub(crate) fn words(source: Source) -> (&'static str, &'static str) {
    match source {
        Source::Node => ("node", "podbgp"),
        Source::Calico => ("calico", "calico"),
    }
}

/// A block that is a node's.
pub(crate) fn affinity(id: NodeId, block: IpNet) -> Value {
    let spec =
        json!({"cidr": block, "node": id.name(), "state": "confirmed", "deleted": "false", "type": "host"});
    calico("BlockAffinity", &affinity_name(id, block), &spec)
}

/// What Calico calls such an object.
pub(crate) fn affinity_name(id: NodeId, block: IpNet) -> String {
    format!("{}-{}", id.name(), block.to_string().replace(['.', ':', '/'], "-"))
}

fn calico(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": CALICO_GROUPS[0], "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// A Service with an external address and one of a load balancer, both at port 80.
pub(crate) fn service(name: &str, policy: &str, external: IpAddr, load_balancer: IpAddr) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "10.96.0.10",
            "clusterIPs": ["10.96.0.10"],
            "externalIPs": [external],
            "externalTrafficPolicy": policy,
            "internalTrafficPolicy": "Cluster",
            "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": load_balancer, "ipMode": "VIP"}]}},
    })
}

/// The endpoints of a Service: which pod is where, and whether it is ready.
pub(crate) fn slice(service: &str, endpoints: &[(NodeId, IpAddr, bool)]) -> Value {
    let endpoint = |(node, address, ready): &(NodeId, IpAddr, bool)| {
        json!({
            "addresses": [address],
            "nodeName": node.name(),
            "conditions": {"ready": ready, "serving": ready, "terminating": !ready},
        })
    };
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{service}-x7k2p"),
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"port": 8080, "protocol": "TCP"}],
        "endpoints": endpoints.iter().map(endpoint).collect::<Vec<_>>(),
    })
}
