//! The objects that are there now.

use std::collections::BTreeMap;

use crate::event::{Event, Kind};
use crate::object::calico::{BgpConfiguration, BgpFilter, BgpPeer, BlockAffinity, IpPool};
use crate::object::cilium::CiliumNode;
use crate::object::endpoint_slice::EndpointSlice;
use crate::object::node::Node;
use crate::object::secret::Secret;
use crate::object::service::Service;
use crate::object::{Key, Object};

/// The objects of every kind.
#[derive(Debug, Default)]
pub struct Objects {
    /// Nodes.
    pub nodes: Table<Node>,
    /// Services.
    pub services: Table<Service>,
    /// Endpoint slices.
    pub endpoint_slices: Table<EndpointSlice>,
    /// Secrets.
    pub secrets: Table<Secret>,
    /// Calico's block affinities.
    pub block_affinities: Table<BlockAffinity>,
    /// Calico's pools.
    pub ip_pools: Table<IpPool>,
    /// Calico's configurations.
    pub bgp_configurations: Table<BgpConfiguration>,
    /// Calico's peers.
    pub calico_peers: Table<BgpPeer>,
    /// Calico's filters.
    pub bgp_filters: Table<BgpFilter>,
    /// Cilium's nodes.
    pub cilium_nodes: Table<CiliumNode>,
}

/// The objects of one kind, by name.
#[derive(Debug)]
pub struct Table<T> {
    current: BTreeMap<Key, T>,
    /// A list that is not complete yet.
    coming: Option<BTreeMap<Key, T>>,
    listed: Option<Listed>,
}

/// How complete what is known of a kind is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// There was a complete list.
    Complete,
    /// The server does not know the kind.
    Absent,
}

impl Objects {
    /// Takes note of what happened.
    pub fn handle(&mut self, event: Event) {
        match event {
            Event::Begin(kind) => self.table(kind).begin(),
            Event::Apply(Object::Node(object)) => self.nodes.apply(object.metadata.key.clone(), object),
            Event::Apply(Object::Service(object)) => self.services.apply(object.metadata.key.clone(), object),
            Event::Apply(Object::EndpointSlice(object)) => {
                self.endpoint_slices.apply(object.metadata.key.clone(), object);
            }
            Event::Apply(Object::Secret(object)) => self.secrets.apply(object.metadata.key.clone(), object),
            Event::Apply(Object::BlockAffinity(object)) => {
                self.block_affinities.apply(object.metadata.key.clone(), object);
            }
            Event::Apply(Object::IpPool(object)) => self.ip_pools.apply(object.metadata.key.clone(), object),
            Event::Apply(Object::BgpConfiguration(object)) => {
                self.bgp_configurations.apply(object.metadata.key.clone(), *object);
            }
            Event::Apply(Object::CalicoPeer(object)) => {
                self.calico_peers.apply(object.metadata.key.clone(), *object);
            }
            Event::Apply(Object::BgpFilter(object)) => {
                self.bgp_filters.apply(object.metadata.key.clone(), *object);
            }
            Event::Apply(Object::CiliumNode(object)) => {
                self.cilium_nodes.apply(object.metadata.key.clone(), object);
            }
            Event::Delete(kind, key) => self.table(kind).delete(&key),
            Event::End(kind) => self.table(kind).end(),
            Event::Absent(kind) => self.table(kind).absent(),
        }
    }

    /// Returns how complete what is known of a kind is; `None` before its first list.
    #[must_use]
    pub fn listed(&mut self, kind: Kind) -> Option<Listed> {
        self.table(kind).listed()
    }

    fn table(&mut self, kind: Kind) -> &mut dyn AnyTable {
        match kind {
            Kind::Node => &mut self.nodes,
            Kind::Service => &mut self.services,
            Kind::EndpointSlice => &mut self.endpoint_slices,
            Kind::Secret => &mut self.secrets,
            Kind::BlockAffinity => &mut self.block_affinities,
            Kind::IpPool => &mut self.ip_pools,
            Kind::BgpConfiguration => &mut self.bgp_configurations,
            Kind::CalicoPeer => &mut self.calico_peers,
            Kind::BgpFilter => &mut self.bgp_filters,
            Kind::CiliumNode => &mut self.cilium_nodes,
        }
    }
}

impl<T> Table<T> {
    /// Returns the object of that name.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&T> {
        self.current.get(key)
    }

    /// Returns the objects in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.current.iter()
    }

    fn apply(&mut self, key: Key, object: T) {
        self.coming.as_mut().unwrap_or(&mut self.current).insert(key, object);
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { current: BTreeMap::new(), coming: None, listed: None }
    }
}

/// What can be done with a table whatever is in it.
trait AnyTable {
    fn begin(&mut self);
    fn delete(&mut self, key: &Key);
    fn end(&mut self);
    fn absent(&mut self);
    fn listed(&self) -> Option<Listed>;
}

impl<T> AnyTable for Table<T> {
    fn begin(&mut self) {
        self.coming = Some(BTreeMap::new());
    }

    fn delete(&mut self, key: &Key) {
        self.coming.as_mut().unwrap_or(&mut self.current).remove(key);
    }

    fn end(&mut self) {
        if let Some(coming) = self.coming.take() {
            self.current = coming;
            self.listed = Some(Listed::Complete);
        }
    }

    fn absent(&mut self) {
        self.current.clear();
        self.coming = None;
        self.listed = Some(Listed::Absent);
    }

    fn listed(&self) -> Option<Listed> {
        self.listed
    }
}
