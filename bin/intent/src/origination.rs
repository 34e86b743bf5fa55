//! What a cluster has this node originate, beside the blocks of the file.

use bgp::{Community, LargeCommunity};
use ipnet::IpNet;
use rib::Origination;
use rib::origination::KernelRoute;

/// Why a prefix is announced as ours, and what to say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Originated {
    /// The object that wants it, for people: `Node node-a`, `Service shop/web`, `BlockAffinity node-a-10-20-30-64-26`.
    pub cause: String,
    /// What becomes of packets to it that nothing more specific takes.
    pub leftover: Leftover,
    /// LOCAL_PREF towards internal peers.
    pub local_pref: Option<u32>,
    /// Communities to attach, ascending.
    pub communities: Vec<Community>,
    /// Large communities to attach, ascending.
    pub large_communities: Vec<LargeCommunity>,
    /// Where the kernel has it from somebody else; `None` for what exists by our word alone.
    pub kernel: Option<KernelRoute>,
}

/// What becomes of packets to a prefix of ours that nothing more specific takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// They are dropped by a blackhole route: right for a block of pod addresses.
    Dropped,
    /// They are dropped if they only pass through this node. Those of the node itself go on: a process here that talks to
    /// the address of a Service is looked up before the address is translated, and must not be refused.
    DroppedInTransit,
    /// They follow what routes there are: right where somebody else's route exists.
    Followed,
}

impl Originated {
    /// Makes one with nothing attached whose leftover packets are dropped.
    #[must_use]
    pub fn new(cause: String, leftover: Leftover) -> Self {
        let (communities, large_communities) = (Vec::new(), Vec::new());
        Self { cause, leftover, local_pref: None, communities, large_communities, kernel: None }
    }

    /// Returns what the tables originate.
    #[must_use]
    pub fn of_tables(&self, prefix: IpNet) -> Origination {
        Origination {
            blackhole: self.leftover == Leftover::Dropped,
            local_pref: self.local_pref,
            communities: self.communities.clone(),
            large_communities: self.large_communities.clone(),
            kernel: self.kernel.clone(),
            ..Origination::of(prefix)
        }
    }
}
