//! `[kubernetes]`: how this node takes part in a cluster.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::facts::Facts;
use super::node::{is_routable, prefix};
use super::reader::{Table, Value, suggestion};
use crate::intent::{BlockSource, Kubernetes, PeerSource, RouterId, ServiceRanges, StatusReport};

/// The longest name of a Node object, and of the part of a taint's key before the slash: a DNS subdomain (RFC 1123).
const MAX_SUBDOMAIN: usize = 253;
/// The longest name of a namespace, and of the part of a taint's key after the slash, and of its value.
const MAX_LABEL: usize = 63;
/// What a taint may do to pods.
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
/// A change held for more than a day is held by nobody's mind.
const LONGEST_HOLD: u32 = 86_400;
const LONGEST_DAMPING: u16 = 3600;

/// Reads `[kubernetes]`. `None` if there is no such table.
///
/// What comes out after a mistake has the default in its place; no such settings leave this module's parent.
pub(super) fn read(table: Option<Table<'_>>, directory: &Path, facts: &Facts) -> Option<Kubernetes> {
    let mut table = table?;
    let mut settings = Kubernetes::new(node_name(&mut table, facts).unwrap_or_default());
    settings.kubeconfig = table.optional("kubeconfig", |value| kubeconfig(value, directory));
    let namespace = table.optional("namespace", namespace).or_else(|| facts.namespace.clone());
    settings.namespace = namespace.unwrap_or(settings.namespace);
    settings.router_id =
        table.optional("router-id", |value| value.choice(&RouterId::WORDS)).unwrap_or_default();
    settings.blocks = table.optional("blocks", |value| value.choice(&BlockSource::WORDS)).unwrap_or_default();
    settings.peers = table.optional("peers", |value| value.choice(&PeerSource::WORDS)).unwrap_or_default();
    settings.services = ServiceRanges {
        cluster: table.optional("service-cluster-ips", ranges).unwrap_or_default(),
        external: table.optional("service-external-ips", ranges).unwrap_or_default(),
        load_balancer: table.optional("service-load-balancer-ips", ranges).unwrap_or_default(),
    };
    settings.accept_default =
        table.optional("accept-default", Value::flag).unwrap_or(settings.accept_default);
    let startup = table.entry("startup-taint").and_then(|value| Some((taint(&value)?, value)));
    let drain = table.optional("drain-taints", |value| drain_taints(value, startup.as_ref()));
    settings.startup_taint = startup.map(|(taint, _)| taint);
    settings.drain_taints = drain.unwrap_or_default();
    settings.max_withdraw =
        table.optional("max-withdraw", |value| value.number(1..=100)).unwrap_or(settings.max_withdraw);
    let hold = table.optional("hold", |value| value.number(1..=LONGEST_HOLD));
    settings.hold = hold.map(|seconds| Duration::from_secs(seconds.into()));
    if let Some(seconds) = table.optional("damping", |value| value.number(0..=LONGEST_DAMPING)) {
        settings.damping = Duration::from_secs(seconds.into());
    }
    settings.status =
        table.optional("status", |value| value.choice(&StatusReport::WORDS)).unwrap_or_default();
    table.finish();
    Some(settings)
}

fn node_name(table: &mut Table<'_>, facts: &Facts) -> Option<String> {
    match (table.entry("node-name"), facts.name()) {
        (Some(value), _) => {
            let name = value.text()?;
            if !is_subdomain(name) {
                return value.refuse(
                    "is not the name of a Node object",
                    "write it as kubectl get nodes does: small letters, digits, - and .",
                );
            }
            Some(name.to_owned())
        }
        (None, Some(name)) => Some(name.to_owned()),
        (None, None) => {
            table.missing(
                "node-name",
                "neither $NODENAME nor $NODE_NAME nor the host name is set: add node-name = \"node-a\"",
            );
            None
        }
    }
}

fn kubeconfig(value: &Value<'_>, directory: &Path) -> Option<PathBuf> {
    let path = value.text()?;
    if path.is_empty() || path.contains('\0') {
        return value.refuse(
            "is not the name of a file",
            "write kubeconfig = \"/etc/podbgp/kubeconfig\", or leave it out in a pod",
        );
    }
    Some(directory.join(path))
}

fn namespace(value: &Value<'_>) -> Option<String> {
    let name = value.text()?;
    if !is_label(name) {
        return value.refuse(
            "is not the name of a namespace",
            format!("write 1 to {MAX_LABEL} small letters, digits or -, such as \"kube-system\""),
        );
    }
    Some(name.to_owned())
}

fn ranges(value: &Value<'_>) -> Option<BTreeSet<IpNet>> {
    let mut ranges = BTreeSet::new();
    for item in value.items()? {
        let Some(range) = prefix(&item) else { continue };
        if !is_routable(&range) {
            item.refuse::<()>(
                format!("{range} is no range of addresses of Services"),
                "write unicast prefixes that are not loopback or link-local, and no default route",
            );
        } else if !ranges.insert(range) {
            item.warn("is in the list twice", "once is enough");
        }
    }
    Some(ranges)
}

fn drain_taints(value: &Value<'_>, startup: Option<&(String, Value<'_>)>) -> Option<BTreeSet<String>> {
    let mut taints = BTreeSet::new();
    for item in value.items()? {
        let Some(read) = taint(&item) else { continue };
        if let Some((_, startup)) = startup.filter(|(startup, _)| key_of(startup) == key_of(&read)) {
            item.refuse_beside::<()>(
                "is the taint of a node that has not begun to serve; it would be drained before it could",
                "leave one of them out",
                startup.span(),
                "startup-taint is here",
            );
        } else if !taints.insert(read) {
            item.warn("is in the list twice", "once is enough");
        }
    }
    Some(taints)
}

/// Reads a taint as `key`, `key=value`, `key:effect` or `key=value:effect`.
fn taint(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let (rest, effect) = match text.split_once(':') {
        Some((rest, effect)) => (rest, Some(effect)),
        None => (text, None),
    };
    let (key, of_key) = match rest.split_once('=') {
        Some((key, of_key)) => (key, of_key),
        None => (rest, ""),
    };
    if !is_qualified(key) || !(of_key.is_empty() || is_plain(of_key)) {
        return value.refuse(
            "is not a taint",
            "write key, key=value or key=value:effect, such as \"podbgp.io/drain\" or \"role=spare:NoExecute\"",
        );
    }
    match effect {
        Some(effect) if !EFFECTS.contains(&effect) => {
            value.refuse(format!("{effect:?} is no effect of a taint"), suggestion(effect, &EFFECTS))
        }
        _ => Some(text.to_owned()),
    }
}

fn key_of(taint: &str) -> &str {
    taint.split(['=', ':']).next().unwrap_or(taint)
}

/// Tells whether a text is a key of labels and taints: a name, with a DNS subdomain and a slash in front if wanted.
fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, name)) => is_subdomain(domain) && is_plain(name),
        None => is_plain(key),
    }
}

/// Tells whether a text is a name in a key, or a value: letters, digits, `-`, `_`, `.`; the ends are letters or digits.
fn is_plain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends = |c: char| c.is_ascii_alphanumeric();
    text.len() <= MAX_LABEL && text.chars().all(inner) && text.starts_with(ends) && text.ends_with(ends)
}

fn is_subdomain(name: &str) -> bool {
    name.len() <= MAX_SUBDOMAIN && name.split('.').all(is_label)
}

fn is_label(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty()
        && name.len() <= MAX_LABEL
        && name.chars().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
