//! What tests of several modules make clusters of: objects as the API server writes them.

use std::time::Duration;

use bgp::{Asn, BgpId};
use intent::{Intent, Kubernetes};
use ipnet::IpNet;
use serde_json::{Value, json};

use crate::{Cluster, Event, Kind, Object, Plan};

pub(crate) const NODE: &str = "node-a";

pub(crate) fn settings() -> Kubernetes {
    Kubernetes::new(NODE.to_owned())
}

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// Reads an object the way it comes.
pub(crate) fn object(kind: Kind, json: &Value) -> Object {
    Object::read(kind, &json.to_string()).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// A list of a kind, as it comes.
pub(crate) fn list(kind: Kind, objects: &[Value]) -> Vec<Event> {
    let mut events = vec![Event::Begin(kind)];
    events.extend(objects.iter().map(|json| Event::Apply(object(kind, json))));
    events.push(Event::End(kind));
    events
}

/// A cluster that has heard of these objects, and of nothing else there could be: neither Calico nor Cilium.
pub(crate) fn cluster(settings: Kubernetes, objects: &[(Kind, Value)]) -> Cluster {
    let mut cluster = Cluster::new(settings);
    let foreign = [
        Kind::BlockAffinity,
        Kind::IpPool,
        Kind::BgpConfiguration,
        Kind::CalicoPeer,
        Kind::BgpFilter,
        Kind::CiliumNode,
    ];
    foreign.into_iter().for_each(|kind| cluster.handle(Event::Absent(kind)));
    for kind in [Kind::Node, Kind::Service, Kind::EndpointSlice, Kind::Peer, Kind::Advertisement] {
        let objects = objects.iter().filter(|(other, _)| *other == kind).map(|(_, json)| json.clone());
        list(kind, &objects.collect::<Vec<_>>()).into_iter().for_each(|event| cluster.handle(event));
    }
    for (kind, json) in objects.iter().filter(|(kind, _)| *kind == Kind::Secret) {
        cluster.handle(Event::Apply(object(*kind, json)));
    }
    cluster
}

/// What the file says beside `[kubernetes]`: nothing but who we are.
pub(crate) fn file() -> Intent {
    intent::Intent {
        node: intent::Node {
            name: NODE.to_owned(),
            asn: Asn(64512),
            router_id: BgpId::new([192, 0, 2, 1].into()).unwrap(),
            cluster_id: [0, 0, 0, 1].into(),
            listen: Default::default(),
            blocks: Default::default(),
            require_policy: false,
            announce_fqdn: false,
            announce_version: false,
        },
        fib: intent::Fib {
            install: true,
            protocol: 12,
            metric: 1024,
            table: 254,
            max_paths: 16,
            next_hop_groups: Default::default(),
            weights: intent::Weights::None,
            transit_table: 179,
        },
        decision: intent::Decision { multipath_relax: true, always_compare_med: false },
        bfd: Default::default(),
        graceful_restart: Default::default(),
        drain: Default::default(),
        history: Default::default(),
        peers: Default::default(),
        ranges: Default::default(),
        control_socket: "/run/podbgpd.sock".into(),
        metrics: None,
        bmp: Default::default(),
        mrt: None,
        kubernetes: None,
        originated: Default::default(),
        host_routes: Default::default(),
        ownership: Default::default(),
        guard: Default::default(),
        leave: None,
    }
}

/// The plan of a cluster at its beginning.
pub(crate) fn plan(cluster: &mut Cluster) -> Plan {
    plan_at(cluster, Duration::ZERO)
}

pub(crate) fn plan_at(cluster: &mut Cluster, now: Duration) -> Plan {
    cluster.plan(&file(), now).unwrap_or_else(|| panic!("still missing: {:?}", cluster.missing()))
}

/// What is originated and why, line by line.
pub(crate) fn originated(plan: &Plan) -> Vec<String> {
    plan.originated.iter().map(|(prefix, originated)| format!("{prefix} {}", originated.cause)).collect()
}

/// What is wrong, line by line.
pub(crate) fn problems(plan: &Plan) -> Vec<String> {
    plan.problems.iter().map(ToString::to_string).collect()
}

/// Our own node with one block.
pub(crate) fn own_node() -> Value {
    json!({
        "metadata": { "name": NODE, "labels": { "kubernetes.io/hostname": NODE, "rack": "r1" } },
        "spec": { "podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"] },
        "status": { "addresses": [
            { "type": "InternalIP", "address": "192.0.2.1" },
            { "type": "Hostname", "address": NODE },
        ] },
    })
}
