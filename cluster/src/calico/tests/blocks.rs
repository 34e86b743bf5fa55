//! What is originated, and whose routes in the kernel are.

use intent::RouteMetric;
use serde_json::json;

use super::world::{World, node, originated, problems};
use crate::event::Kind;

/// A pool, and a router that takes what it is told.
fn world() -> World {
    World::new()
        .pool("p", json!({"cidr": "10.10.0.0/16"}))
        .peer("tor", json!({"peerIP": "10.0.0.254", "asNumber": 65001}))
}

fn block(state: &str) -> serde_json::Value {
    json!({"state": state, "node": "a", "cidr": "10.10.1.0/26"})
}

#[test]
fn a_block_is_announced_by_its_state() {
    for (state, wanted) in [
        ("confirmed", "10.10.1.0/26 Dropped"),
        ("", "10.10.1.0/26 Dropped"),
        ("pendingDeletion", "10.10.1.0/26 Dropped"),
        ("pending", ""),
        ("deleted", ""),
        ("elsewhere", ""),
    ] {
        let plan = world().block("x", block(state)).plan();
        assert_eq!(originated(&plan), wanted, "{state}");
        assert_eq!(plan.problems.len(), usize::from(state == "elsewhere"), "{}", problems(&plan));
    }
    for (field, value) in [
        ("type", json!("virtual")),
        ("deleted", json!("true")),
        ("deleted", json!(true)),
        ("node", json!("b")),
    ] {
        let mut spec = block("confirmed");
        spec[field] = value;
        assert_eq!(originated(&world().block("x", spec).plan()), "", "{field}");
    }
    let plan = world().block("x", json!({"state": "confirmed", "node": "a", "cidr": "10.10.1.0"})).plan();
    assert_eq!(
        problems(&plan),
        "BlockAffinity x: spec.cidr: \"10.10.1.0\" is no block such as 10.244.3.0/24"
    );
    let plan = world().block("x", block("confirmed")).plan();
    assert_eq!(plan.originated.values().next().expect("one").cause, "BlockAffinity x");
}

#[test]
fn a_block_of_one_address_is_there_while_its_pod_is() {
    let world = world().block("x", json!({"state": "confirmed", "node": "a", "cidr": "10.10.1.7/32"}));
    assert_eq!(originated(&world.plan()), "");
    assert_eq!(originated(&world.route("10.10.1.7/32", "cali1", None, 1024).plan()), "10.10.1.7/32 Followed");
}

#[test]
fn others_than_calico_may_give_the_blocks() {
    let mut world = world().block("x", block("confirmed"));
    let given =
        ["10.10.5.0/24", "fd10::/64"].map(|block| (block.parse().expect("a block"), "Node a".to_owned()));
    world.given = Some(given.into());
    let plan = world.plan();
    assert_eq!(originated(&plan), "10.10.5.0/24 Dropped, fd10::/64 Dropped");
    assert!(plan.originated.values().all(|one| one.cause == "Node a" && one.local_pref.is_some()));
}

#[test]
fn routes_of_pods_go_out_if_a_session_lets_them() {
    let world = world()
        .pool("hidden", json!({"cidr": "10.11.0.0/16", "disableBGPExport": true}))
        .block("own", block("confirmed"))
        .block("leaving", json!({"state": "pendingDeletion", "node": "a", "cidr": "10.10.2.0/26"}))
        // Own, own and just moved here, borrowed, of a block that is about to go, of a pool that is not exported.
        .route("10.10.1.5/32", "cali1", None, 1024)
        .route("10.10.1.6/32", "cali2", None, 512)
        .route("10.10.3.7/32", "cali3", None, 1024)
        .route("10.10.2.8/32", "cali4", None, 0)
        .route("10.11.3.9/32", "cali5", None, 1024)
        // Of no pool, and the way out.
        .route("172.16.0.0/12", "eth0", Some("10.0.0.254"), 0)
        .route("0.0.0.0/0", "eth0", Some("10.0.0.254"), 0);
    let plan = world.plan();
    assert_eq!(
        originated(&plan),
        "10.10.1.0/26 Dropped, 10.10.1.6/32 Followed, 10.10.2.0/26 Dropped, 10.10.2.8/32 Followed, 10.10.3.7/32 Followed"
    );
    let local_pref = |prefix: &str| plan.originated[&prefix.parse().expect("a prefix")].local_pref;
    assert_eq!(local_pref("10.10.1.6/32"), Some(0x7FFF_FFFF - 512));
    assert_eq!(local_pref("10.10.2.8/32"), Some(0x7FFF_FFFF - 1024));
    let borrowed = &plan.originated[&"10.10.3.7/32".parse().expect("a prefix")];
    assert_eq!(
        borrowed.kernel.as_ref().map(|route| (&*route.interface, route.gateway)),
        Some(("cali3", None))
    );
    // A filter may ask for others, but for a default route nobody can.
    let plan = world
        .filter("all", json!({"exportV4": [{"action": "Accept", "interface": "eth*"}]}))
        .peer("tor", json!({"peerIP": "10.0.0.254", "asNumber": 65001, "filters": ["all"]}))
        .plan();
    assert!(originated(&plan).ends_with(", 172.16.0.0/12 Followed"), "{}", originated(&plan));
}

#[test]
fn of_two_routes_to_one_prefix_the_one_the_kernel_takes_counts() {
    let routes = [("eth1", 1024), ("cali1", 512), ("eth2", 2048)];
    let plan = routes
        .into_iter()
        .fold(world(), |world, (interface, metric)| world.route("10.10.3.7/32", interface, None, metric))
        .plan();
    let one = plan.originated.values().next().expect("one");
    assert_eq!(&*one.kernel.as_ref().expect("a route").interface, "cali1");
}

#[test]
fn routes_to_other_nodes_pods_are_told_where_those_nodes_do_not_tell_of_them() {
    let felix = |world: World| {
        world
            .pool("vxlan", json!({"cidr": "10.12.0.0/16", "vxlanMode": "Always"}))
            .route("10.12.4.0/26", "vxlan.calico", Some("10.12.4.1"), 1024)
            .route("10.10.4.0/26", "eth0", Some("10.0.0.2"), 1024)
            .plan()
    };
    assert_eq!(originated(&felix(world())), "10.10.4.0/26 Followed, 10.12.4.0/26 Followed");
    assert_eq!(originated(&felix(world().configured(json!({})))), "");
}

#[test]
fn the_address_of_a_tunnel_is_told_if_it_is_of_another_nodes_block() {
    let world = world().block("own", block("confirmed")).annotated("a", "IPv4VXLANTunnelAddr", "10.10.7.1");
    assert_eq!(originated(&world.plan()), "10.10.1.0/26 Dropped, 10.10.7.1/32 Followed");
    let world = world.annotated("a", "IPv4VXLANTunnelAddr", "10.10.1.1");
    assert_eq!(originated(&world.plan()), "10.10.1.0/26 Dropped");
}

#[test]
fn pools_say_whose_routes_are() {
    let world = |programs: &str| {
        World::new()
            .pool("plain", json!({"cidr": "10.10.0.0/16", "ipipMode": "Never", "vxlanMode": ""}))
            .pool("vxlan", json!({"cidr": "10.11.0.0/16", "vxlanMode": "CrossSubnet"}))
            .pool("ipip", json!({"cidr": "10.12.0.0/16", "ipipMode": "Always"}))
            .pool("cross", json!({"cidr": "10.13.0.0/16", "ipipMode": "CrossSubnet"}))
            .pool("a-v6", json!({"cidr": "fd10::/48", "ipipMode": "Always"}))
            .configured(json!({"nodeToNodeMeshEnabled": false, "programClusterRoutes": programs}))
    };
    let hands = |programs| {
        let plan = world(programs).plan();
        assert_eq!(plan.ownership.metric, RouteMetric::FromLocalPref);
        let hand = |(block, hand): &(ipnet::IpNet, intent::Hand)| match hand {
            intent::Hand::Ours => format!("{block} ours"),
            intent::Hand::Theirs => format!("{block} theirs"),
            intent::Hand::Tunnel { interface, except } => format!("{block} {interface} {except:?}"),
        };
        plan.ownership.pools.iter().map(hand).collect::<Vec<_>>().join(", ")
    };
    let plain =
        "10.10.0.0/16 ours, 10.11.0.0/16 theirs, 10.12.0.0/16 theirs, 10.13.0.0/16 theirs, fd10::/48 theirs";
    assert_eq!(hands(""), plain);
    assert_eq!(hands("EnabledNoEncapOnly"), plain);
    let tunnels = "10.12.0.0/16 tunl0 [], 10.13.0.0/16 tunl0 [10.0.0.0/24], fd10::/48 ours";
    assert_eq!(hands("EnabledIPIPOnly"), format!("10.10.0.0/16 theirs, 10.11.0.0/16 theirs, {tunnels}"));
    assert_eq!(hands("Enabled"), format!("10.10.0.0/16 ours, 10.11.0.0/16 theirs, {tunnels}"));
    assert_eq!(
        hands("Disabled"),
        "10.10.0.0/16 theirs, 10.11.0.0/16 theirs, 10.12.0.0/16 theirs, 10.13.0.0/16 theirs, fd10::/48 theirs"
    );
}

#[test]
fn what_is_left_of_a_block_is_dropped_by_who_writes_the_routes_of_its_pool() {
    let plan = World::new()
        .pool("vxlan", json!({"cidr": "10.11.0.0/16", "vxlanMode": "Always"}))
        .block("x", json!({"state": "confirmed", "node": "a", "cidr": "10.11.1.0/26"}))
        .block("y", json!({"state": "confirmed", "node": "a", "cidr": "10.99.1.0/26"}))
        .plan();
    assert_eq!(originated(&plan), "10.11.1.0/26 Followed, 10.99.1.0/26 Dropped");
}

#[test]
fn routes_to_services_are_nobodys_to_write() {
    let plan = World::new()
        .pool("p", json!({"cidr": "10.10.0.0/16"}))
        .configured(json!({"nodeToNodeMeshEnabled": false,
            "serviceClusterIPs": [{"cidr": "10.96.0.0/12"}],
            "serviceExternalIPs": [{"cidr": "192.0.2.0/24"}, {"cidr": "192.0.2.7/32"}],
            "serviceLoadBalancerIPs": [{"cidr": "198.51.100.0/24"}]}))
        .plan();
    assert_eq!(
        format!("{:?}", plan.ownership.pools),
        "[(10.96.0.0/12, Theirs), (192.0.2.0/24, Theirs), (198.51.100.0/24, Theirs), (10.10.0.0/16, Ours)]"
    );
}

#[test]
fn of_two_pools_with_one_block_the_first_by_name_counts() {
    let plan = World::new()
        .pool("b", json!({"cidr": "10.10.0.0/16", "vxlanMode": "Always"}))
        .pool("a", json!({"cidr": "10.10.0.0/16"}))
        .pool("c", json!({"cidr": "10.10"}))
        .pool("d", json!({"cidr": "0.0.0.0/0"}))
        .plan();
    assert_eq!(format!("{:?}", plan.ownership.pools), "[(10.10.0.0/16, Ours)]");
    assert_eq!(
        problems(&plan),
        "IpPool b: spec.cidr: another pool has the same block; this one counts for nothing\n\
         IpPool c: spec.cidr: \"10.10\" is no block such as 10.244.3.0/24\n\
         IpPool d: spec.cidr: 0.0.0.0/0 is everything, and nobody's block"
    );
}

#[test]
fn what_goes_through_wireguard_is_felixs_if_both_ends_have_it() {
    let world = |a: bool, b: bool| {
        let mut world = World::new().with(Kind::Node, node("c", 3));
        for (node, has) in [("a", a), ("b", b)] {
            if has {
                world = world.annotated(node, "IPv4WireguardInterfaceAddr", "10.10.9.1");
            }
        }
        format!("{:?}", world.plan().ownership.foreign_next_hops)
    };
    assert_eq!(world(true, true), "{10.0.0.2}");
    assert_eq!(world(true, false), "{}");
    assert_eq!(world(false, true), "{}");
}

#[test]
fn blocks_of_the_file_are_own_blocks_too() {
    let mut world = world().route("10.99.1.5/32", "cali1", None, 1024);
    world.blocks = vec!["10.99.1.0/26".parse().expect("a block")];
    assert_eq!(originated(&world.plan()), "10.99.1.0/26 Dropped");
}
