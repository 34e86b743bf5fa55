//! Where each kind is found: its group, version and plural, and the paths that follow.

use cluster::{Kind, Scope, Watch};

/// A kind as paths name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The API group.
    pub group: Group,
    /// The word in the path.
    pub plural: &'static str,
}

/// An API group and its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The first one, which has no name: `v1`.
    Core,
    /// A group and its version.
    Named(&'static str, &'static str),
    /// Whichever of its two Calico uses in this cluster.
    Calico,
}

/// The group of our own resources.
const OURS: Group = Group::Named("podbgp.io", "v1alpha1");

/// The group Calico's resources are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CalicoGroup {
    /// `crd.projectcalico.org/v1`: with or without an API server of Calico's own in front.
    #[default]
    Crd,
    /// `projectcalico.org/v3`, without such a server.
    Native,
}

/// Says where a kind is found.
#[must_use]
pub fn resource(kind: Kind) -> Resource {
    let (group, plural) = match kind {
        Kind::Node => (Group::Core, "nodes"),
        Kind::Service => (Group::Core, "services"),
        Kind::Secret => (Group::Core, "secrets"),
        Kind::EndpointSlice => (Group::Named("discovery.k8s.io", "v1"), "endpointslices"),
        Kind::BlockAffinity => (Group::Calico, "blockaffinities"),
        Kind::IpPool => (Group::Calico, "ippools"),
        Kind::BgpConfiguration => (Group::Calico, "bgpconfigurations"),
        Kind::CalicoPeer => (Group::Calico, "bgppeers"),
        Kind::BgpFilter => (Group::Calico, "bgpfilters"),
        Kind::Peer => (OURS, "bgppeers"),
        Kind::Advertisement => (OURS, "bgpadvertisements"),
        Kind::CiliumNode => (Group::Named("cilium.io", "v2"), "ciliumnodes"),
    };
    Resource { group, plural }
}

/// Returns the path and the selectors that name the objects of a watch.
pub(super) fn location(watch: &Watch, calico: CalicoGroup) -> (String, String) {
    let Resource { group, plural } = resource(watch.kind);
    let base = match (group, calico) {
        (Group::Core, _) => "/api/v1".to_owned(),
        (Group::Named(group, version), _) => format!("/apis/{group}/{version}"),
        (Group::Calico, CalicoGroup::Crd) => "/apis/crd.projectcalico.org/v1".to_owned(),
        (Group::Calico, CalicoGroup::Native) => "/apis/projectcalico.org/v3".to_owned(),
    };
    let named = |name: &str| format!("fieldSelector={}", encode(&format!("metadata.name={name}")));
    match &watch.scope {
        Scope::All => (format!("{base}/{plural}"), String::new()),
        Scope::Named(name) => (format!("{base}/{plural}"), named(name)),
        Scope::In { namespace, name } => {
            (format!("{base}/namespaces/{}/{plural}", encode(namespace)), named(name))
        }
        Scope::Labelled(selector) => {
            (format!("{base}/{plural}"), format!("labelSelector={}", encode(selector)))
        }
    }
}

/// Writes a text so that it can be part of a path or of a query (RFC 3986 §2).
fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, octet| {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(octet));
            }
            // Writing to a string does not fail.
            _ => drop(write!(encoded, "%{octet:02X}")),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(kind: Kind, scope: Scope, calico: CalicoGroup) -> String {
        let (path, selector) = location(&Watch { kind, scope }, calico);
        format!("{path}?{selector}")
    }

    #[test]
    fn paths_name_group_version_namespace_and_selectors() {
        let of = |kind, scope| located(kind, scope, CalicoGroup::Crd);
        assert_eq!(of(Kind::Node, Scope::All), "/api/v1/nodes?");
        assert_eq!(
            of(Kind::Node, Scope::Named("node-1".into())),
            "/api/v1/nodes?fieldSelector=metadata.name%3Dnode-1"
        );
        let scope = Scope::In { namespace: "kube-system".into(), name: "bgp".into() };
        assert_eq!(
            of(Kind::Secret, scope),
            "/api/v1/namespaces/kube-system/secrets?fieldSelector=metadata.name%3Dbgp"
        );
        let scope = Scope::Labelled("a in (b,c)".into());
        assert_eq!(
            of(Kind::EndpointSlice, scope),
            "/apis/discovery.k8s.io/v1/endpointslices?labelSelector=a%20in%20%28b%2Cc%29"
        );
    }

    #[test]
    fn calico_is_found_in_either_group() {
        let of = |calico| located(Kind::IpPool, Scope::All, calico);
        assert_eq!(of(CalicoGroup::Crd), "/apis/crd.projectcalico.org/v1/ippools?");
        assert_eq!(of(CalicoGroup::Native), "/apis/projectcalico.org/v3/ippools?");
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        let scope = Scope::In { namespace: "a/../b".into(), name: "c&watch=false".into() };
        let path = located(Kind::Secret, scope, CalicoGroup::Crd);
        assert!(
            path.ends_with("namespaces/a%2F..%2Fb/secrets?fieldSelector=metadata.name%3Dc%26watch%3Dfalse")
        );
    }
}
