//! Our own resources, `podbgp.io/v1alpha1`; `configs/kubernetes/crds` has their schemas.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Meta;
use crate::labels::LabelSelector;

/// `BGPPeer`: a peer of some nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its name, which is that of the peer, and its labels.
    pub metadata: Meta,
    /// What is wanted of it.
    pub spec: PeerSpec,
}

/// What is wanted of a peer. What is left out is as in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerSpec {
    /// The nodes that have it.
    #[serde(default)]
    pub node_selector: LabelSelector,
    /// Where it is; left out where it is learned on the interface.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// The interface it is on, if its address is link-local or learned there.
    #[serde(default)]
    pub interface: Option<String>,
    /// The port that is dialled.
    #[serde(default)]
    pub port: Option<u16>,
    /// The AS it may say it is: a number, `external` or `internal`.
    pub asn: PeerAsn,
    /// The AS we say we are, when not the node's own.
    #[serde(rename = "localASN", default)]
    pub local_asn: Option<u32>,
    /// The address we dial from.
    #[serde(default)]
    pub local_address: Option<IpAddr>,
    /// What people say of it.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether we only wait for it to dial.
    #[serde(default)]
    pub passive: bool,
    /// The password of the TCP MD5 signatures. Without it there is no session.
    #[serde(default)]
    pub password_secret: Option<SecretKey>,
    /// The hold time we offer.
    #[serde(default)]
    pub hold_time_seconds: Option<u16>,
    /// The time between two KEEPALIVEs.
    #[serde(default)]
    pub keepalive_seconds: Option<u16>,
    /// The time between attempts to connect.
    #[serde(default)]
    pub connect_retry_seconds: Option<u16>,
    /// How far away an external peer may be, in hops.
    #[serde(default)]
    pub multihop: Option<u8>,
    /// How far away packets may come from, in hops (RFC 5082).
    #[serde(default)]
    pub ttl_security: Option<u8>,
    /// How BFD watches the path; an empty object has the defaults.
    #[serde(default)]
    pub bfd: Option<Bfd>,
    /// Which side of a graceful restart we are.
    #[serde(default)]
    pub graceful_restart: Option<GracefulRestart>,
    /// How long it is asked to wait for us.
    #[serde(default)]
    pub restart_time_seconds: Option<u16>,
    /// The families we offer; all when empty.
    #[serde(default)]
    pub families: Vec<AddressFamily>,
    /// What we accept.
    #[serde(default)]
    pub import: Option<ImportWord>,
    /// What we advertise.
    #[serde(default)]
    pub export: Option<ExportWord>,
    /// The most prefixes we accept per family.
    #[serde(default)]
    pub max_prefixes: Option<u32>,
    /// Whether there is to be no session for now.
    #[serde(default)]
    pub shutdown: bool,
}

/// Which AS a peer may say it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PeerAsn {
    /// This one.
    Is(u32),
    /// One of a kind.
    Of(AsnWord),
}

/// A kind of AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AsnWord {
    /// Any but ours.
    External,
    /// Ours.
    Internal,
}

/// A key of a Secret in the namespace of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretKey {
    /// The name of the Secret.
    pub name: String,
    /// The key in it.
    pub key: String,
}

/// How BFD watches a path. What is left out is as for all peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Bfd {
    /// The interval we would like to send at.
    pub min_tx_milliseconds: Option<u32>,
    /// The least interval we can bear to receive at.
    pub min_rx_milliseconds: Option<u32>,
    /// How many of our intervals the peer waits for.
    pub multiplier: Option<u8>,
}

/// Which side of a graceful restart we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GracefulRestart {
    /// Each keeps the routes of the other.
    Both,
    /// We keep the peer's.
    Helper,
    /// Neither keeps anything.
    Off,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressFamily {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// What we accept from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImportWord {
    /// What cannot hurt a node.
    Safe,
    /// Everything without an AS loop.
    All,
    /// Nothing.
    None,
}

/// What we advertise to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportWord {
    /// What this node originates, as far as advertisements let it.
    Originated,
    /// That and what is best: this node is transit.
    All,
    /// Nothing.
    None,
}

/// `BGPAdvertisement`: what some nodes tell some peers, and what they say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Advertisement {
    /// Its name.
    pub metadata: Meta,
    /// What is wanted of it.
    pub spec: AdvertisementSpec,
}

/// What is wanted of an advertisement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdvertisementSpec {
    /// The nodes it is about.
    pub node_selector: LabelSelector,
    /// The `BGPPeer`s it goes to, by name; to all if neither this nor `peerSelector` says anything.
    pub peers: Vec<String>,
    /// The `BGPPeer`s it goes to, by their labels, beside those named.
    pub peer_selector: Option<LabelSelector>,
    /// Whether it is about the blocks of pods.
    pub pod_blocks: bool,
    /// The Services it is about.
    pub services: Option<ServicesSpec>,
    /// Communities to attach: `64512:100`, or a name such as `no-export`.
    pub communities: Vec<String>,
    /// Large communities to attach: `64512:1:2`.
    pub large_communities: Vec<String>,
    /// LOCAL_PREF towards internal peers.
    pub local_pref: Option<u32>,
}

/// Which Services an advertisement is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicesSpec {
    /// Ranges of cluster addresses.
    pub cluster_ranges: Vec<String>,
    /// Ranges external addresses may be from.
    pub external_ranges: Vec<String>,
    /// Ranges addresses of load balancers may be from.
    pub load_balancer_ranges: Vec<String>,
    /// The Services, by their labels.
    pub selector: Option<LabelSelector>,
    /// Whether the ranges are announced whole. They are if there is no selector and nothing is said.
    pub aggregate: Option<bool>,
}
