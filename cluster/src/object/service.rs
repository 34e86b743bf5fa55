//! `v1 Service`.

use serde::{Deserialize, Serialize};

use super::Meta;

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Its name, labels and annotations.
    pub metadata: Meta,
    /// What is wanted of it.
    pub spec: ServiceSpec,
    /// What has come of that.
    pub status: ServiceStatus,
}

/// What is wanted of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The first cluster address; `None` as text for a headless one.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: String,
    /// All cluster addresses.
    #[serde(rename = "clusterIPs", skip_serializing_if = "Vec::is_empty")]
    pub cluster_ips: Vec<String>,
    /// Addresses somebody routes to the nodes.
    #[serde(rename = "externalIPs", skip_serializing_if = "Vec::is_empty")]
    pub external_ips: Vec<String>,
    /// The address wished for the load balancer.
    #[serde(rename = "loadBalancerIP", skip_serializing_if = "String::is_empty")]
    pub load_balancer_ip: String,
    /// Who makes the load balancer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub load_balancer_class: String,
    /// `Cluster` or `Local`: where packets from outside may be answered.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub external_traffic_policy: String,
    /// `Cluster` or `Local`: where packets from inside may be answered.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub internal_traffic_policy: String,
    /// `IPv4`, `IPv6`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip_families: Vec<String>,
}

/// What has come of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceStatus {
    /// Its load balancer.
    pub load_balancer: LoadBalancer,
}

/// The load balancer of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadBalancer {
    /// Where it is entered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<Ingress>,
}

/// Where a load balancer is entered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ingress {
    /// The address, as text; empty where it is a name.
    pub ip: String,
    /// `VIP` or `Proxy`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip_mode: String,
}
