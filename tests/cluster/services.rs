//! The way of a packet to a Service: client, core, switch, node, pod, and back.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use lab::net::{Namespace, NextHop};
use lab::rack::Rack;
use lab::rack::plan::{NodeId, TorId};
use lab::speakers::{Kind, Neighbor, Speaker, SpeakerConfig};
use support::{SOON, eventually, requires};

use crate::kube_proxy::{self, Proxied};
use crate::objects::{Source, service, slice};
use crate::world::World;

const CORE_AS: u32 = 65_100;
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 205, 0, 2);
/// Where external addresses are from, and those of load balancers.
const EXTERNAL: &str = "192.0.2.96/27";
const BALANCED: &str = "192.0.2.128/27";
/// The Service any node passes on, and the one only nodes with a pod of it answer for.
const WEB: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 97)), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 129))];
const API: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 98)), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 130))];
/// How many connections it takes until both nodes have had some: by chance one of two thousand million runs fails.
const CONNECTIONS: usize = 32;

/// What is above the switch.
struct Outside {
    client: Namespace,
    _core: (Namespace, Speaker),
}

impl Outside {
    /// Puts a core above the first switch, and a client beside it.
    fn attach(rack: &mut Rack, folder: PathBuf) -> Self {
        let [core, client] = ["core", "client"].map(|name| Namespace::new(name).expect("a namespace"));
        core.forward().expect("a core forwards");
        let tor = &mut rack.tors[0].router;
        let net = |text: &str| text.parse::<IpNet>().expect("a prefix");
        tor.namespace.connect("core", &core, "tor-a").expect("a wire");
        tor.namespace.add_address("core", net("10.204.0.0/31")).expect("an address");
        core.add_address("tor-a", net("10.204.0.1/31")).expect("an address");
        core.connect("client", &client, "eth0").expect("a wire");
        core.add_address("client", net("10.205.0.1/24")).expect("an address");
        client.add_address("eth0", net(&format!("{CLIENT}/24"))).expect("an address");
        let out = NextHop::via(Ipv4Addr::new(10, 205, 0, 1)).through("eth0");
        client.add_route(net("0.0.0.0/0"), &[out]).expect("a route");

        // A node is known to the other by the way out of both.
        tor.config_mut().announce = vec![net("0.0.0.0/0")];
        tor.config_mut().neighbors.push(Neighbor::new(Ipv4Addr::new(10, 204, 0, 1), CORE_AS));
        let config = SpeakerConfig {
            neighbors: vec![Neighbor::new(Ipv4Addr::new(10, 204, 0, 0), TorId::A.asn())],
            announce: vec![net("10.205.0.0/24")],
            install: true,
            ..SpeakerConfig::new(CORE_AS, Ipv4Addr::new(10, 204, 0, 1))
        };
        std::fs::create_dir_all(&folder).expect("a folder");
        let speaker = Speaker::start(Kind::Bird, &core, &config, &folder).expect("BIRD starts");
        Self { client, _core: (core, speaker) }
    }

    /// Asks a Service who answers and whom it takes us for.
    fn ask(&self, service: IpAddr) -> Result<(String, IpAddr)> {
        self.client.run(|| {
            let at = SocketAddr::new(service, 80);
            let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(1))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            let (pod, seen) = answer.split_once(' ').with_context(|| format!("{answer:?}"))?;
            Ok((pod.to_owned(), seen.parse()?))
        })
    }
}

/// Has a pod answer with its name and the address it sees.
fn serve(rack: &Rack, node: NodeId, number: u8) {
    let pod = &rack.nodes[node as usize - 1].pods[usize::from(number) - 1];
    let listener = pod.namespace.run(|| TcpListener::bind("0.0.0.0:8080")).expect("a port of its own");
    let name = node.pod_name(number);
    // Ends with the test.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let Ok(seen) = stream.peer_addr() else { continue };
            // A client that is gone does not need the answer.
            let _ = write!(stream, "{name} {}", seen.ip());
        }
    });
}

/// Has kube-proxy of both nodes know who answers for the two Services.
fn proxy(world: &World, endpoints: &[(NodeId, IpAddr)]) {
    let services = [
        Proxied { name: "web", addresses: &WEB, local: false, endpoints },
        Proxied { name: "api", addresses: &API, local: true, endpoints },
    ];
    for id in NodeId::BOTH {
        let namespace = &world.rack.nodes[id as usize - 1].router.namespace;
        kube_proxy::apply(namespace, id, &services, &world.folder());
    }
}

/// Has the API server and the nodes say which pods are ready.
fn ready(world: &World, endpoints: &[(NodeId, IpAddr)]) {
    let all: Vec<_> = endpoints.iter().map(|(node, pod)| (*node, *pod, true)).collect();
    world.server.put_all(["web", "api"].map(|name| slice(name, &all)));
    proxy(world, endpoints);
}

#[test]
fn a_client_reaches_pods_by_the_addresses_of_their_service() {
    requires!(&["bird", "birdc", "iptables-restore"]);
    let [pod_a, pod_b] = NodeId::BOTH.map(|node| (node, node.pod(1)[0]));
    let objects = [
        service("web", "Cluster", WEB[0], WEB[1]),
        service("api", "Local", API[0], API[1]),
        slice("web", &[(pod_b.0, pod_b.1, true)]),
        slice("api", &[(pod_b.0, pod_b.1, true)]),
    ];
    let lines = format!(
        "service-external-ips = [\"{EXTERNAL}\"]\nservice-load-balancer-ips = [\"{BALANCED}\"]\n\
         damping = 1\naccept-default = true"
    );
    let mut outside = None;
    let world = World::start_with(Source::Node, &objects, &lines, |rack, folder| {
        outside = Some(Outside::attach(rack, folder.join("core")));
    });
    let outside = outside.expect("the world was built");
    NodeId::BOTH.into_iter().for_each(|node| serve(&world.rack, node, 1));
    proxy(&world, &[pod_b]);

    // Any node answers for a range: by either, to the pod on the second, and back the way it came.
    for range in [EXTERNAL, BALANCED].map(|range| range.parse::<IpNet>().unwrap()) {
        eventually(SOON, "both nodes to attract the range", || {
            let nodes = world.nodes_towards(range)?;
            ensure!(nodes == NodeId::BOTH, "{range} leads to {nodes:?}");
            Ok(())
        });
    }
    eventually(SOON, "the core to know the way", || outside.ask(WEB[0]));
    let answers: BTreeSet<(String, IpAddr)> = (0..CONNECTIONS)
        .map(|_| WEB.iter().map(|address| outside.ask(*address).expect("every connection is answered")))
        .flat_map(Iterator::collect::<Vec<_>>)
        .collect();
    let pods: BTreeSet<&str> = answers.iter().map(|(pod, _)| pod.as_str()).collect();
    assert_eq!(pods, BTreeSet::from([NodeId::B.pod_name(1).as_str()]));
    let first = NodeId::A.addresses(TorId::A)[0].addr();
    assert!(answers.iter().any(|(_, seen)| *seen == first), "by the first node, as itself: {answers:?}");
    assert!(answers.len() > 1, "and by the second: {answers:?}");

    // Only a node with a pod answers here, and the pod sees who asks.
    let single = API.map(IpNet::from);
    for address in single {
        eventually(SOON, "the node with the pod to attract the address", || only(&world, address, NodeId::B));
    }
    for address in API {
        for _ in 0..8 {
            assert_eq!(outside.ask(address).unwrap(), (NodeId::B.pod_name(1), CLIENT.into()));
        }
    }

    // The pod moves: its address follows it.
    ready(&world, &[pod_a]);
    for address in single {
        eventually(SOON, "the other node to attract the address", || only(&world, address, NodeId::A));
    }
    let moved = (NodeId::A.pod_name(1), IpAddr::from(CLIENT));
    eventually(SOON, "the other pod to answer", || {
        let answer = outside.ask(API[0])?;
        ensure!(answer == moved, "{answer:?}");
        Ok(())
    });

    // With the last endpoint the address goes, and the range stays.
    ready(&world, &[]);
    for address in single {
        eventually(SOON, "the address to be withdrawn", || world.no_route(address));
    }
    let range: IpNet = EXTERNAL.parse().unwrap();
    assert_eq!(world.nodes_towards(range).unwrap(), NodeId::BOTH);
    assert!(outside.ask(API[0]).is_err());
}

fn only(world: &World, address: IpNet, node: NodeId) -> Result<()> {
    let nodes = world.nodes_towards(address)?;
    ensure!(nodes == [node], "{address} leads to {nodes:?}");
    Ok(())
}
