//! The objects of a cluster, with the fields that are used and nothing else.
//!
//! They read leniently: a field that is not known is skipped, and one that is not understood costs its own object at
//! most. A full object of the API takes ten times the memory.

pub mod calico;
pub mod cilium;
pub mod endpoint_slice;
pub mod node;
pub mod podbgp;
pub mod secret;
pub mod service;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::event::Kind;

/// What names an object within its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The namespace; empty where the kind has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// What all objects have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// What names it.
    #[serde(flatten)]
    pub key: Key,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An object of any kind that may matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Object {
    /// A Node.
    Node(node::Node),
    /// A Service.
    Service(service::Service),
    /// An EndpointSlice.
    EndpointSlice(endpoint_slice::EndpointSlice),
    /// A Secret.
    Secret(secret::Secret),
    /// A block affinity of Calico's.
    BlockAffinity(calico::BlockAffinity),
    /// A pool of Calico's.
    IpPool(calico::IpPool),
    /// A configuration of Calico's.
    BgpConfiguration(Box<calico::BgpConfiguration>),
    /// A peer of Calico's.
    CalicoPeer(Box<calico::BgpPeer>),
    /// A filter of Calico's.
    BgpFilter(Box<calico::BgpFilter>),
    /// A node of Cilium's.
    CiliumNode(cilium::CiliumNode),
    /// A peer of ours.
    Peer(Box<podbgp::Peer>),
    /// An advertisement of ours.
    Advertisement(Box<podbgp::Advertisement>),
}

impl Object {
    /// Reads an object of a kind from the JSON the API server sends.
    ///
    /// # Errors
    /// What is wrong with it, and where in the text.
    pub fn read(kind: Kind, json: &str) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Kind::Node => Self::Node(serde_json::from_str(json)?),
            Kind::Service => Self::Service(serde_json::from_str(json)?),
            Kind::EndpointSlice => Self::EndpointSlice(serde_json::from_str(json)?),
            Kind::Secret => Self::Secret(serde_json::from_str(json)?),
            Kind::BlockAffinity => Self::BlockAffinity(serde_json::from_str(json)?),
            Kind::IpPool => Self::IpPool(serde_json::from_str(json)?),
            Kind::BgpConfiguration => Self::BgpConfiguration(serde_json::from_str(json)?),
            Kind::CalicoPeer => Self::CalicoPeer(serde_json::from_str(json)?),
            Kind::BgpFilter => Self::BgpFilter(serde_json::from_str(json)?),
            Kind::CiliumNode => Self::CiliumNode(serde_json::from_str(json)?),
            Kind::Peer => Self::Peer(serde_json::from_str(json)?),
            Kind::Advertisement => Self::Advertisement(serde_json::from_str(json)?),
        })
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Node(_) => Kind::Node,
            Self::Service(_) => Kind::Service,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::Secret(_) => Kind::Secret,
            Self::BlockAffinity(_) => Kind::BlockAffinity,
            Self::IpPool(_) => Kind::IpPool,
            Self::BgpConfiguration(_) => Kind::BgpConfiguration,
            Self::CalicoPeer(_) => Kind::CalicoPeer,
            Self::BgpFilter(_) => Kind::BgpFilter,
            Self::CiliumNode(_) => Kind::CiliumNode,
            Self::Peer(_) => Kind::Peer,
            Self::Advertisement(_) => Kind::Advertisement,
        }
    }

    /// Returns what all objects have.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Node(object) => &object.metadata,
            Self::Service(object) => &object.metadata,
            Self::EndpointSlice(object) => &object.metadata,
            Self::Secret(object) => &object.metadata,
            Self::BlockAffinity(object) => &object.metadata,
            Self::IpPool(object) => &object.metadata,
            Self::BgpConfiguration(object) => &object.metadata,
            Self::CalicoPeer(object) => &object.metadata,
            Self::BgpFilter(object) => &object.metadata,
            Self::CiliumNode(object) => &object.metadata,
            Self::Peer(object) => &object.metadata,
            Self::Advertisement(object) => &object.metadata,
        }
    }
}

impl Key {
    /// Makes the key of an object without namespace.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self { namespace: String::new(), name: name.to_owned() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => f.write_str(&self.name),
            namespace => write!(f, "{namespace}/{}", self.name),
        }
    }
}

/// Reads `null` as what an absent field would be.
pub(crate) fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a truth value that may be written as text.
fn text_or_truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Truth(bool),
        Text(String),
    }
    Ok(match Option::deserialize(deserializer)? {
        Some(Either::Truth(truth)) => truth,
        Some(Either::Text(text)) => text == "true",
        None => false,
    })
}
