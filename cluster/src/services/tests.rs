//! Tables of what is announced. Every line is a Service and its endpoints as the API server writes them.

use std::time::Duration;

use intent::Leftover;
use serde_json::{Value, json};

use super::*;
use crate::testing::{NODE, cluster, net, object, originated, own_node, plan, plan_at, problems, settings};
use crate::{Event, Kind};

/// A Service with the fields a test gives, merged over the usual ones.
fn service(name: &str, spec: &Value, ingress: &Value) -> (Kind, Value) {
    let mut whole = json!({
        "type": "LoadBalancer", "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "ipFamilies": ["IPv4"],
        "externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster",
    });
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let status = json!({ "loadBalancer": { "ingress": ingress } });
    let metadata = json!({ "namespace": "shop", "name": name, "labels": { "app": name } });
    (Kind::Service, json!({ "metadata": metadata, "spec": whole, "status": status }))
}

/// An endpoint: where it is, and how: `r`eady, `l`eaving (serving, terminating), `d`ead (terminating, not serving), `u`nready,
/// `?` nothing said.
fn endpoint(text: &str) -> Value {
    let (node, how) = text.split_once(' ').unwrap();
    let conditions = match how {
        "r" => json!({ "ready": true, "serving": true, "terminating": false }),
        "l" => json!({ "ready": false, "serving": true, "terminating": true }),
        "d" => json!({ "ready": false, "serving": false, "terminating": true }),
        "u" => json!({ "ready": false, "serving": false, "terminating": false }),
        _ => json!({}),
    };
    json!({ "addresses": ["10.244.1.5"], "nodeName": node, "conditions": conditions })
}

fn slice(name: &str, family: &str, endpoints: &[&str]) -> (Kind, Value) {
    let endpoints: Vec<Value> = endpoints.iter().map(|text| endpoint(text)).collect();
    let metadata = json!({ "namespace": "shop", "name": format!("{name}-{family}"),
        "labels": { "kubernetes.io/service-name": name } });
    (Kind::EndpointSlice, json!({ "metadata": metadata, "addressType": family, "endpoints": endpoints }))
}

fn ranges(cluster: &[&str], external: &[&str], load_balancer: &[&str]) -> ServiceRanges {
    let nets = |texts: &[&str]| texts.iter().map(|text| net(text)).collect();
    ServiceRanges { cluster: nets(cluster), external: nets(external), load_balancer: nets(load_balancer) }
}

/// What is announced by itself, by the rules of the file.
fn alone(ranges: &ServiceRanges, objects: &[(Kind, Value)]) -> Vec<String> {
    let mut settings = settings();
    settings.services = ranges.clone();
    let plan = plan(&mut cluster(settings, objects));
    assert_eq!(problems(&plan)[1..], [""; 0], "but that there is no node");
    let services = plan.originated.iter().filter(|(_, originated)| originated.cause.starts_with("Service"));
    services.map(|(prefix, _)| prefix.to_string()).collect()
}

#[test]
fn ranges_are_announced_whole_and_drop_only_what_passes_through() {
    let mut settings = settings();
    settings.services = ranges(&["10.96.0.0/12", "fd00:96::/112"], &["198.51.100.0/24"], &["203.0.113.0/24"]);
    let objects = [(Kind::Node, own_node()), service("web", &json!({}), &json!([{ "ip": "203.0.113.7" }]))];
    let plan = plan(&mut cluster(settings, &objects));
    let by_file = "kubernetes.services of the file";
    assert_eq!(
        originated(&plan),
        [
            format!("10.96.0.0/12 {by_file}"),
            "10.244.1.0/24 Node node-a".to_owned(),
            format!("198.51.100.0/24 {by_file}"),
            format!("203.0.113.0/24 {by_file}"),
            format!("fd00:96::/112 {by_file}"),
        ]
    );
    let services = plan.originated.iter().filter(|(_, originated)| originated.cause == by_file);
    assert!(services.clone().all(|(_, originated)| originated.leftover == Leftover::DroppedInTransit));
    assert_eq!(services.map(|(prefix, _)| *prefix).collect::<Vec<_>>().len(), 4);
}

#[test]
fn only_nodes_with_an_endpoint_answer_where_the_policy_is_local() {
    let all = ranges(&["10.96.0.0/12"], &["198.51.100.0/24"], &["203.0.113.0/24"]);
    let (external, internal) =
        (json!({ "externalTrafficPolicy": "Local" }), json!({ "internalTrafficPolicy": "Local" }));
    let ingress = json!([{ "ip": "203.0.113.7" }, { "hostname": "lb.example" }]);
    let cases: &[(&str, &Value, &[&str], &[&str])] = &[
        ("ready here", &external, &["node-a r"], &["203.0.113.7/32"]),
        ("nothing said is ready", &external, &["node-a ?"], &["203.0.113.7/32"]),
        ("ready elsewhere", &external, &["node-b r"], &[]),
        ("none", &external, &[], &[]),
        ("unready here", &external, &["node-a u"], &[]),
        ("one of two ready", &external, &["node-a u", "node-a r", "node-b r"], &["203.0.113.7/32"]),
        ("leaving here, ready elsewhere", &external, &["node-a l", "node-b r"], &[]),
        ("leaving here, and everywhere", &external, &["node-a l", "node-b l"], &["203.0.113.7/32"]),
        ("leaving elsewhere only", &external, &["node-b l"], &[]),
        ("dead here", &external, &["node-a d"], &[]),
        ("cluster addresses go by the other policy", &internal, &["node-a r"], &["10.96.0.1/32"]),
        ("and are not announced without endpoint", &internal, &["node-b r"], &[]),
        ("Cluster needs nothing beside the range", &json!({}), &["node-a r"], &[]),
        (
            "external addresses are external",
            &json!({ "externalTrafficPolicy": "Local",
            "externalIPs": ["198.51.100.9", "192.0.2.77"] }),
            &["node-a r"],
            &["198.51.100.9/32", "203.0.113.7/32"],
        ),
        ("headless", &json!({ "externalTrafficPolicy": "Local", "clusterIP": "None" }), &["node-a r"], &[]),
        (
            "ExternalName",
            &json!({ "externalTrafficPolicy": "Local", "type": "ExternalName" }),
            &["node-a r"],
            &[],
        ),
    ];
    for (name, spec, endpoints, expected) in cases {
        let objects = [service("web", spec, &ingress), slice("web", "IPv4", endpoints)];
        assert_eq!(alone(&all, &objects), *expected, "{name}");
    }
}

#[test]
fn what_a_proxy_passes_on_is_not_ours() {
    let lb = ranges(&[], &[], &["203.0.113.0/24"]);
    let local = json!({ "externalTrafficPolicy": "Local" });
    for (mode, expected) in [("VIP", &["203.0.113.7/32"][..]), ("Proxy", &[])] {
        let ingress = json!([{ "ip": "203.0.113.7", "ipMode": mode }]);
        let objects = [service("web", &local, &ingress), slice("web", "IPv4", &["node-a r"])];
        assert_eq!(alone(&lb, &objects), *expected, "{mode}");
    }
}

#[test]
fn each_family_goes_by_its_own_endpoints() {
    let both = ranges(&["10.96.0.0/12", "fd00:96::/112"], &[], &[]);
    let spec = json!({ "internalTrafficPolicy": "Local", "clusterIPs": ["10.96.0.1", "fd00:96::1"],
        "ipFamilies": ["IPv4", "IPv6"] });
    let service = service("web", &spec, &json!([]));
    let cases = [
        (&["node-a r"][..], &["node-b r"][..], &["10.96.0.1/32"][..]),
        (&["node-b r"], &["node-a r"], &["fd00:96::1/128"]),
        (&["node-a r"], &["node-a r"], &["10.96.0.1/32", "fd00:96::1/128"]),
    ];
    for (ipv4, ipv6, expected) in cases {
        let objects = [service.clone(), slice("web", "IPv4", ipv4), slice("web", "IPv6", ipv6)];
        assert_eq!(alone(&both, &objects), *expected);
    }
    // Names are no addresses.
    let objects = [service, slice("web", "FQDN", &["node-a r"])];
    assert_eq!(alone(&both, &objects), [""; 0]);
}

#[test]
fn a_range_of_one_address_is_announced_while_a_service_has_it_and_answers() {
    let single = ranges(&[], &["198.51.100.9/32"], &[]);
    let spec = json!({ "externalIPs": ["198.51.100.9"] });
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("answered anywhere", &["node-b r"], &["198.51.100.9/32"]),
        ("by those about to end", &["node-b l"], &["198.51.100.9/32"]),
        ("not answered", &["node-b u"], &[]),
    ];
    for (name, endpoints, expected) in cases {
        let objects = [service("web", &spec, &json!([])), slice("web", "IPv4", endpoints)];
        assert_eq!(alone(&single, &objects), *expected, "{name}");
    }
    assert_eq!(alone(&single, &[]), [""; 0], "no Service has it");
}

#[test]
fn an_address_of_two_services_goes_with_the_last_of_them_and_is_the_firsts_by_name() {
    let lb = ranges(&[], &[], &["203.0.113.0/24"]);
    let mut settings = settings();
    settings.services = lb;
    settings.damping = Duration::ZERO;
    let local = json!({ "externalTrafficPolicy": "Local" });
    let ingress = json!([{ "ip": "203.0.113.7" }]);
    let objects = [
        service("b", &local, &ingress),
        service("a", &local, &ingress),
        slice("a", "IPv4", &["node-a r"]),
        slice("b", "IPv4", &["node-a r"]),
    ];
    let mut cluster = cluster(settings, &objects);
    let cause = |cluster: &mut crate::Cluster| {
        plan(cluster).originated.get(&net("203.0.113.7/32")).map(|originated| originated.cause.clone())
    };
    assert_eq!(cause(&mut cluster).as_deref(), Some("Service shop/a"));
    let gone = |name: &str| {
        let (kind, json) = slice(name, "IPv4", &[]);
        Event::Apply(object(kind, &json))
    };
    cluster.handle(gone("a"));
    assert_eq!(cause(&mut cluster).as_deref(), Some("Service shop/b"));
    cluster.handle(gone("b"));
    assert_eq!(cause(&mut cluster), None);
}

#[test]
fn an_excluded_node_has_no_part_in_services_and_guards_them_all_the_same() {
    let mut settings = settings();
    settings.services = ranges(&["10.96.0.0/12"], &[], &["203.0.113.0/24"]);
    let local = json!({ "externalTrafficPolicy": "Local" });
    for value in ["true", "", "false"] {
        let mut node = own_node();
        node["metadata"]["labels"][EXCLUDED] = json!(value);
        let objects = [
            (Kind::Node, node),
            service("web", &local, &json!([{ "ip": "203.0.113.7" }])),
            slice("web", "IPv4", &["node-a r"]),
        ];
        let plan = plan(&mut cluster(settings.clone(), &objects));
        assert_eq!(originated(&plan), ["10.244.1.0/24 Node node-a"], "{value:?}");
        assert!(plan.guard.refused.contains_key(&net("203.0.113.0/24")));
    }
}

#[test]
fn an_address_that_fell_silent_is_withdrawn_at_once_and_comes_back_after_a_while() {
    let mut settings = settings();
    settings.services = ranges(&[], &[], &["203.0.113.0/24"]);
    settings.damping = Duration::from_secs(8);
    let local = json!({ "externalTrafficPolicy": "Local" });
    let objects =
        [service("web", &local, &json!([{ "ip": "203.0.113.7" }])), slice("web", "IPv4", &["node-a r"])];
    let mut cluster = cluster(settings, &objects);
    let mut at = |millis: u64, endpoints: &[&str]| {
        let (kind, json) = slice("web", "IPv4", endpoints);
        cluster.handle(Event::Apply(object(kind, &json)));
        let plan = plan_at(&mut cluster, Duration::from_millis(millis));
        (plan.originated.contains_key(&net("203.0.113.7/32")), cluster.next_deadline())
    };
    assert_eq!(at(0, &["node-a r"]), (true, None));
    assert_eq!(at(100, &[]), (false, None));
    assert_eq!(at(200, &["node-a r"]), (false, Some(Duration::from_millis(1100))));
    assert_eq!(at(1100, &["node-a r"]), (true, None));
}

#[test]
fn services_nobody_can_reach_say_so_and_cost_nothing_else() {
    let mut settings = settings();
    settings.services = ranges(&["10.96.0.0/12"], &["198.51.100.0/24"], &["203.0.113.0/24"]);
    let long = "x".repeat(100_000);
    let odd = json!({ "externalTrafficPolicy": "Local", "externalIPs": ["nonsense", "127.0.0.1", long, "198.51.100.9"] });
    let objects = [
        (Kind::Node, own_node()),
        service("web", &odd, &json!([{ "ip": "::" }, {}])),
        slice("web", "IPv4", &["node-a r"]),
    ];
    let plan = plan(&mut cluster(settings, &objects));
    assert!(plan.originated.contains_key(&net("198.51.100.9/32")));
    let said = problems(&plan);
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(said.iter().all(|problem| problem.len() < 250), "what is wrong is shown, not all of it");
    assert!(said.contains(
        &"Service shop/web: spec.externalIPs: \"nonsense\" is no address packets can be sent to; it is left out".to_owned()
    ));
}

/// What Calico's rules announce, ranges first.
fn stock(ranges: &ServiceRanges, aggregation: bool, objects: &[(Kind, Value)]) -> (Vec<String>, Vec<String>) {
    let rules = Rules::Calico { ranges: ranges.clone(), load_balancer_aggregation: aggregation };
    let cluster = cluster(settings(), objects);
    let wanted = rules.apply(cluster.objects(), &mut Vec::new());
    let texts = |prefixes: &BTreeMap<IpNet, String>| prefixes.keys().map(ToString::to_string).collect();
    (texts(&wanted.ranges), texts(&wanted.addresses))
}

#[test]
fn calico_announces_ranges_by_its_table() {
    let all = ranges(
        &["10.96.0.0/12", "10.0.0.1/32"],
        &["198.51.100.0/24", "198.51.100.9/32"],
        &["203.0.113.0/24", "203.0.113.7/32"],
    );
    let cluster_and_external = ["10.0.0.1/32", "10.96.0.0/12", "198.51.100.0/24"];
    assert_eq!(stock(&all, true, &[]).0, [&cluster_and_external[..], &["203.0.113.0/24"]].concat());
    assert_eq!(stock(&all, false, &[]).0, cluster_and_external, "load balancers one by one");
    for (value, excluded) in [("true", true), ("", false), ("yes", false)] {
        let mut node = own_node();
        node["metadata"]["labels"][EXCLUDED] = json!(value);
        assert_eq!(stock(&all, true, &[(Kind::Node, node)]).0.is_empty(), excluded, "{value:?}");
    }
}

#[test]
fn calico_announces_addresses_by_its_table() {
    let wide = ranges(&["10.96.0.0/12"], &["198.51.100.0/24"], &["203.0.113.0/24"]);
    let single = ranges(&["10.96.0.0/12"], &["198.51.100.9/32"], &["203.0.113.7/32"]);
    let no_cluster = ranges(&[], &["198.51.100.0/24"], &[]);
    let local = json!({ "externalTrafficPolicy": "Local", "externalIPs": ["198.51.100.9", "192.0.2.9"] });
    let wide_open = json!({ "externalIPs": ["198.51.100.9"] });
    let ingress = json!([{ "ip": "203.0.113.7" }]);
    let everything = &["10.96.0.1/32", "198.51.100.9/32", "203.0.113.7/32"][..];
    type Case<'a> = (&'a str, &'a ServiceRanges, bool, Value, Option<&'a [&'a str]>, &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("Local, ready here: all addresses", &wide, true, local.clone(), Some(&["node-a r"]), everything),
        ("Local, nothing said is ready", &wide, true, local.clone(), Some(&["node-a ?"]), everything),
        ("Local, ready elsewhere", &wide, true, local.clone(), Some(&["node-b r"]), &[]),
        ("Local, leaving never counts", &wide, true, local.clone(), Some(&["node-a l"]), &[]),
        ("Cluster, the range covers it", &wide, true, wide_open.clone(), Some(&["node-a r"]), &[]),
        (
            "Cluster, no aggregation: any ready endpoint",
            &wide,
            false,
            wide_open.clone(),
            Some(&["node-b r"]),
            everything,
        ),
        ("Cluster, no aggregation, none ready", &wide, false, wide_open.clone(), Some(&["node-b u"]), &[]),
        (
            "Cluster, a range of its own: no endpoint asked",
            &single,
            true,
            wide_open.clone(),
            Some(&["node-b u"]),
            everything,
        ),
        ("Cluster, a range of its own, no slice at all", &single, true, wide_open.clone(), None, &[]),
        (
            "Local, a range of its own, still goes by endpoints",
            &single,
            true,
            local.clone(),
            Some(&["node-b r"]),
            &[],
        ),
        (
            "internalTrafficPolicy means nothing",
            &wide,
            true,
            json!({ "internalTrafficPolicy": "Local" }),
            Some(&["node-a r"]),
            &[],
        ),
        (
            "cluster addresses only if there is a range",
            &no_cluster,
            true,
            local.clone(),
            Some(&["node-a r"]),
            &["198.51.100.9/32"],
        ),
        (
            "headless",
            &wide,
            true,
            json!({ "externalTrafficPolicy": "Local", "clusterIP": "None" }),
            Some(&["node-a r"]),
            &[],
        ),
        (
            "a wish for a load balancer's range of its own",
            &single,
            true,
            json!({ "loadBalancerIP": "203.0.113.7" }),
            Some(&["node-b r"]),
            &["10.96.0.1/32", "203.0.113.7/32"],
        ),
        (
            "outside all ranges, cluster addresses are not asked where they are",
            &wide,
            true,
            json!({ "externalTrafficPolicy": "Local", "clusterIPs": ["172.16.0.1"] }),
            Some(&["node-a r"]),
            &["172.16.0.1/32", "203.0.113.7/32"],
        ),
    ];
    for (name, ranges, aggregation, spec, endpoints, expected) in cases {
        let mut objects = vec![(Kind::Node, own_node()), service("web", spec, &ingress)];
        objects.extend(endpoints.map(|endpoints| slice("web", "IPv4", endpoints)));
        assert_eq!(stock(ranges, *aggregation, &objects).1, *expected, "{name}");
    }
}

#[test]
fn calico_asks_for_the_families_of_the_service() {
    let wide = ranges(&["10.96.0.0/12"], &[], &[]);
    let spec = json!({ "externalTrafficPolicy": "Local", "clusterIPs": ["10.96.0.1", "fd00:96::1"], "ipFamilies": ["IPv6"] });
    let objects = [service("web", &spec, &json!([])), slice("web", "IPv4", &["node-a r"])];
    assert_eq!(stock(&wide, true, &objects).1, [""; 0]);
    let objects = [service("web", &spec, &json!([])), slice("web", "IPv6", &["node-a r"])];
    assert_eq!(stock(&wide, true, &objects).1, ["10.96.0.1/32", "fd00:96::1/128"], "all or none");
    assert_eq!(NODE, "node-a", "which the endpoints above are on");
}
