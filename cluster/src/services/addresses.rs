//! The addresses of a Service.

use ipnet::IpNet;

use crate::event::Kind;
use crate::object::service::Service;
use crate::plan::Problem;
use crate::prefix;

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// The cluster's own use.
    Cluster,
    /// Somebody routes it to the nodes.
    External,
    /// A load balancer is entered there.
    LoadBalancer,
}

/// An address of a Service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    pub(super) sort: Sort,
    /// The address, as the block of it alone.
    pub(super) prefix: IpNet,
    /// Whether packets to it come by way of a proxy, and so not to us.
    pub(super) proxied: bool,
}

/// The addresses of a Service that can be read.
#[derive(Debug)]
pub(super) struct Addresses(Vec<Address>);

impl Addresses {
    /// Reads the addresses of a Service; `None` if it has none anybody sends packets on from.
    pub(super) fn of(service: &Service, problems: &mut Vec<Problem>) -> Option<Self> {
        if !super::is_served(service) {
            return None;
        }
        let spec = &service.spec;
        let first = [&spec.cluster_ip];
        let cluster: &mut dyn Iterator<Item = &String> = match spec.cluster_ips.is_empty() {
            true => &mut first.into_iter(),
            false => &mut spec.cluster_ips.iter(),
        };
        let mut addresses = Vec::new();
        let mut add = |sort, field: &str, text: &str, proxied| match prefix::address(text) {
            Some(prefix) => addresses.push(Address { sort, prefix, proxied }),
            None => problems.push(Problem {
                kind: Kind::Service,
                object: service.metadata.key.clone(),
                field: field.to_owned(),
                problem: format!(
                    "{} is no address packets can be sent to; it is left out",
                    prefix::shown(text)
                ),
            }),
        };
        cluster.for_each(|text| add(Sort::Cluster, "spec.clusterIPs", text, false));
        spec.external_ips.iter().for_each(|text| add(Sort::External, "spec.externalIPs", text, false));
        let ingress = service.status.load_balancer.ingress.iter().filter(|ingress| !ingress.ip.is_empty());
        ingress.for_each(|ingress| {
            let proxied = ingress.ip_mode == "Proxy";
            add(Sort::LoadBalancer, "status.loadBalancer.ingress", &ingress.ip, proxied);
        });
        Some(Self(addresses))
    }

    /// Returns them, cluster addresses first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Address> {
        self.0.iter()
    }

    /// Returns those of a sort.
    pub(super) fn of_sort(&self, sort: Sort) -> impl Iterator<Item = IpNet> {
        self.0.iter().filter(move |address| address.sort == sort).map(|address| address.prefix)
    }
}
