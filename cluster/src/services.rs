//! Which addresses of Services this node answers for.
//!
//! Ranges are announced whole by every node, whatever Services there are: any node can pass a packet on. An address is
//! announced by itself where that is not enough: when only nodes with an endpoint may answer (`Local`), when its range is
//! that one address, or when a rule asks for it.
//!
//! Two sets of rules share this frame: [`plain`], which follow Kubernetes' own words, and [`stock`], which follow
//! Calico's to the letter where its objects say which ranges there are.
//!
//! | | plain | Calico's |
//! |---|---|---|
//! | a node labelled `node.kubernetes.io/exclude-from-external-load-balancers` | has no part, whatever the value | has no part if the value is `true` |
//! | cluster addresses go by | `internalTrafficPolicy` | `externalTrafficPolicy` |
//! | the decision is made for | every address, with the endpoints of its family | the Service |
//! | endpoints about to end | count while none is ready anywhere | never count |
//! | ingress of `ipMode: Proxy` | is not ours | is announced |
//! | cluster addresses outside the ranges | are not ours | are announced |

mod addresses;
mod plain;
mod stock;

use std::collections::{BTreeMap, BTreeSet};

use intent::{Kubernetes, ServiceRanges};
use ipnet::IpNet;

use crate::endpoints::Index;
use crate::labels::LabelSelector;
use crate::object::node::Node;
use crate::object::service::Service;
use crate::plan::Problem;
use crate::store::Objects;
use addresses::{Addresses, Sort};

/// The label of a node that is no way into Services.
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// What a node is to announce because of Services.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    /// The ranges to announce whole, and who wants that.
    pub(crate) ranges: BTreeMap<IpNet, String>,
    /// The addresses to announce by themselves, and the Service of each; where several share one, the first.
    pub(crate) addresses: BTreeMap<IpNet, String>,
    /// All ranges of Services, announced or not.
    pub(crate) refused: BTreeSet<IpNet>,
    /// What follows from each rule that is [`traced`](Rule::traced), by its cause.
    pub(crate) traced: BTreeMap<String, BTreeSet<IpNet>>,
}

/// Who decides which Services are announced.
#[derive(Clone, Debug)]
pub(crate) enum Rules {
    /// The file and our own objects: what any of them wants.
    Plain(Vec<Rule>),
    /// Calico's objects.
    Calico {
        /// The ranges they say.
        ranges: ServiceRanges,
        /// Whether the ranges of load balancers are announced whole.
        load_balancer_aggregation: bool,
    },
}

/// What the file or an object of ours says of Services.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Who says it.
    pub(crate) cause: String,
    /// The addresses it is about.
    pub(crate) ranges: ServiceRanges,
    /// The Services it is about.
    pub(crate) selector: LabelSelector,
    /// Whether the ranges are announced whole.
    pub(crate) aggregate: bool,
    /// Whether somebody asks what follows from it.
    pub(crate) traced: bool,
}

impl Rule {
    /// Makes the rule of the file, unless it says nothing.
    pub(crate) fn of_file(settings: &Kubernetes) -> Option<Self> {
        let ranges = settings.services.clone();
        let cause = "kubernetes.services of the file".to_owned();
        let rule = Self { cause, ranges, selector: LabelSelector::default(), aggregate: true, traced: false };
        (!is_empty(&rule.ranges)).then_some(rule)
    }
}

impl Rules {
    /// Tells whether Services matter at all.
    pub(crate) fn want_services(&self) -> bool {
        match self {
            Self::Plain(rules) => rules.iter().any(|rule| !is_empty(&rule.ranges)),
            Self::Calico { ranges, .. } => !is_empty(ranges),
        }
    }

    /// Tells whether endpoints matter: whether some Service is announced by itself if it has any.
    pub(crate) fn want_endpoints(&self, objects: &Objects) -> bool {
        let any =
            |wants: &dyn Fn(&Service) -> bool| objects.services.iter().any(|(_, service)| wants(service));
        match self {
            Self::Plain(rules) => {
                let mut rules = rules.iter().filter(|rule| !is_empty(&rule.ranges));
                rules.any(|rule| any(&|service| plain::wants_endpoints(rule, service)))
            }
            Self::Calico { ranges, load_balancer_aggregation } => {
                let alone = !load_balancer_aggregation || all(ranges).any(is_single);
                !is_empty(ranges) && any(&|service| alone || service.spec.external_traffic_policy == LOCAL)
            }
        }
    }

    /// Returns what a node is to announce.
    pub(crate) fn apply(&self, objects: &Objects, problems: &mut Vec<Problem>) -> Wanted {
        let excluded = objects.own_node().is_some_and(|node| self.exclude(node));
        let mut wanted = Wanted { refused: self.ranges().copied().collect(), ..Wanted::default() };
        if excluded || !self.want_services() {
            return wanted;
        }
        self.aggregates(&mut wanted);
        let endpoints = Index::of(&objects.endpoint_slices);
        for (key, service) in objects.services.iter() {
            let Some(addresses) = Addresses::of(service, problems) else { continue };
            let endpoints = endpoints.get(key);
            let mut announce = |address| {
                wanted.addresses.entry(address).or_insert_with(|| format!("Service {key}"));
            };
            match self {
                Self::Plain(rules) => {
                    for rule in rules {
                        let announced = plain::announced(rule, service, &addresses, &endpoints);
                        announced.for_each(|address| {
                            announce(address);
                            trace(&mut wanted.traced, rule, address);
                        });
                    }
                }
                Self::Calico { ranges, load_balancer_aggregation } => {
                    stock::announced(ranges, *load_balancer_aggregation, service, &addresses, &endpoints)
                        .into_iter()
                        .for_each(announce);
                }
            }
        }
        // A range of one address that is announced whole is that address.
        wanted.addresses.retain(|address, _| !wanted.ranges.contains_key(address));
        wanted
    }

    /// Tells whether a node has no part in Services.
    fn exclude(&self, node: &Node) -> bool {
        let label = node.metadata.labels.get(EXCLUDED);
        match self {
            Self::Plain(_) => label.is_some(),
            Self::Calico { .. } => label.is_some_and(|value| value == "true"),
        }
    }

    fn ranges(&self) -> Box<dyn Iterator<Item = &IpNet> + '_> {
        match self {
            Self::Plain(rules) => Box::new(rules.iter().flat_map(|rule| all(&rule.ranges))),
            Self::Calico { ranges, .. } => Box::new(all(ranges)),
        }
    }

    /// Adds the ranges that are announced whole.
    fn aggregates(&self, wanted: &mut Wanted) {
        let mut add = |range: &IpNet, cause: &str| {
            wanted.ranges.entry(*range).or_insert_with(|| cause.to_owned());
        };
        match self {
            Self::Plain(rules) => {
                for rule in rules.iter().filter(|rule| rule.aggregate) {
                    for range in all(&rule.ranges).filter(|range| !is_single(range)) {
                        add(range, &rule.cause);
                        trace(&mut wanted.traced, rule, *range);
                    }
                }
            }
            Self::Calico { ranges, load_balancer_aggregation } => {
                stock::aggregates(ranges, *load_balancer_aggregation)
                    .for_each(|range| add(range, "BGPConfiguration default"));
            }
        }
    }
}

/// Notes what follows from a rule, if somebody asks.
fn trace(traced: &mut BTreeMap<String, BTreeSet<IpNet>>, rule: &Rule, prefix: IpNet) {
    if rule.traced {
        traced.entry(rule.cause.clone()).or_default().insert(prefix);
    }
}

/// What a traffic policy says if only nodes with an endpoint may answer.
const LOCAL: &str = "Local";

/// Returns the ranges of all sorts.
fn all(ranges: &ServiceRanges) -> impl Iterator<Item = &IpNet> {
    ranges.cluster.iter().chain(&ranges.external).chain(&ranges.load_balancer)
}

/// Returns the ranges addresses of a sort may be from.
fn of_sort(ranges: &ServiceRanges, sort: Sort) -> &BTreeSet<IpNet> {
    match sort {
        Sort::Cluster => &ranges.cluster,
        Sort::External => &ranges.external,
        Sort::LoadBalancer => &ranges.load_balancer,
    }
}

fn is_empty(ranges: &ServiceRanges) -> bool {
    all(ranges).next().is_none()
}

/// Tells whether a range is one address.
fn is_single(range: &IpNet) -> bool {
    range.prefix_len() == range.max_prefix_len()
}

/// Tells whether a Service has addresses packets are sent on from at all.
fn is_served(service: &Service) -> bool {
    let spec = &service.spec;
    matches!(spec.kind.as_str(), "" | "ClusterIP" | "NodePort" | "LoadBalancer")
        && !matches!(spec.cluster_ip.as_str(), "" | "None")
}

#[cfg(test)]
mod tests;
