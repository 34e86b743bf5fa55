//! The objects that are there now.
//!
//! What of an object is never asked for is dropped when it arrives: a cluster has many.

mod saved;
mod table;

use std::collections::BTreeSet;

use crate::calico::LocalWorkload;
use crate::endpoints::Slice;
use crate::event::{Event, Kind};
use crate::object::calico::{BgpConfiguration, BgpFilter, BgpPeer, BlockAffinity, IpPool};
use crate::object::cilium::CiliumNode;
use crate::object::node::Node;
use crate::object::podbgp::{Advertisement, Peer};
use crate::object::secret::Secret;
use crate::object::service::Service;
use crate::object::{Key, Object};
use crate::plan::Problem;

use table::AnyTable;
pub use table::{Listed, Table};

/// Names the table of every kind once.
macro_rules! tables {
    ($($(#[$doc:meta])* $table:ident: $kind:ident of $stored:ty,)*) => {
        /// The objects of every kind.
        #[derive(Debug, Default)]
        pub struct Objects {
            /// The name of our node.
            node: String,
            /// The Secrets that were asked for by name and are not there.
            absent_secrets: BTreeSet<Key>,
            /// How often that became known.
            answered: u64,
            /// Workloads of this node that are peers: no objects of the API, but as good.
            pub workloads: Vec<LocalWorkload>,
            $($(#[$doc])* pub $table: Table<$stored>,)*
        }

        impl Objects {
            /// Every kind there is a table of.
            const KINDS: &[Kind] = &[$(Kind::$kind),*];

            fn table(&self, kind: Kind) -> &dyn AnyTable {
                match kind {
                    $(Kind::$kind => &self.$table,)*
                }
            }

            fn table_mut(&mut self, kind: Kind) -> &mut dyn AnyTable {
                match kind {
                    $(Kind::$kind => &mut self.$table,)*
                }
            }
        }
        saved::saved!($($table: $stored,)*);
    };
}

tables! {
    /// Nodes.
    nodes: Node of Node,
    /// Services.
    services: Service of Service,
    /// What endpoint slices come down to.
    endpoint_slices: EndpointSlice of Slice,
    /// Secrets.
    secrets: Secret of Secret,
    /// Calico's block affinities, those of our node.
    block_affinities: BlockAffinity of BlockAffinity,
    /// Calico's pools.
    ip_pools: IpPool of IpPool,
    /// Calico's configurations.
    bgp_configurations: BgpConfiguration of BgpConfiguration,
    /// Calico's peers.
    calico_peers: CalicoPeer of BgpPeer,
    /// Calico's filters.
    bgp_filters: BgpFilter of BgpFilter,
    /// Cilium's nodes.
    cilium_nodes: CiliumNode of CiliumNode,
    /// Our own peers.
    peers: Peer of Peer,
    /// Our own advertisements.
    advertisements: Advertisement of Advertisement,
}

impl Objects {
    /// Makes an empty one for the node of that name.
    #[must_use]
    pub fn new(node: &str) -> Self {
        Self { node: node.to_owned(), ..Self::default() }
    }

    /// Takes note of what happened.
    pub fn handle(&mut self, event: Event) {
        match event {
            Event::Begin(kind) => self.table_mut(kind).begin(),
            Event::Apply(object) => self.apply(object),
            Event::Unreadable(kind, key, why) => self.table_mut(kind).unreadable(key, why),
            Event::Delete(kind, key) => {
                self.table_mut(kind).delete(&key);
                if kind == Kind::Secret && self.absent_secrets.insert(key) {
                    self.answered += 1;
                }
            }
            Event::End(kind) => self.table_mut(kind).end(),
            Event::Absent(kind) => self.table_mut(kind).absent(),
        }
    }

    fn apply(&mut self, object: Object) {
        let key = object.meta().key.clone();
        match object {
            Object::Node(node) => self.nodes.apply(key, slim_node(node)),
            Object::Service(service) => self.services.apply(key, slim_service(*service)),
            Object::EndpointSlice(slice) => {
                self.endpoint_slices.apply(key, Slice::of(&slice, &self.node));
            }
            Object::Secret(secret) => {
                self.absent_secrets.remove(&key);
                self.secrets.apply(key, secret);
            }
            Object::BlockAffinity(affinity) if affinity.spec.node != self.node => {
                self.block_affinities.delete(&key);
            }
            Object::BlockAffinity(affinity) => self.block_affinities.apply(key, affinity),
            Object::IpPool(pool) => self.ip_pools.apply(key, pool),
            Object::BgpConfiguration(configuration) => self.bgp_configurations.apply(key, *configuration),
            Object::CalicoPeer(peer) => self.calico_peers.apply(key, *peer),
            Object::BgpFilter(filter) => self.bgp_filters.apply(key, *filter),
            Object::CiliumNode(node) => self.cilium_nodes.apply(key, node),
            Object::Peer(peer) => self.peers.apply(key, *peer),
            Object::Advertisement(advertisement) => self.advertisements.apply(key, *advertisement),
        }
    }

    /// Returns how complete what is known of a kind is; `None` before its first list.
    #[must_use]
    pub fn listed(&self, kind: Kind) -> Option<Listed> {
        self.table(kind).listed()
    }

    /// Counts the objects of every kind that was listed.
    pub fn counts(&self) -> impl Iterator<Item = (Kind, usize)> {
        let listed = Self::KINDS.iter().filter(|kind| self.listed(**kind).is_some());
        listed.map(|kind| (*kind, self.table(*kind).len()))
    }

    /// Returns a number that is another whenever what is in force has become another. A list on its way is not in force,
    /// and most of what nodes say of themselves every few minutes is no news to us.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.answered + Self::KINDS.iter().map(|kind| self.table(*kind).revision()).sum::<u64>()
    }

    /// Returns our own Node.
    #[must_use]
    pub fn own_node(&self) -> Option<&Node> {
        self.nodes.get(&Key::of(&self.node))
    }

    /// Tells whether the cluster has Calico's resources, be there any objects or not: what is left when the last pool
    /// is deleted is a cluster of Calico's without blocks, and no other.
    #[must_use]
    pub fn has_calico(&self) -> bool {
        [Kind::IpPool, Kind::BlockAffinity].iter().any(|kind| self.listed(*kind) == Some(Listed::Complete))
    }

    /// Tells whether it is known of a Secret whether it is there.
    #[must_use]
    pub fn knows_secret(&self, key: &Key) -> bool {
        self.secrets.get(key).is_some() || self.absent_secrets.contains(key)
    }

    /// Returns the objects that could not be read.
    pub(crate) fn unreadable(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for kind in Self::KINDS {
            self.table(*kind).problems(&mut |key, why| {
                let problem = format!("it cannot be read, and is left out: {why}; correct the object");
                problems.push(Problem { kind: *kind, object: key.clone(), field: String::new(), problem });
            });
        }
        problems
    }

    /// Forgets a kind as if it had never been listed.
    pub(crate) fn forget(&mut self, kind: Kind) {
        self.table_mut(kind).forget();
        if kind == Kind::Secret {
            self.absent_secrets.clear();
        }
    }

    /// Forgets the Secrets nobody refers to any more.
    pub(crate) fn retain_secrets(&mut self, wanted: &BTreeSet<Key>) {
        self.secrets.retain(|key| wanted.contains(key));
        self.absent_secrets.retain(|key| wanted.contains(key));
    }

    /// Forgets the kinds that are not among these.
    pub(crate) fn retain(&mut self, kinds: &BTreeSet<Kind>) {
        Self::KINDS.iter().filter(|kind| !kinds.contains(kind)).for_each(|kind| self.forget(*kind));
    }
}

/// Drops the annotations nobody asks for; kubelets and controllers leave kilobytes of them.
fn slim_node(mut node: Node) -> Node {
    const OURS: [&str; 2] = ["projectcalico.org/", "podbgp.io/"];
    node.metadata.annotations.retain(|key, _| OURS.iter().any(|prefix| key.starts_with(prefix)));
    node
}

/// Drops the annotations: the last applied configuration is often among them.
fn slim_service(mut service: Service) -> Service {
    service.metadata.annotations.clear();
    service
}

#[cfg(test)]
mod tests;
