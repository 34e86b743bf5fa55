//! Two nodes below a switch, and an API server both reach by wires of their own.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use lab::net::{KernelRoute, Namespace};
use lab::rack::Rack;
use lab::rack::plan::{NodeId, TorId};
use lab::speakers::Kind;
use serde_json::Value;
use support::apiserver::ApiServer;
use support::{Podbgpd, SOON, eventually};

use crate::objects::{Source, words};

/// The port of the API server.
const PORT: u16 = 6443;

/// A cluster. Dropping it ends everything in it.
pub(crate) struct World {
    /// The nodes' daemons, in the order of the nodes.
    pub(crate) daemons: [Podbgpd; 2],
    /// Who tells them what to do.
    pub(crate) server: ApiServer,
    /// The wires, the switch and the pods.
    pub(crate) rack: Rack,
    folder: Folder,
}

/// A folder of its own for a test; gone with it, unless it fails.
struct Folder(PathBuf);

impl World {
    /// Starts it with these objects and more lines in `[kubernetes]`; waits until both nodes tell the switch their blocks.
    pub(crate) fn start(source: Source, more: &[Value], lines: &str) -> Self {
        Self::start_with(source, more, lines, |_, _| ())
    }

    /// As [`World::start`], after a change of the rack; its folder is for files.
    pub(crate) fn start_with(
        source: Source,
        more: &[Value],
        lines: &str,
        change: impl FnOnce(&mut Rack, &Path),
    ) -> Self {
        let folder = Folder::new();
        let mut rack = Rack::build(Kind::Bird, Kind::Podbgp, &folder.0).expect("a rack");
        change(&mut rack, &folder.0);
        rack.tors[0].router.start().expect("BIRD starts");

        let servers = Namespace::new("api").expect("a namespace");
        let server = ApiServer::start_at(&servers, SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)));
        server.install_calico();
        server.install("podbgp.io/v1alpha1", &["bgppeers", "bgpadvertisements", "bgpnodestatuses"]);
        server.put_all(source.objects());
        server.put_all(more.iter().cloned());
        let daemons = NodeId::BOTH.map(|id| {
            let namespace = &rack.nodes[id as usize - 1].router.namespace;
            wire(namespace, &servers, id);
            let folder = folder.0.join(format!("daemon-{}", id.name()));
            fs::create_dir_all(&folder).expect("a folder");
            let kubeconfig = server.kubeconfig_at(&folder, SocketAddr::new(ends(id)[1], PORT));
            let text = configuration(source, id, &kubeconfig.display().to_string(), lines);
            Podbgpd::start(namespace, folder, &text)
        });
        let world = Self { daemons, server, rack, folder };
        for id in NodeId::BOTH {
            for block in id.blocks() {
                eventually(SOON, "the blocks of the nodes", || world.route(block));
            }
        }
        world
    }

    /// Returns the folder everything's files are in.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.0.clone()
    }

    /// Returns the switch's namespace.
    pub(crate) fn tor(&self) -> &Namespace {
        &self.rack.tors[0].router.namespace
    }

    /// Finds the route of the switch's kernel to a prefix.
    pub(crate) fn route(&self, prefix: IpNet) -> Result<KernelRoute> {
        let routes = self.tor().routes()?;
        let found = routes.into_iter().find(|route| route.destination == prefix);
        found.with_context(|| format!("the switch has no route to {prefix}"))
    }

    /// Says that the switch has none.
    pub(crate) fn no_route(&self, prefix: IpNet) -> Result<()> {
        ensure!(self.route(prefix).is_err(), "the switch has a route to {prefix}");
        Ok(())
    }

    /// Returns the nodes the switch sends a destination's packets to.
    pub(crate) fn nodes_towards(&self, prefix: IpNet) -> Result<Vec<NodeId>> {
        let route = self.route(prefix)?;
        let leads_to = |id: &NodeId| route.next_hops.iter().any(|hop| hop.link.as_deref() == Some(id.name()));
        Ok(NodeId::BOTH.into_iter().filter(leads_to).collect())
    }

    /// Counts the UPDATEs the nodes say they sent, and those BIRD says it got, withdrawals included.
    pub(crate) fn updates(&self) -> Result<(u64, u64)> {
        let peers = self.daemons.iter().map(Podbgpd::peers).collect::<Result<Vec<_>>>()?;
        let sent = peers.iter().flatten().map(|peer| peer.messages.sent.update).sum();
        let speaker = self.rack.tors[0].router.speaker()?;
        let mut received = 0;
        for id in NodeId::BOTH {
            for at in id.addresses(TorId::A) {
                received += imports(&speaker.graceful_restart(at.addr())?)?;
            }
        }
        Ok((sent, received))
    }

    /// Returns what a node tells its peers.
    pub(crate) fn advertised(&self, node: NodeId) -> Result<Vec<(String, IpNet)>> {
        let daemon = &self.daemons[node as usize - 1];
        let mut told = Vec::new();
        for peer in daemon.peers()? {
            let routes = daemon.advertised(&peer.name)?;
            told.extend(routes.into_iter().map(|route| (peer.name.clone(), route.prefix)));
        }
        told.sort();
        Ok(told)
    }
}

/// Adds up what BIRD's table of a protocol says of routes received: `Import updates: 2 0 0 0 2`.
fn imports(page: &str) -> Result<u64> {
    let rows = page.lines().filter_map(|line| {
        let (name, numbers) = line.trim().split_once(':')?;
        matches!(name, "Import updates" | "Import withdraws").then(|| numbers.split_whitespace().next())?
    });
    let counts = rows.map(str::parse::<u64>).collect::<Result<Vec<_>, _>>()?;
    ensure!(!counts.is_empty(), "BIRD counts nothing: {page}");
    Ok(counts.into_iter().sum())
}

/// The ends of a node's wire to the API server: the node's, the server's.
fn ends(id: NodeId) -> [IpAddr; 2] {
    [2, 1].map(|host| Ipv4Addr::new(10, 250, id as u8, host).into())
}

fn wire(node: &Namespace, servers: &Namespace, id: NodeId) {
    node.connect("mgmt", servers, id.name()).expect("a wire");
    let [ours, theirs] = ends(id).map(|end| format!("{end}/24").parse().expect("a prefix"));
    node.add_address("mgmt", ours).expect("an address");
    servers.add_address(id.name(), theirs).expect("an address");
}

/// The file of a node: what no object says.
fn configuration(source: Source, id: NodeId, kubeconfig: &str, lines: &str) -> String {
    let (blocks, peers) = words(source);
    let mut text = format!(
        "[kubernetes]\nkubeconfig = \"{kubeconfig}\"\nnode-name = \"{}\"\nblocks = \"{blocks}\"\n\
         peers = \"{peers}\"\n{lines}\n",
        id.name()
    );
    if source == Source::Node {
        text += &format!("[node]\nasn = {}\nrouter-id = \"{}\"\n", id.asn(), id.router_id());
    }
    text
}

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("podbgp-cluster-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            support::rack::show_logs(&self.0);
        }
        // It is in the temporary folder: nothing is lost when this fails.
        let _ = fs::remove_dir_all(&self.0);
    }
}
