//! What goes out and comes in, in the order Calico's export has it.

use serde_json::json;

use super::world::{Sample, World, export, import};
use crate::plan::Plan;

/// LOCAL_PREF of an ordinary route and of one that has a higher priority.
const NORMAL: u32 = 0x7FFF_FFFF - 1024;
const ELEVATED: u32 = 0x7FFF_FFFF - 512;

/// Pools, an own block and one that is about to go, Services, a router and a node.
fn world() -> World {
    let mut world = World::new()
        .pool("p", json!({"cidr": "10.10.0.0/16"}))
        .pool("hidden", json!({"cidr": "10.11.0.0/16", "disableBGPExport": true}))
        .pool("vxlan", json!({"cidr": "10.12.0.0/16", "vxlanMode": "Always"}))
        .block("own", json!({"state": "confirmed", "node": "a", "cidr": "10.10.1.0/26"}))
        .block("hidden", json!({"state": "", "node": "a", "cidr": "10.11.1.0/26"}))
        .block("leaving", json!({"state": "pendingDeletion", "node": "a", "cidr": "10.10.2.0/26"}))
        .peer("tor", json!({"peerIP": "10.0.0.254", "asNumber": 65001}))
        .peer("nodes", json!({"peerSelector": "name == 'b'"}));
    let cause = || "Service x/y".to_owned();
    world.services.ranges = [("10.96.0.0/12".parse().expect("a range"), cause())].into();
    world.services.addresses = [("192.0.2.7/32".parse().expect("an address"), cause())].into();
    world
}

fn tor(plan: &Plan, sample: &Sample) -> String {
    sample.judged(export(&plan.peers["Global_10_0_0_254"]))
}

fn node(plan: &Plan, sample: &Sample) -> String {
    sample.judged(export(&plan.peers["Global_10_0_0_2"]))
}

#[test]
fn the_export_in_the_order_of_its_steps() {
    let plan = world().plan();
    let to_tor = |sample: Sample| tor(&plan, &sample);
    let own = Sample::own;
    let learned = Sample::learned;
    // An own block goes out as a whole, with the LOCAL_PREF of an ordinary route.
    assert_eq!(to_tor(own("10.10.1.0/26")), "accepted: own blocks, local-pref 2147482623");
    assert_eq!(to_tor(own("10.10.1.0/26").local_pref(NORMAL)), "accepted: own blocks");
    // What is inside does not, unless it has just moved here, whoever says so.
    assert_eq!(to_tor(own("10.10.1.5/32").local_pref(NORMAL)), "rejected: inside own blocks");
    assert_eq!(to_tor(own("10.10.1.5/32").local_pref(ELEVATED)), "accepted: moved into own blocks");
    assert_eq!(to_tor(learned("10.10.1.5/32").local_pref(ELEVATED)), "accepted: moved into own blocks");
    assert_eq!(to_tor(learned("10.10.1.5/32")), "rejected: inside own blocks");
    // A block that is about to go, and what is still inside, are what pools let out.
    assert_eq!(to_tor(own("10.10.2.0/26").local_pref(NORMAL)), "accepted: pools");
    assert_eq!(to_tor(own("10.10.2.5/32").local_pref(NORMAL)), "accepted: pools");
    // So are borrowed addresses and blocks of other nodes, learned or not, and pools with VXLAN.
    assert_eq!(to_tor(own("10.10.3.5/32").by("cali1").local_pref(NORMAL)), "accepted: pools");
    assert_eq!(to_tor(learned("10.10.4.0/26")), "accepted: pools");
    assert_eq!(to_tor(learned("10.12.4.0/26")), "accepted: pools");
    // Nothing of a pool that is not exported, not even own blocks.
    assert_eq!(to_tor(own("10.11.1.0/26").local_pref(NORMAL)), "rejected: pools that are not exported");
    assert_eq!(to_tor(own("10.11.3.5/32").local_pref(NORMAL)), "rejected: pools that are not exported");
    // Services, as ranges and one by one.
    assert_eq!(to_tor(own("10.96.0.0/12").local_pref(NORMAL)), "accepted: Services");
    assert_eq!(to_tor(own("192.0.2.7/32").local_pref(NORMAL)), "accepted: Services");
    // Nothing else.
    assert_eq!(to_tor(own("192.0.2.8/32").local_pref(NORMAL)), "rejected: otherwise");
    assert_eq!(to_tor(learned("0.0.0.0/0")), "rejected: otherwise");
    assert_eq!(to_tor(learned("10.0.0.0/8")), "rejected: otherwise");
}

#[test]
fn routes_by_calicos_devices_stay_inside() {
    let plan = world().plan();
    let route = |interface| Sample::own("10.10.4.0/26").by(interface).local_pref(NORMAL);
    for interface in ["vxlan.calico", "wireguard.cali", "tunl0"] {
        assert_eq!(node(&plan, &route(interface)), "rejected: routes by Calico's tunnels", "{interface}");
        assert_eq!(tor(&plan, &route(interface)), "accepted: pools", "{interface}");
    }
    for interface in ["bpfin.cali", "bpfout.cali"] {
        assert_eq!(tor(&plan, &route(interface)), "rejected: routes by Calico's own links", "{interface}");
    }
    assert_eq!(node(&plan, &route("cali1234")), "accepted: pools");
    // Where BGP writes the routes of IPIP itself, they are no second account of anything.
    let plan =
        world().configured(json!({"nodeToNodeMeshEnabled": false, "programClusterRoutes": "Enabled"})).plan();
    assert_eq!(node(&plan, &route("tunl0")), "accepted: pools");
}

#[test]
fn what_a_filter_accepts_passes_by_all_that_is_after_it() {
    let plan = world()
        .configured(json!({"nodeToNodeMeshEnabled": false,
            "prefixAdvertisements": [{"cidr": "10.0.0.0/8", "communities": ["65000:1"]}]}))
        .filter(
            "f",
            json!({"exportV4": [
            {"action": "Accept", "cidr": "10.11.0.0/16", "matchOperator": "In"},
            {"action": "Reject", "cidr": "10.10.1.0/26", "matchOperator": "Equal"}]}),
        )
        .peer("tor", json!({"peerIP": "10.0.0.254", "asNumber": 65001, "filters": ["f"]}))
        .plan();
    // With the LOCAL_PREF, which is there before any filter; without the communities, which come after.
    assert_eq!(tor(&plan, &Sample::own("10.11.1.0/26")), "accepted: f exportV4[0], local-pref 2147482623");
    assert_eq!(tor(&plan, &Sample::own("10.10.1.0/26")), "rejected: f exportV4[1]");
    assert_eq!(tor(&plan, &Sample::learned("10.10.4.0/26")), "accepted: pools, 65000:1");
    assert_eq!(
        node(&plan, &Sample::own("10.10.1.0/26")),
        "accepted: own blocks, local-pref 2147482623, 65000:1"
    );
}

#[test]
fn every_advertisement_a_route_is_inside_adds_its_communities() {
    let plan = world()
        .configured(json!({"nodeToNodeMeshEnabled": false, "prefixAdvertisements": [
            {"cidr": "10.10.0.0/16", "communities": ["65000:1", "65000:1:1"]},
            {"cidr": "10.10.1.0/24", "communities": ["65000:2"]},
            {"cidr": "10.10.1.0/27", "communities": ["65000:3"]}]}))
        .plan();
    let judged = tor(&plan, &Sample::own("10.10.1.0/26").local_pref(NORMAL));
    assert_eq!(judged, "accepted: own blocks, 65000:1, 65000:2, 65000:1:1");
}

#[test]
fn services_of_other_nodes_are_passed_on_by_reflectors_and_where_next_hops_are_kept_only() {
    let learned = Sample::learned("192.0.2.7/32");
    assert_eq!(tor(&world().plan(), &learned), "rejected: Services of other nodes");
    assert_eq!(node(&world().plan(), &learned), "accepted: Services");
    let keeping = json!({"peerIP": "10.0.0.254", "asNumber": 65001, "nextHopMode": "Keep"});
    assert_eq!(tor(&world().peer("tor", keeping).plan(), &learned), "accepted: Services");
    let reflector =
        |ranges| world().annotated("a", "RouteReflectorClusterID", "244.0.0.1").configured(ranges).plan();
    let plan = reflector(json!({"serviceExternalIPs": [{"cidr": "198.51.100.0/24"}],
        "serviceLoadBalancerIPs": [{"cidr": "203.0.113.0/24"}]}));
    assert_eq!(tor(&plan, &learned), "accepted: Services");
    for address in ["198.51.100.9/32", "203.0.113.9/32"] {
        assert_eq!(tor(&plan, &Sample::learned(address)), "accepted: Services of clients");
        assert_eq!(tor(&world().plan(), &Sample::learned(address)), "rejected: otherwise");
    }
}

#[test]
fn all_comes_in_but_what_is_our_own() {
    let plan = world().plan();
    let judged = |prefix| Sample::learned(prefix).judged(import(&plan.peers["Global_10_0_0_254"]));
    for prefix in ["0.0.0.0/0", "10.10.4.0/26", "10.10.0.0/16", "192.0.2.7/32", "10.0.0.2/32", "10.0.0.0/24"]
    {
        assert_eq!(judged(prefix), "accepted: otherwise", "{prefix}");
    }
    // Addresses other nodes have borrowed of our blocks, or pods that have moved there.
    assert_eq!(judged("10.10.1.5/32"), "accepted: otherwise");
    assert_eq!(judged("10.10.1.0/26"), "rejected: own blocks");
    assert_eq!(judged("10.10.1.0/27"), "rejected: own blocks");
    assert_eq!(judged("10.0.0.1/32"), "rejected: own addresses");
    // A block that is about to go may be another node's already.
    assert_eq!(judged("10.10.2.0/26"), "accepted: otherwise");
}

#[test]
fn a_session_has_the_rules_of_its_family_only() {
    let plan = world()
        .pool("v6", json!({"cidr": "fd10::/48"}))
        .block("v6", json!({"state": "confirmed", "node": "a", "cidr": "fd10::/122"}))
        .configured(json!({"nodeToNodeMeshEnabled": false, "ipv6NormalRoutePriority": 2048}))
        .plan();
    let judged = |sample: Sample| sample.judged(export(&plan.peers["Global_fd00__2"]));
    assert_eq!(judged(Sample::own("fd10::/122")), "accepted: own blocks, local-pref 2147481599");
    assert_eq!(judged(Sample::own("fd10::5/128").local_pref(NORMAL)), "accepted: moved into own blocks");
    assert_eq!(judged(Sample::own("fd10::1:0/122")), "accepted: pools, local-pref 2147481599");
    assert_eq!(judged(Sample::own("10.10.1.0/26")), "rejected: otherwise");
}
