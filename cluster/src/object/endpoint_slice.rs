//! `discovery.k8s.io/v1 EndpointSlice`.

use serde::{Deserialize, Serialize};

use super::Meta;

/// Some of the endpoints of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    /// Its name and labels; `kubernetes.io/service-name` says whose it is.
    pub metadata: Meta,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    /// The endpoints; the server may say `null` for none.
    #[serde(deserialize_with = "super::null_as_default")]
    pub endpoints: Vec<Endpoint>,
}

/// An endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    /// How it is.
    pub conditions: Conditions,
    /// The node it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<Box<str>>,
}

/// How an endpoint is; what is not said counts as the API says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// Whether it takes new connections; true if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Whether it would, were it not for its end being near; as `ready` if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<bool>,
    /// Whether its end is near; false if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminating: Option<bool>,
}
