//! Which Services are announced by themselves, by Kubernetes' own words.

use bgp::Family;
use ipnet::IpNet;

use super::addresses::{Address, Addresses, Sort};
use super::{LOCAL, Rule, is_single, of_sort};
use crate::endpoints::{ByFamily, Endpoints};
use crate::object::service::Service;

/// Returns the addresses of a Service a rule announces by themselves.
pub(super) fn announced<'a>(
    rule: &'a Rule,
    service: &'a Service,
    addresses: &'a Addresses,
    endpoints: &'a ByFamily,
) -> impl Iterator<Item = IpNet> {
    let wanted = |address: &&Address| {
        is_announced(rule, service, **address, endpoints.of(Family::of(&address.prefix)))
    };
    addresses.iter().filter(wanted).map(|address| address.prefix)
}

fn is_announced(rule: &Rule, service: &Service, address: Address, endpoints: Endpoints) -> bool {
    if address.proxied || !rule.selector.matches(&service.metadata.labels) {
        return false;
    }
    let ranges = of_sort(&rule.ranges, address.sort);
    if !ranges.iter().any(|range| range.contains(&address.prefix)) {
        return false;
    }
    if is_local(service, address.sort) {
        return answers_here(endpoints);
    }
    // Who names a single address asks for it, be it inside a wider range or not.
    let alone = !rule.aggregate || ranges.contains(&address.prefix);
    alone && answers_anywhere(endpoints)
}

/// Tells whether only nodes with an endpoint may answer.
fn is_local(service: &Service, sort: Sort) -> bool {
    let policy = match sort {
        Sort::Cluster => &service.spec.internal_traffic_policy,
        Sort::External | Sort::LoadBalancer => &service.spec.external_traffic_policy,
    };
    policy == LOCAL
}

/// Tells whether packets that come to this node are answered on it.
///
/// An endpoint about to end draws no packets while another node has one that is ready: its node goes at once, so that
/// routers choose anew while it still answers what is under way, as kube-proxy has it do. If no endpoint is ready
/// anywhere, those about to end are all there is, and staying is better than dropping.
fn answers_here(endpoints: Endpoints) -> bool {
    endpoints.here.ready || (!endpoints.anywhere.ready && endpoints.here.leaving)
}

/// Tells whether packets that come to any node are answered on some.
fn answers_anywhere(endpoints: Endpoints) -> bool {
    endpoints.anywhere.ready || endpoints.anywhere.leaving
}

/// Tells whether a rule may ask for the endpoints of a Service.
pub(super) fn wants_endpoints(rule: &Rule, service: &Service) -> bool {
    let spec = &service.spec;
    (!rule.aggregate || super::all(&rule.ranges).any(is_single))
        || spec.internal_traffic_policy == LOCAL
        || spec.external_traffic_policy == LOCAL
}
