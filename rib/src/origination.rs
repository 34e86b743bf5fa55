//! The prefixes that are ours to announce.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bgp::{Community, LargeCommunity, PathAttributes};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

/// A prefix we originate, and what to say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origination {
    /// The prefix.
    pub prefix: IpNet,
    /// Whether packets to it that nothing more specific takes are dropped here, rather than following a
    /// less specific route back out: right for a block of pod addresses, wrong for an address of the node.
    pub blackhole: bool,
    /// MULTI_EXIT_DISC to attach.
    pub med: Option<u32>,
    /// LOCAL_PREF to attach towards internal peers.
    pub local_pref: Option<u32>,
    /// Communities to attach, in any order.
    pub communities: Vec<Community>,
    /// Large communities to attach, in any order.
    pub large_communities: Vec<LargeCommunity>,
    /// Where the kernel has it from somebody else; `None` for what exists by our word alone.
    pub kernel: Option<KernelRoute>,
}

/// A route of somebody else in the kernel that is announced as ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelRoute {
    /// The name of the interface it leaves by.
    pub interface: Arc<str>,
    /// The gateway, which internal peers are told as next hop (RFC 4271 §5.1.3); `None` when it is on the link.
    pub gateway: Option<IpAddr>,
}

impl Origination {
    /// Makes an origination with nothing attached, whose leftover packets are dropped.
    #[must_use]
    pub fn of(prefix: IpNet) -> Self {
        let (communities, large_communities) = (Vec::new(), Vec::new());
        let (med, local_pref, kernel) = (None, None, None);
        Self { prefix, blackhole: true, med, local_pref, communities, large_communities, kernel }
    }

    /// Tells whether all inside the prefix is ours, so that nobody may announce any of it to us. Of what somebody else
    /// has in our kernel we only speak.
    fn is_block(&self) -> bool {
        self.kernel.is_none()
    }

    /// Returns the attributes of our own path. Its next hop is the gateway of a route in the kernel, else unspecified: it
    /// is us. So it is for a gateway of the other family, which not every peer could be told.
    pub(crate) fn attributes(&self) -> PathAttributes {
        let ourselves = match self.prefix {
            IpNet::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpNet::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let gateway = self.kernel.as_ref().and_then(|route| route.gateway);
        let next_hop = gateway.filter(|it| it.is_ipv4() == ourselves.is_ipv4()).unwrap_or(ourselves);
        let mut attributes = PathAttributes::originated(next_hop.into());
        attributes.med = self.med;
        attributes.local_pref = self.local_pref;
        attributes.communities = self.communities.clone();
        attributes.communities.sort_unstable();
        attributes.communities.dedup();
        attributes.rare.edit(|rare| {
            rare.large_communities = self.large_communities.clone();
            rare.large_communities.sort_unstable();
            rare.large_communities.dedup();
        });
        attributes
    }
}

/// What has to be done to originate exactly what is wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Delta {
    /// New, or with something else attached.
    pub(crate) announce: Vec<Origination>,
    /// With the same attached, and something else that consumers look at.
    pub(crate) touch: Vec<IpNet>,
    /// No longer ours.
    pub(crate) withdraw: Vec<IpNet>,
    /// Blocks that became ours or ceased to be: what is inside them is judged differently now.
    pub(crate) blocks: Vec<IpNet>,
}

/// Everything we originate.
#[derive(Default)]
pub(crate) struct Originations {
    current: BTreeMap<IpNet, Origination>,
    blocks_v4: PrefixMap<Ipv4Net, ()>,
    blocks_v6: PrefixMap<Ipv6Net, ()>,
}

impl Originations {
    /// Makes the wanted set the current one and returns the difference. Of several originations of one
    /// prefix the last counts.
    pub(crate) fn replace(&mut self, wanted: impl IntoIterator<Item = Origination>) -> Delta {
        let truncated = |mut one: Origination| {
            one.prefix = one.prefix.trunc();
            (one.prefix, one)
        };
        let wanted: BTreeMap<_, _> = wanted.into_iter().map(truncated).collect();
        let mut delta = Delta::default();
        for prefix in self.current.keys().filter(|prefix| !wanted.contains_key(prefix)) {
            delta.withdraw.push(*prefix);
        }
        for (prefix, one) in &wanted {
            match self.current.get(prefix) {
                Some(current) if current == one => {}
                Some(current) if current.attributes() == one.attributes() => delta.touch.push(*prefix),
                Some(_) | None => delta.announce.push(one.clone()),
            }
        }
        let is_block = |set: &BTreeMap<_, Origination>, prefix: &IpNet| {
            set.get(prefix).is_some_and(Origination::is_block)
        };
        let named: BTreeSet<_> = self.current.keys().chain(wanted.keys()).copied().collect();
        let turned = |prefix: &IpNet| is_block(&self.current, prefix) != is_block(&wanted, prefix);
        delta.blocks = named.into_iter().filter(turned).collect();
        // To originate a default route does not make the whole Internet ours.
        delta.blocks.retain(|block| block.prefix_len() > 0);
        self.current = wanted;
        for &block in &delta.blocks {
            self.update_block(block);
        }
        delta
    }

    /// Returns what we originate for a prefix.
    pub(crate) fn origination(&self, prefix: &IpNet) -> Option<&Origination> {
        self.current.get(prefix)
    }

    /// Tells whether a prefix is one of our blocks, or inside one.
    pub(crate) fn covers(&self, prefix: &IpNet) -> bool {
        match prefix {
            IpNet::V4(prefix) => self.blocks_v4.get_lpm(prefix).is_some(),
            IpNet::V6(prefix) => self.blocks_v6.get_lpm(prefix).is_some(),
        }
    }

    fn update_block(&mut self, block: IpNet) {
        let ours = self.current.get(&block).is_some_and(Origination::is_block);
        match (block, ours) {
            (IpNet::V4(block), true) => drop(self.blocks_v4.insert(block, ())),
            (IpNet::V6(block), true) => drop(self.blocks_v6.insert(block, ())),
            (IpNet::V4(block), false) => drop(self.blocks_v4.remove(&block)),
            (IpNet::V6(block), false) => drop(self.blocks_v6.remove(&block)),
        }
    }
}
