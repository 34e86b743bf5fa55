//! The blocks of this node.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::report::Report;
use crate::event::Kind;
use crate::prefix;
use crate::prefix::shown;
use crate::store::Objects;

/// The blocks of this node, each with the object that says so.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Those that are announced as a whole, and nothing inside them.
    pub(super) owned: BTreeMap<IpNet, String>,
    /// Those that are about to go: what is still inside is announced along with them.
    pub(super) leaving: BTreeMap<IpNet, String>,
}

impl Blocks {
    /// Reads the blocks Calico's allocator has given to a node.
    pub(super) fn affinities(objects: &Objects, node: &str, report: &mut Report) -> Self {
        let mut blocks = Self::default();
        let ours = objects.block_affinities.iter().filter(|(_, object)| object.spec.node == node);
        for (key, object) in ours {
            let spec = &object.spec;
            if spec.deleted || spec.kind == "virtual" {
                continue;
            }
            let into = match spec.state.as_str() {
                "confirmed" | "" => &mut blocks.owned,
                "pendingDeletion" => &mut blocks.leaving,
                "pending" | "deleted" => continue,
                state => {
                    let problem = format!("{} is no state of a block; it is not announced", shown(state));
                    report.add(Kind::BlockAffinity, key, "spec.state", problem);
                    continue;
                }
            };
            let block = report.take(Kind::BlockAffinity, key, "spec.cidr", prefix::block(&spec.cidr));
            into.extend(block.map(|block| (block, format!("BlockAffinity {key}"))));
        }
        blocks.leaving.retain(|block, _| !blocks.owned.contains_key(block));
        blocks
    }

    /// Takes blocks others than Calico have given to the node.
    pub(super) fn said(blocks: &BTreeMap<IpNet, String>) -> Self {
        Self { owned: blocks.clone(), leaving: BTreeMap::new() }
    }

    /// Counts the blocks of the file among those of the node.
    pub(super) fn add_own(&mut self, blocks: &BTreeSet<IpNet>) {
        for block in blocks {
            self.owned.entry(*block).or_insert_with(|| "the file".to_owned());
        }
    }
}
