//! The roles grant what the code asks for, no less and no more.

use std::collections::BTreeSet;

use cluster::Kind;
use podbgpd::kube::{Group, resource};
use support::rbac::{Asked, Granted};

/// What is written, beside what is watched: by what and where.
const WRITTEN: &[(&str, &str, &str)] = &[
    // The startup taint is taken away from what is there, and a status is owned by what is there.
    ("get", "", "nodes"),
    ("patch", "", "nodes"),
    // The condition.
    ("patch", "", "nodes/status"),
    // How the node is, as an object.
    ("create", "podbgp.io", "bgpnodestatuses"),
    ("patch", "podbgp.io", "bgpnodestatuses/status"),
    ("create", "events.k8s.io", "events"),
];

/// Every kind; the compiler says when one is missing.
fn kinds() -> Vec<Kind> {
    let known = |kind: Kind| match kind {
        Kind::Node
        | Kind::Service
        | Kind::EndpointSlice
        | Kind::Secret
        | Kind::BlockAffinity
        | Kind::IpPool
        | Kind::BgpConfiguration
        | Kind::CalicoPeer
        | Kind::BgpFilter
        | Kind::CiliumNode
        | Kind::Peer
        | Kind::Advertisement => kind,
    };
    [
        Kind::Node,
        Kind::Service,
        Kind::EndpointSlice,
        Kind::Secret,
        Kind::BlockAffinity,
        Kind::IpPool,
        Kind::BgpConfiguration,
        Kind::CalicoPeer,
        Kind::BgpFilter,
        Kind::CiliumNode,
        Kind::Peer,
        Kind::Advertisement,
    ]
    .map(known)
    .into()
}

#[test]
fn what_is_granted_is_what_is_watched_and_written() {
    let mut needed: BTreeSet<(String, String, String)> = BTreeSet::new();
    for kind in kinds() {
        let resource = resource(kind);
        let groups: &[&str] = match resource.group {
            Group::Core => &[""],
            Group::Named(group, _) => &[group],
            Group::Calico => &["crd.projectcalico.org", "projectcalico.org"],
        };
        for group in groups {
            let row = |verb: &str| (verb.to_owned(), (*group).to_owned(), resource.plural.to_owned());
            needed.extend(["list", "watch"].map(row));
        }
    }
    let written =
        WRITTEN.iter().map(|(verb, group, resource)| [verb, group, resource].map(ToString::to_string));
    needed.extend(written.map(|[verb, group, resource]| (verb, group, resource)));
    assert_eq!(Granted::shipped().all(), needed);
}

#[test]
fn secrets_are_granted_by_name_only() {
    let granted = Granted::shipped();
    let secret = |namespace: Option<&str>, name: Option<&str>| Asked {
        verb: "list",
        group: String::new(),
        resource: "secrets".to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
    };
    assert!(granted.allows(&secret(Some("podbgp"), Some("bgp-passwords"))));
    assert!(!granted.allows(&secret(Some("podbgp"), None)));
    assert!(!granted.allows(&secret(Some("podbgp"), Some("another"))));
    assert!(!granted.allows(&secret(Some("kube-system"), Some("bgp-passwords"))));
    assert!(!granted.allows(&secret(None, Some("bgp-passwords"))));
}
