//! Whether this node can carry traffic, and what it waits for if not.
//!
//! The chain, link by link:
//!
//! 1. what the node originates is known: where a cluster says it, there is a plan;
//! 2. sessions are up: at least one for each family of what it originates, unless nobody who is down could carry
//!    that family. One of two TORs is enough: a node that waited for both would be lost with the first;
//! 3. peers have sent End-of-RIB, all that matter, or their time is up;
//! 4. for each family, some peer has been sent everything of ours, and the End-of-RIB behind it;
//! 5. the kernel holds the routes.
//!
//! A drained node is never ready. A cordon is nothing to us: the node carries traffic as before.

use bgp::Family;
use bgp::fsm::State;
use control::{ClusterView, FibView, PeersView, ReasonView};
use ipnet::IpNet;
use rib::{PeerId, Withheld};

use super::Speaker;
use super::peering::Peering;

impl Speaker {
    /// Lists what readiness waits for; nothing when the node is ready.
    pub(super) fn not_ready(
        &self,
        peers: &PeersView,
        fib: &FibView,
        cluster: Option<&ClusterView>,
    ) -> Vec<ReasonView> {
        let mut reasons = Vec::new();
        if self.drains.node().is_some() {
            reasons.push(ReasonView::new("drain", "the node is drained"));
        }
        if let Some(cluster) = cluster.filter(|cluster| cluster.plan_age_seconds.is_none()) {
            let kinds = cluster.waiting_for.join(", ");
            let text = format!("the cluster has not said what to do yet: waiting for {kinds}");
            reasons.push(ReasonView::new("cluster", text));
        }
        if peers.established == 0 && peers.configured > peers.administratively_down {
            reasons.push(ReasonView::new("no_session", "no session is up"));
        } else {
            reasons.extend(Family::ALL.into_iter().filter_map(|family| self.waits_in(family)));
        }
        if !self.has_converged() {
            reasons.push(ReasonView::new("end_of_rib", "not every peer has sent End-of-RIB"));
        }
        if fib.enabled && fib.pending > 0 {
            let text = format!("{} routes are not yet in the kernel", fib.pending);
            reasons.push(ReasonView::new("fib_pending", text));
        }
        reasons
    }

    /// Says what a family of what we originate waits for.
    fn waits_in(&self, family: Family) -> Option<ReasonView> {
        if self.own_prefixes(family).next().is_none() {
            return None;
        }
        let mut carriers = self.peerings.iter().filter(|(_, peering)| carries(peering, family)).peekable();
        if carriers.peek().is_none() {
            let down = |peering: &&Peering| {
                peering.is_wanted()
                    && peering.machine.state() != State::Established
                    && peering.intent.families.contains(family)
            };
            let down: Vec<_> = self.peerings.values().filter(down).map(|peering| peering.name()).collect();
            let text = format!("no session carries {family}, and these are down: {}", down.join(", "));
            return (!down.is_empty()).then(|| ReasonView::new("no_session", text));
        }
        let told = carriers.any(|(&id, peering)| self.has_been_told(id, peering, family));
        let text = format!("no peer has been sent all that this node originates in {family}");
        (!told).then(|| ReasonView::new("not_advertised", text))
    }

    /// Tells whether a peer has been sent all we originate in a family, as far as its policy lets it.
    fn has_been_told(&self, id: PeerId, peering: &Peering, family: Family) -> bool {
        let end_of_rib =
            peering.session.as_ref().is_some_and(|session| session.end_of_rib_sent.contains(family));
        let pending = |prefix: &IpNet| self.rib.explain_export(id, prefix).err() == Some(Withheld::Pending);
        // Asking for each prefix is only worth it while something waits for the peer at all.
        end_of_rib && !(self.rib.has_pending(id) && self.own_prefixes(family).any(pending))
    }

    fn own_prefixes(&self, family: Family) -> impl Iterator<Item = &IpNet> {
        let own = self.intent.node.blocks.iter().chain(self.intent.originated.keys());
        own.filter(move |prefix| Family::of(prefix) == family)
    }
}

fn carries(peering: &Peering, family: Family) -> bool {
    let up = peering.machine.state() == State::Established;
    up && peering.machine.session().is_some_and(|session| session.negotiated.families.contains(family))
}
