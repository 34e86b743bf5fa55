//! What we say of ourselves in an OPEN: our capabilities.

use bgp::capability::{self, ExtendedNextHop, Fqdn, GracefulRestart, LongLived};
use bgp::{Capability, Family, FamilySet};

use super::peering::Standing;
use crate::intent::{Intent, PeerIntent, RestartRole};

/// Lists our capabilities for a peer.
pub(super) fn capabilities(peer: &PeerIntent, node: &Intent, standing: Standing) -> Vec<Capability> {
    let families = peer.families;
    let mut capabilities: Vec<_> =
        families.iter().map(|family| Capability::Multiprotocol(family.code())).collect();
    capabilities.push(Capability::RouteRefresh);
    capabilities.push(Capability::EnhancedRouteRefresh);
    if families.contains(Family::Ipv4) {
        capabilities.push(Capability::ExtendedNextHop(vec![ExtendedNextHop {
            family: Family::Ipv4.code(),
            next_hop_afi: Family::Ipv6.code().afi,
        }]));
    }
    if peer.interface.is_some() {
        capabilities.push(Capability::LinkLocalNextHop);
    }
    capabilities.push(Capability::ExtendedMessage);
    capabilities.extend(add_path_capability(peer));
    capabilities.extend(restart_capabilities(peer, node, standing));
    // Between ASes only (RFC 9234 §4.1); the file is refused otherwise, and a peer may still become internal.
    capabilities
        .extend(peer.role.filter(|_| !node.is_internal(peer)).map(|role| Capability::Role(role.code())));
    if node.node.announce_fqdn {
        capabilities.push(Capability::Fqdn(fqdn(&node.node.name)));
    }
    if node.node.announce_version {
        capabilities.push(Capability::SoftwareVersion(format!("podbgp {}", crate::VERSION)));
    }
    capabilities
}

/// Parts a name at its first dot, as resolvers do. Names are short enough for a capability.
fn fqdn(name: &str) -> Fqdn {
    let (host, domain) = name.split_once('.').unwrap_or((name, ""));
    Fqdn { host: host.to_owned(), domain: domain.to_owned() }
}

/// Says in which families we take and send several paths of a prefix (RFC 7911 §4).
fn add_path_capability(peer: &PeerIntent) -> Option<Capability> {
    let (receive, send) = (peer.add_path.receive.is_some(), peer.add_path.send.is_some());
    let families = peer.families.intersection(peer.add_path.families);
    let entry = |family: Family| capability::AddPath { family: family.code(), receive, send };
    (receive || send).then(|| Capability::AddPath(families.iter().map(entry).collect()))
}

/// Says what we do over a restart of ours. Without families it still promises End-of-RIB, and moves FRR and GoBGP to
/// send theirs, which is what the kernel's leftovers wait for (RFC 4724 §3).
fn restart_capabilities(peer: &PeerIntent, node: &Intent, standing: Standing) -> Vec<Capability> {
    let Standing { restarted, forwarding } = standing;
    let families = match node.restart_role(peer) {
        RestartRole::Both => peer.families,
        RestartRole::Helper => FamilySet::NONE,
        RestartRole::Off => return Vec::new(),
    };
    let restart = &node.graceful_restart;
    let mut capabilities = vec![Capability::GracefulRestart(GracefulRestart {
        restarted,
        notification: true,
        restart_time: peer.restart_time.unwrap_or(restart.restart_time),
        families: families.iter().map(|family| (family.code(), forwarding)).collect(),
    })];
    let stale_time = restart.long_lived_stale_time;
    if stale_time > 0 {
        let long_lived = |family: Family| LongLived { family: family.code(), forwarding, stale_time };
        capabilities.push(Capability::LongLivedGracefulRestart(families.iter().map(long_lived).collect()));
    }
    capabilities
}
