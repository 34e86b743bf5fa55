//! Import: what of a peer's word is believed.
//!
//! A route that is not believed is kept as received, with the reason, and never costs the session.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bgp::{Community, NextHop, PathAttributes};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::drain::lowered;
use crate::own_as::countersign;
use crate::peer::PeerInfo;
use crate::policy::{Decision, Policy, Route};
use crate::rib::RibSettings;
use crate::roles;

/// What may come in from a peer, once the rules of the protocol are satisfied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Import {
    /// Everything but what no neighbour should tell us; the default of external sessions.
    Safe(Safe),
    /// Everything.
    All,
    /// Nothing.
    None,
    /// What a policy lets pass.
    Policy(Policy),
    /// What a policy lets pass of what is safe.
    Guarded(Safe, Policy),
}

/// The limits of [`Import::Safe`], which also refuses martians and everything inside our own blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Safe {
    /// The longest IPv4 prefix let in.
    pub longest_ipv4: u8,
    /// The longest IPv6 prefix let in.
    pub longest_ipv6: u8,
}

impl Default for Safe {
    /// Lets in everything down to host routes: data centres announce them.
    fn default() -> Self {
        Self { longest_ipv4: 32, longest_ipv6: 128 }
    }
}

/// Why a path is no candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// Our own AS is in its AS path, more often than we bear (RFC 4271 §9.1.2).
    OwnAs,
    /// Its AS path does not begin with the peer's AS (RFC 4271 §6.3).
    FirstAs,
    /// We are its ORIGINATOR_ID (RFC 4456 §8).
    OwnOriginatorId,
    /// Our cluster is in its CLUSTER_LIST (RFC 4456 §8).
    OwnClusterId,
    /// It may only go down to customers, and comes from one or past a peer (RFC 9234 §5).
    RouteLeak,
    /// Its next hop is our own address or no host's at all (RFC 4271 §6.3).
    NextHop,
    /// It is inside a block we originate.
    OwnBlock,
    /// Services have their addresses there, and this node answers for them.
    ServiceRange,
    /// It is the address of a node of the cluster.
    NodeAddress,
    /// It is a default route, and those are not let in.
    DefaultRoute,
    /// It is a prefix nobody may announce.
    Martian,
    /// Its prefix is longer than let in.
    TooLong,
    /// Nothing is let in.
    ImportNone,
    /// A rule of the policy rejects it.
    Policy,
    /// No rule of the policy lets it in.
    PolicyDefault,
}

impl RejectReason {
    /// Every reason, in the order the checks are made.
    pub const ALL: [Self; 15] = [
        Self::OwnAs,
        Self::FirstAs,
        Self::OwnOriginatorId,
        Self::OwnClusterId,
        Self::RouteLeak,
        Self::NextHop,
        Self::OwnBlock,
        Self::ServiceRange,
        Self::NodeAddress,
        Self::DefaultRoute,
        Self::Martian,
        Self::TooLong,
        Self::ImportNone,
        Self::Policy,
        Self::PolicyDefault,
    ];

    /// Returns the reason in one word, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.words().0
    }

    /// Returns a word for programs and words for people.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::OwnAs => ("own_as", "our own AS is in its AS path"),
            Self::FirstAs => ("first_as", "its AS path does not begin with the peer's AS"),
            Self::OwnOriginatorId => ("own_originator_id", "it is our own route, reflected"),
            Self::OwnClusterId => ("own_cluster_id", "it has been through our cluster"),
            Self::RouteLeak => {
                ("route_leak", "it has leaked: it may only go on to customers (only-to-customer)")
            }
            Self::NextHop => ("next_hop", "its next hop is our own address or no host's"),
            Self::OwnBlock => ("own_block", "it is inside a block we originate"),
            Self::ServiceRange => {
                ("service_range", "Services have their addresses there, and this node answers for them")
            }
            Self::NodeAddress => (
                "node_address",
                "it is the address of a node: a route to it could carry the session it came by",
            ),
            Self::DefaultRoute => ("default_route", "default routes are not let in"),
            Self::Martian => ("martian", "nobody may announce this prefix"),
            Self::TooLong => ("too_long", "the prefix is longer than import lets in"),
            Self::ImportNone => ("import_none", "import lets nothing in from this peer"),
            Self::Policy => ("policy", "a rule of the import policy rejects it"),
            Self::PolicyDefault => ("policy_default", "no rule of the import policy accepts it"),
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().1)
    }
}

impl Import {
    /// Tells whether two routes with equal attributes may be changed differently.
    pub(crate) fn looks_at_prefixes(&self) -> bool {
        self.policy().is_some_and(Policy::looks_at_prefixes)
    }

    /// Tells whether what we originate bears on what is let in.
    pub(crate) fn looks_at_own_blocks(&self) -> bool {
        self.safe().is_some()
    }

    /// Returns the policy, if one has a say.
    #[must_use]
    pub fn policy(&self) -> Option<&Policy> {
        match self {
            Self::Policy(policy) | Self::Guarded(_, policy) => Some(policy),
            Self::Safe(_) | Self::All | Self::None => None,
        }
    }

    /// Returns the limits, if only what is safe is let in.
    pub(crate) fn safe(&self) -> Option<Safe> {
        match self {
            Self::Safe(safe) | Self::Guarded(safe, _) => Some(*safe),
            Self::All | Self::None | Self::Policy(_) => None,
        }
    }

    /// Judges a route that has passed the rules of the protocol, and shows each rule that applied.
    fn judge<'a>(
        &self,
        route: Route<'a>,
        watch: impl FnMut(usize, &PathAttributes),
    ) -> Result<Cow<'a, PathAttributes>, RejectReason> {
        match self {
            Self::Safe(_) | Self::All => Ok(Cow::Borrowed(route.attributes)),
            Self::None => Err(RejectReason::ImportNone),
            Self::Policy(policy) | Self::Guarded(_, policy) => {
                let verdict = policy.evaluate_watched(route, watch);
                match (verdict.decision, verdict.rule) {
                    (Decision::Accept, _) => Ok(verdict.attributes),
                    (Decision::Reject, Some(_)) => Err(RejectReason::Policy),
                    (Decision::Reject, None) => Err(RejectReason::PolicyDefault),
                }
            }
        }
    }
}

impl Safe {
    /// Judges a prefix by itself.
    pub(crate) fn judge(self, prefix: &IpNet) -> Result<(), RejectReason> {
        let longest = match prefix {
            IpNet::V4(_) => self.longest_ipv4,
            IpNet::V6(_) => self.longest_ipv6,
        };
        if is_martian(prefix) {
            Err(RejectReason::Martian)
        } else if prefix.prefix_len() > longest {
            Err(RejectReason::TooLong)
        } else {
            Ok(())
        }
    }
}

/// Tells whether nobody may announce a prefix, nor anything inside it.
///
/// The default routes are none, though they contain all of these.
fn is_martian(prefix: &IpNet) -> bool {
    match prefix {
        IpNet::V4(prefix) => MARTIANS_V4.iter().any(|block| block.contains(prefix)),
        IpNet::V6(prefix) => MARTIANS_V6.iter().any(|block| block.contains(prefix)),
    }
}

const fn v4(a: u8, b: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), length)
}

const fn v6(first: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0), length)
}

/// This network, loopback, link-local, multicast and reserved (RFC 6890).
const MARTIANS_V4: [Ipv4Net; 4] = [v4(0, 0, 8), v4(127, 0, 8), v4(169, 254, 16), v4(224, 0, 3)];

/// Unspecified, loopback and the rest of ::/96, IPv4-mapped, link-local, multicast (RFC 6890).
const MARTIANS_V6: [Ipv6Net; 4] = [
    v6(0, 96),
    Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xFFFF, 0, 0), 96),
    v6(0xFE80, 10),
    v6(0xFF00, 8),
];

/// Judges what a peer says, and shows what each step made of it: the rules of the protocol first, then by its
/// position each rule of the policy that applied.
///
/// The answer depends on the prefix only if the policy looks at prefixes; what else there is to say of the prefix
/// is [`Safe::judge`]'s.
pub(crate) fn import<'a>(
    peer: &'a PeerInfo,
    settings: &RibSettings,
    prefix: IpNet,
    attributes: &'a PathAttributes,
    mut watch: impl FnMut(Option<usize>, &PathAttributes),
) -> Result<Cow<'a, PathAttributes>, RejectReason> {
    let clean = sanitise(peer, settings, attributes)?;
    watch(None, &clean);
    let is_lowered = lowered(peer, &clean).is_some();
    let (announcer, interface) = (Some(peer.announcer()), peer.link.as_deref());
    let watch_rules = |rule, attributes: &PathAttributes| watch(Some(rule), attributes);
    let mut judged = match clean {
        Cow::Borrowed(attributes) => {
            peer.import.judge(Route { prefix, announcer, interface, attributes }, watch_rules)?
        }
        Cow::Owned(attributes) => {
            let route = Route { prefix, announcer, interface, attributes: &attributes };
            Cow::Owned(peer.import.judge(route, watch_rules)?.into_owned())
        }
    };
    if is_blackhole(peer, &judged)
        && let Err(place) = judged.communities.binary_search(&Community::NO_EXPORT)
    {
        // Not to be told beyond our AS (RFC 7999 §3.2).
        judged.to_mut().communities.insert(place, Community::NO_EXPORT);
    }
    if is_lowered && judged.local_pref != Some(0) {
        // After the policy: whoever is about to go is the last resort, whatever else is said of it (RFC 8326 §4).
        judged.to_mut().local_pref = Some(0);
    }
    Ok(judged)
}

/// Tells whether a peer has us drop what goes to a route's prefix, and may (RFC 7999).
pub(crate) fn is_blackhole(peer: &PeerInfo, attributes: &PathAttributes) -> bool {
    peer.blackhole && attributes.communities.binary_search(&Community::BLACKHOLE).is_ok()
}

/// Applies the rules of the protocol to what a peer says, whatever the prefix.
///
/// Returns the attributes without what this peer has no business sending (RFC 4271 §5.1.5, RFC 7606 §7.9).
fn sanitise<'a>(
    peer: &PeerInfo,
    settings: &RibSettings,
    attributes: &'a PathAttributes,
) -> Result<Cow<'a, PathAttributes>, RejectReason> {
    if peer.own_as.is_loop(peer.local_asn, &attributes.as_path) {
        return Err(RejectReason::OwnAs);
    }
    let external = peer.is_external();
    if external && peer.enforce_first_as && attributes.as_path.neighbor() != Some(peer.asn) {
        return Err(RejectReason::FirstAs);
    }
    if !external && attributes.rare.originator_id == Some(settings.router_id) {
        return Err(RejectReason::OwnOriginatorId);
    }
    if !external && attributes.rare.cluster_list.contains(&settings.cluster_id) {
        return Err(RejectReason::OwnClusterId);
    }
    let only_to_customer = roles::ingress(peer, attributes)?;
    if !is_usable(attributes.next_hop) || is_ours(peer, attributes.next_hop.address()) {
        return Err(RejectReason::NextHop);
    }
    let mut attributes = Cow::Borrowed(attributes);
    if let Some(asn) = countersign(peer) {
        attributes.to_mut().as_path.prepend(asn, 1);
    }
    let internal_only = attributes.local_pref.is_some()
        || attributes.rare.originator_id.is_some()
        || !attributes.rare.cluster_list.is_empty();
    if external && internal_only {
        let attributes = attributes.to_mut();
        attributes.local_pref = None;
        attributes.rare.edit(|rare| {
            rare.originator_id = None;
            rare.cluster_list.clear();
        });
    }
    if !peer.aigp && attributes.rare.aigp.is_some() {
        // As if it were not understood: it is not transitive (RFC 7311 §3.3).
        attributes.to_mut().rare.edit(|rare| rare.aigp = None);
    }
    if only_to_customer.is_some() {
        attributes.to_mut().rare.edit(|rare| rare.only_to_customer = only_to_customer);
    }
    Ok(attributes)
}

fn is_usable(next_hop: NextHop) -> bool {
    match next_hop.address() {
        IpAddr::V4(address) => {
            let [first, ..] = address.octets();
            let (this_network, loopback, multicast_and_up) = (0, 127, 224);
            first != this_network && first != loopback && first < multicast_and_up
        }
        IpAddr::V6(address) => {
            let mapped = address.to_ipv4_mapped().is_some();
            !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || mapped)
        }
    }
}

fn is_ours(peer: &PeerInfo, address: IpAddr) -> bool {
    let link_local = |next_hop| match next_hop {
        NextHop::V6 { link_local, .. } => link_local.map(IpAddr::V6),
        NextHop::V4(_) => None,
    };
    let ours = [peer.next_hop_self.ipv4, peer.next_hop_self.ipv6];
    ours.into_iter().flatten().any(|own| own.address() == address || link_local(own) == Some(address))
}
