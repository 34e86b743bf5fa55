//! Export: which paths a peer is told of, and in which shape (RFC 4271 §5.1, §9.1.3), and which of an internal
//! peer are reflected to another (RFC 4456).
//!
//! A route is sent to an external peer even when that peer's AS is in its path: the receiver drops it (or,
//! told to, does not), and says so, where silence would explain nothing. BIRD does the same.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;

use bgp::{BgpId, Community, ExtendedCommunity, Family, NextHop, PathAttributes};
use ipnet::IpNet;

use crate::decision::{DEFAULT_LOCAL_PREF, accumulated};
use crate::drain::Drain;
use crate::own_as;
use crate::peer::{NextHopMode, PeerInfo};
use crate::policy::{Announcer, Decision, Policy, Route};
use crate::roles;
use crate::update_group::ExportView;

/// What may go out to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Export {
    /// What we originate: a node is not transit.
    Originated,
    /// Every best path.
    All,
    /// Nothing.
    None,
    /// What a policy lets pass.
    Policy(Policy),
}

/// Why a peer is not told of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Withheld {
    /// There is no best path.
    NoBestPath,
    /// The session does not carry the family.
    Family,
    /// The peer is drained, and everything has been withdrawn from it (RFC 8326).
    Drained,
    /// The best path is from this very peer.
    OwnPath,
    /// The next hop to tell it of is the peer itself (RFC 4271 §5.1.3).
    OwnNextHop,
    /// The path is internal and so is the peer, and neither comes from nor goes to a client of ours (RFC 4271
    /// §9.2.1, RFC 4456 §6).
    Internal,
    /// The path carries NO_ADVERTISE (RFC 1997).
    NoAdvertise,
    /// The path carries NO_EXPORT, and the peer is external (RFC 1997).
    NoExport,
    /// The path carries NO_EXPORT_SUBCONFED, and the peer is external (RFC 1997).
    NoExportSubconfed,
    /// The path carries ONLY_TO_CUSTOMER, and the peer is none (RFC 9234 §5).
    OnlyToCustomer,
    /// The path is long-lived stale, and the peer has not said that it knows what that means (RFC 9494 §4.3).
    LongLivedStale,
    /// We do not originate it, and only that goes out.
    NotOriginated,
    /// Nothing goes out.
    ExportNone,
    /// The rule at this position of the policy rejects it.
    Policy(usize),
    /// No rule of the policy lets it out.
    PolicyDefault,
    /// Our own address on the session is not known for this family.
    NoNextHopSelf,
    /// The next hop is of a family this peer does not take with these routes (RFC 8950).
    NextHopFamily,
    /// Its attributes do not fit into a message (RFC 4271 §9.2).
    Oversized,
    /// Nothing holds it back: it is about to go out.
    Pending,
}

impl Withheld {
    /// Returns the reason in one word, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.words().0
    }

    /// Returns a word for programs and words for people.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NoBestPath => ("no_best_path", "there is no best path"),
            Self::Family => ("family", "the session does not carry the family"),
            Self::Drained => ("drained", "the peer is drained: everything was withdrawn from it"),
            Self::OwnPath => ("own_path", "the best path is its own"),
            Self::OwnNextHop => ("own_next_hop", "the next hop is the peer itself"),
            Self::Internal => {
                ("internal", "an internal path goes to an internal peer only from or to a client")
            }
            Self::NoAdvertise => ("no_advertise", "the path carries no-advertise"),
            Self::NoExport => ("no_export", "the path carries no-export"),
            Self::NoExportSubconfed => ("no_export_subconfed", "the path carries no-export-subconfed"),
            Self::OnlyToCustomer => (
                "only_to_customer",
                "the path may only go to customers, and the peer is none (only-to-customer)",
            ),
            Self::LongLivedStale => (
                "long_lived_stale",
                "the path is long-lived stale and the peer does not do long-lived restart",
            ),
            Self::NotOriginated => ("not_originated", "we do not originate it"),
            Self::ExportNone => ("export_none", "export lets nothing out to this peer"),
            Self::Policy(_) => ("policy", "a rule of the export policy rejects it"),
            Self::PolicyDefault => ("policy_default", "no rule of the export policy accepts it"),
            Self::NoNextHopSelf => {
                ("no_next_hop_self", "our own address on the session is not known for this family")
            }
            Self::NextHopFamily => ("next_hop_family", "the peer takes no next hop of the other family"),
            Self::Oversized => ("oversized", "its attributes do not fit into a message"),
            Self::Pending => ("pending", "it is about to go out"),
        }
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().1)
    }
}

/// Over what kind of session a route came, and from whom inside our AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Came {
    /// Over none: we originate it.
    Originated,
    External,
    Client(BgpId),
    NonClient(BgpId),
}

impl Came {
    /// Tells how routes come from a peer; `None` stands for ourselves.
    pub(crate) fn from(announcer: Option<&PeerInfo>) -> Self {
        match announcer {
            None => Self::Originated,
            Some(info) if info.is_external() => Self::External,
            Some(info) if info.client => Self::Client(info.bgp_id),
            Some(info) => Self::NonClient(info.bgp_id),
        }
    }
}

/// A path of a destination, on its way out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) prefix: IpNet,
    pub(crate) came: Came,
    /// Who announced it; `None` for our own.
    pub(crate) announcer: Option<Announcer>,
    /// The name of the interface it leaves by, where that is known.
    pub(crate) interface: Option<&'a str>,
    /// Whether it is long-lived stale here.
    pub(crate) long_lived: bool,
    /// Our cluster's identifier, in case it is reflected.
    pub(crate) cluster_id: Ipv4Addr,
    /// What the way to its next hop costs, where there is one.
    pub(crate) metric: Option<u32>,
    /// Its attributes after import.
    pub(crate) attributes: &'a PathAttributes,
}

impl Export {
    /// Tells whether two routes with equal attributes may fare differently.
    pub(crate) fn looks_at_prefixes(&self) -> bool {
        match self {
            Self::Policy(policy) => policy.looks_at_prefixes(),
            Self::Originated | Self::All | Self::None => false,
        }
    }

    /// Tells whether a route may fare differently once its next hop leads elsewhere.
    pub(crate) fn looks_at_interfaces(&self) -> bool {
        match self {
            Self::Policy(policy) => policy.looks_at_interfaces(),
            Self::Originated | Self::All | Self::None => false,
        }
    }

    /// Tells whether the same best path from two peers may fare differently, beyond external and internal ones.
    pub(crate) fn looks_at_announcers(&self) -> bool {
        match self {
            Self::Policy(policy) => policy.looks_at_announcers(),
            Self::Originated | Self::All | Self::None => false,
        }
    }

    fn judge<'a>(
        &self,
        route: Route<'a>,
        watch: impl FnMut(usize, &PathAttributes),
    ) -> Result<Cow<'a, PathAttributes>, Withheld> {
        match self {
            Self::Originated if route.announcer.is_some() => Err(Withheld::NotOriginated),
            Self::Originated | Self::All => Ok(Cow::Borrowed(route.attributes)),
            Self::None => Err(Withheld::ExportNone),
            Self::Policy(policy) => {
                let verdict = policy.evaluate_watched(route, watch);
                match (verdict.decision, verdict.rule) {
                    (Decision::Accept, _) => Ok(verdict.attributes),
                    (Decision::Reject, Some(rule)) => Err(Withheld::Policy(rule)),
                    (Decision::Reject, None) => Err(Withheld::PolicyDefault),
                }
            }
        }
    }
}

/// Returns what to tell peers of a view of a path that is not their own.
///
/// The answer depends on the prefix only through its family, unless the policy looks at prefixes.
pub(crate) fn export(peer: &ExportView, route: Outgoing<'_>) -> Result<PathAttributes, Withheld> {
    export_watched(peer, route, |_, _| {})
}

/// Does the same, and shows what each step made of the attributes: the rules of the protocol first, then by its
/// position each rule of the policy that applied.
pub(crate) fn export_watched(
    peer: &ExportView,
    route: Outgoing<'_>,
    mut watch: impl FnMut(Option<usize>, &PathAttributes),
) -> Result<PathAttributes, Withheld> {
    let family = Family::of(&route.prefix);
    if !peer.families.contains(family) {
        return Err(Withheld::Family);
    }
    if peer.drain == Some(Drain::Withdrawn) {
        return Err(Withheld::Drained);
    }
    let originated = route.came == Came::Originated;
    let external = peer.external;
    let originator = originator(peer, route.came)?;
    if !originated {
        heed_communities(route.attributes, external)?;
    }
    roles::may_go(peer, route.attributes)?;
    let stale = !originated && (route.long_lived || route.attributes.carries(Community::LLGR_STALE));
    if stale && !peer.long_lived.contains(family) {
        return Err(Withheld::LongLivedStale);
    }
    let mut base = Cow::Borrowed(route.attributes);
    if external && !originated && base.med.is_some() {
        // Not ours to pass on (RFC 4271 §5.1.4); the policy below may set one of our own.
        base.to_mut().med = None;
    }
    watch(None, &base);
    let judged = peer.export.judge(
        Route {
            prefix: route.prefix,
            announcer: route.announcer,
            interface: route.interface,
            attributes: &base,
        },
        |rule, attributes| watch(Some(rule), attributes),
    )?;
    let mut attributes = judged.into_owned();
    if stale && let Err(place) = attributes.communities.binary_search(&Community::LLGR_STALE) {
        // Here once added, or a policy took away what must stay (RFC 9494 §4.3).
        attributes.communities.insert(place, Community::LLGR_STALE);
    }
    if external {
        cross_the_border(peer, &mut attributes);
    } else {
        attributes.local_pref.get_or_insert(DEFAULT_LOCAL_PREF);
    }
    if let Some(Drain::Announced(marks)) = peer.drain {
        marks.apply(peer, &mut attributes);
    }
    if originated && let Some(bandwidth) = peer.link_bandwidth {
        // Not transitive, and yet said across the border: it is of the one link there is between us and the peer.
        let community = ExtendedCommunity::of_link_bandwidth(peer.local_asn, bandwidth as f32);
        attributes.rare.edit(|rare| {
            rare.extended_communities.push(community);
            rare.extended_communities.sort_unstable();
            rare.extended_communities.dedup();
        });
    }
    if let Some(originator) = originator {
        reflect(originator, route.cluster_id, &mut attributes);
    }
    let before = attributes.next_hop.address();
    attributes.next_hop = next_hop(peer, family, originator.is_some(), attributes.next_hop)?;
    let onwards = (!originated && attributes.next_hop.address() != before).then_some(route.metric).flatten();
    pass_on_aigp(peer, onwards, &mut attributes);
    Ok(attributes)
}

/// Returns who brought a route into our AS if telling this peer of it is to reflect it, or why it may not be told.
fn originator(peer: &ExportView, came: Came) -> Result<Option<BgpId>, Withheld> {
    match came {
        Came::Originated | Came::External => Ok(None),
        Came::Client(_) | Came::NonClient(_) if peer.external => Ok(None),
        Came::Client(originator) => Ok(Some(originator)),
        Came::NonClient(originator) if peer.client => Ok(Some(originator)),
        Came::NonClient(_) => Err(Withheld::Internal),
    }
}

/// Marks a route as reflected, so that it cannot come back unnoticed (RFC 4456 §8).
fn reflect(originator: BgpId, cluster_id: Ipv4Addr, attributes: &mut PathAttributes) {
    attributes.rare.edit(|rare| {
        rare.originator_id.get_or_insert(originator);
        rare.cluster_list.insert(0, cluster_id);
    });
}

/// Heeds the well-known communities of a path. Those we attach to our own are meant for the receiver.
fn heed_communities(attributes: &PathAttributes, external: bool) -> Result<(), Withheld> {
    let carries = |community| attributes.carries(community);
    if attributes.communities.is_empty() {
        Ok(())
    } else if carries(Community::NO_ADVERTISE) {
        Err(Withheld::NoAdvertise)
    } else if external && carries(Community::NO_EXPORT) {
        Err(Withheld::NoExport)
    } else if external && carries(Community::NO_EXPORT_SUBCONFED) {
        Err(Withheld::NoExportSubconfed)
    } else {
        Ok(())
    }
}

fn cross_the_border(peer: &ExportView, attributes: &mut PathAttributes) {
    own_as::sign(peer, attributes);
    attributes.local_pref = None;
    roles::egress(peer, attributes);
    attributes.rare.edit(|rare| {
        rare.originator_id = None;
        rare.cluster_list.clear();
        rare.extended_communities.retain(|community| community.is_transitive());
    });
}

/// Says what the way costs from here on, to those who are to know: through us it costs the way to the next hop more
/// (RFC 7311 §3.4.3).
fn pass_on_aigp(peer: &ExportView, to_next_hop: Option<u32>, attributes: &mut PathAttributes) {
    let Some(aigp) = &attributes.rare.aigp else { return };
    let metric = accumulated(aigp.metric, to_next_hop);
    attributes.rare.edit(|rare| match &mut rare.aigp {
        Some(aigp) if peer.aigp => aigp.metric = metric,
        aigp => *aigp = None,
    });
}

/// Returns the next hop to send: ourselves or as it came.
///
/// A link-local next hop means nothing on another link, so it becomes ourselves whatever is wanted (RFC 2545 §3).
fn next_hop(
    peer: &ExportView,
    family: Family,
    reflected: bool,
    current: NextHop,
) -> Result<NextHop, Withheld> {
    let here_only = matches!(current, NextHop::V6 { global, .. } if global.is_unicast_link_local());
    let ourselves = match peer.next_hop {
        NextHopMode::Auto => peer.external,
        NextHopMode::Own => peer.external || !reflected,
        NextHopMode::OwnAlways => true,
        NextHopMode::Keep => false,
    };
    let next_hop = if ourselves || here_only || is_unspecified(current) {
        peer.next_hop_self.of(family).ok_or(Withheld::NoNextHopSelf)?
    } else {
        NextHop::from(current.address())
    };
    let same_family =
        matches!((family, next_hop), (Family::Ipv4, NextHop::V4(_)) | (Family::Ipv6, NextHop::V6 { .. }));
    if same_family || peer.extended_next_hop.contains(family) {
        Ok(next_hop)
    } else {
        Err(Withheld::NextHopFamily)
    }
}

fn is_unspecified(next_hop: NextHop) -> bool {
    next_hop.address().is_unspecified()
}
