use std::time::Duration;

use bgp::fsm::PeerAs;
use bgp::{Asn, Community, Family, FamilySet, HoldTime};
use intent::{Export, Import, PeerIntent, RestartRole};
use rib::policy::{Announcer, Decision, Route};
use serde_json::{Value, json};

use super::*;
use crate::testing::{NODE, cluster, file, net, object, own_node, plan, problems, settings};
use crate::{Cluster, Event, Scope, Watch};

fn peer(name: &str, spec: Value) -> (Kind, Value) {
    let metadata = json!({ "name": name, "labels": { "tier": name } });
    (Kind::Peer, json!({ "metadata": metadata, "spec": spec }))
}

fn tor(name: &str) -> (Kind, Value) {
    let last = name.bytes().last().unwrap();
    peer(name, json!({ "address": format!("192.0.2.{last}"), "asn": 65001 }))
}

fn advertisement(name: &str, spec: Value) -> (Kind, Value) {
    (Kind::Advertisement, json!({ "metadata": { "name": name }, "spec": spec }))
}

fn with_node(objects: &[(Kind, Value)]) -> Cluster {
    cluster(settings(), &[&[(Kind::Node, own_node())], objects].concat())
}

/// The one peer of a spec.
#[track_caller]
fn made(spec: Value) -> PeerIntent {
    let plan = plan(&mut with_node(&[peer("tor-a", spec)]));
    assert_eq!(problems(&plan), [""; 0]);
    plan.peers.into_values().next().unwrap()
}

#[test]
fn every_field_of_a_peer_makes_a_difference() {
    let base = json!({ "address": "192.0.2.7", "asn": 65001 });
    let seconds = Duration::from_secs;
    type Check = fn(&PeerIntent) -> bool;
    let cases: &[(Value, Check)] = &[
        (json!({ "address": "192.0.2.8" }), |peer| peer.address.to_string() == "192.0.2.8"),
        (json!({ "address": "fe80::1", "interface": "eth1" }), |peer| {
            peer.address.to_string() == "fe80::1" && peer.interface.as_deref() == Some("eth1")
        }),
        (json!({ "address": null, "interface": "eth1" }), PeerIntent::is_unnumbered),
        (json!({ "port": 1179 }), |peer| peer.port == 1179),
        (json!({ "asn": 65002 }), |peer| peer.asn == PeerAs::Is(Asn(65002))),
        (json!({ "asn": "external" }), |peer| peer.asn == PeerAs::External),
        (json!({ "asn": "internal" }), |peer| peer.asn == PeerAs::Internal),
        (json!({ "localASN": 65009 }), |peer| peer.local_asn == Some(Asn(65009))),
        (json!({ "localAddress": "192.0.2.1" }), |peer| {
            peer.local_address.is_some_and(|local| local.to_string() == "192.0.2.1")
        }),
        (json!({ "description": "rack 1\nleft" }), |peer| peer.description.as_deref() == Some("rack 1 left")),
        (json!({ "passive": true }), |peer| peer.passive),
        (json!({ "holdTimeSeconds": 9 }), |peer| peer.hold_time == HoldTime::new(9).unwrap()),
        (json!({ "keepaliveSeconds": 5 }), |peer| peer.keepalive == Some(Duration::from_secs(5))),
        (json!({ "connectRetrySeconds": 7 }), |peer| peer.connect_retry == Duration::from_secs(7)),
        (json!({ "multihop": 3 }), |peer| peer.multihop == 3),
        (json!({ "ttlSecurity": 2 }), |peer| peer.ttl_security == Some(2)),
        (json!({ "bfd": {} }), |peer| peer.bfd == Some(intent::Bfd::default())),
        (json!({ "bfd": { "minTxMilliseconds": 50, "minRxMilliseconds": 60, "multiplier": 4 } }), |peer| {
            let intervals = [50, 60].map(|millis| Some(Duration::from_millis(millis)));
            peer.bfd.is_some_and(|bfd| {
                [bfd.min_tx, bfd.min_rx] == intervals && bfd.multiplier.is_some_and(|times| times.get() == 4)
            })
        }),
        (json!({ "gracefulRestart": "helper" }), |peer| peer.graceful_restart == RestartRole::Helper),
        (json!({ "gracefulRestart": "off" }), |peer| peer.graceful_restart == RestartRole::Off),
        (json!({ "restartTimeSeconds": 30 }), |peer| peer.restart_time == Some(30)),
        (json!({ "families": ["ipv6"] }), |peer| peer.families == FamilySet::from_iter([Family::Ipv6])),
        (json!({ "import": "all" }), |peer| peer.import == Import::All),
        (json!({ "import": "none" }), |peer| peer.import == Import::None),
        (json!({ "export": "all" }), |peer| peer.export == Export::All),
        (json!({ "export": "none" }), |peer| peer.export == Export::None),
        (json!({ "maxPrefixes": 100 }), |peer| peer.max_prefixes == Some(100)),
        (json!({ "shutdown": true }), |peer| peer.shutdown),
    ];
    let plain = made(base.clone());
    assert_eq!(
        plain,
        PeerIntent::new("tor-a".to_owned(), plain.address, Asn(65001)),
        "what is left out is as in the file"
    );
    assert_eq!(plain.connect_retry, seconds(5));
    for (change, holds) in cases {
        assert!(!holds(&plain), "{change} is no change");
        let mut spec = base.clone();
        spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert!(holds(&made(spec)), "{change} is ignored");
    }
}

#[test]
fn a_peer_that_cannot_be_is_left_out_and_named() {
    let cases = [
        (json!({ "address": null }), "spec.address: there is neither address nor interface"),
        (json!({ "address": "0.0.0.0" }), "spec.address: 0.0.0.0 is no address of one machine"),
        (
            json!({ "address": "::ffff:192.0.2.7" }),
            "spec.address: ::ffff:192.0.2.7 is no address of one machine",
        ),
        (json!({ "address": "fe80::1" }), "spec.interface: fe80::1 counts on one link only"),
        (json!({ "interface": "eth1" }), "spec.interface: 192.0.2.7 is routed"),
        (json!({ "address": null, "interface": "../../etc" }), "spec.interface: \"../../etc\" is no name"),
        (json!({ "asn": 0 }), "spec.asn: 0 is an AS number nobody has"),
        (json!({ "localASN": 23456 }), "spec.localASN: 23456 is an AS number nobody has"),
        (json!({ "localAddress": "::1:2" }), "spec.localAddress: ::1:2 is not of the family of 192.0.2.7"),
        (json!({ "port": 0 }), "spec.port: 0 is no port"),
        (json!({ "holdTimeSeconds": 2 }), "spec.holdTimeSeconds: 2 is no hold time"),
        (json!({ "holdTimeSeconds": 9, "keepaliveSeconds": 9 }), "spec.keepaliveSeconds: it is not shorter"),
        (json!({ "holdTimeSeconds": 0, "keepaliveSeconds": 1 }), "spec.keepaliveSeconds: it is not shorter"),
        (json!({ "connectRetrySeconds": 0 }), "spec.connectRetrySeconds: 0 is not 1 to 3600"),
        (json!({ "restartTimeSeconds": 4096 }), "spec.restartTimeSeconds: 4096 is not 1 to 4095"),
        (json!({ "multihop": 2, "ttlSecurity": 2 }), "spec.multihop: ttlSecurity says the same"),
        (json!({ "ttlSecurity": 255 }), "spec.ttlSecurity: 255 is not 1 to 254"),
        (json!({ "multihop": 0 }), "spec.multihop: 0 is not 1 to 255"),
        (json!({ "bfd": { "minTxMilliseconds": 1 } }), "spec.bfd.minTxMilliseconds: 1 is not 10 to 60000"),
        (json!({ "bfd": { "multiplier": 0 } }), "spec.bfd.multiplier: 0 is not 1 to 255"),
        (json!({ "maxPrefixes": 0 }), "spec.maxPrefixes: no session has none"),
    ];
    for (change, expected) in cases {
        let mut spec = json!({ "address": "192.0.2.7", "asn": 65001 });
        spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let plan = plan(&mut with_node(&[peer("tor-a", spec), tor("tor-b")]));
        assert_eq!(plan.peers.keys().collect::<Vec<_>>(), ["tor-b"], "{change}");
        let [problem] = &problems(&plan)[..] else { panic!("{change}: {:?}", plan.problems) };
        assert!(problem.starts_with(&format!("Peer tor-a: {expected}")), "{change}: {problem}");
        assert!(problem.ends_with("; the peer is left out"), "{problem}");
    }
}

#[test]
fn a_peer_is_of_the_nodes_its_selector_means() {
    let cases = [
        (json!({}), true),
        (json!({ "matchLabels": { "rack": "r1" } }), true),
        (json!({ "matchLabels": { "rack": "r2" } }), false),
        (json!({ "matchLabels": { "rack": "r1", "gpu": "yes" } }), false),
        (json!({ "matchExpressions": [{ "key": "rack", "operator": "In", "values": ["r0", "r1"] }] }), true),
        (json!({ "matchExpressions": [{ "key": "rack", "operator": "NotIn", "values": ["r1"] }] }), false),
        (json!({ "matchExpressions": [{ "key": "gpu", "operator": "NotIn", "values": ["yes"] }] }), true),
        (json!({ "matchExpressions": [{ "key": "rack", "operator": "Exists" }] }), true),
        (json!({ "matchExpressions": [{ "key": "gpu", "operator": "Exists" }] }), false),
        (json!({ "matchExpressions": [{ "key": "gpu", "operator": "DoesNotExist" }] }), true),
        (json!({ "matchExpressions": [{ "key": "rack", "operator": "DoesNotExist" }] }), false),
    ];
    for (selector, expected) in cases {
        let spec = json!({ "address": "192.0.2.7", "asn": 65001, "nodeSelector": selector });
        let plan = plan(&mut with_node(&[peer("tor-a", spec)]));
        assert_eq!(plan.peers.contains_key("tor-a"), expected, "{selector}");
    }
    let unknown = json!({ "address": "192.0.2.7", "asn": 1, "nodeSelector": { "matchExpressions": [{ "key": "a", "operator": "Gt" }] } });
    let (kind, json) = peer("tor-a", unknown);
    let error = crate::Object::read(kind, &json.to_string()).unwrap_err().to_string();
    assert!(error.contains("unknown variant `Gt`"), "{error}");
}

#[test]
fn no_node_is_its_own_peer() {
    let reflector = peer("reflector", json!({ "address": "192.0.2.1", "asn": "internal" }));
    let plan = plan(&mut with_node(&[reflector]));
    assert_eq!((plan.peers.len(), problems(&plan)), (0, vec![]));
}

#[test]
fn the_file_wins_and_then_the_first_by_name() {
    let objects = [
        peer("by-name", json!({ "address": "192.0.2.50", "asn": 65001 })),
        peer("by-place", json!({ "address": "192.0.2.60", "asn": 65001 })),
        peer("x-first", json!({ "address": "192.0.2.70", "asn": 65001 })),
        peer("x-second", json!({ "address": "192.0.2.70", "asn": 65002 })),
    ];
    let mut file = file();
    for (name, address) in [("by-name", "192.0.2.99"), ("other", "192.0.2.60")] {
        file.peers
            .insert(name.to_owned(), PeerIntent::new(name.to_owned(), address.parse().unwrap(), Asn(64999)));
    }
    let plan = with_node(&objects).plan(&file, Duration::ZERO).unwrap();
    assert_eq!(plan.peers.keys().collect::<Vec<_>>(), ["x-first"]);
    assert_eq!(problems(&plan).len(), 3, "{:?}", plan.problems);
    let whole = plan.onto(&file);
    assert_eq!(whole.peers.keys().collect::<Vec<_>>(), ["by-name", "other", "x-first"]);
    assert_eq!(whole.peers["by-name"].asn, PeerAs::Is(Asn(64999)));
}

#[test]
fn a_policy_the_file_requires_is_required_of_external_peers() {
    let objects = [
        tor("tor-a"),
        peer("inside", json!({ "address": "192.0.2.80", "asn": "internal" })),
        peer(
            "said",
            json!({ "address": "192.0.2.81", "asn": "external", "import": "safe", "export": "originated" }),
        ),
    ];
    let mut file = file();
    file.node.require_policy = true;
    let plan = with_node(&objects).plan(&file, Duration::ZERO).unwrap();
    let both = |name: &str| (plan.peers[name].import.clone(), plan.peers[name].export.clone());
    assert_eq!(both("tor-a"), (Import::None, Export::None));
    assert_eq!(both("inside"), (Import::Safe, Export::Originated));
    assert_eq!(both("said"), (Import::Safe, Export::Originated));
}

#[test]
fn a_peer_without_its_password_has_no_session() {
    let spec =
        json!({ "address": "192.0.2.7", "asn": 65001, "passwordSecret": { "name": "bgp", "key": "tor" } });
    let mut cluster = with_node(&[peer("tor-a", spec)]);
    let scope = Scope::In { namespace: "kube-system".to_owned(), name: "bgp".to_owned() };
    assert!(cluster.watches().contains(&Watch { kind: Kind::Secret, scope }));
    assert_eq!(cluster.missing(), [Kind::Secret], "asked for, and not answered yet");

    let key = Key { namespace: "kube-system".to_owned(), name: "bgp".to_owned() };
    let absent = || Event::Delete(Kind::Secret, key.clone());
    let secret = |data: Value| {
        let metadata = json!({ "namespace": "kube-system", "name": "bgp" });
        Event::Apply(object(Kind::Secret, &json!({ "metadata": metadata, "data": data })))
    };
    let why = |cluster: &mut Cluster| {
        let plan = plan(cluster);
        let password = plan.peers.get("tor-a").map(|peer| peer.password.clone());
        (password, problems(&plan).join("\n"))
    };
    cluster.handle(absent());
    let (password, problem) = why(&mut cluster);
    assert_eq!(password, None);
    assert!(problem.contains("there is no Secret kube-system/bgp, and without"), "{problem}");
    cluster.handle(secret(json!({ "other": "Zm9v" })));
    let (password, problem) = why(&mut cluster);
    assert_eq!(password, None);
    assert!(problem.contains("Secret kube-system/bgp: it has no key \"tor\""), "{problem}");
    cluster.handle(secret(json!({ "tor": "Zm9v" })));
    let (password, problem) = why(&mut cluster);
    assert_eq!((password, problem.as_str()), (Some(intent::Secret::new(b"foo")), ""));

    // Who does not need it any more does not keep it.
    let mut other = with_node(&[peer("tor-a", json!({ "address": "192.0.2.7", "asn": 65001 }))]);
    other.handle(secret(json!({ "tor": "Zm9v" })));
    plan(&mut other);
    assert!(!serde_json::to_string(&other.save()).unwrap().contains("Zm9v"));

    // An absence, too, outlives a restart while the server is away.
    cluster.handle(absent());
    let saved = serde_json::to_string(&cluster.save()).unwrap();
    let mut next = Cluster::new(settings());
    next.restore(serde_json::from_str(&saved).unwrap());
    assert_eq!(next.missing(), []);
}

/// What a peer is told of something originated with nothing attached: whether, and its communities and LOCAL_PREF.
fn told(plan: &Plan, peer: &str, prefix: &str) -> Option<(Vec<String>, Option<u32>)> {
    let prefix = net(prefix);
    let originated = &plan.originated[&prefix];
    let next_hop = std::net::IpAddr::from([0, 0, 0, 0]);
    let mut attributes = bgp::PathAttributes::originated(next_hop.into());
    attributes.communities.clone_from(&originated.communities);
    attributes.local_pref = originated.local_pref;
    let Export::Policy(policy) = &plan.peers[peer].export else {
        assert_eq!(plan.peers[peer].export, Export::Originated);
        return Some((texts(&attributes.communities), attributes.local_pref));
    };
    let verdict =
        policy.evaluate(Route { prefix, announcer: None, interface: None, attributes: &attributes });
    (verdict.decision == Decision::Accept)
        .then(|| (texts(&verdict.attributes.communities), verdict.attributes.local_pref))
}

fn texts(communities: &[Community]) -> Vec<String> {
    communities.iter().map(ToString::to_string).collect()
}

#[test]
fn attributes_for_all_are_part_of_what_is_originated() {
    let objects = [
        tor("tor-a"),
        advertisement(
            "a",
            json!({ "podBlocks": true, "communities": ["64512:2", "no-export"], "localPref": 200 }),
        ),
        advertisement(
            "b",
            json!({ "podBlocks": true, "communities": ["64512:1"], "localPref": 150,
            "largeCommunities": ["64512:1:2"] }),
        ),
        advertisement("c", json!({ "podBlocks": false, "communities": ["64512:9"] })),
        advertisement(
            "d",
            json!({ "podBlocks": true, "communities": ["64512:8"],
            "nodeSelector": { "matchLabels": { "rack": "r2" } } }),
        ),
    ];
    let plan = plan(&mut with_node(&objects));
    let block = &plan.originated[&net("10.244.1.0/24")];
    assert_eq!(texts(&block.communities), ["64512:1", "64512:2", "no-export"]);
    assert_eq!((block.large_communities.len(), block.local_pref), (1, Some(200)));
    assert_eq!(plan.peers["tor-a"].export, Export::Originated, "nothing is for certain peers");
}

#[test]
fn what_is_for_certain_peers_goes_to_nobody_else() {
    let services = json!({ "loadBalancerRanges": ["203.0.113.0/24"] });
    let objects = [
        tor("tor-a"),
        tor("tor-b"),
        tor("tor-c"),
        advertisement(
            "edge",
            json!({ "services": services, "peers": ["tor-a"], "communities": ["64512:1"], "localPref": 200 }),
        ),
        advertisement(
            "more",
            json!({ "services": services, "peerSelector": { "matchLabels": { "tier": "tor-b" } },
            "communities": ["64512:2"] }),
        ),
        advertisement("all", json!({ "podBlocks": true, "communities": ["64512:3"] })),
    ];
    let mut cluster = with_node(&objects);
    let before = plan(&mut cluster);
    let tagged = |tag: &str, pref| Some((vec![tag.to_owned()], pref));
    assert_eq!(told(&before, "tor-a", "203.0.113.0/24"), tagged("64512:1", Some(200)));
    assert_eq!(told(&before, "tor-b", "203.0.113.0/24"), tagged("64512:2", None));
    assert_eq!(told(&before, "tor-c", "203.0.113.0/24"), None);
    for tor in ["tor-a", "tor-b", "tor-c"] {
        assert_eq!(
            told(&before, tor, "10.244.1.0/24"),
            tagged("64512:3", None),
            "{tor}: the block is for all"
        );
    }
    let Export::Policy(policy) = &before.peers["tor-c"].export else { panic!("no policy") };
    let attributes = bgp::PathAttributes::originated(std::net::IpAddr::from([0, 0, 0, 0]).into());
    let announcer = Announcer { asn: Asn(1), address: [192, 0, 2, 9].into(), external: true };
    let learned = Route {
        prefix: net("198.51.100.0/24"),
        announcer: Some(announcer),
        interface: None,
        attributes: &attributes,
    };
    assert_eq!(policy.evaluate(learned).decision, Decision::Reject, "and nothing learned goes to anybody");

    let (kind, json) = advertisement("everyone", json!({ "services": services }));
    cluster.handle(Event::Apply(object(kind, &json)));
    assert!(
        told(&plan(&mut cluster), "tor-c", "203.0.113.0/24").is_some(),
        "until somebody wants it for all"
    );
}

#[test]
fn an_advertisement_chooses_services_by_their_labels() {
    let service = |name: &str, ip: &str, app: &str| {
        let metadata = json!({ "namespace": "shop", "name": name, "labels": { "app": app } });
        (
            Kind::Service,
            json!({ "metadata": metadata,
            "spec": { "type": "LoadBalancer", "clusterIP": "10.96.0.1" },
            "status": { "loadBalancer": { "ingress": [{ "ip": ip }] } } }),
        )
    };
    let slice = |name: &str| {
        let metadata =
            json!({ "namespace": "shop", "name": name, "labels": { "kubernetes.io/service-name": name } });
        (
            Kind::EndpointSlice,
            json!({ "metadata": metadata, "addressType": "IPv4", "endpoints": [{ "nodeName": "node-b" }] }),
        )
    };
    let services =
        json!({ "loadBalancerRanges": ["203.0.113.0/24"], "selector": { "matchLabels": { "app": "web" } } });
    let objects = [
        tor("tor-a"),
        tor("tor-b"),
        service("web", "203.0.113.7", "web"),
        service("db", "203.0.113.8", "db"),
        slice("web"),
        slice("db"),
        advertisement("web", json!({ "services": services, "peers": ["tor-a"] })),
    ];
    let plan = plan(&mut with_node(&objects));
    assert_eq!(
        crate::testing::originated(&plan),
        ["10.244.1.0/24 Node node-a", "203.0.113.7/32 Service shop/web"],
        "not the range: it would draw packets for the others too"
    );
    assert!(told(&plan, "tor-a", "203.0.113.7/32").is_some());
    assert_eq!(told(&plan, "tor-b", "203.0.113.7/32"), None);
    assert!(plan.guard.refused.contains_key(&net("203.0.113.0/24")));
}

#[test]
fn what_an_advertisement_says_wrongly_is_left_out_and_named() {
    let mut file = file();
    file.peers.insert("old".to_owned(), PeerIntent::new("old".to_owned(), [192, 0, 2, 9].into(), Asn(1)));
    let objects = [
        tor("tor-a"),
        advertisement(
            "a",
            json!({
                "podBlocks": true, "peers": ["tor-a", "tor-z", "old"],
                "communities": ["64512:1", "65536:1"], "largeCommunities": ["1:2"],
                "services": { "clusterRanges": ["10.96.0.0/12", "::/0", "x"] },
            }),
        ),
    ];
    let plan = with_node(&objects).plan(&file, Duration::ZERO).unwrap();
    let (communities, _) = told(&plan, "tor-a", "10.244.1.0/24").unwrap();
    assert_eq!(communities, ["64512:1"], "what is right holds");
    assert!(plan.originated.contains_key(&net("10.96.0.0/12")));
    let fields: Vec<&str> = plan.problems.iter().map(|problem| problem.field.as_str()).collect();
    let expected = [
        "spec.communities[1]",
        "spec.largeCommunities[0]",
        "spec.peers[1]",
        "spec.peers[2]",
        "spec.services.clusterRanges[1]",
        "spec.services.clusterRanges[2]",
    ];
    assert_eq!(fields, expected, "{:?}", problems(&plan));
}

#[test]
fn our_own_resources_count_where_calicos_do_not() {
    use intent::{Kubernetes, PeerSource};
    let objects = [(Kind::Node, own_node()), tor("tor-a")];
    for (peers, has_calico, expected) in [
        (PeerSource::Auto, false, true),
        (PeerSource::Auto, true, false),
        (PeerSource::Podbgp, true, true),
        (PeerSource::None, false, false),
    ] {
        let mut cluster = cluster(Kubernetes { peers, ..settings() }, &objects);
        if has_calico {
            for kind in [Kind::IpPool, Kind::BlockAffinity] {
                crate::testing::list(kind, &[]).into_iter().for_each(|event| cluster.handle(event));
            }
        }
        assert_eq!(plan(&mut cluster).peers.contains_key("tor-a"), expected, "{peers:?} {has_calico}");
    }
    assert_eq!(NODE, "node-a");
}
