//! A cluster to be planned for, as text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use bgp::{Asn, BgpId, PathAttributes};
use intent::{Export, Import, KernelRoute, Kubernetes, PeerIntent};
use ipnet::IpNet;
use rib::Policy;
use rib::policy::{Announcer, Decision, Route};
use serde_json::{Value, json};

use crate::calico::{Given, LocalWorkload};
use crate::cluster::AlienRoute;
use crate::event::{Event, Kind};
use crate::object::Object;
use crate::plan::Plan;
use crate::services::Wanted;
use crate::store::Objects;

/// A cluster, seen from the node `a`.
pub(super) struct World {
    pub(super) settings: Kubernetes,
    pub(super) services: Wanted,
    pub(super) kernel: Vec<AlienRoute>,
    /// The blocks of the file.
    pub(super) blocks: Vec<IpNet>,
    /// The blocks others than Calico have given us.
    pub(super) given: Option<BTreeMap<IpNet, String>>,
    pub(super) workloads: Vec<LocalWorkload>,
    objects: Vec<(Kind, Value)>,
}

impl World {
    /// The nodes `a` (10.0.0.1, fd00::1) and `b` (10.0.0.2, fd00::2) without a mesh.
    pub(super) fn new() -> Self {
        let world = Self {
            settings: Kubernetes::new("a".to_owned()),
            services: Wanted::default(),
            kernel: Vec::new(),
            blocks: Vec::new(),
            given: None,
            workloads: Vec::new(),
            objects: Vec::new(),
        };
        world
            .with(Kind::Node, node("a", 1))
            .with(Kind::Node, node("b", 2))
            .with(Kind::BgpConfiguration, named("default", json!({"nodeToNodeMeshEnabled": false})))
    }

    /// Adds an object, or puts it in the place of the one of its name.
    pub(super) fn with(mut self, kind: Kind, object: Value) -> Self {
        let name = object["metadata"]["name"].clone();
        self.objects.retain(|(other, object)| (*other, &object["metadata"]["name"]) != (kind, &name));
        self.objects.push((kind, object));
        self
    }

    pub(super) fn peer(self, name: &str, spec: Value) -> Self {
        self.with(Kind::CalicoPeer, named(name, spec))
    }

    pub(super) fn filter(self, name: &str, spec: Value) -> Self {
        self.with(Kind::BgpFilter, named(name, spec))
    }

    pub(super) fn pool(self, name: &str, spec: Value) -> Self {
        self.with(Kind::IpPool, named(name, spec))
    }

    pub(super) fn block(self, name: &str, spec: Value) -> Self {
        self.with(Kind::BlockAffinity, named(name, spec))
    }

    pub(super) fn configured(self, spec: Value) -> Self {
        self.with(Kind::BgpConfiguration, named("default", spec))
    }

    /// Gives a node an annotation.
    pub(super) fn annotated(mut self, node: &str, name: &str, value: &str) -> Self {
        self.node(node)["metadata"]["annotations"][format!("projectcalico.org/{name}")] = value.into();
        self
    }

    /// Gives a node a label.
    pub(super) fn labelled(mut self, node: &str, name: &str, value: &str) -> Self {
        self.node(node)["metadata"]["labels"][name] = value.into();
        self
    }

    fn node(&mut self, name: &str) -> &mut Value {
        let mut nodes = self.objects.iter_mut().filter(|(kind, _)| *kind == Kind::Node);
        &mut nodes.find(|(_, object)| object["metadata"]["name"] == *name).expect("a node").1
    }

    /// Adds a route of somebody else's in the kernel.
    pub(super) fn route(mut self, prefix: &str, interface: &str, gateway: Option<&str>, metric: u32) -> Self {
        let gateway = gateway.map(|gateway| gateway.parse().expect("an address"));
        let route = KernelRoute { interface: Arc::from(interface), gateway };
        self.kernel.push(AlienRoute { prefix: prefix.parse().expect("a prefix"), route, metric });
        self
    }

    pub(super) fn objects(&self) -> Objects {
        let mut objects = Objects::new(&self.settings.node_name);
        for (kind, object) in &self.objects {
            objects.handle(Event::Apply(Object::read(*kind, &object.to_string()).expect("an object")));
        }
        objects.workloads.clone_from(&self.workloads);
        objects
    }

    pub(super) fn plan(&self) -> Plan {
        let file = intent::Node {
            name: "a".to_owned(),
            asn: Asn(64_512),
            router_id: BgpId::new([192, 0, 2, 1].into()).expect("not zero"),
            cluster_id: [192, 0, 2, 1].into(),
            listen: [].into(),
            blocks: self.blocks.iter().copied().collect(),
            require_policy: true,
            announce_fqdn: true,
            announce_version: false,
        };
        let mut plan = Plan::default();
        super::super::plan(
            Given {
                objects: &self.objects(),
                settings: &self.settings,
                kernel: &self.kernel,
                services: &self.services,
                blocks: self.given.as_ref(),
                file: &file,
            },
            &mut plan,
        );
        plan
    }
}

/// An object of a name.
pub(super) fn named(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "crd.projectcalico.org/v1", "metadata": {"name": name}, "spec": spec})
}

/// A node with both families.
pub(super) fn node(name: &str, number: u8) -> Value {
    json!({"metadata": {"name": name, "labels": {"name": name}, "annotations": {
        "projectcalico.org/IPv4Address": format!("10.0.0.{number}/24"),
        "projectcalico.org/IPv6Address": format!("fd00::{number}/64"),
    }}})
}

/// The names of the sessions.
pub(super) fn names(plan: &Plan) -> String {
    plan.peers.keys().cloned().collect::<Vec<_>>().join(" ")
}

/// The problems, a line each.
pub(super) fn problems(plan: &Plan) -> String {
    plan.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What is originated, with what becomes of the rest of it.
pub(super) fn originated(plan: &Plan) -> String {
    let line = |(prefix, one): (&IpNet, &intent::Originated)| format!("{prefix} {:?}", one.leftover);
    plan.originated.iter().map(line).collect::<Vec<_>>().join(", ")
}

/// The only session.
pub(super) fn only(plan: &Plan) -> &PeerIntent {
    assert_eq!(plan.peers.len(), 1, "{}", names(plan));
    plan.peers.values().next().expect("one")
}

pub(super) fn import(peer: &PeerIntent) -> &Policy {
    let Import::Policy(policy) = &peer.import else { panic!("{:?}", peer.import) };
    policy
}

pub(super) fn export(peer: &PeerIntent) -> &Policy {
    let Export::Policy(policy) = &peer.export else { panic!("{:?}", peer.export) };
    policy
}

/// A route to be judged.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) prefix: IpNet,
    pub(super) announcer: Option<Announcer>,
    pub(super) interface: Option<&'static str>,
    pub(super) attributes: PathAttributes,
}

impl Sample {
    /// One we originate.
    pub(super) fn own(prefix: &str) -> Self {
        let prefix: IpNet = prefix.parse().expect("a prefix");
        let nobody: IpAddr = if prefix.addr().is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let attributes = PathAttributes::originated(nobody.into());
        Self { prefix, announcer: None, interface: None, attributes }
    }

    /// One an external peer in AS 65001 has announced.
    pub(super) fn learned(prefix: &str) -> Self {
        let mut sample = Self::own(prefix);
        sample.announcer =
            Some(Announcer { asn: Asn(65_001), address: [10, 0, 0, 254].into(), external: true });
        sample.attributes.as_path.prepend(Asn(65_001), 1);
        sample
    }

    pub(super) fn by(self, interface: &'static str) -> Self {
        Self { interface: Some(interface), ..self }
    }

    pub(super) fn local_pref(mut self, local_pref: u32) -> Self {
        self.attributes.local_pref = Some(local_pref);
        self
    }

    /// Says what a policy makes of it: the rule that decided, and what it is like afterwards.
    pub(super) fn judged(&self, policy: &Policy) -> String {
        let Self { prefix, announcer, interface, attributes } = self;
        let route = Route { prefix: *prefix, announcer: *announcer, interface: *interface, attributes };
        let verdict = policy.evaluate(route);
        let rule = verdict.rule.map_or("otherwise", |rule| policy.rules[rule].name.as_str());
        let mut text = match verdict.decision {
            Decision::Accept => format!("accepted: {rule}"),
            Decision::Reject => return format!("rejected: {rule}"),
        };
        let after = &verdict.attributes;
        if after.local_pref != attributes.local_pref {
            let _ = write!(text, ", local-pref {}", after.local_pref.unwrap_or(0));
        }
        if after.as_path != attributes.as_path {
            let _ = write!(text, ", path {}", after.as_path);
        }
        for community in &after.communities {
            let _ = write!(text, ", {community}");
        }
        for community in &after.rare.large_communities {
            let _ = write!(text, ", {community}");
        }
        text
    }
}
