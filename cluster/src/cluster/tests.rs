use std::time::Duration;

use intent::{BlockSource, Guarded, Leftover, PeerSource};
use serde_json::{Value, json};

use super::*;
use crate::object::Object;
use crate::testing::{
    NODE, cluster, file, list, net, object, originated, own_node, plan, plan_at, problems, settings,
};

fn node_with(change: impl FnOnce(&mut Value)) -> Value {
    let mut node = own_node();
    change(&mut node);
    node
}

fn only(node: Value) -> Plan {
    plan(&mut cluster(settings(), &[(Kind::Node, node)]))
}

#[test]
fn the_blocks_of_the_node_are_originated() {
    let cases: &[(&str, Value, &[&str])] = &[
        ("single", json!({ "podCIDR": "10.244.1.0/24" }), &["10.244.1.0/24"]),
        (
            "dual stack",
            json!({ "podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00:244:1::/64"] }),
            &["10.244.1.0/24", "fd00:244:1::/64"],
        ),
        ("the list wins", json!({ "podCIDR": "10.1.0.0/24", "podCIDRs": ["10.2.0.0/24"] }), &["10.2.0.0/24"]),
        ("host bits are cleared", json!({ "podCIDRs": ["10.244.1.7/24"] }), &["10.244.1.0/24"]),
        ("none yet", json!({}), &[]),
    ];
    for (name, spec, expected) in cases {
        let plan = only(node_with(|node| node["spec"] = spec.clone()));
        let expected: Vec<String> = expected.iter().map(|block| format!("{block} Node node-a")).collect();
        assert_eq!(originated(&plan), expected, "{name}");
        assert!(plan.originated.values().all(|block| block.leftover == Leftover::Dropped), "{name}");
        assert_eq!(problems(&plan), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_block_that_is_none_is_left_out_and_named() {
    let blocks =
        json!(["nonsense", "10.244.1.0/24", "0.0.0.0/0", "127.0.0.0/8", "", "fe80::/64", "10.0.0.0/33"]);
    let plan = only(node_with(|node| node["spec"]["podCIDRs"] = blocks));
    assert_eq!(originated(&plan), ["10.244.1.0/24 Node node-a"]);
    assert_eq!(
        problems(&plan),
        [
            "Node node-a: spec.podCIDRs[0]: \"nonsense\" is no block such as 10.244.3.0/24; the block is left out",
            "Node node-a: spec.podCIDRs[2]: 0.0.0.0/0 is everything, and nobody's block; the block is left out",
            "Node node-a: spec.podCIDRs[3]: 127.0.0.0/8 cannot be routed to a node; the block is left out",
            "Node node-a: spec.podCIDRs[4]: it is empty, and should be a block such as 10.244.3.0/24; the block is left out",
            "Node node-a: spec.podCIDRs[5]: fe80::/64 cannot be routed to a node; the block is left out",
            "Node node-a: spec.podCIDRs[6]: \"10.0.0.0/33\" is no block such as 10.244.3.0/24; the block is left out",
        ]
    );
}

#[test]
fn blocks_come_from_where_the_settings_say() {
    let node = own_node();
    let cilium = json!({ "metadata": { "name": NODE }, "spec": { "ipam": { "podCIDRs": ["10.0.1.0/24", "fd00::/64"] } } });
    let affinity = |name: &str, node: &str, state: &str, rest: Value| {
        let mut spec = json!({ "node": node, "cidr": name, "state": state });
        spec.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({ "metadata": { "name": name.replace(['.', '/'], "-") }, "spec": spec })
    };
    let affinities = [
        affinity("10.1.0.0/26", NODE, "confirmed", json!({ "deleted": "false" })),
        affinity("10.1.0.64/26", NODE, "", json!({ "deleted": false })),
        affinity("10.1.0.128/26", NODE, "pendingDeletion", json!({})),
        affinity("10.1.0.192/26", NODE, "pending", json!({})),
        affinity("10.1.1.0/26", NODE, "confirmed", json!({ "deleted": "true" })),
        affinity("10.1.1.64/26", NODE, "confirmed", json!({ "type": "virtual" })),
        affinity("10.1.1.128/26", "node-b", "confirmed", json!({})),
    ];
    let (of_node, of_cilium): (&[&str], &[&str]) = (&["10.244.1.0/24"], &["10.0.1.0/24", "fd00::/64"]);
    let of_calico: &[&str] = &["10.1.0.0/26", "10.1.0.64/26", "10.1.0.128/26"];
    let cases = [
        ("auto, nothing else", BlockSource::Auto, false, false, of_node),
        ("auto, Cilium", BlockSource::Auto, true, false, of_cilium),
        ("auto, Calico", BlockSource::Auto, true, true, of_calico),
        ("node", BlockSource::Node, true, true, of_node),
        ("cilium", BlockSource::Cilium, true, true, of_cilium),
        ("calico", BlockSource::Calico, true, true, of_calico),
        ("none", BlockSource::None, true, true, &[]),
    ];
    for (name, blocks, has_cilium, has_calico, expected) in cases {
        let settings = Kubernetes { blocks, peers: PeerSource::None, ..settings() };
        let mut cluster = cluster(settings, &[(Kind::Node, node.clone())]);
        let mut hear = |events: Vec<Event>| events.into_iter().for_each(|event| cluster.handle(event));
        if has_cilium {
            hear(list(Kind::CiliumNode, std::slice::from_ref(&cilium)));
        }
        if has_calico {
            hear(list(Kind::BlockAffinity, &affinities));
            hear(list(Kind::IpPool, &[]));
        }
        let plan = plan(&mut cluster);
        let blocks: Vec<String> = plan.originated.keys().map(ToString::to_string).collect();
        assert_eq!(blocks, expected, "{name}");
    }
}

#[test]
fn nothing_is_said_before_everything_is_listed() {
    let mut cluster =
        Cluster::new(Kubernetes { peers: PeerSource::None, blocks: BlockSource::Node, ..settings() });
    assert_eq!(cluster.missing(), [Kind::Node]);
    cluster.handle(Event::Begin(Kind::Node));
    cluster.handle(Event::Apply(object(Kind::Node, &own_node())));
    assert_eq!(cluster.plan(&file(), Duration::ZERO), None, "the list is not complete");
    cluster.handle(Event::End(Kind::Node));
    assert_eq!(originated(&plan(&mut cluster)), ["10.244.1.0/24 Node node-a"]);
}

#[test]
fn a_relist_takes_the_place_of_what_was_there_in_one_step() {
    let mut cluster = cluster(settings(), &[(Kind::Node, own_node())]);
    let before = plan(&mut cluster);
    cluster.handle(Event::Begin(Kind::Node));
    assert_eq!(plan(&mut cluster), before, "begun");
    let moved = node_with(|node| node["spec"]["podCIDRs"] = json!(["10.244.9.0/24"]));
    cluster.handle(Event::Apply(object(Kind::Node, &moved)));
    assert_eq!(plan(&mut cluster), before, "half way");
    // The connection broke, and the list begins anew, with nothing of the first try left.
    cluster.handle(Event::Begin(Kind::Node));
    cluster.handle(Event::Apply(object(Kind::Node, &own_node())));
    cluster.handle(Event::End(Kind::Node));
    assert_eq!(plan(&mut cluster), before, "the same list again");
    list(Kind::Node, &[]).into_iter().for_each(|event| cluster.handle(event));
    assert_eq!(originated(&plan(&mut cluster)), Vec::<String>::new(), "gone with the list it is not in");
}

#[test]
fn a_node_nobody_knows_is_a_problem_and_no_withdrawal_of_the_file() {
    let plan = plan(&mut cluster(settings(), &[]));
    let [problem] = &problems(&plan)[..] else { panic!("{:?}", plan.problems) };
    assert!(problem.starts_with("Node node-a: there is no such node"), "{problem}");
}

#[test]
fn an_object_that_cannot_be_read_is_left_out_and_named_until_it_can() {
    let mut cluster = cluster(settings(), &[(Kind::Node, own_node())]);
    let broken = r#"{"metadata":{"name":"node-a"},"spec":{"podCIDRs":7}}"#;
    let why = Object::read(Kind::Node, broken).unwrap_err().to_string();
    let key = Key::of(NODE);
    cluster.handle(Event::Unreadable(Kind::Node, key.clone(), why));
    let plan_of_broken = plan(&mut cluster);
    assert_eq!(originated(&plan_of_broken), Vec::<String>::new());
    assert!(
        problems(&plan_of_broken)[0]
            .starts_with("Node node-a: it cannot be read, and is left out: invalid type"),
        "{:?}",
        plan_of_broken.problems
    );
    cluster.handle(Event::Apply(object(Kind::Node, &own_node())));
    assert_eq!(problems(&plan(&mut cluster)), Vec::<String>::new());
}

#[test]
fn what_one_run_saved_counts_until_a_real_list_takes_its_place() {
    let mut first = cluster(settings(), &[(Kind::Node, own_node())]);
    let saved = serde_json::to_string(&first.save()).unwrap();
    let mut second = Cluster::new(settings());
    second.restore(serde_json::from_str(&saved).unwrap());
    assert_eq!(second.missing(), []);
    assert_eq!(plan(&mut second), plan(&mut first));

    second.handle(Event::Begin(Kind::Node));
    assert_eq!(plan(&mut second), plan(&mut first), "a list that is on its way changes nothing");
    second.handle(Event::End(Kind::Node));
    assert_eq!(originated(&plan(&mut second)), Vec::<String>::new());

    let mut late = cluster(settings(), &[]);
    late.restore(serde_json::from_str(&saved).unwrap());
    assert_eq!(originated(&plan(&mut late)), Vec::<String>::new(), "what was listed is newer");

    let other = Kubernetes::new("node-b".to_owned());
    let mut other = Cluster::new(other);
    other.restore(serde_json::from_str(&saved).unwrap());
    assert!(!other.missing().is_empty(), "another node's");
}

#[test]
fn the_order_of_objects_makes_no_difference() {
    let objects = [
        (Kind::Node, own_node()),
        (
            Kind::Node,
            json!({ "metadata": { "name": "node-b" }, "status": { "addresses": [
            { "type": "InternalIP", "address": "192.0.2.2" }, { "type": "ExternalIP", "address": "2001:db8::2" } ] } }),
        ),
        (
            Kind::Service,
            json!({ "metadata": { "namespace": "a", "name": "x" }, "spec": {
            "type": "ClusterIP", "clusterIP": "10.96.0.1", "externalIPs": ["203.0.113.7"] } }),
        ),
        (
            Kind::Service,
            json!({ "metadata": { "namespace": "b", "name": "x" }, "spec": {
            "type": "ClusterIP", "clusterIP": "10.96.0.2", "externalIPs": ["203.0.113.7"] } }),
        ),
        (
            Kind::EndpointSlice,
            json!({ "metadata": { "namespace": "a", "name": "x-1",
            "labels": { "kubernetes.io/service-name": "x" } }, "addressType": "IPv4",
            "endpoints": [{ "nodeName": NODE, "conditions": {} }] }),
        ),
        (
            Kind::EndpointSlice,
            json!({ "metadata": { "namespace": "b", "name": "x-1",
            "labels": { "kubernetes.io/service-name": "x" } }, "addressType": "IPv4",
            "endpoints": [{ "nodeName": "node-b" }] }),
        ),
    ];
    let mut settings = settings();
    settings.services.external = [net("203.0.113.0/24"), net("203.0.113.7/32")].into();
    let mut seen: Option<Plan> = None;
    let mut order: Vec<usize> = (0..objects.len()).collect();
    permutations(&mut order, 0, &mut |order| {
        let shuffled: Vec<_> = order.iter().map(|index| objects[*index].clone()).collect();
        // Heard one by one after empty lists, in an order across kinds too.
        let mut cluster = cluster(settings.clone(), &[]);
        for (kind, json) in &shuffled {
            cluster.handle(Event::Apply(object(*kind, json)));
        }
        let plan = plan(&mut cluster);
        assert_eq!(*seen.get_or_insert_with(|| plan.clone()), plan);
    });
    let plan = seen.unwrap();
    assert_eq!(plan.originated.len(), 3, "{:?}", originated(&plan));
}

fn permutations(order: &mut Vec<usize>, from: usize, each: &mut impl FnMut(&[usize])) {
    if from == order.len() {
        return each(order);
    }
    for index in from..order.len() {
        order.swap(from, index);
        permutations(order, from + 1, each);
        order.swap(from, index);
    }
}

#[test]
fn a_cordon_is_no_drain_and_a_named_taint_or_the_annotation_is() {
    let cordoned = json!([{ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" }]);
    let out = json!([{ "key": "out", "value": "yes", "effect": "NoExecute" }]);
    let named = ["node.kubernetes.io/out-of-service", "out=yes:NoExecute"];
    let annotated = |value: &str| json!({ "podbgp.io/drain": value });
    let cases = [
        ("nothing", json!({}), json!([]), &named[..], None),
        ("cordoned", json!({}), cordoned.clone(), &named, None),
        (
            "cordoned, and wanted so",
            json!({}),
            cordoned,
            &["node.kubernetes.io/unschedulable"],
            Some("taint node.kubernetes.io/unschedulable"),
        ),
        ("tainted", json!({}), out.clone(), &named, Some("taint out=yes:NoExecute")),
        ("by key", json!({}), out.clone(), &["out"], Some("taint out")),
        ("by key and effect", json!({}), out.clone(), &["out:NoExecute"], Some("taint out:NoExecute")),
        ("another effect", json!({}), out.clone(), &["out:NoSchedule"], None),
        ("another value", json!({}), out, &["out=no"], None),
        (
            "annotated",
            annotated("disk swap"),
            json!([]),
            &[],
            Some("annotation podbgp.io/drain: \"disk swap\""),
        ),
        ("annotated without reason", annotated("true"), json!([]), &[], Some("annotation podbgp.io/drain")),
        ("annotated false", annotated("false"), json!([]), &[], None),
        ("annotated empty", annotated(" "), json!([]), &[], None),
    ];
    for (name, annotations, taints, named, expected) in cases {
        let mut settings = settings();
        settings.drain_taints = named.iter().map(ToString::to_string).collect();
        let node = node_with(|node| {
            node["metadata"]["annotations"] = annotations;
            node["spec"]["taints"] = taints;
            node["spec"]["unschedulable"] = json!(true);
        });
        let plan = plan(&mut cluster(settings, &[(Kind::Node, node)]));
        assert_eq!(plan.leave.as_deref(), expected, "{name}");
        assert_eq!(plan.originated.len(), 1, "{name}: blocks stay until the drain has run");
    }
}

#[test]
fn addresses_of_nodes_and_ranges_of_services_are_guarded() {
    let other = json!({ "metadata": { "name": "node-b" }, "status": { "addresses": [
        { "type": "InternalIP", "address": "192.0.2.2" },
        { "type": "ExternalIP", "address": "2001:db8::2" },
        { "type": "InternalIP", "address": "nonsense" },
        { "type": "Hostname", "address": "192.0.2.99" },
    ] } });
    let mut settings = settings();
    settings.services.load_balancer = [net("203.0.113.0/24")].into();
    let mut guarded = cluster(settings.clone(), &[(Kind::Node, own_node()), (Kind::Node, other)]);
    let guard = plan(&mut guarded).guard;
    let expected = [
        (net("192.0.2.1/32"), Guarded::NodeAddress),
        (net("192.0.2.2/32"), Guarded::NodeAddress),
        (net("2001:db8::2/128"), Guarded::NodeAddress),
        (net("203.0.113.0/24"), Guarded::Services),
    ];
    assert_eq!(guard.refused, expected.into());
    assert!(guard.refuse_default);

    let mut routed = file();
    routed.node.blocks.insert(net("192.0.2.1/32"));
    let guard = guarded.plan(&routed, Duration::ZERO).unwrap().guard;
    assert_eq!(
        guard.refused,
        [(net("203.0.113.0/24"), Guarded::Services)].into(),
        "nodes are routed by BGP here"
    );

    settings.accept_default = true;
    guarded.configure(settings);
    assert!(!plan(&mut guarded).guard.refuse_default);
}

#[test]
fn services_are_watched_when_there_is_a_range_and_endpoints_when_somebody_asks() {
    let watched = |cluster: &Cluster| {
        let kinds = [Kind::Service, Kind::EndpointSlice];
        kinds.map(|kind| cluster.watches().contains(&Watch::all(kind)))
    };
    let mut cluster = Cluster::new(settings());
    assert_eq!(watched(&cluster), [false, false]);
    let mut with_range = settings();
    with_range.services.external = [net("203.0.113.0/24")].into();
    cluster.configure(with_range);
    assert_eq!(watched(&cluster), [true, false]);
    let service = |policy: &str| {
        let spec =
            json!({ "type": "LoadBalancer", "clusterIP": "10.96.0.1", "externalTrafficPolicy": policy });
        object(Kind::Service, &json!({ "metadata": { "namespace": "a", "name": "x" }, "spec": spec }))
    };
    cluster.handle(Event::Apply(service("Cluster")));
    assert_eq!(watched(&cluster), [true, false]);
    cluster.handle(Event::Apply(service("Local")));
    assert_eq!(watched(&cluster), [true, true]);
    assert!(cluster.missing().contains(&Kind::EndpointSlice));
    list(Kind::EndpointSlice, &[]).into_iter().for_each(|event| cluster.handle(event));
    cluster.handle(Event::Apply(service("Cluster")));
    assert_eq!(watched(&cluster), [true, true], "what is watched stays watched");
    cluster.configure(settings());
    assert_eq!(watched(&cluster), [false, false], "unless the operator says otherwise");
    assert_eq!(cluster.objects.listed(Kind::EndpointSlice), None, "and is forgotten");
}

#[test]
fn an_outage_is_silence() {
    let mut cluster = cluster(settings(), &[(Kind::Node, own_node())]);
    let before = plan(&mut cluster);
    assert_eq!(plan_at(&mut cluster, Duration::from_secs(86_400)), before);
    assert_eq!(cluster.next_deadline(), None);
}
