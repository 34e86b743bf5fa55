//! What our own resources say: `BGPPeer` and `BGPAdvertisement`.
//!
//! **Precedence.** The file comes first: a peer it names, or has at the same place, is the file's alone, and so is a block it
//! names. Then come our own resources, if Calico's do not say who the peers are (`kubernetes.peers`). Of two `BGPPeer`s
//! at the same place the first by name wins. Advertisements add up; none takes anything from another.
//!
//! **What goes where.** What this node originates goes to every peer. Once an advertisement names peers, what it is about
//! goes to them, and to those of other advertisements about the same, and to nobody else. Attributes unite: the
//! communities of all, and the highest LOCAL_PREF, where one for certain peers comes before one for all. Peers of the
//! file follow the file: they get everything that is originated, and no attributes that are for certain peers.

mod advertisements;
mod peers;

use std::collections::{BTreeMap, BTreeSet};

use intent::{Intent, Kubernetes};
use ipnet::IpNet;

use crate::event::Kind;
use crate::object::{Key, Meta};
use crate::plan::{Plan, Problem};
use crate::services::Wanted;
use crate::store::Objects;

pub(crate) use advertisements::rules;

/// Fills in the peers, and what they are told.
pub(crate) fn plan(
    objects: &Objects,
    settings: &Kubernetes,
    blocks: &BTreeSet<IpNet>,
    wanted: &Wanted,
    file: &Intent,
    plan: &mut Plan,
) {
    peers::plan(objects, settings, file, plan);
    advertisements::plan(objects, blocks, wanted, file, plan);
}

/// Returns the Secrets peers of this node refer to.
pub(crate) fn secrets(objects: &Objects, settings: &Kubernetes) -> BTreeSet<Key> {
    let specs = peers::selected(objects).map(|peer| &peer.spec);
    let named = specs.filter_map(|spec| spec.password_secret.as_ref());
    named.map(|secret| Key { namespace: settings.namespace.clone(), name: secret.name.clone() }).collect()
}

/// Returns the labels of our node.
fn own_labels(objects: &Objects) -> Option<&BTreeMap<String, String>> {
    objects.own_node().map(|node| &node.metadata.labels)
}

/// Says what is wrong with a field.
fn problem(kind: Kind, metadata: &Meta, field: impl Into<String>, problem: impl Into<String>) -> Problem {
    Problem { kind, object: metadata.key.clone(), field: field.into(), problem: problem.into() }
}

#[cfg(test)]
mod tests;
