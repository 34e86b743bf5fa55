//! The node as a whole, as operators see it.

use std::time::Instant;

use bgp::Family;
use bgp::fsm::State;
use control::{
    ClusterView, ConfigView, FibView, MrtView, NodeView, PeersView, ReasonView, RoutesView, StationView,
    StatusView, UpdatesView, Verdict, WrongHandView,
};
use rib::Standing;

use super::super::Speaker;

/// How long the API server may be silent before all is not well.
const STALE: u64 = 60;

/// What the speaker cannot know of itself.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The kernel's side; `None` when no routes are installed.
    pub kernel: Option<FibView>,
    /// The configuration in force.
    pub config: ConfigView,
    /// What on this machine fights with us.
    pub wrong_hands: Vec<WrongHandView>,
    /// The monitoring stations.
    pub stations: Vec<StationView>,
    /// The files messages are written to.
    pub mrt: Option<MrtView>,
    /// The cluster.
    pub cluster: Option<ClusterView>,
}

impl Speaker {
    /// Shows the node as a whole.
    #[must_use]
    pub fn status_view(&self, around: Surroundings, now: Instant) -> StatusView {
        let fib = around.kernel.unwrap_or_default();
        let mut reasons: Vec<ReasonView> = Vec::new();
        let mut peers = PeersView { configured: self.peerings.len() as u64, ..PeersView::default() };
        for peering in self.peerings.values() {
            let up = peering.machine.state() == State::Established;
            peers.established += u64::from(up);
            peers.administratively_down += u64::from(!peering.is_wanted());
            if peering.is_wanted() && !up {
                let error = peering.machine.stats().last_error.as_ref();
                let why = error.map_or_else(String::new, |error| format!(": {}", error.reason));
                let (name, state) = (&peering.intent.name, peering.machine.state());
                reasons.push(ReasonView::new("peer_down", format!("peer {name} is in {state}{why}")));
            }
        }
        reasons.extend(fib_reasons(&fib));
        if let Some(error) = &around.config.last_reload_error {
            reasons.push(ReasonView::new("reload_failed", format!("the last reload failed: {}", error.text)));
        }
        reasons.extend(around.cluster.iter().flat_map(cluster_reasons));
        let duplicates = self.duplicate_views(now);
        reasons.extend(duplicates.iter().map(|one| {
            let text = format!("peer {} announces our block {}, too", one.peer, one.prefix);
            ReasonView::new("duplicate_block", text)
        }));
        let not_ready = self.not_ready(&peers, &fib, around.cluster.as_ref());
        StatusView {
            verdict: if reasons.is_empty() { Verdict::Ok } else { Verdict::Degraded },
            reasons,
            ready: not_ready.is_empty(),
            not_ready_reasons: not_ready,
            node: self.node_view(),
            version: crate::VERSION.to_owned(),
            uptime_seconds: super::age(self.epoch, now),
            peers,
            updates: self.updates_view(),
            routes: Family::ALL.into_iter().map(|family| self.routes_view(family)).collect(),
            fib,
            restart: self.restart_view(now),
            bfd: self.bfd_summary(),
            drain: self.node_drain_view(now),
            config: around.config,
            wrong_hands: around.wrong_hands,
            stations: around.stations,
            mrt: around.mrt,
            cluster: around.cluster.map(Box::new),
            duplicates,
        }
    }

    fn updates_view(&self) -> UpdatesView {
        let sent = self.peerings.values().map(|peering| peering.machine.stats().sent.update);
        UpdatesView {
            groups: self.rib.update_groups() as u64,
            encoded: self.updates_encoded,
            sent: sent.sum(),
        }
    }

    fn node_view(&self) -> NodeView {
        let node = &self.intent.node;
        NodeView {
            name: node.name.clone(),
            asn: node.asn.0,
            router_id: node.router_id.to_ipv4(),
            blocks: node.blocks.iter().copied().collect(),
        }
    }

    fn routes_view(&self, family: Family) -> RoutesView {
        let mut view = RoutesView {
            family: super::family(family),
            prefixes: 0,
            paths: 0,
            multipath: 0,
            originated: 0,
            rejected: 0,
        };
        // Every path but our own belongs to some peer, and its peer has counted it.
        for (id, _) in self.rib.peers() {
            let counts = self.rib.counts(id, family).unwrap_or_default();
            view.prefixes += u64::from(counts.standing(Standing::Best));
            view.paths += u64::from(counts.accepted());
            view.multipath += u64::from(counts.standing(Standing::Multipath));
            view.rejected += u64::from(counts.rejected());
        }
        let ours = self.intent.node.blocks.iter().filter(|block| Family::of(block) == family).count() as u64;
        view.originated = ours;
        view.prefixes += ours;
        view.paths += ours;
        view
    }
}

/// Says what is wrong with the cluster, as far as it is this node's to say. A short silence of the API server is none.
fn cluster_reasons(cluster: &ClusterView) -> Vec<ReasonView> {
    let mut reasons = Vec::new();
    if let Some(age) = cluster.stale_seconds.filter(|age| *age >= STALE) {
        let text =
            format!("the API server has not been heard of for {age} s; what was known last is in force");
        reasons.push(ReasonView::new("cluster_stale", text));
    }
    if let Some(held) = &cluster.held {
        let text = format!("a change is held, which would {}; see `bgpctl show cluster`", held.text);
        reasons.push(ReasonView::new("change_held", text));
    }
    reasons
}

fn fib_reasons(fib: &FibView) -> Vec<ReasonView> {
    let mut reasons = Vec::new();
    if fib.failed > 0 {
        let last = fib.last_error.as_ref().map_or_else(String::new, |error| format!(": {}", error.text));
        let text = format!("the kernel refuses {} routes{last}", fib.failed);
        reasons.push(ReasonView::new("fib_failed", text));
    }
    if fib.conflicts > 0 {
        let text = format!("somebody else's routes are in the way of {} of ours", fib.conflicts);
        reasons.push(ReasonView::new("fib_conflict", text));
    }
    reasons
}
