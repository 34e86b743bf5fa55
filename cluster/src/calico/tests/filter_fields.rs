//! Every field of `BGPFilter` has a row here, in each of its lists: what becomes of a route with one value of the field,
//! and with another.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::coverage::{fields, put};
use super::world::{Sample, World, export, import, only, problems};
use crate::object::calico::BgpFilterSpec;
use crate::object::calico::bgp_filter::{
    AddCommunity, Communities, FilterRule, Operation, PrefixLength, PrependAsPath, ReadRule, SetPriority,
};

struct Row {
    path: &'static str,
    /// The rest of the rule.
    base: Value,
    /// The field's value, and what becomes of the route then; `R` stands for the rule.
    cases: [(Value, &'static str); 2],
}

/// The route in question, 10.9.1.0/24 or fd09:1::/48: by the interface eth1, LOCAL_PREF 2147482623, a path of 65001 and
/// 65009, the communities 65000:1 and 65000:1:1.
fn sample(list: &str) -> Sample {
    let prefix = if list.ends_with("V4") { "10.9.1.0/24" } else { "fd09:1::/48" };
    let mut sample = Sample::learned(prefix).by("eth1").local_pref(2_147_482_623);
    sample.attributes.as_path = "65001 65009".parse().expect("a path");
    sample.attributes.communities = vec!["65000:1".parse().expect("a community")];
    sample.attributes.rare.edit(|rare| rare.large_communities = vec!["65000:1:1".parse().expect("one")]);
    sample
}

fn rows() -> Vec<Row> {
    let accepted = "accepted: R, 65000:1, 65000:1:1";
    let passed = "accepted: B, 65000:1, 65000:1:1";
    let accept = || json!({"action": "Accept"});
    let inside = || json!({"action": "Accept", "cidr": "BLOCK", "matchOperator": "In"});
    let changing = || json!({"action": "Accept", "operations": [{}]});
    vec![
        Row {
            path: "action",
            base: json!({}),
            cases: [(json!("Accept"), accepted), (json!("Reject"), "rejected: R")],
        },
        Row { path: "cidr", base: inside(), cases: [(json!("BLOCK"), accepted), (json!("OTHER"), passed)] },
        Row {
            path: "matchOperator",
            base: inside(),
            cases: [(json!("In"), accepted), (json!("Equal"), passed)],
        },
        Row {
            path: "prefixLength.min",
            base: inside(),
            cases: [(json!("LENGTH"), accepted), (json!("LONGER"), passed)],
        },
        Row {
            path: "prefixLength.max",
            base: inside(),
            cases: [(json!("LENGTH"), accepted), (json!("SHORTER"), passed)],
        },
        Row {
            path: "source",
            base: accept(),
            cases: [(json!("RemotePeers"), accepted), (json!("Elsewhere"), "rejected: R (not understood)")],
        },
        Row {
            path: "interface",
            base: accept(),
            cases: [(json!("eth*"), accepted), (json!("cali*"), passed)],
        },
        Row { path: "peerType", base: accept(), cases: [(json!("eBGP"), accepted), (json!("iBGP"), passed)] },
        Row {
            path: "communities.values[]",
            base: accept(),
            cases: [(json!("65000:1:1"), accepted), (json!("65000:2"), passed)],
        },
        Row {
            path: "asPathPrefix[]",
            base: accept(),
            cases: [(json!(65001), accepted), (json!(65009), passed)],
        },
        Row { path: "priority", base: accept(), cases: [(json!(1024), accepted), (json!(512), passed)] },
        Row {
            path: "operations[].addCommunity.value",
            base: changing(),
            cases: [
                (json!("65000:7"), "accepted: R, 65000:1, 65000:7, 65000:1:1"),
                (json!("65000:7:7"), "accepted: R, 65000:1, 65000:1:1, 65000:7:7"),
            ],
        },
        Row {
            path: "operations[].prependASPath.prefix[]",
            base: changing(),
            cases: [
                (json!(65003), "accepted: R, path 65003 65001 65009, 65000:1, 65000:1:1"),
                (json!(65004), "accepted: R, path 65004 65001 65009, 65000:1, 65000:1:1"),
            ],
        },
        Row {
            path: "operations[].setPriority.value",
            base: changing(),
            cases: [
                (json!(512), "accepted: R, local-pref 2147483135, 65000:1, 65000:1:1"),
                (json!(513), "accepted: R, local-pref 2147483134, 65000:1, 65000:1:1"),
            ],
        },
    ]
}

const LISTS: [&str; 4] = ["exportV4", "importV4", "exportV6", "importV6"];

/// Puts blocks and lengths of the list's family in the place of words.
fn of_family(value: &Value, list: &str) -> Value {
    let words = if list.ends_with("V4") {
        [
            ("\"BLOCK\"", "\"10.9.0.0/16\""),
            ("\"OTHER\"", "\"10.8.0.0/16\""),
            ("\"LENGTH\"", "24"),
            ("\"LONGER\"", "25"),
            ("\"SHORTER\"", "23"),
        ]
    } else {
        [
            ("\"BLOCK\"", "\"fd09::/16\""),
            ("\"OTHER\"", "\"fd08::/16\""),
            ("\"LENGTH\"", "48"),
            ("\"LONGER\"", "49"),
            ("\"SHORTER\"", "47"),
        ]
    };
    let text = words.iter().fold(value.to_string(), |text, (word, instead)| text.replace(word, instead));
    serde_json::from_str(&text).expect("a rule")
}

/// Returns what becomes of a route on a session with an external router whose filter has one list with these rules.
fn judged(list: &str, rules: Value, sample: &Sample) -> (String, String) {
    let address = if list.ends_with("V4") { "10.0.0.254" } else { "fd00::254" };
    let mut filter = json!({});
    filter[list] = rules;
    let plan = World::new()
        .pool("v4", json!({"cidr": "10.9.0.0/16"}))
        .pool("v6", json!({"cidr": "fd09::/16"}))
        .filter("f", filter)
        .peer("p", json!({"peerIP": address, "asNumber": 65001, "filters": ["f"]}))
        .plan();
    let policy = if list.starts_with("export") { export(only(&plan)) } else { import(only(&plan)) };
    (sample.judged(policy), problems(&plan))
}

#[test]
fn every_field_of_a_rule_makes_a_difference_in_every_list() {
    for list in LISTS {
        // What decides when the rule does not: that it is inside a pool, or that all comes in.
        let otherwise = if list.starts_with("export") { "pools" } else { "otherwise" };
        for Row { path, base, cases } in rows() {
            for (value, expected) in cases {
                let mut rule = base.clone();
                put(&mut rule, path, value.clone());
                let (found, problems) = judged(list, json!([of_family(&rule, list)]), &sample(list));
                let expected = expected.replace('R', &format!("f {list}[0]")).replace('B', otherwise);
                assert_eq!(found, expected, "{list}: {path}: {value}\n{problems}");
            }
        }
    }
}

#[test]
fn every_field_of_a_filter_has_a_row() {
    let text = || "x".to_owned();
    let number = |text: &str| serde_json::from_str(text).unwrap();
    let rule = || {
        vec![ReadRule::Read(Box::new(FilterRule {
            action: text(),
            cidr: Some(text()),
            match_operator: Some(text()),
            prefix_length: Some(PrefixLength { min: Some(1), max: Some(1) }),
            source: Some(text()),
            interface: Some(text()),
            peer_type: Some(text()),
            communities: Some(Communities { values: vec![text()] }),
            as_path_prefix: vec![number("1")],
            priority: Some(1),
            operations: vec![Operation {
                add_community: Some(AddCommunity { value: text() }),
                prepend_as_path: Some(PrependAsPath { prefix: vec![number("1")] }),
                set_priority: Some(SetPriority { value: 1 }),
            }],
        }))]
    };
    let filled = BgpFilterSpec {
        export_v4: rule(),
        import_v4: rule(),
        export_v6: rule(),
        import_v6: rule(),
        unknown: [("inLaterVersions".to_owned(), json!(1))].into(),
    };
    let mut rows: BTreeSet<String> = LISTS
        .into_iter()
        .flat_map(|list| rows().into_iter().map(move |row| format!("{list}[].{}", row.path)))
        .collect();
    rows.insert("inLaterVersions".to_owned());
    assert_eq!(rows, fields(&filled));
}

#[test]
fn a_filter_of_a_later_version_is_told_of() {
    let (_, told) = judged("exportV4", json!([]), &sample("exportV4"));
    assert_eq!(told, "");
    let plan = World::new()
        .filter("f", json!({"inLaterVersions": 1}))
        .peer("p", json!({"peerIP": "10.0.0.254", "asNumber": 65001, "filters": ["f"]}))
        .plan();
    assert_eq!(
        problems(&plan),
        "BgpFilter f: spec.inLaterVersions: is not known to this version and has no effect"
    );
}

#[test]
fn operators_and_lengths_are_sets_of_prefixes() {
    let list = "importV4";
    let matches = |rule: Value, prefix: &str| {
        let mut rule = rule;
        rule["action"] = "Reject".into();
        let (found, told) = judged(list, json!([rule]), &Sample::learned(prefix));
        assert_eq!(told, "");
        found.starts_with("rejected")
    };
    let rule = |operator: &str| json!({"cidr": "10.9.0.0/16", "matchOperator": operator});
    for (operator, exact, inside, outside) in [
        ("Equal", true, false, false),
        ("NotEqual", false, true, true),
        ("In", true, true, false),
        ("NotIn", false, false, true),
    ] {
        assert_eq!(matches(rule(operator), "10.9.0.0/16"), exact, "{operator}");
        assert_eq!(matches(rule(operator), "10.9.1.0/24"), inside, "{operator}");
        assert_eq!(matches(rule(operator), "10.8.0.0/15"), outside, "{operator}");
    }
    let within = |operator: &str, min: i64, max: i64| json!({"cidr": "10.9.0.0/16", "matchOperator": operator, "prefixLength": {"min": min, "max": max}});
    // A length below that of the block means nothing.
    assert!(matches(within("In", 8, 24), "10.9.0.0/16"));
    assert!(matches(within("In", 8, 24), "10.9.1.0/24"));
    assert!(!matches(within("In", 8, 24), "10.9.1.0/25"));
    assert!(!matches(within("NotIn", 8, 24), "10.9.1.0/24"));
    assert!(matches(within("NotIn", 8, 24), "10.9.1.0/25"));
    assert!(matches(within("Equal", 16, 24), "10.9.0.0/16"));
    assert!(!matches(within("Equal", 17, 24), "10.9.0.0/16"));
    assert!(matches(within("NotEqual", 17, 24), "10.9.0.0/16"));
}

#[test]
fn the_first_rule_that_matches_decides_and_then_the_next_filter() {
    let world = |filters: Value| {
        World::new()
            .filter(
                "f",
                json!({"importV4": [
                {"action": "Accept", "cidr": "10.9.1.0/24", "matchOperator": "Equal", "operations": [
                    {"addCommunity": {"value": "65000:7"}}, {"prependASPath": {"prefix": [65003, 65004]}}]},
                {"action": "Reject", "cidr": "10.9.0.0/16", "matchOperator": "In"}]}),
            )
            .filter("g", json!({"importV4": [{"action": "Reject"}]}))
            .peer("p", json!({"peerIP": "10.0.0.254", "asNumber": 65001, "filters": filters}))
            .plan()
    };
    let plan = world(json!(["f", "g"]));
    let judged = |prefix| Sample::learned(prefix).judged(import(only(&plan)));
    assert_eq!(judged("10.9.1.0/24"), "accepted: f importV4[0], path 65003 65004 65001, 65000:7");
    assert_eq!(judged("10.9.2.0/24"), "rejected: f importV4[1]");
    assert_eq!(judged("10.7.0.0/16"), "rejected: g importV4[0]");
    let plan = world(json!(["f", "nobody"]));
    assert_eq!(Sample::learned("0.0.0.0/0").judged(import(only(&plan))), "accepted: otherwise");
    assert_eq!(
        problems(&plan),
        "CalicoPeer p: spec.filters: there is no BGPFilter nobody; what it was to filter is not filtered"
    );
}

#[test]
fn a_rule_that_is_not_understood_lets_nothing_pass() {
    for (rule, told) in [
        (json!({"action": "Accept", "vrf": "red"}), "spec.importV4[0]: unknown field `vrf`"),
        (json!({"action": "Accept", "cidr": 7}), "spec.importV4[0]: invalid type"),
        (json!({"action": "accept"}), "spec.importV4[0].action: "),
        (json!({"action": "Accept", "cidr": "10.9.0.0/16"}), "spec.importV4[0].matchOperator: "),
        (json!({"action": "Accept", "matchOperator": "In"}), "spec.importV4[0].matchOperator: "),
        (json!({"action": "Accept", "cidr": "fd09::/16", "matchOperator": "In"}), "spec.importV4[0].cidr: "),
        (json!({"action": "Accept", "cidr": "10.9.0.0", "matchOperator": "In"}), "spec.importV4[0].cidr: "),
        (
            json!({"action": "Accept", "cidr": "10.9.0.0/16", "matchOperator": "Like"}),
            "spec.importV4[0].matchOperator: ",
        ),
        (json!({"action": "Accept", "prefixLength": {"min": 1}}), "spec.importV4[0].prefixLength: "),
        (
            json!({"action": "Accept", "cidr": "10.9.0.0/16", "matchOperator": "In", "prefixLength": {"max": 33}}),
            "spec.importV4[0].prefixLength: ",
        ),
        (json!({"action": "Accept", "peerType": "ebgp"}), "spec.importV4[0].peerType: "),
        (json!({"action": "Accept", "interface": ""}), "spec.importV4[0].interface: "),
        (json!({"action": "Accept", "communities": {"values": []}}), "spec.importV4[0].communities: "),
        (
            json!({"action": "Accept", "communities": {"values": ["1:2", "1:3"]}}),
            "spec.importV4[0].communities: ",
        ),
        (json!({"action": "Accept", "asPathPrefix": ["x"]}), "spec.importV4[0].asPathPrefix: "),
        (json!({"action": "Accept", "priority": 0}), "spec.importV4[0].priority: "),
        (
            json!({"action": "Reject", "operations": [{"setPriority": {"value": 1}}]}),
            "spec.importV4[0].operations: ",
        ),
        (json!({"action": "Accept", "operations": [{}]}), "spec.importV4[0].operations: "),
        (json!(["x"]), "spec.importV4[0].action: "),
        (json!("x"), "spec.importV4[0]: "),
    ] {
        let rules = json!([rule.clone(), {"action": "Accept"}]);
        let (found, problems) = judged("importV4", rules, &Sample::learned("10.7.0.0/16"));
        assert_eq!(found, "rejected: f importV4[0] (not understood)", "{rule}");
        assert_eq!(problems.lines().count(), 1, "{rule}: {problems}");
        assert!(problems.starts_with(&format!("BgpFilter f: {told}")), "{rule}: {problems}");
        assert!(problems.ends_with("; routes that get as far as this rule are rejected"), "{problems}");
    }
}
