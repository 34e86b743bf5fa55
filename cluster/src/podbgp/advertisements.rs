//! `BGPAdvertisement`s of this node.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use bgp::{Community, LargeCommunity};
use intent::{Export, Intent, Originated, ServiceRanges};
use ipnet::IpNet;
use rib::policy::{Change, Decision, Edit, Match, Policy, PrefixRange, PrefixSet, Provenance, Rule};

use super::{own_labels, problem};
use crate::event::Kind;
use crate::object::podbgp::Advertisement;
use crate::plan::{Plan, Problem};
use crate::prefix;
use crate::prefix::shown;
use crate::services;
use crate::services::Wanted;
use crate::store::Objects;

/// An advertisement, as far as it concerns this node.
struct Active<'a> {
    advertisement: &'a Advertisement,
    /// The peers it goes to; `None` for all.
    peers: Option<BTreeSet<&'a str>>,
    /// What of ours it is about.
    about: BTreeSet<IpNet>,
    communities: Vec<Community>,
    large_communities: Vec<LargeCommunity>,
}

/// Returns what the advertisements of this node say of Services.
pub(crate) fn rules(objects: &Objects, problems: &mut Vec<Problem>) -> Vec<services::Rule> {
    selected(objects).filter_map(|advertisement| rule(advertisement, problems)).collect()
}

/// Attaches attributes, and has peers told what is for them.
pub(super) fn plan(
    objects: &Objects,
    blocks: &BTreeSet<IpNet>,
    wanted: &Wanted,
    file: &Intent,
    plan: &mut Plan,
) {
    let selected = selected(objects);
    let active: Vec<Active<'_>> = selected
        .map(|advertisement| Active::of(advertisement, objects, blocks, wanted, file, &mut plan.problems))
        .collect();
    for active in active.iter().filter(|active| active.peers.is_none()) {
        for prefix in &active.about {
            if let Some(originated) = plan.originated.get_mut(prefix) {
                active.attach(originated);
            }
        }
    }
    if active.iter().any(|active| active.peers.is_some()) {
        for (name, peer) in &mut plan.peers {
            peer.export = export(name, &peer.export, &active);
        }
    }
}

fn selected(objects: &Objects) -> impl Iterator<Item = &Advertisement> {
    let labels = own_labels(objects);
    let meant = move |advertisement: &&Advertisement| {
        labels.is_some_and(|labels| advertisement.spec.node_selector.matches(labels))
    };
    objects.advertisements.iter().map(|(_, advertisement)| advertisement).filter(meant)
}

/// Reads which Services an advertisement is about, if any. A range that cannot be read is left out.
fn rule(advertisement: &Advertisement, problems: &mut Vec<Problem>) -> Option<services::Rule> {
    let spec = advertisement.spec.services.as_ref()?;
    let mut ranges = |field: &str, texts: &[String]| -> BTreeSet<IpNet> {
        read_all(advertisement, &format!("services.{field}"), texts, problems, prefix::block)
    };
    let ranges = ServiceRanges {
        cluster: ranges("clusterRanges", &spec.cluster_ranges),
        external: ranges("externalRanges", &spec.external_ranges),
        load_balancer: ranges("loadBalancerRanges", &spec.load_balancer_ranges),
    };
    let selector = spec.selector.clone().unwrap_or_default();
    let aggregate = spec.aggregate.unwrap_or_else(|| selector.is_everything());
    Some(services::Rule { cause: cause(advertisement), ranges, selector, aggregate, traced: true })
}

fn cause(advertisement: &Advertisement) -> String {
    format!("BGPAdvertisement {}", advertisement.metadata.key)
}

/// Reads the texts of a list. What cannot be read is left out and named.
fn read_all<T, E: Display, C: FromIterator<T>>(
    advertisement: &Advertisement,
    field: &str,
    texts: &[String],
    problems: &mut Vec<Problem>,
    read: impl Fn(&str) -> Result<T, E>,
) -> C {
    let read = |(index, text): (usize, &String)| match read(text) {
        Ok(value) => Some(value),
        Err(why) => {
            let field = format!("spec.{field}[{index}]");
            let why = format!("{why}; {} is left out", shown(text));
            problems.push(problem(Kind::Advertisement, &advertisement.metadata, field, why));
            None
        }
    };
    texts.iter().enumerate().filter_map(read).collect()
}

impl<'a> Active<'a> {
    fn of(
        advertisement: &'a Advertisement,
        objects: &'a Objects,
        blocks: &BTreeSet<IpNet>,
        wanted: &Wanted,
        file: &Intent,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let spec = &advertisement.spec;
        let mut about = wanted.traced.get(&cause(advertisement)).cloned().unwrap_or_default();
        if spec.pod_blocks {
            about.extend(blocks);
        }
        let communities = read_tags(advertisement, "communities", &spec.communities, problems);
        let large_communities =
            read_tags(advertisement, "largeCommunities", &spec.large_communities, problems);
        let peers = peers(advertisement, objects, file, problems);
        Self { advertisement, peers, about, communities, large_communities }
    }

    /// Tells whether the advertisement goes to a peer.
    fn goes_to(&self, peer: &str) -> bool {
        self.peers.as_ref().is_none_or(|peers| peers.contains(peer))
    }

    /// Attaches its attributes to something originated.
    fn attach(&self, originated: &mut Originated) {
        unite(&mut originated.communities, &self.communities);
        unite(&mut originated.large_communities, &self.large_communities);
        originated.local_pref = originated.local_pref.max(self.advertisement.spec.local_pref);
    }

    /// Returns its attributes as a rule for what it is about; `None` if it has none.
    fn attaching(&self) -> Option<Rule> {
        let mut edits = Vec::new();
        if !self.communities.is_empty() {
            edits.push(Edit::Communities(Change::Add(self.communities.clone())));
        }
        if !self.large_communities.is_empty() {
            edits.push(Edit::LargeCommunities(Change::Add(self.large_communities.clone())));
        }
        edits.extend(self.advertisement.spec.local_pref.map(Edit::LocalPref));
        (!edits.is_empty()).then(|| Rule {
            name: self.advertisement.metadata.key.name.clone(),
            matches: about(&self.about),
            edits,
            decision: None,
        })
    }
}

/// Reads communities, ascending.
fn read_tags<T: FromStr<Err: Display> + Ord>(
    advertisement: &Advertisement,
    field: &str,
    texts: &[String],
    problems: &mut Vec<Problem>,
) -> Vec<T> {
    let tags: BTreeSet<T> = read_all(advertisement, field, texts, problems, str::parse);
    tags.into_iter().collect()
}

/// Returns the peers an advertisement goes to; `None` for all.
fn peers<'a>(
    advertisement: &'a Advertisement,
    objects: &'a Objects,
    file: &Intent,
    problems: &mut Vec<Problem>,
) -> Option<BTreeSet<&'a str>> {
    let spec = &advertisement.spec;
    if spec.peers.is_empty() && spec.peer_selector.is_none() {
        return None;
    }
    for (index, name) in spec.peers.iter().enumerate() {
        let why = match objects.peers.get(&crate::object::Key::of(name)) {
            Some(_) => continue,
            None if file.peers.contains_key(name) => "is a peer of the file, and is told what the file says",
            None => "is no BGPPeer; create it, or leave the name out",
        };
        let why = format!("{} {why}", shown(name));
        problems.push(problem(
            Kind::Advertisement,
            &advertisement.metadata,
            format!("spec.peers[{index}]"),
            why,
        ));
    }
    let matching = objects.peers.iter().map(|(_, peer)| &peer.metadata);
    let matching = matching.filter(|metadata| {
        spec.peer_selector.as_ref().is_some_and(|selector| selector.matches(&metadata.labels))
    });
    let matching = matching.map(|metadata| metadata.key.name.as_str());
    Some(matching.chain(spec.peers.iter().map(String::as_str)).collect())
}

/// Returns what a peer is told: what nobody restricts, and what is for it.
fn export(name: &str, before: &Export, active: &[Active<'_>]) -> Export {
    if matches!(before, Export::None | Export::Policy(_)) {
        return before.clone();
    }
    let restricted = active.iter().filter(|active| active.peers.is_some());
    let for_it: BTreeSet<IpNet> = active
        .iter()
        .filter(|active| active.goes_to(name))
        .flat_map(|active| &active.about)
        .copied()
        .collect();
    let hidden: BTreeSet<IpNet> = restricted
        .clone()
        .flat_map(|active| &active.about)
        .filter(|prefix| !for_it.contains(prefix))
        .copied()
        .collect();
    // In the order of LOCAL_PREF, so that the highest is set last.
    let mut ranked: Vec<&Active<'_>> = restricted.filter(|active| active.goes_to(name)).collect();
    ranked.sort_by_key(|active| active.advertisement.spec.local_pref);
    let mut rules: Vec<Rule> = ranked.into_iter().filter_map(Active::attaching).collect();
    if !hidden.is_empty() {
        let name = "for other peers".to_owned();
        rules.push(Rule {
            name,
            matches: about(&hidden),
            edits: Vec::new(),
            decision: Some(Decision::Reject),
        });
    }
    if rules.is_empty() {
        return before.clone();
    }
    if *before == Export::Originated {
        let name = "learned".to_owned();
        let matches = vec![Match::Provenance(Provenance::Learned)];
        rules.insert(0, Rule { name, matches, edits: Vec::new(), decision: Some(Decision::Reject) });
    }
    let name = format!("BGPAdvertisements for {name}");
    Export::Policy(Arc::new(Policy { name, rules, otherwise: Decision::Accept }))
}

/// Matches what of ours is among these.
fn about(prefixes: &BTreeSet<IpNet>) -> Vec<Match> {
    let exactly: PrefixSet = prefixes.iter().copied().map(PrefixRange::exactly).collect();
    vec![Match::Provenance(Provenance::Originated), Match::Prefix(exactly)]
}

fn unite<T: Ord + Copy>(tags: &mut Vec<T>, more: &[T]) {
    tags.extend_from_slice(more);
    tags.sort_unstable();
    tags.dedup();
}
