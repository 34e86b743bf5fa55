//! What a large cluster costs a node.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::ensure;
use serde_json::{Value, json};
use support::{SOON, eventually, requires};

use crate::daemon::{NODE, World};
use crate::say;

const NODES: u32 = 5_000;
const SERVICES: u32 = 10_000;
const ENDPOINTS: u32 = 50_000;
/// Of the Services, one in so many is a load balancer whose address only nodes with endpoints attract.
const LOCAL: u32 = 10;
const MEBI: u64 = 1 << 20;

/// A Node as a cloud has it: most of it is of no use to us.
fn node(number: u32) -> Value {
    let name = if number == 0 { NODE.to_owned() } else { format!("node-{number}") };
    let block = |bits: u32| format!("{}/{bits}", Ipv4Addr::from(0x0a00_0000 + (number << 8)));
    let conditions = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"].map(|kind| {
        json!({
            "type": kind, "status": "False", "reason": "KubeletHasWhatItNeeds",
            "message": "kubelet has sufficient of everything available", "lastHeartbeatTime": "2026-12-01T00:00:00Z",
        })
    });
    let images: Vec<_> = (0..20)
        .map(|image| json!({ "names": [format!("registry.example/team/image-{image}:v1.2.{number}")], "sizeBytes": 1 }))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name, "labels": {
                "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "topology.kubernetes.io/zone": "a",
                "node.kubernetes.io/instance-type": "large", "rack": format!("rack-{}", number / 40),
            },
            "annotations": {
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                "projectcalico.org/IPv4Address": format!("{}/16", Ipv4Addr::from(0xac10_0000 + number)),
                "csi.volume.kubernetes.io/nodeid": "x".repeat(200),
            },
        },
        "spec": { "podCIDR": block(24), "podCIDRs": [block(24)], "providerID": format!("cloud:///{number}") },
        "status": {
            "addresses": [
                { "type": "InternalIP", "address": Ipv4Addr::from(0xac10_0000 + number).to_string() },
                { "type": "Hostname", "address": name },
            ],
            "conditions": conditions, "images": images,
        },
    })
}

fn is_local(number: u32) -> bool {
    number.is_multiple_of(LOCAL)
}

fn service(number: u32) -> Value {
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": format!("service-{number}"), "namespace": format!("team-{}", number % 100),
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "y".repeat(400) },
        },
        "spec": {
            "type": "ClusterIP", "selector": { "app": format!("app-{number}") },
            "clusterIP": Ipv4Addr::from(0x0a60_0000 + number).to_string(),
            "clusterIPs": [Ipv4Addr::from(0x0a60_0000 + number).to_string()],
            "ports": [{ "port": 80, "targetPort": 8080, "protocol": "TCP" }],
        },
    });
    if is_local(number) {
        service["spec"]["type"] = json!("LoadBalancer");
        service["spec"]["externalTrafficPolicy"] = json!("Local");
        let address = Ipv4Addr::from(0xc612_0000 + number).to_string();
        service["status"] = json!({ "loadBalancer": { "ingress": [{ "ip": address }] } });
    }
    service
}

fn slice(number: u32) -> Value {
    let each = ENDPOINTS / SERVICES;
    let endpoints: Vec<_> = (0..each)
        .map(|endpoint| {
            let host = (number * each + endpoint) % NODES;
            let node = if host == 0 { NODE.to_owned() } else { format!("node-{host}") };
            json!({
                "addresses": [Ipv4Addr::from(0x0a00_0000 + (host << 8) + endpoint).to_string()], "nodeName": node,
                "conditions": { "ready": true, "serving": true, "terminating": false },
                "targetRef": { "kind": "Pod", "name": format!("app-{number}-{endpoint}"), "namespace": "team" },
            })
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": format!("service-{number}-abcde"), "namespace": format!("team-{}", number % 100),
            "labels": {
                "kubernetes.io/service-name": format!("service-{number}"),
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
        },
        "endpoints": endpoints, "ports": [{ "port": 8080, "protocol": "TCP" }],
    })
}

/// The figure of that name in `/proc/PID/status`, in octets.
fn memory(of: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{of}/status")).expect("the daemon runs");
    let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel tells it");
    let kibi: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    kibi << 10
}

/// Runs a daemon in the large cluster and returns its memory, now and at most, after a list and a relist.
fn measure(what: &str, lines: &str, advertised: usize) -> u64 {
    let mut world = World::start(lines, |server| {
        server.put_all((0..NODES).map(node));
        server.put_all((0..SERVICES).map(service));
        server.put_all((0..SERVICES).map(slice));
    });
    let all = |world: &World| {
        eventually(SOON * 3, "everything to be advertised", || {
            let there = world.daemon().advertised("peer0")?.len();
            ensure!(there == advertised, "{there} of {advertised}");
            Ok(())
        });
    };
    all(&world);
    let id = world.daemon().id();
    let first = memory(id, "VmRSS");
    // A relist has both lists for a moment.
    let lists = |world: &World| world.server.count(|seen| seen.is_list() && seen.status == 200);
    let before = lists(&world);
    world.server.stop();
    world.server.expire();
    world.server.restart();
    eventually(SOON, "a relist", || {
        ensure!(lists(&world) > before, "{} lists", lists(&world));
        Ok(())
    });
    world.server.put(node(0));
    std::thread::sleep(std::time::Duration::from_secs(5));
    all(&world);
    let (now, most) = (memory(id, "VmRSS"), memory(id, "VmHWM"));
    say(&format!(
        "{NODES} nodes{what}: {} MiB after the list, {} MiB after a relist, {} MiB at most",
        first / MEBI,
        now / MEBI,
        most / MEBI
    ));
    most
}

#[test]
fn five_thousand_nodes_take_less_than_forty_mebioctets() {
    requires!(&[]);
    let most = measure("", "peers = \"none\"", 1);
    assert!(most < 40 * MEBI, "{most}");
}

#[test]
fn ten_thousand_services_take_less_than_a_hundred_mebioctets() {
    requires!(&[]);
    let each = ENDPOINTS / SERVICES;
    let is_here = |number: &u32| (0..each).any(|endpoint| (number * each + endpoint).is_multiple_of(NODES));
    let local = (0..SERVICES).filter(|number| is_local(*number)).filter(is_here).count();
    let lines = "peers = \"none\"\nservice-cluster-ips = [\"10.96.0.0/16\"]\nservice-load-balancer-ips = [\"198.18.0.0/15\"]";
    // The block, the two ranges, and the addresses that count here.
    let most = measure(", 10000 services, 50000 endpoints", lines, 1 + 2 + local);
    assert!(most < 100 * MEBI, "{most}");
}
