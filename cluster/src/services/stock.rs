//! Which Services are announced by themselves, as Calico does.

use bgp::Family;
use intent::ServiceRanges;
use ipnet::IpNet;

use super::addresses::{Addresses, Sort};
use super::{LOCAL, is_single, of_sort};
use crate::endpoints::{ByFamily, Endpoints};
use crate::object::service::Service;
use crate::prefix;

/// Returns the ranges announced whole: single addresses are left to their Services, but for cluster addresses.
pub(super) fn aggregates(
    ranges: &ServiceRanges,
    load_balancer_aggregation: bool,
) -> impl Iterator<Item = &IpNet> {
    let load_balancer = ranges.load_balancer.iter().filter(move |_| load_balancer_aggregation);
    let split = ranges.external.iter().chain(load_balancer).filter(|range| !is_single(range));
    ranges.cluster.iter().chain(split)
}

/// Returns the addresses of a Service that are announced by themselves: all of them or none.
pub(super) fn announced(
    ranges: &ServiceRanges,
    load_balancer_aggregation: bool,
    service: &Service,
    addresses: &Addresses,
    endpoints: &ByFamily,
) -> Vec<IpNet> {
    if !is_announced(ranges, load_balancer_aggregation, service, addresses, endpoints) {
        return Vec::new();
    }
    let inside = |sort: Sort| {
        let ranges = of_sort(ranges, sort);
        addresses.of_sort(sort).filter(|address| ranges.iter().any(|range| range.contains(address)))
    };
    // Whether they are inside a range is not asked of cluster addresses.
    let cluster = addresses.of_sort(Sort::Cluster).filter(|_| !ranges.cluster.is_empty());
    cluster.chain(inside(Sort::External)).chain(inside(Sort::LoadBalancer)).collect()
}

fn is_announced(
    ranges: &ServiceRanges,
    load_balancer_aggregation: bool,
    service: &Service,
    addresses: &Addresses,
    endpoints: &ByFamily,
) -> bool {
    let local = service.spec.external_traffic_policy == LOCAL;
    if !local && has_single(ranges, service, addresses) {
        // Whether any endpoint is ready is not asked, only whether the Service has slices.
        return endpoints.any_slice();
    }
    if !local && load_balancer_aggregation {
        return false;
    }
    let ready = |endpoints: Endpoints| if local { endpoints.here.ready } else { endpoints.anywhere.ready };
    families(service).any(|family| ready(endpoints.of(family)))
}

/// Tells whether one of the addresses is a range of its own.
fn has_single(ranges: &ServiceRanges, service: &Service, addresses: &Addresses) -> bool {
    let spec = &service.spec;
    let is_load_balancer = spec.kind == "LoadBalancer";
    let wished = prefix::address(&spec.load_balancer_ip).into_iter();
    let mut entries = wished.chain(addresses.of_sort(Sort::LoadBalancer)).filter(|_| is_load_balancer);
    entries.any(|address| ranges.load_balancer.contains(&address))
        || addresses.of_sort(Sort::External).any(|address| ranges.external.contains(&address))
}

/// Returns the families of a Service; servers always say them.
fn families(service: &Service) -> impl Iterator<Item = Family> {
    Family::ALL.into_iter().filter(|family| {
        let word = match family {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        };
        service.spec.ip_families.is_empty() || service.spec.ip_families.iter().any(|said| said == word)
    })
}
