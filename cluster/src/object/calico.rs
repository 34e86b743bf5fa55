//! Calico's resources, which are the same in both of its API groups.
//!
//! Numbers with a meaning, addresses and times stay as they are written: what they mean, and that they mean nothing, is
//! found out where they are used, with the name of the field.

pub mod bgp_configuration;
pub mod bgp_filter;
pub mod bgp_peer;

use std::collections::BTreeMap;

use bgp::Asn;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::Meta;

pub use bgp_configuration::{BgpConfiguration, BgpConfigurationSpec};
pub use bgp_filter::{BgpFilter, BgpFilterSpec};
pub use bgp_peer::{BgpPeer, BgpPeerSpec};

/// Fields this version does not know, which have no effect and are reported.
pub type Unknown = BTreeMap<String, Value>;

/// The number of an AS as it is written: a number, or text in either notation (RFC 5396).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AsNumber(String);

impl AsNumber {
    /// Tells whether it is zero, which stands for no number.
    pub(crate) fn is_zero(&self) -> bool {
        self.0 == "0"
    }

    /// Returns the number.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn asn(&self) -> Result<Asn, String> {
        match self.0.parse::<Asn>() {
            Ok(asn) if !asn.is_reserved() => Ok(asn),
            Ok(asn) => Err(format!("AS {asn} is nobody's")),
            Err(_) => Err(format!("{:?} is no AS number, such as 64512 or 1.10", self.0)),
        }
    }
}

impl<'de> Deserialize<'de> for AsNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(i64),
            Text(String),
        }
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::Number(number) => number.to_string(),
            Either::Text(text) => text,
        }))
    }
}

/// A password, by where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Password {
    /// The key of a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
}

/// A key of a Secret in our namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretKeyRef {
    /// The name of the Secret.
    pub name: String,
    /// The key.
    pub key: String,
}

/// `BlockAffinity`: a block of pod addresses and the node it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockAffinity {
    /// Its name.
    pub metadata: Meta,
    /// What it says.
    pub spec: BlockAffinitySpec,
}

/// What a block affinity says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockAffinitySpec {
    /// `confirmed`, `pending`, `pendingDeletion`, or nothing, which is as good as confirmed.
    pub state: String,
    /// The node.
    pub node: String,
    /// The block, as text.
    pub cidr: String,
    /// `host` or `virtual`; the latter belongs to no node.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Whether it is gone: text in one group, a truth value in the other.
    #[serde(deserialize_with = "super::text_or_truth")]
    pub deleted: bool,
}

/// `IPPool`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IpPool {
    /// Its name.
    pub metadata: Meta,
    /// What it says.
    pub spec: IpPoolSpec,
}

/// What a pool says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IpPoolSpec {
    /// Its addresses, as text.
    pub cidr: String,
    /// `Never`, `Always` or `CrossSubnet`.
    #[serde(rename = "ipipMode", skip_serializing_if = "String::is_empty")]
    pub ipip_mode: String,
    /// `Never`, `Always` or `CrossSubnet`.
    #[serde(rename = "vxlanMode", skip_serializing_if = "String::is_empty")]
    pub vxlan_mode: String,
    /// Whether nothing inside is told to anybody.
    #[serde(rename = "disableBGPExport")]
    pub disable_bgp_export: bool,
}
