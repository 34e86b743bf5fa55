//! The daemon between an API server and a peer.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bgp::{Message, Update};
use ipnet::IpNet;
use serde_json::{Value, json};
use support::apiserver::{ApiServer, CALICO_GROUPS, StreamingLists};
use support::puppet::Puppet;
use support::rack::{Transport, our_address};
use support::{Podbgpd, Rack, SOON, Session, config, eventually, kernel, requires};

use crate::{node, say};

/// The name of the Node the daemon is.
pub(crate) const NODE: &str = "ours";
/// Blocks of the node, as its Node object says.
const BLOCK: &str = "10.20.30.64/26";
const OTHER: &str = "10.20.31.0/26";

/// A daemon that follows a server in its own namespace, and its peer.
pub(crate) struct World {
    rack: Rack,
    pub(crate) server: ApiServer,
    daemon: Option<Podbgpd>,
    peer: Option<Puppet>,
}

impl World {
    /// Starts it with these lines in `[kubernetes]`, after the server has been given its objects.
    pub(crate) fn start(lines: &str, fill: impl FnOnce(&ApiServer)) -> Self {
        let rack = Rack::new(1);
        let server = ApiServer::start_in(&rack.ours);
        fill(&server);
        let kubeconfig = server.kubeconfig(&rack.directory("server"));
        let kubernetes = format!(
            "[kubernetes]\nnode-name = \"{NODE}\"\nkubeconfig = \"{}\"\n{lines}\n",
            kubeconfig.display()
        );
        let configuration = config::node("") + &config::peer(&session(), "passive = true") + &kubernetes;
        let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &configuration);
        let mut world = Self { rack, server, daemon: Some(daemon), peer: None };
        world.connect();
        world
    }

    fn connect(&mut self) {
        self.peer = None;
        let to = our_address(0, Transport::V4);
        self.peer = Some(Puppet::connect(&self.rack.theirs[0], to, session().config.asn, 0));
    }

    pub(crate) fn daemon(&self) -> &Podbgpd {
        self.daemon.as_ref().expect("a daemon")
    }

    /// Waits until exactly these are advertised.
    pub(crate) fn advertises(&self, blocks: &[&str]) {
        let wanted: Vec<IpNet> = blocks.iter().map(|block| block.parse().expect("a prefix")).collect();
        eventually(SOON, &format!("{blocks:?} to be advertised"), || {
            let advertised: Vec<IpNet> =
                self.daemon().advertised("peer0")?.into_iter().map(|route| route.prefix).collect();
            ensure!(advertised == wanted, "{advertised:?}");
            Ok(())
        });
    }

    /// Ends the daemon and starts it again, with a new session.
    pub(crate) fn restart(&mut self) {
        let mut daemon = self.daemon.take().expect("a daemon");
        daemon.stop();
        self.daemon = Some(daemon.start_again());
        self.connect();
    }

    /// Where the daemon writes something down.
    pub(crate) fn state(&self, file: &str) -> PathBuf {
        self.rack.directory("ours").join("state").join(file)
    }

    /// Has the peer say that it has said everything.
    pub(crate) fn end_of_rib(&mut self) {
        self.peer.as_mut().expect("a peer").end_of_rib().expect("the session is up");
    }

    /// How many UPDATEs the peer was sent in its session.
    fn updates(&self) -> u64 {
        self.daemon().established("peer0").expect("the session stays").messages.sent.update
    }

    /// Waits for an UPDATE that is not End-of-RIB.
    fn update(&mut self) -> Result<Update> {
        let peer = self.peer.as_mut().expect("a peer");
        loop {
            if let Message::Update(update) = peer.hear()?
                && (!update.announced.is_empty() || !update.withdrawn.is_empty())
            {
                return Ok(update);
            }
        }
    }
}

fn session() -> Session {
    Session::new(0).with(|us| us.ipv6 = false)
}

fn affinity(block: &str) -> Value {
    let name = format!("{NODE}-{}", block.replace(['.', '/'], "-"));
    json!({
        "apiVersion": CALICO_GROUPS[0], "kind": "BlockAffinity", "metadata": { "name": name },
        "spec": { "node": NODE, "cidr": block, "state": "confirmed", "type": "host", "deleted": "false" },
    })
}

#[test]
fn the_blocks_of_the_node_object_are_advertised() {
    requires!(&[]);
    let world = World::start("peers = \"none\"", |server| {
        server.put(node(NODE, &[BLOCK]));
        server.put(node("another", &["10.9.9.0/24"]));
    });
    world.advertises(&[BLOCK]);
    world.server.put(node(NODE, &[BLOCK, OTHER]));
    world.advertises(&[BLOCK, OTHER]);
    eventually(SOON, "the blackhole of the block", || kernel::our_route(&world.rack.ours, OTHER.parse()?));
    world.server.put(node(NODE, &[OTHER]));
    world.advertises(&[OTHER]);
    let log = world.daemon().log();
    assert!(log.contains("Node ours"), "a change names its cause:\n{log}");
}

#[test]
fn an_outage_and_the_relist_after_it_send_nothing() {
    requires!(&[]);
    for (streams, peers) in [(StreamingLists::Served, "none"), (StreamingLists::Refused, "auto")] {
        let mut world = World::start(&format!("peers = \"{peers}\""), |server| {
            server.fault(|faults| faults.streaming_lists = streams);
            server.put_all((0..50).map(|number| node(&format!("node-{number}"), &[])));
            server.put(node(NODE, &[BLOCK, OTHER]));
        });
        world.advertises(&[BLOCK, OTHER]);
        let before = world.updates();
        world.server.stop();
        std::thread::sleep(Duration::from_secs(4));
        world.server.expire();
        world.server.restart();
        let lists = || {
            world.server.count(|seen| seen.path == "/api/v1/nodes" && seen.is_list() && seen.status == 200)
        };
        eventually(SOON, "another list", || {
            ensure!(lists() >= 2, "{} lists", lists());
            Ok(())
        });
        world.server.put(node(NODE, &[BLOCK]));
        world.advertises(&[BLOCK]);
        assert_eq!(world.updates(), before + 1, "the withdrawal, and nothing before it");
    }
}

#[test]
fn a_start_without_the_api_server_goes_by_what_was_written_down() {
    requires!(&[]);
    let mut world = World::start("peers = \"none\"", |server| {
        server.put(node(NODE, &[BLOCK, OTHER]));
    });
    world.advertises(&[BLOCK, OTHER]);
    let file = world.rack.directory("ours").join("state/objects");
    eventually(SOON, "the objects to be written down", || Ok(std::fs::metadata(&file)?));
    world.server.stop();
    let mut daemon = world.daemon.take().expect("a daemon");
    daemon.stop();
    world.daemon = Some(daemon.start_again());
    world.connect();
    world.advertises(&[BLOCK, OTHER]);
    let before = world.updates();
    world.server.restart();
    world.server.put(node(NODE, &[BLOCK]));
    world.advertises(&[BLOCK]);
    assert_eq!(world.updates(), before + 1);
}

#[test]
fn a_start_with_neither_goes_by_the_file_until_the_server_comes() {
    requires!(&[]);
    let mut world = World::start("peers = \"none\"", |server| {
        server.put(node(NODE, &[BLOCK]));
    });
    world.advertises(&[BLOCK]);
    world.server.stop();
    let mut daemon = world.daemon.take().expect("a daemon");
    daemon.stop();
    let file = world.rack.directory("ours").join("state/objects");
    // It may not have been written yet.
    let _ = std::fs::remove_file(&file);
    std::fs::write(&file, b"podbgp objs. but damaged").expect("a file");
    world.daemon = Some(daemon.start_again());
    world.connect();
    world.advertises(&[]);
    let log = world.daemon().log();
    assert!(log.contains("going by the file alone"), "{log}");
    assert!(log.contains("it is damaged") || log.contains("it has format"), "{log}");
    world.server.restart();
    world.advertises(&[BLOCK]);
}

#[test]
fn a_block_reaches_the_peer_within_fifty_milliseconds() {
    requires!(&[]);
    let mut world = World::start("blocks = \"calico\"\npeers = \"none\"", |server| {
        server.install_calico();
        server.put(node(NODE, &[]));
        server.put_all((0..200).map(|number| affinity_of(&format!("node-{number}"), number)));
    });
    world.daemon().await_established("peer0");
    let mut took = Vec::new();
    for number in 0..21 {
        let block = format!("10.30.{number}.0/26");
        let start = Instant::now();
        world.server.put(affinity(&block));
        let update = world.update().expect("an UPDATE");
        took.push(start.elapsed());
        let announced: Vec<_> = update
            .announced
            .iter()
            .flat_map(|announced| &announced.nlri)
            .map(|nlri| nlri.prefix.to_string())
            .collect();
        assert_eq!(announced, std::slice::from_ref(&block));
        let name = format!("{NODE}-{}", block.replace(['.', '/'], "-"));
        world.server.delete(CALICO_GROUPS[0], "BlockAffinity", &name);
        let update = world.update().expect("an UPDATE");
        let withdrawn: Vec<_> = update.withdrawn.iter().map(|nlri| nlri.prefix.to_string()).collect();
        assert_eq!(withdrawn, [block]);
    }
    took.sort();
    let (median, most) = (took[took.len() / 2], took[took.len() - 1]);
    say(&format!("a BlockAffinity is an UPDATE after {median:?} at the median, {most:?} at most"));
    assert!(median < Duration::from_millis(50), "{took:?}");
}

/// A block of another node.
fn affinity_of(node: &str, number: usize) -> Value {
    let mut affinity = affinity(&format!("10.40.{number}.0/26"));
    affinity["spec"]["node"] = json!(node);
    affinity
}
