//! Which sessions there are, and how they are.

use serde_json::json;

use super::world::{World, export, import, named, names, node, only, originated, problems};
use crate::calico::secrets;
use crate::event::Kind;
use crate::plan::Plan;

fn passive(plan: &Plan) -> String {
    let passive = plan.peers.values().filter(|peer| peer.passive);
    passive.map(|peer| peer.name.clone()).collect::<Vec<_>>().join(" ")
}

fn clients(plan: &Plan) -> String {
    let clients = plan.peers.values().filter(|peer| peer.client);
    clients.map(|peer| peer.name.clone()).collect::<Vec<_>>().join(" ")
}

fn meshed() -> World {
    World::new().configured(json!({}))
}

#[test]
fn nodes_of_the_mesh_are_all_peers_and_the_text_of_addresses_says_who_dials() {
    let plan = meshed()
        .with(Kind::Node, node("c", 10))
        .with(Kind::Node, json!({"metadata": {"name": "d", "annotations": {"projectcalico.org/IPv4Address": "10.0.0.3/24"}}}))
        .with(Kind::Node, json!({"metadata": {"name": "e"}}))
        .plan();
    assert_eq!(names(&plan), "Mesh_10_0_0_10 Mesh_10_0_0_2 Mesh_10_0_0_3 Mesh_fd00__10 Mesh_fd00__2");
    assert_eq!(passive(&plan), names(&plan));
    // Seen from 10.0.0.9, 10.0.0.10 is before it, as text is: it is the one that waits for us.
    let plan = World::new()
        .with(Kind::Node, node("a", 9))
        .with(Kind::Node, node("c", 10))
        .configured(json!({}))
        .plan();
    assert_eq!(names(&plan), "Mesh_10_0_0_10 Mesh_10_0_0_2 Mesh_fd00__10 Mesh_fd00__2");
    assert_eq!(passive(&plan), "");
    assert_eq!(problems(&plan), "");
}

#[test]
fn a_session_of_the_mesh_is_internal_and_from_our_address() {
    let plan = meshed().plan();
    let peer = &plan.peers["Mesh_10_0_0_2"];
    assert_eq!(peer.asn, bgp::Asn(64_512).into());
    assert_eq!(peer.local_address, Some([10, 0, 0, 1].into()));
    assert_eq!((peer.ttl_security, peer.multihop, peer.restart_time), (None, 64, Some(120)));
    assert_eq!(
        (import(peer).name.as_str(), export(peer).name.as_str()),
        ("calico import ipv4 ibgp", "calico export ipv4 ibgp")
    );
}

#[test]
fn all_sessions_of_the_mesh_share_their_policies() {
    let plan = meshed().with(Kind::Node, node("c", 3)).plan();
    assert!(std::ptr::eq(export(&plan.peers["Mesh_10_0_0_2"]), export(&plan.peers["Mesh_10_0_0_3"])));
    assert!(std::ptr::eq(import(&plan.peers["Mesh_fd00__2"]), import(&plan.peers["Mesh_fd00__3"])));
}

#[test]
fn the_as_of_a_node_of_the_mesh_is_its_own_or_that_of_all() {
    let plan = meshed().annotated("a", "ASNumber", "65010").annotated("b", "ASNumber", "1.10").plan();
    assert_eq!(plan.asn, Some(bgp::Asn(65_010)));
    assert_eq!(plan.peers["Mesh_10_0_0_2"].asn, bgp::Asn(65_546).into());
    // Not that of this node: the other one knows nothing of it.
    let plan = meshed().annotated("a", "ASNumber", "65010").plan();
    assert_eq!(plan.peers["Mesh_10_0_0_2"].asn, bgp::Asn(64_512).into());
}

#[test]
fn route_reflectors_are_not_in_the_mesh() {
    let rr = |node| {
        meshed().annotated(node, "RouteReflectorClusterID", "244.0.0.1").with(Kind::Node, node_c()).plan()
    };
    assert_eq!(names(&rr("a")), "");
    assert_eq!(rr("a").cluster_id, Some([244, 0, 0, 1].into()));
    assert_eq!(names(&rr("b")), "Mesh_10_0_0_3 Mesh_fd00__3");
    fn node_c() -> serde_json::Value {
        node("c", 3)
    }
}

#[test]
fn a_route_reflector_reflects_for_internal_peers_that_are_not_of_its_cluster() {
    let world = World::new()
        .annotated("a", "RouteReflectorClusterID", "244.0.0.1")
        .with(Kind::Node, node("c", 3))
        .annotated("c", "RouteReflectorClusterID", "244.0.0.1")
        .with(Kind::Node, node("d", 4))
        .annotated("d", "RouteReflectorClusterID", "244.0.0.2")
        .with(Kind::Node, node("e", 5))
        .annotated("e", "ASNumber", "65005")
        .peer("nodes", json!({"peerSelector": "all()"}))
        .peer("router", json!({"peerIP": "10.0.0.254", "asNumber": 64512}));
    let plan = world.plan();
    assert_eq!(
        clients(&plan),
        "Global_10_0_0_2 Global_10_0_0_254 Global_10_0_0_4 Global_fd00__2 Global_fd00__4"
    );
    assert!(names(&plan).contains("Global_10_0_0_3 ") && names(&plan).contains("Global_10_0_0_5 "));
    // Towards whom we are in another AS, it is that one that counts.
    let plan = World::new()
        .annotated("a", "RouteReflectorClusterID", "244.0.0.1")
        .peer("router", json!({"peerIP": "10.0.0.254", "asNumber": 65001, "localASNumber": 65001}))
        .plan();
    assert_eq!(clients(&plan), "Global_10_0_0_254");
}

#[test]
fn peers_of_selected_nodes_and_back() {
    let rr = |world: World| {
        world.with(Kind::Node, node("c", 3)).peer(
            "rr",
            json!({"nodeSelector": "!has(rr)", "peerSelector": "has(rr)", "maxRestartTime": "30s"}),
        )
    };
    // Nodes that are no reflectors have a peer in each that is.
    let plan = rr(World::new().labelled("b", "rr", "1")).plan();
    assert_eq!(names(&plan), "Node_10_0_0_2 Node_fd00__2");
    // The reflector has one back in each of them, with the same options.
    let plan = rr(World::new().labelled("a", "rr", "1")).plan();
    assert_eq!(names(&plan), "Node_10_0_0_2 Node_10_0_0_3 Node_fd00__2 Node_fd00__3");
    assert_eq!(plan.peers["Node_10_0_0_2"].restart_time, Some(30));
    // Both sides dial.
    assert_eq!(passive(&plan), "");
    assert_eq!(problems(&plan), "");
}

#[test]
fn a_peer_at_the_address_of_a_node_makes_one_back_there() {
    let of_b = |spec| World::new().peer("p", spec).plan();
    assert_eq!(names(&of_b(json!({"node": "b", "peerIP": "10.0.0.1", "asNumber": 64512}))), "Node_10_0_0_2");
    assert_eq!(names(&of_b(json!({"node": "b", "peerIP": "10.0.0.1"}))), "Node_10_0_0_2");
    assert_eq!(names(&of_b(json!({"node": "b", "peerIP": "fd00::1", "asNumber": 64512}))), "Node_fd00__2");
    assert_eq!(names(&of_b(json!({"node": "b", "peerIP": "10.0.0.1", "asNumber": 64513}))), "");
    assert_eq!(names(&of_b(json!({"node": "b", "peerIP": "10.0.0.1:1790", "asNumber": 64512}))), "");
    assert_eq!(names(&of_b(json!({"node": "b", "peerIP": "10.0.0.7", "asNumber": 64512}))), "");
    // What b calls itself is what we expect of it.
    let plan = of_b(json!({"node": "b", "peerIP": "10.0.0.1", "asNumber": 64512, "localASNumber": 65009}));
    assert_eq!((only(&plan).asn, only(&plan).local_asn), (bgp::Asn(65_009).into(), None));
}

#[test]
fn a_global_peer_that_is_a_node_waits_as_the_mesh_does_and_one_of_a_node_never() {
    let plan = World::new().peer("p", json!({"peerIP": "10.0.0.2", "asNumber": 64512})).plan();
    assert_eq!((names(&plan).as_str(), passive(&plan).as_str()), ("Global_10_0_0_2", "Global_10_0_0_2"));
    let plan = World::new().peer("p", json!({"node": "a", "peerIP": "10.0.0.2", "asNumber": 64512})).plan();
    assert_eq!((names(&plan).as_str(), passive(&plan).as_str()), ("Node_10_0_0_2", ""));
    let plan = World::new().peer("p", json!({"peerIP": "10.0.0.254", "asNumber": 65001})).plan();
    assert_eq!(passive(&plan), "");
}

#[test]
fn the_port_of_a_peer_is_what_is_said_or_what_the_node_listens_on() {
    let world = |spec| {
        World::new()
            .with(Kind::BgpConfiguration, named("node.b", json!({"listenPort": 1792})))
            .peer("p", spec)
            .plan()
    };
    let port = |spec| {
        let plan = world(spec);
        (only(&plan).name.clone(), only(&plan).port)
    };
    assert_eq!(
        port(json!({"peerIP": "10.0.0.254:1790", "asNumber": 65001})),
        ("Global_10_0_0_254_port_1790".into(), 1790)
    );
    assert_eq!(port(json!({"peerIP": "10.0.0.254", "asNumber": 65001})), ("Global_10_0_0_254".into(), 179));
    assert_eq!(
        port(json!({"peerIP": "10.0.0.2", "asNumber": 64512})),
        ("Global_10_0_0_2_port_1792".into(), 1792)
    );
    // Somebody else's speaker at the address of a node, in another AS.
    assert_eq!(port(json!({"peerIP": "10.0.0.2", "asNumber": 65001})), ("Global_10_0_0_2".into(), 179));
}

#[test]
fn we_are_no_peer_of_our_own() {
    let plan = World::new()
        .peer("p", json!({"peerIP": "10.0.0.1", "asNumber": 64512, "reversePeering": "Manual"}))
        .peer("q", json!({"peerSelector": "name == 'a'", "reversePeering": "Manual"}))
        .plan();
    assert_eq!(names(&plan), "");
}

#[test]
fn one_session_an_address_global_before_node_before_those_back_before_the_mesh() {
    let tor = |asn: u32| json!({"peerIP": "10.0.0.254", "asNumber": asn});
    let of_node = |asn: u32| json!({"peerIP": "10.0.0.254", "asNumber": asn, "node": "a"});
    let plan = World::new().peer("z", tor(65_001)).peer("y", tor(65_002)).peer("x", of_node(65_003)).plan();
    assert_eq!((names(&plan).as_str(), only(&plan).asn), ("Global_10_0_0_254", bgp::Asn(65_002).into()));
    assert_eq!(
        problems(&plan),
        "CalicoPeer x: spec: BGPPeer y already makes the session of this node with 10.0.0.254; this one makes none\n\
         CalicoPeer z: spec: BGPPeer y already makes the session of this node with 10.0.0.254; this one makes none"
    );
    // One of our own takes the place of those back and of the mesh, and of the other node's port.
    let plan = meshed()
        .peer("own", json!({"node": "a", "peerIP": "10.0.0.2", "asNumber": 64512, "keepaliveTime": "5s"}))
        .peer("back", json!({"node": "b", "peerIP": "10.0.0.1", "asNumber": 64512, "keepaliveTime": "6s"}))
        .plan();
    assert_eq!(names(&plan), "Mesh_fd00__2 Node_10_0_0_2");
    assert_eq!(plan.peers["Node_10_0_0_2"].keepalive, Some(std::time::Duration::from_secs(5)));
    assert_eq!(problems(&plan), "");
}

#[test]
fn a_family_without_an_address_of_the_node_has_no_sessions() {
    let world = meshed()
        .with(Kind::Node, json!({"metadata": {"name": "a", "annotations": {"projectcalico.org/IPv6Address": "fd00::1/64"}}}))
        .peer("p", json!({"peerIP": "10.0.0.254", "asNumber": 65001}))
        .peer("q", json!({"peerIP": "fd00::254", "asNumber": 65001}));
    let plan = world.plan();
    assert_eq!(names(&plan), "Global_fd00__254 Mesh_fd00__2");
    assert_eq!(plan.router_id, None);
}

#[test]
fn the_identifier_is_the_address_or_made_of_the_name_or_the_files() {
    use intent::RouterId;
    let id = |router_id| {
        let mut world = World::new();
        world.settings.router_id = router_id;
        world.plan().router_id.map(|id| id.to_string())
    };
    assert_eq!(id(RouterId::NodeAddress).as_deref(), Some("10.0.0.1"));
    // The SHA-256 of "a" begins with ca978112.
    assert_eq!(id(RouterId::Hash).as_deref(), Some("202.151.129.18"));
    assert_eq!(id(RouterId::File), None);
}

#[test]
fn a_password_that_is_not_there_means_no_session() {
    let secret =
        |data: &str| json!({"metadata": {"name": "s", "namespace": "kube-system"}, "data": {"k": data}});
    let world = || {
        World::new().configured(json!({"nodeMeshPassword": {"secretKeyRef": {"name": "s", "key": "k"}}})).peer(
            "p",
            json!({"peerIP": "10.0.0.254", "asNumber": 65001, "password": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        )
    };
    let plan = world().plan();
    assert_eq!(names(&plan), "");
    assert_eq!(
        problems(&plan),
        "BgpConfiguration default: spec.nodeMeshPassword: there is no Secret kube-system/s, or we may not read it; there is no session until it can be signed\n\
         CalicoPeer p: spec.password: there is no Secret kube-system/s, or we may not read it; there is no session until it can be signed"
    );
    assert_eq!(names(&world().with(Kind::Secret, secret("%%")).plan()), "");
    assert_eq!(names(&world().with(Kind::Secret, secret("")).plan()), "");
    // The end of a line is not part of it.
    let plan = world().with(Kind::Secret, secret("aHVudGVyMgo=")).plan();
    assert_eq!(names(&plan), "Global_10_0_0_254 Mesh_10_0_0_2 Mesh_fd00__2");
    assert!(plan.peers.values().all(|peer| peer.password.as_ref().unwrap().reveal() == b"hunter2"));
}

#[test]
fn only_secrets_of_our_own_sessions_are_asked_for() {
    let by = |name: &str| json!({"secretKeyRef": {"name": name, "key": "k"}});
    let world = World::new()
        .configured(json!({"nodeMeshPassword": by("mesh")}))
        .peer("p", json!({"peerIP": "10.0.0.254", "asNumber": 65001, "password": by("global")}))
        .peer("q", json!({"node": "b", "peerIP": "10.0.0.254", "asNumber": 65001, "password": by("others")}))
        .peer("r", json!({"node": "b", "peerIP": "10.0.0.1", "asNumber": 64512, "password": by("back")}))
        .peer("s", json!({"node": "b", "peerSelector": "all()", "password": by("all-back")}));
    let asked = |world: &World| {
        let secrets = secrets(&world.objects(), &world.settings);
        secrets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(asked(&world), "kube-system/all-back kube-system/back kube-system/global kube-system/mesh");
    let reflector = world.annotated("a", "RouteReflectorClusterID", "244.0.0.1");
    assert_eq!(asked(&reflector), "kube-system/all-back kube-system/back kube-system/global");
}

#[test]
fn a_peer_that_cannot_be_meant_makes_no_session_and_says_why() {
    for (spec, told) in [
        (json!({}), "spec: one of peerIP, peerSelector and localWorkloadSelector is needed, and no more"),
        (
            json!({"peerIP": "10.0.0.254", "peerSelector": "all()"}),
            "spec: one of peerIP, peerSelector and localWorkloadSelector is needed, and no more",
        ),
        (
            json!({"peerIP": "10.0.0.254", "asNumber": 65001, "node": "a", "nodeSelector": "all()"}),
            "spec.nodeSelector: node and nodeSelector exclude each other",
        ),
        (json!({"peerIP": "tor-a", "asNumber": 65001}), "spec.peerIP: \"tor-a\" is no address"),
        (
            json!({"peerIP": "10.0.0.254"}),
            "spec.asNumber: is needed for a peer that is no node of the cluster",
        ),
        (
            json!({"peerIP": "10.0.0.254", "asNumber": 0}),
            "spec.asNumber: is needed for a peer that is no node of the cluster",
        ),
        (json!({"peerIP": "10.0.0.254", "asNumber": 23456}), "spec.asNumber: AS 23456 is nobody's"),
        (
            json!({"peerIP": "10.0.0.254", "asNumber": 65001, "localASNumber": "x"}),
            "spec.localASNumber: \"x\" is no AS number",
        ),
        (json!({"peerSelector": "all("}), "spec.peerSelector: \"all(\" is no selector: "),
        (
            json!({"nodeSelector": "&&", "peerSelector": "all()"}),
            "spec.nodeSelector: \"&&\" is no selector: ",
        ),
        (json!({"localWorkloadSelector": "all()"}), "spec.asNumber: is needed beside localWorkloadSelector"),
        (
            json!({"peerIP": "10.0.0.254", "asNumber": 65001, "nextHopMode": "Own"}),
            "spec.nextHopMode: \"Own\" is none of Auto, Self, Keep",
        ),
        (
            json!({"peerIP": "10.0.0.254", "asNumber": 65001, "sourceAddress": "eth0"}),
            "spec.sourceAddress: \"eth0\" is none of UseNodeIP, None",
        ),
        (
            json!({"peerIP": "10.0.0.254", "asNumber": 65001, "reversePeering": "No"}),
            "spec.reversePeering: \"No\" is none of Auto, Manual",
        ),
        (
            json!({"peerIP": "10.0.0.254", "asNumber": 65001, "ttlSecurity": 256}),
            "spec.ttlSecurity: is no number of hops, 0 to 255",
        ),
        (
            json!({"peerIP": "10.0.0.254", "asNumber": 65001, "password": {}}),
            "spec.password: names no key of a Secret",
        ),
    ] {
        let plan = World::new().peer("p", spec.clone()).plan();
        assert_eq!(names(&plan), "", "{spec}");
        let problems = problems(&plan);
        assert!(problems.starts_with(&format!("CalicoPeer p: {told}")), "{spec}: {problems}");
        assert_eq!(problems.lines().count(), 1, "{spec}: {problems}");
    }
}

#[test]
fn an_option_that_cannot_be_meant_costs_no_session() {
    let plan = World::new()
        .peer("p", json!({"peerIP": "10.0.0.254", "asNumber": 65001, "maxRestartTime": "soon", "keepaliveTime": "100s",
            "numAllowedLocalASNumbers": -1, "reachableBy": "fd00::5"}))
        .peer("q", json!({"peerSelector": "name == 'b'", "asNumber": 65001, "localASNumber": 65002}))
        .plan();
    assert_eq!(names(&plan), "Global_10_0_0_2 Global_10_0_0_254 Global_fd00__2");
    assert_eq!(
        problems(&plan),
        "CalicoPeer p: spec.keepaliveTime: 100s is 100 s, which is not within 1 to 80; the default holds\n\
         CalicoPeer p: spec.maxRestartTime: \"soon\" is no time, such as 90s or 1m30s\n\
         CalicoPeer p: spec.numAllowedLocalASNumbers: -1 is less than 0, and counts as 0\n\
         CalicoPeer p: spec.reachableBy: fd00::5 and 10.0.0.254 are not of one family\n\
         CalicoPeer q: spec.asNumber: has no effect beside peerSelector: nodes say their own\n\
         CalicoPeer q: spec.localASNumber: means nothing beside peerSelector, and has no effect"
    );
    assert!(plan.host_routes.is_empty());
}

#[test]
fn a_workload_is_waited_for_at_its_first_address_of_each_family() {
    let mut world = World::new()
        .peer("p", json!({"localWorkloadSelector": "all()", "asNumber": 65001, "localASNumber": 65002, "nodeSelector": "name == 'a'"}))
        .peer("q", json!({"localWorkloadSelector": "all()", "asNumber": 65001, "node": "b"}));
    world.workloads = [
        r#"{"ifaceName": "cali1", "mac": "02:00:00:00:00:01", "ipv4Nets": ["10.9.0.7/32", "10.9.0.8/32"], "ipv6Nets": ["fd09::7/128"], "bgpPeerName": "p"}"#,
        r#"{"ifaceName": "cali2", "ipv4Nets": ["10.9.0.9/32"], "ipv6Nets": null, "bgpPeerName": "q"}"#,
        r#"{"ifaceName": "cali3", "ipv4Nets": ["10.9.0.10/32"]}"#,
    ]
    .map(|json| crate::LocalWorkload::read(json).unwrap())
    .into();
    let plan = world.plan();
    assert_eq!(names(&plan), "Local_Workload_10_9_0_7 Local_Workload_fd09__7");
    let peer = &plan.peers["Local_Workload_10_9_0_7"];
    assert_eq!((peer.passive, peer.local_address, peer.local_asn), (true, None, Some(bgp::Asn(65_002))));
    assert_eq!(peer.description.as_deref(), Some("BGPPeer p, workload behind cali1"));
}

#[test]
fn without_our_node_nothing_is_planned() {
    let mut world = meshed();
    world.settings = intent::Kubernetes::new("elsewhere".to_owned());
    let plan = world.plan();
    assert_eq!(names(&plan), "");
    assert_eq!((plan.asn, originated(&plan).as_str()), (None, ""));
}
