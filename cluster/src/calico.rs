//! What Calico's resources mean for this node, in the place of BIRD and confd.
//!
//! ```text
//!   BGPConfiguration, Nodes ─┐
//!   BGPPeer ─────────────────┼─► Scene ─► sessions ─► peers ──────┐
//!   BlockAffinity, IPPool ───┘     │        BGPFilter ─► policies ─┼─► Plan
//!   the kernel's routes ───────────┴──────► originations ──────────┘
//! ```
//!
//! `docs/calico.md` says field by field what becomes of each resource, and where that differs from Calico. The rule is: who
//! speaks BGP with BIRD on one node and with us on another must find nothing changed, but for what is random, unsafe or
//! broken there.
//!
//! | module | what it knows |
//! |---|---|
//! | `scene` | all of it, read once |
//! | `configuration`, `node`, `pools`, `blocks`, `peering` | one resource each |
//! | `sessions` | who is a peer: own peerings, those back, the mesh |
//! | `peers` | how the session is |
//! | `filters`, `policies` | what comes in and goes out |
//! | `originations` | what is ours to tell |
//! | `workload` | peers among the pods of this node |

mod blocks;
mod configuration;
mod filters;
mod node;
mod originations;
mod peering;
mod peers;
mod policies;
mod pools;
mod read;
mod report;
mod scene;
mod sessions;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use intent::{Kubernetes, RouterId, ServiceRanges};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::cluster::AlienRoute;
use crate::object::Key;
use crate::object::calico::SecretKeyRef;
use crate::plan::Plan;
use crate::services::Wanted;
use crate::store::Objects;
use configuration::Configuration;
use node::Node;
use peering::Peering;
use policies::Policies;
use report::Report;
use scene::Scene;

pub use workload::LocalWorkload;

/// What a plan is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    /// The objects.
    pub(crate) objects: &'a Objects,
    /// The settings.
    pub(crate) settings: &'a Kubernetes,
    /// The routes of others in the kernel.
    pub(crate) kernel: &'a [AlienRoute],
    /// What Services want announced.
    pub(crate) services: &'a Wanted,
    /// The blocks of this node and who says so, where those are not Calico's.
    pub(crate) blocks: Option<&'a BTreeMap<IpNet, String>>,
    /// What the file says of the node: its AS holds where the objects say none, and its blocks are ours as well.
    pub(crate) file: &'a intent::Node,
}

/// Adds to a plan what Calico's resources say, and what is wrong with them. Without an object of our node they say nothing.
pub(crate) fn plan(given: Given<'_>, plan: &mut Plan) {
    let mut report = Report::default();
    if let Some(scene) = Scene::read(given, &mut report) {
        plan_scene(&scene, given, &mut report, plan);
    }
    plan.problems.extend(report.into_problems());
}

fn plan_scene(scene: &Scene<'_>, given: Given<'_>, report: &mut Report, plan: &mut Plan) {
    plan.asn = scene.me.asn.or(scene.configuration.asn);
    plan.router_id = match given.settings.router_id {
        RouterId::NodeAddress => scene.me.router_id(),
        RouterId::Hash => node::hashed_router_id(scene.me.name),
        RouterId::File => None,
    };
    plan.cluster_id = scene.me.cluster_id;
    let sessions = sessions::sessions(scene, report);
    plan.listen = peers::listen(scene, &sessions);
    plan.host_routes = peers::host_routes(&sessions, report);
    let mut policies = Policies::new(scene, given.objects, given.services);
    for session in sessions.values() {
        if let Some(peer) = peers::peer(scene, given, session, &mut policies, report) {
            plan.peers.insert(peer.name.clone(), peer);
        }
    }
    let calico_peers = originations::has_calico_peers(scene, &sessions);
    for (prefix, originated) in originations::kernel(scene, &policies, calico_peers, given.kernel) {
        plan.originated.entry(prefix).or_insert(originated);
    }
    plan.originated.extend(originations::blocks(scene));
    plan.ownership = pools::ownership(scene, given.services);
}

/// Returns the Secrets sessions of this node may be signed with, in the namespace of passwords.
pub(crate) fn secrets(objects: &Objects, settings: &Kubernetes) -> BTreeSet<Key> {
    let mut report = Report::default();
    let Some(node) = objects.nodes.get(&Key::of(&settings.node_name)) else { return BTreeSet::new() };
    let me = Node::read(node, &mut report);
    let peerings = objects.calico_peers.iter();
    let peerings = peerings.filter_map(|(key, object)| Peering::read(key, object, &mut report));
    let ours = peerings.filter(|peering| peering.local.includes(&me) || peering.may_be_back(&me));
    let mut passwords: Vec<_> = ours.filter_map(|peering| peering.options.password).collect();
    let configuration = Configuration::read(objects, me.name, &mut report);
    passwords.extend(configuration.mesh_password.filter(|_| configuration.mesh && me.cluster_id.is_none()));
    let key = |by: &SecretKeyRef| Key { namespace: settings.namespace.clone(), name: by.name.clone() };
    passwords.into_iter().map(key).collect()
}

/// What `BGPConfiguration` says of Services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServicesAsked {
    /// The ranges this node answers for.
    pub(crate) ranges: ServiceRanges,
    /// Whether the ranges of load balancers are announced as such.
    pub(crate) load_balancer_aggregation: bool,
}

/// Returns what `BGPConfiguration` says of Services.
pub(crate) fn service_ranges(objects: &Objects) -> ServicesAsked {
    let configuration = Configuration::read(objects, "", &mut Report::default());
    ServicesAsked {
        ranges: ServiceRanges {
            cluster: configuration.cluster_ips.into_iter().collect(),
            external: configuration.external_ips.into_iter().collect(),
            load_balancer: configuration.load_balancer_ips.into_iter().collect(),
        },
        load_balancer_aggregation: configuration.aggregation,
    }
}

/// Which routes of others in the kernel may be told to somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Routes inside these, or equal to one of them.
    pub within: Vec<IpNet>,
    /// But not what is inside these and longer.
    pub except: Vec<IpNet>,
}

/// Returns which routes of others in the kernel may be told to somebody: those inside pools, own blocks and ranges of
/// Services, and all of them if a filter could ask for any.
pub(crate) fn interest(given: Given<'_>) -> Interest {
    let mut report = Report::default();
    let Some(scene) = Scene::read(given, &mut report) else { return Interest::default() };
    let mut within: BTreeSet<IpNet> = scene.pools.iter().map(|pool| pool.block).collect();
    within.extend(scene.blocks.owned.keys().chain(scene.blocks.leaving.keys()));
    within.extend(&given.services.refused);
    let mut filters = given.objects.bgp_filters.iter().map(|(_, filter)| &filter.spec);
    if filters.any(|spec| !spec.export_v4.is_empty() || !spec.export_v6.is_empty()) {
        within = [Ipv4Net::default().into(), Ipv6Net::default().into()].into();
    }
    Interest { within: within.into_iter().collect(), except: Vec::new() }
}

#[cfg(test)]
mod tests;
