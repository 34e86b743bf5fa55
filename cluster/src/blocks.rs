//! Where the blocks of our pods come from.

use intent::{BlockSource, Kubernetes, Leftover, Originated};

use crate::event::Kind;
use crate::object::Key;
use crate::plan::{Plan, Problem};
use crate::prefix;
use crate::store::Objects;

/// A block as an object says it.
struct Said<'a> {
    kind: Kind,
    key: &'a Key,
    field: String,
    block: &'a str,
}

/// Tells whether blocks may come from Calico's objects.
pub(crate) fn may_be_calico(settings: &Kubernetes) -> bool {
    matches!(settings.blocks, BlockSource::Auto | BlockSource::Calico)
}

/// Decides where blocks come from: what `auto` comes to.
pub(crate) fn source(objects: &Objects, settings: &Kubernetes) -> BlockSource {
    match settings.blocks {
        BlockSource::Auto if objects.has_calico() => BlockSource::Calico,
        BlockSource::Auto if cilium(objects, settings).next().is_some() => BlockSource::Cilium,
        BlockSource::Auto => BlockSource::Node,
        said => said,
    }
}

/// Originates the blocks of our pods.
pub(crate) fn plan(objects: &Objects, settings: &Kubernetes, plan: &mut Plan) {
    match source(objects, settings) {
        BlockSource::Cilium => originate(cilium(objects, settings), plan),
        BlockSource::Calico => originate(calico(objects), plan),
        BlockSource::Node | BlockSource::Auto => originate(node(objects), plan),
        BlockSource::None => {}
    }
}

fn originate<'a>(blocks: impl Iterator<Item = Said<'a>>, plan: &mut Plan) {
    for Said { kind, key, field, block } in blocks {
        match prefix::block(block) {
            Ok(prefix) => {
                let originated = Originated::new(format!("{kind:?} {key}"), Leftover::Dropped);
                plan.originated.entry(prefix).or_insert(originated);
            }
            Err(why) => {
                let problem = format!("{why}; the block is left out");
                plan.problems.push(Problem { kind, object: key.clone(), field, problem });
            }
        }
    }
}

/// The Node's blocks. Servers that know only one of them have it in a field of its own.
fn node(objects: &Objects) -> impl Iterator<Item = Said<'_>> {
    objects.own_node().into_iter().flat_map(|node| {
        let key = &node.metadata.key;
        let several = node.spec.pod_cidrs.iter().enumerate();
        let several = several.map(|(index, block)| (format!("spec.podCIDRs[{index}]"), block.as_str()));
        let single = Some(node.spec.pod_cidr.as_str());
        let single = single.filter(|block| !block.is_empty() && node.spec.pod_cidrs.is_empty());
        let single = single.map(|block| ("spec.podCIDR".to_owned(), block));
        several.chain(single).map(move |(field, block)| Said { kind: Kind::Node, key, field, block })
    })
}

fn cilium<'a>(objects: &'a Objects, settings: &Kubernetes) -> impl Iterator<Item = Said<'a>> {
    objects.cilium_nodes.get(&Key::of(&settings.node_name)).into_iter().flat_map(|node| {
        let blocks = node.spec.ipam.pod_cidrs.iter().enumerate();
        blocks.map(|(index, block)| {
            let field = format!("spec.ipam.podCIDRs[{index}]");
            Said { kind: Kind::CiliumNode, key: &node.metadata.key, field, block }
        })
    })
}

/// Calico's blocks, where its peers are not ours to make. A block on its way out still has pods.
fn calico(objects: &Objects) -> impl Iterator<Item = Said<'_>> {
    let owned = objects.block_affinities.iter().filter(|(_, affinity)| {
        let spec = &affinity.spec;
        let owned = matches!(spec.state.as_str(), "confirmed" | "" | "pendingDeletion");
        owned && !spec.deleted && spec.kind != "virtual"
    });
    owned.map(|(key, affinity)| {
        let field = "spec.cidr".to_owned();
        Said { kind: Kind::BlockAffinity, key, field, block: &affinity.spec.cidr }
    })
}
