//! The rack: two TORs, two nodes, two pods on each node, and the cables between them.

pub mod plan;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ipnet::IpNet;
use nix::sys::signal::Signal;

use crate::net::{HopState, Namespace, NextHop};
use crate::probe::Echo;
use crate::speakers::{Kind, Neighbor, Speaker, SpeakerConfig};
use plan::{NodeId, TorId};

/// The shortest hold time BGP knows (RFC 4271 §4.2), so that nobody waits long for it here.
pub const HOLD_TIME: u16 = 3;

/// A whole rack. Dropping it ends everything in it.
#[derive(Debug)]
pub struct Rack {
    /// The TORs.
    pub tors: [Tor; 2],
    /// The nodes.
    pub nodes: [Node; 2],
}

/// A top-of-rack switch.
#[derive(Debug)]
pub struct Tor {
    /// Which.
    pub id: TorId,
    /// Its kernel and its BGP.
    pub router: Router,
}

/// A Kubernetes node.
#[derive(Debug)]
pub struct Node {
    /// Which.
    pub id: NodeId,
    /// Its kernel and its BGP.
    pub router: Router,
    /// Its pods.
    pub pods: [Pod; 2],
}

/// A pod: an address of the node's block behind a cable to the node.
#[derive(Debug)]
pub struct Pod {
    /// Its kernel.
    pub namespace: Namespace,
    /// Its addresses, IPv4 first.
    pub addresses: [std::net::IpAddr; 2],
    _echo: Echo,
}

/// A kernel that forwards and the speaker that tells it where to.
#[derive(Debug)]
pub struct Router {
    /// Its kernel.
    pub namespace: Namespace,
    kind: Kind,
    config: SpeakerConfig,
    directory: PathBuf,
    speaker: Option<Speaker>,
}

impl Rack {
    /// Lays the cables and sets the pods up; nobody speaks BGP yet.
    ///
    /// # Errors
    /// The kernel's, with what was being built.
    pub fn build(tors: Kind, nodes: Kind, directory: &Path) -> Result<Self> {
        let tor = |id: TorId| -> Result<Tor> {
            let neighbors = NodeId::BOTH.into_iter().flat_map(|node| {
                node.addresses(id).map(|address| neighbor(node.name(), address, node.asn()))
            });
            let config = SpeakerConfig {
                neighbors: neighbors.collect(),
                install: true,
                transit: true,
                ..SpeakerConfig::new(id.asn(), id.router_id())
            };
            Ok(Tor { id, router: Router::build(id.name(), tors, config, directory)? })
        };
        let tors = [tor(TorId::A)?, tor(TorId::B)?];
        let node = |id: NodeId| -> Result<Node> {
            let neighbors = TorId::BOTH
                .into_iter()
                .flat_map(|tor| tor.addresses(id).map(|address| neighbor(tor.name(), address, tor.asn())));
            let config = SpeakerConfig {
                neighbors: neighbors.collect(),
                announce: id.blocks().into(),
                install: true,
                ..SpeakerConfig::new(id.asn(), id.router_id())
            };
            let router = Router::build(id.name(), nodes, config, directory)?;
            for tor in &tors {
                lay_cable(tor, id, &router.namespace)?;
            }
            let pods = [Pod::build(id, 1, &router.namespace)?, Pod::build(id, 2, &router.namespace)?];
            Ok(Node { id, router, pods })
        };
        let nodes = [node(NodeId::A)?, node(NodeId::B)?];
        Ok(Self { tors, nodes })
    }

    /// Every router, the TORs first.
    pub fn routers(&self) -> impl Iterator<Item = &Router> {
        self.tors.iter().map(|tor| &tor.router).chain(self.nodes.iter().map(|node| &node.router))
    }

    /// Every router, to be changed.
    pub fn routers_mut(&mut self) -> impl Iterator<Item = &mut Router> {
        let nodes = self.nodes.iter_mut().map(|node| &mut node.router);
        self.tors.iter_mut().map(|tor| &mut tor.router).chain(nodes)
    }
}

impl Tor {
    /// Lights its ports, or makes them dark.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_ports(&self, up: bool) -> Result<()> {
        NodeId::BOTH.into_iter().map(NodeId::name).try_for_each(|port| match up {
            true => self.router.namespace.set_up(port),
            false => self.router.namespace.set_down(port),
        })
    }

    /// Its software hangs: the ports stay lit, nothing passes and nobody answers.
    ///
    /// # Errors
    /// The kernel's.
    pub fn hang(&self) -> Result<()> {
        self.router.namespace.set_forwarding(false)?;
        self.router.speaker()?.signal(Signal::SIGSTOP)
    }
}

impl Node {
    /// The TORs its kernel sends a destination's packets to.
    ///
    /// # Errors
    /// The kernel's.
    pub fn tors_towards(&self, destination: IpNet) -> Result<Vec<TorId>> {
        let routes = self.router.namespace.routes()?;
        let hops = routes.iter().filter(|route| route.destination == destination);
        let alive = hops.flat_map(|route| &route.next_hops).filter(|hop| hop.state == HopState::Alive);
        let mut tors: Vec<_> = alive
            .filter_map(|hop| TorId::BOTH.into_iter().find(|tor| hop.link.as_deref() == Some(tor.name())))
            .collect();
        tors.sort_by_key(|tor| *tor as u8);
        tors.dedup();
        Ok(tors)
    }
}

impl Router {
    fn build(name: &str, kind: Kind, config: SpeakerConfig, directory: &Path) -> Result<Self> {
        let namespace = Namespace::new(name)?;
        namespace.forward()?;
        Ok(Self { namespace, kind, config, directory: directory.join(name), speaker: None })
    }

    /// What its speaker will be told when it is started next.
    pub fn config_mut(&mut self) -> &mut SpeakerConfig {
        &mut self.config
    }

    /// Starts its speaker.
    ///
    /// # Errors
    /// It does not start; the text has its last words.
    pub fn start(&mut self) -> Result<()> {
        self.speaker = None;
        self.speaker = Some(Speaker::start(self.kind, &self.namespace, &self.config, &self.directory)?);
        Ok(())
    }

    /// Kills its speaker as a power failure would.
    pub fn kill(&mut self) {
        self.speaker = None;
    }

    /// Its running speaker.
    ///
    /// # Errors
    /// It was not started, or killed.
    pub fn speaker(&self) -> Result<&Speaker> {
        self.speaker.as_ref().with_context(|| format!("{} does not run", self.namespace.name()))
    }
}

impl Pod {
    /// Builds a pod as the container network plugins do: host routes on the node, and in the pod a default route
    /// through a gateway that exists on its cable only.
    fn build(node: NodeId, number: u8, host: &Namespace) -> Result<Self> {
        const GATEWAYS: [(&str, &str); 2] = [("169.254.1.1", "/32"), ("fe80::1", "/64")];
        let name = node.pod_name(number);
        let namespace = Namespace::new(&name)?;
        host.connect(&name, &namespace, "eth0")?;
        let addresses = node.pod(number);
        for (address, (gateway, length)) in addresses.into_iter().zip(GATEWAYS) {
            let everywhere: IpNet = if address.is_ipv4() { "0.0.0.0/0" } else { "::/0" }.parse()?;
            let hop: std::net::IpAddr = gateway.parse()?;
            host.add_address(&name, format!("{gateway}{length}").parse()?)?;
            host.add_route(IpNet::from(address), &[NextHop::on(&name)])?;
            namespace.add_address("eth0", IpNet::from(address))?;
            if address.is_ipv4() {
                namespace.add_route(IpNet::from(hop), &[NextHop::on("eth0")])?;
            }
            namespace.add_route(everywhere, &[NextHop::via(hop).through("eth0")])?;
        }
        let echo = Echo::start(&namespace)?;
        Ok(Self { namespace, addresses, _echo: echo })
    }
}

fn lay_cable(tor: &Tor, node: NodeId, host: &Namespace) -> Result<()> {
    tor.router.namespace.connect(node.name(), host, tor.id.name())?;
    for address in tor.id.addresses(node) {
        tor.router.namespace.add_address(node.name(), address)?;
    }
    node.addresses(tor.id).into_iter().try_for_each(|address| host.add_address(tor.id.name(), address))
}

/// A session per family, as dual-stack clusters have them.
fn neighbor(name: &str, address: IpNet, asn: u32) -> Neighbor {
    let family = if address.addr().is_ipv4() { "v4" } else { "v6" };
    Neighbor { name: format!("{name}-{family}"), hold_time: HOLD_TIME, ..Neighbor::new(address.addr(), asn) }
}
