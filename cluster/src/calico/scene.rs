//! What Calico's objects say, read once for a plan.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bgp::Asn;

use super::Given;
use super::blocks::Blocks;
use super::configuration::Configuration;
use super::node::Node;
use super::peering::Peering;
use super::pools::Pools;
use super::report::Report;
use super::workload::LocalWorkload;

/// What Calico's objects say.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    /// This node.
    pub(super) me: Node<'a>,
    /// All nodes, in the order of their names.
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) configuration: Configuration<'a>,
    pub(super) peerings: Vec<Peering<'a>>,
    pub(super) pools: Pools,
    pub(super) blocks: Blocks,
    pub(super) workloads: &'a [LocalWorkload],
    /// The AS of nodes that say none.
    asn: Asn,
    /// The places of nodes, by their addresses; of two with one address, the first by name.
    by_address: BTreeMap<IpAddr, usize>,
}

impl<'a> Scene<'a> {
    /// Reads the objects; `None` without one for our node.
    pub(super) fn read(given: Given<'a>, report: &mut Report) -> Option<Self> {
        let Given { objects, settings, file, .. } = given;
        let nodes: Vec<Node<'a>> = objects.nodes.iter().map(|(_, node)| Node::read(node, report)).collect();
        let me = nodes.iter().find(|node| node.name == settings.node_name)?.clone();
        let configuration = Configuration::read(objects, me.name, report);
        let peerings = objects.calico_peers.iter();
        let peerings = peerings.filter_map(|(key, object)| Peering::read(key, object, report)).collect();
        let pools = Pools::read(objects, report);
        let mut blocks = match given.blocks {
            Some(blocks) => Blocks::said(blocks),
            None => Blocks::affinities(objects, me.name, report),
        };
        blocks.add_own(&file.blocks);
        let asn = configuration.asn.unwrap_or(file.asn);
        let mut by_address = BTreeMap::new();
        for (place, node) in nodes.iter().enumerate() {
            node.addresses().for_each(|address| {
                by_address.entry(address).or_insert(place);
            });
        }
        let workloads = &objects.workloads;
        Some(Self { me, nodes, configuration, peerings, pools, blocks, workloads, asn, by_address })
    }

    /// Returns the nodes that are not this one.
    pub(super) fn others(&self) -> impl Iterator<Item = &Node<'a>> {
        self.nodes.iter().filter(|node| node.name != self.me.name)
    }

    /// Returns the AS of a node.
    pub(super) fn asn_of(&self, node: &Node<'_>) -> Asn {
        node.asn.unwrap_or(self.asn)
    }

    /// Returns the node that has an address.
    pub(super) fn node_at(&self, address: IpAddr) -> Option<&Node<'a>> {
        self.nodes.get(*self.by_address.get(&address)?)
    }

    /// Tells whether an address is ours.
    pub(super) fn is_me(&self, address: IpAddr) -> bool {
        self.me.addresses().any(|own| own == address)
    }
}
