//! Every field of `BGPPeer` has a row here: what the plan says with one value of it, and with another.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::coverage::{fields, put};
use super::world::{World, export, import, names, only, problems};
use crate::calico::LocalWorkload;
use crate::event::Kind;
use crate::object::calico::{BgpPeerSpec, Password, SecretKeyRef};
use crate::plan::Plan;

struct Row {
    path: &'static str,
    /// The rest of the object.
    base: Value,
    /// The field's value, and what the plan says then.
    cases: [(Value, &'static str); 2],
    /// Where to look in the plan.
    view: fn(&Plan) -> String,
}

fn world() -> World {
    let mut world = World::new()
        .with(Kind::Secret, json!({"metadata": {"name": "s", "namespace": "kube-system"}, "data": {"k": "b25l", "l": "dHdv"}}))
        .with(Kind::Secret, json!({"metadata": {"name": "t", "namespace": "kube-system"}, "data": {"k": "dGhyZWU="}}))
        .filter("f", json!({"exportV4": [{"action": "Accept"}]}));
    world.workloads = vec![LocalWorkload {
        iface_name: "cali1".to_owned(),
        ipv4_nets: vec!["10.9.0.7/32".to_owned()],
        ipv6_nets: Vec::new(),
        bgp_peer_name: "p".to_owned(),
    }];
    world
}

fn rows() -> Vec<Row> {
    let tor = || json!({"peerIP": "10.0.0.254", "asNumber": 65001});
    let internal = || json!({"peerIP": "10.0.0.254", "asNumber": 64512});
    let signed = || json!({"peerIP": "10.0.0.254", "asNumber": 65001, "password": {"secretKeyRef": {"name": "s", "key": "k"}}});
    let password = |plan: &Plan| {
        let secret = only(plan).password.clone();
        secret.map_or_else(String::new, |secret| String::from_utf8_lossy(secret.reveal()).into_owned())
    };
    vec![
        Row {
            path: "node",
            base: tor(),
            cases: [(json!("a"), "Node_10_0_0_254"), (json!("b"), "")],
            view: names,
        },
        Row {
            path: "nodeSelector",
            base: tor(),
            cases: [(json!("name == 'a'"), "Node_10_0_0_254"), (json!("name == 'b'"), "")],
            view: names,
        },
        Row {
            path: "peerIP",
            base: tor(),
            cases: [
                (json!("10.0.0.253"), "Global_10_0_0_253"),
                (json!("[fd00::3]:1790"), "Global_fd00__3_port_1790"),
            ],
            view: names,
        },
        Row {
            path: "asNumber",
            base: tor(),
            cases: [(json!(65002), "Is(Asn(65002))"), (json!("1.10"), "Is(Asn(65546))")],
            view: |plan| format!("{:?}", only(plan).asn),
        },
        Row {
            path: "localASNumber",
            base: tor(),
            cases: [(Value::Null, "None"), (json!(64999), "Some(Asn(64999))")],
            view: |plan| format!("{:?}", only(plan).local_asn),
        },
        Row {
            path: "peerSelector",
            base: json!({}),
            cases: [(json!("name == 'b'"), "Global_10_0_0_2 Global_fd00__2"), (json!("name == 'c'"), "")],
            view: names,
        },
        Row {
            path: "keepOriginalNextHop",
            base: tor(),
            cases: [(json!(false), "auto"), (json!(true), "keep")],
            view: |plan| only(plan).next_hop.to_string(),
        },
        Row {
            path: "nextHopMode",
            base: internal(),
            cases: [(json!("Self"), "self-always"), (json!("Keep"), "keep")],
            view: |plan| only(plan).next_hop.to_string(),
        },
        Row {
            path: "password.secretKeyRef.name",
            base: signed(),
            cases: [(json!("s"), "one"), (json!("t"), "three")],
            view: password,
        },
        Row {
            path: "password.secretKeyRef.key",
            base: signed(),
            cases: [(json!("k"), "one"), (json!("l"), "two")],
            view: password,
        },
        Row {
            path: "sourceAddress",
            base: tor(),
            cases: [(json!("UseNodeIP"), "Some(10.0.0.1)"), (json!("None"), "None")],
            view: |plan| format!("{:?}", only(plan).local_address),
        },
        Row {
            path: "maxRestartTime",
            base: tor(),
            cases: [(Value::Null, "Some(120)"), (json!("1m30s"), "Some(90)")],
            view: |plan| format!("{:?}", only(plan).restart_time),
        },
        Row {
            path: "keepaliveTime",
            base: tor(),
            cases: [(Value::Null, "None"), (json!("20s"), "Some(20s)")],
            view: |plan| format!("{:?}", only(plan).keepalive),
        },
        Row {
            path: "numAllowedLocalASNumbers",
            base: tor(),
            cases: [(Value::Null, "0"), (json!(3), "3")],
            view: |plan| only(plan).allow_own_as.to_string(),
        },
        Row {
            path: "ttlSecurity",
            base: tor(),
            cases: [(json!(0), "None, 64 hops"), (json!(2), "Some(2), 64 hops")],
            view: |plan| format!("{:?}, {} hops", only(plan).ttl_security, only(plan).multihop),
        },
        Row {
            path: "reachableBy",
            base: tor(),
            cases: [(Value::Null, "{}"), (json!("10.0.0.253"), "{10.0.0.254: 10.0.0.253}")],
            view: |plan| format!("{:?}", plan.host_routes),
        },
        Row {
            path: "filters[]",
            base: tor(),
            cases: [(json!("f"), "f exportV4[0]"), (json!("g"), "pools that are not exported")],
            view: |plan| export(only(plan)).rules[1].name.clone(),
        },
        Row {
            path: "localWorkloadSelector",
            base: json!({"asNumber": 65001}),
            cases: [(Value::Null, ""), (json!("app == 'router'"), "Local_Workload_10_9_0_7")],
            view: names,
        },
        Row {
            path: "reversePeering",
            base: json!({"node": "b", "peerIP": "10.0.0.1", "asNumber": 64512}),
            cases: [(json!("Auto"), "Node_10_0_0_2"), (json!("Manual"), "")],
            view: names,
        },
        Row {
            path: "inLaterVersions",
            base: tor(),
            cases: [
                (Value::Null, ""),
                (
                    json!(1),
                    "CalicoPeer p: spec.inLaterVersions: is not known to this version and has no effect",
                ),
            ],
            view: problems,
        },
    ]
}

#[test]
fn every_field_of_a_peer_makes_a_difference() {
    for Row { path, base, cases, view } in rows() {
        for (value, expected) in cases {
            let mut spec = base.clone();
            put(&mut spec, path, value.clone());
            let plan = world().peer("p", spec).plan();
            assert_eq!(view(&plan), expected, "{path}: {value}\n{}", problems(&plan));
        }
    }
}

#[test]
fn every_field_of_a_peer_has_a_row() {
    let text = || "x".to_owned();
    let number = |text: &str| serde_json::from_str(text).unwrap();
    let filled = BgpPeerSpec {
        node: text(),
        node_selector: text(),
        peer_ip: text(),
        as_number: number("1"),
        local_as_number: number("1"),
        peer_selector: text(),
        keep_original_next_hop: true,
        next_hop_mode: text(),
        password: Some(Password { secret_key_ref: Some(SecretKeyRef { name: text(), key: text() }) }),
        source_address: text(),
        max_restart_time: text(),
        keepalive_time: text(),
        num_allowed_local_as_numbers: Some(1),
        ttl_security: Some(1),
        reachable_by: text(),
        filters: vec![text()],
        local_workload_selector: text(),
        reverse_peering: text(),
        unknown: [("inLaterVersions".to_owned(), json!(1))].into(),
    };
    let rows: BTreeSet<String> = rows().iter().map(|row| row.path.to_owned()).collect();
    assert_eq!(rows, fields(&filled));
}

#[test]
fn what_a_peer_is_without_any_of_the_options() {
    let plan = World::new().peer("p", json!({"peerIP": "10.0.0.254", "asNumber": 65001})).plan();
    assert_eq!(problems(&plan), "");
    let peer = only(&plan);
    assert_eq!((peer.hold_time.seconds(), peer.port, peer.passive, peer.client), (240, 179, false, false));
    assert_eq!(peer.families, bgp::FamilySet::from_iter([bgp::Family::Ipv4]));
    assert_eq!(peer.add_path.to_string(), "{ receive = 32, send = all, families = [ipv4] }");
    assert_eq!(peer.description.as_deref(), Some("BGPPeer p"));
    assert_eq!(import(peer).name, "calico import ipv4 ebgp");
    assert_eq!(export(peer).name, "calico export ipv4 ebgp");
}
