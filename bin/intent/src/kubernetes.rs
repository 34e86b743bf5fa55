//! What is intended of Kubernetes: whether and how a cluster says what to advertise to whom.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// How this node takes part in a cluster; the `[kubernetes]` table of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// How to reach the API server; `None` as a pod does, by its service account.
    pub kubeconfig: Option<PathBuf>,
    /// The name of our Node object.
    pub node_name: String,
    /// The namespace passwords are read from.
    pub namespace: String,
    /// What our identifier is, where an object names an address of this node.
    pub router_id: RouterId,
    /// Where pod blocks come from.
    pub blocks: BlockSource,
    /// Whose objects say which peers there are and what they are told.
    pub peers: PeerSource,
    /// The addresses of Services we answer for, where no object says so.
    pub services: ServiceRanges,
    /// Whether a default route from peers is accepted by the safe import.
    pub accept_default: bool,
    /// Taints of the node that mean that it is to be drained, as `key` or `key=value` or `key=value:effect`.
    pub drain_taints: BTreeSet<String>,
    /// The taint that is taken away once the node can serve, if any; written as those above.
    pub startup_taint: Option<String>,
    /// The most of what is advertised that one change may withdraw, in percent; more is held until an operator
    /// approves or [`hold`](Self::hold) has passed. 100 holds nothing.
    pub max_withdraw: u8,
    /// How long such a change is held; for ever if `None`.
    pub hold: Option<Duration>,
    /// How long the address of a Service that came back stays withdrawn, at most.
    pub damping: Duration,
    /// Whether and where the node says how it is.
    pub status: StatusReport,
}

/// What our identifier is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouterId {
    /// The IPv4 address the node's object names, else that of the file.
    #[default]
    NodeAddress,
    /// One made of the node's name: the first four octets of its SHA-256.
    Hash,
    /// That of the file, whatever the objects say.
    File,
}

/// Where pod blocks come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockSource {
    /// Calico's block affinities if the cluster has Calico's resources, else Cilium's nodes if it has those and our node has
    /// blocks there, else the Node object.
    #[default]
    Auto,
    /// `Node.spec.podCIDRs`.
    Node,
    /// Calico's `BlockAffinity` objects.
    Calico,
    /// `CiliumNode.spec.ipam.podCIDRs`.
    Cilium,
    /// Nowhere.
    None,
}

impl RouterId {
    /// What each is called in the file.
    pub const WORDS: [(&'static str, Self); 3] =
        [("node-address", Self::NodeAddress), ("hash", Self::Hash), ("file", Self::File)];
}

impl BlockSource {
    /// What each is called in the file.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("auto", Self::Auto),
        ("node", Self::Node),
        ("calico", Self::Calico),
        ("cilium", Self::Cilium),
        ("none", Self::None),
    ];
}

/// Whose objects say which peers there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerSource {
    /// Calico's if the cluster has Calico's resources, else our own.
    #[default]
    Auto,
    /// Calico's `BGPConfiguration`, `BGPPeer` and `BGPFilter`.
    Calico,
    /// Our own `BGPPeer` and `BGPAdvertisement`.
    Podbgp,
    /// Nobody's: the file alone.
    None,
}

impl PeerSource {
    /// What each is called in the file.
    pub const WORDS: [(&'static str, Self); 4] =
        [("auto", Self::Auto), ("calico", Self::Calico), ("podbgp", Self::Podbgp), ("none", Self::None)];
}

/// The ranges of Service addresses this node answers for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceRanges {
    /// Ranges of cluster addresses.
    pub cluster: BTreeSet<IpNet>,
    /// Ranges external addresses may be from.
    pub external: BTreeSet<IpNet>,
    /// Ranges addresses of load balancers may be from.
    pub load_balancer: BTreeSet<IpNet>,
}

/// Where the node says how it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusReport {
    /// In a condition of the Node object.
    #[default]
    Condition,
    /// In a `BGPNodeStatus` object of ours.
    Resource,
    /// Nowhere.
    None,
}

impl StatusReport {
    /// What each is called in the file.
    pub const WORDS: [(&'static str, Self); 3] =
        [("condition", Self::Condition), ("resource", Self::Resource), ("none", Self::None)];
}

impl fmt::Display for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&Self::WORDS, self))
    }
}

impl fmt::Display for BlockSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&Self::WORDS, self))
    }
}

impl fmt::Display for PeerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&Self::WORDS, self))
    }
}

impl fmt::Display for StatusReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&Self::WORDS, self))
    }
}

/// Returns what a choice is called; the tables above have all of them.
fn word<T: PartialEq>(words: &[(&'static str, T)], choice: &T) -> &'static str {
    words.iter().find(|(_, named)| named == choice).map_or("none", |(word, _)| word)
}

impl Kubernetes {
    /// Makes the settings of a node of that name; everything else has its default.
    #[must_use]
    pub fn new(node_name: String) -> Self {
        Self {
            kubeconfig: None,
            node_name,
            namespace: "kube-system".to_owned(),
            router_id: RouterId::default(),
            blocks: BlockSource::default(),
            peers: PeerSource::default(),
            services: ServiceRanges::default(),
            accept_default: false,
            drain_taints: BTreeSet::new(),
            startup_taint: None,
            max_withdraw: 50,
            hold: None,
            damping: Duration::from_secs(5),
            status: StatusReport::default(),
        }
    }
}
