//! The objects, the kernel's routes and the time, as one value.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use intent::{
    BlockSource, Intent, KernelRoute, Kubernetes, Leftover, Node, Originated, PeerSource, ServiceRanges,
};
use ipnet::IpNet;

use crate::calico::{Interest, LocalWorkload};
use crate::damping::Damping;
use crate::event::{Event, Kind};
use crate::object::Key;
use crate::plan::{Plan, Problem};
use crate::services::{Rule, Rules, Wanted};
use crate::store::{Objects, Saved, Saving};
use crate::watch::{Scope, Watch};
use crate::{blocks, calico, guard, leave, podbgp};

/// A route in the kernel's main table that is neither ours nor the kernel's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlienRoute {
    /// The prefix.
    pub prefix: IpNet,
    /// The way it goes.
    pub route: KernelRoute,
    /// Its metric.
    pub metric: u32,
}

/// What is known of the cluster, and what follows from it.
#[derive(Debug)]
pub struct Cluster {
    settings: Kubernetes,
    objects: Objects,
    kernel: Vec<AlienRoute>,
    damping: Damping,
}

impl Cluster {
    /// Makes one that knows nothing yet.
    #[must_use]
    pub fn new(settings: Kubernetes) -> Self {
        let objects = Objects::new(&settings.node_name);
        Self { settings, objects, kernel: Vec::new(), damping: Damping::default() }
    }

    /// Goes by other settings from now on, for the same node. What is not watched any more is forgotten.
    pub fn configure(&mut self, settings: Kubernetes) {
        self.settings = settings;
        self.objects.retain(&self.needed().into_iter().map(|watch| watch.kind).collect());
    }

    /// Takes note of what happened to an object.
    pub fn handle(&mut self, event: Event) {
        self.objects.handle(event);
    }

    /// Takes note of the routes others have in the kernel, all of them.
    pub fn kernel_routes(&mut self, routes: Vec<AlienRoute>) {
        self.kernel = routes;
    }

    /// Takes note of the workloads of this node that Felix says are peers, all of them.
    pub fn local_workloads(&mut self, workloads: Vec<LocalWorkload>) {
        self.objects.workloads = workloads;
    }

    /// Returns which routes of others in the kernel may matter, with what the file says of the node.
    #[must_use]
    pub fn interest(&self, file: &Node) -> Interest {
        if !self.is_calico() {
            return Interest::default();
        }
        let services = self.rules(&mut Vec::new()).apply(&self.objects, &mut Vec::new());
        let blocks = self.blocks(&mut Plan::default());
        calico::interest(calico::Given {
            objects: &self.objects,
            settings: &self.settings,
            kernel: &self.kernel,
            services: &services,
            blocks: blocks.as_ref(),
            file,
        })
    }

    /// Returns what to watch now. It grows as objects say, and never shrinks but by [`configure`](Self::configure): a watch
    /// that is taken up again costs a list.
    #[must_use]
    pub fn watches(&self) -> BTreeSet<Watch> {
        let mut watches = self.needed();
        for kind in [Kind::Service, Kind::EndpointSlice, Kind::Peer, Kind::Advertisement] {
            if self.objects.listed(kind).is_some() {
                watches.insert(Watch::all(kind));
            }
        }
        watches
    }

    /// Returns what this node needs to know.
    fn needed(&self) -> BTreeSet<Watch> {
        let all = |kinds: &[Kind]| kinds.iter().map(|kind| Watch::all(*kind)).collect::<Vec<_>>();
        let mut watches = BTreeSet::from([Watch::all(Kind::Node)]);
        if self.may_be_calico() {
            watches.extend(all(&[Kind::BlockAffinity, Kind::IpPool]));
        }
        if matches!(self.settings.peers, PeerSource::Auto | PeerSource::Calico) {
            watches.extend(all(&[Kind::BgpConfiguration, Kind::CalicoPeer, Kind::BgpFilter]));
        }
        if self.sources().1 == PeerSource::Podbgp {
            watches.extend(all(&[Kind::Peer, Kind::Advertisement]));
        }
        if self.may_be_cilium() {
            let scope = Scope::Named(self.settings.node_name.clone());
            watches.insert(Watch { kind: Kind::CiliumNode, scope });
        }
        let rules = self.rules(&mut Vec::new());
        if rules.want_services() {
            watches.insert(Watch::all(Kind::Service));
            if rules.want_endpoints(&self.objects) {
                watches.insert(Watch::all(Kind::EndpointSlice));
            }
        }
        let secrets = self.secrets().into_iter();
        watches.extend(secrets.map(|Key { namespace, name }| Watch {
            kind: Kind::Secret,
            scope: Scope::In { namespace, name },
        }));
        watches
    }

    /// Returns the kinds that are needed for a plan and of which there was no complete list yet.
    #[must_use]
    pub fn missing(&self) -> Vec<Kind> {
        let kinds: BTreeSet<Kind> = self.needed().into_iter().map(|watch| watch.kind).collect();
        let secrets_known = self.secrets().iter().all(|key| self.objects.knows_secret(key));
        let missing = |kind: &Kind| match kind {
            Kind::Secret => !secrets_known,
            kind => self.objects.listed(*kind).is_none(),
        };
        kinds.into_iter().filter(missing).collect()
    }

    /// Says what the cluster has this node do; `None` while something is missing. `now` is the time since any fixed start.
    /// Secrets nobody refers to any more are forgotten: they are no longer among the [`watches`](Self::watches).
    pub fn plan(&mut self, file: &Intent, now: Duration) -> Option<Plan> {
        if !self.missing().is_empty() {
            return None;
        }
        self.objects.retain_secrets(&self.secrets());
        let (objects, settings) = (&self.objects, &self.settings);
        let mut plan = Plan { problems: objects.unreadable(), ..Plan::default() };
        match objects.own_node() {
            Some(node) => plan.leave = leave::reason(node, &settings.drain_taints),
            None => plan.problems.push(no_node(settings)),
        }
        let blocks = self.blocks(&mut plan);
        let wanted = self.services(now, &mut plan);
        let (objects, settings) = (&self.objects, &self.settings);
        match self.sources().1 {
            PeerSource::Calico => {
                let (kernel, services, blocks, file) = (&self.kernel, &wanted, blocks.as_ref(), &file.node);
                let given = calico::Given { objects, settings, kernel, services, blocks, file };
                calico::plan(given, &mut plan);
            }
            PeerSource::Podbgp => {
                let blocks = blocks.unwrap_or_default().into_keys().collect();
                podbgp::plan(objects, settings, &blocks, &wanted, file, &mut plan);
            }
            PeerSource::Auto | PeerSource::None => {}
        }
        guard::plan(objects, settings, &wanted, file, &mut plan);
        plan.problems.sort();
        Some(plan)
    }

    /// Originates our blocks, unless Calico's objects say more of them than which they are; returns them then with who says
    /// so.
    fn blocks(&self, plan: &mut Plan) -> Option<BTreeMap<IpNet, String>> {
        if self.is_calico() && self.sources().0 == BlockSource::Calico {
            return None;
        }
        blocks::plan(&self.objects, &self.settings, plan);
        let cause = |(block, one): (&IpNet, &Originated)| (*block, one.cause.clone());
        Some(plan.originated.iter().map(cause).collect())
    }

    /// Originates what Services want.
    fn services(&mut self, now: Duration, plan: &mut Plan) -> Wanted {
        let rules = self.rules(&mut plan.problems);
        let mut wanted = rules.apply(&self.objects, &mut plan.problems);
        wanted.addresses = self.damping.settle(wanted.addresses, now, self.settings.damping);
        for (prefix, cause) in wanted.ranges.iter().chain(&wanted.addresses) {
            let originated = || Originated::new(cause.clone(), Leftover::DroppedInTransit);
            plan.originated.entry(*prefix).or_insert_with(originated);
        }
        wanted
    }

    /// Returns the objects there are.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Returns where blocks come from and whose peers these are, now that it is known what the cluster has.
    #[must_use]
    pub fn sources(&self) -> (BlockSource, PeerSource) {
        let peers = match self.settings.peers {
            PeerSource::Auto if self.objects.has_calico() => PeerSource::Calico,
            PeerSource::Auto => PeerSource::Podbgp,
            peers => peers,
        };
        (blocks::source(&self.objects, &self.settings), peers)
    }

    /// Returns when [`plan`](Self::plan) may say something else by itself, if ever.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.damping.next_deadline()
    }

    /// Returns all objects, to be written down for the next run.
    #[must_use]
    pub fn save(&self) -> Saving<'_> {
        self.objects.save()
    }

    /// Takes over what an earlier run of this node wrote down: it counts as listed until a real list takes its place.
    pub fn restore(&mut self, saved: Saved) {
        self.objects.restore(saved);
    }

    /// Tells whether Calico's blocks or peers may be ours.
    fn may_be_calico(&self) -> bool {
        blocks::may_be_calico(&self.settings)
            || matches!(self.settings.peers, PeerSource::Auto | PeerSource::Calico)
    }

    /// Tells whether Cilium's blocks may be ours.
    fn may_be_cilium(&self) -> bool {
        match self.settings.blocks {
            BlockSource::Auto => !self.objects.has_calico(),
            said => said == BlockSource::Cilium,
        }
    }

    /// Tells whether peers are Calico's.
    fn is_calico(&self) -> bool {
        self.sources().1 == PeerSource::Calico
    }

    /// Returns the rules Services are announced by: Calico's where its objects name a range, else what the file says, and
    /// our own objects where they count.
    fn rules(&self, problems: &mut Vec<Problem>) -> Rules {
        let (_, peers) = self.sources();
        if peers == PeerSource::Calico {
            let calico::ServicesAsked { ranges, load_balancer_aggregation } =
                calico::service_ranges(&self.objects);
            if ranges != ServiceRanges::default() {
                return Rules::Calico { ranges, load_balancer_aggregation };
            }
        }
        let mut rules: Vec<Rule> = Rule::of_file(&self.settings).into_iter().collect();
        if peers == PeerSource::Podbgp {
            rules.extend(podbgp::rules(&self.objects, problems));
        }
        Rules::Plain(rules)
    }

    /// Returns the Secrets that are referred to.
    fn secrets(&self) -> BTreeSet<Key> {
        match self.sources().1 {
            PeerSource::Calico => calico::secrets(&self.objects, &self.settings),
            PeerSource::Podbgp => podbgp::secrets(&self.objects, &self.settings),
            PeerSource::Auto | PeerSource::None => BTreeSet::new(),
        }
    }
}

fn no_node(settings: &Kubernetes) -> Problem {
    Problem {
        kind: Kind::Node,
        object: Key::of(&settings.node_name),
        field: String::new(),
        problem:
            "there is no such node, so it has no blocks; correct kubernetes.node-name, or let the node join"
                .to_owned(),
    }
}

#[cfg(test)]
mod tests;
