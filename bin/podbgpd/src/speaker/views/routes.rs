//! Routes, as operators see them, a page at a time.

use std::net::IpAddr;
use std::time::Instant;

use bgp::{Family, NextHop, PathAttributes};
use control::{
    AdvertisedView, AttributesView, ErrorView, KernelState, NextHopView, PathView, ReasonView, RouteQuery,
    RouteView, Selection, Standing, ToldView,
};
use ipnet::IpNet;
use rib::{DestinationView, Forwarding, PeerId, Source};

use super::super::Speaker;
use super::words;
use crate::control::Page;

/// How many prefixes are looked at for one page: a millisecond or two of the owner's time.
const PAGE: usize = 1024;

/// Which paths of a destination are shown.
#[derive(Clone, Copy)]
enum Keep {
    All,
    /// Of this peer.
    From(PeerId),
    /// Refused ones, of this peer or of any.
    Rejected(Option<PeerId>),
}

impl Speaker {
    /// Shows destinations with all their paths; with a peer, only those it announced.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn loc_rib(
        &self,
        query: &RouteQuery,
        peer: Option<&str>,
        now: Instant,
    ) -> Result<Page<RouteView>, ErrorView> {
        let peer = peer.map(|name| self.id_of(name)).transpose()?;
        Ok(self.page(query, |destination| {
            let announced = |peer| destination.paths().any(|path| path.source() == Source::Peer(peer));
            let mut route = peer.is_none_or(announced).then(|| self.route(destination, Keep::All, now))?;
            route.told = (query.selection != Selection::All).then(|| self.told(&route.prefix));
            Some(route)
        }))
    }

    /// Shows what a peer announced, as it did.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn received(
        &self,
        query: &RouteQuery,
        peer: &str,
        now: Instant,
    ) -> Result<Page<RouteView>, ErrorView> {
        let peer = self.id_of(peer)?;
        Ok(self.page(query, |destination| self.some_route(destination, Keep::From(peer), now)))
    }

    /// Shows what import refused, of one peer or of all.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn rejected(
        &self,
        query: &RouteQuery,
        peer: Option<&str>,
        now: Instant,
    ) -> Result<Page<RouteView>, ErrorView> {
        let peer = peer.map(|name| self.id_of(name)).transpose()?;
        Ok(self.page(query, |destination| self.some_route(destination, Keep::Rejected(peer), now)))
    }

    /// Shows what a peer was told.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn advertised(&self, query: &RouteQuery, peer: &str) -> Result<Page<AdvertisedView>, ErrorView> {
        let id = self.id_of(peer)?;
        Ok(self.page(query, |destination| {
            let prefix = destination.prefix();
            let told = self.rib.advertised_of(id, &prefix).map(|(path_id, attributes)| AdvertisedView {
                prefix,
                family: super::family(Family::of(&prefix)),
                peer: peer.to_owned(),
                path_id: (path_id != 0).then_some(path_id),
                attributes: attributes_view(attributes),
            });
            told.collect::<Vec<_>>()
        }))
    }

    pub(super) fn id_of(&self, name: &str) -> Result<PeerId, ErrorView> {
        self.by_name.get(name).copied().ok_or_else(|| self.no_such_peer(name))
    }

    /// Walks the destinations a query selects, from where it left off.
    fn page<T, I: IntoIterator<Item = T>>(
        &self,
        query: &RouteQuery,
        mut show: impl FnMut(DestinationView<'_>) -> I,
    ) -> Page<T> {
        let one = match query.selection {
            Selection::All => None,
            Selection::Prefix(prefix) => Some(self.rib.destination(&prefix)),
            Selection::Address(address) => Some(self.rib.longest_match(address)),
        };
        if let Some(destination) = one {
            let wanted = destination.filter(|found| of_family(query, Family::of(&found.prefix())));
            return Page { items: wanted.into_iter().flat_map(show).collect(), next: None };
        }
        let mut page = Page { items: Vec::new(), next: None };
        let mut looked_at = 0;
        for family in Family::ALL.into_iter().filter(|&family| of_family(query, family)) {
            let after = match query.after {
                Some(after) if Family::of(&after) > family => continue,
                Some(after) if Family::of(&after) == family => Some(after),
                _ => None,
            };
            for destination in self.rib.destinations_after(family, after) {
                if looked_at == PAGE {
                    return page;
                }
                looked_at += 1;
                page.items.extend(show(destination));
                page.next = Some(destination.prefix());
            }
        }
        page.next = None;
        page
    }

    fn some_route(&self, destination: DestinationView<'_>, keep: Keep, now: Instant) -> Option<RouteView> {
        Some(self.route(destination, keep, now)).filter(|route| !route.candidates.is_empty())
    }

    fn route(&self, destination: DestinationView<'_>, keep: Keep, now: Instant) -> RouteView {
        let seconds = self.seconds(now);
        let best = destination.best();
        let kept = destination.paths().filter(|path| match keep {
            Keep::All => true,
            Keep::From(peer) => path.source() == Source::Peer(peer),
            Keep::Rejected(peer) => {
                matches!(path.standing(), rib::Standing::Rejected(_))
                    && peer.is_none_or(|peer| path.source() == Source::Peer(peer))
            }
        });
        let as_received = matches!(keep, Keep::From(_));
        let forwarding = destination.wanted_forwarding();
        let transit = self.transit.contains(&destination.prefix());
        RouteView {
            prefix: destination.prefix(),
            family: super::family(Family::of(&destination.prefix())),
            next_hops: next_hops(forwarding.as_ref()),
            kernel: match self.intent.fib.install && (forwarding.is_some() || transit) {
                true => KernelState::Pending,
                false => KernelState::NotWanted,
            },
            cause: self.intent.originated.get(&destination.prefix()).map(|one| one.cause.clone()),
            unwritten: self.unwritten(&destination),
            age_seconds: best.map(|path| seconds.saturating_sub(path.since()).into()),
            candidates: kept.map(|path| self.path(&path, best.as_ref(), as_received, seconds)).collect(),
            told: None,
        }
    }

    /// Says why the kernel is asked for nothing although a path is used.
    fn unwritten(&self, destination: &DestinationView<'_>) -> Option<ReasonView> {
        let best = destination.best()?;
        let ours = self.intent.originated.get(&destination.prefix());
        match best.source() {
            Source::Local => ours.and_then(|ours| ours.kernel.as_ref()).map(words::kernel_route),
            Source::Peer(_) => {
                destination.unwritten().map(|why| ReasonView::new(why.code(), why.to_string()))
            }
        }
    }

    /// Says of every peer with a session whether it was told of a prefix, and if not, why.
    fn told(&self, prefix: &IpNet) -> Vec<ToldView> {
        let up = |(name, id): (&String, &PeerId)| Some((name.clone(), *id, self.peerings.get(id)?));
        let up = self.by_name.iter().filter_map(up).filter(|(_, _, peering)| peering.session.is_some());
        up.map(|(peer, id, peering)| {
            let withheld = self.rib.explain_export(id, prefix).err();
            let reason = withheld.map(|withheld| words::withheld(withheld, &peering.intent.export));
            ToldView { peer, advertised: reason.is_none(), reason }
        })
        .collect()
    }

    fn path(
        &self,
        path: &rib::PathView<'_>,
        best: Option<&rib::PathView<'_>>,
        as_received: bool,
        seconds: u32,
    ) -> PathView {
        let attributes = match path.accepted() {
            Some(accepted) if !as_received => accepted,
            _ => path.received(),
        };
        let peering = match path.source() {
            Source::Local => None,
            Source::Peer(id) => self.peerings.get(&id),
        };
        let (standing, reason) = match path.standing() {
            rib::Standing::Best => (Standing::Best, None),
            rib::Standing::Multipath => (Standing::Multipath, None),
            rib::Standing::Unreachable => (Standing::Unreachable, Some(words::unreachable())),
            rib::Standing::Lost(reason) => {
                let winner = best.and_then(rib::PathView::accepted);
                (Standing::Lost, Some(words::lost(reason, attributes, winner, path.lowered())))
            }
            rib::Standing::Rejected(reason) => {
                let import = peering.map(|peering| &peering.intent.import);
                (Standing::Rejected, Some(words::rejected_by(reason, path.import_rule(), import)))
            }
            // Views are made between batches, and a batch ends with a decision.
            rib::Standing::Undecided => (Standing::Lost, Some(words::undecided())),
        };
        let mut attributes = attributes_view(attributes);
        if path.source() == Source::Local {
            attributes.next_hop = None;
        }
        PathView {
            peer: peering.map(|peering| peering.intent.name.clone()),
            path_id: (path.path_id() != 0).then(|| path.path_id()),
            attributes,
            age_seconds: seconds.saturating_sub(path.since()).into(),
            standing,
            stale: path.stale().map(|staleness| match staleness {
                rib::Staleness::Stale => control::Staleness::Stale,
                rib::Staleness::LongLived => control::Staleness::LongLived,
                rib::Staleness::Unrefreshed => control::Staleness::Unrefreshed,
            }),
            reason,
        }
    }
}

fn of_family(query: &RouteQuery, family: Family) -> bool {
    query.family.is_none_or(|wanted| wanted == super::family(family))
}

fn next_hops(forwarding: Option<&Forwarding>) -> Vec<NextHopView> {
    match forwarding {
        Some(Forwarding::Via(gateways)) => gateways
            .iter()
            .map(|gateway| NextHopView { address: gateway.address, interface: None, weight: 1 })
            .collect(),
        Some(Forwarding::Weighted(shares)) => shares
            .iter()
            .map(|share| NextHopView {
                address: share.gateway.address,
                interface: None,
                weight: share.weight.get().into(),
            })
            .collect(),
        Some(Forwarding::Blackhole) | None => Vec::new(),
    }
}

pub(super) fn attributes_view(attributes: &PathAttributes) -> AttributesView {
    fn texts<T: ToString>(items: &[T]) -> Vec<String> {
        items.iter().map(ToString::to_string).collect()
    }
    let link_local = match attributes.next_hop {
        NextHop::V6 { link_local, .. } => link_local.map(IpAddr::V6),
        NextHop::V4(_) => None,
    };
    AttributesView {
        origin: attributes.origin.name().to_owned(),
        as_path: attributes.as_path.to_string(),
        as_path_length: u32::try_from(attributes.as_path.length()).unwrap_or(u32::MAX),
        next_hop: Some(attributes.next_hop.address()),
        link_local_next_hop: link_local,
        med: attributes.med,
        local_pref: attributes.local_pref,
        atomic_aggregate: attributes.atomic_aggregate,
        aggregator: attributes.rare.aggregator.map(|by| format!("{} {}", by.asn, by.address)),
        communities: texts(&attributes.communities),
        extended_communities: texts(&attributes.rare.extended_communities),
        large_communities: texts(&attributes.rare.large_communities),
        originator_id: attributes.rare.originator_id.map(bgp::BgpId::to_ipv4),
        cluster_list: attributes.rare.cluster_list.clone(),
        only_to_customer: attributes.rare.only_to_customer.map(|asn| asn.0),
        aigp: attributes.rare.aigp.as_ref().map(|aigp| aigp.metric),
        unknown: attributes
            .rare
            .unknown
            .iter()
            .map(|unknown| format!("code {}, {} octets", unknown.code, unknown.value.len()))
            .collect(),
    }
}
