//! What Calico writes on Node objects.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use bgp::{Asn, BgpId, Family};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sha2::{Digest, Sha256};

use super::read;
use super::report::Report;
use crate::event::Kind;
use crate::object;
use crate::selector::Labels;

const IPV4: &str = "projectcalico.org/IPv4Address";
const IPV6: &str = "projectcalico.org/IPv6Address";
const AS_NUMBER: &str = "projectcalico.org/ASNumber";
const CLUSTER_ID: &str = "projectcalico.org/RouteReflectorClusterID";
const WIREGUARD: [&str; 2] =
    ["projectcalico.org/IPv4WireguardInterfaceAddr", "projectcalico.org/IPv6WireguardInterfaceAddr"];
/// Addresses of tunnels, and the interfaces that have them.
const TUNNELS: [(&str, &str); 5] = [
    ("projectcalico.org/IPv4IPIPTunnelAddr", "tunl0"),
    ("projectcalico.org/IPv4VXLANTunnelAddr", "vxlan.calico"),
    ("projectcalico.org/IPv6VXLANTunnelAddr", "vxlan-v6.calico"),
    (WIREGUARD[0], "wireguard.cali"),
    (WIREGUARD[1], "wg-v6.cali"),
];
/// Labels Calico had before Nodes had them.
const LABELS: [&str; 2] = ["projectcalico.org/kube-labels", "projectcalico.org/labels"];

/// A node as Calico sees it.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Its AS, if it has one of its own.
    pub(super) asn: Option<Asn>,
    /// The cluster it reflects for; it is no route reflector without one.
    pub(super) cluster_id: Option<Ipv4Addr>,
    object: &'a object::node::Node,
    /// Its addresses, with the subnets they are in.
    ipv4: Option<Ipv4Net>,
    ipv6: Option<Ipv6Net>,
    labels: BTreeMap<String, String>,
}

impl<'a> Node<'a> {
    /// Reads a node. What cannot be read counts as not there.
    pub(super) fn read(object: &'a object::node::Node, report: &mut Report) -> Self {
        let key = &object.metadata.key;
        let annotation = |name: &str| object.metadata.annotations.get(name).filter(|text| !text.is_empty());
        let mut take = |name: &str, wanted: &str, good: bool| {
            if !good {
                let problem = format!("is no {wanted}, and counts as not there");
                report.add(Kind::Node, key, format!("metadata.annotations.{name}"), problem);
            }
        };
        let subnet = |name: &str| annotation(name).map(|text| (text, subnet(text)));
        let (ipv4, ipv6) = (subnet(IPV4), subnet(IPV6));
        let ipv4 = ipv4.and_then(|(_, net)| {
            let net = net.and_then(|net| if let IpNet::V4(net) = net { Some(net) } else { None });
            take(IPV4, "IPv4 address with a mask, such as 10.1.2.3/24", net.is_some());
            net
        });
        let ipv6 = ipv6.and_then(|(_, net)| {
            let net = net.and_then(|net| if let IpNet::V6(net) = net { Some(net) } else { None });
            take(IPV6, "IPv6 address with a mask, such as fd00::1/64", net.is_some());
            net
        });
        let asn = annotation(AS_NUMBER).and_then(|text| {
            let asn = text.parse::<Asn>().ok().filter(|asn| !asn.is_reserved());
            take(AS_NUMBER, "AS number, such as 64512 or 1.10", asn.is_some());
            asn
        });
        let cluster_id = annotation(CLUSTER_ID).and_then(|text| {
            let id = text.parse().ok().filter(|id: &Ipv4Addr| !id.is_unspecified());
            take(CLUSTER_ID, "cluster id, such as 244.0.0.1", id.is_some());
            id
        });
        let mut labels = BTreeMap::new();
        for name in LABELS {
            if let Some(text) = annotation(name) {
                let read = serde_json::from_str::<BTreeMap<String, String>>(text);
                take(name, "JSON object of labels", read.is_ok());
                labels.extend(read.unwrap_or_default());
            }
        }
        Self { name: &key.name, asn, cluster_id, object, ipv4, ipv6, labels }
    }

    /// Returns its address of a family.
    pub(super) fn address(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::Ipv4 => self.ipv4.map(|net| net.addr().into()),
            Family::Ipv6 => self.ipv6.map(|net| net.addr().into()),
        }
    }

    /// Returns its addresses.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let (ipv4, ipv6) = (self.address(Family::Ipv4), self.address(Family::Ipv6));
        ipv4.into_iter().chain(ipv6)
    }

    /// Returns the subnet its IPv4 address is in.
    pub(super) fn subnet(&self) -> Option<IpNet> {
        self.ipv4.map(|net| net.trunc().into())
    }

    /// Tells whether other nodes reach its pods through WireGuard.
    pub(super) fn has_wireguard(&self, family: Family) -> bool {
        let [ipv4, ipv6] = WIREGUARD;
        let name = if family == Family::Ipv4 { ipv4 } else { ipv6 };
        self.object.metadata.annotations.get(name).is_some_and(|text| !text.is_empty())
    }

    /// Returns the addresses of its tunnels, with the interfaces that have them.
    pub(super) fn tunnels(&self) -> impl Iterator<Item = (IpAddr, &'static str)> {
        TUNNELS.into_iter().filter_map(|(annotation, interface)| {
            let text = self.object.metadata.annotations.get(annotation)?;
            Some((read::address(text).ok()?, interface))
        })
    }

    /// Returns the identifier that follows from its IPv4 address.
    pub(super) fn router_id(&self) -> Option<BgpId> {
        BgpId::new(self.ipv4?.addr())
    }
}

impl Labels for Node<'_> {
    fn label(&self, name: &str) -> Option<&str> {
        let own = self.object.metadata.labels.get(name);
        own.or_else(|| self.labels.get(name)).map(String::as_str)
    }
}

/// Returns an identifier made of a node's name, as Calico does for nodes without IPv4: the first octets of its SHA-256,
/// moved out of the classes D and E.
pub(super) fn hashed_router_id(name: &str) -> Option<BgpId> {
    let digest = Sha256::digest(name.as_bytes());
    let [first, second, third, fourth, ..] = digest[..] else { return None };
    let first = if first > 223 { first - 32 } else { first };
    BgpId::new(Ipv4Addr::new(first, second, third, fourth))
}

/// Reads an address, which may have a mask.
fn subnet(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Object;

    fn node(json: &str) -> object::node::Node {
        match Object::read(Kind::Node, json).unwrap() {
            Object::Node(node) => node,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn annotations_that_mean_nothing_count_as_not_there() {
        let object = node(
            r#"{"metadata": {"name": "a", "annotations": {
                "projectcalico.org/IPv4Address": "10.0.0.300/24",
                "projectcalico.org/IPv6Address": "10.0.0.3/24",
                "projectcalico.org/ASNumber": "0",
                "projectcalico.org/RouteReflectorClusterID": "x",
                "projectcalico.org/labels": "{"
            }}}"#,
        );
        let mut report = Report::default();
        let node = Node::read(&object, &mut report);
        assert_eq!((node.addresses().count(), node.asn, node.cluster_id), (0, None, None));
        assert_eq!(report.into_problems().count(), 5);
    }

    #[test]
    fn labels_of_the_node_win_over_those_of_annotations() {
        let object = node(
            r#"{"metadata": {"name": "a", "labels": {"rack": "1"}, "annotations": {
                "projectcalico.org/labels": "{\"rack\": \"2\", \"row\": \"3\"}",
                "projectcalico.org/kube-labels": "{\"row\": \"4\", \"hall\": \"5\"}"
            }}}"#,
        );
        let node = Node::read(&object, &mut Report::default());
        assert_eq!(node.label("rack"), Some("1"));
        assert_eq!(node.label("row"), Some("3"));
        assert_eq!(node.label("hall"), Some("5"));
    }

    #[test]
    fn the_identifier_of_a_node_without_ipv4_is_made_of_its_name() {
        let digest = Sha256::digest(b"node-a");
        let first = if digest[0] > 223 { digest[0] - 32 } else { digest[0] };
        let id = hashed_router_id("node-a").unwrap();
        assert_eq!(id.to_ipv4().octets(), [first, digest[1], digest[2], digest[3]]);
        let high =
            (0..200).map(|n| format!("node-{n}")).find(|name| Sha256::digest(name.as_bytes())[0] > 223);
        let id = hashed_router_id(&high.unwrap()).unwrap();
        assert!(id.to_ipv4().octets()[0] <= 223);
    }
}
