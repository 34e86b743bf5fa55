//! Every field of `BGPConfiguration` has a row here: what is said with one value of it, and with another.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::coverage::{fields, put};
use super::world::{Sample, World, export, named, names, originated, problems};
use crate::calico::{LocalWorkload, service_ranges};
use crate::event::Kind;
use crate::object::calico::bgp_configuration::{NamedCommunity, PrefixAdvertisement, ServiceRange};
use crate::object::calico::{BgpConfigurationSpec, Password, SecretKeyRef};
use crate::plan::Plan;

struct Row {
    path: &'static str,
    /// The rest of the object.
    base: Value,
    /// The field's value, and what is said then.
    cases: [(Value, &'static str); 2],
    /// Where to look.
    view: fn(&World, &Plan) -> String,
}

/// A node `b` in the mesh, a router, a pool, a workload that is a peer, and a pod whose address is of another node's block.
fn world() -> World {
    let mut world = World::new()
        .with(Kind::Secret, json!({"metadata": {"name": "s", "namespace": "kube-system"}, "data": {"k": "b25l", "l": "dHdv"}}))
        .with(Kind::Secret, json!({"metadata": {"name": "t", "namespace": "kube-system"}, "data": {"k": "dGhyZWU="}}))
        .pool("plain", json!({"cidr": "10.10.0.0/16"}))
        .pool("ipip", json!({"cidr": "10.11.0.0/16", "ipipMode": "Always"}))
        .block("x", json!({"state": "confirmed", "node": "a", "cidr": "10.10.1.0/26"}))
        .block("y", json!({"state": "confirmed", "node": "a", "cidr": "fd10::/122"}))
        .annotated("a", "IPv4IPIPTunnelAddr", "10.10.9.9")
        .peer("tor", json!({"peerIP": "10.0.0.254", "asNumber": 65001}))
        .peer("workload", json!({"localWorkloadSelector": "all()", "asNumber": 65002, "node": "a"}));
    world.workloads = vec![LocalWorkload {
        iface_name: "cali1".to_owned(),
        ipv4_nets: vec!["10.10.1.7/32".to_owned()],
        ipv6_nets: Vec::new(),
        bgp_peer_name: "workload".to_owned(),
    }];
    world
}

fn tagged(_: &World, plan: &Plan) -> String {
    Sample::own("10.10.1.0/26").judged(export(&plan.peers["Global_10_0_0_254"]))
}

fn mesh_password(_: &World, plan: &Plan) -> String {
    let password = plan.peers["Mesh_10_0_0_2"].password.clone();
    password.map_or_else(String::new, |secret| String::from_utf8_lossy(secret.reveal()).into_owned())
}

fn listens(_: &World, plan: &Plan) -> String {
    format!("{:?}", plan.listen)
}

fn rows() -> Vec<Row> {
    let off = || json!({"nodeToNodeMeshEnabled": false});
    let signed = || json!({"nodeMeshPassword": {"secretKeyRef": {"name": "s", "key": "k"}}});
    let tags = || {
        json!({"communities": [{"name": "n", "value": "65000:1"}],
            "prefixAdvertisements": [{"cidr": "10.10.0.0/16", "communities": ["n"]}]})
    };
    let bound = || json!({"nodeToNodeMeshEnabled": false, "bindMode": "NodeIP"});
    vec![
        Row {
            path: "logSeverityScreen",
            base: off(),
            // BIRD's log is no more, and what podbgpd logs the environment says: the same plan, and no complaint.
            cases: [
                (json!("Info"), "Global_10_0_0_254 Local_Workload_10_10_1_7"),
                (json!("Debug"), "Global_10_0_0_254 Local_Workload_10_10_1_7"),
            ],
            view: |_, plan| names(plan) + &problems(plan),
        },
        Row {
            path: "nodeToNodeMeshEnabled",
            base: json!({}),
            cases: [
                (json!(true), "Global_10_0_0_254 Local_Workload_10_10_1_7 Mesh_10_0_0_2 Mesh_fd00__2"),
                (json!(false), "Global_10_0_0_254 Local_Workload_10_10_1_7"),
            ],
            view: |_, plan| names(plan),
        },
        Row {
            path: "asNumber",
            base: json!({}),
            cases: [
                (Value::Null, "None, Is(Asn(64512))"),
                (json!(64999), "Some(Asn(64999)), Is(Asn(64999))"),
            ],
            view: |_, plan| format!("{:?}, {:?}", plan.asn, plan.peers["Mesh_10_0_0_2"].asn),
        },
        Row {
            path: "serviceClusterIPs[].cidr",
            base: off(),
            cases: [(json!(""), "{}"), (json!("10.96.0.0/12"), "{10.96.0.0/12}")],
            view: |world, _| format!("{:?}", service_ranges(&world.objects()).ranges.cluster),
        },
        Row {
            path: "serviceExternalIPs[].cidr",
            base: off(),
            cases: [(json!(""), "{}"), (json!("192.0.2.0/24"), "{192.0.2.0/24}")],
            view: |world, _| format!("{:?}", service_ranges(&world.objects()).ranges.external),
        },
        Row {
            path: "serviceLoadBalancerIPs[].cidr",
            base: off(),
            cases: [(json!(""), "{}"), (json!("198.51.100.0/24"), "{198.51.100.0/24}")],
            view: |world, _| format!("{:?}", service_ranges(&world.objects()).ranges.load_balancer),
        },
        Row {
            path: "serviceLoadBalancerAggregation",
            base: off(),
            cases: [(json!("Enabled"), "true"), (json!("Disabled"), "false")],
            view: |world, _| service_ranges(&world.objects()).load_balancer_aggregation.to_string(),
        },
        Row {
            path: "communities[].name",
            base: tags(),
            cases: [
                (json!("n"), "accepted: own blocks, local-pref 2147482623, 65000:1"),
                (json!("m"), "accepted: own blocks, local-pref 2147482623"),
            ],
            view: tagged,
        },
        Row {
            path: "communities[].value",
            base: tags(),
            cases: [
                (json!("65000:2"), "accepted: own blocks, local-pref 2147482623, 65000:2"),
                (json!("65000:1:2"), "accepted: own blocks, local-pref 2147482623, 65000:1:2"),
            ],
            view: tagged,
        },
        Row {
            path: "prefixAdvertisements[].cidr",
            base: tags(),
            cases: [
                (json!("10.10.1.0/24"), "accepted: own blocks, local-pref 2147482623, 65000:1"),
                (json!("10.10.2.0/24"), "accepted: own blocks, local-pref 2147482623"),
            ],
            view: tagged,
        },
        Row {
            path: "prefixAdvertisements[].communities[]",
            base: tags(),
            cases: [
                (json!("n"), "accepted: own blocks, local-pref 2147482623, 65000:1"),
                (json!("65000:9"), "accepted: own blocks, local-pref 2147482623, 65000:9"),
            ],
            view: tagged,
        },
        Row {
            path: "listenPort",
            base: json!({}),
            cases: [(Value::Null, "None, 179"), (json!(1790), "Some({0.0.0.0:1790, [::]:1790}), 1790")],
            view: |world, plan| format!("{}, {}", listens(world, plan), plan.peers["Mesh_10_0_0_2"].port),
        },
        Row {
            path: "nodeMeshPassword.secretKeyRef.name",
            base: signed(),
            cases: [(json!("s"), "one"), (json!("t"), "three")],
            view: mesh_password,
        },
        Row {
            path: "nodeMeshPassword.secretKeyRef.key",
            base: signed(),
            cases: [(json!("k"), "one"), (json!("l"), "two")],
            view: mesh_password,
        },
        Row {
            path: "nodeMeshMaxRestartTime",
            base: json!({}),
            cases: [(Value::Null, "Some(120)"), (json!("5m"), "Some(300)")],
            view: |_, plan| format!("{:?}", plan.peers["Mesh_10_0_0_2"].restart_time),
        },
        Row {
            path: "bindMode",
            base: off(),
            cases: [(json!("None"), "None"), (json!("NodeIP"), "Some({10.0.0.1:179, [fd00::1]:179})")],
            view: listens,
        },
        Row {
            path: "ignoredInterfaces[]",
            base: off(),
            cases: [
                (json!("eth0"), "10.10.1.0/26 Dropped, 10.10.9.9/32 Followed, fd10::/122 Dropped"),
                (json!("tun*"), "10.10.1.0/26 Dropped, fd10::/122 Dropped"),
            ],
            view: |_, plan| originated(plan),
        },
        Row {
            path: "localWorkloadPeeringIPV4",
            base: bound(),
            cases: [
                (Value::Null, "Some({10.0.0.1:179, [fd00::1]:179})"),
                (json!("169.254.1.1"), "Some({10.0.0.1:179, 169.254.1.1:179, [fd00::1]:179})"),
            ],
            view: listens,
        },
        Row {
            path: "localWorkloadPeeringIPV6",
            base: bound(),
            cases: [
                (Value::Null, "Some({10.0.0.1:179, [fd00::1]:179})"),
                (json!("fd00:1::1"), "Some({10.0.0.1:179, [fd00::1]:179, [fd00:1::1]:179})"),
            ],
            view: listens,
        },
        Row {
            path: "programClusterRoutes",
            base: off(),
            cases: [
                (json!("EnabledNoEncapOnly"), "[(10.10.0.0/16, Ours), (10.11.0.0/16, Theirs)]"),
                (
                    json!("EnabledIPIPOnly"),
                    "[(10.10.0.0/16, Theirs), (10.11.0.0/16, Tunnel { interface: \"tunl0\", except: [] })]",
                ),
            ],
            view: |_, plan| format!("{:?}", plan.ownership.pools),
        },
        Row {
            path: "ipv4NormalRoutePriority",
            base: off(),
            cases: [(json!(1024), "2147482623 2147482623"), (json!(1000), "2147482647 2147482623")],
            view: local_prefs,
        },
        Row {
            path: "ipv6NormalRoutePriority",
            base: off(),
            cases: [(Value::Null, "2147482623 2147482623"), (json!(1000), "2147482623 2147482647")],
            view: local_prefs,
        },
        Row {
            path: "inLaterVersions",
            base: off(),
            cases: [
                (Value::Null, ""),
                (
                    json!(1),
                    "BgpConfiguration default: spec.inLaterVersions: is not known to this version and has no effect",
                ),
            ],
            view: |_, plan| problems(plan),
        },
    ]
}

fn local_prefs(_: &World, plan: &Plan) -> String {
    let of = |block: &str| {
        let originated = &plan.originated[&block.parse().expect("a block")];
        originated.local_pref.unwrap_or_default().to_string()
    };
    format!("{} {}", of("10.10.1.0/26"), of("fd10::/122"))
}

#[test]
fn every_field_of_a_configuration_makes_a_difference() {
    for Row { path, base, cases, view } in rows() {
        for (value, expected) in cases {
            let mut spec = base.clone();
            put(&mut spec, path, value.clone());
            let world = world().configured(spec);
            let plan = world.plan();
            assert_eq!(view(&world, &plan), expected, "{path}: {value}\n{}", problems(&plan));
        }
    }
}

#[test]
fn every_field_of_a_configuration_has_a_row() {
    let text = || "x".to_owned();
    let filled = BgpConfigurationSpec {
        log_severity_screen: text(),
        node_to_node_mesh_enabled: Some(true),
        as_number: Some(serde_json::from_str("1").unwrap()),
        service_cluster_ips: vec![ServiceRange { cidr: text() }],
        service_external_ips: vec![ServiceRange { cidr: text() }],
        service_load_balancer_ips: vec![ServiceRange { cidr: text() }],
        service_load_balancer_aggregation: text(),
        communities: vec![NamedCommunity { name: text(), value: text() }],
        prefix_advertisements: vec![PrefixAdvertisement { cidr: text(), communities: vec![text()] }],
        listen_port: Some(1),
        node_mesh_password: Some(Password {
            secret_key_ref: Some(SecretKeyRef { name: text(), key: text() }),
        }),
        node_mesh_max_restart_time: text(),
        bind_mode: text(),
        ignored_interfaces: vec![text()],
        local_workload_peering_ipv4: text(),
        local_workload_peering_ipv6: text(),
        program_cluster_routes: text(),
        ipv4_normal_route_priority: Some(1),
        ipv6_normal_route_priority: Some(1),
        unknown: [("inLaterVersions".to_owned(), json!(1))].into(),
    };
    let rows: BTreeSet<String> = rows().iter().map(|row| row.path.to_owned()).collect();
    assert_eq!(rows, fields(&filled));
}

#[test]
fn what_a_node_has_of_its_own_takes_the_place_of_what_is_for_all() {
    let all = json!({"listenPort": 1790, "asNumber": 64999, "nodeToNodeMeshEnabled": true,
        "prefixAdvertisements": [{"cidr": "10.10.0.0/16", "communities": ["65000:1"]}]});
    let own = json!({"listenPort": 1791, "asNumber": 64998, "nodeToNodeMeshEnabled": false,
        "prefixAdvertisements": [{"cidr": "10.10.0.0/16", "communities": ["n"]}],
        "communities": [{"name": "n", "value": "65000:2"}]});
    let of_b = named("node.b", json!({"listenPort": 1792}));
    let world = world()
        .configured(all)
        .with(Kind::BgpConfiguration, named("node.a", own))
        .with(Kind::BgpConfiguration, of_b);
    let plan = world.plan();
    assert_eq!(listens(&world, &plan), "Some({0.0.0.0:1791, [::]:1791})");
    assert_eq!(tagged(&world, &plan), "accepted: own blocks, local-pref 2147482623, 65000:2");
    // Of the rest, only what is for all nodes counts.
    assert_eq!(plan.asn, Some(bgp::Asn(64999)));
    assert_eq!(plan.peers["Mesh_10_0_0_2"].port, 1792);
}

#[test]
fn what_cannot_be_meant_is_reported_and_counts_as_not_said() {
    let plan = world()
        .configured(
            json!({"listenPort": 0, "asNumber": 0, "bindMode": "Loopback", "ipv4NormalRoutePriority": 0,
            "nodeMeshMaxRestartTime": "2h", "serviceClusterIPs": [{"cidr": "10.96.0.0"}],
            "prefixAdvertisements": [{"cidr": "10.10.0.0/16", "communities": ["nobody"]}]}),
        )
        .plan();
    let told = problems(&plan);
    for field in [
        "spec.listenPort",
        "spec.asNumber",
        "spec.bindMode",
        "spec.ipv4NormalRoutePriority",
        "spec.nodeMeshMaxRestartTime",
        "spec.serviceClusterIPs",
        "spec.prefixAdvertisements[0].communities",
    ] {
        assert_eq!(told.matches(&format!("{field}: ")).count(), 1, "{field}\n{told}");
    }
    assert_eq!(told.lines().count(), 7, "{told}");
    assert!(plan.peers.contains_key("Mesh_10_0_0_2"));
}
