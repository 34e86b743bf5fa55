use std::collections::BTreeSet;
use std::num::NonZeroU8;
use std::time::Duration;

use bgp::{Asn, BgpId, Family, FamilySet, HoldTime};
use control::PeerState;
use podbgpd::intent::reconcile::{NODE_KEYS, PEER_KEYS};
use podbgpd::intent::{
    AddPath, AoAlgorithm, AoKey, Bfd, BlockSource, BmpView, Effect, Export, Hand, Import, Intent, Kubernetes,
    Leftover, Mrt, Originated, PeerIntent, PeerSource, RestartRole, RouterId, Secret, Station, StatusReport,
    Weights,
};

use crate::world::World;
use crate::{SOON, address, blocks, name, net, node_with_peers};

type Edit<T> = (&'static str, fn(&mut T));

/// A change of each setting of a peer.
const PEER_EDITS: &[Edit<PeerIntent>] = &[
    ("peer.description", |peer| peer.description = Some("the left one".to_owned())),
    ("peer.address", |peer| peer.address = address("192.0.2.77")),
    ("peer.port", |peer| peer.port = 1790),
    ("peer.asn", |peer| peer.asn = Asn(65_000).into()),
    ("peer.local-asn", |peer| peer.local_asn = Some(Asn(65_000))),
    ("peer.local-asn-mode", |peer| peer.local_asn_mode = rib::own_as::Shown::Both),
    ("peer.allow-own-as", |peer| peer.allow_own_as = 1),
    ("peer.local-address", |peer| peer.local_address = Some(address("192.0.2.1"))),
    ("peer.interface", |peer| peer.interface = Some("eth2".to_owned())),
    ("peer.role", |peer| peer.role = Some(bgp::Role::Provider)),
    ("peer.role-strict", |peer| peer.role_strict = true),
    ("peer.passive", |peer| peer.passive = true),
    ("peer.password-file", |peer| peer.password = Secret::new(b"sesame")),
    ("peer.tcp-ao", |peer| {
        let secret = Secret::new(b"sesame").unwrap();
        peer.tcp_ao = vec![AoKey { id: 1, algorithm: AoAlgorithm::default(), secret }];
    }),
    ("peer.hold-time", |peer| peer.hold_time = HoldTime::new(30).unwrap()),
    ("peer.keepalive", |peer| peer.keepalive = Some(SOON)),
    ("peer.send-hold-time", |peer| peer.send_hold = None),
    ("peer.connect-retry", |peer| peer.connect_retry = Duration::from_secs(60)),
    ("peer.families", |peer| peer.families = FamilySet::from_iter([Family::Ipv4])),
    ("peer.ttl-security", |peer| peer.ttl_security = Some(1)),
    ("peer.multihop", |peer| peer.multihop = 2),
    ("peer.restart-time", |peer| peer.restart_time = Some(61)),
    ("peer.fast-failover", |peer| peer.fast_failover = Some(false)),
    ("peer.bfd", |peer| peer.bfd = Some(Bfd::default())),
    ("peer.graceful-restart", |peer| peer.graceful_restart = RestartRole::Off),
    ("peer.max-prefixes", |peer| peer.max_prefixes = Some(1000)),
    ("peer.max-prefixes-warning", |peer| peer.max_prefixes_warning = Some(80)),
    ("peer.max-prefixes-restart", |peer| peer.max_prefixes_restart = Some(Duration::from_secs(60))),
    ("peer.max-length-ipv4", |peer| peer.max_length_ipv4 = 24),
    ("peer.max-length-ipv6", |peer| peer.max_length_ipv6 = 64),
    ("peer.import", |peer| peer.import = Import::All),
    ("peer.export", |peer| peer.export = Export::All),
    ("peer.graceful-shutdown", |peer| peer.graceful_shutdown = false),
    ("peer.blackhole", |peer| peer.blackhole = true),
    ("peer.client", |peer| peer.client = true),
    ("peer.next-hop", |peer| peer.next_hop = rib::NextHopMode::Keep),
    ("peer.add-path", |peer| peer.add_path.send = Some(AddPath::SEND)),
    ("peer.link-bandwidth", |peer| peer.link_bandwidth = Some(1_250_000_000)),
    ("peer.aigp", |peer| peer.aigp = Some(true)),
    ("peer.shutdown", |peer| peer.shutdown = true),
];

/// A change of each setting of the node.
const NODE_EDITS: &[Edit<Intent>] = &[
    ("node.name", |node| node.node.name = "another".to_owned()),
    ("node.asn", |node| node.node.asn = Asn(65_000)),
    ("node.router-id", |node| node.node.router_id = BgpId::new([192, 0, 2, 99].into()).unwrap()),
    ("node.cluster-id", |node| node.node.cluster_id = [192, 0, 2, 99].into()),
    ("node.listen", |node| node.node.listen = ["127.0.0.1:1179".parse().unwrap()].into()),
    ("node.blocks", |node| node.node.blocks.extend([net("10.99.0.0/24")])),
    ("node.require-policy", |node| node.node.require_policy = true),
    ("node.announce-fqdn", |node| node.node.announce_fqdn = false),
    ("node.announce-version", |node| node.node.announce_version = true),
    ("fib.install", |node| node.fib.install = false),
    ("fib.protocol", |node| node.fib.protocol = 99),
    ("fib.metric", |node| node.fib.metric = 99),
    ("fib.transit-table", |node| node.fib.transit_table = 177),
    ("fib.table", |node| node.fib.table = 99),
    ("fib.max-paths", |node| node.fib.max_paths = 1),
    ("fib.next-hop-groups", |node| node.fib.next_hop_groups = podbgpd::intent::NextHopGroups::Never),
    ("fib.weights", |node| node.fib.weights = Weights::LinkBandwidth),
    ("decision.multipath-relax", |node| node.decision.multipath_relax = false),
    ("decision.always-compare-med", |node| node.decision.always_compare_med = true),
    ("bfd.min-tx", |node| node.bfd.min_tx = Duration::from_millis(50)),
    ("bfd.min-rx", |node| node.bfd.min_rx = Duration::from_millis(50)),
    ("bfd.multiplier", |node| node.bfd.multiplier = NonZeroU8::MIN),
    ("graceful-restart.enabled", |node| node.graceful_restart.enabled = false),
    ("graceful-restart.restart-time", |node| node.graceful_restart.restart_time = 61),
    ("graceful-restart.selection-deferral", |node| node.graceful_restart.selection_deferral = SOON),
    ("graceful-restart.max-peer-restart-time", |node| node.graceful_restart.max_peer_restart_time = SOON),
    ("graceful-restart.long-lived-stale-time", |node| node.graceful_restart.long_lived_stale_time = 3600),
    ("graceful-restart.state-directory", |node| node.graceful_restart.state_directory = "/state".into()),
    ("drain.announce", |node| node.drain.announce = Duration::from_secs(20)),
    ("drain.withdraw", |node| node.drain.withdraw = Duration::from_secs(3)),
    ("drain.deadline", |node| node.drain.deadline = Duration::from_secs(90)),
    ("drain.prepend", |node| node.drain.prepend = 3),
    ("drain.med", |node| node.drain.med = Some(100)),
    ("drain.on-host-shutdown", |node| node.drain.on_host_shutdown = false),
    ("history.records", |node| node.history.records = 0),
    ("control.socket", |node| node.control_socket = "/run/elsewhere.sock".into()),
    ("metrics.listen", |node| node.metrics = Some("127.0.0.1:9179".parse().unwrap())),
    ("bmp.address", |node| node.bmp.clear()),
    ("bmp.views", |node| station(node).views = [BmpView::LocRib].into()),
    ("bmp.statistics-interval", |node| station(node).statistics_interval = None),
    ("kubernetes.node-name", |node| kubernetes(node).node_name = "node-b".to_owned()),
    ("kubernetes.kubeconfig", |node| kubernetes(node).kubeconfig = Some("/etc/kubeconfig".into())),
    ("kubernetes.namespace", |node| kubernetes(node).namespace = "podbgp".to_owned()),
    ("kubernetes.router-id", |node| kubernetes(node).router_id = RouterId::Hash),
    ("kubernetes.blocks", |node| kubernetes(node).blocks = BlockSource::Node),
    ("kubernetes.peers", |node| kubernetes(node).peers = PeerSource::Podbgp),
    ("kubernetes.service-cluster-ips", |node| {
        kubernetes(node).services.cluster.insert(net("10.96.0.0/16"));
    }),
    ("kubernetes.service-external-ips", |node| {
        kubernetes(node).services.external.insert(net("192.0.2.64/27"));
    }),
    ("kubernetes.service-load-balancer-ips", |node| {
        kubernetes(node).services.load_balancer.insert(net("192.0.2.96/27"));
    }),
    ("kubernetes.accept-default", |node| kubernetes(node).accept_default = true),
    ("kubernetes.drain-taints", |node| {
        kubernetes(node).drain_taints.insert("podbgp.io/drain".to_owned());
    }),
    ("kubernetes.startup-taint", |node| {
        kubernetes(node).startup_taint = Some("podbgp.io/starting".to_owned());
    }),
    ("kubernetes.max-withdraw", |node| kubernetes(node).max_withdraw = 100),
    ("kubernetes.hold", |node| kubernetes(node).hold = Some(SOON)),
    ("kubernetes.damping", |node| kubernetes(node).damping = SOON),
    ("kubernetes.status", |node| kubernetes(node).status = StatusReport::None),
    ("cluster.originated", |node| {
        let originated = Originated::new("Node node-a".to_owned(), Leftover::Dropped);
        node.originated.insert(net("10.99.0.0/24"), originated);
    }),
    ("cluster.ownership", |node| node.ownership.pools = vec![(net("10.96.0.0/12"), Hand::Theirs)]),
    ("cluster.host-routes", |node| {
        node.host_routes.insert(address("192.0.2.200"), address("192.0.2.254"));
    }),
    ("cluster.guard", |node| node.guard.refuse_default = true),
    ("cluster.leave", |node| node.leave = Some("it is to be drained".to_owned())),
    ("mrt.directory", |node| mrt(node).directory = "/mrt/elsewhere".into()),
    ("mrt.max-size", |node| mrt(node).max_size = 2 << 20),
    ("mrt.max-age", |node| mrt(node).max_age = Duration::from_secs(60)),
    ("mrt.keep", |node| mrt(node).keep = 2),
];

/// Has a node monitored in every way there is.
fn monitored(node: &mut Intent) {
    let address = "192.0.2.9:11019".parse().unwrap();
    let views = [BmpView::AdjRibInPrePolicy].into();
    node.bmp.insert(address, Station { address, views, statistics_interval: Some(SOON) });
    node.mrt = Some(Mrt { directory: "/mrt".into(), max_size: 1 << 20, max_age: SOON, keep: 1 });
}

fn station(node: &mut Intent) -> &mut Station {
    node.bmp.values_mut().next().expect("the node is monitored")
}

fn kubernetes(node: &mut Intent) -> &mut Kubernetes {
    node.kubernetes.as_mut().expect("the node is in a cluster")
}

fn mrt(node: &mut Intent) -> &mut Mrt {
    node.mrt.as_mut().expect("the node is monitored")
}

/// A node of a cluster between two others.
fn middle() -> World {
    let mut node = node_with_peers(1, &[2, 3]);
    node.kubernetes = Some(Kubernetes::new("node-a".to_owned()));
    let mut world = World::new([node, node_with_peers(2, &[1]), node_with_peers(3, &[1])]);
    world.run(SOON);
    for number in [2, 3] {
        assert_eq!(world.peer(1, number).state, PeerState::Established);
    }
    world
}

/// The sessions node 1 lost with nodes 2 and 3.
fn flaps(world: &World) -> [u64; 2] {
    [world.peer(1, 2).flaps, world.peer(1, 3).flaps]
}

#[test]
fn every_setting_is_tried_here() {
    let tried = |keys: &[&'static str]| keys.iter().copied().collect::<BTreeSet<_>>();
    let peers: Vec<_> = PEER_EDITS.iter().map(|(key, _)| *key).collect();
    assert_eq!(tried(&peers), PEER_KEYS.iter().map(|key| key.path).collect());
    let nodes: Vec<_> = NODE_EDITS.iter().map(|(key, _)| *key).collect();
    assert_eq!(tried(&nodes), NODE_KEYS.iter().map(|key| key.path).collect());
}

#[test]
fn a_setting_of_a_peer_costs_what_its_row_says_and_only_that_peer() {
    for (path, edit) in PEER_EDITS {
        let effect = PEER_KEYS.iter().find(|key| key.path == *path).unwrap().effect;
        let mut world = middle();
        let closed = world.node(1).closed;
        let changes = world.reload(1, |intent| edit(intent.peers.get_mut(&name(2)).unwrap())).unwrap();
        assert_eq!(changes.len(), 1, "{path}");
        world.run(SOON);
        let resets = u64::from(effect == Effect::SessionReset);
        assert_eq!(flaps(&world), [resets, 0], "{path}");
        assert_eq!((world.node(1).closed - closed > 0), resets > 0, "{path}");
        let asked: u64 = world.peer(2, 1).messages.received.route_refresh;
        assert_eq!(asked, 0, "{path}: what was received is kept, nobody need be asked");
    }
}

#[test]
fn a_setting_of_the_node_costs_what_its_row_says() {
    for (path, edit) in NODE_EDITS {
        let effect = NODE_KEYS.iter().find(|key| key.path == *path).unwrap().effect;
        let mut world = middle();
        world.reload(1, monitored).unwrap();
        let before = world.node(1).speaker.intent().clone();
        let result = world.reload(1, edit);
        let changes = result.as_ref().unwrap_or_else(|changes| changes);
        assert!(!changes.is_empty(), "{path}");
        assert_eq!(result.is_err(), effect == Effect::Restart, "{path}");
        if effect == Effect::Restart {
            assert_eq!(*world.node(1).speaker.intent(), before, "{path}: nothing has changed");
        }
        world.run(SOON);
        let resets = u64::from(effect == Effect::SessionReset);
        assert_eq!(flaps(&world), [resets, resets], "{path}");
    }
}

#[test]
fn a_reload_that_is_refused_in_part_changes_nothing() {
    let mut world = middle();
    let result = world.reload(1, |intent| {
        intent.fib.metric = 99;
        intent.node.blocks.clear();
        intent.peers.clear();
    });
    assert_eq!(result.map_err(|changes| changes.len()), Err(1));
    world.run(SOON);
    assert_eq!(flaps(&world), [0, 0]);
    assert_eq!(world.prefixes(2, 1), blocks(1));
}

#[test]
fn blocks_come_and_go_without_a_reset() {
    let mut world = middle();
    let [first, second] = blocks(1);
    let new = net("10.99.0.0/24");
    world.reload(1, |intent| intent.node.blocks = [second, new].into()).unwrap();
    world.run(SOON);
    assert_eq!(world.prefixes(2, 1), [new, second]);
    assert_eq!(world.node(1).kernel.routes.get(&first), None);
    assert_eq!(world.node(1).kernel.routes.get(&new), Some(&fib::Target::Blackhole));
    assert_eq!(flaps(&world), [0, 0]);
}

#[test]
fn another_export_is_told_at_once_and_another_import_judged_at_once() {
    let mut world = middle();
    world
        .reload(1, |intent| {
            intent.peers.get_mut(&name(2)).unwrap().export = Export::All;
            intent.peers.get_mut(&name(3)).unwrap().import = Import::None;
        })
        .unwrap();
    world.run(SOON);
    assert_eq!(world.prefixes(2, 1), blocks(1), "node 3 is not believed any more");
    world.reload(1, |intent| intent.peers.get_mut(&name(3)).unwrap().import = Import::Safe).unwrap();
    world.run(SOON);
    let mut all = [blocks(1), blocks(3)].concat();
    all.sort();
    assert_eq!(world.prefixes(2, 1), all);
    assert_eq!(flaps(&world), [0, 0]);
}

#[test]
fn two_peers_may_swap_their_addresses() {
    let mut world = middle();
    world
        .reload(1, |intent| {
            for (one, other) in [(2, 3), (3, 2)] {
                let peer = intent.peers.get_mut(&name(one)).unwrap();
                (peer.address, peer.asn) = (crate::world::address(other), crate::asn(other).into());
            }
        })
        .unwrap();
    world.run(SOON * 10);
    assert_eq!(world.prefixes(1, 2), blocks(3));
    assert_eq!(world.prefixes(1, 3), blocks(2));
    for number in [2, 3] {
        assert_eq!(world.peer(number, 1).state, PeerState::Established);
    }
}

#[test]
fn a_peer_may_come_where_another_went() {
    let mut world = middle();
    world
        .reload(1, |intent| {
            let peer = intent.peers.remove(&name(2)).unwrap();
            intent.peers.insert("heir".to_owned(), PeerIntent { name: "heir".to_owned(), ..peer });
        })
        .unwrap();
    assert_eq!(world.node(1).kernel.forwarded(), blocks(3), "the routes of the old one are gone");
    world.run(SOON * 10);
    let now = world.now;
    let view = world.node(1).speaker.peer_view("heir", now).expect("it is there");
    assert_eq!(view.state, PeerState::Established);
    assert!(world.node(1).speaker.peer_view(&name(2), now).is_none());
}

#[test]
fn a_password_is_handed_to_the_sockets_and_to_nobody_else() {
    let mut world = middle();
    let before = world.node(1).transmitted;
    let set = |intent: &mut Intent, secret: Option<&[u8]>| {
        intent.peers.get_mut("node2").unwrap().password = secret.and_then(Secret::new);
    };
    world.reload(1, |intent| set(intent, Some(b"sesame"))).unwrap();
    world.reload(1, |intent| set(intent, Some(b"sesame"))).unwrap();
    world.reload(1, |intent| set(intent, Some(b"mucho"))).unwrap();
    world.reload(1, |intent| set(intent, None)).unwrap();
    let peer = crate::world::address(2);
    assert_eq!(world.node(1).passwords, [(peer, true), (peer, true), (peer, false)]);
    assert_eq!(world.node(1).transmitted, before);
    assert_eq!(flaps(&world), [0, 0]);
}

#[test]
fn a_password_leaves_with_the_peer_and_comes_with_its_address() {
    let mut one = node_with_peers(1, &[2]);
    one.peers.get_mut("node2").unwrap().password = Secret::new(b"sesame");
    let mut world = World::new([one]);
    let (old, new) = (crate::world::address(2), address("192.0.2.77"));
    assert_eq!(world.node(1).passwords, [(old, true)]);
    world.reload(1, |intent| intent.peers.get_mut("node2").unwrap().address = new).unwrap();
    assert_eq!(world.node(1).passwords[1..], [(old, false), (new, true)]);
    world.reload(1, |intent| intent.peers.clear()).unwrap();
    assert_eq!(world.node(1).passwords[3..], [(new, false)]);
}

#[test]
fn a_peer_that_is_to_be_dialled_now_is() {
    let passive = |number, peer| {
        let mut node = node_with_peers(number, &[peer]);
        node.peers.values_mut().for_each(|peer| peer.passive = true);
        node
    };
    let mut world = World::new([passive(1, 2), passive(2, 1)]);
    world.run(SOON);
    assert_eq!(world.peer(1, 2).state, PeerState::Active);
    world.reload(1, |intent| intent.peers.get_mut("node2").unwrap().passive = false).unwrap();
    world.run(SOON);
    assert_eq!(world.peer(1, 2).state, PeerState::Established);
}
