//! What files become. Every mistake and how it is shown is a fixture of `tests/configs.rs`.

use std::time::Duration;

use bgp::{Asn, Family, FamilySet};

use super::*;
use crate::intent::{Export, Import, Kubernetes};

const PEER: &str = "[[peer]]\nname = \"tor-a\"\naddress = \"10.0.0.1\"\nasn = 65001\n";

fn facts() -> Facts {
    Facts {
        node_name: None,
        namespace: None,
        host_name: Some("host-a".to_owned()),
        addresses: vec!["127.0.0.1".parse().unwrap(), "10.0.0.40".parse().unwrap()],
    }
}

fn parse_text(text: &str) -> Result<Config, Mistakes> {
    parse(text, Path::new("podbgpd.toml"), &facts())
}

fn peer(lines: &str) -> crate::intent::PeerIntent {
    let text = format!("[node]\nasn = 64512\n{PEER}{lines}");
    parse_text(&text)
        .map_err(|mistakes| mistakes.render(false))
        .unwrap()
        .intent
        .peers
        .remove("tor-a")
        .unwrap()
}

fn errors(text: &str) -> Vec<String> {
    parse_text(text).unwrap_err().to_string().lines().map(str::to_owned).collect()
}

#[test]
fn what_the_file_does_not_say_has_a_default() {
    let intent = parse_text("[node]\nasn = 64512\n").unwrap().intent;
    assert_eq!(intent.node.name, "host-a");
    assert_eq!(intent.node.router_id.to_string(), "10.0.0.40");
    assert_eq!(
        intent.node.listen.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["0.0.0.0:179", "[::]:179"]
    );
    assert!(intent.node.blocks.is_empty());
    assert_eq!((intent.fib.install, intent.fib.protocol, intent.fib.metric), (true, 179, 20));
    assert_eq!((intent.fib.table, intent.fib.max_paths), (254, 16));
    assert_eq!(intent.control_socket, Path::new("/run/podbgp/podbgpd.sock"));
    assert_eq!(intent.metrics, None);

    let peer = peer("");
    assert_eq!((peer.port, peer.hold_time.seconds(), peer.passive), (179, 90, false));
    assert_eq!((peer.import, peer.export), (Import::Safe, Export::Originated));
    assert_eq!((peer.families, peer.multihop, peer.ttl_security), (FamilySet::ALL, 1, None));
    assert_eq!(peer.send_hold, Some(Duration::from_secs(480)));
}

#[test]
fn in_a_cluster_the_file_need_say_nothing_else() {
    let intent = parse_text("[kubernetes]\n").unwrap().intent;
    let settings = intent.kubernetes.unwrap();
    assert_eq!(settings, Kubernetes::new("host-a".to_owned()));
    assert_eq!((intent.node.name.as_str(), intent.node.asn), ("host-a", Asn(64_512)));
    assert_eq!(intent.node.router_id.to_string(), "10.0.0.40");

    let of_pod =
        Facts { namespace: Some("podbgp".to_owned()), node_name: Some("node-a".to_owned()), ..facts() };
    let intent = parse("[kubernetes]\n", Path::new("podbgpd.toml"), &of_pod).unwrap().intent;
    let settings = intent.kubernetes.unwrap();
    assert_eq!((settings.node_name.as_str(), settings.namespace.as_str()), ("node-a", "podbgp"));
    assert_eq!(intent.node.name, "node-a");
}

#[test]
fn a_node_without_ipv4_address_is_identified_by_its_name_in_a_cluster() {
    let facts = Facts { addresses: vec!["fd00:20::40".parse().unwrap()], ..facts() };
    let router_id = |name: &str| {
        let text = format!("[kubernetes]\nnode-name = {name:?}\n");
        parse(&text, Path::new("podbgpd.toml"), &facts).unwrap().intent.node.router_id.to_string()
    };
    // sha256sum begins with 66 57 0f f0, and with f5 c2 8b e3, of which f5 is brought below 224.
    assert_eq!(router_id("node-a"), "102.87.15.240");
    assert_eq!(router_id("node-18"), "213.194.139.227");
}

#[test]
fn where_a_policy_is_required_an_external_peer_without_one_exchanges_nothing() {
    let read = |lines: &str| {
        let text = format!("[node]\nasn = 64512\nrequire-policy = true\n{PEER}{lines}");
        let peer = parse_text(&text).unwrap().intent.peers.remove("tor-a").unwrap();
        (peer.import, peer.export)
    };
    assert_eq!(read(""), (Import::None, Export::None));
    assert_eq!(read("import = \"safe\"\n"), (Import::Safe, Export::None));
    assert_eq!(read("export = \"originated\"\n"), (Import::None, Export::Originated));
    assert_eq!(read("local-asn = 65001\n"), (Import::Safe, Export::Originated), "an internal peer");
}

#[test]
fn a_policy_may_have_its_say_on_what_is_safe() {
    let read = |import: &str| {
        let policies = "[policy.ours]\notherwise = \"accept\"\n[policy.theirs]\notherwise = \"accept\"\n";
        parse_text(&format!("[node]\nasn = 64512\n{PEER}import = {import}\n{policies}"))
            .map(|loaded| loaded.intent.peers["tor-a"].import.clone())
    };
    let both = read("[\"safe\", \"ours\", \"theirs\"]").unwrap();
    assert!(matches!(both, Import::Guarded(_)), "{both:?}");
    assert_eq!(both.to_string(), "safe, ours, theirs");
    assert!(matches!(read("[\"ours\", \"theirs\"]").unwrap(), Import::Policy(_)));
    for mistaken in ["[\"safe\"]", "[\"ours\", \"safe\"]", "[\"all\", \"ours\"]", "[\"safe\", \"nobody's\"]"]
    {
        assert!(read(mistaken).is_err(), "{mistaken}");
    }
}

#[test]
fn roles_are_for_external_peers_and_strictness_is_for_roles() {
    let read = peer("role = \"customer\"\nrole-strict = true\n");
    assert_eq!((read.role, read.role_strict), (Some(bgp::Role::Customer), true));
    assert_eq!((peer("").role, peer("").role_strict), (None, false));
    let refused = |lines: &str| errors(&format!("[node]\nasn = 64512\n{PEER}{lines}")).len();
    assert_eq!(refused("local-asn = 65001\nrole = \"customer\"\n"), 1);
    assert_eq!(refused("role = \"boss\"\n"), 1);
    assert_eq!(refused("role-strict = true\n"), 1);
}

#[test]
fn numbers_of_an_as_are_read_in_both_notations() {
    let intent = parse_text("[node]\nasn = \"1.10\"\n").unwrap().intent;
    assert_eq!(intent.node.asn, Asn(65_546));
}

#[test]
fn the_send_hold_time_follows_the_hold_time_unless_written() {
    assert_eq!(peer("hold-time = 300\n").send_hold, Some(Duration::from_secs(600)));
    assert_eq!(peer("hold-time = 0\n").send_hold, None);
    assert_eq!(peer("send-hold-time = 91\n").send_hold, Some(Duration::from_secs(91)));
    assert_eq!(peer("send-hold-time = 0\n").send_hold, None);
}

#[test]
fn a_list_of_families_is_a_set() {
    assert_eq!(peer("families = [\"ipv6\"]\n").families, [Family::Ipv6].into_iter().collect());
}

#[test]
fn ttls_follow_from_where_a_peer_may_be() {
    let with = |lines: &str| {
        let text = format!("[node]\nasn = 64512\n{PEER}{lines}");
        let intent = parse_text(&text).unwrap().intent;
        let peer = &intent.peers["tor-a"];
        (intent.ttl(peer), peer.min_ttl())
    };
    assert_eq!(with(""), (1, None));
    assert_eq!(with("multihop = 3\n"), (3, None));
    assert_eq!(with("ttl-security = 1\n"), (255, Some(255)));
    assert_eq!(with("ttl-security = 254\n"), (255, Some(2)));
    assert_eq!(with("local-asn = 65001\n"), (255, None));
}

#[test]
fn a_peer_is_on_a_link_by_its_name_or_its_address() {
    let place = |line: &str| {
        let text = format!("[node]\nasn = 64512\n[[peer]]\nname = \"tor-a\"\nasn = 65001\n{line}\n");
        let peer = parse_text(&text).unwrap().intent.peers.remove("tor-a").unwrap();
        (peer.address.to_string(), peer.interface.clone(), peer.is_unnumbered())
    };
    let eth1 = Some("eth1".to_owned());
    assert_eq!(place("interface = \"eth1\""), ("::".to_owned(), eth1.clone(), true));
    assert_eq!(place("address = \"fe80::1%eth1\""), ("fe80::1".to_owned(), eth1, false));
    assert_eq!(place("address = \"fd00::1\""), ("fd00::1".to_owned(), None, false));
}

#[test]
fn a_policy_is_read_in_the_order_of_its_rules() {
    let text = format!(
        "[node]\nasn = 64512\n{PEER}import = \"p\"\n[policy.p]\n\
         [[policy.p.rule]]\nprefix = [{{ within = \"10.0.0.0/8\", ge = 24 }}]\nnot = {{ as-path-contains = 7 }}\n\
         set-med = \"none\"\nthen = \"next\"\n\
         [[policy.p.rule]]\nas-path-length = 0\nthen = \"accept\"\n"
    );
    let intent = parse_text(&text).map_err(|mistakes| mistakes.render(false)).unwrap().intent;
    let Import::Policy(policy) = &intent.peers["tor-a"].import else { panic!("a policy") };
    use rib::policy::{Decision, Edit, Match, PrefixRange, PrefixSet};
    let range = PrefixRange { within: "10.0.0.0/8".parse().unwrap(), lengths: 24..=32 };
    let not = Match::Not(Box::new(Match::AsPathContains(Asn(7).into())));
    assert_eq!(policy.otherwise, Decision::Reject);
    assert_eq!(policy.rules[0].matches, [Match::Prefix(PrefixSet::from_iter([range])), not]);
    assert_eq!((&policy.rules[0].edits[..], policy.rules[0].decision), (&[Edit::Med(None)][..], None));
    assert_eq!(policy.rules[1].matches, [Match::AsPathLength(0..=0)]);
    assert_eq!(policy.rules[1].decision, Some(Decision::Accept));
}

#[test]
fn a_mistake_says_where_it_is_in_one_line() {
    assert_eq!(
        errors("[node]\nasn = 64512\n\n[fib]\n  metrik = 1\n"),
        ["podbgpd.toml:5:3: fib.metrik: is not a known key (did you mean \"metric\"?)"]
    );
}

#[test]
fn warnings_have_lines_too() {
    let config = parse_text("[node]\nasn = 64512\n[fib]\nprotocol = 12\n").unwrap();
    let lines: Vec<String> = config.warnings.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("podbgpd.toml:1:1: peer: there are no peers"), "{lines:?}");
    assert!(lines[1].starts_with("podbgpd.toml:4:12: fib.protocol: 12 marks routes of BIRD"), "{lines:?}");
}

#[test]
fn columns_count_characters() {
    assert_eq!(
        errors("node = { name = \"ä\", asn = 0 }\n")[1],
        "podbgpd.toml:1:28: node.asn: AS 0 belongs to nobody (RFC 7607) (private numbers are 64512 to 65534)"
    );
}

#[test]
fn what_is_no_toml_is_one_mistake_with_its_place() {
    let errors = errors("[node]\nasn = \n");
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("podbgpd.toml:2:"), "{errors:?}");
}

#[test]
fn a_machine_without_name_and_address_must_be_told_both() {
    let mistakes = parse("[node]\nasn = 64512\n", Path::new("x"), &Facts::default()).unwrap_err();
    let keys: Vec<&str> = mistakes.errors.iter().map(|error| error.key.as_str()).collect();
    assert_eq!(keys, ["node.name", "node.router-id"]);
}

#[test]
fn a_file_that_is_too_large_is_not_read_to_its_end() {
    let file = std::env::temp_dir().join(format!("podbgp-large-{}.toml", std::process::id()));
    std::fs::write(&file, vec![b'#'; usize::try_from(MAX_SIZE).unwrap() + 1]).unwrap();
    let loaded = load(&file, &facts());
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(loaded, Err(LoadError::TooLarge { .. })));
    assert!(matches!(load(Path::new("/dev/zero"), &facts()), Err(LoadError::TooLarge { .. })));
    assert!(matches!(load(Path::new("/nonexistent"), &facts()), Err(LoadError::Read { .. })));
}
