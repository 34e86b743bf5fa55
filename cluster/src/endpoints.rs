//! What endpoints of a Service come down to for one node: whether there are any here, and anywhere.
//!
//! A slice is reduced when it arrives. Tens of thousands of endpoints are a few octets each slice.

use std::collections::HashMap;
use std::ops::BitOrAssign;

use bgp::Family;
use serde::{Deserialize, Serialize};

use crate::object::Key;
use crate::object::endpoint_slice::{Conditions, EndpointSlice};
use crate::store::Table;

/// The label that says whose a slice is.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// What a slice comes down to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// The name of the Service in the namespace of the slice; empty if it is nobody's.
    service: Box<str>,
    /// The family of the addresses; `None` if they are names.
    ipv4: Option<bool>,
    endpoints: Endpoints,
}

/// Which endpoints there are, here and anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    /// Those on our node.
    pub(crate) here: Able,
    /// All of them.
    pub(crate) anywhere: Able,
}

/// What endpoints are able to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Able {
    /// One of them takes new connections.
    pub(crate) ready: bool,
    /// One of them is about to end, and still answers.
    pub(crate) leaving: bool,
}

/// The endpoints of all Services.
#[derive(Debug, Default)]
pub(crate) struct Index<'a>(HashMap<(&'a str, &'a str), ByFamily>);

/// The endpoints of a Service.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ByFamily {
    ipv4: Option<Endpoints>,
    ipv6: Option<Endpoints>,
    /// Whether there is a slice at all.
    any: bool,
}

impl Slice {
    /// Reduces a slice to what it means for a node.
    #[must_use]
    pub fn of(slice: &EndpointSlice, node: &str) -> Self {
        let mut endpoints = Endpoints::default();
        for endpoint in &slice.endpoints {
            let able = Able::of(endpoint.conditions);
            endpoints.anywhere |= able;
            if endpoint.node_name.as_deref() == Some(node) {
                endpoints.here |= able;
            }
        }
        let service = slice.metadata.labels.get(SERVICE_NAME).map_or("", String::as_str).into();
        let ipv4 = match slice.address_type.as_str() {
            "IPv4" => Some(true),
            "IPv6" => Some(false),
            _ => None,
        };
        Self { service, ipv4, endpoints }
    }
}

impl Able {
    /// Reads the conditions as the API means them where it says nothing.
    fn of(Conditions { ready, serving, terminating }: Conditions) -> Self {
        let ready = ready.unwrap_or(true);
        let leaving = !ready && serving.unwrap_or(false) && terminating.unwrap_or(false);
        Self { ready, leaving }
    }
}

impl BitOrAssign for Able {
    fn bitor_assign(&mut self, other: Self) {
        self.ready |= other.ready;
        self.leaving |= other.leaving;
    }
}

impl BitOrAssign for Endpoints {
    fn bitor_assign(&mut self, other: Self) {
        self.here |= other.here;
        self.anywhere |= other.anywhere;
    }
}

impl<'a> Index<'a> {
    /// Sorts the slices by Service.
    pub(crate) fn of(slices: &'a Table<Slice>) -> Self {
        let mut services: HashMap<_, ByFamily> = HashMap::new();
        for (key, slice) in slices.iter() {
            let service = services.entry((key.namespace.as_str(), &*slice.service)).or_default();
            service.any = true;
            let family = match slice.ipv4 {
                Some(true) => &mut service.ipv4,
                Some(false) => &mut service.ipv6,
                None => continue,
            };
            *family.get_or_insert_default() |= slice.endpoints;
        }
        Self(services)
    }

    /// Returns the endpoints of a Service.
    pub(crate) fn get(&self, service: &Key) -> ByFamily {
        self.0.get(&(service.namespace.as_str(), service.name.as_str())).copied().unwrap_or_default()
    }
}

impl ByFamily {
    /// Returns the endpoints with addresses of a family.
    pub(crate) fn of(&self, family: Family) -> Endpoints {
        match family {
            Family::Ipv4 => self.ipv4,
            Family::Ipv6 => self.ipv6,
        }
        .unwrap_or_default()
    }

    /// Tells whether there is any slice, be it empty.
    pub(crate) fn any_slice(&self) -> bool {
        self.any
    }
}
