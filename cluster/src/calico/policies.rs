//! What Calico's sessions let in and out, as policies. Sessions that differ in nothing a policy knows share one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp::Family;
use ipnet::IpNet;
use rib::decision::DEFAULT_LOCAL_PREF;
use rib::policy::{Decision, Edit, Glob, Match, PrefixRange, PrefixSet, Provenance, Rule};
use rib::{NextHopMode, Policy};

use super::configuration::TOP;
use super::filters::{self, Direction, Place, accept, add_community, reject};
use super::pools::IPIP;
use super::report::Report;
use super::scene::Scene;
use super::sessions::Session;
use crate::services::Wanted;
use crate::store::Objects;

/// What a policy of Calico's depends on beside the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    direction: Direction,
    ipv6: bool,
    external: bool,
    /// Whether next hops go out as they came.
    keeps: bool,
    filters: Vec<String>,
}

/// The policies made so far.
pub(super) struct Policies<'s, 'a> {
    scene: &'s Scene<'a>,
    objects: &'a Objects,
    services: &'s Wanted,
    made: BTreeMap<Kind, Arc<Policy>>,
}

impl<'s, 'a> Policies<'s, 'a> {
    pub(super) fn new(scene: &'s Scene<'a>, objects: &'a Objects, services: &'s Wanted) -> Self {
        Self { scene, objects, services, made: BTreeMap::new() }
    }

    /// Returns what a session lets in or out.
    pub(super) fn of(
        &mut self,
        session: &Session<'_>,
        external: bool,
        direction: Direction,
        report: &mut Report,
    ) -> Arc<Policy> {
        let family = Family::of(&session.address.into());
        let keeps = session.options.next_hop.mode(external) == NextHopMode::Keep;
        let filters = session.options.filters;
        if let Some(peer) = session.by {
            filters::missing(self.objects, peer, filters, report);
        }
        let kind =
            Kind { direction, ipv6: family == Family::Ipv6, external, keeps, filters: filters.to_vec() };
        let (scene, services, objects) = (self.scene, self.services, self.objects);
        let made = self.made.entry(kind).or_insert_with(|| {
            let first = filters::rules(objects, filters, Place { direction, family, external }, report);
            Arc::new(match direction {
                Direction::Import => import(scene, family, external, filters, first),
                Direction::Export => {
                    Export { scene, services, family, external, keeps }.policy(filters, first)
                }
            })
        });
        Arc::clone(made)
    }

    /// Returns every policy for what goes out.
    pub(super) fn exports(&self) -> impl Iterator<Item = (Family, &Policy)> {
        let exports = self.made.iter().filter(|(kind, _)| kind.direction == Direction::Export);
        exports.map(|(kind, policy)| (if kind.ipv6 { Family::Ipv6 } else { Family::Ipv4 }, &**policy))
    }
}

fn name(word: &str, family: Family, external: bool, filters: &[String]) -> String {
    let family = if family == Family::Ipv4 { "ipv4" } else { "ipv6" };
    let kind = if external { "ebgp" } else { "ibgp" };
    let filters: String = filters.iter().map(|name| format!(" {name}")).collect();
    format!("calico {word} {family} {kind}{filters}")
}

/// Returns what comes in: everything, once the filters have passed it, but for what would take from this node what is its
/// own. Addresses other nodes have borrowed from its blocks are host routes, and come in.
fn import(scene: &Scene<'_>, family: Family, external: bool, filters: &[String], first: Vec<Rule>) -> Policy {
    let own = scene.blocks.owned.keys().filter(|block| Family::of(block) == family);
    let shorter_than_hosts = own.filter_map(|block| {
        let longest =
            block.max_prefix_len().checked_sub(1).filter(|longest| *longest >= block.prefix_len())?;
        Some(PrefixRange { within: *block, lengths: block.prefix_len()..=longest })
    });
    let addresses = scene.me.address(family).map(|address| PrefixRange::exactly(IpNet::from(address)));
    let mut rules = vec![
        reject("own blocks", vec![Match::Prefix(shorter_than_hosts.collect())]),
        reject("own addresses", vec![Match::Prefix(addresses.into_iter().collect())]),
    ];
    rules.extend(first);
    Policy { name: name("import", family, external, filters), rules, otherwise: Decision::Accept }
}

/// What goes out on sessions of a kind.
struct Export<'s, 'a> {
    scene: &'s Scene<'a>,
    services: &'s Wanted,
    family: Family,
    external: bool,
    keeps: bool,
}

impl Export<'_, '_> {
    /// Returns the policy, its rules in the order Calico has them: what accepts early passes by all that is after it.
    fn policy(&self, filters: &[String], first: Vec<Rule>) -> Policy {
        let mut rules = vec![self.priority()];
        rules.extend(first);
        rules.push(reject("pools that are not exported", vec![self.pools(false)]));
        if !self.external {
            rules.extend(self.devices().map(|shape| interface("routes by Calico's tunnels", shape)));
        }
        rules.extend(shape("bpf*.cali").map(|shape| interface("routes by Calico's own links", shape)));
        rules.extend(self.tags());
        rules.extend(self.blocks());
        rules.extend(self.service_rules());
        rules.push(accept("pools", vec![self.pools(true)]));
        Policy {
            name: name("export", self.family, self.external, filters),
            rules,
            otherwise: Decision::Reject,
        }
    }

    /// Gives what we originate the LOCAL_PREF that stands for the metric of an ordinary route, where it has none.
    fn priority(&self) -> Rule {
        let normal = TOP - self.scene.configuration.normal(self.family);
        let unsaid = Match::LocalPref(DEFAULT_LOCAL_PREF..=DEFAULT_LOCAL_PREF);
        Rule {
            name: "priority".to_owned(),
            matches: vec![Match::Provenance(Provenance::Originated), unsaid],
            edits: vec![Edit::LocalPref(normal)],
            decision: None,
        }
    }

    fn pools(&self, exported: bool) -> Match {
        let pools = self.scene.pools.iter().filter(|pool| pool.exported == exported);
        self.within(pools.map(|pool| pool.block))
    }

    /// Returns the interfaces whose routes the nodes tell each other otherwise.
    fn devices(&self) -> impl Iterator<Item = Glob> {
        let felix = !self.scene.configuration.programs_ipip;
        let shapes = ["*.cali", "*.calico"].into_iter().chain(felix.then_some(IPIP));
        shapes.filter_map(shape)
    }

    /// Returns the communities of `prefixAdvertisements`, which learned routes get as well.
    fn tags(&self) -> impl Iterator<Item = Rule> {
        let tags = &self.scene.configuration.advertisements;
        tags.iter().filter(|tag| Family::of(&tag.within) == self.family).map(|tag| Rule {
            name: format!("communities of {}", tag.within),
            matches: vec![self.within([tag.within])],
            edits: tag.communities.iter().map(|community| add_community(*community)).collect(),
            decision: None,
        })
    }

    /// Returns what becomes of own blocks: they go out as a whole, and of what is inside only what has moved here just now
    /// and is told with a higher priority than the block.
    fn blocks(&self) -> [Rule; 3] {
        let blocks =
            || self.scene.blocks.owned.keys().copied().filter(|block| Family::of(block) == self.family);
        let elevated = TOP - self.scene.configuration.normal(self.family) + 1..=u32::MAX;
        [
            accept("own blocks", vec![Match::Prefix(blocks().map(PrefixRange::exactly).collect())]),
            accept("moved into own blocks", vec![self.within(blocks()), Match::LocalPref(elevated)]),
            reject("inside own blocks", vec![self.within(blocks())]),
        ]
    }

    /// Returns what becomes of Service addresses. Those other nodes announce are not passed on as if they were here: packets
    /// would come to a node that may have no endpoint. A route reflector passes them on, and so does who keeps next hops.
    fn service_rules(&self) -> Vec<Rule> {
        let configuration = &self.scene.configuration;
        let reflects = self.scene.me.cluster_id.is_some();
        let active = self.services.ranges.keys().chain(self.services.addresses.keys());
        let active = self.within(active.copied());
        let mut rules = Vec::new();
        if self.external && !reflects && !self.keeps {
            let learned = Match::Provenance(Provenance::Learned);
            rules.push(reject("Services of other nodes", vec![active.clone(), learned]));
        }
        rules.push(accept("Services", vec![active]));
        if reflects {
            let ranges = configuration.load_balancer_ips.iter().chain(&configuration.external_ips);
            rules.push(accept("Services of clients", vec![self.within(ranges.copied())]));
        }
        rules
    }

    fn within(&self, blocks: impl IntoIterator<Item = IpNet>) -> Match {
        let blocks = blocks.into_iter().filter(|block| Family::of(block) == self.family);
        Match::Prefix(blocks.map(PrefixRange::within).collect::<PrefixSet>())
    }
}

fn shape(text: &str) -> Option<Glob> {
    text.parse().ok()
}

fn interface(name: &str, shape: Glob) -> Rule {
    reject(name, vec![Match::Interface(shape)])
}
