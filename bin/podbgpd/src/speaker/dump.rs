//! Every path as received, a page at a time, for a dump of all tables.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bgp::mrt::IndexedPeer;
use bgp::{BgpId, Family, PathAttributes};
use ipnet::IpNet;
use rib::Source;

use super::Speaker;

/// How many prefixes make a page.
const PAGE: usize = 1024;

/// A part of a dump.
#[derive(Clone, Debug, PartialEq)]
pub struct DumpPage {
    /// Our name.
    pub node: String,
    /// Our identifier.
    pub collector: BgpId,
    /// Who may have announced something: ourselves and every peer that is up, or was and is kept.
    pub peers: Vec<(Source, IndexedPeer)>,
    /// The routes.
    pub routes: Vec<DumpRoute>,
    /// Where to go on, if there is more.
    pub next: Option<IpNet>,
}

/// A prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct DumpRoute {
    /// The prefix.
    pub prefix: IpNet,
    /// All its paths.
    pub paths: Vec<DumpPath>,
}

/// A path.
#[derive(Clone, Debug, PartialEq)]
pub struct DumpPath {
    /// Whose it is.
    pub source: Source,
    /// When it came, since the Unix epoch.
    pub at: Duration,
    /// Its identifier (RFC 7911); zero when it has none.
    pub path_id: u32,
    /// Its attributes as received.
    pub attributes: PathAttributes,
}

impl Speaker {
    /// Returns the next part of a dump. `wall` is the time of `now` since the Unix epoch.
    #[must_use]
    pub fn dump(&self, after: Option<IpNet>, now: Instant, wall: Duration) -> DumpPage {
        let node = &self.intent.node;
        let ours =
            IndexedPeer { bgp_id: node.router_id, address: Ipv4Addr::UNSPECIFIED.into(), asn: node.asn };
        let peers = self.rib.peers().map(|(id, info)| {
            (Source::Peer(id), IndexedPeer { bgp_id: info.bgp_id, address: info.address, asn: info.asn })
        });
        let mut page = DumpPage {
            node: node.name.clone(),
            collector: node.router_id,
            peers: std::iter::once((Source::Local, ours)).chain(peers).collect(),
            routes: Vec::new(),
            next: None,
        };
        let seconds = self.seconds(now);
        let families =
            Family::ALL.into_iter().filter(|&family| after.is_none_or(|p| Family::of(&p) <= family));
        for family in families {
            let behind = after.filter(|after| Family::of(after) == family);
            for destination in self.rib.destinations_after(family, behind) {
                if page.routes.len() == PAGE {
                    page.next = page.routes.last().map(|route| route.prefix);
                    return page;
                }
                let path = |path: rib::PathView<'_>| DumpPath {
                    source: path.source(),
                    at: wall.saturating_sub(Duration::from_secs(seconds.saturating_sub(path.since()).into())),
                    path_id: path.path_id(),
                    attributes: path.received().clone(),
                };
                let paths = destination.paths().map(path).collect();
                page.routes.push(DumpRoute { prefix: destination.prefix(), paths });
            }
        }
        page
    }
}
