//! `BGPConfiguration`: what holds for all nodes (`default`) or for one (`node.NAME`).

use serde::{Deserialize, Serialize};

use super::{AsNumber, Password, Unknown};
use crate::object::{Meta, null_as_default};

/// `BGPConfiguration`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BgpConfiguration {
    /// Its name: `default` or `node.NAME`; others mean nothing.
    pub metadata: Meta,
    /// What it says.
    pub spec: BgpConfigurationSpec,
}

/// What a configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BgpConfigurationSpec {
    /// How much BIRD logs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub log_severity_screen: String,
    /// Whether every node is a peer of every other one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_to_node_mesh_enabled: Option<bool>,
    /// The AS of nodes that say none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_number: Option<AsNumber>,
    /// Ranges of cluster addresses.
    #[serde(
        rename = "serviceClusterIPs",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub service_cluster_ips: Vec<ServiceRange>,
    /// Ranges external addresses may be from.
    #[serde(
        rename = "serviceExternalIPs",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub service_external_ips: Vec<ServiceRange>,
    /// Ranges addresses of load balancers may be from.
    #[serde(
        rename = "serviceLoadBalancerIPs",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub service_load_balancer_ips: Vec<ServiceRange>,
    /// `Enabled` or `Disabled`: whether the ranges of load balancers are announced as such.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_load_balancer_aggregation: String,
    /// Names of communities.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub communities: Vec<NamedCommunity>,
    /// Communities that routes inside a block get on their way out.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub prefix_advertisements: Vec<PrefixAdvertisement>,
    /// The port nodes listen on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_port: Option<i64>,
    /// The password of all sessions of the mesh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_mesh_password: Option<Password>,
    /// How long nodes of the mesh wait for each other.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node_mesh_max_restart_time: String,
    /// `None` or `NodeIP`: where nodes listen.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub bind_mode: String,
    /// Interfaces whose own prefixes are not announced.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ignored_interfaces: Vec<String>,
    /// The address workloads find this node's speaker at.
    #[serde(rename = "localWorkloadPeeringIPV4", skip_serializing_if = "String::is_empty")]
    pub local_workload_peering_ipv4: String,
    /// The same for IPv6.
    #[serde(rename = "localWorkloadPeeringIPV6", skip_serializing_if = "String::is_empty")]
    pub local_workload_peering_ipv6: String,
    /// Who writes the routes of the cluster to the kernel.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub program_cluster_routes: String,
    /// The metric of an ordinary IPv4 route.
    #[serde(rename = "ipv4NormalRoutePriority", skip_serializing_if = "Option::is_none")]
    pub ipv4_normal_route_priority: Option<i64>,
    /// The metric of an ordinary IPv6 route.
    #[serde(rename = "ipv6NormalRoutePriority", skip_serializing_if = "Option::is_none")]
    pub ipv6_normal_route_priority: Option<i64>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A range of Service addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceRange {
    /// The range, as text.
    pub cidr: String,
}

/// A community with a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamedCommunity {
    /// The name.
    pub name: String,
    /// The community, of two or three numbers.
    pub value: String,
}

/// Communities for what is inside a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrefixAdvertisement {
    /// The block, as text.
    pub cidr: String,
    /// The communities, by name or as they are.
    #[serde(deserialize_with = "null_as_default")]
    pub communities: Vec<String>,
}
