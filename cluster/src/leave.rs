//! Whether the cluster wants this node drained.
//!
//! Only what is meant to: an annotation of ours, or a taint the operator named. A cordon (`spec.unschedulable`, and the
//! taint that comes with it) is none: clusters cordon every node at once while they are upgraded.

use std::collections::BTreeSet;

use crate::object::node::{Node, Taint};
use crate::prefix::shown;

/// The annotation of a Node that asks for a drain. Its value is the reason; `false` or nothing asks for none.
pub const DRAIN: &str = "podbgp.io/drain";

/// Returns why a node is to be drained, if it is. Taints are named as `key`, `key=value`, `key:effect` or
/// `key=value:effect`.
pub(crate) fn reason(node: &Node, taints: &BTreeSet<String>) -> Option<String> {
    let annotation = node.metadata.annotations.get(DRAIN).map(|reason| reason.trim());
    match annotation.filter(|reason| !matches!(*reason, "" | "false")) {
        Some("true") => return Some(format!("annotation {DRAIN}")),
        Some(reason) => return Some(format!("annotation {DRAIN}: {}", shown(reason))),
        None => {}
    }
    let tainted = taints.iter().find(|named| node.spec.taints.iter().any(|taint| is_named(taint, named)));
    tainted.map(|named| format!("taint {named}"))
}

/// Tells whether a taint is the one that is named.
fn is_named(taint: &Taint, named: &str) -> bool {
    let (named, effect) =
        named.split_once(':').map_or((named, None), |(named, effect)| (named, Some(effect)));
    let (key, value) = named.split_once('=').map_or((named, None), |(key, value)| (key, Some(value)));
    taint.key == key
        && value.is_none_or(|value| taint.value == value)
        && effect.is_none_or(|effect| taint.effect == effect)
}
