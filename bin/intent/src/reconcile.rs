//! What it takes to get from one intent to another.
//!
//! Every setting is a row of [`NODE_KEYS`] or [`PEER_KEYS`], which says what changing it costs. The list of
//! changes follows from the rows, so a setting cannot be forgotten here and be thought of elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::{AoKey, Bfd, Guard, Intent, Ownership, PeerIntent, Station, local_as};
use ranges::range_changes;
pub use ranges::{RANGE_KEYS, RangeChange};

/// What changing a setting costs, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing but what is shown.
    None,
    /// Takes effect without touching sessions or routes of others.
    Soft,
    /// Routes are judged again; sessions stay.
    Refresh,
    /// The session of the peer, or of all peers, is closed and opened anew.
    SessionReset,
    /// Refused by a reload: the daemon must be started anew.
    Restart,
}

/// A setting, what changing it costs, and how to tell and show that it changed.
pub struct Key<T> {
    /// The path of the key in the file, such as `fib.metric` or `peer.port`.
    pub path: &'static str,
    /// What changing it costs.
    pub effect: Effect,
    same: fn(&T, &T) -> bool,
    show: fn(&T) -> String,
}

/// One setting with its old and its new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The path of the key in the file.
    pub key: &'static str,
    /// The old value as the file would write it.
    pub from: String,
    /// The new value as the file would write it.
    pub to: String,
}

/// One step from an old intent to a new one. What it needs to be done is in the new intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A setting that cannot change in a running daemon.
    Restart(KeyChange),
    /// A setting of the node that needs nothing but the new value.
    Setting(KeyChange),
    /// Addresses to listen on and to listen on no longer.
    Listen {
        /// Those that are new.
        added: Vec<SocketAddr>,
        /// Those that are gone.
        removed: Vec<SocketAddr>,
    },
    /// What the cluster has us originate: what is new or otherwise than before, and what is gone.
    Originated {
        /// Those to announce.
        added: Vec<IpNet>,
        /// Those to withdraw.
        removed: Vec<IpNet>,
    },
    /// Whether the cluster wants this node drained.
    Leave(KeyChange),
    /// Where metrics are served.
    Metrics(KeyChange),
    /// Peers that are gone; their routes go too.
    RemovePeer {
        /// The name of the peer.
        peer: String,
    },
    /// Pod blocks to advertise and to withdraw. The safe import goes by them, so it is judged anew as well.
    Blocks {
        /// Those that are new.
        added: Vec<IpNet>,
        /// Those that are gone.
        removed: Vec<IpNet>,
    },
    /// How the best routes are chosen and how many of them are used.
    Decision {
        /// What changed.
        why: Vec<KeyChange>,
    },
    /// The intervals of BFD sessions; those that are up stay up.
    Bfd {
        /// What changed.
        why: Vec<KeyChange>,
    },
    /// How restarts go, from the next session on.
    GracefulRestart {
        /// What changed.
        why: Vec<KeyChange>,
    },
    /// What our OPENs say of us, from the next session on.
    Capabilities {
        /// What changed.
        why: Vec<KeyChange>,
    },
    /// How peers are left; a drain that runs keeps its times.
    Drain {
        /// What changed.
        why: Vec<KeyChange>,
    },
    /// How this node takes part in its cluster; what follows for peers and routes is said by changes of their own.
    Kubernetes {
        /// What changed.
        why: Vec<KeyChange>,
    },
    /// Who looks on: stations, and files.
    Monitoring {
        /// What changed.
        why: Vec<KeyChange>,
    },
    /// Settings of a peer that only a new session can have. All its other settings change with it.
    ResetPeer {
        /// The name of the peer.
        peer: String,
        /// What changed, in the peer or in the node.
        why: Vec<KeyChange>,
    },
    /// What we accept from or advertise to a peer.
    PeerPolicy {
        /// The name of the peer.
        peer: String,
        /// What changed.
        why: Vec<KeyChange>,
    },
    /// Settings of a peer that take effect without its session noticing.
    PeerSettings {
        /// The name of the peer.
        peer: String,
        /// What changed.
        why: Vec<KeyChange>,
    },
    /// The password or the keys of a peer; TCP takes new ones in the middle of a connection.
    Password {
        /// The name of the peer.
        peer: String,
        /// What changed, without the secret.
        why: KeyChange,
    },
    /// Peers that are new.
    AddPeer {
        /// The name of the peer.
        peer: String,
    },
    /// A range of peers. What its peers have to change is said peer by peer.
    Range {
        /// The name of the range.
        range: String,
        /// What it is.
        change: RangeChange,
    },
}

/// Makes a row: the path, the effect, and the field or how to show it.
macro_rules! key {
    ($path:literal, $effect:ident, $($field:ident).+, $show:expr) => {
        Key {
            path: $path,
            effect: Effect::$effect,
            same: |old, new| old.$($field).+ == new.$($field).+,
            show: |of| $show(&of.$($field).+),
        }
    };
    ($path:literal, $effect:ident, $($field:ident).+) => {
        key!($path, $effect, $($field).+, ToString::to_string)
    };
}

/// Makes a row of a table that need not be there.
macro_rules! mrt_key {
    ($path:literal, $field:ident, $show:expr) => {
        Key {
            path: $path,
            effect: Effect::Soft,
            same: |old, new| {
                old.mrt.as_ref().map(|mrt| &mrt.$field) == new.mrt.as_ref().map(|mrt| &mrt.$field)
            },
            show: |of| of.mrt.as_ref().map_or_else(|| "none".to_owned(), |mrt| $show(&mrt.$field)),
        }
    };
}

/// Makes a row of the cluster's table, where both files have it; see [`NODE_KEYS`] for where one has not.
macro_rules! kubernetes_key {
    ($path:literal, $effect:ident, $($field:ident).+, $show:expr) => {
        Key {
            path: $path,
            effect: Effect::$effect,
            same: |old, new| match (&old.kubernetes, &new.kubernetes) {
                (Some(old), Some(new)) => old.$($field).+ == new.$($field).+,
                _ => true,
            },
            show: |of| {
                of.kubernetes.as_ref().map_or_else(|| "none".to_owned(), |of| $show(&of.$($field).+))
            },
        }
    };
}

// After the macros, which they use.
mod ranges;
mod words;

/// The settings of the node.
pub const NODE_KEYS: &[Key<Intent>] = &[
    key!("node.name", None, node.name),
    key!("node.asn", SessionReset, node.asn),
    key!("node.router-id", SessionReset, node.router_id),
    key!("node.cluster-id", Refresh, node.cluster_id),
    key!("node.listen", Soft, node.listen, list),
    key!("node.blocks", Soft, node.blocks, list),
    key!("node.require-policy", Refresh, node.require_policy),
    key!("node.announce-fqdn", Soft, node.announce_fqdn),
    key!("node.announce-version", Soft, node.announce_version),
    key!("fib.install", Restart, fib.install),
    key!("fib.protocol", Restart, fib.protocol),
    key!("fib.metric", Restart, fib.metric),
    key!("fib.table", Restart, fib.table),
    key!("fib.max-paths", Refresh, fib.max_paths),
    key!("fib.next-hop-groups", Restart, fib.next_hop_groups),
    key!("fib.weights", Refresh, fib.weights),
    key!("fib.transit-table", Restart, fib.transit_table),
    key!("decision.multipath-relax", Refresh, decision.multipath_relax),
    key!("decision.always-compare-med", Refresh, decision.always_compare_med),
    key!("bfd.min-tx", Soft, bfd.min_tx, millis),
    key!("bfd.min-rx", Soft, bfd.min_rx, millis),
    key!("bfd.multiplier", Soft, bfd.multiplier),
    key!("graceful-restart.enabled", Soft, graceful_restart.enabled),
    key!("graceful-restart.restart-time", Soft, graceful_restart.restart_time),
    key!("graceful-restart.selection-deferral", Soft, graceful_restart.selection_deferral, seconds),
    key!("graceful-restart.max-peer-restart-time", Soft, graceful_restart.max_peer_restart_time, seconds),
    key!("graceful-restart.long-lived-stale-time", Soft, graceful_restart.long_lived_stale_time),
    key!("graceful-restart.state-directory", Restart, graceful_restart.state_directory, path),
    key!("drain.announce", Soft, drain.announce, seconds),
    key!("drain.withdraw", Soft, drain.withdraw, seconds),
    key!("drain.deadline", Soft, drain.deadline, seconds),
    key!("drain.prepend", Soft, drain.prepend),
    key!("drain.med", Soft, drain.med, optional),
    key!("drain.on-host-shutdown", Soft, drain.on_host_shutdown),
    key!("history.records", None, history.records),
    key!("control.socket", Restart, control_socket, path),
    key!("metrics.listen", Soft, metrics, optional),
    Key {
        path: "bmp.address",
        effect: Effect::Soft,
        same: |old, new| old.bmp.keys().eq(new.bmp.keys()),
        show: |of| list(of.bmp.keys()),
    },
    Key {
        path: "bmp.views",
        effect: Effect::Soft,
        same: |old, new| same_where_both(&old.bmp, &new.bmp, |station| &station.views),
        show: |of| list(of.bmp.values().map(|station| list(&station.views))),
    },
    Key {
        path: "bmp.statistics-interval",
        effect: Effect::Soft,
        same: |old, new| same_where_both(&old.bmp, &new.bmp, |station| &station.statistics_interval),
        show: |of| {
            let interval = |station: &Station| seconds(&station.statistics_interval.unwrap_or_default());
            list(of.bmp.values().map(interval))
        },
    },
    mrt_key!("mrt.directory", directory, |directory: &Path| path(directory)),
    mrt_key!("mrt.max-size", max_size, |octets: &u64| (octets >> 20).to_string()),
    mrt_key!("mrt.max-age", max_age, seconds),
    mrt_key!("mrt.keep", keep, u16::to_string),
    // As the name is always there, its row is that of the whole table.
    Key {
        path: "kubernetes.node-name",
        effect: Effect::Restart,
        same: |old, new| node_in_cluster(old) == node_in_cluster(new),
        show: |of| node_in_cluster(of).unwrap_or("none").to_owned(),
    },
    kubernetes_key!("kubernetes.kubeconfig", Restart, kubeconfig, |of: &Option<PathBuf>| match of {
        Some(of) => path(of),
        None => "the service account".to_owned(),
    }),
    kubernetes_key!("kubernetes.namespace", Restart, namespace, String::clone),
    kubernetes_key!("kubernetes.router-id", Soft, router_id, ToString::to_string),
    kubernetes_key!("kubernetes.blocks", Soft, blocks, ToString::to_string),
    kubernetes_key!("kubernetes.peers", Soft, peers, ToString::to_string),
    kubernetes_key!("kubernetes.service-cluster-ips", Soft, services.cluster, list),
    kubernetes_key!("kubernetes.service-external-ips", Soft, services.external, list),
    kubernetes_key!("kubernetes.service-load-balancer-ips", Soft, services.load_balancer, list),
    kubernetes_key!("kubernetes.accept-default", Soft, accept_default, ToString::to_string),
    kubernetes_key!("kubernetes.drain-taints", Soft, drain_taints, list),
    kubernetes_key!("kubernetes.startup-taint", Soft, startup_taint, optional),
    kubernetes_key!("kubernetes.max-withdraw", Soft, max_withdraw, ToString::to_string),
    kubernetes_key!("kubernetes.hold", Soft, hold, |hold: &Option<_>| match hold {
        Some(hold) => seconds(hold),
        None => "until approved".to_owned(),
    }),
    kubernetes_key!("kubernetes.damping", Soft, damping, seconds),
    kubernetes_key!("kubernetes.status", Soft, status, ToString::to_string),
    key!("cluster.originated", Soft, originated, |of: &BTreeMap<IpNet, _>| list(of.keys())),
    key!("cluster.ownership", Refresh, ownership, |of: &Ownership| format!("{} pools", of.pools.len())),
    key!("cluster.host-routes", Refresh, host_routes, |of: &BTreeMap<IpAddr, _>| list(of.keys())),
    key!("cluster.guard", Refresh, guard, |of: &Guard| list(of.refused.keys())),
    key!("cluster.leave", Soft, leave, optional),
];

/// The settings of a peer, its name apart.
pub const PEER_KEYS: &[Key<PeerIntent>] = &[
    key!("peer.description", None, description, optional),
    key!("peer.address", SessionReset, address),
    key!("peer.interface", SessionReset, interface, optional),
    key!("peer.port", SessionReset, port),
    key!("peer.asn", SessionReset, asn),
    key!("peer.local-asn", SessionReset, local_asn, optional),
    key!("peer.local-asn-mode", SessionReset, local_asn_mode, |mode: &_| local_as::word(*mode).to_owned()),
    key!("peer.allow-own-as", Refresh, allow_own_as),
    key!("peer.local-address", SessionReset, local_address, optional),
    key!("peer.role", SessionReset, role, optional),
    key!("peer.role-strict", Soft, role_strict),
    key!("peer.passive", Soft, passive),
    key!("peer.password-file", Soft, password, optional),
    key!("peer.tcp-ao", Soft, tcp_ao, |keys: &Vec<AoKey>| list(keys)),
    key!("peer.hold-time", SessionReset, hold_time, |time: &bgp::HoldTime| time.seconds().to_string()),
    key!("peer.keepalive", Soft, keepalive, |time: &Option<_>| match time {
        Some(time) => seconds(time),
        None => "a third of the hold time".to_owned(),
    }),
    key!("peer.send-hold-time", Soft, send_hold, |time: &Option<_>| seconds(&time.unwrap_or_default())),
    key!("peer.connect-retry", Soft, connect_retry, seconds),
    key!("peer.families", SessionReset, families, |set: &bgp::FamilySet| list(set.iter())),
    key!("peer.ttl-security", SessionReset, ttl_security, optional),
    key!("peer.multihop", SessionReset, multihop),
    key!("peer.bfd", Soft, bfd, |bfd: &Option<Bfd>| bfd.map_or("false".to_owned(), |bfd| bfd.to_string())),
    key!("peer.graceful-restart", Soft, graceful_restart),
    key!("peer.restart-time", Soft, restart_time, optional),
    key!("peer.fast-failover", Soft, fast_failover, |fast: &Option<bool>| match fast {
        Some(fast) => fast.to_string(),
        None => "where the peer is on the link".to_owned(),
    }),
    key!("peer.max-prefixes", Soft, max_prefixes, optional),
    key!("peer.max-prefixes-warning", Soft, max_prefixes_warning, optional),
    key!("peer.max-prefixes-restart", Soft, max_prefixes_restart, |time: &Option<_>| match time {
        Some(time) => seconds(time),
        None => "never".to_owned(),
    }),
    key!("peer.max-length-ipv4", Refresh, max_length_ipv4),
    key!("peer.max-length-ipv6", Refresh, max_length_ipv6),
    key!("peer.import", Refresh, import),
    key!("peer.export", Refresh, export),
    key!("peer.client", Refresh, client),
    key!("peer.next-hop", Refresh, next_hop),
    key!("peer.add-path", SessionReset, add_path),
    key!("peer.graceful-shutdown", Refresh, graceful_shutdown),
    key!("peer.blackhole", Refresh, blackhole),
    key!("peer.link-bandwidth", Refresh, link_bandwidth, optional),
    key!("peer.aigp", Refresh, aigp, |aigp: &Option<bool>| match aigp {
        Some(aigp) => aigp.to_string(),
        None => "within our AS".to_owned(),
    }),
    key!("peer.shutdown", SessionReset, shutdown),
];

/// Lists the changes from one intent to another, in the order to make them: what goes before what comes.
///
/// The list is empty when nothing changed. A peer that is reset has no other change: the new session has
/// all its new settings.
#[must_use]
pub fn reconcile(old: &Intent, new: &Intent) -> Vec<Change> {
    let changed = changed(NODE_KEYS, old, new);
    let (resets, changed): (Vec<_>, Vec<_>) =
        changed.into_iter().partition(|(effect, _)| *effect == Effect::SessionReset);
    let resets: Vec<KeyChange> = resets.into_iter().map(|(_, change)| change).collect();

    let mut changes = node_changes(changed, old, new);
    changes.extend(range_changes(&old.ranges, &new.ranges));
    changes.extend(without(&old.peers, &new.peers).map(|peer| Change::RemovePeer { peer }));
    for (name, peer) in &new.peers {
        if let Some(before) = old.peers.get(name) {
            changes.extend(peer_changes(before, peer, &resets));
        }
    }
    changes.extend(without(&new.peers, &old.peers).map(|peer| Change::AddPeer { peer }));
    changes
}

impl Change {
    /// Returns what the change costs.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Restart(_) => Effect::Restart,
            Self::Setting(_) => Effect::None,
            Self::Decision { .. } | Self::PeerPolicy { .. } => Effect::Refresh,
            Self::Range { change, .. } => change.effect(),
            Self::ResetPeer { .. } | Self::RemovePeer { .. } => Effect::SessionReset,
            Self::PeerSettings { why, .. } if why.iter().all(|change| change.key == "peer.description") => {
                Effect::None
            }
            Self::Listen { .. }
            | Self::Metrics(_)
            | Self::Bfd { .. }
            | Self::GracefulRestart { .. }
            | Self::Capabilities { .. }
            | Self::Drain { .. }
            | Self::Kubernetes { .. }
            | Self::Monitoring { .. }
            | Self::Blocks { .. }
            | Self::Originated { .. }
            | Self::Leave(_)
            | Self::PeerSettings { .. }
            | Self::Password { .. }
            | Self::AddPeer { .. } => Effect::Soft,
        }
    }
}

/// Returns the rows whose values differ.
fn changed<T>(keys: &[Key<T>], old: &T, new: &T) -> Vec<(Effect, KeyChange)> {
    keys.iter().filter(|key| !(key.same)(old, new)).map(|key| (key.effect, key.change(old, new))).collect()
}

fn node_changes(changed: Vec<(Effect, KeyChange)>, old: &Intent, new: &Intent) -> Vec<Change> {
    let mut changes = Vec::new();
    let (mut decision, mut bfd, mut restart, mut drain) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut capabilities, mut monitoring, mut kubernetes) = (Vec::new(), Vec::new(), Vec::new());
    for (effect, change) in changed {
        match (change.key, effect) {
            (_, Effect::Restart) => changes.push(Change::Restart(change)),
            (_, Effect::Refresh) => decision.push(change),
            ("node.listen", _) => changes.push(Change::Listen {
                added: difference(&new.node.listen, &old.node.listen),
                removed: difference(&old.node.listen, &new.node.listen),
            }),
            ("node.blocks", _) => changes.push(Change::Blocks {
                added: difference(&new.node.blocks, &old.node.blocks),
                removed: difference(&old.node.blocks, &new.node.blocks),
            }),
            ("bfd.min-tx" | "bfd.min-rx" | "bfd.multiplier", _) => bfd.push(change),
            (key, _) if key.starts_with("graceful-restart.") => restart.push(change),
            (key, _) if key.starts_with("drain.") => drain.push(change),
            ("node.announce-fqdn" | "node.announce-version", _) => capabilities.push(change),
            (key, _) if key.starts_with("bmp.") || key.starts_with("mrt.") => monitoring.push(change),
            (key, _) if key.starts_with("kubernetes.") => kubernetes.push(change),
            ("cluster.originated", _) => changes.push(Change::Originated {
                added: (new.originated.iter())
                    .filter(|(prefix, one)| old.originated.get(prefix) != Some(one))
                    .map(|(prefix, _)| *prefix)
                    .collect(),
                removed: (old.originated.keys())
                    .filter(|prefix| !new.originated.contains_key(prefix))
                    .copied()
                    .collect(),
            }),
            ("cluster.leave", _) => changes.push(Change::Leave(change)),
            ("metrics.listen", _) => changes.push(Change::Metrics(change)),
            _ => changes.push(Change::Setting(change)),
        }
    }
    if !decision.is_empty() {
        changes.push(Change::Decision { why: decision });
    }
    if !bfd.is_empty() {
        changes.push(Change::Bfd { why: bfd });
    }
    if !restart.is_empty() {
        changes.push(Change::GracefulRestart { why: restart });
    }
    if !capabilities.is_empty() {
        changes.push(Change::Capabilities { why: capabilities });
    }
    if !drain.is_empty() {
        changes.push(Change::Drain { why: drain });
    }
    if !kubernetes.is_empty() {
        changes.push(Change::Kubernetes { why: kubernetes });
    }
    if !monitoring.is_empty() {
        changes.push(Change::Monitoring { why: monitoring });
    }
    changes
}

fn peer_changes(old: &PeerIntent, new: &PeerIntent, node_resets: &[KeyChange]) -> Vec<Change> {
    let peer = || new.name.clone();
    let mut resets = node_resets.to_vec();
    let (mut policy, mut settings, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for (effect, change) in changed(PEER_KEYS, old, new) {
        match effect {
            Effect::SessionReset | Effect::Restart => resets.push(change),
            Effect::Refresh => policy.push(change),
            Effect::None | Effect::Soft if matches!(change.key, "peer.password-file" | "peer.tcp-ao") => {
                changes.push(Change::Password { peer: peer(), why: change });
            }
            Effect::None | Effect::Soft => settings.push(change),
        }
    }
    if !resets.is_empty() {
        return vec![Change::ResetPeer { peer: peer(), why: resets }];
    }
    if !policy.is_empty() {
        changes.push(Change::PeerPolicy { peer: peer(), why: policy });
    }
    if !settings.is_empty() {
        changes.push(Change::PeerSettings { peer: peer(), why: settings });
    }
    changes
}

impl<T> Key<T> {
    /// Tells whether the setting is the same in both.
    #[must_use]
    pub fn is_same(&self, old: &T, new: &T) -> bool {
        (self.same)(old, new)
    }

    /// Returns the value as the file would write it.
    #[must_use]
    pub fn show(&self, of: &T) -> String {
        (self.show)(of)
    }

    fn change(&self, old: &T, new: &T) -> KeyChange {
        KeyChange { key: self.path, from: self.show(old), to: self.show(new) }
    }
}

/// Returns the names that are in `left` and not in `right`.
fn without<'a, T>(
    left: &'a BTreeMap<String, T>,
    right: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = String> + use<'a, T> {
    left.keys().filter(|name| !right.contains_key(*name)).cloned()
}

fn difference<T: Copy + Ord>(left: &BTreeSet<T>, right: &BTreeSet<T>) -> Vec<T> {
    left.difference(right).copied().collect()
}

/// Tells whether the stations that are in both agree on something.
fn same_where_both<T: PartialEq>(
    old: &BTreeMap<SocketAddr, Station>,
    new: &BTreeMap<SocketAddr, Station>,
    of: impl Fn(&Station) -> &T,
) -> bool {
    old.iter()
        .filter_map(|(address, old)| Some((old, new.get(address)?)))
        .all(|(old, new)| of(old) == of(new))
}

fn node_in_cluster(of: &Intent) -> Option<&str> {
    of.kubernetes.as_ref().map(|kubernetes| kubernetes.node_name.as_str())
}

fn optional<T: fmt::Display>(value: &Option<T>) -> String {
    value.as_ref().map_or_else(|| "none".to_owned(), T::to_string)
}

fn seconds(duration: &Duration) -> String {
    duration.as_secs().to_string()
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn millis(duration: &Duration) -> String {
    duration.as_millis().to_string()
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests;
