//! Which sessions this node has: what its own peerings say, what those of others say back, and the mesh.
//!
//! At most one session is with an address, and the first of these that has one with it makes it: peerings of all nodes,
//! those of this node or of selected ones, those others have with us, the mesh, workloads; within each, in the order of
//! names. Where an own peering loses, it is told.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bgp::{Asn, Family, HoldTime};

use super::peering::{Local, Options, Peering, Remote};
use super::report::Report;
use super::scene::Scene;
use super::workload::LocalWorkload;
use crate::event::Kind;
use crate::object::Key;

/// The hold time of BIRD.
pub(super) const HOLD_TIME: HoldTime = match HoldTime::new(240) {
    Some(time) => time,
    None => HoldTime::NEVER,
};

/// What made a session, in Calico's words: status and probes go by the names of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Global,
    Node,
    Mesh,
    LocalWorkload,
}

/// A session.
#[derive(Clone, Debug)]
pub(super) struct Session<'a> {
    pub(super) scope: Scope,
    /// The object that makes it; none makes the mesh.
    pub(super) by: Option<&'a Key>,
    pub(super) address: IpAddr,
    /// The port, where it is part of the session's name.
    pub(super) named_port: Option<u16>,
    /// The port to dial.
    pub(super) port: u16,
    pub(super) asn: Asn,
    /// The cluster the peer reflects for.
    pub(super) cluster_id: Option<std::net::Ipv4Addr>,
    /// Whether we only wait for the peer to dial.
    pub(super) passive: bool,
    /// The interface a workload is behind.
    pub(super) interface: Option<&'a str>,
    pub(super) options: Options<'a>,
}

/// Returns the sessions of this node, by the addresses of the peers.
pub(super) fn sessions<'a>(scene: &Scene<'a>, report: &mut Report) -> BTreeMap<IpAddr, Session<'a>> {
    let mut table = Table { scene, sessions: BTreeMap::new(), report };
    for global in [true, false] {
        let of_scope = |peering: &&Peering<'_>| matches!(peering.local, Local::All) == global;
        for peering in scene.peerings.iter().filter(of_scope) {
            if peering.local.includes(&scene.me) {
                table.forward(peering, if global { Scope::Global } else { Scope::Node });
            }
        }
    }
    for peering in scene.peerings.iter().filter(|peering| peering.reversed) {
        table.reverse(peering);
    }
    table.mesh();
    for peering in &scene.peerings {
        table.workloads(peering, scene.workloads);
    }
    table.sessions
}

struct Table<'a, 's> {
    scene: &'s Scene<'a>,
    sessions: BTreeMap<IpAddr, Session<'a>>,
    report: &'s mut Report,
}

impl<'a> Table<'a, '_> {
    /// The sessions a peering of ours makes.
    fn forward(&mut self, peering: &Peering<'a>, scope: Scope) {
        match &peering.remote {
            Remote::At { address, port, asn } => self.at(peering, scope, *address, *port, *asn),
            Remote::Nodes(selector) => {
                let scene = self.scene;
                for node in scene.others().filter(|node| selector.matches(*node)) {
                    self.with_node(peering, scope, node, true);
                }
            }
            Remote::Workloads { .. } => {}
        }
    }

    fn at(
        &mut self,
        peering: &Peering<'a>,
        scope: Scope,
        address: IpAddr,
        port: Option<u16>,
        asn: Option<Asn>,
    ) {
        let scene = self.scene;
        if scene.is_me(address) {
            return;
        }
        let node = scene.node_at(address);
        let Some(asn) = asn.or_else(|| node.map(|node| scene.asn_of(node))) else {
            let problem = "is needed for a peer that is no node of the cluster; there is no such peer until it is given";
            return self.report.add(Kind::CalicoPeer, peering.key, "spec.asNumber", problem);
        };
        // Only what is also in the AS of the node is taken to be it; the port could be anybody's else.
        let same = node.filter(|node| scene.asn_of(node) == asn);
        let known = same.map(|node| scene.configuration.port(node.name));
        let passive = scope == Scope::Global && node.is_some() && self.waits_for(address);
        self.add(
            Session {
                scope,
                by: Some(peering.key),
                address,
                named_port: port.or(known.filter(|port| *port != super::configuration::PORT)),
                port: port.or(known).unwrap_or(super::configuration::PORT),
                asn,
                cluster_id: same.and_then(|node| node.cluster_id),
                passive,
                interface: None,
                options: peering.options,
            },
            true,
        );
    }

    /// The sessions with a node, one of each family both have; told if they lose.
    fn with_node(&mut self, peering: &Peering<'a>, scope: Scope, node: &super::node::Node<'a>, told: bool) {
        for address in node.addresses() {
            let session = self.session_with(node, address, scope, peering.options, Some(peering.key));
            self.add(session, told);
        }
    }

    /// The sessions a peering of others with us makes.
    fn reverse(&mut self, peering: &Peering<'a>) {
        let scene = self.scene;
        let families: &[Family] = match &peering.remote {
            Remote::At { address, port, asn } => {
                let ours = scene.asn_of(&scene.me);
                let asn_meant = asn.unwrap_or(ours) == ours;
                let port_meant = port.is_none_or(|port| port == scene.configuration.port(scene.me.name));
                if !scene.is_me(*address) || !asn_meant || !port_meant {
                    return;
                }
                if address.is_ipv4() { &[Family::Ipv4] } else { &[Family::Ipv6] }
            }
            Remote::Nodes(selector) if selector.matches(&scene.me) => &[Family::Ipv4, Family::Ipv6],
            Remote::Nodes(_) | Remote::Workloads { .. } => return,
        };
        for node in scene.others().filter(|node| peering.local.includes(node)) {
            for address in families.iter().filter_map(|family| node.address(*family)) {
                let mut session =
                    self.session_with(node, address, Scope::Node, peering.options, Some(peering.key));
                // What the other side calls itself is what we must expect of it, and we are what it expects.
                session.asn = peering.options.local_asn.unwrap_or(session.asn);
                session.options.local_asn = None;
                self.add(session, false);
            }
        }
    }

    /// The sessions of the mesh: nodes that reflect have none in it.
    fn mesh(&mut self) {
        let scene = self.scene;
        if !scene.configuration.mesh || scene.me.cluster_id.is_some() {
            return;
        }
        let options = Options {
            restart_time: scene.configuration.mesh_restart_time,
            password: scene.configuration.mesh_password,
            ..Options::default()
        };
        for node in scene.others().filter(|node| node.cluster_id.is_none()) {
            for address in node.addresses() {
                let mut session = self.session_with(node, address, Scope::Mesh, options, None);
                session.passive = self.waits_for(address);
                session.named_port = None;
                self.add(session, false);
            }
        }
    }

    /// The sessions with workloads of this node.
    fn workloads(&mut self, peering: &Peering<'a>, workloads: &'a [LocalWorkload]) {
        let Remote::Workloads { asn } = peering.remote else { return };
        if !peering.local.includes(&self.scene.me) {
            return;
        }
        for workload in workloads.iter().filter(|workload| workload.bgp_peer_name == peering.key.name) {
            for address in workload.addresses() {
                let session = Session {
                    scope: Scope::LocalWorkload,
                    by: Some(peering.key),
                    address,
                    named_port: None,
                    port: super::configuration::PORT,
                    asn,
                    cluster_id: None,
                    passive: true,
                    interface: Some(&workload.iface_name),
                    options: peering.options,
                };
                self.add(session, true);
            }
        }
    }

    fn session_with(
        &self,
        node: &super::node::Node<'a>,
        address: IpAddr,
        scope: Scope,
        options: Options<'a>,
        by: Option<&'a Key>,
    ) -> Session<'a> {
        let port = self.scene.configuration.port(node.name);
        Session {
            scope,
            by,
            address,
            named_port: (port != super::configuration::PORT).then_some(port),
            port,
            asn: self.scene.asn_of(node),
            cluster_id: node.cluster_id,
            passive: false,
            interface: None,
            options,
        }
    }

    /// Tells whether of two nodes that could dial each other it is the other that does. BIRD's configuration compares the
    /// texts of the addresses, and both sides must come to the same answer: `10.0.0.10` is before `10.0.0.9`.
    fn waits_for(&self, address: IpAddr) -> bool {
        let ours = self.scene.me.address(Family::of(&address.into()));
        ours.is_some_and(|ours| address.to_string() > ours.to_string())
    }

    /// Adds a session, unless the node has no address of its family or there is one with the address already.
    fn add(&mut self, session: Session<'a>, told: bool) {
        let family = Family::of(&session.address.into());
        if self.scene.me.address(family).is_none() || self.scene.is_me(session.address) {
            return;
        }
        match self.sessions.get(&session.address) {
            None => {
                self.sessions.insert(session.address, session);
            }
            Some(first) if told && first.by != session.by => {
                let (address, first) = (session.address, first.by.map(Key::to_string).unwrap_or_default());
                if let Some(by) = session.by {
                    let problem = format!(
                        "BGPPeer {first} already makes the session of this node with {address}; this one makes none"
                    );
                    self.report.add(Kind::CalicoPeer, by, "spec", problem);
                }
            }
            Some(_) => {}
        }
    }
}

impl Session<'_> {
    /// Returns the name, as Calico's probes know it.
    pub(super) fn name(&self) -> String {
        let scope = match self.scope {
            Scope::Global => "Global",
            Scope::Node => "Node",
            Scope::Mesh => "Mesh",
            Scope::LocalWorkload => "Local_Workload",
        };
        let address = self.address.to_string().replace(['.', ':'], "_");
        match self.named_port {
            Some(port) => format!("{scope}_{address}_port_{port}"),
            None => format!("{scope}_{address}"),
        }
    }
}
