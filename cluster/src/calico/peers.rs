//! Sessions as intents.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bgp::{Family, FamilySet};
use intent::add_path::Most;
use intent::{AddPath, Export, Import, PeerIntent};

use super::Given;
use super::filters::Direction;
use super::peering::same_family;
use super::policies::Policies;
use super::report::Report;
use super::scene::Scene;
use super::sessions::{HOLD_TIME, Scope, Session};
use crate::event::Kind;
use crate::object::Key;
use crate::object::calico::SecretKeyRef;

/// How far away peers may be: BIRD's sessions are all of the kind that may cross routers.
const MULTIHOP: u8 = 64;

/// Makes the intent of a session; `None` where it must not be, with the reason among the problems.
pub(super) fn peer(
    scene: &Scene<'_>,
    given: Given<'_>,
    session: &Session<'_>,
    policies: &mut Policies<'_, '_>,
    report: &mut Report,
) -> Option<PeerIntent> {
    let options = &session.options;
    let local_asn = options.local_asn.unwrap_or_else(|| scene.asn_of(&scene.me));
    let external = session.asn != local_asn;
    let family = Family::of(&session.address.into());
    let mut peer = PeerIntent::new(session.name(), session.address, session.asn);
    if let Some(by) = options.password {
        let secret = secret(given, by);
        let (kind, key, field) = match session.by {
            Some(key) => (Kind::CalicoPeer, key.clone(), "spec.password"),
            None => (Kind::BgpConfiguration, Key::of("default"), "spec.nodeMeshPassword"),
        };
        let secret =
            secret.map_err(|problem| format!("{problem}; there is no session until it can be signed"));
        peer.password = Some(report.take(kind, &key, field, secret)?);
    }
    peer.description = session.by.map(|key| match session.interface {
        Some(interface) => format!("BGPPeer {key}, workload behind {interface}"),
        None => format!("BGPPeer {key}"),
    });
    peer.port = session.port;
    peer.local_asn = options.local_asn.filter(|asn| *asn != scene.asn_of(&scene.me));
    peer.allow_own_as = options.allowed_own_as;
    peer.local_address = scene.me.address(family).filter(|_| options.from_node);
    peer.passive = session.passive;
    peer.hold_time = HOLD_TIME;
    peer.send_hold = PeerIntent::default_send_hold(HOLD_TIME);
    peer.keepalive = options.keepalive;
    peer.restart_time = Some(options.restart_time);
    peer.families = FamilySet::from_iter([family]);
    peer.ttl_security = options.ttl_security;
    peer.multihop = MULTIHOP;
    peer.client = is_client(scene, session, external);
    peer.next_hop = options.next_hop.mode(external);
    peer.add_path =
        AddPath { families: peer.families, receive: Some(AddPath::RECEIVE), send: Some(Most::All) };
    peer.import = Import::Policy(policies.of(session, external, Direction::Import, report));
    peer.export = Export::Policy(policies.of(session, external, Direction::Export, report));
    Some(peer)
}

/// Tells whether we reflect for a peer (RFC 4456): an internal one that is not of our own cluster of reflectors.
fn is_client(scene: &Scene<'_>, session: &Session<'_>, external: bool) -> bool {
    scene.me.cluster_id.is_some() && !external && session.cluster_id != scene.me.cluster_id
}

fn secret(given: Given<'_>, by: &SecretKeyRef) -> Result<intent::Secret, String> {
    let key = Key { namespace: given.settings.namespace.clone(), name: by.name.clone() };
    match given.objects.secrets.get(&key) {
        Some(secret) => secret.password(&by.key).map_err(|problem| format!("Secret {key}: {problem}")),
        None => Err(format!("there is no Secret {key}, or we may not read it")),
    }
}

/// Returns the gateways of peers that are to be reached through one.
pub(super) fn host_routes(
    sessions: &BTreeMap<IpAddr, Session<'_>>,
    report: &mut Report,
) -> BTreeMap<IpAddr, IpAddr> {
    let mut routes = BTreeMap::new();
    for session in sessions.values() {
        let Some(gateway) = session.options.reachable_by else { continue };
        if same_family(session.address, gateway) {
            routes.insert(session.address, gateway);
        } else if let Some(key) = session.by {
            let problem = format!("{gateway} and {} are not of one family", session.address);
            report.add(Kind::CalicoPeer, key, "spec.reachableBy", problem);
        }
    }
    routes
}

/// Returns where to accept connections, if the objects say so.
pub(super) fn listen(
    scene: &Scene<'_>,
    sessions: &BTreeMap<IpAddr, Session<'_>>,
) -> Option<BTreeSet<SocketAddr>> {
    let configuration = &scene.configuration;
    let port = configuration.port(scene.me.name);
    if !configuration.says_where_to_listen {
        return None;
    }
    let everywhere = [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()];
    let mut addresses: BTreeSet<IpAddr> =
        if configuration.bind_to_node { scene.me.addresses().collect() } else { everywhere.into() };
    // Workloads find us at an address of their link, which is there once one of them is a peer.
    if configuration.bind_to_node && sessions.values().any(|session| session.scope == Scope::LocalWorkload) {
        addresses.extend(&configuration.workload_addresses);
    }
    Some(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
}
